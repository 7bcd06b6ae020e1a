/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What brokers send each other, version 1. The page that describes it: docs/format/peer.md.
 *
 *   a connection, each way:  hello | frame | frame | …
 *   frame:                   header (32 bytes) | fields | body
 *
 * All integers are little-endian. */

#include "raft/raft.h"

#define PEER_FORMAT_VERSION 1

#define PEER_MAGIC "GQPEER\0" /* 8 bytes with the NUL of the literal */
#define PEER_HELLO_MAX 1024   /* bytes */
#define PEER_NODE_ID_MAX 255  /* bytes */
#define PEER_ANY_SHARD 0xffffu
#define PEER_MAX_SHARDS 256

/* Where the hello's fields lie. Magic, size, CRC and versions stand at these places in every version. */
enum {
    PEER_HELLO_AT_MAGIC = 0,
    PEER_HELLO_AT_SIZE = 8,
    PEER_HELLO_AT_CRC = 12,
    PEER_HELLO_AT_MIN_VERSION = 16,
    PEER_HELLO_AT_MAX_VERSION = 18,
    PEER_HELLO_AT_LANE = 20,
    PEER_HELLO_AT_NODE_ID_SIZE = 21,
    PEER_HELLO_AT_N_SHARDS = 22,
    PEER_HELLO_AT_FROM_SHARD = 24,
    PEER_HELLO_AT_TO_SHARD = 26,
    PEER_HELLO_AT_BROKER_ID = 28,
    PEER_HELLO_AT_TO = 32,
    PEER_HELLO_AT_RESERVED = 36,
    PEER_HELLO_AT_BOOT = 40,
    PEER_HELLO_AT_DURABLE_LSN = 48,
    PEER_HELLO_AT_CLUSTER_ID = 56,
    PEER_HELLO_AT_INCARNATION = 72,
    PEER_HELLO_AT_NODE_ID = 88,
};

#define PEER_FRAME_MAX (1u << 20) /* bytes of a frame, its header among them */
/* Of another version, or of a kind or size that isn't known, the fields have so many bytes at most: only their end
 * tells that these are frames, and where a stream has lost a byte that would else be waited for as good as for ever. */
#define PEER_UNKNOWN_FIELDS_MAX 4096

enum {
    PEER_FRAME_AT_SIZE = 0, /* of the frame */
    PEER_FRAME_AT_KIND = 4,
    PEER_FRAME_AT_VERSION = 5,
    PEER_FRAME_AT_RESERVED = 6,
    PEER_FRAME_AT_FROM_SHARD = 8,
    PEER_FRAME_AT_TO_SHARD = 10,
    PEER_FRAME_AT_FIELDS_SIZE = 12,
    PEER_FRAME_AT_GROUP = 16,
    PEER_FRAME_AT_BODY_CRC = 24, /* of the body of a WORD or a SNAPSHOT, in each of its frames; else 0 */
    PEER_FRAME_AT_CRC = 28,      /* of the 28 bytes before and the fields */
    PEER_FRAME_HEADER_SIZE = 32,
};

#define PEER_PIECE 1   /* the next bytes of a body that is too large for one frame */
#define PEER_SESSION 2 /* struct fleet_message */
#define PEER_WORD 3    /* what two nodes tell each other beside their groups */

/* The messages of a group's core: X(name, number, its numbers in this order, its flags) */
#define PEER_RAFT_KINDS(X) \
    X(PRE_VOTE, 16, HAS(term) | HAS(log_term) | HAS(index), 0) \
    X(PRE_VOTE_REPLY, 17, HAS(term), PEER_REJECT) \
    X(VOTE, 18, HAS(term) | HAS(log_term) | HAS(index), PEER_FORCE) \
    X(VOTE_REPLY, 19, HAS(term), PEER_REJECT) \
    X(APPEND, 20, HAS(term) | HAS(log_term) | HAS(index) | HAS(commit), 0) \
    X(APPEND_REPLY, 21, HAS(term) | HAS(hint_term) | HAS(index) | HAS(commit) | HAS(hint_index), PEER_REJECT) \
    X(HEARTBEAT, 22, HAS(term) | HAS(index) | HAS(commit) | HAS(context), PEER_JOIN) \
    X(HEARTBEAT_REPLY, 23, HAS(term) | HAS(index) | HAS(commit) | HAS(context), PEER_JOIN) \
    X(SNAPSHOT, 24, HAS(term) | HAS(log_term) | HAS(index) | HAS(commit), 0) \
    X(TIMEOUT_NOW, 25, HAS(term), 0)

/* X(field of struct raft_message, bytes, the largest) */
#define PEER_RAFT_FIELDS(X) \
    X(term, 4, RAFT_MAX_TERM) \
    X(log_term, 4, RAFT_MAX_TERM) \
    X(hint_term, 4, RAFT_MAX_TERM) \
    X(index, 8, RAFT_MAX_INDEX) \
    X(commit, 8, RAFT_MAX_INDEX) \
    X(hint_index, 8, RAFT_MAX_INDEX) \
    X(context, 8, UINT64_MAX)

enum peer_flags {
    PEER_REJECT = 1 << 0,
    PEER_FORCE = 1 << 1,
    PEER_JOIN = 1 << 2,
};

#define PEER_ENTRY_SIZE 12   /* of an APPEND: u32 term, u32 checksum, u32 size */
#define PEER_IMAGE_SIZE 24   /* of a SNAPSHOT, behind the numbers */
#define PEER_SESSION_SIZE 56 /* without digests and groups */
#define PEER_LISTED_SIZE 12  /* a group in a SESSION: u64 group, u32 term */
#define PEER_WORD_SIZE 1     /* u8 kind of word */

#define PEER_MAX_ENTRIES 32768     /* of an APPEND */
#define PEER_APPEND_MAX (4u << 20) /* bytes of its entries together, but for a single larger one */
#define PEER_WORD_MAX (1u << 19)   /* bytes of a WORD's body */
