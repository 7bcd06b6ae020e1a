/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rare faults: each comes, does what it says, and leaves the runs of other seeds alone. */

#include "world/rare.h"
#include "world/suites.h"

#define BIT(f) (UINT64_C(1) << (f))
#define ALL (BIT(WORLD_N_FAULTS) - 1)
#define RARE (ALL & ~(BIT(WORLD_FIRST_RARE) - 1))

static struct world *new_world(uint64_t seed, unsigned n_nodes, uint64_t no_faults)
{
    struct world_options o = {
        .seed = seed,
        .n_nodes = n_nodes,
        .max_events = 4000 * n_nodes,
        .max_clients = 5,
        .no_faults = no_faults,
    };

    return world_new(&o);
}

/* Runs it with no other fault; returns how often it came. */
static uint64_t come(uint64_t seed, unsigned n_nodes, enum world_fault fault)
{
    struct world *w = new_world(seed, n_nodes, ALL & ~BIT(fault));
    uint64_t n = 0;

    if (world_has_fault(w, fault)) {
        ck_assert_msg(world_run(w), "seed %d: %s", (int)seed, world_failure(w));
        n = world_story_fault_count(world_story(w), fault);
    }
    world_free(w);
    return n;
}

START_TEST(each_comes)
{
    uint64_t n = 0;

    for (uint64_t seed = 1; seed <= 30 && n < 4; seed++)
        n += come(seed, 3, (enum world_fault)_i);
    ck_assert_uint_ge(n, 4);
}
END_TEST

static uint64_t hash_of(uint64_t seed, uint64_t no_faults, uint64_t *ret_faults)
{
    struct world *w = new_world(seed, 1, no_faults);
    uint64_t hash;

    *ret_faults = w->story->faults;
    ck_assert(world_run(w));
    hash = world_hash(w);
    world_free(w);
    return hash;
}

/* And others draw all that they draw without. */
START_TEST(a_seed_without_them_is_what_it_was)
{
    unsigned n_without = 0;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t with, without, hash = hash_of(seed, 0, &with), hash_without = hash_of(seed, RARE, &without);

        ck_assert_uint_eq(with & ~RARE, without);
        if ((with & RARE) != 0)
            continue;
        ck_assert_uint_eq(hash, hash_without);
        n_without++;
    }
    ck_assert_uint_ge(n_without, 1);
}
END_TEST

/* ---- Clocks ---- */

static struct world *world_with_clocks(void)
{
    for (uint64_t seed = 1;; seed++) {
        struct world *w = new_world(seed, 3, ALL & ~BIT(WORLD_FAULT_CLOCK_RATE));

        if (world_has_fault(w, WORLD_FAULT_CLOCK_RATE))
            return w;
        world_free(w);
        ck_assert_uint_lt(seed, 30);
    }
}

static int64_t wall_ms(struct machine *m)
{
    return clock_real_ms(&m->clock.env);
}

START_TEST(clocks_differ)
{
    struct world *w = world_with_clocks();
    struct machine *m = w->machines[0];
    uint64_t before, uptime;
    int64_t wall;

    ck_assert_uint_ne(w->machines[1]->clock.mono_ns, w->machines[2]->clock.mono_ns);
    ck_assert_uint_ne(w->machines[1]->pace.millionths, w->machines[2]->pace.millionths);
    before = m->clock.mono_ns;
    w->now_ns += 10 * SEC;
    clock_tick(m);
    ck_assert_uint_eq(m->clock.mono_ns, before + m->pace.millionths * 10000);
    uptime = m->clock.mono_ns;
    wall = wall_ms(m);
    clock_boot(m);
    ck_assert_uint_ne(m->clock.mono_ns, uptime);
    ck_assert_int_le(llabs(wall_ms(m) - wall), 1);
    clock_mend(m);
    before = m->clock.mono_ns;
    w->now_ns += 10 * SEC;
    clock_tick(m);
    ck_assert_uint_eq(m->clock.mono_ns, before + 10 * SEC);
    world_free(w);
}
END_TEST

/* Without the fault they are the world's. */
START_TEST(clocks_are_exact)
{
    struct world *w = new_world(1, 3, ALL);
    struct machine *m = w->machines[0];

    w->now_ns += 12345678901;
    clock_boot(m);
    clock_tick(m);
    ck_assert_uint_eq(m->clock.mono_ns, w->now_ns);
    world_free(w);
}
END_TEST

Suite *rare_suite(void)
{
    Suite *s = suite_create("rare");
    TCase *tc = tcase_create("each_comes");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_comes, WORLD_FIRST_RARE, WORLD_N_FAULTS);
    suite_add_tcase(s, tc);
    suite_add(s, a_seed_without_them_is_what_it_was);
    suite_add(s, clocks_differ);
    suite_add(s, clocks_are_exact);
    return s;
}
