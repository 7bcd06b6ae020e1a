/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients did is judged at the end of a run, and its text is judged the same. */

#include <stdio.h>

#include "world/internal.h"
#include "world/suites.h"

/* The lines of a run. */
static struct wr lines;

static void keep_line(void *ctx, const char *line, size_t size)
{
    wr_bytes(&lines, line, size);
}

static struct world *world;
static struct recorder *recorder;
static struct partition *part;

static void set_up(void)
{
    struct world_options o = {
        .seed = 1, .n_nodes = 1, .no_faults = UINT64_C(1) << WORLD_FAULT_RETENTION, .history = keep_line
    };

    wr_init_growing(&lines, 4096, 64 << 20);
    world = world_new(&o);
    recorder = world->recorder;
    part = model_partition(world->model, 0, 0);
}

static void tear_down(void)
{
    world_free(world);
    wr_fini(&lines);
}

/* The text of the first finding, or "". */
static void judge_lines(char *text, size_t size)
{
    struct history_rules rules = { 0 };
    struct history *h = history_new(&rules);
    struct history_reader reader;
    struct history_error err;
    const struct history_finding *f;
    size_t n;

    history_reader_init(&reader, h);
    ck_assert_msg(history_reader_feed(&reader, lines.start, wr_size(&lines), &err) == 0 &&
                      history_reader_end(&reader, &err) == 0,
                  "line %u: %s", err.line, err.text.text);
    history_judge(h);
    f = history_findings(h, &n);
    snprintf(text, size, "%s", n > 0 ? f[0].text : "");
    history_reader_fini(&reader);
    history_free(h);
}

static void expect(const char *anomaly)
{
    char text[400];

    recorder_judge(recorder);
    judge_lines(text, sizeof(text));
    if (anomaly == NULL) {
        ck_assert_msg(world_failure(world) == NULL, "%s", world_failure(world));
        ck_assert_str_eq(text, "");
        return;
    }
    ck_assert_ptr_nonnull(world_failure(world));
    ck_assert_msg(strstr(world_failure(world), anomaly) != NULL, "%s", world_failure(world));
    ck_assert_msg(strstr(world_failure(world), text) != NULL && text[0] != '\0', "%s", text);
}

/* One record, to the partition; the number of its operation. */
static uint64_t send(uint64_t id, int32_t sequence)
{
    return recorder_send(recorder, &(struct recorder_send){
                                       .client = 2,
                                       .partition = part,
                                       .id = id,
                                       .count = 1,
                                       .sequence = sequence,
                                       .producer_id = sequence >= 0 ? 5 : -1,
                                   });
}

static void poll(int64_t from, int64_t n, uint64_t first_id, int64_t stable)
{
    uint64_t op = recorder_poll(recorder, 3, part, from);

    recorder_begin_records(recorder);
    for (int64_t i = 0; i < n; i++)
        recorder_note(recorder, part, from + i, first_id + (uint64_t)i);
    recorder_polled(recorder, op, 3, from + n, stable);
}

START_TEST(a_good_history)
{
    uint64_t lost = send(4, -1), plain;

    recorder_sent(recorder, send(1, 0), 0);
    recorder_sent(recorder, send(2, 1), -1);
    plain = send(3, -1);
    recorder_end(recorder, lost, HISTORY_INFO);
    recorder_end(recorder, send(5, -1), HISTORY_FAIL);
    poll(0, 2, 1, 2);
    poll(2, 2, 3, 4);
    recorder_sent(recorder, plain, 2);
    recorder_not_polled(recorder, recorder_poll(recorder, 3, part, 4), 3, HISTORY_INFO);
    poll(1, 1, 2, 4);
    recorder_delete(recorder, 0, part, 1);
    recorder_listed(recorder, recorder_list(recorder, 3, part), 1, 4, 4);
    recorder_leader(recorder, 3, part, 1, 1);
    recorder_leader(recorder, 3, part, 2, 2);
    poll(2, 2, 3, 4);
    recorder_drain(recorder, 3, part, 1, 4);
    expect(NULL);
}
END_TEST

START_TEST(a_lost_write)
{
    recorder_sent(recorder, send(1, 0), 0);
    recorder_drain(recorder, 3, part, 0, 1);
    expect("unseen");
}
END_TEST

START_TEST(an_order_that_is_wrong)
{
    uint64_t a = send(1, 0), b = send(2, 1);

    recorder_sent(recorder, b, 0);
    recorder_sent(recorder, a, 1);
    expect("send-order");
}
END_TEST

START_TEST(a_read_of_what_failed)
{
    recorder_end(recorder, send(1, -1), HISTORY_FAIL);
    poll(0, 1, 1, 1);
    expect("aborted-read");
}
END_TEST

START_TEST(two_leaders)
{
    recorder_leader(recorder, 3, part, 1, 1);
    recorder_leader(recorder, 3, part, 1, 2);
    expect("two-leaders");
}
END_TEST

/* Nobody else looks at the last stable offset. */
START_TEST(a_stable_offset_that_stays_behind)
{
    recorder_sent(recorder, send(1, 0), 0);
    poll(0, 1, 1, 0);
    recorder_drain(recorder, 3, part, 0, 1);
    expect("stuck-stable");
}
END_TEST

START_TEST(a_log_start_that_nobody_asked_for)
{
    recorder_sent(recorder, send(1, 0), 0);
    recorder_listed(recorder, recorder_list(recorder, 3, part), 1, -1, -1);
    expect("start-ahead");
}
END_TEST

/* Another one of its name: it begins at offset 0, and may have other values there. */
START_TEST(a_topic_that_is_made_again)
{
    struct topic *t = &world->model->topics[0];

    recorder_sent(recorder, send(1, 0), 0);
    poll(0, 1, 1, 1);
    model_delete_topic(world->model, t);
    model_begin_topic(world->model, t);
    part = t->partitions[0];
    recorder_sent(recorder, send(2, 0), 0);
    poll(0, 1, 2, 1);
    recorder_drain(recorder, 3, part, 0, 1);
    expect(NULL);
}
END_TEST

START_TEST(a_history_that_cannot_be)
{
    send(1, 0);
    send(1, 1);
    ck_assert_ptr_nonnull(world_failure(world));
    ck_assert_msg(strstr(world_failure(world), "sent already") != NULL, "%s", world_failure(world));
}
END_TEST

/* With operations of all kinds that the clients have. */
START_TEST(a_run_writes_what_it_judges)
{
    struct world_options o = {
        .seed = (uint64_t)_i,
        .n_nodes = _i % 2 == 0 ? 3 : 1,
        .max_events = _i % 2 == 0 ? 12000 : 3000,
        .history = keep_line,
    };
    static const char *const words[] = { " send ", " poll", " seek ", " list ", " drain ", " leader ", "\nok ", "=" };
    struct world *w;
    char text[400];

    wr_init_growing(&lines, 4096, 64 << 20);
    w = world_new(&o);
    ck_assert_msg(world_run(w), "%s", world_failure(w));
    world_free(w);
    judge_lines(text, sizeof(text));
    ck_assert_str_eq(text, "");
    wr_bytes(&lines, "", 1);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        ck_assert_msg(strstr((const char *)lines.start, words[i]) != NULL, "no '%s'", words[i]);
    wr_fini(&lines);
}
END_TEST

#define add(s, test) suite_add_with(s, test, set_up, tear_down)

Suite *recorder_suite(void)
{
    Suite *s = suite_create("recorder");
    TCase *runs = tcase_create("runs");

    add(s, a_good_history);
    add(s, a_lost_write);
    add(s, an_order_that_is_wrong);
    add(s, a_read_of_what_failed);
    add(s, two_leaders);
    add(s, a_stable_offset_that_stays_behind);
    add(s, a_log_start_that_nobody_asked_for);
    add(s, a_topic_that_is_made_again);
    add(s, a_history_that_cannot_be);
    tcase_add_loop_test(runs, a_run_writes_what_it_judges, 1, 4);
    suite_add_tcase(s, runs);
    return s;
}
