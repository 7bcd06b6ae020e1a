/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/dump.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/block_reader.h"
#include "journal/dump_item.h"
#include "journal/journal.h"

struct dumper {
    struct journal_block_reader blocks;
    struct journal_record_reader records;
    journal_dump_fn fn;
    void *ctx;
    uint64_t size;     /* of the file as it is */
    uint64_t position; /* of the block */
    size_t n_blocks;
    bool stopped; /* by fn */
    struct journal_item item;
};

static int emit(struct dumper *d)
{
    int r = d->fn(d->ctx, &d->item.item);

    d->stopped = r != 0;
    return r;
}

_printf_(3, 4) static int emit_damage(struct dumper *d, uint64_t position, const char *fmt, ...)
{
    char reason[DUMP_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    journal_item_init(&d->item, JOURNAL_DUMP_DAMAGE, "damage", position);
    journal_item_text(&d->item, "reason", "%s", reason);
    return emit(d);
}

static int dump_rows(struct dumper *d, uint64_t position, const struct journal_record *r, uint32_t n)
{
    int err = 0;

    for (uint32_t i = 0; i < n && err == 0; i++) {
        journal_item_row(&d->item, position, r, i);
        err = emit(d);
    }
    return err;
}

static int dump_record(void *ctx, uint64_t lsn, const struct journal_record *r)
{
    struct dumper *d = ctx;
    uint64_t position = lsn - d->blocks.header.base_lsn;
    struct journal_disk_entry e;
    struct slice data;
    uint32_t n_rows;
    int err;

    if (!journal_item_record(&d->item, position, r, &n_rows))
        return emit_damage(d, position, "a malformed record of kind %u, %zu bytes", r->kind, r->size);
    err = emit(d);
    if (err == 0 && (r->kind == JOURNAL_RECORD_ENTRY || r->kind == JOURNAL_RECORD_RELOCATED) &&
        journal_record_entry(r, &e, &data) && crc32c(0, data.data, data.size) != e.checksum)
        err = emit_damage(d, position, "entry %" PRIu64 " of group %" PRIu64 " without its checksum", e.index, e.group);
    return err != 0 ? err : dump_rows(d, position, r, n_rows);
}

static int dump_block(struct dumper *d, const struct journal_block *b, const uint8_t *payload)
{
    int err;

    d->n_blocks++;
    journal_item_block(&d->item, d->position, b);
    err = emit(d);
    if (err == 0 && d->records.span_total == 0 && b->first_record > 0)
        err = emit_damage(d, d->position, "%u bytes of a record whose start is missing", b->first_record);
    if (err == 0)
        err = journal_record_reader_block(&d->records, b, payload, dump_record, d);
    if (err != -EBADMSG || d->stopped)
        return err;
    journal_record_reader_reset(&d->records);
    return emit_damage(d, d->position, "records that don't fit together");
}

/* The next place from position on with an intact block, or the end of the file. */
static int find_block(struct dumper *d, uint64_t position, uint64_t *ret)
{
    for (; position + JOURNAL_BLOCK_ALIGN <= d->size; position += JOURNAL_BLOCK_ALIGN) {
        struct journal_block b;
        const uint8_t *payload;
        int r = journal_block_reader_at(&d->blocks, position, &b, &payload);

        if (r < 0)
            return r;
        if (r != JOURNAL_BLOCK_BAD)
            break;
    }
    *ret = position + JOURNAL_BLOCK_ALIGN <= d->size ? position : d->size;
    return 0;
}

/* Steps over what isn't a block; sets position to the end of the file when nothing follows. */
static int dump_hole(struct dumper *d)
{
    uint64_t next;
    int err = find_block(d, d->position, &next);

    if (err < 0)
        return err;
    if (next < d->size) {
        journal_record_reader_reset(&d->records);
        err = emit_damage(d, d->position, "no block up to byte %" PRIu64 ", where one follows", next);
        d->position = next;
        return err;
    }
    journal_item_init(&d->item, JOURNAL_DUMP_END, "end", d->position);
    journal_item_u64(&d->item, "unused", d->size - d->position);
    if (d->records.span_total > 0)
        journal_item_text(&d->item, "reason", "a record of %zu bytes is cut off", d->records.span_total);
    d->position = d->size;
    return emit(d);
}

static int dump_partial(struct dumper *d, const struct journal_block *b)
{
    int err;

    journal_record_reader_reset(&d->records);
    d->n_blocks++;
    journal_item_block(&d->item, d->position, b);
    err = emit(d);
    return err != 0 ? err : emit_damage(d, d->position, "the payload isn't what was written");
}

static int dump_blocks(struct dumper *d)
{
    int err = 0;

    for (d->position = JOURNAL_FILE_HEADER_SIZE; err == 0 && d->position < d->size;) {
        struct journal_block b;
        const uint8_t *payload;
        int verdict = d->position + JOURNAL_BLOCK_ALIGN <= d->size
                          ? journal_block_reader_at(&d->blocks, d->position, &b, &payload)
                          : JOURNAL_BLOCK_BAD;

        if (verdict < 0) {
            err = verdict;
        } else if (verdict == JOURNAL_BLOCK_GOOD) {
            err = dump_block(d, &b, payload);
            d->position += journal_block_size(&b);
        } else if (verdict == JOURNAL_BLOCK_PARTIAL) {
            err = dump_partial(d, &b);
            d->position += JOURNAL_BLOCK_ALIGN;
        } else {
            err = dump_hole(d);
        }
    }
    return err;
}

/* A damaged header: generation, salt and base of the first intact block are as good. */
static int adopt_first_block(struct dumper *d)
{
    for (uint64_t at = JOURNAL_FILE_HEADER_SIZE; at + JOURNAL_BLOCK_ALIGN <= d->size; at += JOURNAL_BLOCK_ALIGN) {
        uint8_t *page = d->blocks.window;
        struct journal_block b;
        ssize_t n = disk_pread(d->blocks.io, page, JOURNAL_BLOCK_ALIGN, at);

        if (n < 0)
            return (int)n;
        d->blocks.window_size = 0;
        if (n < JOURNAL_BLOCK_HEADER_SIZE || !journal_block_read(page, &b) || b.lsn < at)
            continue;
        d->blocks.header.generation = b.generation;
        d->blocks.header.salt = b.salt;
        d->blocks.header.base_lsn = b.lsn - at;
        return 0;
    }
    return 0;
}

static int dump_header(struct dumper *d, enum journal_header_verdict verdict)
{
    int err = 0;

    if (verdict == JOURNAL_HEADER_DAMAGED) {
        err = emit_damage(d, 0, "the file header isn't what was written");
        if (err == 0)
            err = adopt_first_block(d);
    }
    if (err != 0)
        return err;
    journal_item_file(&d->item, &d->blocks.header);
    return emit(d);
}

static int dump_file(struct dumper *d, struct env_disk *disk, const char *path, struct error_text *err)
{
    enum journal_header_verdict verdict;
    int r = journal_block_reader_open(&d->blocks, disk, path, &verdict);

    if (r == 0)
        r = disk_size(d->blocks.io, &d->size);
    if (r < 0) {
        error_setf(err, "%s: %s", path, error_text(r));
        return r;
    }
    if (verdict == JOURNAL_HEADER_NEWER) {
        error_setf(err, "%s: format version %" PRIu32 ", this program knows up to %d", path, d->blocks.header.version,
                   JOURNAL_FORMAT_VERSION);
        return JOURNAL_E_VERSION;
    }
    d->records.max_size = (size_t)d->size;
    r = dump_header(d, verdict);
    if (r == 0)
        r = dump_blocks(d);
    if (r < 0 && !d->stopped)
        error_setf(err, "reading %s at byte %" PRIu64 ": %s", path, d->position, error_text(r));
    if (r == 0 && verdict == JOURNAL_HEADER_DAMAGED && d->n_blocks == 0) {
        error_setf(err, "%s: no journal file, or nothing of it is left", path);
        return JOURNAL_E_CORRUPT;
    }
    return r;
}

int journal_dump(struct env_disk *disk, const char *path, journal_dump_fn fn, void *ctx, struct error_text *err)
{
    struct dumper *d = xcalloc(1, sizeof(*d));
    int r;

    d->fn = fn;
    d->ctx = ctx;
    journal_block_reader_init(&d->blocks);
    r = dump_file(d, disk, path, err);
    journal_block_reader_fini(&d->blocks);
    journal_record_reader_fini(&d->records);
    free(d);
    return r;
}
