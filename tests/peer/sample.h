/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Messages to send, and what came of them. Broker 1 with 3 shards sends to broker 2 with 2. */

#include "peer/peer.h"

#define SAMPLE_GROUP 5 /* on shard 1 of broker 1 and on shard 0 of broker 2 */
#define SAMPLE_KINDS (RAFT_TIMEOUT_NOW + 1)

extern const struct peer_link sample_there, sample_here; /* the sender's and the receiver's */
extern const struct peer_limits sample_limits;

/* The same one each time: an APPEND of two entries, a SNAPSHOT of some bytes. */
struct replica_message *sample_message(enum raft_message_kind kind);
/* Points to static memory. is_long: with digests and groups. */
struct fleet_message sample_session(bool is_long);
struct peer_word sample_word(void);
struct peer_hello sample_hello(void);

/* Frames as bytes, malloc'd. */
uint8_t *sample_bytes(const struct replica_message *m, size_t *ret_size);
uint8_t *sample_session_bytes(const struct fleet_message *m, size_t *ret_size);
uint8_t *sample_word_bytes(const struct peer_word *word, size_t *ret_size);
uint8_t *sample_flatten(const struct buf_chain *chain);
/* Puts the CRC of header and fields right. */
void sample_seal(uint8_t *frame);

/* The entries' bytes count, not how they are split. */
bool sample_is_same(const struct replica_message *a, const struct replica_message *b);
bool sample_is_same_session(const struct fleet_message *a, const struct fleet_message *b);
