/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of internal.h that is about groups with others than this node in them. */

#include "replica/replica.h"

struct replica_entry;
struct replica_image_job;
struct replica_state;

/* How far a member is behind its leader. */
struct replica_lag {
    int32_t id;
    uint64_t caught_up_ns;  /* at that time it had all that there was */
    uint64_t mark, mark_ns; /* an end of the log, and when it was that */
};

/* A configuration as it is in the log. */
struct replica_config_body {
    uint64_t index; /* of its entry; 0: what the group was made with */
    size_t size;
    uint8_t bytes[]; /* of the command; a count of 0: none */
};

/* What a group has that has, or had, others than this node in it. */
struct replica_peers {
    struct replica *replica;
    struct fleet_group member;           /* has the core */
    uint32_t epoch;                      /* of truncations, as of the core's last update */
    struct replica_config_body *applied; /* the last one up to applied_index, or of a newer snapshot at start */
    struct replica_config_body *last;    /* of the log; NULL: that is it */
    bool founded;                        /* entry 1 is committed */
    bool leads;                          /* as of the core's last update */
    bool parts;                          /* it did before the update that is being acted on */
    struct replica_change *change;       /* under way, or NULL */
    struct list changing_link;           /* shard->changing */
    uint64_t unreadable_index;           /* of an entry that couldn't be read, see lead.c; 0: none, nothing was told */
    uint64_t read_again_ns;              /* it isn't read before */
    uint64_t unreadable_ns;              /* the lead isn't given away for that again before */
    struct list loads;                   /* messages for which a worker reads */
    struct list sent;                    /* images that are on their way to a follower */
    struct replica_image_job *image;     /* one that came, see image.c; NULL: none */
    struct list imaging_link;            /* shard->imaging, while there is either */
    struct list reads;                   /* ops that wait for the others to say that this node leads */
    struct log_beyond beyond;            /* at start: entries that are committed, since they were in a segment */
    struct list voided;                  /* entries that were cut, and that the journal still has: their kept_link */
    /* Of a leader, see acks.c. */
    struct replica_lag *lags; /* one for each member */
    uint32_t n_lags;
    uint64_t seen_last;       /* last index as of the core's last update */
    uint64_t told;            /* producers with acks=1 know of entries up to here */
    struct list acks;         /* PRODUCE ops that are applied and wait for more flushes */
    struct list acks_link;    /* shard->acks */
    struct list parking_link; /* shard->parking */
};

/* replica.c: what the journal will not answer any more goes too. Takes NULL. */
void replica_peers_free(struct replica_peers *p);

static inline struct replica *replica_of_group(const struct fleet_group *g)
{
    return container_of(g, struct replica_peers, member)->replica;
}

/* Of a leader's silence, in raft/'s terms; at most twice as long. */
#define REPLICA_ELECTION_NS 1000000000ull
static inline uint64_t replica_election_ns(const struct replica_shard *shard)
{
    return shard->election_timeout_ns > 0 ? shard->election_timeout_ns : REPLICA_ELECTION_NS;
}

/* lead.c: gives the lead away when the journal stands still. Returns when it wants to be called again. */
uint64_t replica_lead_poll(struct replica_shard *shard);
/* A follower needs the entry of this index, or the image as of it, and it can't be read here. */
void replica_lead_unreadable(struct replica *r, uint64_t index, const char *text);
/* It couldn't just now, and needn't be tried. */
bool replica_is_unreadable(const struct replica *r, uint64_t index);

/* early.c: who doesn't lead, or doesn't know yet all that is committed. */
void replica_submit_early(struct replica *r, struct replica_op *op);
/* Several voters: more is applied. */
void replica_parked_run(struct replica *r);
/* Ends READs that have waited for long enough. Returns when it wants to be called again. */
uint64_t replica_parked_poll(struct replica_shard *shard);

/* enter.c */
/* Of cores in the fleet and outside. */
extern const struct raft_limits replica_core_limits;
/* Entries of one message, but for a larger single one. */
uint32_t replica_append_bytes(const struct replica_shard *shard);
/* After recovery. */
void replica_core_start(struct replica *r);
/* The only voter gets a core in the fleet, where it leads on, since it is going to have others beside it. An entry of
 * its term is applied. */
void replica_core_join_fleet(struct replica *r);
/* The configuration is another one: so may be how early this node campaigns. */
void replica_core_rank(struct replica *r);

/* change.c */
/* An entry's members: 1; 0: it has none. -EBADMSG: they can't be. */
int replica_entry_members(const struct entry *entry, struct replica_members *ret);
/* members: that the group was made with; NULL: this node. */
struct replica_peers *replica_peers_new(struct replica *r, const struct replica_members *members);
/* There is more to the group than this node. */
void replica_find_peers(struct replica *r);
/* A configuration is applied, or a snapshot has it. */
void replica_config_applied(struct replica *r, uint64_t index, const struct replica_members *members);
/* An image has it. */
void replica_config_replaced(struct replica *r, uint64_t index, const struct replica_members *members);
/* For a core that starts: the last configuration of the log, and the one before where that one isn't applied yet. */
struct replica_configs {
    struct raft_config last, previous;
};
void replica_configs_find(const struct replica *r, struct replica_configs *to, struct raft_start *ret_start);
/* The core has another configuration, by an entry, a truncation or an image; or it starts with one. */
void replica_members_noted(struct replica *r);
void replica_members_found(struct replica *r);
/* The joint configuration is committed, or a change was asked for: goes on at the end of the turn. */
void replica_note_changing(struct replica *r);
/* Goes on with all that is under way; no proposal waits. */
void replica_changes_run(struct replica_shard *shard);
/* This node leads no longer. */
void replica_change_lost(struct replica *r);
/* The node isn't the one that the members have under its id: its disk is another one. */
bool replica_is_stranger(const struct replica *r, const struct replica_message *m);
/* A node asks for votes: if it isn't a member any more, the leader tells it so. */
void replica_tell_removed(struct replica *r, int32_t id);

/* send.c */
/* Sends the update's messages. */
void replica_send(struct replica *r, const struct raft_update *u);
/* Sends an APPEND that the core knows nothing of. */
void replica_send_append(struct replica *r, const struct raft_message *m);
/* Bytes of an entry, roughly when it is only in a segment. */
uint32_t replica_size_of(const struct replica *r, uint64_t index);

/* Images that should have arrived long since count as lost. Returns when it wants to be called again. */
uint64_t replica_sent_poll(struct replica *r);
void replica_sent_forget(struct replica_peers *peers);

/* receive.c */
/* 0 or -EBADMSG. */
int replica_check_message(const struct replica *r, const struct replica_message *m);
/* The same for a SNAPSHOT: 0 with what it says. */
int replica_check_image(const struct replica *r, const struct replica_message *m, struct replica_state *ret);

/* A message, which was checked, as the core takes it. */
struct replica_received {
    struct raft_message message;
    struct raft_entry *entries;
    struct raft_config *configs;
    uint32_t n_configs;
};
/* Of the message's first n entries. */
void replica_received_make(struct replica_received *to, struct replica *r, const struct replica_message *m, uint32_t n);
void replica_received_free(struct replica_received *got, struct replica *r);

/* image.c */
/* A SNAPSHOT came. 0 or -EBADMSG. */
int replica_image_receive(struct replica *r, const struct replica_message *m);
/* Goes on where it can. Returns when it wants to be called again at the latest. */
uint64_t replica_image_poll(struct replica *r);
/* Something is on its way that wants to be looked after. */
void replica_note_imaging(struct replica *r);
/* Looks after all of them. */
uint64_t replica_images_poll(struct replica_shard *shard);
/* The core has taken it. Commands as with replica_cut(). */
void replica_image_install(struct replica *r, uint32_t epoch, struct list *lost);
/* A worker has it. */
bool replica_image_is_busy(const struct replica *r);
/* Nothing more is stored before it is installed. */
bool replica_awaits_image(const struct replica *r);
/* Gives up one that isn't installed. */
void replica_image_drop(struct replica *r);
void replica_image_free(struct replica_peers *peers);

/* acks.c: several voters. */
/* The core was stepped. */
void replica_acks_update(struct replica *r);
/* Too few are in sync for what the op asks for; any number of voters. */
bool replica_acks_refused(const struct replica *r, const struct replica_op *op, const char **ret_message);
/* The entry of a PRODUCE op was just proposed. */
void replica_acks_begin(struct replica *r, struct replica_entry *e);
/* What a PRODUCE op asks for is applied, at index or below. True: it waits until enough replicas have that. */
bool replica_acks_wait(struct replica *r, struct replica_op *op, uint64_t index);
/* A retry of a batch that isn't applied yet need wait no longer. */
bool replica_acks_is_told(const struct replica *r, const struct replica_op *op, uint64_t index);
/* Looks whether enough are still in sync. Returns when it wants to be called again. */
uint64_t replica_acks_poll(struct replica_shard *shard);
void replica_acks_free(struct replica_peers *p);
