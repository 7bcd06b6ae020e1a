/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timer/timer.h"

#include "base/util.h"
#include "support/rand.h"
#include "support/suite.h"

Suite *timer_suite(void);

#define MS ((uint64_t)TIMER_TICK_NS)
#define START (1000 * MS + 1)

static struct timer_wheel wheel;
static struct list expired;

static void setup(void)
{
    timer_wheel_init(&wheel, START);
    list_init(&expired);
}

static void make(struct timer *timers, int n)
{
    for (int i = 0; i < n; i++)
        timer_init(&timers[i], NULL);
}

START_TEST(empty_wheel_never_expires)
{
    ck_assert_uint_eq(timer_next_deadline(&wheel), TIMER_NEVER);
    timer_advance(&wheel, UINT64_MAX, &expired);
    ck_assert_ptr_null(timer_pop(&expired));
}
END_TEST

START_TEST(expires_at_its_tick_and_not_before)
{
    struct timer t;

    make(&t, 1);
    timer_add(&wheel, &t, START + 5 * MS); /* 1005 ms and 1 ns: at 1006 ms */
    ck_assert(timer_is_set(&t));
    ck_assert_uint_eq(wheel.count, 1);
    ck_assert_uint_eq(timer_next_deadline(&wheel), 1006 * MS);
    timer_advance(&wheel, 1006 * MS - 1, &expired);
    ck_assert(list_is_empty(&expired));
    timer_advance(&wheel, 1006 * MS, &expired);
    ck_assert(!timer_is_set(&t));
    ck_assert_ptr_eq(timer_pop(&expired), &t);
    ck_assert_ptr_null(timer_pop(&expired));
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(whole_tick_is_not_rounded_up)
{
    struct timer t;

    make(&t, 1);
    timer_add(&wheel, &t, 1005 * MS);
    ck_assert_uint_eq(timer_next_deadline(&wheel), 1005 * MS);
    timer_advance(&wheel, 1005 * MS, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t);
}
END_TEST

START_TEST(past_deadline_expires_at_once)
{
    struct timer t[3];

    make(t, 3);
    timer_add(&wheel, &t[0], 700 * MS);
    timer_add(&wheel, &t[1], 0);
    timer_add(&wheel, &t[2], 1000 * MS);
    ck_assert_uint_le(timer_next_deadline(&wheel), START);
    timer_advance(&wheel, 0, &expired); /* an earlier time counts as the last one */
    ck_assert_ptr_eq(timer_pop(&expired), &t[1]);
    ck_assert_ptr_eq(timer_pop(&expired), &t[0]);
    ck_assert_ptr_eq(timer_pop(&expired), &t[2]);
    timer_add(&wheel, &t[0], 999 * MS);
    timer_advance(&wheel, 0, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[0]);
}
END_TEST

START_TEST(deadlines_within_a_tick_keep_their_order)
{
    static const uint64_t offsets[] = { 7, 3, 9, 3, 1, 7, 0 };
    static const int order[] = { 6, 4, 1, 3, 0, 5, 2 }; /* equal ones as added */
    struct timer t[ARRAY_SIZE(offsets)];

    make(t, ARRAY_SIZE(offsets));
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
        timer_add(&wheel, &t[i], 5000 * MS + 10 + offsets[i]);
    timer_advance(&wheel, 6000 * MS, &expired);
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
        ck_assert_ptr_eq(timer_pop(&expired), &t[order[i]]);
}
END_TEST

START_TEST(cancel_and_move)
{
    struct timer t[3];

    make(t, 3);
    timer_cancel(&wheel, &t[0]); /* never set */
    timer_add(&wheel, &t[0], 2000 * MS);
    timer_add(&wheel, &t[1], 3000 * MS);
    timer_add(&wheel, &t[2], 4000 * MS);
    timer_cancel(&wheel, &t[0]);
    timer_cancel(&wheel, &t[0]);
    ck_assert_uint_eq(wheel.count, 2);
    timer_add(&wheel, &t[1], 5000 * MS);
    ck_assert_uint_eq(wheel.count, 2);
    timer_advance(&wheel, 4999 * MS, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[2]);
    ck_assert_ptr_null(timer_pop(&expired));
    timer_advance(&wheel, 5000 * MS, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[1]);
}
END_TEST

START_TEST(expired_ones_can_be_cancelled_or_set_again)
{
    struct timer t[4];

    make(t, 4);
    for (int i = 0; i < 4; i++)
        timer_add(&wheel, &t[i], 2000 * MS);
    timer_advance(&wheel, 2000 * MS, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[0]);
    timer_cancel(&wheel, &t[1]);
    timer_add(&wheel, &t[2], 3000 * MS);
    timer_add(&wheel, &t[0], 3000 * MS);
    ck_assert_uint_eq(wheel.count, 2);
    ck_assert_ptr_eq(timer_pop(&expired), &t[3]);
    ck_assert_ptr_null(timer_pop(&expired));
    timer_advance(&wheel, 3000 * MS, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[2]);
    ck_assert_ptr_eq(timer_pop(&expired), &t[0]);
}
END_TEST

/* One timer in each magnitude of distance: expires at its own tick, whatever levels it came through. */
START_TEST(all_levels)
{
    for (int bit = 0; bit < 44; bit++) {
        struct timer t;
        uint64_t deadline = (START / MS + ((uint64_t)1 << bit)) * MS;

        setup();
        make(&t, 1);
        timer_add(&wheel, &t, deadline);
        ck_assert_uint_eq(timer_next_deadline(&wheel), deadline);
        timer_advance(&wheel, deadline - 1, &expired);
        ck_assert(list_is_empty(&expired));
        ck_assert_uint_eq(timer_next_deadline(&wheel), deadline);
        timer_advance(&wheel, deadline, &expired);
        ck_assert_ptr_eq(timer_pop(&expired), &t);
    }
}
END_TEST

START_TEST(end_of_time)
{
    struct timer t[2];

    make(t, 2);
    timer_add(&wheel, &t[0], UINT64_MAX); /* its tick lies behind the last u64 */
    ck_assert_uint_eq(timer_next_deadline(&wheel), TIMER_NEVER);
    timer_add(&wheel, &t[1], UINT64_MAX / MS * MS);
    ck_assert_uint_eq(timer_next_deadline(&wheel), UINT64_MAX / MS * MS);
    timer_advance(&wheel, UINT64_MAX, &expired);
    ck_assert_ptr_eq(timer_pop(&expired), &t[1]);
    ck_assert_ptr_null(timer_pop(&expired));
    timer_cancel(&wheel, &t[0]);
    ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(cancel_may_leave_an_early_hint_but_never_a_late_one)
{
    struct timer t[2];
    int n_advances = 0;

    make(t, 2);
    timer_add(&wheel, &t[0], 9000 * MS);
    timer_add(&wheel, &t[1], 9100 * MS);
    timer_cancel(&wheel, &t[0]);
    while (list_is_empty(&expired)) {
        uint64_t next = timer_next_deadline(&wheel);

        ck_assert_uint_le(next, 9100 * MS);
        timer_advance(&wheel, next, &expired);
        ck_assert_int_le(++n_advances, 2);
    }
    ck_assert_ptr_eq(timer_pop(&expired), &t[1]);
}
END_TEST

/* The wheel against an array that is searched: same timers, same order, same next deadline. */
#define N 300

struct model {
    struct timer timer; /* first member */
    bool set;
    uint64_t deadline, seq;
};

static struct model models[N];

static bool comes_before(const struct model *a, const struct model *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->seq < b->seq;
}

static struct model *model_first(void)
{
    struct model *first = NULL;

    for (int i = 0; i < N; i++)
        if (models[i].set && (first == NULL || comes_before(&models[i], first)))
            first = &models[i];
    return first;
}

static uint64_t up_to_tick(uint64_t ns)
{
    return (ns / MS + (ns % MS != 0)) * MS;
}

static void check_advance(uint64_t now)
{
    struct model *m;

    timer_advance(&wheel, now, &expired);
    while ((m = model_first()) != NULL && up_to_tick(m->deadline) <= now / MS * MS) {
        ck_assert_ptr_eq(timer_pop(&expired), &m->timer);
        m->set = false;
    }
    ck_assert_ptr_null(timer_pop(&expired));
}

/* The hint is never late, and early only for a timer that was cancelled or moved. */
static void check_next(void)
{
    const struct model *first = model_first();
    uint64_t next = timer_next_deadline(&wheel);

    if (first == NULL)
        ck_assert_uint_eq(next, TIMER_NEVER);
    else
        ck_assert_uint_le(next, MAX(up_to_tick(first->deadline), wheel.now_tick * MS));
}

static uint64_t draw_span(struct rand *r)
{
    return rand_chance(r, 1, 3) ? rand_below(r, 50 * MS) : rand_edgy_u64(r) >> rand_range(r, 20, 40);
}

START_TEST(random_operations_match_the_model)
{
    uint64_t now = START, seq = 0, next, back;
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < N; i++)
        timer_init(&models[i].timer, NULL);
    for (int step = 0; step < 60000; step++) {
        struct model *m = &models[rand_below(&r, N)];

        switch (rand_below(&r, 10)) {
        case 0:
        case 1:
            timer_cancel(&wheel, &m->timer);
            m->set = false;
            break;
        case 2:
            now += draw_span(&r);
            check_advance(now);
            break;
        case 3:
            next = timer_next_deadline(&wheel);
            if (next == TIMER_NEVER || next < now)
                break;
            now = next;
            check_advance(now);
            break;
        default:
            m->deadline = now + draw_span(&r);
            if (rand_chance(&r, 1, 20)) {
                back = draw_span(&r);
                m->deadline = now - MIN(now, back);
            }
            m->set = true;
            m->seq = seq++;
            timer_add(&wheel, &m->timer, m->deadline);
        }
        check_next();
    }
}
END_TEST

Suite *timer_suite(void)
{
    Suite *s = suite_create("timer");

    suite_add_with(s, empty_wheel_never_expires, setup, NULL);
    suite_add_with(s, expires_at_its_tick_and_not_before, setup, NULL);
    suite_add_with(s, whole_tick_is_not_rounded_up, setup, NULL);
    suite_add_with(s, past_deadline_expires_at_once, setup, NULL);
    suite_add_with(s, deadlines_within_a_tick_keep_their_order, setup, NULL);
    suite_add_with(s, cancel_and_move, setup, NULL);
    suite_add_with(s, expired_ones_can_be_cancelled_or_set_again, setup, NULL);
    suite_add_with(s, all_levels, setup, NULL);
    suite_add_with(s, end_of_time, setup, NULL);
    suite_add_with(s, cancel_may_leave_an_early_hint_but_never_a_late_one, setup, NULL);
    suite_add_with(s, random_operations_match_the_model, setup, NULL);
    return s;
}
