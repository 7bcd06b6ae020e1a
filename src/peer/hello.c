/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "base/crc32c.h"
#include "peer/internal.h"

/* The first bytes of a connection. Its CRC is of all bytes but itself. */

#define MAGIC_SIZE 8
#define HEAD_SIZE (PEER_HELLO_AT_CRC + 4) /* what tells the size */
#define MIN_SIZE (PEER_HELLO_AT_NODE_ID + 1)

static_assert(sizeof(PEER_MAGIC) == MAGIC_SIZE, "magic");
static_assert(PEER_HELLO_AT_INCARNATION + sizeof(struct uuid) == PEER_HELLO_AT_NODE_ID, "hello without holes");
static_assert(PEER_HELLO_AT_NODE_ID + PEER_NODE_ID_MAX <= PEER_HELLO_MAX, "a hello has room for any node id");

static uint32_t hello_crc(const uint8_t *hello, size_t size)
{
    uint32_t crc = crc32c(0, hello, PEER_HELLO_AT_CRC);

    return crc32c(crc, hello + HEAD_SIZE, size - HEAD_SIZE);
}

size_t peer_hello_write(const struct peer_hello *h, uint8_t to[PEER_HELLO_MAX])
{
    size_t id_size = strlen(h->node_id);
    struct wr w;

    wr_init_fixed(&w, to, PEER_HELLO_MAX);
    wr_bytes(&w, PEER_MAGIC, MAGIC_SIZE);
    wr_le32(&w, (uint32_t)(PEER_HELLO_AT_NODE_ID + id_size));
    wr_le32(&w, 0);
    wr_le16(&w, h->min_version);
    wr_le16(&w, h->max_version);
    wr_u8(&w, (uint8_t)h->lane);
    wr_u8(&w, (uint8_t)id_size);
    wr_le16(&w, (uint16_t)h->n_shards);
    wr_le16(&w, (uint16_t)h->from_shard);
    wr_le16(&w, (uint16_t)h->to_shard);
    wr_le32(&w, (uint32_t)h->broker_id);
    wr_le32(&w, (uint32_t)h->to);
    wr_le32(&w, 0);
    wr_le64(&w, h->boot);
    wr_le64(&w, h->durable_lsn);
    wr_bytes(&w, h->cluster_id.bytes, sizeof(h->cluster_id.bytes));
    wr_bytes(&w, h->incarnation.bytes, sizeof(h->incarnation.bytes));
    gq_assert(wr_size(&w) == PEER_HELLO_AT_NODE_ID);
    wr_bytes(&w, h->node_id, id_size);
    store_le32(to + PEER_HELLO_AT_CRC, hello_crc(to, wr_size(&w)));
    return wr_size(&w);
}

static int bad(struct error_text *err, const char *what, uint64_t value)
{
    error_setf(err, "hello: %s %llu", what, (unsigned long long)value);
    return -EBADMSG;
}

static void read_fields(struct rd *r, struct peer_hello *h, uint8_t *ret_id_size, uint32_t *ret_reserved)
{
    rd_skip(r, HEAD_SIZE);
    h->min_version = rd_le16(r);
    h->max_version = rd_le16(r);
    h->lane = (enum peer_lane)rd_u8(r);
    *ret_id_size = rd_u8(r);
    h->n_shards = rd_le16(r);
    h->from_shard = rd_le16(r);
    h->to_shard = rd_le16(r);
    h->broker_id = (int32_t)rd_le32(r);
    h->to = (int32_t)rd_le32(r);
    *ret_reserved = rd_le32(r);
    h->boot = rd_le64(r);
    h->durable_lsn = rd_le64(r);
    memcpy(h->cluster_id.bytes, rd_bytes(r, sizeof(h->cluster_id.bytes)), sizeof(h->cluster_id.bytes));
    memcpy(h->incarnation.bytes, rd_bytes(r, sizeof(h->incarnation.bytes)), sizeof(h->incarnation.bytes));
}

static bool is_shard(const struct peer_hello *h, uint32_t shard, uint32_t n_shards)
{
    return (h->from_shard == PEER_ANY_SHARD) == (h->to_shard == PEER_ANY_SHARD) &&
           (shard == PEER_ANY_SHARD || shard < n_shards);
}

static int check(const struct peer_hello *h, struct error_text *err)
{
    if (h->lane != PEER_CONTROL && h->lane != PEER_BULK)
        return bad(err, "lane", h->lane);
    if (h->n_shards == 0 || h->n_shards > PEER_MAX_SHARDS)
        return bad(err, "number of shards", h->n_shards);
    if (!is_shard(h, h->from_shard, h->n_shards))
        return bad(err, "from shard", h->from_shard);
    if (!is_shard(h, h->to_shard, PEER_MAX_SHARDS))
        return bad(err, "to shard", h->to_shard);
    if (h->broker_id < RAFT_NONE)
        return bad(err, "broker id", (uint32_t)h->broker_id);
    if (h->to < RAFT_NONE)
        return bad(err, "to", (uint32_t)h->to);
    if (h->boot == 0)
        return bad(err, "boot", 0);
    if (uuid_is_zero(&h->incarnation))
        return bad(err, "incarnation", 0);
    return 0;
}

/* It goes to people who read logs. */
static int read_node_id(struct rd *r, size_t size, struct peer_hello *h, struct error_text *err)
{
    const uint8_t *id = rd_bytes(r, size);

    if (size == 0 || id == NULL)
        return bad(err, "node id size", size);
    for (size_t i = 0; i < size; i++)
        if (id[i] < ' ' || id[i] == 0x7f)
            return bad(err, "byte of node id", id[i]);
    memcpy(h->node_id, id, size);
    return 0;
}

/* 0 with the size once that is known and the magic is right; -EAGAIN, -EBADMSG. */
static int read_size(struct slice data, uint32_t *ret_size, struct error_text *err)
{
    uint32_t size;

    if (data.size > 0 && memcmp(data.data, PEER_MAGIC, MIN(data.size, (size_t)MAGIC_SIZE)) != 0) {
        error_setf(err, "hello: not a broker's");
        return -EBADMSG;
    }
    if (data.size < HEAD_SIZE)
        return -EAGAIN;
    size = load_le32(data.data + PEER_HELLO_AT_SIZE);
    if (size < MIN_SIZE || size > PEER_HELLO_MAX)
        return bad(err, "size", size);
    *ret_size = size;
    return data.size < size ? -EAGAIN : 0;
}

int peer_hello_read(struct slice data, struct peer_hello *ret, size_t *ret_size, struct error_text *err)
{
    struct peer_hello h = { 0 };
    uint32_t size, reserved;
    uint8_t id_size;
    struct rd r;
    int rc = read_size(data, &size, err);

    if (rc != 0)
        return rc;
    if (load_le32(data.data + PEER_HELLO_AT_CRC) != hello_crc(data.data, size)) {
        error_setf(err, "hello: wrong checksum");
        return -EBADMSG;
    }
    rd_init(&r, data.data, size);
    read_fields(&r, &h, &id_size, &reserved);
    if (h.min_version == 0 || h.min_version > h.max_version)
        return bad(err, "least version", h.min_version);
    /* Of a later version whose hello says more, all that counts is that there is none in common. */
    if (h.min_version <= PEER_FORMAT_VERSION) {
        rc = reserved != 0 ? bad(err, "reserved", reserved) : check(&h, err);
        if (rc == 0)
            rc = read_node_id(&r, id_size, &h, err);
        if (rc != 0)
            return rc;
    }
    *ret = h;
    *ret_size = size;
    return 0;
}

static int strange(struct error_text *err, const struct peer_hello *theirs, const char *what)
{
    error_setf(err, "node '%s' %s", theirs->node_id, what);
    return PEER_E_STRANGER;
}

/* The two must mean each other, and the same. */
static int check_pair(const struct peer_hello *ours, const struct peer_hello *theirs, struct error_text *err)
{
    if (uuid_eq(&ours->incarnation, &theirs->incarnation))
        return strange(err, theirs, "is this one, or a copy of its data directory");
    if (strcmp(ours->node_id, theirs->node_id) == 0)
        return strange(err, theirs, "has the id of this one");
    if (theirs->broker_id != RAFT_NONE && theirs->broker_id == ours->broker_id)
        return strange(err, theirs, "has the broker id of this one");
    if (theirs->to != RAFT_NONE && theirs->to != ours->broker_id)
        return strange(err, theirs, "wants another broker");
    if (ours->to != RAFT_NONE && ours->to != theirs->broker_id)
        return strange(err, theirs, "isn't the broker that this connection is for");
    if (ours->lane != theirs->lane)
        return strange(err, theirs, "means another lane");
    if (ours->from_shard != theirs->to_shard || ours->to_shard != theirs->from_shard)
        return strange(err, theirs, "means other shards");
    return 0;
}

int peer_hello_agree(const struct peer_hello *ours, const struct peer_hello *theirs, struct peer_link *ret,
                     struct error_text *err)
{
    uint16_t version = MIN(ours->max_version, theirs->max_version);
    int rc;

    if (version < ours->min_version || version < theirs->min_version) {
        error_setf(err, "versions %u to %u of the other broker, %u to %u here", theirs->min_version,
                   theirs->max_version, ours->min_version, ours->max_version);
        return PEER_E_VERSION;
    }
    if (!uuid_is_zero(&ours->cluster_id) && !uuid_is_zero(&theirs->cluster_id) &&
        !uuid_eq(&ours->cluster_id, &theirs->cluster_id)) {
        error_setf(err, "node '%s' is of another cluster", theirs->node_id);
        return PEER_E_CLUSTER;
    }
    rc = check_pair(ours, theirs, err);
    if (rc != 0)
        return rc;
    *ret = (struct peer_link){
        .version = (uint8_t)version,
        .us = ours->broker_id,
        .them = theirs->broker_id,
        .our_shards = ours->n_shards,
        .their_shards = theirs->n_shards,
        .incarnation = theirs->incarnation,
        .our_shard = ours->from_shard,
        .their_shard = theirs->from_shard,
    };
    return 0;
}
