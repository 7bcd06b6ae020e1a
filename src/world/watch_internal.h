/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the watch share. */

#include "base/hash.h"
#include "base/list.h"
#include "world/internal.h"
#include "world/watch.h"

#define WATCH_MAX_TERM 65536
#define WATCH_READS 32 /* looks with reads under way; of more nothing is known */

/* A committed index, as the first who committed it showed it. */
struct watch_entry {
    uint32_t term;     /* 0: not known */
    uint32_t by_term;  /* the term in which it was committed, at most */
    uint32_t checksum; /* as somebody applied it; 0: nobody was seen to */
    int32_t by;
};

/* What is known of a term. */
struct watch_term {
    bool begun;        /* somebody voted for itself */
    int32_t leader;    /* 0: nobody yet */
    uint32_t life;     /* its */
    uint64_t given_up; /* it doesn't hand over to these any more: bits of nodes */
    int64_t log_start; /* as far as anybody had it when the leader was elected */
};

/* What the applied state was at an index. */
struct watch_applied {
    uint64_t index;
    uint32_t checksum;
};

struct watch_config {
    uint64_t index, term;
    uint32_t n_members;
    struct watch_member members[RAFT_MAX_MEMBERS];
};

/* A node in a group: its last look, and what binds it over crashes. */
struct watch_node {
    struct list link;
    int32_t id;
    uint32_t life; /* 0: never seen */
    struct replica_standing at;
    struct watch_config config;
    uint32_t *flushed; /* terms of the entries that it has flushed, from index 1; 0: not known */
    size_t n_flushed, flushed_capacity;
    int32_t *votes; /* by term: whom it voted for, as far as anybody was told; 0: nobody */
    size_t n_votes;
    int64_t log_start;
    /* Tickets of reads, the last one of a look each, and what was committed anywhere when they were given. */
    struct {
        uint64_t ticket, committed;
        uint64_t step; /* of the node that gave them */
    } reads[WATCH_READS];
    unsigned n_reads;
};

struct watch_group {
    struct hash_node by_id;
    struct uuid cluster;
    uint64_t id;
    bool gone;                    /* its topic is deleted */
    struct watch_applied *states; /* once everything was read */
    size_t n_states;
    struct list nodes;
    struct watch_entry *committed; /* from index 1 */
    size_t n_committed, committed_capacity;
    struct watch_term *terms;
    size_t n_terms;
    int64_t log_start;            /* the largest that was durable on a node */
    struct watch_config *configs; /* as leaders showed them, in the order of time */
    size_t n_configs;
    size_t chained; /* the last of them that is committed, plus 1; 0: none */
};

/* A look under way. */
struct watch_view {
    struct watch *watch;
    struct world *world;
    struct watch_group *group;
    struct watch_node *node;
    const struct watch_state *state;
    bool starts; /* the first of this life */
};

static inline const struct raft_standing *watch_raft(const struct watch_view *v)
{
    return &v->state->at.raft;
}

static inline uint64_t watch_term_at(const struct watch_view *v, uint64_t index)
{
    return v->state->term_at(v->state->log, index);
}

_printf_(3, 4) void watch_fail(const struct watch_view *v, const char *invariant, const char *fmt, ...);
struct watch_group *watch_group_of(struct watch *watch, const struct uuid *cluster, uint64_t id);
struct watch_node *watch_node_of(struct watch_group *g, int32_t id);
/* Steps of all nodes are numbered. The last one of a node; 0: none yet. */
uint64_t watch_last_step(const struct watch *watch, int32_t node);

/* watch.c, watch_states.c: of a node. */
bool watch_has_old_disk(const struct watch *watch, const struct machine *m);
/* It may be where it was when everything was read. */
void watch_look_again(struct watch *watch, const struct machine *m, const struct replica *r, uint64_t applied);

/* watch_log.c: what is flushed, and what is committed. */
void watch_note_flushed(const struct watch_view *v);
/* Of what was flushed its log has other entries now, or none. */
void watch_forget_cut(const struct watch_view *v);
void watch_check_kept(const struct watch_view *v);
void watch_check_commit(const struct watch_view *v);
void watch_check_complete(const struct watch_view *v);
/* Before what this look shows to be committed is known. */
void watch_check_reads(const struct watch_view *v);

/* watch_vote.c: votes, leaders, configurations. */
void watch_note_votes(const struct watch_view *v);
void watch_check_term(const struct watch_view *v);
void watch_check_leader(const struct watch_view *v);
/* Whether those for whom says() is true are a quorum, of both halves. */
bool watch_is_quorum(const struct watch_config *c, bool (*says)(void *ctx, const struct watch_member *m), void *ctx);
void watch_check_config(const struct watch_view *v);
void watch_check_in_sync(const struct watch_view *v);
void watch_note_config(const struct watch_view *v);
/* What is committed now is known. */
void watch_check_configs(const struct watch_view *v);
