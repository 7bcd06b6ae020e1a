/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/block_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/bug.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

void journal_block_reader_init(struct journal_block_reader *r)
{
    *r = (struct journal_block_reader){ .window = aligned_alloc(DISK_ALIGN, JOURNAL_BLOCK_MAX) };
    gq_assert(r->window != NULL);
}

void journal_block_reader_fini(struct journal_block_reader *r)
{
    disk_close(r->io);
    free(r->window);
}

/* All of it that can be read, zeros in place of the rest. */
static ssize_t read_patchy(struct journal_block_reader *r, uint64_t offset, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = disk_pread(r->io, r->window + done, DISK_ALIGN, offset + done);

        if (n < 0 && n != -EIO)
            return n;
        if (n == -EIO) {
            memset(r->window + done, 0, DISK_ALIGN);
            r->unreadable[done / DISK_ALIGN] = true;
            n = DISK_ALIGN;
        }
        done += (size_t)n;
        if (n < DISK_ALIGN)
            break;
    }
    return (ssize_t)done;
}

/* Fills the window from offset on, with `ahead` bytes where that can be read and at least `size`. A place that can't be
 * read is no reason to refuse what lies before it, and isn't asked for again with each block. */
static int fill(struct journal_block_reader *r, uint64_t offset, size_t size, size_t ahead)
{
    size_t most = offset < r->narrow_end ? size : ahead;
    ssize_t n = disk_pread(r->io, r->window, most, offset);

    memset(r->unreadable, 0, sizeof(r->unreadable));
    if (n == -EIO && r->patchy) {
        n = read_patchy(r, offset, most);
    } else if (n == -EIO && most > size) {
        r->narrow_end = offset + most;
        n = disk_pread(r->io, r->window, size, offset);
    }
    r->window_start = offset;
    r->window_size = n > 0 ? (size_t)n : 0;
    return n < 0 ? (int)n : 0;
}

static int open_file(struct journal_block_reader *r, struct env_disk *disk, const char *path, size_t size,
                     enum journal_header_verdict *ret_verdict)
{
    int err;

    disk_close(r->io);
    r->io = NULL;
    r->narrow_end = 0;
    err = disk_open(disk, path, DISK_READ | DISK_DIRECT, &r->io);
    if (err == 0)
        err = fill(r, 0, JOURNAL_FILE_HEADER_SIZE, size);
    if (err < 0)
        return err;
    if (r->window_size < JOURNAL_FILE_HEADER_SIZE) {
        r->header = (struct journal_file_header){ 0 };
        *ret_verdict = JOURNAL_HEADER_DAMAGED;
        return 0;
    }
    *ret_verdict = journal_file_header_read(r->window, &r->header);
    return 0;
}

int journal_block_reader_open(struct journal_block_reader *r, struct env_disk *disk, const char *path,
                              enum journal_header_verdict *ret_verdict)
{
    return open_file(r, disk, path, JOURNAL_BLOCK_MAX, ret_verdict);
}

int journal_block_reader_open_header(struct journal_block_reader *r, struct env_disk *disk, const char *path,
                                     enum journal_header_verdict *ret_verdict)
{
    return open_file(r, disk, path, JOURNAL_FILE_HEADER_SIZE, ret_verdict);
}

/* Makes size bytes at offset visible; fewer when the file ends before. */
static int want(struct journal_block_reader *r, uint64_t offset, size_t size, const uint8_t **ret, size_t *ret_size)
{
    if (offset < r->window_start || offset + size > r->window_start + r->window_size) {
        int err = fill(r, offset, size, JOURNAL_BLOCK_MAX);

        if (err < 0)
            return err;
    }
    *ret = r->window + (offset - r->window_start);
    *ret_size = MIN(size, r->window_size - (size_t)(offset - r->window_start));
    return 0;
}

int journal_block_reader_at(struct journal_block_reader *r, uint64_t offset, struct journal_block *ret,
                            const uint8_t **ret_payload)
{
    const struct journal_file_header *h = &r->header;
    const uint8_t *p;
    size_t n;
    int err;

    gq_assert(offset % JOURNAL_BLOCK_ALIGN == 0);
    err = want(r, offset, JOURNAL_BLOCK_ALIGN, &p, &n);
    if (err < 0)
        return err;
    if (n < JOURNAL_BLOCK_HEADER_SIZE || !journal_block_read(p, ret) || ret->generation != h->generation ||
        ret->salt != h->salt || ret->lsn != h->base_lsn + offset)
        return JOURNAL_BLOCK_BAD;
    err = want(r, offset, journal_block_size(ret), &p, &n);
    if (err < 0)
        return err;
    *ret_payload = p + ret->payload_offset;
    if (n < journal_block_size(ret) ||
        (crc32c(0, *ret_payload, ret->payload_size) != ret->payload_crc && !GQ_BUG(TORN_BLOCK_ACCEPTED)))
        return JOURNAL_BLOCK_PARTIAL;
    return JOURNAL_BLOCK_GOOD;
}

bool journal_block_reader_lacks(const struct journal_block_reader *r, uint64_t offset, uint64_t size)
{
    for (uint64_t at = offset; at < offset + size; at += DISK_ALIGN) {
        if (at >= r->window_start && at < r->window_start + r->window_size &&
            r->unreadable[(at - r->window_start) / DISK_ALIGN])
            return true;
    }
    return false;
}

void journal_record_reader_fini(struct journal_record_reader *r)
{
    free(r->span);
}

void journal_record_reader_reset(struct journal_record_reader *r)
{
    r->span_size = r->span_total = 0;
}

static void span_add(struct journal_record_reader *r, const uint8_t *data, size_t size)
{
    /* Grows with what is really there, whatever the record's header claims. */
    if (r->span_size + size > r->span_capacity) {
        r->span_capacity = MAX(r->span_capacity * 2, r->span_size + size);
        r->span = xrealloc(r->span, r->span_capacity);
    }
    memcpy(r->span + r->span_size, data, size);
    r->span_size += size;
}

static int emit(const uint8_t *p, uint64_t lsn, journal_record_fn fn, void *ctx)
{
    struct journal_record rec = {
        .size = load_le32(p),
        .kind = p[4],
        .flags = p[5],
        .body = p + sizeof(struct journal_disk_record),
    };

    return fn(ctx, lsn, &rec);
}

/* The part of the payload that belongs to a record of an earlier block. */
static int continue_span(struct journal_record_reader *r, const struct journal_block *b, const uint8_t *payload,
                         journal_record_fn fn, void *ctx)
{
    size_t n = MIN(r->span_total - r->span_size, (size_t)b->payload_size);
    int err;

    if (b->first_record != n)
        return -EBADMSG;
    span_add(r, payload, n);
    if (r->span_size < r->span_total)
        return 0;
    err = emit(r->span, r->span_lsn, fn, ctx);
    journal_record_reader_reset(r);
    return err;
}

int journal_record_reader_block(struct journal_record_reader *r, const struct journal_block *b, const uint8_t *payload,
                                journal_record_fn fn, void *ctx)
{
    size_t at = b->first_record;

    if (r->span_total > 0) {
        int err = continue_span(r, b, payload, fn, ctx);

        if (err != 0)
            return err;
    }
    while (at < b->payload_size) {
        size_t left = b->payload_size - at, total = journal_record_size(load_le32(payload + at));
        int err;

        if (total > r->max_size)
            return -EBADMSG;
        if (total > left) {
            r->span_total = total;
            r->span_lsn = b->lsn;
            span_add(r, payload + at, left);
            return 0;
        }
        err = emit(payload + at, b->lsn, fn, ctx);
        if (err != 0)
            return err;
        at += total;
    }
    return 0;
}
