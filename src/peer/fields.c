/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/internal.h"

/* What the fields of a frame say, once their CRC is right: as messages, with room for their bodies. Counts are held
 * against the bytes that are there and against their limits before anything is allocated by them. */

static struct replica_message *message_new(const struct peer_reader *r, const struct raft_message *from)
{
    struct replica_message *m = xcalloc(1, sizeof(*m) + from->n_entries * sizeof(m->entries[0]));

    m->group = r->frame.group;
    m->raft = *from;
    m->raft.from = r->link.them;
    m->raft.to = r->link.us;
    m->incarnation = r->link.incarnation;
    return m;
}

/* ---- APPEND ---- */

/* Sums up without a look at memory that isn't there yet. */
static int check_entries(const struct peer_reader *r, struct rd rows, uint32_t n, size_t *ret_size,
                         struct error_text *err)
{
    size_t total = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t term = rd_le32(&rows), checksum = rd_le32(&rows), size = rd_le32(&rows);

        (void)checksum;
        if (term == 0 || term > RAFT_MAX_TERM)
            return peer_refuse(err, "APPEND: entry %u: term %u", i, term);
        if (size == 0 || size > r->limits.max_entry_bytes)
            return peer_refuse(err, "APPEND: entry %u: size %u", i, size);
        total += size;
        if (i > 0 && total > PEER_APPEND_MAX)
            return peer_refuse(err, "APPEND: entry %u: %zu bytes together", i, total);
    }
    *ret_size = total;
    return 0;
}

static void place_entries(struct replica_message *m, struct rd *rows, struct buf *buf)
{
    size_t at = 0;

    for (uint32_t i = 0; i < m->raft.n_entries; i++) {
        struct replica_message_entry *e = &m->entries[i];

        e->term = rd_le32(rows);
        e->checksum = rd_le32(rows);
        e->head = slice_make(buf->data + at, rd_le32(rows));
        e->buf = buf_ref(buf);
        at += e->head.size;
    }
}

static int read_append(struct peer_reader *r, struct rd *fields, struct raft_message *raft, struct peer_body *ret,
                       struct error_text *err)
{
    int rc;

    raft->n_entries = rd_le32(fields);
    if (raft->n_entries > PEER_MAX_ENTRIES || raft->n_entries * (size_t)PEER_ENTRY_SIZE != rd_left(fields))
        return peer_refuse(err, "APPEND: %u entries in %zu bytes", raft->n_entries, rd_left(fields));
    if (raft->index + raft->n_entries > RAFT_MAX_INDEX)
        return peer_refuse(err, "APPEND: %u entries", raft->n_entries);
    rc = check_entries(r, *fields, raft->n_entries, &ret->size, err);
    if (rc != 0)
        return rc;
    if (ret->size > 0) {
        ret->buf = buf_new(r->pool, ret->size);
        if (ret->buf == NULL)
            return -ENOMEM;
        ret->data = ret->buf->data;
        ret->buf->size = ret->size;
    }
    ret->message = message_new(r, raft);
    place_entries(ret->message, fields, ret->buf);
    return 0;
}

/* ---- SNAPSHOT ---- */

static int read_image(const struct peer_reader *r, struct rd *fields, struct replica_image *ret, struct error_text *err)
{
    ret->next_offset = (int64_t)rd_le64(fields);
    ret->log_start = (int64_t)rd_le64(fields);
    ret->checksum = rd_le32(fields);
    ret->size = rd_le32(fields);
    if (ret->next_offset < 0)
        return peer_refuse(err, "SNAPSHOT: next offset %lld", (long long)ret->next_offset);
    if (ret->log_start < ret->next_offset)
        return peer_refuse(err, "SNAPSHOT: log start %lld", (long long)ret->log_start);
    if (ret->size == 0 || ret->size > r->limits.max_image_bytes)
        return peer_refuse(err, "SNAPSHOT: size %zu", ret->size);
    return 0;
}

static int read_snapshot(struct peer_reader *r, struct rd *fields, const struct raft_message *raft,
                         struct peer_body *ret, struct error_text *err)
{
    struct replica_image image = { 0 };
    int rc = read_image(r, fields, &image, err);

    if (rc != 0)
        return rc;
    ret->data = malloc(image.size);
    if (ret->data == NULL)
        return -ENOMEM;
    ret->size = image.size;
    ret->message = message_new(r, raft);
    ret->message->data = ret->data;
    ret->message->image = xmalloc(sizeof(image));
    *ret->message->image = image;
    return 0;
}

/* ---- All ---- */

int peer_message_read(struct peer_reader *r, const struct peer_kind *kind, struct rd *fields, struct peer_body *ret,
                      struct error_text *err)
{
    struct raft_message raft;
    int rc = peer_numbers_read(kind, fields, &raft, err);

    if (rc != 0)
        return rc;
    if (kind->raft == RAFT_APPEND)
        return read_append(r, fields, &raft, ret, err);
    if (kind->raft == RAFT_SNAPSHOT)
        return read_snapshot(r, fields, &raft, ret, err);
    ret->message = message_new(r, &raft);
    return 0;
}

static int read_listed(struct rd *fields, uint32_t n, struct fleet_entry *to, struct error_text *err)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i].group = rd_le64(fields);
        to[i].term = rd_le32(fields);
        if (to[i].group <= (i > 0 ? to[i - 1].group : 0))
            return peer_refuse(err, "SESSION: group %u: %llu", i, (unsigned long long)to[i].group);
        if (to[i].term == 0 || to[i].term > RAFT_MAX_TERM)
            return peer_refuse(err, "SESSION: group %u: term %llu", i, (unsigned long long)to[i].term);
    }
    return 0;
}

int peer_session_read(struct peer_reader *r, struct rd *fields, struct error_text *err)
{
    struct fleet_message m = {
        .from = r->link.them,
        .to = r->link.us,
        .from_shard = r->frame.from_shard,
        .to_shard = r->frame.to_shard,
    };
    struct fleet_entry *entries;
    uint64_t *digests;

    m.session = rd_le64(fields);
    m.your_session = rd_le64(fields);
    m.sequence = rd_le64(fields);
    m.echo = rd_le64(fields);
    m.digest = rd_le64(fields);
    m.buckets = rd_le64(fields);
    m.n_digests = rd_le32(fields);
    m.n_entries = rd_le32(fields);
    if (m.session == 0)
        return peer_refuse(err, "SESSION: session 0");
    if (m.sequence == 0)
        return peer_refuse(err, "SESSION: sequence 0");
    if (m.n_digests != 0 && m.n_digests != FLEET_BUCKETS)
        return peer_refuse(err, "SESSION: %u digests", m.n_digests);
    if (m.n_entries > FLEET_MAX_ENTRIES ||
        m.n_digests * sizeof(*digests) + m.n_entries * (size_t)PEER_LISTED_SIZE != rd_left(fields))
        return peer_refuse(err, "SESSION: %u groups in %zu bytes", m.n_entries, rd_left(fields));
    entries = xmalloc(m.n_entries * sizeof(*entries) + m.n_digests * sizeof(*digests) + 1);
    digests = (uint64_t *)(entries + m.n_entries);
    free(r->lists);
    r->lists = entries;
    for (uint32_t i = 0; i < m.n_digests; i++)
        digests[i] = rd_le64(fields);
    m.digests = m.n_digests > 0 ? digests : NULL;
    m.entries = m.n_entries > 0 ? entries : NULL;
    r->session = m;
    return read_listed(fields, m.n_entries, entries, err);
}

int peer_word_read(struct peer_reader *r, struct rd *fields, struct peer_body *ret, struct error_text *err)
{
    size_t size = r->frame.size - PEER_FRAME_HEADER_SIZE - r->frame.fields_size;
    uint8_t kind = rd_u8(fields);

    if (kind == 0)
        return peer_refuse(err, "WORD: kind 0");
    if (size == 0 || size > PEER_WORD_MAX)
        return peer_refuse(err, "WORD: %zu bytes", size);
    ret->buf = buf_new(r->pool, size);
    if (ret->buf == NULL)
        return -ENOMEM;
    ret->data = ret->buf->data;
    ret->size = size;
    r->word.kind = kind;
    return 0;
}
