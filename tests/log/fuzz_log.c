/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "log/dump.h"
#include "log/format.h"
#include "log/log.h"
#include "sim/disk.h"
#include "support/fuzz.h"

/* Opens a log over any bytes in its files. It must be refused, or hold entries that agree with each other, with their
 * checksums, and with the checkpoint; and then it must be usable.
 *
 *   input = flags u8 (1: put right the CRCs of headers and records; 2: snapshots too) | record u8 | log start u8 |
 * part… part = kind u8 | base index u8 | size u16, little-endian | bytes
 *
 * The checkpoint is that record of the last table. */

#define DIR_NAME "d"

struct input {
    const uint8_t *p, *end;
};

static bool has_snapshots; /* the input */

struct part {
    enum segment_file kind;
    uint64_t base_index;
    uint8_t *data;
    size_t size;
};

static bool next_part(struct input *in, struct part *ret)
{
    size_t size;

    if (in->end - in->p < 4)
        return false;
    size = MIN((size_t)load_le16(in->p + 2), (size_t)(in->end - in->p - 4));
    ret->kind = in->p[0] % SEGMENT_N_FILES;
    ret->base_index = MAX(in->p[1], 1);
    ret->data = xmalloc(size + 1);
    ret->size = size;
    memcpy(ret->data, in->p + 4, size);
    in->p += 4 + size;
    return true;
}

static void put_right(struct part *part)
{
    size_t head = part->kind == SEGMENT_SNAPSHOT ? SNAPSHOT_HEADER_SIZE : TABLE_RECORD_SIZE;

    if (part->kind != SEGMENT_ENTRIES && part->kind != SEGMENT_SNAPSHOT)
        return;
    for (size_t at = 0; at + head <= part->size; at += head) {
        store_le32(part->data + at + head - 4, crc32c(0, part->data + at, head - 4));
        if (part->kind == SEGMENT_SNAPSHOT)
            return;
    }
}

/* A snapshot that is what its name says, around a body of any bytes. */
static void make_sound(struct part *part)
{
    struct snapshot_header h = { .index = part->base_index - 1, .term = 1 };

    if (part->kind != SEGMENT_SNAPSHOT || part->size < SNAPSHOT_HEADER_SIZE)
        return;
    h.body_size = part->size - SNAPSHOT_HEADER_SIZE;
    h.body_crc = crc32c(0, part->data + SNAPSHOT_HEADER_SIZE, h.body_size);
    snapshot_header_write(&h, part->data);
}

static void write_part(struct env_disk *disk, const struct part *part)
{
    char path[64] = DIR_NAME "/";
    struct disk_file *f;

    segment_file_name(path + strlen(path), part->base_index, part->kind);
    gq_assert(disk_open(disk, path, DISK_WRITE | DISK_CREATE, &f) == 0);
    gq_assert(disk_truncate(f, 0) == 0);
    gq_assert(part->size == 0 || disk_pwrite(f, part->data, part->size, 0) == 0);
    disk_close(f);
}

static struct log_position position_of(const struct part *table, unsigned record)
{
    uint64_t n = table_count(table->size);
    const uint8_t *r;

    if (n == 0)
        return (struct log_position){ .index = record };
    r = table->data + table_position(record % n);
    return (struct log_position){
        .index = load_le64(r),
        .term = load_le64(r + 8),
        .next_offset = (int64_t)(load_le64(r + 24) + load_le32(r + 32)),
        .checksum = load_le32(r + offsetof(struct table_record_disk, checksum)),
    };
}

struct walk {
    const struct log *log;
    uint64_t next;
    int64_t next_offset;
};

static int check_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct walk *w = ctx;
    struct entry e;
    uint64_t known;

    gq_assert(index == w->next++);
    gq_assert(log_term_at(w->log, index, &known) == 0);
    gq_assert(crc32c(0, data, size) == checksum);
    if (entry_parse(data, size, &e) == 0)
        w->next_offset = e.header.first_offset + e.header.offset_count;
    return 0;
}

static void check_entries(struct log *l)
{
    struct walk w = { .log = l, .next = log_first_index(l) };
    struct error_text err;
    int r = log_read_entries(l, w.next - 1, check_entry, &w, &err);

    gq_assert(r == 0 || r == LOG_E_CORRUPT || r == -EIO);
    gq_assert(r != 0 || w.next == log_end(l).index + 1);
}

static void check_reads(struct log *l)
{
    int64_t offset = MAX(log_start_offset(l), log_first_offset(l));

    for (int i = 0; i < 64 && offset < log_end(l).next_offset; i++) {
        struct log_range range;
        struct log_warm warm = { 0 };
        struct log_copy copy;
        int r;

        log_warm_prepare(l, &warm, offset, 500);
        log_warm_run(&warm, NULL);
        log_warm_done(&warm);
        free(warm.err);
        log_copy_prepare(l, &copy, offset, 500);
        log_copy_run(&copy, NULL);
        log_copy_done(&copy);
        gq_assert((copy.data != NULL) == (copy.error == 0));
        free(copy.data);
        free(copy.err);
        r = log_read(l, offset, INT64_MAX - i, 500, &range);
        if (r < 0)
            return;
        gq_assert(range.first_offset <= offset && range.next_offset > offset);
        offset = range.next_offset;
        log_range_release(&range);
    }
}

static void check_times(struct log *l)
{
    static const int64_t times[] = { LOG_TIME_MAX, -1, 0, 1000, INT64_MAX };

    for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
        struct log_time_query job = { .target_ms = times[i], .max_offset = log_end(l).next_offset };

        log_time_prepare(l, &job);
        log_time_run(&job);
        log_time_done(&job);
        free(job.err);
        gq_assert(job.error != 0 || job.offset == -1 ||
                  (job.offset >= log_start_offset(l) && job.offset < job.max_offset));
    }
}

/* The one that was just written; one of the input's may be in its place, and damaged. */
static void check_snapshot(struct log *l, uint64_t expected)
{
    uint64_t index;
    uint8_t *data;
    size_t size;
    int r = log_load_snapshot(l, UINT64_MAX, &index, &data, &size, NULL);

    gq_assert(has_snapshots || r == 0);
    if (r != 0)
        return;
    gq_assert(has_snapshots || (index == expected && slice_eq_str(slice_make(data, size), "state")));
    free(data);
}

/* One more entry, and all that a log does in its life. */
static void check_use(struct log *l)
{
    struct log_position end = log_end(l);
    struct entry_header h = { .version = ENTRY_VERSION, .first_offset = end.next_offset };
    uint8_t data[ENTRY_HEADER_SIZE];
    struct log_append_entry entry = { .index = end.index + 1, .term = end.term, .data = data, .size = sizeof(data) };
    struct log_append append = { .entries = &entry, .n_entries = 1 };
    struct log_sync sync = { .snapshot = slice_str("state") };
    struct log_cut cut = { 0 };

    if (end.next_offset < 0 || end.index == UINT64_MAX)
        return;
    entry_header_write(&h, data);
    entry.checksum = crc32c(0, data, sizeof(data));
    entry.roll = log_plan(l, 0, 0, true);
    log_append_prepare(l, &append);
    log_append_run(&append);
    gq_assert(append.error == 0);
    log_append_done(&append);
    sync.snapshot_at = log_end(l);
    log_sync_prepare(l, &sync);
    log_sync_run(&sync);
    gq_assert(sync.error == 0);
    log_sync_done(&sync);
    check_snapshot(l, entry.index);
    log_set_start(l, log_retention_start(l, INT64_MAX, 0, 0));
    if (log_cut_prepare(l, &cut)) {
        log_cut_run(&cut);
        gq_assert(cut.error == 0);
        log_cut_done(&cut);
    }
}

static int count_item(void *ctx, const struct log_dump_item *item)
{
    gq_assert(item->n_fields > 0);
    return 0;
}

static int dump_file(void *ctx, const struct disk_dirent *ent)
{
    char path[64] = DIR_NAME "/";
    int r;

    strcpy(path + strlen(path), ent->name);
    r = log_dump(ctx, path, count_item, NULL);
    gq_assert(r == 0 || r == LOG_E_CORRUPT);
    return 0;
}

static struct log_position write_files(struct env_disk *disk, struct input *in, unsigned flags, unsigned record)
{
    struct log_position checkpoint = { 0 };
    struct part part;

    while (next_part(in, &part)) {
        if ((flags & 1) != 0)
            put_right(&part);
        if ((flags & 2) != 0)
            make_sound(&part);
        write_part(disk, &part);
        has_snapshots |= part.kind == SEGMENT_SNAPSHOT;
        if (part.kind == SEGMENT_ENTRIES)
            checkpoint = position_of(&part, record);
        free(part.data);
    }
    return checkpoint;
}

static void check_log(struct env_disk *disk, const struct log_position *checkpoint, int64_t start)
{
    const struct log_config config = { .disk = disk, .dir = DIR_NAME, .segment_bytes = 4096, .segment_ms = 1000 };
    struct error_text err = { "" };
    struct log *l;
    uint64_t index;
    uint8_t *data;
    size_t size;
    int r = log_open(&config, checkpoint, start, &l, &err);

    gq_assert(r <= 0 || r == LOG_E_CORRUPT || r == LOG_E_VERSION);
    gq_assert((r == 0) == (err.text[0] == '\0') || r == 0);
    if (r != 0)
        return;
    gq_assert(log_end(l).index == checkpoint->index);
    if (log_load_snapshot(l, UINT64_MAX, &index, &data, &size, NULL) == 0)
        free(data);
    check_entries(l);
    check_reads(l);
    check_times(l);
    log_free(l);
    gq_assert(log_open(&config, checkpoint, start, &l, &err) == 0);
    check_use(l);
    log_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data + 3, data + size };
    struct log_position checkpoint;
    struct sim_disk *disk;

    if (size < 3)
        return 0;
    has_snapshots = false;
    disk = sim_disk_new(NULL);
    gq_assert(disk_mkdir(sim_disk_env(disk), DIR_NAME) == 0);
    checkpoint = write_files(sim_disk_env(disk), &in, data[0], data[1]);
    gq_assert(disk_list(sim_disk_env(disk), DIR_NAME, dump_file, sim_disk_env(disk)) == 0);
    check_log(sim_disk_env(disk), &checkpoint, data[2]);
    sim_disk_free(disk);
    return 0;
}
