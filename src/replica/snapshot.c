/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/endian.h"
#include "replica/internal.h"

/* docs/format/partition-snapshot.md. The file around it (index, term, checksums) is log/'s. */
#define SNAPSHOT_VERSION 1

/* The section of the members, between the head and the producers: the index of their entry, and the body of its
 * command.
 */
#define SECTION_AT REPLICA_SNAPSHOT_BLANK_SIZE
#define SECTION_INDEX_SIZE 8
#define APPEND_TIME_AT 32

/* While the journal is replayed the producer state may be ahead of the entry that is applied: it came from a snapshot
 * that was newer than the checkpoint. Then this one says so too. */
void replica_snapshot_write(const struct replica *r, struct wr *w)
{
    const struct replica_config_body *members = r->peers != NULL ? r->peers->applied : NULL;

    if (members != NULL && (members->index == 0 || GQ_BUG(CONFIG_LOST_IN_SNAPSHOT)))
        members = NULL;
    wr_le32(w, SNAPSHOT_VERSION);
    wr_le32(w, members != NULL ? (uint32_t)(SECTION_INDEX_SIZE + members->size) : 0);
    wr_le64(w, MAX(r->applied_index, r->state_index));
    wr_le64(w, (uint64_t)r->applied_offset);
    wr_le64(w, (uint64_t)r->log_start);
    wr_le64(w, (uint64_t)r->last_append_time);
    if (members != NULL) {
        wr_le64(w, members->index);
        wr_bytes(w, members->bytes, members->size);
    }
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
    return size >= REPLICA_SNAPSHOT_BLANK_SIZE ? load_le64(data + REPLICA_SNAPSHOT_INDEX_AT) : 0;
}

/* Where no entry has changed the members since the log began, the file says nothing of them. Those that hold now do for
 * whoever begins there: it can't be elected before it has the entry that made them. */
bool replica_snapshot_add_members(const struct replica *r, uint8_t **data, size_t *size)
{
    const struct replica_config_body *members = r->peers->applied;
    size_t added = SECTION_INDEX_SIZE + members->size;

    gq_assert(*size >= SECTION_AT);
    if (load_le32(*data + 4) > 0)
        return true;
    if (members->bytes[0] == 0)
        return false;
    *data = xrealloc(*data, *size + added);
    memmove(*data + SECTION_AT + added, *data + SECTION_AT, *size - SECTION_AT);
    store_le32(*data + 4, (uint32_t)added);
    store_le64(*data + SECTION_AT, replica_snapshot_index(*data, *size)); /* 0 would say that they needn't be kept */
    memcpy(*data + SECTION_AT + SECTION_INDEX_SIZE, members->bytes, members->size);
    *size += added;
    return true;
}

static int parse_section(struct rd *in, uint32_t size, struct replica_state *ret)
{
    const uint8_t *body;

    if (size == 0)
        return 0;
    ret->members_index = rd_le64(in);
    body = rd_bytes(in, size < SECTION_INDEX_SIZE ? 0 : size - SECTION_INDEX_SIZE);
    if (in->error != 0 || size < SECTION_INDEX_SIZE || ret->members_index > ret->index)
        return -EBADMSG;
    ret->has_members = true;
    return replica_members_parse(slice_make(body, size - SECTION_INDEX_SIZE), &ret->members);
}

int replica_state_parse(const struct replica *r, const uint8_t *data, size_t size, struct replica_state *ret)
{
    uint32_t section;
    struct rd in;
    int rc;

    rd_init(&in, data, size);
    if (rd_le32(&in) != SNAPSHOT_VERSION)
        return -EBADMSG;
    section = rd_le32(&in);
    ret->index = rd_le64(&in);
    ret->next_offset = (int64_t)rd_le64(&in);
    ret->log_start = (int64_t)rd_le64(&in);
    ret->append_time = (int64_t)rd_le64(&in);
    ret->producers = NULL;
    ret->has_members = false;
    if (in.error != 0)
        return in.error;
    rc = parse_section(&in, section, ret);
    if (rc != 0)
        return rc;
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
    int rc;

    if (size >= 4 && load_le32(data) > SNAPSHOT_VERSION)
        return LOG_E_VERSION;
    rc = replica_state_parse(r, data, size, &state);
    if (rc != 0)
        return rc;
    r->producers = state.producers;
    r->log_start = MAX(r->log_start, state.log_start);
    r->last_append_time = state.append_time;
    if (state.has_members)
        replica_config_applied(r, state.members_index, &state.members);
    *ret_index = state.index;
    return 0;
}

/* None and no state are the same; a leader's append time may be that of an entry which was cut. */
uint32_t replica_state_checksum(const struct replica *r)
{
    struct producer_state *none = r->producers == NULL ? producers_new(r) : NULL;
    uint32_t checksum;
    struct wr w;

    wr_init_growing(&w, 256, REPLICA_SNAPSHOT_MAX);
    replica_snapshot_write(r, &w);
    if (none != NULL)
        producer_write(none, &w);
    producer_state_free(none);
    store_le64(w.start + APPEND_TIME_AT, 0);
    checksum = crc32c(0, w.start, wr_size(&w));
    wr_fini(&w);
    return checksum;
}
