/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "wire/frame.h"
#include "wire/primitives.h"
#include "wire/suites.h"
#include "wire/wire_messages.h"

/* Bytes that no client of good will sends, written by hand. */

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })
#define NO_TAGS 0
#define ONE_ELEMENT \
    64 /* bytes that an array of one element takes at most: that of a parent, never of what is refused */

/* Decodes a copy of exactly that size; returns the error, and how much memory the arrays took. */
static int decode(const char *name, int16_t version, const uint8_t *data, size_t size, size_t *ret_memory)
{
    _cleanup_(freep) uint8_t *copy = xmalloc(size + (size == 0));
    _cleanup_(freep) void *m = NULL;
    struct arena a;
    struct rd r;
    int err;

    memcpy(copy, data, size);
    arena_init(&a, 1 << 20);
    rd_init(&r, copy, size);
    for (size_t i = 0; i < wire_n_messages; i++) {
        if (strcmp(wire_messages[i].name, name) != 0)
            continue;
        m = xmalloc(wire_messages[i].struct_size);
        wire_messages[i].decode(m, &r, version, &a);
    }
    gq_assert(m != NULL);
    err = wire_decode_end(&r);
    *ret_memory = a.total_bytes;
    arena_fini(&a);
    return err;
}

static void check_refused(const char *name, int16_t version, const uint8_t *data, size_t size)
{
    size_t memory;

    ck_assert_int_eq(decode(name, version, data, size, &memory), -EBADMSG);
    ck_assert_uint_le(memory, ONE_ELEMENT);
}

static void check_taken(const char *name, int16_t version, const uint8_t *data, size_t size)
{
    size_t memory;

    ck_assert_int_eq(decode(name, version, data, size, &memory), 0);
}

START_TEST(counts_beyond_the_input_take_no_memory)
{
    /* Metadata 1: an int32 count of topics, each at least the two bytes of an empty name. */
    check_taken("metadata_request", 1, BYTES(0, 0, 0, 2, 0, 0, 0, 0));
    check_refused("metadata_request", 1, BYTES(0, 0, 0, 3, 0, 0, 0, 0));
    check_refused("metadata_request", 1, BYTES(0x7f, 0xff, 0xff, 0xff, 0, 0));
    check_refused("metadata_request", 1, BYTES(0x80, 0, 0, 0, 0, 0));
    check_refused("metadata_request", 1, BYTES(0xff, 0xff, 0xff, 0xfe, 0, 0));
    /* Metadata 12: the count plus one as a varint. */
    check_refused("metadata_request", 12, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0));
    check_refused("metadata_request", 12, BYTES(0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0));
    /* longer than 32 bits, and longer than any varint */
    check_refused("metadata_request", 12, BYTES(0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0));
    check_refused("metadata_request", 12, BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0));
    /* int32 elements: four bytes each */
    check_refused("describe_producers_request", 0, BYTES(2, 1, 4, 0, 0, 0, 1, 0, 0, 0, 2, NO_TAGS, NO_TAGS));
    check_taken("describe_producers_request", 0, BYTES(2, 1, 3, 0, 0, 0, 1, 0, 0, 0, 2, NO_TAGS, NO_TAGS));
}
END_TEST

START_TEST(the_arena_bounds_nested_arrays)
{
    const uint8_t data[] = { 0, 0, 0, 2, 0, 0, 0, 0 };
    struct wire_metadata_request m;
    struct arena a;
    struct rd r;

    arena_init(&a, sizeof(struct wire_metadata_request_topic));
    rd_init(&r, data, sizeof(data));
    ck_assert_int_eq(wire_metadata_request_decode(&m, &r, 1, &a), -ENOMEM);
    arena_fini(&a);
}
END_TEST

START_TEST(null_is_refused_where_it_is_not_allowed)
{
    check_refused("metadata_request", 0, BYTES(0xff, 0xff, 0xff, 0xff)); /* null array of topics: from 1 on */
    check_taken("metadata_request", 1, BYTES(0xff, 0xff, 0xff, 0xff));
    check_refused("metadata_request", 1, BYTES(0, 0, 0, 1, 0xff, 0xff)); /* null name: from 10 on */
    check_refused("metadata_request", 9, BYTES(2, 0, NO_TAGS, 1, 0, 0, NO_TAGS));
    check_taken("metadata_request", 9, BYTES(2, 1, NO_TAGS, 1, 0, 0, NO_TAGS));
    check_refused("list_offsets_request", 7, BYTES(0, 0, 0, 0, 0, 0, NO_TAGS));
    /* other negative lengths */
    check_refused("init_producer_id_request", 1, BYTES(0xff, 0xfe, 0, 0, 0, 0));
    check_taken("init_producer_id_request", 1, BYTES(0xff, 0xff, 0, 0, 0, 0));
    check_refused("init_producer_id_request", 1, BYTES(0x80, 0, 0, 0, 0, 0));
}
END_TEST

START_TEST(strings_keep_their_limit)
{
    _cleanup_(freep) uint8_t *data = xcalloc(1, 40000);
    size_t memory;

    /* InitProducerId 2: a compact string, then an int32 and the tags; 32767 + 1 is 0x8000. */
    memcpy(data, BYTES(0x80, 0x80, 0x02));
    ck_assert_int_eq(decode("init_producer_id_request", 2, data, 3 + 32767 + 4 + 1, &memory), 0);
    memcpy(data, BYTES(0x81, 0x80, 0x02));
    ck_assert_int_eq(decode("init_producer_id_request", 2, data, 3 + 32768 + 4 + 1, &memory), -EBADMSG);
}
END_TEST

START_TEST(text_is_taken_as_bytes)
{
    check_taken("metadata_request", 1, BYTES(0, 0, 0, 1, 0, 3, 0xff, 0, 0xc0));
}
END_TEST

/* ApiVersions 3: two compact strings, then tagged fields, of which the request knows none. */
#define TWO_STRINGS 2, 'a', 2, 'b'

START_TEST(unknown_tags_are_skipped)
{
    check_taken("api_versions_request", 3, BYTES(TWO_STRINGS, 0));
    check_taken("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 0, 0));
    check_taken("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 5, 3, 1, 2, 3));
    check_taken("api_versions_request", 3, BYTES(TWO_STRINGS, 2, 5, 1, 1, 6, 0));
    check_taken("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 9));
}
END_TEST

START_TEST(malformed_tags_are_refused)
{
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 2, 5, 1, 1, 5, 0)); /* twice */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 2, 5, 1, 1, 4, 0)); /* descending */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 2, 0, 0, 0, 0));    /* 0 twice */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 5, 4, 1, 2, 3)); /* beyond the end */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 2, 5, 3, 1, 2, 3)); /* one is missing */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 5));             /* no size */
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 1, 0));
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1));
    check_refused("api_versions_request", 3, BYTES(TWO_STRINGS, 1, 0xff, 0xff, 0xff, 0xff, 0x1f, 0));
}
END_TEST

/* ApiVersions response 3: error, empty list, throttle time, then tag 1 is an int64 and tag 3 a bool. */
#define EMPTY_RESPONSE 0, 0, 1, 0, 0, 0, 0

START_TEST(known_tags_have_their_size)
{
    check_taken("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 1, 3, 1, 1));
    check_taken("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 7, 3, 1, 1));
    check_refused("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 1, 3, 2, 1, 0)); /* one byte too many */
    check_refused("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 1, 3, 0, 1));    /* empty */
    check_refused("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 1, 1, 7, 0, 0, 0, 0, 0, 0, 0, 7));
    check_refused("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 2, 3, 1, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 7));
    /* a count inside of a tag sees only the tag's bytes */
    check_refused("api_versions_response", 3, BYTES(EMPTY_RESPONSE, 2, 0, 1, 3, 9, 6, 1, 2, 3, 4, 5, 6));
}
END_TEST

START_TEST(a_tag_of_a_later_version_is_skipped)
{
    const uint8_t data[] = {
        2,       1, 2, /* one topic without a name, one partition */
        0,       0, 0, 0, 0, 6,      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,       0, 0,
        0,       0, 0, 0, 0, 0,      0, 1, 0, 1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, NO_TAGS, /* tag 0: current_leader, from
                                                                                           version 10 on */
        NO_TAGS, 0, 0, 0, 0, NO_TAGS
    };
    struct wire_produce_response m;
    struct arena a;
    struct rd r;

    arena_init(&a, 1 << 20);
    for (int16_t version = 9; version <= 10; version++) {
        rd_init(&r, data, sizeof(data));
        ck_assert_int_eq(wire_produce_response_decode(&m, &r, version, &a), 0);
        ck_assert_int_eq(wire_decode_end(&r), 0);
        ck_assert_int_eq(m.responses[0].partition_responses[0].current_leader.leader_id, version == 9 ? -1 : 1);
    }
    arena_fini(&a);
}
END_TEST

START_TEST(a_nullable_struct_is_there_or_null)
{
    struct rd r;

    rd_init(&r, BYTES(1));
    ck_assert(wire_get_presence(&r));
    rd_init(&r, BYTES(0xff));
    ck_assert(!wire_get_presence(&r));
    ck_assert_int_eq(r.error, 0);
    rd_init(&r, BYTES(0));
    ck_assert(!wire_get_presence(&r));
    ck_assert_int_eq(r.error, -EBADMSG);
    rd_init(&r, BYTES(2));
    wire_get_presence(&r);
    ck_assert_int_eq(r.error, -EBADMSG);
}
END_TEST

Suite *malformed_suite(void)
{
    Suite *s = suite_create("malformed");

    suite_add(s, counts_beyond_the_input_take_no_memory);
    suite_add(s, the_arena_bounds_nested_arrays);
    suite_add(s, null_is_refused_where_it_is_not_allowed);
    suite_add(s, strings_keep_their_limit);
    suite_add(s, text_is_taken_as_bytes);
    suite_add(s, unknown_tags_are_skipped);
    suite_add(s, malformed_tags_are_refused);
    suite_add(s, known_tags_have_their_size);
    suite_add(s, a_tag_of_a_later_version_is_skipped);
    suite_add(s, a_nullable_struct_is_there_or_null);
    return s;
}
