/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "fleet/check.h"
#include "fleet/suites.h"
#include "fleet/world.h"

/* All at once, drawn from seeds: entries, deaths, pauses, cuts, broken connections, bad networks. When it is over all
 * groups come to rest, with logs that are equal, and nothing falls out of a session any more. */

#define GROUPS 40
#define ROUNDS 60
#define SEEDS 25

static bool at_rest(struct world *w)
{
    return world_has_leaders(w) && world_rests(w);
}

static int32_t draw_node(struct rand *r)
{
    return (int32_t)rand_range(r, 1, WORLD_NODES);
}

static void produce(struct world *w, struct rand *r)
{
    for (unsigned i = 0; i < 10; i++) {
        uint64_t group = rand_range(r, 1, GROUPS);
        int32_t leader = world_leader(w, group);

        if (leader != 0)
            (void)fleet_propose(world_group(w, leader, group), WORLD_ENTRY);
    }
}

static void hurt(struct world *w, struct rand *r)
{
    int32_t a = draw_node(r), b = draw_node(r);

    switch (rand_below(r, 7)) {
    case 0:
        world_kill(w, a);
        break;
    case 1:
        world_pause(w, a);
        break;
    case 2:
        world_resume(w, a);
        break;
    case 3:
        w->cut[a][b] = !w->cut[a][b];
        break;
    case 4:
        if (a != b)
            world_disconnect(w, a, b, rand_chance(r, 1, 2));
        break;
    case 5:
        if (a != b && w->nodes[a].runs && w->nodes[b].runs)
            world_connect(w, a, b);
        break;
    default:
        if (w->nodes[a].runs)
            world_step(world_group(w, a, rand_range(r, 1, GROUPS)), (struct raft_event){ .kind = RAFT_CAMPAIGN });
    }
}

static void check_fleets(struct world *w)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        for (uint64_t group = 1; group <= GROUPS; group++)
            check_group(world_group(w, id, group));
        for (uint32_t i = 0; i < w->nodes[id].n_shards; i++)
            check_sessions(w->nodes[id].fleets[i]);
    }
}

static void heal(struct world *w)
{
    w->noise = NULL;
    memset(w->cut, 0, sizeof(w->cut));
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (!w->nodes[id].runs)
            world_resume(w, id);
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        for (int32_t peer = 1; peer < id; peer++)
            if (!w->connected[id][peer])
                world_connect(w, id, peer);
}

static void check(struct world *w)
{
    struct fleet_stats before;

    world_until(w, at_rest, 30000);
    before = world_stats(w);
    world_run(w, 2000);
    ck_assert_uint_eq(world_stats(w).n_steps, before.n_steps);
    ck_assert_uint_eq(world_stats(w).used_bytes, 0);
    for (uint64_t group = 1; group <= GROUPS; group++) {
        const struct raft *leader = world_group(w, world_leader(w, group), group)->raft;

        for (int32_t id = 1; id <= WORLD_NODES; id++) {
            const struct raft *raft = world_group(w, id, group)->raft;

            ck_quick(raft_last_index(raft) == raft_last_index(leader));
            ck_quick(raft_commit_index(raft) == raft_last_index(leader));
            for (uint64_t i = 1; i <= raft_last_index(raft); i++)
                ck_quick(raft_term_at(raft, i) == raft_term_at(leader, i));
        }
    }
}

static void schedule(uint64_t seed)
{
    struct rand r = { .state = seed };
    struct world *w;

    w = world_new(&(struct world_options){ .n_groups = GROUPS,
                                           .n_shards = { 0, (uint32_t)rand_range(&r, 1, WORLD_SHARDS),
                                                         (uint32_t)rand_range(&r, 1, WORLD_SHARDS),
                                                         (uint32_t)rand_range(&r, 1, WORLD_SHARDS) } });
    w->noise = rand_chance(&r, 2, 3) ? &r : NULL;
    w->n_per_mille = (unsigned)rand_below(&r, 200);
    for (unsigned i = 0; i < ROUNDS; i++) {
        world_run(w, (unsigned)rand_range(&r, 1, 500));
        check_fleets(w);
        produce(w, &r);
        if (rand_chance(&r, 1, 2))
            hurt(w, &r);
    }
    heal(w);
    check(w);
    world_free(w);
}

/* GQ_FLEET_SEEDS=FIRST:COUNT tries others. */
START_TEST(all_comes_to_rest_in_the_end)
{
    const char *text = getenv("GQ_FLEET_SEEDS");
    unsigned long first = 1, count = SEEDS;

    if (text != NULL)
        ck_assert_int_eq(sscanf(text, "%lu:%lu", &first, &count), 2);
    for (unsigned long seed = first; seed < first + count; seed++) {
        if (text != NULL)
            fprintf(stderr, "seed %lu\n", seed);
        schedule(seed);
    }
}
END_TEST

Suite *fleet_random_suite(void)
{
    Suite *s = suite_create("fleet_random");

    suite_add(s, all_comes_to_rest_in_the_end);
    return s;
}
