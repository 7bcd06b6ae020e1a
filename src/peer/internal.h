/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What writer and reader share. */

#include "base/cursor.h"
#include "base/util.h"
#include "peer/peer.h"

/* A frame is refused: err tells of which field. */
#define peer_refuse(err, ...) (error_setf((err), __VA_ARGS__), PEER_E_FIELD)

/* How the fields of a kind are laid out: flags, then these numbers of struct raft_message. */
struct peer_kind {
    const char *name;
    uint8_t number;
    enum raft_message_kind raft;
    unsigned has;  /* bit i: the i-th of PEER_RAFT_FIELDS */
    uint8_t flags; /* that it may have */
};

/* NULL: none of the core's. */
const struct peer_kind *peer_kind(uint8_t number);
const struct peer_kind *peer_kind_of(enum raft_message_kind raft);

/* Bytes of flags and numbers. */
size_t peer_numbers_size(const struct peer_kind *kind);
void peer_numbers_write(const struct peer_kind *kind, struct wr *w, const struct raft_message *m);
/* 0 or PEER_E_FIELD. */
int peer_numbers_read(const struct peer_kind *kind, struct rd *r, struct raft_message *ret, struct error_text *err);

static inline uint32_t peer_shard_of(uint64_t group, uint32_t n_shards)
{
    return (uint32_t)((group - 1) % n_shards);
}

/* Fields to what they say. 0, PEER_E_FIELD or -ENOMEM. A message comes with room for its body, where its entries have
 * their places. */
int peer_message_read(struct peer_reader *r, const struct peer_kind *kind, struct rd *fields, struct peer_body *ret,
                      struct error_text *err);
int peer_session_read(struct peer_reader *r, struct rd *fields, struct error_text *err);
/* Likewise, with room for its body. */
int peer_word_read(struct peer_reader *r, struct rd *fields, struct peer_body *ret, struct error_text *err);
