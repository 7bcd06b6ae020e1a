/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records into blocks and back, wherever their data lies. */
#include "base/crc32c.h"
#include "base/util.h"
#include "journal/block_reader.h"
#include "journal/internal.h"
#include "journal/suites.h"
#include "sim/disk.h"
#include "support/rand.h"

#define FILE_SIZE (64u << 20)
#define MAX_RECORDS 40

struct written {
    uint8_t *memory; /* data starts somewhere in it */
    struct slice pieces[3];
};

struct blocks {
    struct sim_disk *disk;
    struct disk_file *io;
    struct journal_staging staging;
    struct journal_file_header header;
    struct written records[MAX_RECORDS];
    int n, n_read;
    uint64_t need; /* upper bound of what they take */
    bool lies;     /* about the data's CRC */
};

static void blocks_init(struct blocks *b)
{
    _cleanup_(freep) void *header = aligned_alloc(DISK_ALIGN, JOURNAL_FILE_HEADER_SIZE);

    *b = (struct blocks){
        .disk = sim_disk_new(NULL),
        .header = { .version = JOURNAL_FORMAT_VERSION, .generation = 3, .file_size = FILE_SIZE, .salt = 77 },
    };
    ck_assert_int_eq(disk_open(sim_disk_env(b->disk), "f", DISK_WRITE | DISK_CREATE | DISK_DIRECT, &b->io), 0);
    memset(header, 0, JOURNAL_FILE_HEADER_SIZE);
    journal_file_header_write(&b->header, header);
    ck_assert_int_eq(disk_pwrite(b->io, header, JOURNAL_FILE_HEADER_SIZE, 0), 0);
    journal_staging_grow(&b->staging, JOURNAL_BLOCK_MAX);
}

static void blocks_fini(struct blocks *b)
{
    for (int i = 0; i < b->n; i++)
        free(b->records[i].memory);
    journal_staging_fini(&b->staging);
    disk_close(b->io);
    sim_disk_free(b->disk);
}

/* Lies `at` bytes behind a page's start in memory. */
static void put(struct blocks *b, struct journal_block_writer *w, struct rand *r, size_t size, size_t at)
{
    struct written *rec = &b->records[b->n++];
    size_t head = 8 * rand_below(r, 9);
    uint32_t crc;

    rec->memory = aligned_alloc(DISK_ALIGN, ALIGN_UP(at + head + 8 + size, (size_t)DISK_ALIGN));
    rand_fill(r, rec->memory, at + head + 8 + size);
    rec->pieces[0] = slice_make(rec->memory + at + size, 8);
    rec->pieces[1] = slice_make(rec->memory + at + size + 8, head);
    rec->pieces[2] = slice_make(rec->memory + at, size);
    b->need += journal_record_size(8 + head + size) + journal_direct_cost(size);
    crc = crc32c(0, rec->pieces[2].data, size) ^ (b->lies ? 1 : 0);
    journal_block_writer_record(w, JOURNAL_RECORD_ENTRY, rec->pieces, 3,
                                rand_below(r, 2) == 0 || b->lies ? &crc : NULL);
}

static int check_record(void *ctx, uint64_t lsn, const struct journal_record *record)
{
    struct blocks *b = ctx;
    const struct written *rec = &b->records[b->n_read++];
    const uint8_t *p = record->body;

    ck_assert_int_le(b->n_read, b->n);
    ck_assert_uint_eq(record->kind, JOURNAL_RECORD_ENTRY);
    for (int i = 0; i < 3; i++) {
        ck_assert_mem_eq(p, rec->pieces[i].data, rec->pieces[i].size);
        p += rec->pieces[i].size;
    }
    ck_assert_uint_eq(record->size, (size_t)(p - record->body));
    return 0;
}

static void read_back(struct blocks *b, uint64_t end)
{
    struct journal_record_reader records = { .max_size = FILE_SIZE };
    struct journal_block_reader blocks;
    enum journal_header_verdict verdict;
    uint64_t at = JOURNAL_FILE_HEADER_SIZE;

    journal_block_reader_init(&blocks);
    ck_assert_int_eq(journal_block_reader_open(&blocks, sim_disk_env(b->disk), "f", &verdict), 0);
    ck_assert_int_eq(verdict, JOURNAL_HEADER_GOOD);
    while (at < end) {
        struct journal_block block;
        const uint8_t *payload;

        ck_assert_int_eq(journal_block_reader_at(&blocks, at, &block, &payload), JOURNAL_BLOCK_GOOD);
        ck_assert_int_eq(journal_record_reader_block(&records, &block, payload, check_record, b), 0);
        at += journal_block_size(&block);
    }
    ck_assert_uint_eq(at, end);
    ck_assert_int_eq(b->n_read, b->n);
    journal_record_reader_fini(&records);
    journal_block_reader_fini(&blocks);
}

static void finish(struct blocks *b, struct journal_block_writer *w)
{
    uint64_t end;

    ck_assert_int_eq(journal_block_writer_finish(w, 0, &end), 0);
    ck_assert_uint_le(end, JOURNAL_FILE_HEADER_SIZE + journal_disk_need(b->need));
    read_back(b, end);
    blocks_fini(b);
}

static void begin(struct blocks *b, struct journal_block_writer *w)
{
    blocks_init(b);
    journal_block_writer_init(w, b->io, &b->staging, &b->header, JOURNAL_FILE_HEADER_SIZE, 0);
}

START_TEST(data_of_any_alignment_comes_back)
{
    struct journal_block_writer w;
    struct blocks b;
    struct rand r;

    rand_init(&r);
    for (int round = 0; round < 30; round++) {
        begin(&b, &w);
        while (b.n < MAX_RECORDS) {
            size_t max = rand_chance(&r, 1, 8) ? 3u << 20 : rand_chance(&r, 1, 2) ? 100u << 10 : 2000;

            put(&b, &w, &r, rand_below(&r, max), rand_below(&r, DISK_ALIGN));
            if (b.need > FILE_SIZE / 2)
                break;
        }
        finish(&b, &w);
    }
}
END_TEST

/* Sizes around the limits of a piece, a page and a block. */
START_TEST(data_around_the_limits_comes_back)
{
    static const size_t limits[] = { JOURNAL_DIRECT_MIN,
                                     JOURNAL_DIRECT_MIN + DISK_ALIGN,
                                     JOURNAL_BLOCK_MAX - DISK_ALIGN,
                                     JOURNAL_BLOCK_MAX - JOURNAL_BLOCK_HEADER_SIZE,
                                     JOURNAL_BLOCK_MAX,
                                     2 * JOURNAL_BLOCK_MAX };
    struct journal_block_writer w;
    struct blocks b;
    struct rand r;

    rand_init(&r);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        begin(&b, &w);
        for (int off = -16; off <= 16; off += 8)
            for (size_t at = 0; at < DISK_ALIGN && b.n < MAX_RECORDS; at += 1032)
                put(&b, &w, &r, limits[i] + (size_t)off, at);
        finish(&b, &w);
    }
}
END_TEST

/* What is written from where it lies isn't copied: later changes of the memory, before the write, are seen. */
START_TEST(large_data_is_not_copied)
{
    struct journal_block_writer w;
    struct blocks b;
    struct rand r;
    uint8_t *last;

    rand_init(&r);
    begin(&b, &w);
    put(&b, &w, &r, 100000, 64);
    ck_assert_int_gt(w.n_pieces, 1);
    ck_assert_uint_lt(w.staged, 4 * DISK_ALIGN);
    last = b.records[0].memory + 64 + 50000;
    ck_assert((uint8_t *)w.pieces[1].iov_base <= last);
    ck_assert((uint8_t *)w.pieces[1].iov_base + w.pieces[1].iov_len > last);
    finish(&b, &w);
}
END_TEST

/* A CRC that is known isn't computed again, so that a wrong one spoils the block. */
START_TEST(known_crcs_are_taken)
{
    struct journal_block_reader reader;
    struct journal_block_writer w;
    enum journal_header_verdict verdict;
    struct journal_block block;
    const uint8_t *payload;
    struct blocks b;
    struct rand r;
    uint64_t end;

    rand_init(&r);
    begin(&b, &w);
    b.lies = true;
    put(&b, &w, &r, 1000000, 64);
    ck_assert_int_eq(journal_block_writer_finish(&w, 0, &end), 0);
    journal_block_reader_init(&reader);
    ck_assert_int_eq(journal_block_reader_open(&reader, sim_disk_env(b.disk), "f", &verdict), 0);
    ck_assert_int_ne(journal_block_reader_at(&reader, JOURNAL_FILE_HEADER_SIZE, &block, &payload), JOURNAL_BLOCK_GOOD);
    journal_block_reader_fini(&reader);
    blocks_fini(&b);
}
END_TEST

/* Data that fits in a block isn't spread over two. */
START_TEST(large_data_begins_a_block)
{
    struct journal_block_writer w;
    struct blocks b;
    struct rand r;

    rand_init(&r);
    begin(&b, &w);
    for (int i = 1; i <= 3; i++) {
        put(&b, &w, &r, 1000000, 64);
        ck_assert_uint_gt(w.used, 1000000);
        ck_assert_uint_lt(w.used, 1000200);
    }
    finish(&b, &w);
}
END_TEST

Suite *blocks_suite(void)
{
    Suite *s = suite_create("blocks");

    suite_add(s, data_of_any_alignment_comes_back);
    suite_add(s, data_around_the_limits_comes_back);
    suite_add(s, large_data_is_not_copied);
    suite_add(s, known_crcs_are_taken);
    suite_add(s, large_data_begins_a_block);
    return s;
}
