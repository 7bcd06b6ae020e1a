/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One consensus group as a pure state machine: raft_step(raft, event, update). It does no I/O, has no clock and draws
 * nothing by itself: the time comes in with each event, randomness from a seed. The bodies of entries stay with the
 * caller; the core knows terms (as runs) and asks for sizes.
 *
 * The order of effects, for each update, all in the order of the journal:
 *
 *     1. hard_state      term and vote       → journal; when durable: STATE_FLUSHED with the same term and vote
 *     2. truncate_from   or install          → journal
 *     3. append          entries             → journal; when durable: LOG_FLUSHED with (index, term, epoch)
 *
 * Completions come back in that order. Messages may leave at once, before any of this is durable: one that depends on
 * the disk isn't in an update before the completion it depends on came in. Messages may be lost, repeated, reordered.
 * commit may be ahead of what is flushed here: apply only min(commit, flushed).
 *
 * Sources: Ongaro, "Consensus: bridging theory and practice" (2014): 3 (core), 4.3 (joint configurations), 3.10
 * (transfer), 6.4 (reads), 9.6 (pre-vote); check-quorum as in 6.2.
 *
 * One thread owns a group. Memory: 512 bytes for three members at rest. A step allocates only when a term is new to
 * the log or the configuration changes; memory that is out ends the process. What a peer sends is trusted in nothing
 * that could end it: a message that can't be, or that breaks the protocol's guarantees (it would cut committed
 * entries), is refused. A breach of this contract by the caller ends the process. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define RAFT_NONE (-1)          /* no node */
#define RAFT_MAX_MEMBERS 32     /* of a configuration, learners too */
#define RAFT_MAX_MESSAGES 96    /* of an update */
#define RAFT_MAX_TERM INT32_MAX /* Kafka's leader epoch */
#define RAFT_MAX_INDEX (UINT64_MAX / 4)
#define RAFT_MAX_RUNS (1u << 20) /* terms of a log; the metadata's never loses its beginning */
#define RAFT_WINDOW 8            /* messages on their way to a follower, at most */
#define RAFT_MAX_RANK 4          /* of raft_start */
#define RAFT_NOOP_SIZE 64        /* bytes that a leader's first entry is counted as */

struct raft;

/* What refuses a proposal, a change, a transfer or a read. */
enum {
    RAFT_E_NOT_LEADER = ERROR_BASE_RAFT + 1,
    RAFT_E_BUSY,               /* too many bytes aren't committed yet */
    RAFT_E_TRANSFER,           /* leadership is being handed over */
    RAFT_E_CONFIG_PENDING,     /* the last change isn't committed, or nothing of this term is */
    RAFT_E_CONFIG_INVALID,     /* not a step that the current configuration may take */
    RAFT_E_CONFIG_UNCAUGHT_UP, /* a new voter has to be a learner that knows it, and was sent all that is committed */
    RAFT_E_TARGET,             /* not a voter to hand over to */
};

/* Roles of a member. In a joint configuration a majority of the VOTERs and one of the OUTGOING must agree. */
enum {
    RAFT_VOTER = 1,
    RAFT_OUTGOING = 2,
    RAFT_LEARNER = 4,
};

struct raft_config_member {
    int32_t id;
    uint8_t roles;
};

struct raft_config {
    uint32_t n_members;
    struct raft_config_member members[RAFT_MAX_MEMBERS];
};

struct raft_entry {
    uint64_t term; /* ignored in proposals */
    uint32_t size;
    const struct raft_config *config; /* of a configuration entry, else NULL */
};

enum raft_message_kind {
    RAFT_PRE_VOTE,
    RAFT_PRE_VOTE_REPLY,
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND,
    RAFT_APPEND_REPLY, /* answers SNAPSHOT too */
    RAFT_HEARTBEAT,
    RAFT_HEARTBEAT_REPLY,
    RAFT_SNAPSHOT,
    RAFT_TIMEOUT_NOW,
};

struct raft_message {
    enum raft_message_kind kind;
    int32_t from, to;
    uint64_t term;
    /* VOTEs: the candidate's last entry. HEARTBEAT: the leader's last index. APPEND: the entry before the first.
     * SNAPSHOT: the image is the state after it. APPEND_REPLY, HEARTBEAT_REPLY: flushed and equal to the leader's log
     * up to index; rejected: the index that didn't match. */
    uint64_t index, log_term;
    uint64_t commit;                /* APPEND, HEARTBEAT; in their replies: the follower's */
    uint64_t hint_index, hint_term; /* rejected: the logs agree at or below, as far as the follower can tell */
    uint64_t context;               /* HEARTBEAT and reply: the round of reads */
    bool reject;
    bool force;         /* VOTE: the leader asked for it, so nobody sticks to that leader */
    bool join;          /* HEARTBEAT: asks, reply: agrees that the session of the nodes vouches from now on */
    uint32_t n_entries; /* APPEND: index + 1 and on */
    const struct raft_entry *entries; /* of a received APPEND; in an update NULL, the caller has the bodies */
    const struct raft_config *config; /* of a received SNAPSHOT, the one in its image; in an update NULL */
};

enum raft_event_kind {
    RAFT_TICK,            /* the time that the last update asked for has come; early ones do no harm */
    RAFT_RECEIVE,         /* message */
    RAFT_STATE_FLUSHED,   /* term, vote */
    RAFT_LOG_FLUSHED,     /* index, term (of that entry), epoch: as in the update that asked for it */
    RAFT_PROPOSE,         /* entries, n_entries: last + 1 and on; sizes can be asked for already */
    RAFT_READ,            /* the update has a ticket */
    RAFT_TRANSFER,        /* peer; RAFT_NONE calls it off */
    RAFT_CAMPAIGN,        /* without waiting for the timeout */
    RAFT_PEER_DOWN,       /* peer: its node's connection was reset or refused */
    RAFT_PEER_UP,         /* peer: there is a connection to its node again, see raft_ops.away */
    RAFT_SESSION_LOST,    /* peer: the session with its node ended, fell silent or doesn't vouch for this group */
    RAFT_RANK,            /* index: the new rank, see raft_start */
    RAFT_SNAPSHOT_FAILED, /* peer: the image didn't get there */
    RAFT_COMPACT,         /* index: the log begins behind it; at most what is committed */
};

struct raft_event {
    enum raft_event_kind kind;
    uint64_t now; /* in the unit of the limits' times; never goes back */
    int32_t peer;
    int32_t vote;
    uint64_t index, term;
    uint32_t epoch;
    uint32_t n_entries;
    const struct raft_entry *entries;
    const struct raft_message *message;
};

enum raft_role {
    RAFT_FOLLOWER,
    RAFT_PRE_CANDIDATE,
    RAFT_CANDIDATE,
    RAFT_LEADER,
};

/* Scratch memory of the caller, one for many groups; filled anew by each step. */
struct raft_update {
    /* What the step doesn't ask for or tell is 0 or false. */
    int error;                          /* RAFT_E_* of the event, or 0 */
    bool refused;                       /* the message is unsound and had no effect, but for its term: count it */
    bool install;                       /* the image at (install_index, install_term) replaces the whole log */
    bool noop;                          /* the one entry to append is a leader's first, which has no content */
    bool config_changed;                /* by append, truncation or image */
    bool leave_joint;                   /* the joint configuration is committed: propose the one that ends it */
    bool reads_lost;                    /* all tickets that weren't done are void: ask again */
    uint64_t truncate_from;             /* entries from here on are void; 0: none */
    uint64_t append_first, append_last; /* 0, 0: none */
    uint64_t read_ticket;               /* READ's */
    uint64_t reads_done;                /* tickets up to here may read once read_index is applied; 0: none */
    uint32_t n_messages;
    /* The session with this node vouches for the group, in this term, from now on; RAFT_NONE: no news. */
    int32_t joined;
    bool left; /* no session does any longer */

    /* Where the group stands after the step. */
    bool hard_state; /* term and vote are new */
    uint64_t term;
    int32_t vote;
    uint32_t epoch;    /* goes with what is appended or installed */
    uint64_t commit;   /* the commit index */
    bool committed;    /* it moved */
    bool role_changed; /* role or leader is another one */
    enum raft_role role;
    int32_t leader;
    uint64_t next_tick; /* when a TICK is due at the latest; UINT64_MAX: never */

    /* Only with what they belong to. */
    uint64_t install_index, install_term;
    uint64_t append_term; /* of append_last */
    uint64_t read_index;
    struct raft_message messages[RAFT_MAX_MESSAGES];
};

struct raft_ops {
    /* Bytes of the entry, which is in the log or in the event's proposal. */
    uint32_t (*entry_size)(void *ctx, uint64_t index);
    /* When the other end of the session with the peer's node was last heard; 0: there is none. It counts for groups
     * that joined. May be NULL. */
    uint64_t (*heard)(void *ctx, int32_t peer);
    /* There is no connection to the peer's node, so nothing gets there: it doesn't keep the other members of its group
     * from rest. PEER_UP must be told when there is one. May be NULL. */
    bool (*away)(void *ctx, int32_t peer);
};

/* Shared by many groups. Times in the unit of event.now. */
struct raft_limits {
    uint64_t election_timeout; /* the least; up to twice as much is drawn */
    uint64_t heartbeat_interval;
    uint64_t peer_down_spread;  /* candidates start within this after PEER_DOWN */
    uint32_t message_entries;   /* of one APPEND, at least 1 */
    uint32_t message_bytes;     /* of its entries, but for a single larger one */
    uint32_t inflight_messages; /* per follower; 1 to RAFT_WINDOW */
    uint32_t inflight_bytes;    /* per follower, likewise */
    uint64_t uncommitted_bytes; /* proposals are refused beyond; one may always be on its way */
    bool quiesce;               /* who joined the sessions has no ticks at all; SESSION_LOST must be told */
};

struct raft_run {
    uint64_t first, term; /* entries from index first on have this term */
};

/* What recovery found. Copied. */
struct raft_start {
    int32_t id;
    uint64_t seed;
    uint64_t now;
    uint64_t term;
    int32_t vote;
    uint64_t start_index, start_term; /* the log begins behind this; 0, 0 for a whole one */
    uint64_t last_index;
    const struct raft_run *runs; /* of start_index + 1 .. last_index */
    size_t n_runs;
    uint64_t commit; /* known to be committed: the checkpoint */
    /* The last configuration of the log (or image), and the one before where that one isn't known to be committed. */
    const struct raft_config *config;
    uint64_t config_index;
    const struct raft_config *previous;
    uint64_t previous_index;
    bool no_vote; /* the hard state may be lost: neither votes nor leads */
    bool no_lead; /* bodies are lost: doesn't lead */
    /* 0 .. RAFT_MAX_RANK: who is ranked higher waits longer before it campaigns, by half a timeout a rank. With each
     * campaign that makes no leader the wait is halved. It never changes a vote, so it can't keep a group from having a
     * leader. */
    uint8_t rank;
    /* Leads in term, as it did before its caller put it away: the only voter, whose log is committed as far as it is
     * flushed. The last n_unflushed entries aren't yet, and will be told of by LOG_FLUSHED with epoch 0. */
    bool lead;
    uint64_t n_unflushed;
};

/* limits, ops and ctx must stay. Doesn't lead in start->term but with start->lead. */
struct raft *raft_new(const struct raft_limits *limits, const struct raft_ops *ops, void *ctx,
                      const struct raft_start *start);
void raft_free(struct raft *raft);

void raft_step(struct raft *raft, const struct raft_event *event, struct raft_update *update);

/* Between steps: probation (raft_start.no_vote) begins or ends. It begins on no candidate and no leader. */
void raft_set_no_vote(struct raft *raft, bool no_vote);

/* ---- What may be asked at any time ---- */

enum raft_role raft_role(const struct raft *raft);
int32_t raft_leader(const struct raft *raft);
/* Whom leadership is being handed over to; RAFT_NONE: nobody. */
int32_t raft_transferee(const struct raft *raft);
uint64_t raft_term(const struct raft *raft);
int32_t raft_vote(const struct raft *raft);
uint64_t raft_start_index(const struct raft *raft);
uint64_t raft_last_index(const struct raft *raft);
uint64_t raft_flushed_index(const struct raft *raft);
uint64_t raft_commit_index(const struct raft *raft);
/* 0 where the index isn't start .. last. */
uint64_t raft_term_at(const struct raft *raft, uint64_t index);
uint64_t raft_uncommitted_bytes(const struct raft *raft);
void raft_config(const struct raft *raft, struct raft_config *ret_config, uint64_t *ret_index);
/* Ids that can be, each once, roles that can be, and a voter. */
bool raft_config_is_well_formed(const struct raft_config *config);
/* What a proposal of the configuration would be refused for, or 0. */
int raft_check_config(const struct raft *raft, const struct raft_config *config);
uint64_t raft_next_tick(const struct raft *raft);
/* Bytes of memory that the group has now. */
size_t raft_memory(const struct raft *raft);

enum raft_progress_state {
    RAFT_PROBE,     /* one message at a time until it is known where the logs agree */
    RAFT_REPLICATE, /* a window of messages */
    RAFT_IMAGE,     /* nothing until the image has arrived */
};

struct raft_progress {
    int32_t id;
    uint8_t roles;
    enum raft_progress_state state;
    uint64_t match, next;
    uint32_t inflight_messages, inflight_bytes;
    bool settled;   /* it has, and knows to be committed, all there is: the group may join the session */
    bool granted;   /* candidate, or since the campaign: its vote */
    uint64_t heard; /* when it last answered, or the session did that vouches for it */
};
/* What the leader knows of member i, in the order of the configuration. False: there is no such member. */
bool raft_progress(const struct raft *raft, uint32_t i, struct raft_progress *ret_progress);

/* Where a group stands, at once, for whoever watches it from outside. No padding: it may be compared as bytes. */
struct raft_standing {
    uint64_t term, durable_term;
    uint64_t start, last, flushed, commit;
    uint64_t config_index;
    uint64_t reads_asked, reads_done, read_index; /* tickets, and what the last ones may read */
    int32_t vote, durable_vote, leader, transferee;
    uint32_t epoch; /* of truncations */
    enum raft_role role;
    uint32_t no_vote; /* 1: on probation */
    uint32_t forced;  /* candidate, 1: the leader asked for it */
};
void raft_stands(const struct raft *raft, struct raft_standing *ret);
