/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "raft/cluster.h"
#include "raft/suites.h"

/* Fixed seeds, so that a plain run always does the same; GQ_RAFT_SEEDS=FIRST:COUNT tries others. */
static void run_seeds(unsigned flags, uint64_t first, uint64_t count)
{
    uint64_t n_events = 0, n_elections = 0, n_committed = 0, n_reads = 0, n_configs = 0, n_images = 0, n_cuts = 0,
             n_joined = 0;
    const char *chosen = getenv("GQ_RAFT_SEEDS");

    if (chosen != NULL)
        ck_assert_int_eq(sscanf(chosen, "%" SCNu64 ":%" SCNu64, &first, &count), 2);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct cluster *c = schedule_run(seed, 4000, flags);

        if (c->failure[0] != '\0')
            ck_abort_msg("seed %" PRIu64 ", event %" PRIu64 ": %s", seed, c->n_events, c->failure);
        n_events += c->n_events;
        n_elections += c->n_elections;
        n_committed += c->n_truth;
        n_reads += c->n_reads;
        n_configs += c->n_configs;
        n_images += c->n_images;
        n_cuts += c->n_truncations;
        n_joined += c->n_joined;
        cluster_free(c);
    }
    if (chosen != NULL)
        printf("%" PRIu64 " events, %" PRIu64 " elections, %" PRIu64 " entries, %" PRIu64 " truncations, %" PRIu64
               " reads, %" PRIu64 " configurations, %" PRIu64 " images, %" PRIu64 " rests\n",
               n_events, n_elections, n_committed, n_cuts, n_reads, n_configs, n_images, n_joined);
    /* A schedule in which little happens would prove little. */
    ck_assert_uint_ge(n_elections, 2 * count);
    ck_assert_uint_ge(n_committed, 20 * count);
    ck_assert(n_cuts > 0);
    ck_assert((flags & SCHEDULE_READS) == 0 || n_reads > count);
    ck_assert((flags & SCHEDULE_CONFIGS) == 0 || n_configs > count);
    ck_assert((flags & SCHEDULE_IMAGES) == 0 || n_images > 0);
    ck_assert((flags & SCHEDULE_SESSIONS) == 0 || n_joined > count);
}

START_TEST(fixed_members_keep_their_promises)
{
    run_seeds(0, 1, 200);
}
END_TEST

START_TEST(everything_at_once_keeps_its_promises)
{
    run_seeds(SCHEDULE_ALL, 1001, 300);
}
END_TEST

Suite *raft_random_suite(void)
{
    Suite *s = suite_create("raft_random");

    suite_add(s, fixed_members_keep_their_promises);
    suite_add(s, everything_at_once_keeps_its_promises);
    return s;
}
