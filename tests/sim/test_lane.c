/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/lane.h"

#include <stdio.h>

#include "base/util.h"
#include "sim/suites.h"
#include "support/rand.h"

static char trace[16384];

static void note(const char *what, int id)
{
    char text[32];

    snprintf(text, sizeof(text), "%s%d ", what, id);
    ck_assert_uint_lt(strlen(trace) + strlen(text), sizeof(trace));
    strcat(trace, text);
}

struct item {
    struct lane_work work;
    struct lane_mail mail;
    int id;
};

static void run(struct lane_work *w)
{
    note("r", container_of(w, struct item, work)->id);
}

static void done(struct lane_work *w)
{
    note("d", container_of(w, struct item, work)->id);
}

static void deliver(struct lane_mail *m)
{
    note("m", container_of(m, struct item, mail)->id);
}

static void make(struct item *items, int n)
{
    trace[0] = '\0';
    for (int i = 0; i < n; i++)
        items[i] = (struct item){ .work = { .run = run, .done = done }, .mail = { .deliver = deliver }, .id = i };
}

START_TEST(nothing_moves_by_itself)
{
    struct sim_lane *l = sim_lane_new(1, 1);
    struct item items[2];

    make(items, 2);
    ck_assert(!sim_lane_step(l, NULL));
    lane_submit(sim_lane_env(l, 0), LANE_FLUSH, 0, &items[0].work);
    lane_post(sim_lane_env(l, 0), 0, &items[1].mail);
    ck_assert_str_eq(trace, "");
    ck_assert_uint_eq(sim_lane_pending(l), 2);
    ck_assert_ptr_eq(items[0].work.home, sim_lane_env(l, 0));
    ck_assert_uint_eq(sim_lane_run_all(l, NULL), 3);
    ck_assert_uint_eq(sim_lane_pending(l), 0);
    ck_assert_str_eq(trace, "r0 d0 m1 ");
    sim_lane_free(l);
}
END_TEST

START_TEST(tells_whom_a_step_reached)
{
    struct sim_lane *l = sim_lane_new(2, 1);
    struct item items[2];

    make(items, 2);
    lane_submit(sim_lane_env(l, 1), LANE_POOL, 0, &items[0].work);
    ck_assert(sim_lane_step(l, NULL));
    ck_assert_int_eq(sim_lane_last_reactor(l), -1);
    ck_assert(sim_lane_step(l, NULL));
    ck_assert_int_eq(sim_lane_last_reactor(l), 1);
    for (unsigned from = 0; from < 2; from++)
        for (unsigned to = 0; to < 2; to++) {
            lane_post(sim_lane_env(l, from), to, &items[1].mail);
            ck_assert(sim_lane_step(l, NULL));
            ck_assert_int_eq(sim_lane_last_reactor(l), (int)to);
        }
    sim_lane_free(l);
}
END_TEST

START_TEST(held_lane_collects)
{
    struct sim_lane *l = sim_lane_new(1, 2);
    struct item items[3];

    make(items, 3);
    sim_lane_hold(l, LANE_FLUSH, 1, true);
    lane_submit(sim_lane_env(l, 0), LANE_FLUSH, 1, &items[0].work);
    lane_submit(sim_lane_env(l, 0), LANE_FLUSH, 0, &items[1].work);
    lane_submit(sim_lane_env(l, 0), LANE_FLUSH, 1, &items[2].work);
    sim_lane_run_all(l, NULL);
    ck_assert_str_eq(trace, "r1 d1 ");
    ck_assert_uint_eq(sim_lane_pending(l), 2);
    sim_lane_hold(l, LANE_FLUSH, 1, false);
    sim_lane_run_all(l, NULL);
    ck_assert_str_eq(trace, "r1 d1 r0 d0 r2 d2 ");
    sim_lane_hold(l, LANE_POOL, 0, true);
    lane_submit(sim_lane_env(l, 0), LANE_POOL, 0, &items[0].work);
    ck_assert(!sim_lane_step(l, NULL));
    sim_lane_free(l);
}
END_TEST

static struct sim_lane *chain_lane;
static int chain_left;

static void submit_next(struct lane_work *w)
{
    size_t before = strlen(trace);

    note("d", chain_left);
    if (chain_left-- == 0)
        return;
    lane_submit(sim_lane_env(chain_lane, 0), LANE_POOL, 0, w);
    ck_assert_uint_eq(strlen(trace), before + 3); /* submit ran nothing */
}

START_TEST(done_may_submit_again)
{
    struct item item;

    make(&item, 1);
    item.work.done = submit_next;
    chain_lane = sim_lane_new(1, 0);
    chain_left = 2;
    lane_submit(sim_lane_env(chain_lane, 0), LANE_POOL, 0, &item.work);
    ck_assert_uint_eq(sim_lane_run_all(chain_lane, NULL), 6);
    ck_assert_str_eq(trace, "r0 d2 r0 d1 r0 d0 ");
    sim_lane_free(chain_lane);
}
END_TEST

/* Position of an event in the trace. */
static long where(const char *what, int id)
{
    char text[32];
    const char *p;

    snprintf(text, sizeof(text), " %s%d ", what, id);
    p = strstr(trace, text);
    ck_assert_ptr_nonnull(p);
    return p - trace;
}

/* 40 pieces: 0–9 on flush lane 0, 10–19 on 1, 20–29 in the pool, 30–34 mail 0→1, 35–39 mail 1→1. */
static void run_mix(uint64_t seed)
{
    struct sim_lane *l = sim_lane_new(2, 2);
    struct item items[40];
    struct sim_prng prng;

    make(items, 40);
    strcat(trace, " ");
    for (int i = 0; i < 30; i++)
        lane_submit(sim_lane_env(l, (unsigned)i / 10 % 2), i < 20 ? LANE_FLUSH : LANE_POOL, (unsigned)i / 10 % 2,
                    &items[i].work);
    for (int i = 30; i < 40; i++)
        lane_post(sim_lane_env(l, i < 35 ? 0 : 1), 1, &items[i].mail);
    sim_prng_init(&prng, seed);
    ck_assert_uint_eq(sim_lane_run_all(l, &prng), 70);
    sim_lane_free(l);
}

START_TEST(drawn_steps_keep_the_order_rules)
{
    struct rand r;
    bool crossed = false, pool_turned = false, pool_done_turned = false, mail_crossed = false;

    rand_init(&r);
    for (int round = 0; round < 50; round++) {
        run_mix(rand_u64(&r));
        for (int i = 0; i < 30; i++) {
            ck_assert_int_lt(where("r", i), where("d", i));
            if (i % 10 == 0)
                continue;
            if (i < 20) {
                ck_assert_int_lt(where("r", i - 1), where("r", i));
                ck_assert_int_lt(where("d", i - 1), where("d", i));
            }
            crossed |= i < 10 && where("r", i) > where("r", i + 10);
            pool_turned |= i >= 20 && where("r", i - 1) > where("r", i);
            pool_done_turned |= i >= 20 && (where("r", i - 1) < where("r", i)) != (where("d", i - 1) < where("d", i));
        }
        for (int i = 30; i < 40; i++) {
            if (i % 5 != 0)
                ck_assert_int_lt(where("m", i - 1), where("m", i));
            mail_crossed |= i < 35 && where("m", i) > where("m", i + 5);
        }
    }
    /* What may happen in any order does. */
    ck_assert(crossed && pool_turned && pool_done_turned && mail_crossed);
}
END_TEST

START_TEST(same_seed_same_order)
{
    char first[sizeof(trace)];

    run_mix(1);
    memcpy(first, trace, sizeof(trace));
    run_mix(2);
    ck_assert_str_ne(first, trace);
    run_mix(1);
    ck_assert_str_eq(first, trace);
}
END_TEST

struct start_up {
    struct lane_work work;
    int number, *order; /* digits, first one first */
};

static void start_up_run(struct lane_work *w)
{
    struct start_up *s = container_of(w, struct start_up, work);

    *s->order = *s->order * 10 + s->number;
}

START_TEST(start_up_work_has_no_order)
{
    struct sim_lane *l = sim_lane_new(1, 1);
    int order[4] = { 0 };

    for (int i = 0; i < 4; i++) {
        struct start_up s[3];
        struct lane_work *works[3];

        for (int k = 0; k < 3; k++) {
            s[k] = (struct start_up){ .work.run = start_up_run, .number = k + 1, .order = &order[i] };
            works[k] = &s[k].work;
        }
        lane_run_all(sim_lane_env(l, 0), works, 3);
    }
    ck_assert_int_eq(order[0], 123);
    ck_assert_int_eq(order[1], 213);
    ck_assert_int_eq(order[2], 312);
    ck_assert_int_eq(order[3], 132);
    sim_lane_free(l);
}
END_TEST

START_TEST(queued_items_are_forgotten)
{
    struct sim_lane *l = sim_lane_new(1, 1);
    struct item items[2];

    make(items, 2);
    lane_submit(sim_lane_env(l, 0), LANE_FLUSH, 0, &items[0].work);
    lane_post(sim_lane_env(l, 0), 0, &items[1].mail);
    sim_lane_free(l);
    sim_lane_free(NULL);
    ck_assert_str_eq(trace, "");
}
END_TEST

Suite *lane_suite(void)
{
    Suite *s = suite_create("lane");

    suite_add(s, nothing_moves_by_itself);
    suite_add(s, tells_whom_a_step_reached);
    suite_add(s, held_lane_collects);
    suite_add(s, done_may_submit_again);
    suite_add(s, drawn_steps_keep_the_order_rules);
    suite_add(s, same_seed_same_order);
    suite_add(s, start_up_work_has_no_order);
    suite_add(s, queued_items_are_forgotten);
    return s;
}
