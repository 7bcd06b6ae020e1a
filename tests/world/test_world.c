/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "world/suites.h"
#include "world/world.h"

struct outcome {
    uint64_t hash, events;
    unsigned n_lines;
};

static void count_line(void *ctx, const char *line)
{
    (*(unsigned *)ctx)++;
    ck_quick(line[0] != '\0');
}

static struct outcome run(struct world_options o)
{
    struct outcome out = { 0 };
    struct world *w;

    o.trace = count_line;
    o.trace_ctx = &out.n_lines;
    w = world_new(&o);
    ck_assert_msg(world_run(w), "seed %d: %s", (int)o.seed, world_failure(w));
    ck_assert_ptr_null(world_failure(w));
    out.hash = world_hash(w);
    out.events = world_events(w);
    world_free(w);
    return out;
}

/* Also when the heap isn't what it was, and something ran before. */
START_TEST(a_seed_is_a_run)
{
    struct outcome first = run((struct world_options){ .seed = (uint64_t)_i }), other, again;
    void *hole = malloc(100000);

    other = run((struct world_options){ .seed = (uint64_t)_i + 1 });
    again = run((struct world_options){ .seed = (uint64_t)_i });
    free(hole);
    ck_assert_uint_eq(first.hash, again.hash);
    ck_assert_uint_eq(first.events, again.events);
    ck_assert_uint_eq(first.n_lines, again.n_lines);
    ck_assert_uint_ne(first.hash, other.hash);
}
END_TEST

START_TEST(a_seed_says_how_many_nodes)
{
    unsigned n[WORLD_MAX_NODES + 1] = { 0 };

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(&(struct world_options){ .seed = seed });

        n[world_n_nodes(w)]++;
        world_free(w);
    }
    ck_assert_uint_eq(n[1] + n[3] + n[5], 60);
    ck_assert_uint_ge(n[1], 10);
    ck_assert_uint_ge(n[3], 20);
    ck_assert_uint_ge(n[5], 5);
}
END_TEST

START_TEST(options_are_heard)
{
    struct outcome some = run((struct world_options){ .seed = 1, .n_nodes = 1, .max_events = 2000 }),
                   more = run((struct world_options){ .seed = 1, .n_nodes = 1, .max_events = 4000 }), calm, several;
    uint64_t all = (UINT64_C(1) << WORLD_N_FAULTS) - 1;

    ck_assert_uint_ge(some.events, 2000);
    ck_assert_uint_gt(more.events, some.events);
    calm = run((struct world_options){ .seed = 1, .n_nodes = 1, .max_events = 4000, .no_faults = all });
    ck_assert_uint_ne(calm.hash, more.hash);
    several = run((struct world_options){ .seed = 1, .n_nodes = 3, .max_events = 4000 });
    ck_assert_uint_ne(several.hash, more.hash);
}
END_TEST

START_TEST(faults_have_names)
{
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++) {
        ck_assert_uint_gt(strlen(world_fault_name((enum world_fault)f)), 0);
        ck_assert_uint_gt(strlen(world_fault_text((enum world_fault)f)), 0);
    }
}
END_TEST

static uint64_t n_faults(uint64_t seed, unsigned n_nodes, uint64_t no_faults)
{
    struct world_options o = {
        .seed = seed,
        .n_nodes = n_nodes,
        .max_events = 2000 * n_nodes,
        .max_clients = 4,
        .no_faults = no_faults,
    };
    struct world *w = world_new(&o);
    uint64_t n = 0;

    ck_assert(world_run(w));
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++) {
        uint64_t count = world_story_fault_count(world_story(w), (enum world_fault)f);

        ck_assert(count == 0 || world_story_has_fault(world_story(w), (enum world_fault)f));
        n += count;
    }
    world_free(w);
    return n;
}

START_TEST(faults_are_counted)
{
    uint64_t n = 0, of_cluster = 0;

    for (uint64_t seed = 1; seed <= 8; seed++)
        n += n_faults(seed, 1, 0);
    ck_assert_uint_gt(n, 20);
    for (uint64_t seed = 1; seed <= 4; seed++)
        of_cluster += n_faults(seed, 3, (UINT64_C(1) << WORLD_FAULT_PARTITION) - 1);
    ck_assert_uint_gt(of_cluster, 4);
    ck_assert_uint_eq(n_faults(1, 1, (UINT64_C(1) << WORLD_N_FAULTS) - 1), 0);
}
END_TEST

static void count_losses(void *ctx, const char *line)
{
    *(unsigned *)ctx += strstr(line, "power loss") != NULL;
}

/* And not when they are set: the node may do nothing that they would hit. */
START_TEST(faults_are_counted_where_they_hit)
{
    uint64_t all = (UINT64_C(1) << WORLD_N_FAULTS) - 1, crash = UINT64_C(1) << WORLD_FAULT_CRASH, n = 0;

    for (uint64_t seed = 1; seed <= 16; seed++) {
        unsigned n_losses = 0;
        struct world *w = world_new(&(struct world_options){
            .seed = seed,
            .n_nodes = 1,
            .no_faults = all & ~crash,
            .trace = count_losses,
            .trace_ctx = &n_losses,
        });

        ck_assert(world_run(w));
        n += world_story_fault_count(world_story(w), WORLD_FAULT_CRASH);
        ck_assert_uint_eq(world_story_fault_count(world_story(w), WORLD_FAULT_CRASH),
                          n_losses - 1); /* and the audit's */
        world_free(w);
    }
    ck_assert_uint_gt(n, 0);
}
END_TEST

static void collect(void *ctx, const char *line)
{
    unsigned *n = ctx;

    (*n)++;
}

START_TEST(the_last_steps_are_kept)
{
    struct world_options o = { .seed = 3, .max_events = 500 };
    struct world *w = world_new(&o);
    unsigned n = 0;

    ck_assert(world_run(w));
    world_story_steps(world_story(w), collect, &n);
    ck_assert_uint_ge(n, 20);
    ck_assert_uint_le(n, 1000);
    world_free(w);
}
END_TEST

Suite *world_suite(void)
{
    Suite *s = suite_create("world");
    TCase *tc = tcase_create("a_seed_is_a_run");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_seed_is_a_run, 1, 9);
    suite_add_tcase(s, tc);
    suite_add(s, a_seed_says_how_many_nodes);
    suite_add(s, options_are_heard);
    suite_add(s, faults_have_names);
    suite_add(s, faults_are_counted);
    suite_add(s, faults_are_counted_where_they_hit);
    suite_add(s, the_last_steps_are_kept);
    return s;
}
