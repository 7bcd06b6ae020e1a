/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/format.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "journal/suites.h"

static struct journal_file_header sample_header(void)
{
    return (struct journal_file_header){
        .version = JOURNAL_FORMAT_VERSION,
        .shard = 3,
        .incarnation = { .bytes = "0123456789abcde" },
        .generation = 0x1112131415161718,
        .prev_generation = 0x2122232425262728,
        .prev_end_lsn = 0x3000,
        .base_lsn = 0x4000,
        .file_size = 0x100000,
        .flushed_lsn = 0x5000,
        .salt = 0x6162636465666768,
    };
}

START_TEST(file_header_round_trip)
{
    struct journal_file_header h = sample_header(), back;
    struct journal_disk_file d;

    journal_file_header_write(&h, &d);
    ck_assert_int_eq(journal_file_header_read(&d, &back), JOURNAL_HEADER_GOOD);
    ck_assert_mem_eq(&h, &back, sizeof(h));
}
END_TEST

/* The page docs/format/journal.md, byte for byte. */
START_TEST(file_header_layout)
{
    struct journal_file_header h = sample_header();
    struct journal_disk_file d;
    const uint8_t *p = (const uint8_t *)&d;

    journal_file_header_write(&h, &d);
    ck_assert_mem_eq(p,
                     "GQJOURNL\1\0\0\0\3\0\0\0"
                     "0123456789abcde",
                     32);
    ck_assert_uint_eq(load_le64(p + 32), h.generation);
    ck_assert_uint_eq(load_le64(p + 40), h.prev_generation);
    ck_assert_uint_eq(load_le64(p + 48), h.prev_end_lsn);
    ck_assert_uint_eq(load_le64(p + 56), h.base_lsn);
    ck_assert_uint_eq(load_le64(p + 64), h.file_size);
    ck_assert_uint_eq(load_le64(p + 72), h.flushed_lsn);
    ck_assert_uint_eq(load_le64(p + 80), h.salt);
    for (size_t i = 88; i < 4092; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_uint_eq(load_le32(p + 4092), crc32c_portable(0, p, 4092));
}
END_TEST

START_TEST(file_header_any_flipped_byte_is_damage)
{
    struct journal_file_header h = sample_header(), back;
    struct journal_disk_file d;

    journal_file_header_write(&h, &d);
    for (size_t i = 0; i < sizeof(d); i++) {
        ((uint8_t *)&d)[i] ^= 0x40;
        ck_assert_int_eq(journal_file_header_read(&d, &back), JOURNAL_HEADER_DAMAGED);
        ((uint8_t *)&d)[i] ^= 0x40;
    }
    ck_assert_int_eq(journal_file_header_read(&d, &back), JOURNAL_HEADER_GOOD);
}
END_TEST

START_TEST(file_header_of_newer_version_is_told_from_damage)
{
    struct journal_file_header h = sample_header(), back;
    struct journal_disk_file d;

    h.version = 7;
    journal_file_header_write(&h, &d);
    ck_assert_int_eq(journal_file_header_read(&d, &back), JOURNAL_HEADER_NEWER);
    ck_assert_uint_eq(back.version, 7);
    h.version = 0;
    journal_file_header_write(&h, &d);
    ck_assert_int_eq(journal_file_header_read(&d, &back), JOURNAL_HEADER_DAMAGED);
}
END_TEST

static struct journal_block sample_block(void)
{
    return (struct journal_block){
        .generation = 0x1112131415161718,
        .salt = 0x2122232425262728,
        .lsn = 0x3132333435363738,
        .flushed_lsn = 0x3132333435363700,
        .payload_offset = 64,
        .flags = JOURNAL_BLOCK_LAST,
        .payload_size = 0x1238,
        .first_record = 0x1230,
        .payload_crc = 0x51525354,
    };
}

START_TEST(block_header_layout_and_round_trip)
{
    struct journal_block b = sample_block(), back;
    uint8_t p[64];

    journal_block_write(&b, p);
    ck_assert_mem_eq(p, "GQJB\x40\0\1\0", 8);
    ck_assert_uint_eq(load_le64(p + 8), b.generation);
    ck_assert_uint_eq(load_le64(p + 16), b.salt);
    ck_assert_uint_eq(load_le64(p + 24), b.lsn);
    ck_assert_uint_eq(load_le64(p + 32), b.flushed_lsn);
    ck_assert_uint_eq(load_le32(p + 40), b.payload_size);
    ck_assert_uint_eq(load_le32(p + 44), b.first_record);
    ck_assert_uint_eq(load_le32(p + 48), b.payload_crc);
    ck_assert_uint_eq(load_le64(p + 52), 0);
    ck_assert_uint_eq(load_le32(p + 60), crc32c_portable(0, p, 60));
    ck_assert(journal_block_read(p, &back));
    ck_assert_mem_eq(&b, &back, sizeof(b));
    ck_assert_uint_eq(journal_block_size(&b), 8192);
    for (size_t i = 0; i < sizeof(p); i++) {
        p[i] ^= 1;
        ck_assert(!journal_block_read(p, &back));
        p[i] ^= 1;
    }
}
END_TEST

/* An intact CRC doesn't make nonsense right. */
START_TEST(block_header_with_impossible_sizes)
{
    struct journal_block bad[8], back;
    uint8_t p[64];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        bad[i] = sample_block();
    bad[0].payload_offset = 56;
    bad[1].payload_offset = 68;
    bad[2].payload_size = 0;
    bad[2].first_record = 0;
    bad[3].payload_size = 0x1239;
    bad[4].payload_size = JOURNAL_BLOCK_MAX - 56;
    bad[5].first_record = 0x1240;
    bad[6].first_record = 0x1231;
    bad[7].flushed_lsn = bad[7].lsn + 1;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        journal_block_write(&bad[i], p);
        ck_assert_msg(!journal_block_read(p, &back), "case %zu", i);
    }
}
END_TEST

START_TEST(record_names)
{
    ck_assert_str_eq(journal_record_name(JOURNAL_RECORD_STATE_TABLE), "state-table");
    ck_assert_str_eq(journal_record_name(JOURNAL_RECORD_FILLER), "filler");
    ck_assert_ptr_null(journal_record_name(0));
    ck_assert_ptr_null(journal_record_name(13));
}
END_TEST

START_TEST(fixed_bodies)
{
    static const uint8_t data[24] = { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
    struct journal_record r = { JOURNAL_RECORD_HARD_STATE, 0, data, sizeof(data) };
    struct journal_disk_hard_state h;

    ck_assert(journal_record_hard_state(&r, &h));
    ck_assert_uint_eq(h.group, 1);
    ck_assert_uint_eq(h.term, 2);
    ck_assert_int_eq(h.vote, -1);
    r.size = 23;
    ck_assert(!journal_record_hard_state(&r, &h));
    r.size = 25;
    ck_assert(!journal_record_hard_state(&r, &h));
}
END_TEST

START_TEST(rows_must_fill_the_body)
{
    uint8_t data[16 + 2 * 40] = { 9 };
    struct journal_record r = { JOURNAL_RECORD_GROUP_LIST, 0, data, sizeof(data) };
    struct journal_disk_list list;
    struct journal_disk_usage row;

    data[8] = 2;
    store_le64(data + 56, 77);
    store_le32(data + 88, JOURNAL_HAS_IMAGE);
    ck_assert(journal_record_list(&r, &list));
    ck_assert_uint_eq(list.generation, 9);
    ck_assert_uint_eq(list.n_rows, 2);
    row = journal_record_usage_row(&r, 1);
    ck_assert_uint_eq(row.group, 77);
    ck_assert_uint_eq(row.flags, JOURNAL_HAS_IMAGE);
    data[8] = 3;
    ck_assert(!journal_record_list(&r, &list));
    data[8] = 1;
    ck_assert(!journal_record_list(&r, &list));
    memset(data + 8, 0xff, 4);
    ck_assert(!journal_record_list(&r, &list));
    r.size = 8;
    ck_assert(!journal_record_list(&r, &list));
}
END_TEST

Suite *format_suite(void)
{
    Suite *s = suite_create("format");

    suite_add(s, file_header_round_trip);
    suite_add(s, file_header_layout);
    suite_add(s, file_header_any_flipped_byte_is_damage);
    suite_add(s, file_header_of_newer_version_is_told_from_damage);
    suite_add(s, block_header_layout_and_round_trip);
    suite_add(s, block_header_with_impossible_sizes);
    suite_add(s, record_names);
    suite_add(s, fixed_bodies);
    suite_add(s, rows_must_fill_the_body);
    return s;
}
