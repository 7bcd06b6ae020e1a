/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Histories that a program adds event by event, and limits. */
#include "history/history.h"

#include <stdio.h>

#include "history/suites.h"

static struct history *h;

static void setup(void)
{
    h = history_new(&(struct history_rules){ .max_findings = 3 });
}

static void teardown(void)
{
    history_free(h);
}

static uint32_t place(const char *name)
{
    return history_place(h, slice_str(name));
}

static int add(struct history_event e)
{
    struct error_text err;
    uint32_t column;

    return history_add(h, &e, &err, &column);
}

static int send(uint64_t id, uint64_t value)
{
    struct history_record record = { .value = value };

    return add((struct history_event){
        .verb = HISTORY_SEND, .id = id, .place = place("a"), .records = &record, .n_records = 1 });
}

static int ok_at(uint64_t id, int64_t offset)
{
    return add((struct history_event){ .kind = HISTORY_OK, .id = id, .has = HISTORY_HAS_OFFSET, .offset = offset });
}

START_TEST(places_keep_their_numbers)
{
    char name[32];

    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "t/%u", i);
        ck_assert_uint_eq(place(name), i);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "t/%u", i);
        ck_assert_uint_eq(place(name), i);
    }
}
END_TEST

START_TEST(events_are_numbered)
{
    const struct history_finding *f;
    size_t n;

    ck_assert_int_eq(send(1, 10), 0);
    ck_assert_int_eq(ok_at(1, 5), 0);
    ck_assert_int_eq(send(1, 11), 0);
    ck_assert_int_eq(ok_at(1, 5), 0);
    ck_assert_uint_eq(history_judge(h), 1);
    f = history_findings(h, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(f->anomaly, HISTORY_TWO_VALUES);
    ck_assert_uint_eq(f->lines[0], 2);
    ck_assert_uint_eq(f->lines[1], 4);
    ck_assert_int_eq(f->offset, 5);
    ck_assert_uint_eq(f->place, place("a"));
    ck_assert_str_eq(f->text, "a offset 5: value 10 (line 2) and value 11 (line 4)");
    ck_assert_uint_eq(history_operations(h), 2);
}
END_TEST

START_TEST(refused_events_change_nothing)
{
    struct history_record two[] = { { .value = 7 }, { .value = 7 } };

    ck_assert_int_eq(send(1, 10), 0);
    ck_assert_int_eq(send(1, 11), -EINVAL);
    ck_assert_int_eq(send(2, 10), -EINVAL);
    ck_assert_int_eq(ok_at(3, 0), -EINVAL);
    ck_assert_int_eq(ok_at(1, -1), -EINVAL);
    ck_assert_int_eq(ok_at(1, INT64_MAX - 1), -EINVAL);
    ck_assert_int_eq(
        add((struct history_event){ .verb = HISTORY_SEND, .id = 2, .place = 0, .records = two, .n_records = 2 }),
        -EINVAL);
    ck_assert_int_eq(add((struct history_event){ .verb = HISTORY_COMMIT_TXN, .id = 2 }), -EINVAL);
    ck_assert_int_eq(send(2, 7), 0);
    ck_assert_int_eq(send(3, 11), 0);
    ck_assert_int_eq(ok_at(1, INT64_MAX - 2), 0);
    ck_assert_uint_eq(history_judge(h), 0);
}
END_TEST

START_TEST(findings_are_counted_beyond_those_kept)
{
    size_t n;

    for (uint64_t i = 0; i < 20; i++) {
        ck_assert_int_eq(send(1, i), 0);
        ck_assert_int_eq(ok_at(1, 100 - (int64_t)i), 0);
    }
    ck_assert_uint_eq(history_judge(h), 19);
    ck_assert_uint_eq(history_count(h, HISTORY_SEND_ORDER), 19);
    history_findings(h, &n);
    ck_assert_uint_eq(n, 3);
}
END_TEST

START_TEST(lines_have_a_limit)
{
    _cleanup_(freep) char *text = xmalloc(HISTORY_MAX_LINE_BYTES + 2);
    struct history_error err;
    struct history_reader r;

    history_reader_init(&r, h);
    memset(text, '#', HISTORY_MAX_LINE_BYTES + 2);
    text[HISTORY_MAX_LINE_BYTES] = '\n';
    ck_assert_int_eq(history_reader_feed(&r, text, HISTORY_MAX_LINE_BYTES + 1, &err), 0);
    text[HISTORY_MAX_LINE_BYTES] = '#';
    ck_assert_int_eq(history_reader_feed(&r, text, HISTORY_MAX_LINE_BYTES, &err), 0);
    ck_assert_int_eq(history_reader_feed(&r, text, 1, &err), -EINVAL);
    ck_assert_uint_eq(err.line, 2);
    ck_assert_uint_eq(err.column, HISTORY_MAX_LINE_BYTES + 1);
    history_reader_fini(&r);
}
END_TEST

START_TEST(long_lines_are_taken_in_pieces)
{
    struct history_error err;
    struct history_reader r;
    char word[32];
    size_t n;

    history_reader_init(&r, h);
    ck_assert_int_eq(history_reader_feed(&r, "invoke 1 1 send a", 17, &err), 0);
    for (int i = 0; i < 10000; i++) {
        n = (size_t)snprintf(word, sizeof(word), " %d", i);
        ck_assert_int_eq(history_reader_feed(&r, word, n, &err), 0);
    }
    ck_assert_int_eq(history_reader_feed(&r, "\nok 1 offset=0\ninvoke 2 1 poll\nok 2 a:9999=9999\n", 48, &err), 0);
    ck_assert_int_eq(history_reader_end(&r, &err), 0);
    history_reader_fini(&r);
    ck_assert_uint_eq(history_judge(h), 0);
    ck_assert_uint_eq(history_operations(h), 2);
}
END_TEST

START_TEST(only_open_operations_have_a_verb)
{
    enum history_verb verb;

    ck_assert(!history_open_verb(h, 1, &verb));
    for (uint64_t id = 1; id < 100; id++)
        ck_assert_int_eq(send(id, id), 0);
    ck_assert_int_eq(add((struct history_event){ .verb = HISTORY_POLL, .id = 100 }), 0);
    for (uint64_t id = 1; id < 100; id += 2)
        ck_assert_int_eq(ok_at(id, (int64_t)id), 0);
    for (uint64_t id = 1; id < 100; id++)
        ck_assert(history_open_verb(h, id, &verb) == (id % 2 == 0));
    ck_assert(history_open_verb(h, 100, &verb));
    ck_assert_int_eq(verb, HISTORY_POLL);
    ck_assert_uint_eq(history_judge(h), 0);
}
END_TEST

Suite *history_suite(void)
{
    Suite *s = suite_create("history");

    suite_add_with(s, places_keep_their_numbers, setup, teardown);
    suite_add_with(s, events_are_numbered, setup, teardown);
    suite_add_with(s, refused_events_change_nothing, setup, teardown);
    suite_add_with(s, findings_are_counted_beyond_those_kept, setup, teardown);
    suite_add_with(s, lines_have_a_limit, setup, teardown);
    suite_add_with(s, long_lines_are_taken_in_pieces, setup, teardown);
    suite_add_with(s, only_open_operations_have_a_verb, setup, teardown);
    return s;
}
