/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One group's replica on this node: consensus + journal + log + applied state, and the only place that orders
 * effects: propose → journal → (majority flushed) → commit → apply → tail ring and waiters → segment → checkpoint.
 *
 * A replica lives on its shard's reactor. Its group is one of raft/; with several voters it is in the shard's fleet
 * (fleet/). All calls are on the owner reactor; those marked blocking run at start only. */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem_pool.h"
#include "base/slice.h"
#include "base/textbuf.h"
#include "env/env.h"
#include "fleet/fleet.h"
#include "journal/journal.h"
#include "log/log.h"
#include "log/scrub.h"
#include "raft/raft.h"
#include "replica/members.h"
#include "replica/op.h"
#include "txn/refusals.h"

struct replica;

/* What the nodes of a group with several voters tell each other: the core's messages, and the entries that go with an
 * APPEND, as they are in journals and segments. */
struct replica_message_entry {
    uint64_t term;
    uint32_t checksum;          /* of the envelope */
    struct slice head, batches; /* the envelope, in two pieces; the second may be empty */
    struct buf *buf;            /* the sender's: a reference on where they lie; NULL: in data */
};

/* Of an APPEND: what peers take at all, and what one has if nothing else is said. */
#define REPLICA_APPEND_MAX_ENTRIES 32768
#define REPLICA_APPEND_MAX_BYTES (4u << 20)
#define REPLICA_APPEND_ENTRIES 4096
#define REPLICA_APPEND_BYTES (1u << 20)

/* What a SNAPSHOT brings: the state as of its index, for a log that begins behind it. */
struct replica_image {
    int64_t next_offset;
    int64_t log_start; /* the sender's */
    uint32_t checksum; /* of the entry at the index */
    size_t size;       /* of the partition snapshot, which is the message's data; the members are in it */
};

struct replica_message {
    uint64_t group;
    struct raft_message raft;    /* n_entries of the following; no pointers */
    struct uuid incarnation;     /* of the sender's disk, as its connection's hello said; zero: not known */
    struct replica_image *image; /* of a SNAPSHOT */
    uint8_t *data;               /* its, or of entries that were read back */
    struct replica_message_entry entries[];
};

/* Takes NULL. On the sender's reactor. */
void replica_message_free(struct replica_message *m);

/* Of the checkpoints of a shard, one at a time; see round.c. */
struct replica_round {
    struct lane_work work;
    struct list members;
    enum {
        REPLICA_ROUND_NONE,
        REPLICA_ROUND_STORING, /* members append what is outstanding */
        REPLICA_ROUND_SYNCING,
    } phase;
    struct replica_sync **syncs; /* one for each member */
    size_t n_syncs, n_begun, n_running;
    struct env_disk *disk;
    bool no_sync_fs; /* the disk can't */
};

/* Descriptors on their way to be closed; the shard's. */
struct replica_trim {
    struct lane_work work;
    struct log_trim job;
    bool busy;
};

/* What all replicas of a shard share; made by the node, outlives them. */
struct replica_shard {
    struct env *env; /* of the owner reactor */
    struct journal *journal;
    struct log_cache *log_cache;
    unsigned shard;
    int32_t broker_id;
    uint64_t hash_seed;
    struct buf_pool *pool;   /* of the owner reactor */
    struct mem_pool *blocks; /* likewise */

    /* Called on the owner: sends a finished op home. */
    void (*complete)(void *ctx, struct replica_op *op);
    /* An I/O error, or LOG_E_CORRUPT, after which the process must end at once. text says all: where, what failed and
     * why, and what to do. */
    void (*fatal)(void *ctx, int err, const char *text);
    /* Takes a message to where raft.to says; it may get lost. Not asked of groups with one voter. */
    void (*send)(void *ctx, struct replica_message *m);
    /* The same for what the fleet says, which stays the fleet's; see fleet_next_message(). */
    void (*send_session)(void *ctx, const struct fleet_message *m);
    /* Several voters: who leads the group, or in which term, isn't any more what it was. May be NULL. */
    void (*led)(void *ctx, struct replica *r);
    /* The replica of a group, NULL when it is gone. */
    struct replica *(*find)(void *ctx, uint64_t group);
    /* Entries in a segment can't be read when somebody needs them; text says where, and what to do. Told once of a
     * replica where a follower needs them, and once of a segment where a consumer does. NULL: nobody wants to know. */
    void (*damaged)(void *ctx, struct replica *r, const char *text);
    /* A partition's files are gone, its directory isn't: something is in it that isn't the partition's, or mounted on
     * it. NULL: nobody wants to know. */
    void (*dir_kept)(void *ctx, const char *dir);
    /* Another configuration holds, or is applied: replica_members() tells. Called in the midst of a step, so nothing
     * may be asked of the replica that takes one; not for what a start finds. NULL: nobody wants to know. */
    void (*members_changed)(void *ctx, struct replica *r);
    void *ctx;
    struct uuid incarnation; /* of this data directory; zero: whatever a configuration says */

    /* The groups with several voters. What connections do and bring is told to it by the node: fleet_peer_up(),
     * fleet_peer_down(), fleet_receive(), fleet_hand_over(). */
    struct fleet *fleet;
    uint64_t election_timeout_ns, heartbeat_ns; /* of these groups; 0: a second, a tenth of one */
    /* Of one message to a follower, but for a larger single entry, and at most REPLICA_APPEND_MAX_*; 0:
     * REPLICA_APPEND_ENTRIES, REPLICA_APPEND_BYTES. */
    uint64_t append_entries, append_bytes;
    unsigned n_cores; /* groups in it: without any nothing is asked of it, and it isn't told the time */
    /* Of these groups' entries, what isn't applied yet takes so much of the journal: of partitions, which the budget is
     * for, and of state groups, which have a quarter of it beside them. */
    uint64_t unapplied_bytes, unapplied_state_bytes, unapplied_budget;
    struct list imaging; /* replicas with images on their way */
    uint64_t lag_ns;     /* replica_lag_time: how far behind a replica in sync may be */
    struct list acks;    /* replica_peers of those whose producers may wait for more replicas than a majority */
    uint64_t next_acks_ns;
    uint64_t n_flushes; /* of the journal, as of moved_ns: see lead.c */
    uint64_t moved_ns;
    uint64_t hand_over_ns; /* not before */
    struct list parking;   /* replica_peers of those that have READs with a limit to how long they wait */
    struct list changing;  /* replicas whose members are being changed */

    struct list dirty;   /* replicas with committed entries that wait for their segment */
    struct list no_file; /* of these, who waits for descriptors */
    /* Memory of entries that are proposed or committed and not yet in a segment. Producers wait beyond the budget, the
     * node's own entries don't. */
    size_t pending_bytes;
    size_t replay_store_at;  /* at start: so many pending bytes go to segments before more is replayed */
    size_t write_budget;     /* of pending_bytes */
    size_t group_budget;     /* of one group's part of it */
    struct list held;        /* replicas with PRODUCE ops that wait for room: whose turn is next comes first */
    unsigned n_held;         /* such ops */
    bool full;               /* one of them waits for room in the shard: no other op passes it */
    bool fleet_full;         /* one waits for room in the fleet: none of a group with several voters passes it */
    bool room_made;          /* since they were last looked at */
    struct list kept;        /* entries of all replicas that are in segments and still in memory, oldest first */
    size_t kept_bytes;       /* their memory */
    size_t lent_bytes;       /* memory that is held by readers alone: slow ones hold entries that are long gone */
    size_t read_budget;      /* of both */
    unsigned n_blocked;      /* replicas whose segment met a full disk: Produce is refused until they got on */
    int blocked_error;       /* of the last of them: -ENOSPC, or what else was short */
    bool low_space;          /* set by the node: little room is left on the disk, Produce is refused */
    struct list rested;      /* see replica_waiters */
    struct list checkpoints; /* replicas that want one, for the next round */
    struct replica_round round;
    unsigned n_relocations;      /* under way */
    uint64_t loading_size;       /* of entries that will be relocated and aren't with the journal yet */
    uint64_t relocated_ns;       /* when the last one ended, or the first of them began */
    uint64_t recycled_ns;        /* last look at what holds the journal's files */
    bool recycle_again;          /* as soon as some of the relocations are done */
    unsigned max_dirty_segments; /* with unsynced bytes, whose files can't be closed. From half of it on the oldest are
                                  * checkpointed, and beyond it nobody opens one more. 0: no limit */
    uint64_t next_limit_ns;
    struct replica_trim trim;
    bool dead;                 /* fatal() was called: nothing is written any more */
    bool at_rest;              /* the time for a stop is over: nothing more goes to segments, the journal has it */
    bool ended;                /* the reactors have ended: no mail is delivered any more */
    uint32_t max_producer_ids; /* of one partition; decides what apply does, so equal on all nodes */
    uint64_t now_ns;           /* see replica_shard_begin_turn() */
    int64_t now_real_ms;
    uint64_t n_produced_batches, n_produced_records, n_produced_bytes, n_duplicates, n_waits; /* since start */
    uint64_t n_fetched_bytes;
    struct raft_update update;         /* what the last step of a core outside the fleet asks for */
    uint64_t n_steps;                  /* of such cores, and ends of replicas */
    struct producer_refusals refusals; /* by group: PRODUCE ops of those that have no replica here */
};

/* What groups with several voters may have in the journal that isn't committed. */
struct replica_uncommitted {
    uint64_t led_bytes;   /* of groups that this node leads; one group has half of it at most. Producers wait beyond */
    uint64_t group_bytes; /* of one group, likewise */
    /* Of all partitions, with what leaders elsewhere sent, and a quarter of it of state groups: so much can be
     * relocated whenever the journal turns over, for as long as it takes. What goes beyond isn't taken, as if it had
     * got lost. 0: no limit. */
    uint64_t all_bytes;
};

/* Before the shard's replicas are opened, when the rest of it is set; the owner frees it behind them. n_shards, boot:
 * see fleet.h. */
void replica_shard_make_fleet(struct replica_shard *shard, unsigned n_shards, uint32_t boot,
                              const struct replica_uncommitted *uncommitted);

/* Gives the shard its even part of what the node may hold in memory (performance.write_cache_size). A group gets half
 * of the node's at most. */
void replica_shard_set_budget(struct replica_shard *shard, uint64_t write_bytes, unsigned n_shards);

/* The same for what stays in memory after that (performance.read_cache_size). */
void replica_shard_set_read_budget(struct replica_shard *shard, uint64_t read_bytes, unsigned n_shards);

/* A full disk keeps entries from their segments. */
static inline bool replica_shard_is_blocked(const struct replica_shard *shard)
{
    return shard->n_blocked > 0;
}

/* Room on the disk is what they need, and not descriptors or memory. */
static inline bool replica_shard_wants_space(const struct replica_shard *shard)
{
    return shard->n_blocked > 0 && disk_lacks_room(shard->blocked_error);
}

/* Why Produce is refused, if it is: 0 or a negative errno. */
static inline int replica_shard_shortage(const struct replica_shard *shard)
{
    if (shard->n_blocked > 0)
        return shard->blocked_error;
    return shard->low_space ? -ENOSPC : journal_space_error(shard->journal);
}

/* Settings of a partition; from topic and broker configs. */
struct replica_limits {
    uint64_t segment_bytes;
    int64_t segment_ms;
    int64_t retention_ms;    /* < 0: none */
    int64_t retention_bytes; /* < 0: none */
    uint32_t max_message_bytes;
    bool log_append_time;
    int16_t min_insync;
};

struct replica_config {
    uint64_t group;
    const char *dir; /* of its log, below the data directory */
    bool dir_absent; /* replica_open(): the directory is known not to be there */
    struct replica_limits limits;
    /* Who the group's members were when it was made, in the order in which they are preferred as leaders; NULL: this
     * node alone, which votes. It has to be the same at each start until the log has a configuration: of several
     * members the first leader puts it there. Without any, the replica is one that waits to be spoken to: it neither
     * votes nor leads before an entry or an image makes it a member. */
    const struct replica_members *members;
    /* Of replica_new() for a state group with members, or null: the body of the command that is its first entry. All
     * members make it alike, as entry 1 of term 1, so it counts as committed; append time in Unix ms. */
    struct slice first;
    int64_t first_ms;
    bool founded; /* replica_open(): entry 1, if there is one, is such a first entry */
    /* State groups only (metadata), else NULL: called for each COMMAND_METADATA of an applied entry, in order.
     * result is given back to the proposer. */
    void (*apply)(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, struct slice command,
                  int16_t *ret_result);
    void *apply_ctx;
    /* What apply's owner has already: entries up to it aren't applied again, but the one at applied_index is held
     * against term and checksum. 0: nothing. */
    uint64_t applied_index, applied_term;
    uint32_t applied_checksum;
};

/* The applied position that the owner gave isn't one of this log: the image is of another history, or damaged. */
#define REPLICA_E_STALE_IMAGE (ERROR_BASE_REPLICA + 1)

/* A replica of a new group, which has no files. Nothing is written before the first proposal, or election, but for the
 * first entry where there is one: it goes to the journal, which has been started, and is applied at once. */
int replica_new(struct replica_shard *shard, const struct replica_config *config, struct replica **ret);

/* Blocking, at start: a replica of a group that the journal knows. Then the journal's entries of the group go to
 * replica_replay() in order, then replica_replay_end(). */
int replica_open(struct replica_shard *shard, const struct replica_config *config,
                 const struct journal_group_state *state, struct replica **ret, struct error_text *err);
int replica_replay(struct replica *r, const struct journal_replay_record *rec, struct error_text *err);
int replica_replay_end(struct replica *r, struct error_text *err);
/* After journal_start(). One voter: takes the next term and leads; Produce opens when its own first entry is applied.
 * An empty log opens at once and writes nothing; its term goes to the journal ahead of its first entry. Where the
 * journal has no file to write to, all open at once, for readers: Produce is refused meanwhile. Who has to ask others
 * waits for its time; where the log says that nobody else votes any more, this node campaigns at once. */
void replica_lead(struct replica *r);

/* --- members --- */

/* The members as they are by the last configuration in this node's log, with the index of its entry: 0 for those that
 * the group was made with. Returns whether it is known to be committed. */
bool replica_members(const struct replica *r, struct replica_members *ret, uint64_t *ret_index);

/* The caller's, from the call until done(). */
struct replica_change {
    /* On the owner, in the call already or later: 0, as soon as the wanted members are, committed and not joint;
     * REPLICA_E_SUPERSEDED: another change was asked for; RAFT_E_NOT_LEADER: somebody else leads now, and may or may
     * not go on with it; or another RAFT_E_*. */
    void (*done)(struct replica_change *c, int result);
    struct replica_members wanted; /* the replica's */
};

/* Another change took its place. */
#define REPLICA_E_SUPERSEDED (ERROR_BASE_REPLICA + 2)

/* On the leader: makes the group's members these, voters and learners, in as many steps as it takes, each an entry of
 * the log: who is new comes as a learner, catches up, and votes by a joint configuration, which is left when it is
 * committed; who is named with another incarnation than before goes first and comes anew. Another change that is under
 * way ends where it is, but a joint configuration is left in any case, by whoever leads. A sole voter becomes the
 * leader of a group with others by this. It takes as long as the new members need, or for ever if they never answer. 0,
 * or why nothing was begun (done() isn't called): RAFT_E_NOT_LEADER, RAFT_E_CONFIG_INVALID, or, of a sole voter whose
 * first entry of the term isn't durable, RAFT_E_CONFIG_PENDING: ask again. */
int replica_change_members(struct replica *r, struct replica_change *c, const struct replica_members *wanted);

/* --- groups with several voters --- */

/* A message of another member. It is looked at to its end before anything comes of it. -EBADMSG: it can't be one. */
int replica_receive(struct replica *r, const struct replica_message *m);
/* Whom it takes for the leader; RAFT_NONE: nobody it knows of. */
int32_t replica_leader(const struct replica *r);
/* Wants to lead, without waiting for the leader to fall silent. */
void replica_campaign(struct replica *r);
bool replica_leads(const struct replica *r);
/* Hands leadership over to another voter, or, with RAFT_NONE, no longer. Until that one leads, or an election timeout
 * has passed and this node leads on, nothing is proposed: Produce is told that the leader is elsewhere, which clients
 * try again. 0 or RAFT_E_*. */
int replica_transfer(struct replica *r, int32_t peer);
/* A SNAPSHOT to the node got lost. Where nobody tells, it is sent again when it should have been there long since. */
void replica_image_lost(struct replica *r, int32_t peer);
/* The voters that are in sync, as the leader sees it: they have flushed all of its log, or had at some time not longer
 * ago than replica_lag_time. Returns how many, this node among them; 0 where it doesn't lead. */
uint32_t replica_in_sync(const struct replica *r, int32_t ret_ids[RAFT_MAX_MEMBERS]);

/* A partition snapshot, and so an image, can't outgrow this: producer ids per partition are capped. */
#define REPLICA_SNAPSHOT_MAX (64u << 20)
/* For repair: the body of a partition snapshot that knows of no producer. */
#define REPLICA_SNAPSHOT_BLANK_SIZE 40
void replica_snapshot_blank(uint8_t to[REPLICA_SNAPSHOT_BLANK_SIZE], uint64_t index, int64_t next_offset,
                            int64_t log_start);

/* Frees it. Nothing of it may be on its way through the lane; what waits in the journal or for a reader is forgotten,
 * and the ops that wait for it are not touched: their owners may be gone. Takes NULL. */
void replica_free(struct replica *r);
bool replica_is_idle(const struct replica *r);
/* Nothing of it is on its way through the lane. */
bool replica_is_quiet(const struct replica *r);
/* The node stops: ends all waiting ops (REQUEST_TIMED_OUT: what was proposed may still be in the log after a restart)
 * and lets none wait from now on. With several voters it neither hears the others nor says anything by itself any more,
 * as if the node had gone: so it comes to rest. */
void replica_close(struct replica *r);
/* The group was deleted: ends all waiting ops (UNKNOWN_TOPIC_OR_PARTITION), takes no more, and when idle leaves the
 * journal and removes the files. done(ctx) is called on the owner when all is gone and the replica is freed. Until then
 * the node goes on routing RELEASE and CANCEL ops to it. */
void replica_destroy(struct replica *r, void (*done)(void *ctx), void *ctx);

void replica_submit(struct replica *r, struct replica_op *op);
/* The op ends, since its group has no replica here. It may be about to get one, and more of the same producer may be on
 * its way to that: of a PRODUCE it is noted. */
void replica_shard_note_refusal(struct replica_shard *shard, const struct replica_op *op);
void replica_set_limits(struct replica *r, const struct replica_limits *limits);

/* State groups: proposes one command (copied). done() on the owner when it is applied, with apply's result; or at once
 * with NOT_LEADER_OR_FOLLOWER when this node can't propose. */
struct replica_command {
    struct list link;
    void (*done)(struct replica_command *c, int16_t result);
    int16_t result;
    uint64_t index; /* the replica's */
};
void replica_propose_command(struct replica *r, struct replica_command *c, struct slice body);
/* It would be taken. */
bool replica_takes_commands(const struct replica *r);
/* State groups, several voters: the commands that are in the log and not applied, in order. They may become void. */
void replica_foresee(const struct replica *r, void (*fn)(void *ctx, uint64_t index, struct slice command), void *ctx);
/* All that is in the log is applied. */
bool replica_is_caught_up(const struct replica *r);

/* The time of a turn, before anything else in it. */
static inline void replica_shard_begin_turn(struct replica_shard *shard, uint64_t now_ns, int64_t now_real_ms)
{
    shard->now_ns = now_ns;
    shard->now_real_ms = now_real_ms;
    if (shard->n_cores > 0)
        fleet_poll(shard->fleet, now_ns);
}
/* Once per turn and shard, behind all that came in it and before journal_poll(): does what waited for the end of the
 * turn (see fleet.h), lets in who waited for room as far as there is some, and hands committed entries to workers.
 * Returns when it wants to be called again at the latest (ns, UINT64_MAX: not by itself). */
uint64_t replica_shard_poll(struct replica_shard *shard);
/* Makes everything up to at least index durable in segments and journals a checkpoint, with the next round: that is
 * begun by the poll, so that those who want one at the same time go together. */
void replica_checkpoint(struct replica *r, uint64_t index);
/* Sees to it that what holds the journal's oldest files lets go of them, as journal_pins() tells: small partitions are
 * relocated, others checkpointed. Call it now and then while the journal is written to; when that is full, the poll
 * does. */
void replica_shard_recycle(struct replica_shard *shard);
/* For a drain: others are to lead what this node leads. Call it again, for a while, until it returns false: then it
 * leads nothing that another node could lead. */
bool replica_shard_hand_over(struct replica_shard *shard);
/* Retention: proposes a new log start when segments may go, and an entry that starts the next segment when nothing else
 * would free the bytes of the last one. Cheap when idle. */
void replica_housekeep(struct replica *r);

/* No descriptors are on their way to be closed. */
static inline bool replica_shard_is_quiet(const struct replica_shard *shard)
{
    return !shard->trim.busy;
}

/* Reads a piece of the sealed segments again; log/scrub.h. The caller keeps it, with zeros in job at first, and goes on
 * where it stopped by giving it again. done() on the owner, when replica is NULL again. */
struct replica_scrub {
    struct lane_work work;
    struct log_scrub job;
    struct replica *replica; /* while a worker has it */
    void (*done)(struct replica_scrub *s, struct replica *r);
};
/* False: nothing is sealed from there on. */
bool replica_scrub(struct replica *r, struct replica_scrub *s, size_t max_bytes);
void replica_describe_damage(const struct replica *r, const struct log_scrub_damage *d, struct error_text *ret);
uint64_t replica_last_index(const struct replica *r);

/* Everything is in segments and checkpointed; what isn't committed is in the journal. */
bool replica_is_stored(const struct replica *r);
/* It can't be for now: its segment met a full disk. */
bool replica_is_blocked(const struct replica *r);

/* It has other voters, or learners. */
bool replica_has_peers(const struct replica *r);
/* Leads and takes proposals. */
bool replica_is_open(const struct replica *r);
uint64_t replica_group(const struct replica *r);
uint64_t replica_term(const struct replica *r);
/* Offsets for metrics. */
int64_t replica_log_start(const struct replica *r);
int64_t replica_high_watermark(const struct replica *r);
uint64_t replica_size_bytes(const struct replica *r);

/* Where it stands, for whoever watches nodes from outside. No padding: it may be compared as bytes. */
struct replica_standing {
    struct raft_standing raft;
    uint64_t applied;
    int64_t log_start;      /* durable */
    int64_t next_log_start; /* applied */
    uint32_t checksum;      /* of the entry at applied */
    uint8_t open;           /* 1: serves */
    uint8_t ahead;          /* 1: the core counts an entry as flushed, and the journal hasn't said so */
    uint16_t alone;         /* 1: the only voter. Then raft is what its log says; in durable_term applied was written */
};
/* *ret_core may be asked for more, NULL: alone. False: it is closed or destroyed. */
bool replica_stands(const struct replica *r, struct replica_standing *ret, const struct raft **ret_core);
bool replica_is_destroyed(const struct replica *r);
/* It is closed and not destroyed. What was on its way to the journal goes on. */
bool replica_has_closed(const struct replica *r);
/* Of an entry of its log; 0: not known. */
uint64_t replica_term_at(const struct replica *r, uint64_t index);
/* It has a core. The configuration in force, the last one of the log, as a start would find it, and the one whose
 * incarnations are known are the same. */
bool replica_configs_agree(const struct replica *r);
/* The time of its shard's last turn. */
uint64_t replica_now_ns(const struct replica *r);
/* Of what is a function of the log up to what is applied: offsets, log start, producers. */
uint32_t replica_state_checksum(const struct replica *r);
