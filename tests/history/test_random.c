/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Histories of a queue that works are fine, those of one that does one thing wrong are not. */
#include <stdio.h>

#include "history/generate.h"
#include "history/suites.h"

#define SEEDS 200
#define OPERATIONS 400

static void take(void *ctx, const struct history_event *e)
{
    struct error_text err;
    uint32_t column;

    if (history_add(ctx, e, &err, &column) < 0)
        ck_abort_msg("%s", err.text);
}

static struct history *generate(uint64_t seed, enum generate_fault fault, uint64_t *ret_n_faults)
{
    struct history_rules rules = { .max_findings = 5 };
    struct history *h = history_new(&rules);
    struct generate_settings settings = {
        .seed = seed,
        .n_operations = OPERATIONS,
        .n_places = 1 + (uint32_t)seed % 4,
        .n_producers = 3 + (uint32_t)seed % 5,
        .n_consumers = 2 + (uint32_t)seed % 3,
        .fault = fault,
        .emit = take,
        .ctx = h,
    };

    for (uint32_t i = 0; i < settings.n_places; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t/%u", i);
        history_place(h, slice_str(name));
    }
    *ret_n_faults = generate_history(&settings);
    history_judge(h);
    return h;
}

START_TEST(right_ones_are_fine)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t n_faults;
        struct history *h = generate(seed, GENERATE_NO_FAULT, &n_faults);
        size_t n;
        const struct history_finding *f = history_findings(h, &n);

        ck_assert_msg(n == 0, "seed %llu: %s", (unsigned long long)seed, n > 0 ? f->text : "");
        history_free(h);
    }
}
END_TEST

/* A record that is out of the log altogether may be one that an unread tail hides, so a fault is found as what it is
 * or, where nothing is behind it, as its neighbour. Seeds that never got to the fault don't count. */
START_TEST(every_fault_is_found)
{
    static const enum history_anomaly expected[] = {
#define X(id, anomaly) [GENERATE_##id] = HISTORY_##anomaly,
        GENERATE_FAULTS(X)
#undef X
    };

    for (int fault = GENERATE_NO_FAULT + 1; fault < GENERATE_N_FAULTS; fault++) {
        int n_done = 0, n_found = 0;

        for (uint64_t seed = 1; seed <= SEEDS / 4; seed++) {
            uint64_t n_faults;
            struct history *h = generate(seed, (enum generate_fault)fault, &n_faults);

            n_done += n_faults > 0;
            n_found += n_faults > 0 && history_count(h, expected[fault]) > 0;
            history_free(h);
        }
        ck_assert_msg(n_done > SEEDS / 20, "fault %d was done in %d runs only", fault, n_done);
        ck_assert_msg(n_found * 2 > n_done, "fault %d was found in %d of %d runs", fault, n_found, n_done);
    }
}
END_TEST

Suite *random_suite(void)
{
    Suite *s = suite_create("random");

    suite_add(s, right_ones_are_fine);
    suite_add(s, every_fault_is_found);
    return s;
}
