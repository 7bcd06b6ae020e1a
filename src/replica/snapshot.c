/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/cursor.h"
#include "base/endian.h"
#include "replica/internal.h"

/* docs/format/partition-snapshot.md. The file around it (index, term, checksums) is log/'s. */
#define SNAPSHOT_VERSION 1

/* While the journal is replayed the producer state may be ahead of the entry that is applied: it came from a snapshot
 * that was newer than the checkpoint. Then this one says so too. */
void replica_snapshot_write(const struct replica *r, struct wr *w)
{
    wr_le32(w, SNAPSHOT_VERSION);
    wr_le32(w, 0);
    wr_le64(w, MAX(r->applied_index, r->state_index));
    wr_le64(w, (uint64_t)r->applied_offset);
    wr_le64(w, (uint64_t)r->log_start);
    wr_le64(w, (uint64_t)r->last_append_time);
    if (r->producers != NULL)
        producer_write(r->producers, w);
}

void replica_snapshot_blank(uint8_t to[REPLICA_SNAPSHOT_BLANK_SIZE], uint64_t index, int64_t next_offset,
                            int64_t log_start)
{
    store_le32(to, SNAPSHOT_VERSION);
    store_le32(to + 4, 0);
    store_le64(to + 8, index);
    store_le64(to + 16, (uint64_t)next_offset);
    store_le64(to + 24, (uint64_t)log_start);
    store_le64(to + 32, 0); /* append time: the entries behind tell theirs */
}

static struct producer_state *producers_new(const struct replica *r)
{
    return producer_state_new(r->shard->hash_seed, r->shard->max_producer_ids);
}

struct producer_state *replica_producers(struct replica *r)
{
    if (r->producers == NULL)
        r->producers = producers_new(r);
    return r->producers;
}

uint64_t replica_snapshot_index(const uint8_t *data, size_t size)
{
    return size >= REPLICA_SNAPSHOT_BLANK_SIZE ? load_le64(data + 8) : 0;
}

int replica_state_parse(const struct replica *r, const uint8_t *data, size_t size, struct replica_state *ret)
{
    struct rd in;
    int rc = 0;

    rd_init(&in, data, size);
    if (rd_le32(&in) != SNAPSHOT_VERSION)
        return -EBADMSG;
    rd_skip(&in, 4);
    *ret = (struct replica_state){ .index = rd_le64(&in) };
    ret->next_offset = (int64_t)rd_le64(&in);
    ret->log_start = (int64_t)rd_le64(&in);
    ret->append_time = (int64_t)rd_le64(&in);
    if (in.error != 0)
        return in.error;
    if (rd_left(&in) == 0 || GQ_BUG(PRODUCERS_NOT_RESTORED))
        return 0;
    ret->producers = producers_new(r);
    rc = producer_read(ret->producers, in.p, rd_left(&in));
    if (rc < 0)
        producer_state_free(TAKE_PTR(ret->producers));
    return rc;
}

int replica_snapshot_read(struct replica *r, const uint8_t *data, size_t size, uint64_t *ret_index)
{
    struct replica_state state;
    int rc = replica_state_parse(r, data, size, &state);

    if (rc != 0)
        return rc;
    r->producers = state.producers;
    r->log_start = MAX(r->log_start, state.log_start);
    r->last_append_time = state.append_time;
    *ret_index = state.index;
    return 0;
}
