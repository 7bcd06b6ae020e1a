/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damage below the durable frontier is refused with a sentence that helps, and nothing is changed. */

#include <stdlib.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/files.h"
#include "journal/format.h"
#include "journal/rig.h"
#include "journal/suites.h"

DEFINE_CLEANUP(struct disk_file *, disk_close)

#define N_BAD_BODIES 11
#define N_BAD_SEQUENCES 8

static struct rig *r;

static void setup(void)
{
    r = rig_new(1);
}

static void teardown(void)
{
    rig_free(r);
}

/* Two full files, a current one with a seal and one that is prepared; group 3 is in the first only. */
static void history(void)
{
    ck_assert_int_eq(rig_start(r), 0);
    rig_hard_state(r, 3, 1, 1);
    rig_entry(r, 3, 100);
    for (int i = 0; i < 40; i++) {
        rig_entry(r, 1 + (uint64_t)i % 2, 9000);
        rig_settle(r);
    }
    journal_seal(r->j);
    rig_settle(r);
    rig_stop(r);
    sim_disk_exit(r->disk);
    ck_assert_uint_eq(rig_count(r, JOURNAL_SUFFIX_LIVE), 4);
}

struct block_place {
    char *path; /* shared by the blocks of a file */
    uint64_t offset;
    struct journal_block block;
};

static struct block_place blocks[1000];
static size_t n_blocks;
static char *paths[16];
static uint64_t frontier;

static void forget_blocks(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        free(TAKE_PTR(paths[i]));
    n_blocks = 0;
    frontier = 0;
}

static void read_at(const char *path, uint64_t offset, void *to, size_t size)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;

    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_pread(f, to, size, offset), (ssize_t)size);
}

static void write_at(const char *path, uint64_t offset, const void *data, size_t size)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;

    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, data, size, offset), 0);
}

/* Finds all blocks of all live files and the durable frontier. */
static void find_blocks(void)
{
    forget_blocks();
    for (int i = 0; (paths[i] = rig_live_file(r, i)) != NULL; i++) {
        struct journal_disk_file d;
        struct journal_file_header h;
        struct journal_block b;
        uint8_t data[64];
        uint64_t at = 4096;

        read_at(paths[i], 0, &d, sizeof(d));
        ck_assert_int_eq(journal_file_header_read(&d, &h), JOURNAL_HEADER_GOOD);
        frontier = MAX(frontier, h.flushed_lsn);
        for (; at + 4096 <= h.file_size; at += journal_block_size(&b)) {
            read_at(paths[i], at, data, sizeof(data));
            if (!journal_block_read(data, &b) || b.generation != h.generation)
                break;
            frontier = MAX(frontier, b.flushed_lsn);
            blocks[n_blocks++] = (struct block_place){ paths[i], at, b };
        }
    }
}

static void expect_corrupt(const char *path, const char *groups)
{
    uint32_t before = rig_disk_fingerprint(r);
    uint64_t steps = sim_disk_steps(r->disk);
    int err = journal_open(&r->config, &r->j, &r->err);

    ck_assert_int_eq(err, JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, path));
    ck_assert_msg(strstr(r->err.text, groups) != NULL, "%s", r->err.text);
    ck_assert_uint_eq(sim_disk_steps(r->disk), steps);
    ck_assert_uint_eq(rig_disk_fingerprint(r), before);
    sim_disk_exit(r->disk);
}

START_TEST(each_block_below_the_frontier)
{
    unsigned n_below = 0, n_above = 0;

    history();
    find_blocks();
    for (size_t i = 0; i < n_blocks; i++) {
        const struct block_place *p = &blocks[i];
        const char *groups = p->path == paths[0]   ? "groups 3, 1, 2."
                             : p->path == paths[1] ? "groups 2, 1."
                                                   : "all groups of shard 0";
        const uint64_t places[] = { 0, 24, 63, 64, 64 + p->block.payload_size / 2, 63 + p->block.payload_size };

        for (size_t k = 0; k < ARRAY_SIZE(places); k++) {
            ck_assert_int_eq(sim_disk_flip(r->disk, p->path, p->offset + places[k], 0x20), 0);
            if (p->block.lsn < frontier) {
                expect_corrupt(p->path, groups);
                n_below++;
            } else {
                ck_assert_int_eq(rig_open(r), 0);
                rig_stop(r);
                n_above++;
            }
            ck_assert_int_eq(sim_disk_flip(r->disk, p->path, p->offset + places[k], 0x20), 0);
        }
    }
    ck_assert_uint_gt(n_below, 200);
    ck_assert_uint_eq(n_above, 6); /* the seal: nothing tells that it was flushed */
    ck_assert_int_eq(rig_start(r), 0);
    forget_blocks();
}
END_TEST

/* All blocks of the last flushes at once: what is left still tells. */
START_TEST(runs_of_blocks_below_the_frontier)
{
    uint8_t zeros[4096] = { 0 };

    history();
    find_blocks();
    for (size_t from = 0; from + 1 < n_blocks; from += 5) {
        static uint8_t saved[1000][4096];

        for (size_t i = from; i + 1 < n_blocks; i++) {
            read_at(blocks[i].path, blocks[i].offset, saved[i], 4096);
            write_at(blocks[i].path, blocks[i].offset, zeros, 4096);
        }
        expect_corrupt(blocks[from].path, "");
        for (size_t i = from; i + 1 < n_blocks; i++)
            write_at(blocks[i].path, blocks[i].offset, saved[i], 4096);
    }
    ck_assert_int_eq(rig_start(r), 0);
    forget_blocks();
}
END_TEST

START_TEST(damaged_headers)
{
    static const char *const groups[] = { "groups 3, 1, 2.", "groups 2, 1.", "all groups of shard 0" };

    history();
    for (int i = 0; i < 3; i++) {
        _cleanup_(freep) char *path = rig_live_file(r, i);

        for (uint64_t at = 100; at < 4096; at += 500) { /* the salt stays readable */
            ck_assert_int_eq(sim_disk_flip(r->disk, path, at, 1), 0);
            expect_corrupt(path, groups[i]);
            ck_assert_int_eq(sim_disk_flip(r->disk, path, at, 1), 0);
        }
        ck_assert_int_eq(sim_disk_flip(r->disk, path, 0, 1), 0);
        expect_corrupt(path, "damaged file header");
        ck_assert_int_eq(sim_disk_flip(r->disk, path, 0, 1), 0);
    }
    ck_assert_int_eq(rig_start(r), 0);
}
END_TEST

static void change_header(const char *path, void (*change)(struct journal_file_header *h))
{
    struct journal_disk_file d;
    struct journal_file_header h;

    read_at(path, 0, &d, sizeof(d));
    ck_assert_int_eq(journal_file_header_read(&d, &h), JOURNAL_HEADER_GOOD);
    change(&h);
    journal_file_header_write(&h, &d);
    write_at(path, 0, &d, sizeof(d));
}

static void make_newer(struct journal_file_header *h)
{
    h->version = JOURNAL_FORMAT_VERSION + 1;
}

START_TEST(newer_version)
{
    _cleanup_(freep) char *path = NULL;
    uint32_t before;

    history();
    path = rig_live_file(r, 2);
    change_header(path, make_newer);
    before = rig_disk_fingerprint(r);
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), JOURNAL_E_VERSION);
    ck_assert_ptr_nonnull(strstr(r->err.text, path));
    ck_assert_ptr_nonnull(strstr(r->err.text, "version 2"));
    ck_assert_uint_eq(rig_disk_fingerprint(r), before);
}
END_TEST

static void other_shard(struct journal_file_header *h)
{
    h->shard++;
}

static void other_directory(struct journal_file_header *h)
{
    h->incarnation.bytes[3]++;
}

static void other_generation(struct journal_file_header *h)
{
    h->generation++;
}

static void odd_size(struct journal_file_header *h)
{
    h->file_size += 512;
}

static void overlap(struct journal_file_header *h)
{
    h->base_lsn -= 4096;
}

START_TEST(headers_that_contradict)
{
    static void (*const changes[])(struct journal_file_header *) = { other_shard, other_directory, other_generation,
                                                                     odd_size, overlap };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        _cleanup_(freep) char *path = NULL;

        if (i > 0) {
            teardown();
            setup();
        }
        history();
        path = rig_live_file(r, 1);
        change_header(path, changes[i]);
        expect_corrupt(path, "");
    }
}
END_TEST

START_TEST(missing_files)
{
    _cleanup_(freep) char *second = NULL, *third = NULL;

    history();
    second = rig_live_file(r, 1);
    third = rig_live_file(r, 2);
    ck_assert_int_eq(disk_unlink(r->config.disk, second), 0);
    expect_corrupt(third, "is missing");
}
END_TEST

START_TEST(missing_journal)
{
    r->config.must_exist = true;
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "journal/0"));
    r->config.must_exist = false;
    ck_assert_int_eq(rig_start(r), 0);
    rig_stop(r);
    r->config.must_exist = true;
    ck_assert_int_eq(rig_start(r), 0);
}
END_TEST

/* A file that was cut short is damage like any other. */
START_TEST(short_file)
{
    _cleanup_(freep) char *path = NULL;
    struct disk_file *f;

    history();
    path = rig_live_file(r, 0);
    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, 40000), 0);
    disk_close(f);
    expect_corrupt(path, "groups 3, 1, 2.");
}
END_TEST

START_TEST(read_errors_name_the_place)
{
    _cleanup_(freep) char *path = NULL;

    history();
    path = rig_live_file(r, 0);
    sim_disk_fail(r->disk, SIM_DISK_READ, 4, 2, -EIO); /* behind the headers; once more for less */
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), -EIO);
    ck_assert_ptr_nonnull(strstr(r->err.text, path));
    ck_assert_ptr_nonnull(strstr(r->err.text, "brokerd --repair"));
    sim_disk_exit(r->disk);
    ck_assert_int_eq(rig_start(r), 0);
}
END_TEST

/* The end of the last block that the file has. */
static uint64_t end_of_blocks(const char *path)
{
    uint64_t end = 0;

    for (size_t i = 0; i < n_blocks; i++) {
        if (blocks[i].path == path)
            end = blocks[i].offset + journal_block_size(&blocks[i].block);
    }
    return end;
}

/* Where nothing was written something is first, that is no block. -EINVAL behind the end of the file. */
static int make_unreadable(const char *path, uint64_t offset)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    uint8_t junk[4096] = { 1 };
    uint64_t size;

    ck_assert_int_eq(disk_open(r->config.disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    if (offset >= size)
        return -EINVAL;
    if (sim_disk_damage_at(r->disk, path, offset, SIM_DAMAGE_UNREADABLE, &r->prng) == 0)
        return 0;
    ck_assert_int_eq(disk_pwrite(f, junk, sizeof(junk), offset), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    return sim_disk_damage_at(r->disk, path, offset, SIM_DAMAGE_UNREADABLE, &r->prng);
}

/* A place that can't be read and that nothing needs keeps no start from the rest. Where blocks are, or may be, it does:
 * what would be cut there may have been acknowledged. */
START_TEST(unreadable_places)
{
    static const char *const groups[] = { "groups 3, 1, 2.", "groups 2, 1.", "all groups", "all groups" };
    unsigned n_needed = 0, n_unused = 0;

    history();
    find_blocks();
    for (int i = 0; paths[i] != NULL; i++) {
        uint64_t end = i < 2 ? end_of_blocks(paths[i]) : UINT64_MAX; /* the journal goes on in the third one */

        for (uint64_t at = 0;; at += 4096) {
            bool needed = at < end;

            if (make_unreadable(paths[i], at) < 0)
                break;
            ck_assert_msg(rig_open(r) == (needed ? -EIO : 0), "%s at %d: %s", paths[i], (int)at, r->err.text);
            if (needed)
                ck_assert_msg(strstr(r->err.text, paths[i]) != NULL && strstr(r->err.text, groups[i]) != NULL, "%s",
                              r->err.text);
            *(needed ? &n_needed : &n_unused) += 1;
            rig_stop(r);
            sim_disk_mend(r->disk);
            sim_disk_exit(r->disk);
        }
    }
    ck_assert_uint_gt(n_needed, 50);
    ck_assert_uint_gt(n_unused, 0);
    ck_assert_int_eq(rig_start(r), 0);
    forget_blocks();
}
END_TEST

START_TEST(recovery_twice_gives_the_same)
{
    uint32_t first;

    history();
    ck_assert_int_eq(rig_open(r), 0);
    first = rig_fingerprint(r);
    rig_stop(r);
    ck_assert_int_eq(rig_start(r), 0);
    ck_assert_uint_eq(rig_fingerprint(r), first);
    rig_recover(r, SIM_CRASH_NOTHING);
    ck_assert_uint_eq(rig_fingerprint(r), first);
}
END_TEST

/* The header of a file that a start made tells that its table is on disk. */
START_TEST(fresh_journal_with_a_damaged_table)
{
    _cleanup_(freep) char *path = NULL;

    ck_assert_int_eq(rig_start(r), 0);
    path = rig_live_file(r, 0);
    rig_stop(r);
    sim_disk_exit(r->disk);
    ck_assert_int_eq(sim_disk_flip(r->disk, path, 4096 + 70, 1), 0);
    expect_corrupt(path, "byte 4096");
}
END_TEST

/* Blocks of another generation, or without the file's salt, prove nothing: a client may have sent them. */
START_TEST(foreign_blocks_are_no_evidence)
{
    const struct block_place *last;
    uint8_t data[4096] = { 0 };
    struct journal_block b;

    history();
    find_blocks();
    last = &blocks[n_blocks - 1];
    for (int what = 0; what < 4; what++) {
        b = last->block;
        b.lsn += 3 * 4096;
        b.flushed_lsn = b.lsn;
        b.payload_crc = crc32c(0, data + 64, b.payload_size);
        b.salt += what == 0;
        b.generation -= what == 1;
        b.lsn += what == 2;
        memset(data, 0, 64);
        journal_block_write(&b, data);
        write_at(last->path, last->offset + (uint64_t)3 * 4096, data, sizeof(data));
        if (what < 3) {
            ck_assert_int_eq(rig_open(r), 0);
            rig_stop(r);
        } else {
            expect_corrupt(last->path, "a bad block below the durable frontier");
        }
    }
    forget_blocks();
}
END_TEST

/* ---- Files made by hand ---- */

static struct journal_bytes craft;

static void put(enum journal_record_kind kind, uint8_t flags, const void *body, size_t size)
{
    uint8_t *p = journal_bytes_record(&craft, kind, flags, size);

    if (size > 0)
        memcpy(p, body, size);
}

static void put_table(uint32_t n, const struct journal_disk_state *rows)
{
    uint8_t body[8 + 4 * sizeof(*rows)];
    struct journal_disk_table head = { .n_rows = n };

    memcpy(body, &head, sizeof(head));
    if (n > 0)
        memcpy(body + 8, rows, n * sizeof(*rows));
    put(JOURNAL_RECORD_STATE_TABLE, 0, body, 8 + n * sizeof(*rows));
}

/* Entry i of a group whose chain has no surprises. */
static void put_entry(enum journal_record_kind kind, uint64_t group, uint64_t index)
{
    uint64_t text = index, before = index - 1;
    struct journal_disk_entry e = {
        .group = group,
        .index = index,
        .term = 1,
        .checksum = crc32c(0, &text, sizeof(text)),
        .prev_checksum = index > 1 ? crc32c(0, &before, sizeof(before)) : 0,
    };
    uint8_t body[sizeof(e) + sizeof(text)];

    memcpy(body, &e, sizeof(e));
    memcpy(body + sizeof(e), &text, sizeof(text));
    put(kind, 0, body, sizeof(body));
}

static uint32_t checksum_of(uint64_t index)
{
    return crc32c(0, &index, sizeof(index));
}

/* A journal of one file with the records; prev: the generation before it, which is gone. */
static void craft_file(uint64_t prev)
{
    struct journal_dir d = { r->config.disk, (char *)r->config.dir };
    struct journal_staging staging = { 0 };
    const char *what;
    struct journal_make m = {
        .header = { .version = JOURNAL_FORMAT_VERSION,
                    .generation = prev + 1,
                    .prev_generation = prev,
                    .file_size = 128 * 1024,
                    .salt = 77 },
        .head = slice_make(craft.data, craft.size),
        .staging = &staging,
    };

    ck_assert_int_eq(journal_dir_make(&d), 0);
    ck_assert_int_eq(journal_file_make(&d, &m, &what), 0);
    disk_close(m.io);
    journal_staging_fini(&staging);
    journal_bytes_fini(&craft);
}

static uint64_t seen[64];
static size_t n_seen, n_seen_relocated;

static int note_index(void *ctx, const struct journal_replay_record *rec)
{
    seen[n_seen++] = rec->index;
    n_seen_relocated += rec->relocated;
    return 0;
}

static int open_crafted(void)
{
    int err = journal_open(&r->config, &r->j, &r->err);

    n_seen = n_seen_relocated = 0;
    if (err == 0)
        err = journal_replay(r->j, note_index, NULL, &r->err);
    return err;
}

/* The files that held 11..13 are gone, but for copies; 14 was there before them. */
START_TEST(relocated_entries_fill_the_gap)
{
    const struct journal_disk_state row = {
        .group = 1,
        .checkpoint_index = 10,
        .checkpoint_term = 1,
        .checkpoint_checksum = checksum_of(10),
        .last_index = 13,
        .last_term = 1,
        .last_checksum = checksum_of(13),
        .vote = -1,
    };

    put_table(1, &row);
    put_entry(JOURNAL_RECORD_ENTRY, 1, 14);
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 12);
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 11);
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 13);
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 11); /* copied twice */
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 10); /* below the checkpoint */
    put_entry(JOURNAL_RECORD_RELOCATED, 2, 1);  /* of a group that was destroyed */
    put_entry(JOURNAL_RECORD_ENTRY, 1, 15);
    craft_file(4);
    ck_assert_int_eq(open_crafted(), 0);
    ck_assert_uint_eq(n_seen, 5);
    ck_assert_uint_eq(n_seen_relocated, 3);
    for (size_t i = 0; i < n_seen; i++)
        ck_assert_uint_eq(seen[i], 11 + i);
}
END_TEST

static void put_bad_body(int what)
{
    static const uint8_t zeros[64];
    static const struct {
        enum journal_record_kind kind;
        size_t size; /* of a body of zeros */
    } bad[] = {
        { 0, 0 },
        { 99, 0 },
        { JOURNAL_RECORD_HARD_STATE, 23 },
        { JOURNAL_RECORD_ENTRY, 31 },
        { JOURNAL_RECORD_ENTRY, 40 },    /* index 0 */
        { JOURNAL_RECORD_TRUNCATE, 32 }, /* index 0 */
        { JOURNAL_RECORD_IMAGE_INSTALLED, 40 },
        { JOURNAL_RECORD_FORGET, 7 },
        { JOURNAL_RECORD_LOG_START, 0 },
        { JOURNAL_RECORD_CHECKPOINT, 4 },
        { JOURNAL_RECORD_GROUP_LIST, 17 },
    };

    ck_assert_uint_eq(ARRAY_SIZE(bad), N_BAD_BODIES);
    put(bad[what].kind, 0, zeros, bad[what].size);
}

static void put_bad_sequence(int what)
{
    struct journal_disk_truncate truncate = { .group = 1, .index = 5 };

    switch (what) {
    case 0:
        put_entry(JOURNAL_RECORD_ENTRY, 1, 3); /* a gap */
        break;
    case 1:
        put_entry(JOURNAL_RECORD_ENTRY, 1, 1); /* again, without a truncation */
        break;
    case 2:
        put_entry(JOURNAL_RECORD_ENTRY, 2, 2); /* a group that starts in the middle */
        break;
    case 3:
        put_entry(JOURNAL_RECORD_RELOCATED, 1, 7); /* of an entry that there never was */
        break;
    case 4:
        put(JOURNAL_RECORD_TRUNCATE, 0, &truncate, sizeof(truncate)); /* behind the end */
        break;
    case 5:
        put_table(1, (struct journal_disk_state[]){ { .group = 1 } }); /* not at the start */
        break;
    case 6: /* of its own file, but not in the last block */
        put(JOURNAL_RECORD_GROUP_LIST, 0, "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        break;
    case 7: /* claims a row that it doesn't have */
        put(JOURNAL_RECORD_CHECKPOINT, 0, "\1\0\0\0\0\0\0", 8);
        break;
    }
}

START_TEST(records_that_make_no_sense)
{
    for (int what = 0; what < N_BAD_BODIES + N_BAD_SEQUENCES; what++) {
        teardown();
        setup();
        put_table(0, NULL);
        put_entry(JOURNAL_RECORD_ENTRY, 1, 1);
        if (what < N_BAD_BODIES)
            put_bad_body(what);
        else
            put_bad_sequence(what - N_BAD_BODIES);
        craft_file(0);
        ck_assert_msg(open_crafted() == JOURNAL_E_CORRUPT, "case %d", what);
        ck_assert_ptr_nonnull(strstr(r->err.text, "byte 4096"));
    }
}
END_TEST

START_TEST(first_file_without_its_table)
{
    craft_file(4);
    ck_assert_int_eq(journal_open(&r->config, &r->j, &r->err), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "no state table"));
}
END_TEST

/* A flush holds whole records, so what is known to be flushed can't end in one. */
START_TEST(half_a_record_below_the_frontier)
{
    struct journal_block b;
    uint8_t data[4096];

    put_table(0, NULL);
    put(JOURNAL_RECORD_FILLER, 0, NULL, 0);
    craft_file(0);
    read_at("journal/0/00000000000000000001.journal", 4096, data, sizeof(data));
    ck_assert(journal_block_read(data, &b));
    data[64 + b.payload_size - 8 + 1] = 16; /* 4 KiB of it should follow */
    b.payload_crc = crc32c(0, data + 64, b.payload_size);
    journal_block_write(&b, data);
    write_at("journal/0/00000000000000000001.journal", 4096, data, sizeof(data));
    ck_assert_int_eq(open_crafted(), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "half a record"));
}
END_TEST

START_TEST(entry_that_contradicts_the_checkpoint)
{
    const struct journal_disk_state row = {
        .group = 1,
        .checkpoint_index = 10,
        .checkpoint_checksum = 12345,
        .last_index = 10,
        .last_checksum = checksum_of(10),
    };

    put_table(1, &row);
    put_entry(JOURNAL_RECORD_ENTRY, 1, 11);
    craft_file(4);
    ck_assert_int_eq(open_crafted(), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "checkpoint"));
}
END_TEST

START_TEST(missing_entries)
{
    const struct journal_disk_state row = {
        .group = 1,
        .checkpoint_index = 10,
        .last_index = 12,
        .last_checksum = checksum_of(12),
    };

    put_table(1, &row);
    put_entry(JOURNAL_RECORD_ENTRY, 1, 13);
    put_entry(JOURNAL_RECORD_RELOCATED, 1, 12);
    craft_file(4);
    ck_assert_int_eq(open_crafted(), JOURNAL_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(r->err.text, "no entry 11 of group 1"));
}
END_TEST

Suite *damage_suite(void)
{
    Suite *s = suite_create("damage");

    suite_add_with(s, each_block_below_the_frontier, setup, teardown);
    suite_add_with(s, runs_of_blocks_below_the_frontier, setup, teardown);
    suite_add_with(s, damaged_headers, setup, teardown);
    suite_add_with(s, newer_version, setup, teardown);
    suite_add_with(s, headers_that_contradict, setup, teardown);
    suite_add_with(s, missing_files, setup, teardown);
    suite_add_with(s, missing_journal, setup, teardown);
    suite_add_with(s, short_file, setup, teardown);
    suite_add_with(s, read_errors_name_the_place, setup, teardown);
    suite_add_with(s, unreadable_places, setup, teardown);
    suite_add_with(s, recovery_twice_gives_the_same, setup, teardown);
    suite_add_with(s, fresh_journal_with_a_damaged_table, setup, teardown);
    suite_add_with(s, foreign_blocks_are_no_evidence, setup, teardown);
    suite_add_with(s, relocated_entries_fill_the_gap, setup, teardown);
    suite_add_with(s, records_that_make_no_sense, setup, teardown);
    suite_add_with(s, first_file_without_its_table, setup, teardown);
    suite_add_with(s, half_a_record_below_the_frontier, setup, teardown);
    suite_add_with(s, entry_that_contradicts_the_checkpoint, setup, teardown);
    suite_add_with(s, missing_entries, setup, teardown);
    return s;
}
