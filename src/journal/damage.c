/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said about damage: where it is, which groups it can hit, what to do. The file's GROUP_LIST tells the groups,
 * from its own end or from the start of the next file, as far as either can be read. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"
#include "journal/recovery.h"

#define NAMED_MAX 8 /* groups that a message names */

struct hit {
    struct journal_recovery *rc;
    uint64_t generation; /* of the damaged file */
    uint64_t next;       /* the smallest live generation above it, 0: none */
    uint64_t named[NAMED_MAX];
    size_t n;
    uint32_t part;
    bool whole;
};

static int note_list(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct hit *hit = ctx;
    struct journal_disk_list list;

    if (record->kind != JOURNAL_RECORD_GROUP_LIST || !journal_record_list(record, &list) ||
        list.generation != hit->generation || list.part != hit->part)
        return 0;
    hit->part++;
    for (uint32_t i = 0; i < list.n_rows; i++) {
        if (hit->n < NAMED_MAX)
            hit->named[hit->n] = journal_record_usage_row(record, i).group;
        hit->n++;
    }
    hit->whole = (record->flags & JOURNAL_RECORD_MORE) == 0;
    return hit->whole;
}

/* Steps over whatever can't be read. */
static void find_list(struct hit *hit, uint64_t generation)
{
    _cleanup_(freep) char *path = journal_path(&hit->rc->j->dir, generation, JOURNAL_NAME_LIVE);
    struct journal_block_reader *blocks = &hit->rc->blocks;
    struct journal_record_reader records = { 0 };
    enum journal_header_verdict verdict;
    uint64_t size;

    hit->n = hit->part = 0;
    if (journal_block_reader_open(blocks, hit->rc->j->dir.disk, path, &verdict) < 0 ||
        verdict == JOURNAL_HEADER_NEWER || disk_size(blocks->io, &size) < 0)
        return;
    records.max_size = (size_t)size;
    for (uint64_t at = JOURNAL_FILE_HEADER_SIZE; at + JOURNAL_BLOCK_ALIGN <= size && !hit->whole;) {
        struct journal_block b;
        const uint8_t *payload;

        if (journal_block_reader_at(blocks, at, &b, &payload) != JOURNAL_BLOCK_GOOD) {
            journal_record_reader_reset(&records);
            at += JOURNAL_BLOCK_ALIGN;
            continue;
        }
        if (journal_record_reader_block(&records, &b, payload, note_list, hit) != 0)
            journal_record_reader_reset(&records);
        at += journal_block_size(&b);
    }
    journal_record_reader_fini(&records);
}

static int note_next(void *ctx, const struct disk_dirent *ent)
{
    struct hit *hit = ctx;
    enum journal_name_kind kind;
    uint64_t generation;

    if (journal_name_parse(ent->name, &generation, &kind) && kind == JOURNAL_NAME_LIVE &&
        generation > hit->generation && (hit->next == 0 || generation < hit->next))
        hit->next = generation;
    return 0;
}

static void describe_groups(struct journal_recovery *rc, uint64_t generation, char *text, size_t size)
{
    struct hit hit = { .rc = rc, .generation = generation };
    size_t at = 0;

    find_list(&hit, generation);
    if (!hit.whole && disk_list(rc->j->dir.disk, rc->j->dir.path, note_next, &hit) == 0 && hit.next != 0)
        find_list(&hit, hit.next);
    if (!hit.whole) {
        snprintf(text, size, "all groups of shard %u", rc->j->config.shard);
        return;
    }
    at += (size_t)snprintf(text, size, hit.n == 0 ? "no group" : hit.n == 1 ? "group" : "groups");
    for (size_t i = 0; i < MIN(hit.n, (size_t)NAMED_MAX); i++)
        at += (size_t)snprintf(text + at, size - at, "%s %" PRIu64, i > 0 ? "," : "", hit.named[i]);
    if (hit.n > NAMED_MAX)
        snprintf(text + at, size - at, " and %zu more", hit.n - NAMED_MAX);
}

int journal_corrupt(struct journal_recovery *rc, const struct journal_file *file, uint64_t position, const char *fmt,
                    ...)
{
    _cleanup_(freep) char *path = journal_path(&rc->j->dir, file->header.generation, JOURNAL_NAME_LIVE);
    char reason[160], groups[NAMED_MAX * 22 + 64];
    va_list ap;

    if (rc->err == NULL)
        return JOURNAL_E_CORRUPT;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof(reason), fmt, ap);
    va_end(ap);
    describe_groups(rc, file->header.generation, groups, sizeof(groups));
    error_setf(rc->err,
               "%s, byte %" PRIu64 ": %s. It can hit %s. Nothing was changed. Put the file back from a copy, or repair "
               "the directory: brokerd --repair shows what would be lost",
               path, position, reason, groups);
    return JOURNAL_E_CORRUPT;
}

int journal_read_failed(struct journal_recovery *rc, const struct journal_file *file, uint64_t position, int r)
{
    _cleanup_(freep) char *path = NULL;

    if (r == -EIO) { /* of the medium, and most likely for good */
        journal_corrupt(rc, file, position, "%s", error_text(r));
        return r;
    }
    path = journal_path(&rc->j->dir, file->header.generation, JOURNAL_NAME_LIVE);
    error_setf(rc->err, "reading %s at byte %" PRIu64 ": %s", path, position, error_text(r));
    return r;
}
