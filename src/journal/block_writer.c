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

uint64_t journal_direct_cost(size_t piece_size)
{
    if (piece_size < JOURNAL_DIRECT_MIN)
        return 0;
    return (3 + 2 * (uint64_t)piece_size / JOURNAL_BLOCK_MAX) * JOURNAL_BLOCK_ALIGN;
}

/* An empty block whose payload starts at `offset` in it. */
static void begin_block(struct journal_block_writer *w, size_t offset)
{
    gq_assert(offset >= JOURNAL_BLOCK_HEADER_SIZE && offset % JOURNAL_RECORD_ALIGN == 0);
    w->block.payload_offset = (uint16_t)offset;
    w->used = 0;
    w->has_record = false;
    w->n_pieces = 0;
    w->staged = w->hashed = offset;
    w->run_start = 0;
    w->crc = 0;
}

void journal_block_writer_init(struct journal_block_writer *w, struct disk_file *io, struct journal_staging *staging,
                               const struct journal_file_header *h, uint64_t position, uint64_t flushed_lsn)
{
    gq_assert(position % JOURNAL_BLOCK_ALIGN == 0 && position >= JOURNAL_FILE_HEADER_SIZE);
    gq_assert(staging->capacity > 2 * JOURNAL_BLOCK_ALIGN && staging->capacity <= JOURNAL_BLOCK_MAX);
    *w = (struct journal_block_writer){
        .io = io,
        .staging = staging,
        .base_lsn = h->base_lsn,
        .position = position,
        .limit = h->file_size,
        .block = { .generation = h->generation, .salt = h->salt, .flushed_lsn = flushed_lsn },
    };
    begin_block(w, JOURNAL_BLOCK_HEADER_SIZE);
}

/* Where the next byte of the payload goes, from the start of the block. */
static size_t block_end(const struct journal_block_writer *w)
{
    return w->block.payload_offset + w->used;
}

/* Bytes that can be staged in this block. */
static size_t room(const struct journal_block_writer *w)
{
    return MIN(w->staging->capacity - w->staged, JOURNAL_BLOCK_MAX - block_end(w));
}

static void hash_staged(struct journal_block_writer *w)
{
    w->crc = crc32c(w->crc, w->staging->data + w->hashed, w->staged - w->hashed);
    w->hashed = w->staged;
}

static void end_run(struct journal_block_writer *w)
{
    if (w->staged > w->run_start)
        w->pieces[w->n_pieces++] = (struct iovec){ w->staging->data + w->run_start, w->staged - w->run_start };
    w->run_start = w->staged;
}

/* An interrupted write is written again as a whole: the bytes are the same. */
static int write_all(struct disk_file *io, const struct iovec *iov, int n_iov, uint64_t offset)
{
    int r;

    do
        r = disk_pwritev(io, iov, n_iov, offset);
    while (r == -EINTR);
    return r;
}

/* payload_offset: of the next block. */
static void write_block(struct journal_block_writer *w, uint16_t flags, size_t payload_offset)
{
    struct journal_block *b = &w->block;
    size_t size, padding;

    hash_staged(w);
    b->lsn = w->base_lsn + w->position;
    b->flags = flags;
    b->payload_size = (uint32_t)w->used;
    if (!w->has_record)
        b->first_record = b->payload_size;
    b->payload_crc = w->crc;
    gq_assert(b->flushed_lsn <= b->lsn && w->used > 0 && w->used % JOURNAL_RECORD_ALIGN == 0);
    size = journal_block_size(b);
    padding = size - block_end(w);
    gq_assert(w->position + size <= w->limit && w->staged + padding <= w->staging->capacity);
    journal_block_write(b, w->staging->data);
    memset(w->staging->data + JOURNAL_BLOCK_HEADER_SIZE, 0, b->payload_offset - JOURNAL_BLOCK_HEADER_SIZE);
    memset(w->staging->data + w->staged, 0, padding);
    w->staged += padding;
    end_run(w);
    if (w->error == 0)
        w->error = write_all(w->io, w->pieces, w->n_pieces, w->position);
    w->position += size;
    begin_block(w, payload_offset);
}

static void put(struct journal_block_writer *w, const void *data, size_t size)
{
    const uint8_t *p = data;

    while (size > 0) {
        size_t n;

        if (room(w) == 0)
            write_block(w, 0, JOURNAL_BLOCK_HEADER_SIZE);
        n = MIN(size, room(w));
        memcpy(w->staging->data + w->staged, p, n);
        w->staged += n;
        w->used += n;
        p += n;
        size -= n;
    }
}

static size_t page_phase(uintptr_t at)
{
    return at % JOURNAL_BLOCK_ALIGN;
}

/* before: bytes of the record that come before it. */
static bool is_direct(struct slice data, size_t before)
{
    return data.size >= JOURNAL_DIRECT_MIN && before <= JOURNAL_BLOCK_ALIGN &&
           ((uintptr_t)data.data | before) % JOURNAL_RECORD_ALIGN == 0;
}

/* Pages of others' memory. Their CRC is still to be counted. */
static void add_piece(struct journal_block_writer *w, const uint8_t *data, size_t size)
{
    hash_staged(w);
    end_run(w);
    w->pieces[w->n_pieces++] = (struct iovec){ (void *)data, size };
    w->used += size;
}

/* Pages behind which `rest` bytes of the same data come. Counts their CRC into the block's, and out of *crc, which is
 * that of all that is left of the data. */
static void add_pages(struct journal_block_writer *w, const uint8_t *data, size_t size, size_t rest, uint32_t *crc)
{
    uint32_t part;

    add_piece(w, data, size);
    if (crc == NULL) {
        w->crc = crc32c(w->crc, data, size);
        return;
    }
    part = crc32c(0, data, size);
    w->crc = crc32c_combine(w->crc, part, size);
    *crc = crc32c_behind(*crc, part, rest);
}

/* The last pages of a piece and what is behind them, if all of it fits in the block: its CRC is known. */
static bool add_last_pages(struct journal_block_writer *w, struct slice data, size_t whole, uint32_t crc)
{
    size_t tail = data.size - whole;

    if (block_end(w) + data.size > JOURNAL_BLOCK_MAX || w->staged + tail > w->staging->capacity)
        return false;
    add_piece(w, data.data, whole);
    put(w, data.data + whole, tail);
    w->hashed = w->staged;
    w->crc = crc32c_combine(w->crc, crc, data.size);
    return true;
}

/* The data's place in the block has the alignment of the memory, and there is room for a page of it. crc: of the data,
 * which then needs no pass over what ends in one block; or NULL. */
static void put_direct(struct journal_block_writer *w, struct slice data, uint32_t *crc)
{
    size_t head = (JOURNAL_BLOCK_ALIGN - page_phase((uintptr_t)data.data)) % JOURNAL_BLOCK_ALIGN;
    size_t whole = ALIGN_DOWN(data.size - head, (size_t)JOURNAL_BLOCK_ALIGN);

    put(w, data.data, head);
    if (crc != NULL)
        *crc = crc32c_behind(*crc, crc32c(0, data.data, head), data.size - head);
    data.data += head;
    data.size -= head;
    while (whole > 0) {
        size_t n = MIN(whole, ALIGN_DOWN(JOURNAL_BLOCK_MAX - block_end(w), (size_t)JOURNAL_BLOCK_ALIGN));

        if (n == 0 || w->n_pieces + 3 > JOURNAL_BLOCK_PIECES) {
            write_block(w, 0, JOURNAL_BLOCK_ALIGN);
            continue;
        }
        gq_assert(page_phase(block_end(w)) == 0 && page_phase(w->staged) == 0);
        if (n == whole && crc != NULL && add_last_pages(w, data, whole, *crc))
            return;
        add_pages(w, data.data, n, data.size - n, crc);
        data.data += n;
        data.size -= n;
        whole -= n;
    }
    put(w, data.data, data.size);
}

/* Sees to it that the payload's byte behind `before` more ones gets this phase in its page, if need be in a block that
 * starts accordingly; also that the data which begins there, of size bytes, isn't cut if it fits in one block. */
static void align_for(struct journal_block_writer *w, size_t before, size_t phase, size_t size)
{
    size_t offset = (phase + JOURNAL_BLOCK_ALIGN - before % JOURNAL_BLOCK_ALIGN) % JOURNAL_BLOCK_ALIGN;

    bool fits = block_end(w) + before + size <= JOURNAL_BLOCK_MAX;
    bool would_fit = 2 * JOURNAL_BLOCK_ALIGN + before + size <= JOURNAL_BLOCK_MAX;

    /* What is copied up to the first whole page must fit too. */
    if (page_phase(block_end(w) + before) == phase && before + JOURNAL_BLOCK_ALIGN <= room(w) && (fits || !would_fit))
        return;
    if (offset < JOURNAL_BLOCK_HEADER_SIZE)
        offset += JOURNAL_BLOCK_ALIGN;
    if (w->used > 0)
        write_block(w, 0, offset);
    else
        begin_block(w, offset);
}

/* The next byte is that of a record's header. */
static void mark_record(struct journal_block_writer *w)
{
    if (room(w) == 0)
        write_block(w, 0, JOURNAL_BLOCK_HEADER_SIZE);
    if (!w->has_record)
        w->block.first_record = (uint32_t)w->used;
    w->has_record = true;
}

void journal_block_writer_record(struct journal_block_writer *w, enum journal_record_kind kind,
                                 const struct slice *pieces, int n_pieces, const uint32_t *last_crc)
{
    static const uint8_t zeros[JOURNAL_RECORD_ALIGN];
    struct journal_disk_record head = { .kind = (uint8_t)kind };
    const struct slice *last = &pieces[n_pieces - 1];
    size_t size = 0, before;
    uint32_t crc = last_crc != NULL ? *last_crc : 0;
    bool direct;

    for (int i = 0; i < n_pieces; i++)
        size += pieces[i].size;
    gq_assert(size <= UINT32_MAX);
    head.size = htole32((uint32_t)size);
    before = sizeof(head) + size - last->size;
    direct = is_direct(*last, before);
    if (direct)
        align_for(w, before, page_phase((uintptr_t)last->data), last->size);
    mark_record(w);
    put(w, &head, sizeof(head));
    for (int i = 0; i < n_pieces - direct; i++)
        put(w, pieces[i].data, pieces[i].size);
    if (direct)
        put_direct(w, *last, last_crc != NULL ? &crc : NULL);
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
        write_block(w, flags, JOURNAL_BLOCK_HEADER_SIZE);
    else
        gq_assert(flags == 0);
    if (w->error == 0)
        *ret_position = w->position;
    return w->error;
}
