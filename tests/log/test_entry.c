/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "log/entry.h"
#include "log/suites.h"

static const struct entry_header sample = {
    .version = ENTRY_VERSION,
    .type = ENTRY_DATA,
    .feature_level = 0x0102,
    .commands_size = 3,
    .append_time_ms = 0x0102030405060708,
    .first_offset = 0x1112131415161718,
    .offset_count = 7,
    .batches_size = 5,
};

/* An envelope of the header and fitting bytes; returns its size. */
static size_t envelope(uint8_t *to, const struct entry_header *h)
{
    size_t body = (size_t)h->commands_size + h->batches_size;

    entry_header_write(h, to);
    for (size_t i = 0; i < body; i++)
        to[ENTRY_HEADER_SIZE + i] = (uint8_t)('a' + i);
    return ENTRY_HEADER_SIZE + body;
}

START_TEST(header_has_the_documented_layout)
{
    static const uint8_t expected[ENTRY_HEADER_SIZE] = {
        1,    1,    0x02, 0x01, 3,    0,    0,    0,    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 7,    0,    0,    0,    5,    0,    0,    0,
    };
    uint8_t written[ENTRY_HEADER_SIZE];

    entry_header_write(&sample, written);
    ck_assert_mem_eq(written, expected, sizeof(expected));
}
END_TEST

START_TEST(parse_gives_back_what_was_written)
{
    uint8_t data[64];
    size_t size = envelope(data, &sample);
    struct entry e;

    ck_assert_int_eq(entry_parse(data, size, &e), 0);
    ck_assert_mem_eq(&e.header, &sample, sizeof(sample));
    ck_assert_ptr_eq(e.commands.data, data + ENTRY_HEADER_SIZE);
    ck_assert_uint_eq(e.commands.size, 3);
    ck_assert_ptr_eq(e.batches.data, data + ENTRY_HEADER_SIZE + 3);
    ck_assert_uint_eq(e.batches.size, 5);
}
END_TEST

START_TEST(parse_wants_the_exact_size)
{
    uint8_t data[64] = { 0 };
    size_t size = envelope(data, &sample);
    struct entry e;

    for (size_t n = 0; n < sizeof(data); n++)
        ck_assert_int_eq(entry_parse(data, n, &e), n == size ? 0 : -EBADMSG);
}
END_TEST

static int parse_changed(struct entry_header h)
{
    static uint8_t data[256];
    struct entry e;

    return entry_parse(data, envelope(data, &h), &e);
}

START_TEST(parse_refuses_fields_that_no_entry_has)
{
    struct entry_header h = sample;

    ck_assert_int_eq(parse_changed(h), 0);
    h.version = 2;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.type = 4;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.first_offset = -1;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.first_offset = INT64_MAX - 6;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.offset_count = 0;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.batches_size = 0;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h = sample;
    h.type = ENTRY_COMMAND;
    ck_assert_int_eq(parse_changed(h), -EBADMSG);
    h.offset_count = 0;
    h.batches_size = 0;
    ck_assert_int_eq(parse_changed(h), 0);
}
END_TEST

START_TEST(sizes_do_not_wrap)
{
    struct entry_header h = sample;
    uint8_t data[64];
    struct entry e;

    envelope(data, &sample);
    h.commands_size = UINT32_MAX;
    h.batches_size = 9;
    entry_header_write(&h, data);
    ck_assert_int_eq(entry_parse(data, ENTRY_HEADER_SIZE + 8, &e), -EBADMSG);
}
END_TEST

START_TEST(commands_are_stepped_through)
{
    uint8_t data[64];
    struct entry_command c;
    size_t pos = 0;

    entry_command_header_write(data, COMMAND_SET_LOG_START, 1, 8);
    memset(data + 8, 'x', 8);
    entry_command_header_write(data + 16, COMMAND_METADATA, 2, 0);
    ck_assert_int_eq(entry_command_next(slice_make(data, 24), &pos, &c), 1);
    ck_assert_uint_eq(c.kind, COMMAND_SET_LOG_START);
    ck_assert_uint_eq(c.version, 1);
    ck_assert_ptr_eq(c.body.data, data + 8);
    ck_assert_uint_eq(c.body.size, 8);
    ck_assert_int_eq(entry_command_next(slice_make(data, 24), &pos, &c), 1);
    ck_assert_uint_eq(c.kind, COMMAND_METADATA);
    ck_assert_uint_eq(c.body.size, 0);
    ck_assert_int_eq(entry_command_next(slice_make(data, 24), &pos, &c), 0);
}
END_TEST

START_TEST(a_cut_command_is_malformed)
{
    uint8_t data[64] = { 0 };
    struct entry_command c;

    entry_command_header_write(data, COMMAND_METADATA, 1, 8);
    for (size_t n = 1; n < 16; n++) {
        size_t pos = 0;

        ck_assert_int_eq(entry_command_next(slice_make(data, n), &pos, &c), -EBADMSG);
    }
}
END_TEST

Suite *entry_suite(void)
{
    Suite *s = suite_create("entry");

    suite_add(s, header_has_the_documented_layout);
    suite_add(s, parse_gives_back_what_was_written);
    suite_add(s, parse_wants_the_exact_size);
    suite_add(s, parse_refuses_fields_that_no_entry_has);
    suite_add(s, sizes_do_not_wrap);
    suite_add(s, commands_are_stepped_through);
    suite_add(s, a_cut_command_is_malformed);
    return s;
}
