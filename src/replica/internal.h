/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of replica/ share. Owner reactor only. */

#include "raft/raft.h"
#include "replica/peers.h"
#include "replica/replica.h"
#include "txn/producer.h"
#include "wire/error.h"

/* One entry from its proposal until it is in a segment. It lives at the front of the buffer that holds its envelope,
 * so that one allocation and one reference count serve both. A large batch isn't copied there: it stays in the frame
 * that brought it. */
struct replica_entry {
    struct buf *buf;
    struct buf *frame;   /* where the batches lie, or NULL: behind head */
    unsigned frame_home; /* the reactor that frame belongs to */
    struct replica_shard *shard;
    struct replica *replica;
    struct journal_request request;
    uint64_t index, term;
    uint32_t checksum;
    uint32_t epoch;    /* of truncations, as the core gave it */
    struct slice head; /* of the envelope: header and commands */
    struct slice batches;
    struct entry_header header;
    size_t cost;           /* memory, as it is charged to the budget */
    struct list kept_link; /* shard->kept, once it is in a segment */
    bool waits;            /* for the end of the turn: neither the core nor the journal has it yet */
    bool flushed;
    bool unapplied; /* several voters: counted as that in the shard */
    bool voided;    /* cut while the journal had it */
    bool lent;      /* only readers hold it any more; counted in the shard */
    bool roll;      /* starts a new segment, with this snapshot as of index − 1 */
    uint8_t *snapshot;
    size_t snapshot_size;
    struct replica_op *op;           /* the producer that waits for it, or NULL */
    struct list duplicates;          /* ops: retries of the same batch that wait for it too */
    struct replica_command *command; /* the proposer of a command, or NULL */
};

/* Entries in index order. Grows by doubling and shrinks again, down to nothing when empty, since idle replicas are
 * many; what it gives back goes to the shard's blocks, where the next one finds it. A replica's tail has those from the
 * first that isn't in a segment to the last proposed. */
struct replica_slots {
    uint32_t capacity, head, count; /* a ring */
    struct replica_entry *entries[];
};
struct replica_tail {
    struct replica_slots *slots; /* NULL when empty */
};

/* An append or a cut of the log, at most one in flight; beside it a sync, which is part of a round. */
struct replica_job;
struct replica_sync;

/* What a state group (metadata) has beyond a partition. */
struct replica_machine {
    void (*apply)(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, struct slice command,
                  int16_t *ret_result);
    void *apply_ctx;
    uint64_t apply_after, apply_after_term;
    uint32_t apply_after_checksum;
};

/* Who waits for a replica. It has these lists while somebody does, and then till the next poll; in between, empty ones
 * that are everybody's. */
struct replica_waiters {
    struct replica *replica;
    struct list link;      /* shard->rested: nobody waits any more */
    struct list held;      /* PRODUCE ops that wait for room, in order of arrival */
    struct list held_link; /* shard->held while there are some */
    struct list watchers;  /* WATCH ops */
    struct list parked;    /* ops that wait for open, or for what a follower hasn't applied yet */
    struct list queries;   /* LIST_OFFSETS by time that wait for segments */
    struct list deletes;   /* DELETE_RECORDS that wait for a durable log start */
    struct list cold;      /* READ and LIST_OFFSETS ops at a worker */
    struct list requests;  /* journal requests in flight that aren't entries */
};

/* Thousands of these are idle: what few of them need hangs off a pointer. */
struct replica {
    struct replica_shard *shard;
    uint64_t group;
    struct journal_group *in_journal; /* NULL before the first entry since the start */
    struct log *log;                  /* NULL once a destroyed replica has settled */
    struct replica_limits limits;
    struct list dirty_link; /* shard->dirty, or no_file */
    size_t pending_bytes;   /* its part of the shard's */

    union {
        struct raft *raft; /* NULL: at rest; with several voters the fleet's, NULL once it is closed */
        struct replica_destroy_job *destroy_job; /* once destroyed */
    };
    uint64_t term;
    uint64_t last_index;      /* last proposed */
    int64_t proposed_offset;  /* next offset to give */
    int64_t last_append_time; /* of the last proposed */
    uint64_t applied_index, applied_term;
    int64_t applied_offset; /* the high watermark */
    int64_t log_start;      /* applied */
    int64_t durable_start;  /* journalled: what readers see and files follow */
    int64_t start_proposed; /* largest log start proposed so far */

    uint32_t last_checksum, applied_checksum, checkpoint_checksum; /* of the entries at these indexes */
    unsigned n_reads; /* READ ops that came home well and weren't released yet */

    struct replica_tail tail;
    struct replica_tail kept;         /* stored entries before it */
    struct producer_state *producers; /* NULL until the first idempotent batch */
    struct replica_waiters *waiters;  /* never NULL */
    uint64_t state_index;             /* at start: the producer state has everything up to here already */
    uint64_t state_file;              /* likewise: of the snapshot that it came from, by name */

    struct replica_job *job;
    struct replica_sync *sync;
    struct list round_link;  /* shard->checkpoints, or the members of the round */
    uint64_t round_index;    /* in the round: up to where it has to be stored */
    uint64_t unstored_bytes; /* committed since the last append job was made */
    uint64_t dirty_since_ns;
    uint64_t retry_ns;          /* after ENOSPC; 0 none */
    uint64_t checkpoint_index;  /* journalled, or on its way to the journal */
    uint64_t checkpoint_wanted; /* 0: none */
    /* Bytes of envelopes since the start: of all, of those in a segment, of those up to the checkpoint. */
    uint64_t proposed_bytes, stored_bytes, checkpoint_bytes;
    struct replica_relocation *relocation; /* under way, or NULL */
    bool scrubbing : 1;                    /* a worker reads its segments again */
    bool replaying : 1;                    /* at start: nothing goes to the lane */
    bool open : 1;                         /* leads, and its own first entry of the term is applied */
    bool start_in_flight : 1;              /* a LOG_START is on its way to the journal */
    bool blocked : 1;                      /* its last job met a full disk; counted in the shard */
    bool closing : 1;                      /* the node stops: no op may wait */
    bool destroyed : 1;
    bool no_file : 1;  /* when it is in a list of the shard's: which */
    bool has_turn : 1; /* it waited for descriptors, and needn't any more */
    bool known : 1;    /* the journal has records of the group, or will have: it has to forget it at the end */
    bool led : 1;      /* the core led in this term: that is in the journal, or on its way there */
    bool stirred : 1;  /* something was proposed since the core was last looked at */
    int32_t vote;      /* in the term, as of when the core was made */

    struct replica_machine *machine; /* NULL: a partition */
    struct replica_peers *peers;     /* NULL: this node is the only voter, and always was */
};

static inline size_t replica_entry_size(const struct replica_entry *e)
{
    return e->head.size + e->batches.size;
}

/* tail.c: the entries are of one shard. */
static inline uint32_t tail_count(const struct replica_tail *t)
{
    return t->slots != NULL ? t->slots->count : 0;
}

static inline struct replica_entry *tail_at(const struct replica_tail *t, uint32_t i)
{
    const struct replica_slots *s = t->slots;
    uint32_t at;

    gq_assert(i < tail_count(t));
    at = s->head + i;
    return s->entries[at < s->capacity ? at : at - s->capacity];
}

/* NULL: it isn't there. */
static inline struct replica_entry *tail_by_index(const struct replica_tail *t, uint64_t index)
{
    uint64_t at = tail_count(t) > 0 ? index - tail_at(t, 0)->index : 0;

    return at < tail_count(t) ? tail_at(t, (uint32_t)at) : NULL;
}

void tail_push(struct replica_tail *t, struct replica_entry *e);
/* Position of the entry that holds offset or the first behind it; count when there is none. */
uint32_t tail_find_offset(const struct replica_tail *t, int64_t offset);
struct replica_entry *tail_pop(struct replica_tail *t);
/* From the end. */
struct replica_entry *tail_pop_last(struct replica_tail *t);

/* waiters.c: whoever adds somebody takes the lists from wait_on(), whoever may have taken the last one out calls
 * wait_over(); all others look at r->waiters and change nothing there but by taking out. */
void wait_init(struct replica *r);
void wait_fini(struct replica *r);
struct replica_waiters *wait_on(struct replica *r);
void wait_over(struct replica *r);
/* Gives back what nobody waits in. */
void wait_poll(struct replica_shard *shard);

/* budget.c */
/* Whether the PRODUCE op's entry may be proposed now. False: the op has to be held. */
bool replica_has_room(struct replica *r, const struct replica_op *op);
void replica_hold(struct replica *r, struct replica_op *op);
/* Ends a PRODUCE op that is held; nothing when it isn't. */
void replica_unhold(struct replica *r, struct replica_op *op, int16_t error, const char *message);
/* Ends all that are held. */
void replica_unhold_all(struct replica *r, int16_t error);
/* Lets in as many as there is room for, one of each group in turn. */
void replica_admit_held(struct replica_shard *shard);
/* Entries should get to their segments at once. */
bool replica_shard_is_pressed(const struct replica_shard *shard);
void replica_charge(const struct replica_entry *e);
void replica_uncharge(struct replica_entry *e);
/* Several voters: it isn't committed yet, as far as is known here. */
void replica_note_unapplied(struct replica_entry *e);
void replica_note_applied(struct replica_entry *e);
/* Of an entry that isn't committed: what a leader found, and the empty entry that it begins with, can only be committed
 * together, and so are never kept out; nor is any other that is empty. */
bool replica_is_awaited(uint64_t term, uint64_t leader_term, size_t envelope_size);
/* How many entries of an APPEND the journal has room for, for however long they may not be committed. */
uint32_t replica_entries_that_fit(const struct replica *r, const struct replica_message *m);

/* keep.c */
/* Takes an entry that is in a segment and has left the tail. */
void replica_keep(struct replica *r, struct replica_entry *e);
/* Those that end at or below offset. */
void replica_kept_drop_below(struct replica *r, int64_t offset);
void replica_kept_drop_all(struct replica *r);

/* propose.c */
void replica_produce(struct replica *r, struct replica_op *op);
/* The same for an op that waited and has its room. */
void replica_produce_held(struct replica *r, struct replica_op *op);
/* The PRODUCE op is ended, and was never proposed: later ones of its producer must not pass it. */
void replica_note_refusal(struct replica *r, const struct replica_op *op);
/* early.c: what the PRODUCE op brings of refusals elsewhere; those of a group that has a replica now. */
void replica_take_refusal(struct replica *r, const struct replica_op *op);
void replica_take_refusals(struct replica *r);
/* Memory that the entry of a PRODUCE op will take, and its bytes. */
size_t replica_produce_cost(const struct replica_op *op);
uint32_t replica_produce_size(const struct replica_op *op);
void replica_propose_noop(struct replica *r);
/* The first entry, see replica_config. */
void replica_found(struct replica *r, struct slice command, int64_t time_ms);
void replica_propose_log_start(struct replica *r, int64_t offset);
/* Only puts it to the tail, where it waits: its proposal follows. */
void replica_put_config(struct replica *r, const struct replica_members *members);
void replica_entry_free(struct replica_entry *e);
/* Gives up the replica's reference, and counts what stays with readers. */
void replica_entry_let_go(struct replica_entry *e);
/* An entry that the journal has already; its envelope is copied. */
struct replica_entry *replica_entry_restore(struct replica *r, const struct journal_replay_record *rec);
/* One from the leader: copied, at the end of the log, and on its way to the journal. */
void replica_append_received(struct replica *r, const struct replica_message_entry *from, uint32_t epoch);
/* All that is in the tail is void. Commands as with replica_cut(). */
void replica_drop_tail(struct replica *r, struct list *lost);
/* Takes entries from `from` on out of the log, and tells the journal. Commands that wait for them go to lost. */
void replica_cut(struct replica *r, uint64_t from, struct list *lost);
/* The same for those that wait for the end of the turn, of which nobody has heard: they are the last. */
void replica_cut_waiting(struct replica *r, struct list *lost);
static inline bool replica_has_waiting(const struct replica *r)
{
    uint32_t n = tail_count(&r->tail);

    return n > 0 && tail_at(&r->tail, n - 1)->waits;
}
/* Hands it to the journal. */
void replica_journal_entry(struct replica *r, struct replica_entry *e);

/* consensus.c */
/* Tells the core of the entry that was just put at the end of the tail; a producer's has its room. True: what the core
 * wants ahead of it is with the journal, and it may go there now. False: it waits for the end of the turn. */
bool replica_core_append(struct replica *r, struct replica_entry *e);
/* Several voters: whether the fleet has room for an entry of so many bytes. False, and *ret_of_all: not only the
 * group's part is used up. */
bool replica_core_has_room(const struct replica *r, uint32_t size, bool *ret_of_all);
/* Several voters: what waits for the end of the turn, and the same with what is said to other nodes. Returns when the
 * fleet wants to be called again. */
void replica_cores_run(struct replica_shard *shard);
uint64_t replica_cores_end(struct replica_shard *shard);
/* Several voters: it takes part. */
static inline bool replica_has_core(const struct replica *r)
{
    return !r->destroyed && r->raft != NULL;
}
void replica_core_free(struct replica *r);
/* Several voters: it hears nobody and says nothing any more, and what waits for the end of the turn is void. */
void replica_core_leave(struct replica *r);
/* Several voters: whether an entry may be proposed now. */
bool replica_core_takes(const struct replica *r);
static inline bool replica_takes_proposals(const struct replica *r)
{
    return r->peers == NULL || replica_core_takes(r);
}
/* All entries up to this one are flushed. */
void replica_core_flushed(struct replica *r, const struct replica_entry *e);
/* A leader's configuration, which raft_check_config() agrees to; nothing waits for the end of the turn. */
void replica_core_propose_config(struct replica *r, const struct replica_members *members);
void replica_core_state_flushed(struct replica *r, const struct journal_group_state *state);
/* A LIST_OFFSETS of the latest offset, a PRODUCE that has its verdict, or a READ beyond the end: answered when a
 * majority has said, after it came, that this node leads, and all that was committed then is applied. */
void replica_core_read(struct replica *r, struct replica_op *op);
/* A SNAPSHOT whose file is durable, or that won't be taken. -EBADMSG: the core refuses it. */
int replica_core_image(struct replica *r, const struct raft_message *m);
/* IMAGE_INSTALLED is durable. */
void replica_core_image_flushed(struct replica *r, uint64_t index, uint64_t term, uint32_t epoch);
/* The log begins later. */
void replica_core_compact(struct replica *r);
/* Now and then: puts the core away when it has had nothing to do since the last call. */
void replica_core_rest(struct replica *r);

/* commit.c */
/* The op's batch is that of the entry, which as many have as it asks for. */
void replica_produce_done(struct replica *r, const struct replica_entry *e, struct replica_op *op);
void replica_entry_flushed(struct journal_request *request);
void replica_commit(struct replica *r, uint64_t index);
/* 0, or what replica_apply_state() says: possible at start only. */
int replica_apply(struct replica *r, struct replica_entry *e);
/* The entry isn't the one that the machine's owner applied last, although it has its index. */
static inline bool replica_image_is_stale(const struct replica *r, uint64_t index, uint64_t term, uint32_t checksum)
{
    const struct replica_machine *m = r->machine;

    return m != NULL && index == m->apply_after && (term != m->apply_after_term || checksum != m->apply_after_checksum);
}
/* The parts of apply that are a function of the log alone, also used at start. Returns 0 or -EBADMSG. */
int replica_apply_state(struct replica *r, uint64_t index, uint64_t term, uint32_t checksum, const struct entry *entry,
                        int16_t *ret_result);
void replica_wake(struct replica *r);
/* Answers those who wait for the entry. */
void replica_answer(struct replica *r, struct replica_entry *e, int16_t result);

/* snapshot.c */
void replica_snapshot_write(const struct replica *r, struct wr *w);
/* What a snapshot says. The producers are the caller's then; NULL: there are none. */
struct replica_state {
    uint64_t index;
    int64_t next_offset, log_start, append_time;
    struct producer_state *producers;
    bool has_members;
    uint64_t members_index;
    struct replica_members members;
};
/* Returns 0 or -EBADMSG, with nothing to free. */
int replica_state_parse(const struct replica *r, const uint8_t *data, size_t size, struct replica_state *ret);
/* As of which index it is, and where in it that is said. */
#define REPLICA_SNAPSHOT_INDEX_AT 8
uint64_t replica_snapshot_index(const uint8_t *data, size_t size);
/* Puts the applied configuration into one that has none: *data is malloc'd, and may move. False: there is none. */
bool replica_snapshot_add_members(const struct replica *r, uint8_t **data, size_t *size);
/* At start. The same, and the replica has the state; *ret_index is what that includes. LOG_E_VERSION: of a newer
 * version. */
int replica_snapshot_read(struct replica *r, const uint8_t *data, size_t size, uint64_t *ret_index);
/* Made at first use. */
struct producer_state *replica_producers(struct replica *r);

/* store.c */
void replica_mark_dirty(struct replica *r, size_t bytes);
/* Forgets what the journal will not answer any more. */
void replica_requests_forget(struct replica *r);
/* Its segment met a full disk, or got on again. */
void replica_set_blocked(struct replica *r, bool blocked);
void replica_store_kick(struct replica *r);
void replica_store_continue(struct replica *r);
/* A job met an error. */
void replica_store_failed(struct replica *r, int err);
/* Applied entries that aren't in a segment. */
static inline uint32_t replica_n_unstored(const struct replica *r)
{
    return (uint32_t)(r->applied_index - log_end(r->log).index);
}
/* Blocking, at start: appends the first of these. */
int replica_store_blocking(struct replica *r);
void replica_journal_state(struct replica *r, enum journal_request_kind kind, const struct journal_group_state *state);
/* Entries from index on are void. */
void replica_journal_truncate(struct replica *r, uint64_t index, uint64_t prev_term, uint32_t prev_checksum);
void replica_journal_start(struct replica *r);
void replica_start_durable(struct replica *r, int64_t offset);

/* Bytes of entries above the checkpoint. */
static inline uint64_t replica_unstored_bytes(const struct replica *r)
{
    return r->proposed_bytes - r->checkpoint_bytes;
}

/* relocate.c */
bool replica_can_relocate(const struct replica *r);
/* What that takes in the journal. */
uint64_t replica_relocation_size(const struct replica *r);
/* Writes all flushed entries above the checkpoint to the journal again. */
void replica_relocate(struct replica *r);
/* Entries from there on are void. */
void replica_relocation_cut(struct replica *r, uint64_t from);
/* A worker reads for it. */
bool replica_is_loading(const struct replica *r);
/* Frees what the journal will not answer any more. */
void replica_relocation_forget(struct replica *r);

/* round.c: begins a round, or goes on with it. */
void replica_round_poll(struct replica_shard *shard);
/* At a start, blocking: syncs what is dirty, so that its descriptors can be closed. No checkpoint comes of it. Returns
 * 0, or the first error; what wasn't synced is as dirty as before. */
int replica_round_blocking(struct replica_shard *shard);
/* A replica that ends wants no checkpoint any more. */
void replica_round_leave(struct replica *r);

/* recycle.c: does what can't wait for replica_shard_recycle(). Returns when it wants to be called again. */
uint64_t replica_recycle_poll(struct replica_shard *shard);

/* files.c */
/* Returns when it wants to be called again. */
uint64_t replica_shard_limit_files(struct replica_shard *shard);
/* Whether descriptors let it append now. False: it was put behind those who wait for some, and is kicked when it is its
 * turn. */
bool replica_take_files(struct replica *r);
/* At a start, where nobody else would make room: it does, when descriptors don't let it append now. Returns 0, or why
 * there is none. */
int replica_make_room_blocking(struct replica *r);
/* It waits for them. */
static inline bool replica_lacks_files(const struct replica *r)
{
    return r->no_file && list_is_linked(&r->dirty_link);
}

/* read.c */
void replica_read(struct replica *r, struct replica_op *op);
/* The same behind a round that showed that this node leads. */
void replica_read_as_leader(struct replica *r, struct replica_op *op);
/* A READ that has waited for as long as it may. */
void replica_read_late(struct replica *r, struct replica_op *op);
/* A reader's job found damage: tells it, and frees the text. NULL: it found none, or not the first one of the segment.
 */
void replica_tell_damage(struct replica *r, struct error_text *text);
void replica_release(struct replica *r, struct replica_op *op);
void replica_watch(struct replica *r, struct replica_op *op);
void replica_cancel(struct replica *r, struct replica_op *op);

/* query.c */
void replica_list_offsets(struct replica *r, struct replica_op *op);
void replica_queries_run(struct replica *r);
void replica_epoch_end(struct replica *r, struct replica_op *op);
/* Ends a LIST_OFFSETS of the latest offset. */
void replica_end_read(struct replica *r, struct replica_op *op);
void replica_delete_records(struct replica *r, struct replica_op *op);
void replica_describe_producers(struct replica *r, struct replica_op *op);
void replica_describe_log(struct replica *r, struct replica_op *op);
/* Where the largest epoch ≤ epoch ends, and which that is; -ENOENT when all are newer. */
int replica_find_epoch(const struct replica *r, uint64_t epoch, uint64_t *ret_epoch, int64_t *ret_offset);
int32_t replica_epoch_of_offset(const struct replica *r, int64_t offset);

/* replica.c */
/* KIP-320: 0, or why the client's epoch doesn't fit. */
int16_t replica_epoch_error(const struct replica *r, const struct replica_op *op);
int replica_alloc_open(struct replica_shard *shard, const struct replica_config *config,
                       const struct log_position *checkpoint, int64_t log_start, struct replica **ret,
                       struct error_text *err);
void replica_opened(struct replica *r);
/* The directory and the error are said with what failed; or text says all. */
void replica_fatal(struct replica *r, int err, const char *what);
void replica_fatal_text(struct replica *r, int err, const char *text);
void replica_finish(struct replica *r, struct replica_op *op, int16_t error, const char *message);
/* Ends all that wait, but for what a worker has. */
void replica_fail_all(struct replica *r, int16_t error);
void replica_fail_list(struct replica *r, struct list *ops, int16_t error);
/* A destroyed replica goes on to its end once nothing is in flight; nothing for others. */
void replica_settle(struct replica *r);
