/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "log/format.h"
#include "log/suites.h"

static const struct table_record sample = {
    .index = 0x0102030405060708,
    .term = 9,
    .header = {
        .version = ENTRY_VERSION,
        .type = ENTRY_DATA,
        .feature_level = 3,
        .commands_size = 0x11121314,
        .append_time_ms = 1700000000000,
        .first_offset = 4000,
        .offset_count = 5,
        .batches_size = 0x21222324,
    },
    .log_position = 0x3132333435363738,
    .aux_position = 0x4142434445464748,
    .log_crc = 0x51525354,
    .checksum = 0x61626364,
    .max_timestamp = -1,
    .running_max_timestamp = 1600000000000,
    .running_max_offset = 77,
};

START_TEST(file_names_are_exact)
{
    char name[SEGMENT_FILE_NAME_SIZE];
    enum segment_file kind;
    uint64_t index;

    segment_file_name(name, 42, SEGMENT_ENTRIES);
    ck_assert_str_eq(name, "00000000000000000042.entries");
    segment_file_name(name, UINT64_MAX, SEGMENT_SNAPSHOT);
    ck_assert_str_eq(name, "18446744073709551615.snapshot");
    ck_assert(segment_file_parse(name, &index, &kind));
    ck_assert(index == UINT64_MAX && kind == SEGMENT_SNAPSHOT);
    ck_assert(segment_file_parse("00000000000000000007.log", &index, &kind));
    ck_assert(index == 7 && kind == SEGMENT_LOG);
    ck_assert(segment_file_parse("00000000000000000007.aux", &index, &kind));
    ck_assert(kind == SEGMENT_AUX);
    ck_assert(!segment_file_parse("", &index, &kind));
    ck_assert(!segment_file_parse("00000000000000000007", &index, &kind));
    ck_assert(!segment_file_parse("00000000000000000000.log", &index, &kind));
    ck_assert(!segment_file_parse("00000000000000000007.logs", &index, &kind));
    ck_assert(!segment_file_parse("0000000000000000007.log", &index, &kind));
    ck_assert(!segment_file_parse("18446744073709551616.log", &index, &kind));
    ck_assert(!segment_file_parse("0000000000000000000x.log", &index, &kind));
}
END_TEST

START_TEST(record_survives_the_disk)
{
    uint8_t disk[TABLE_RECORD_SIZE];
    struct table_record back;

    table_record_write(&sample, disk);
    ck_assert_int_eq(table_record_read(disk, &back), 0);
    ck_assert_mem_eq(&back.header, &sample.header, sizeof(sample.header));
    ck_assert_uint_eq(back.index, sample.index);
    ck_assert_uint_eq(back.term, sample.term);
    ck_assert_uint_eq(back.log_position, sample.log_position);
    ck_assert_uint_eq(back.aux_position, sample.aux_position);
    ck_assert_uint_eq(back.log_crc, sample.log_crc);
    ck_assert_uint_eq(back.checksum, sample.checksum);
    ck_assert_int_eq(back.max_timestamp, sample.max_timestamp);
    ck_assert_int_eq(back.running_max_timestamp, sample.running_max_timestamp);
    ck_assert_int_eq(back.running_max_offset, sample.running_max_offset);
}
END_TEST

START_TEST(record_has_the_documented_layout)
{
    uint8_t disk[TABLE_RECORD_SIZE];

    table_record_write(&sample, disk);
    ck_assert_uint_eq(load_le64(disk), sample.index);
    ck_assert_uint_eq(load_le64(disk + 8), 9);
    ck_assert_uint_eq(load_le64(disk + 16), 1700000000000);
    ck_assert_uint_eq(load_le64(disk + 24), 4000);
    ck_assert_uint_eq(load_le32(disk + 32), 5);
    ck_assert_uint_eq(disk[36], ENTRY_DATA);
    ck_assert_uint_eq(disk[37], ENTRY_VERSION);
    ck_assert_uint_eq(load_le16(disk + 38), 3);
    ck_assert_uint_eq(load_le64(disk + 40), sample.log_position);
    ck_assert_uint_eq(load_le64(disk + 48), sample.aux_position);
    ck_assert_uint_eq(load_le32(disk + 56), 0x21222324);
    ck_assert_uint_eq(load_le32(disk + 60), 0x11121314);
    ck_assert_uint_eq(load_le32(disk + 64), 0x51525354);
    ck_assert_uint_eq(load_le32(disk + 68), 0x61626364);
    ck_assert_uint_eq(load_le64(disk + 72), UINT64_MAX);
    ck_assert_uint_eq(load_le64(disk + 80), 1600000000000);
    ck_assert_uint_eq(load_le64(disk + 88), 77);
    ck_assert_uint_eq(load_le32(disk + 124), crc32c(0, disk, 124));
}
END_TEST

START_TEST(every_flipped_bit_of_a_record_is_noticed)
{
    uint8_t disk[TABLE_RECORD_SIZE];
    struct table_record back;

    table_record_write(&sample, disk);
    for (unsigned bit = 0; bit < TABLE_RECORD_SIZE * 8; bit++) {
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(table_record_read(disk, &back), -EBADMSG);
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_eq(table_record_read(disk, &back), 0);
}
END_TEST

START_TEST(table_header_survives_the_disk)
{
    static const struct table_header h = {
        .base_index = 5,
        .prev_term = 3,
        .base_offset = 1000,
        .prev_checksum = 0xdeadbeef,
    };
    uint8_t disk[TABLE_RECORD_SIZE];
    struct table_header back;

    table_header_write(&h, disk);
    ck_assert_mem_eq(disk, "GQTABLE", 8);
    ck_assert_int_eq(table_header_read(disk, &back), 0);
    ck_assert(back.base_index == 5 && back.prev_term == 3 && back.base_offset == 1000);
    ck_assert_uint_eq(back.prev_checksum, 0xdeadbeef);
    for (unsigned bit = 0; bit < TABLE_RECORD_SIZE * 8; bit++) {
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(table_header_read(disk, &back), -EBADMSG);
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(a_newer_version_is_told_from_damage)
{
    static const struct table_header h = { .base_index = 5 };
    static const struct snapshot_header s = { .index = 5 };
    uint8_t disk[TABLE_RECORD_SIZE];
    struct table_header table;
    struct snapshot_header snapshot;

    table_header_write(&h, disk);
    store_le16(disk + 8, TABLE_VERSION + 1);
    store_le32(disk + 124, crc32c(0, disk, 124));
    ck_assert_int_eq(table_header_read(disk, &table), FORMAT_E_VERSION);
    snapshot_header_write(&s, disk);
    store_le16(disk + 8, SNAPSHOT_VERSION + 1);
    store_le32(disk + 60, crc32c(0, disk, 60));
    ck_assert_int_eq(snapshot_header_read(disk, &snapshot), FORMAT_E_VERSION);
}
END_TEST

START_TEST(snapshot_header_survives_the_disk)
{
    static const struct snapshot_header s = {
        .index = 11,
        .term = 2,
        .next_offset = 345,
        .body_size = 678,
        .checksum = 0x01020304,
        .body_crc = 0x05060708,
    };
    uint8_t disk[SNAPSHOT_HEADER_SIZE];
    struct snapshot_header back;

    snapshot_header_write(&s, disk);
    ck_assert_mem_eq(disk, "GQPSNAP", 8);
    ck_assert_uint_eq(load_le64(disk + 16), 11);
    ck_assert_uint_eq(load_le64(disk + 40), 678);
    ck_assert_int_eq(snapshot_header_read(disk, &back), 0);
    ck_assert_mem_eq(&back, &s, sizeof(s));
    for (unsigned bit = 0; bit < SNAPSHOT_HEADER_SIZE * 8; bit++) {
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(snapshot_header_read(disk, &back), -EBADMSG);
        disk[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

static const struct table_header follow_header = { .base_index = 10, .prev_term = 2, .base_offset = 100 };
static const struct table_record follow_first = {
    .index = 10,
    .term = 2,
    .header = { .append_time_ms = 50, .first_offset = 100, .offset_count = 4, .batches_size = 80, .commands_size = 8 },
    .max_timestamp = 40,
    .running_max_timestamp = 40,
};
static const struct table_record follow_second = {
    .index = 11,
    .term = 3,
    .header = { .append_time_ms = 50, .first_offset = 104, .offset_count = 1, .batches_size = 70 },
    .log_position = 80,
    .aux_position = 8,
    .max_timestamp = 30,
    .running_max_timestamp = 40,
};

START_TEST(records_follow_each_other)
{
    ck_assert_ptr_null(table_record_follows(&follow_header, NULL, &follow_first));
    ck_assert_ptr_null(table_record_follows(&follow_header, &follow_first, &follow_second));
}
END_TEST

/* Sets one field of the second record wrong. */
#define ASSERT_BREAKS(field, value) \
    do { \
        struct table_record r_ = follow_second; \
        r_.field = (value); \
        ck_assert_ptr_nonnull(table_record_follows(&follow_header, &follow_first, &r_)); \
    } while (0)

START_TEST(records_that_do_not_follow_are_named)
{
    struct table_record first = follow_first;

    ASSERT_BREAKS(index, 12);
    ASSERT_BREAKS(term, 1);
    ASSERT_BREAKS(header.first_offset, 103);
    ASSERT_BREAKS(log_position, 81);
    ASSERT_BREAKS(aux_position, 7);
    ASSERT_BREAKS(header.append_time_ms, 49);
    ASSERT_BREAKS(running_max_timestamp, 30);
    first.index = 9;
    ck_assert_ptr_nonnull(table_record_follows(&follow_header, NULL, &first));
    first = follow_first;
    first.header.first_offset = 99;
    ck_assert_ptr_nonnull(table_record_follows(&follow_header, NULL, &first));
    first = follow_first;
    first.log_position = 1;
    ck_assert_ptr_nonnull(table_record_follows(&follow_header, NULL, &first));
    first = follow_first;
    first.term = 1;
    ck_assert_ptr_nonnull(table_record_follows(&follow_header, NULL, &first));
}
END_TEST

Suite *format_suite(void)
{
    Suite *s = suite_create("format");

    suite_add(s, file_names_are_exact);
    suite_add(s, record_survives_the_disk);
    suite_add(s, record_has_the_documented_layout);
    suite_add(s, every_flipped_bit_of_a_record_is_noticed);
    suite_add(s, table_header_survives_the_disk);
    suite_add(s, a_newer_version_is_told_from_damage);
    suite_add(s, snapshot_header_survives_the_disk);
    suite_add(s, records_follow_each_other);
    suite_add(s, records_that_do_not_follow_are_named);
    return s;
}
