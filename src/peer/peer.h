/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What brokers tell each other as bytes: replica_message and fleet_message to frames and back. docs/format/peer.md has
 * the format. No I/O, no clock: the caller moves the bytes.
 *
 * A connection begins with a hello each way. What both agree on is the struct peer_link that frames are written and
 * read with. Everything here belongs to the thread that owns the connection and the pools.
 *
 * What a peer sends is trusted in nothing that could end the process. Every field is held against what its bytes can
 * say: sizes, ranges, flags, shards. What the state of a group says about it is for replica_receive() and
 * fleet_receive(); so are entries, whose checksums are held against their bytes there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/textbuf.h"
#include "base/uuid.h"
#include "fleet/fleet.h"
#include "peer/format.h"
#include "replica/replica.h"

enum peer_error {
    /* Of a frame: it was refused and is skipped, the connection goes on. Count it. */
    PEER_E_KIND = ERROR_BASE_PEER + 1, /* a kind that this version doesn't have */
    PEER_E_VERSION,                    /* not the version that was agreed on; of a hello: none that both speak */
    PEER_E_FIELD,                      /* something in it can't be */
    /* Of a hello. */
    PEER_E_CLUSTER,  /* another cluster's */
    PEER_E_STRANGER, /* not whom this connection was meant for */
};

/* ---- Hello ---- */

enum peer_lane {
    PEER_CONTROL, /* all that is small or urgent: votes, heartbeats, entries as they are made */
    PEER_BULK,    /* what may take its time: images */
};

struct peer_hello {
    uint16_t min_version, max_version;
    enum peer_lane lane;
    uint32_t n_shards;             /* the sender's; 1 .. PEER_MAX_SHARDS */
    uint32_t from_shard, to_shard; /* that the connection is for; PEER_ANY_SHARD, both: it is for all */
    int32_t broker_id;             /* the sender's; −1: it has none yet */
    int32_t to;                    /* whom it takes the receiver for; −1: it doesn't know */
    uint64_t boot;                 /* starts of the sender, from 1 */
    uint64_t durable_lsn;          /* of the journal of from_shard; 0 for all */
    struct uuid cluster_id;        /* zero: it is in none yet */
    struct uuid incarnation;       /* of the sender's data directory */
    char node_id[PEER_NODE_ID_MAX + 1];
};

/* Returns the size. The hello must be sound, which a peer's is. */
size_t peer_hello_write(const struct peer_hello *h, uint8_t to[PEER_HELLO_MAX]);

/* Reads the hello at the start of data. 0 with its size in *ret_size; -EAGAIN: it isn't all there; -EBADMSG: it can't
 * be one, however it goes on; err says why. */
int peer_hello_read(struct slice data, struct peer_hello *ret, size_t *ret_size, struct error_text *err);

/* What frames are written and read with. */
struct peer_link {
    uint8_t version;
    int32_t us, them; /* broker ids */
    uint32_t our_shards, their_shards;
    uint32_t our_shard, their_shard; /* or PEER_ANY_SHARD, both */
    struct uuid incarnation;         /* theirs: messages have it */
};

/* 0, PEER_E_VERSION, PEER_E_CLUSTER or PEER_E_STRANGER: then the connection is of no use, and err says why. Whether the
 * peer went back in time (boot, durable_lsn) is for the caller, who remembers. */
int peer_hello_agree(const struct peer_hello *ours, const struct peer_hello *theirs, struct peer_link *ret,
                     struct error_text *err);

/* ---- Out ---- */

/* Small frames share buffers: who writes many in a turn sends few pieces. */
struct peer_writer {
    struct peer_link link;
    struct buf_pool *pool;
    struct buf *heads; /* where the last headers lie; the next go behind them */
};

void peer_writer_init(struct peer_writer *w, const struct peer_link *link, struct buf_pool *pool);
/* Gives the buffer back. Worth it on a connection that rests, too: the next frame takes another one. */
void peer_writer_fini(struct peer_writer *w);

/* A message on its way into frames. */
struct peer_cut {
    const struct replica_message *message;
    uint32_t n_entries; /* of the message's that go out */
    size_t size, at;    /* bytes of the body, and how many of them are in frames */
    uint32_t entry;     /* where that is */
    size_t entry_at;
};

/* An APPEND of more than PEER_APPEND_MAX bytes is cut behind the last entry that fits. To the follower that is a
 * shorter message, and its answer tells the leader. */
void peer_cut_init(struct peer_cut *cut, const struct replica_message *m);
static inline bool peer_cut_is_done(const struct peer_cut *cut)
{
    return cut->message == NULL;
}

/* Puts the next frame to the end of the chain, until the cut is done. Other frames may go in between, but for those of
 * another cut that takes several. Bodies aren't copied: the chain has references on the entries' buffers, and points
 * into the message's data, so the message must stay until all is sent. 0 or -ENOMEM: nothing was put. */
int peer_write(struct peer_writer *w, struct peer_cut *cut, struct buf_chain *chain);
/* The whole of it is copied. */
int peer_write_session(struct peer_writer *w, const struct fleet_message *m, struct buf_chain *chain);

/* What two nodes tell each other beside their groups: opaque here. */
struct peer_word {
    uint8_t kind;      /* 1 or more */
    struct slice body; /* 1 .. PEER_WORD_MAX bytes */
};
/* The same, between shard 0 of each: the link has these, or all. */
int peer_write_word(struct peer_writer *w, const struct peer_word *word, struct buf_chain *chain);

/* ---- In ---- */

struct peer_limits {
    uint32_t max_entry_bytes; /* of one entry */
    uint32_t max_image_bytes;
};

struct peer_frame {
    uint32_t size, fields_size;
    uint8_t kind, version;
    uint16_t reserved, from_shard, to_shard;
    uint64_t group;
    uint32_t body_crc, crc;
};

/* A message with the bytes that it came with, as far as they are there. */
struct peer_body {
    struct replica_message *message; /* NULL: a word's */
    struct buf *buf;                 /* of an APPEND or a word */
    uint8_t *data;
    size_t size, at;
};

/* Memory: a body that comes in several frames, and what one frame says. */
struct peer_reader {
    struct peer_link link;
    struct peer_limits limits;
    struct buf_pool *pool;
    uint64_t n_messages, n_refused; /* so far */

    uint8_t header[PEER_FRAME_HEADER_SIZE];
    struct peer_frame frame;
    size_t at; /* bytes of the frame that are there */
    uint32_t crc, body_crc;
    bool reads_fields; /* else they are skipped */
    uint8_t *fields;
    size_t fields_capacity;
    struct peer_body now, pending; /* that of a message in one frame, or in several */
    struct peer_body *body;        /* of the two, the one that the frame's body goes to; NULL: it is skipped */
    struct fleet_message session;
    void *lists; /* of the session */
    bool has_session;
    struct peer_word word;
    struct buf *word_buf;
};

void peer_reader_init(struct peer_reader *r, const struct peer_link *link, const struct peer_limits *limits,
                      struct buf_pool *pool);
void peer_reader_fini(struct peer_reader *r);

/* One of these. */
struct peer_message {
    struct replica_message *replica;     /* the taker's, for replica_message_free() */
    const struct fleet_message *session; /* good until the next call */
    const struct peer_word *word;        /* likewise */
};

/* Takes bytes from the front of *data, in any pieces. Returns
 *   0            *ret is the next message; there may be more in *data
 *   -EAGAIN      all bytes are taken, and the next message isn't complete
 *   PEER_E_*     a frame was refused; err says why. Go on
 *   -EBADMSG     these aren't frames: close the connection; err says why
 *   -ENOMEM      likewise. */
int peer_read(struct peer_reader *r, struct slice *data, struct peer_message *ret, struct error_text *err);

/* Where the next bytes may be received to without a copy, and how many; 0: they are none of a body. */
size_t peer_room(struct peer_reader *r, uint8_t **ret_to);
/* n of them are there, at least one. Returns as peer_read(). */
int peer_filled(struct peer_reader *r, size_t n, struct peer_message *ret, struct error_text *err);
