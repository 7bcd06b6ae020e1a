/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/block_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/util.h"

#define STAGING_MIN ((size_t)64 * 1024)

void journal_staging_grow(struct journal_staging *s, size_t payload_size)
{
    size_t want = MIN(payload_size + JOURNAL_BLOCK_HEADER_SIZE, (size_t)JOURNAL_BLOCK_MAX), capacity = STAGING_MIN;

    if (s->capacity >= want)
        return;
    while (capacity < want)
        capacity *= 2;
    free(s->data);
    s->data = aligned_alloc(DISK_ALIGN, capacity);
    gq_assert(s->data != NULL);
    s->capacity = capacity;
}

void journal_staging_fini(struct journal_staging *s)
{
    free(s->data);
    *s = (struct journal_staging){ 0 };
}

void journal_bytes_fini(struct journal_bytes *b)
{
    free(b->data);
    *b = (struct journal_bytes){ 0 };
}

uint8_t *journal_bytes_record(struct journal_bytes *b, enum journal_record_kind kind, uint8_t flags, size_t body_size)
{
    struct journal_disk_record head = { .size = htole32((uint32_t)body_size), .kind = (uint8_t)kind, .flags = flags };
    size_t total = journal_record_size(body_size);
    uint8_t *p;

    gq_assert(body_size <= UINT32_MAX);
    if (b->size + total > b->capacity) {
        b->capacity = MAX(b->capacity * 2, b->size + total);
        b->data = xrealloc(b->data, b->capacity);
    }
    p = b->data + b->size;
    b->size += total;
    memcpy(p, &head, sizeof(head));
    memset(p + sizeof(head), 0, total - sizeof(head));
    return p + sizeof(head);
}

void journal_block_writer_init(struct journal_block_writer *w, struct disk_file *io, struct journal_staging *staging,
                               const struct journal_file_header *h, uint64_t position, uint64_t flushed_lsn)
{
    gq_assert(position % JOURNAL_BLOCK_ALIGN == 0 && position >= JOURNAL_FILE_HEADER_SIZE);
    gq_assert(staging->capacity > JOURNAL_BLOCK_HEADER_SIZE && staging->capacity <= JOURNAL_BLOCK_MAX);
    *w = (struct journal_block_writer){
        .io = io,
        .staging = staging,
        .base_lsn = h->base_lsn,
        .position = position,
        .limit = h->file_size,
        .block = {
            .generation = h->generation,
            .salt = h->salt,
            .flushed_lsn = flushed_lsn,
            .payload_offset = JOURNAL_BLOCK_HEADER_SIZE,
        },
    };
}

static size_t room(const struct journal_block_writer *w)
{
    return w->staging->capacity - JOURNAL_BLOCK_HEADER_SIZE - w->used;
}

static uint8_t *payload(const struct journal_block_writer *w)
{
    return w->staging->data + JOURNAL_BLOCK_HEADER_SIZE;
}

/* An interrupted write is written again as a whole: the bytes are the same. */
static int write_all(struct disk_file *io, const void *data, size_t size, uint64_t offset)
{
    int r;

    do
        r = disk_pwrite(io, data, size, offset);
    while (r == -EINTR);
    return r;
}

static void write_block(struct journal_block_writer *w, uint16_t flags)
{
    struct journal_block *b = &w->block;
    size_t size;

    b->lsn = w->base_lsn + w->position;
    b->flags = flags;
    b->payload_size = (uint32_t)w->used;
    if (!w->has_record)
        b->first_record = b->payload_size;
    b->payload_crc = crc32c(0, payload(w), w->used);
    gq_assert(b->flushed_lsn <= b->lsn && w->used > 0 && w->used % JOURNAL_RECORD_ALIGN == 0);
    size = journal_block_size(b);
    gq_assert(w->position + size <= w->limit);
    journal_block_write(b, w->staging->data);
    memset(payload(w) + w->used, 0, size - JOURNAL_BLOCK_HEADER_SIZE - w->used);
    if (w->error == 0)
        w->error = write_all(w->io, w->staging->data, size, w->position);
    w->position += size;
    w->used = 0;
    w->has_record = false;
}

static void put(struct journal_block_writer *w, const void *data, size_t size)
{
    const uint8_t *p = data;

    while (size > 0) {
        size_t n;

        if (room(w) == 0)
            write_block(w, 0);
        n = MIN(size, room(w));
        memcpy(payload(w) + w->used, p, n);
        w->used += n;
        p += n;
        size -= n;
    }
}

/* The next byte is that of a record's header. */
static void mark_record(struct journal_block_writer *w)
{
    if (room(w) == 0)
        write_block(w, 0);
    if (!w->has_record)
        w->block.first_record = (uint32_t)w->used;
    w->has_record = true;
}

void journal_block_writer_record(struct journal_block_writer *w, enum journal_record_kind kind,
                                 const struct slice *pieces, int n_pieces)
{
    static const uint8_t zeros[JOURNAL_RECORD_ALIGN];
    struct journal_disk_record head = { .kind = (uint8_t)kind };
    size_t size = 0;

    for (int i = 0; i < n_pieces; i++)
        size += pieces[i].size;
    gq_assert(size <= UINT32_MAX);
    head.size = htole32((uint32_t)size);
    mark_record(w);
    put(w, &head, sizeof(head));
    for (int i = 0; i < n_pieces; i++)
        put(w, pieces[i].data, pieces[i].size);
    put(w, zeros, journal_record_size(size) - sizeof(head) - size);
}

void journal_block_writer_records(struct journal_block_writer *w, struct slice records)
{
    while (records.size > 0) {
        struct journal_disk_record head;
        size_t total;

        memcpy(&head, records.data, sizeof(head));
        total = journal_record_size(le32toh(head.size));
        gq_assert(total <= records.size);
        mark_record(w);
        put(w, records.data, total);
        records.data += total;
        records.size -= total;
    }
}

int journal_block_writer_finish(struct journal_block_writer *w, uint16_t flags, uint64_t *ret_position)
{
    if (w->used > 0)
        write_block(w, flags);
    else
        gq_assert(flags == 0);
    if (w->error == 0)
        *ret_position = w->position;
    return w->error;
}
