/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "fleet/suites.h"
#include "fleet/world.h"
#include "raft/alloc.h"

/* What comes together in a turn is one step of a group, and one flush of the journal takes all groups. */

#define GROUPS 200

static struct world *w;

static void teardown(void)
{
    world_free(w);
}

/* Node 1 leads all. */
static void start(struct world_options options)
{
    options.n_groups = GROUPS;
    w = world_new(&options);
    world_run(w, 10);
    for (uint64_t group = 1; group <= GROUPS; group++)
        world_step(world_group(w, 1, group), (struct raft_event){ .kind = RAFT_CAMPAIGN });
    world_run(w, 50);
    ck_assert_uint_eq(world_n_led(w, 1), GROUPS);
}

static struct raft *leader(uint64_t group)
{
    return world_group(w, 1, group)->raft;
}

START_TEST(a_flush_takes_the_votes_of_all)
{
    const struct world_node *n;

    start((struct world_options){ 0 });
    for (int32_t id = 1; id <= WORLD_NODES; id++) {
        n = &w->nodes[id];
        /* A vote and a first entry of each group. */
        ck_assert_uint_ge(n->n_records, 2 * GROUPS);
        ck_assert_uint_le(n->n_flushes, 5);
    }
}
END_TEST

START_TEST(proposals_of_a_turn_are_one_step)
{
    uint64_t last, n_appends;

    start((struct world_options){ 0 });
    world_until(w, world_rests, 1000);
    last = raft_last_index(leader(1));
    n_appends = w->n_appends;
    w->nodes[1].n_proposed_steps = w->nodes[1].n_completions = 0;
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(fleet_n_proposed(world_group(w, 1, 1)), i);
        ck_assert_int_eq(fleet_propose(world_group(w, 1, 1), WORLD_ENTRY), 0);
    }
    ck_assert_uint_eq(raft_last_index(leader(1)), last);
    ck_assert_uint_eq(world_stats(w).used_bytes, 8 * WORLD_ENTRY);
    world_run(w, 1);
    ck_assert_uint_eq(raft_last_index(leader(1)), last + 8);
    ck_assert_uint_eq(w->nodes[1].n_proposed_steps, 1);
    ck_assert_uint_eq(w->n_appends, n_appends + 2);
    world_run(w, 10);
    ck_assert_uint_eq(raft_commit_index(leader(1)), last + 8);
    ck_assert_uint_eq(w->nodes[1].n_completions, 1);
    ck_assert_uint_eq(world_stats(w).used_bytes, 0);
}
END_TEST

/* A turn may have more than a step takes. */
START_TEST(many_proposals_are_several_steps)
{
    uint64_t last;

    start((struct world_options){ 0 });
    last = raft_last_index(leader(1));
    w->nodes[1].n_proposed_steps = 0;
    for (unsigned i = 0; i < 2 * FLEET_MAX_BATCH + 1; i++)
        ck_assert_int_eq(fleet_propose(world_group(w, 1, 1), WORLD_ENTRY), 0);
    world_run(w, 1);
    ck_assert_uint_eq(w->nodes[1].n_proposed_steps, 3);
    ck_assert_uint_eq(raft_last_index(leader(1)), last + 2 * FLEET_MAX_BATCH + 1);
    world_run(w, 100);
    ck_assert_uint_eq(raft_commit_index(leader(1)), last + 2 * FLEET_MAX_BATCH + 1);
    ck_assert_uint_eq(world_stats(w).used_bytes, 0);
}
END_TEST

/* What waited is told to be void, and nothing more is taken until then. */
START_TEST(proposals_of_a_lost_lead_are_void)
{
    struct fleet_group *g;
    struct fleet_work work;
    struct raft_message m = { .kind = RAFT_HEARTBEAT, .from = 2, .to = 1 };
    uint64_t last;

    start((struct world_options){ 0 });
    g = world_group(w, 1, 1);
    last = raft_last_index(g->raft);
    m.term = raft_term(g->raft) + 1;
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(fleet_propose(g, WORLD_ENTRY), 0);
    fleet_step(g, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
    ck_assert(!fleet_takes(g));
    ck_assert_int_eq(fleet_propose(g, WORLD_ENTRY), RAFT_E_NOT_LEADER);
    ck_assert_int_eq(fleet_propose_own(g, WORLD_ENTRY), RAFT_E_NOT_LEADER);
    ck_assert(fleet_next(g->fleet, &work));
    ck_assert_int_eq(work.kind, RAFT_PROPOSE);
    ck_assert_ptr_eq(work.group, g);
    ck_assert_int_eq(work.update->error, RAFT_E_NOT_LEADER);
    ck_assert_uint_eq(work.update->append_last, 0);
    ck_assert_uint_eq(raft_last_index(g->raft), last);
    ck_assert_uint_eq(fleet_n_proposed(g), 0);
    ck_assert(!fleet_next(g->fleet, &work));
    ck_assert_uint_eq(world_stats(w).used_bytes, 0);
    /* A group that goes takes with it what waits. */
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 2), WORLD_ENTRY), 0);
    fleet_remove(world_group(w, 1, 2));
    ck_assert(!fleet_next(g->fleet, &work));
    ck_assert_uint_eq(world_stats(w).used_bytes, 0);
}
END_TEST

static void receive(struct fleet_group *g, struct raft_message m)
{
    m.from = 2;
    m.to = 1;
    fleet_step(g, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

/* Its indexes may be those of other entries by now. */
START_TEST(who_leads_again_proposes_nothing_of_before)
{
    struct fleet_group *g;
    struct fleet_work work;
    uint64_t last, term;

    start((struct world_options){ 0 });
    g = world_group(w, 1, 1);
    last = raft_last_index(g->raft);
    term = raft_term(g->raft);
    ck_assert_int_eq(fleet_propose(g, WORLD_ENTRY), 0);
    receive(g, (struct raft_message){ .kind = RAFT_HEARTBEAT, .term = term + 1 });
    fleet_step(g, &(struct raft_event){ .kind = RAFT_CAMPAIGN });
    receive(g, (struct raft_message){ .kind = RAFT_PRE_VOTE_REPLY, .term = term + 2 });
    fleet_step(g, &(struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = term + 2, .vote = 1 });
    receive(g, (struct raft_message){ .kind = RAFT_VOTE_REPLY, .term = term + 2 });
    ck_assert_int_eq(raft_role(g->raft), RAFT_LEADER);
    ck_assert_uint_eq(raft_last_index(g->raft), last + 1);
    ck_assert_int_eq(fleet_propose(g, WORLD_ENTRY), RAFT_E_NOT_LEADER);
    ck_assert(fleet_next(g->fleet, &work));
    ck_assert_int_eq(work.update->error, RAFT_E_NOT_LEADER);
    ck_assert_uint_eq(raft_last_index(g->raft), last + 1);
    ck_assert_int_eq(fleet_propose(g, WORLD_ENTRY), 0);
    ck_assert(fleet_next(g->fleet, &work));
    ck_assert_uint_eq(work.update->append_last, last + 2);
}
END_TEST

START_TEST(the_budget_is_one_for_all)
{
    struct fleet *f;

    start((struct world_options){ .budget_bytes = 10 * WORLD_ENTRY, .group_budget_bytes = 4 * WORLD_ENTRY });
    f = w->nodes[1].fleets[0];
    fleet_room_made(f);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(fleet_propose(world_group(w, 1, 1), WORLD_ENTRY), 0);
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 1), WORLD_ENTRY), RAFT_E_BUSY);
    for (uint64_t group = 2; group <= 7; group++)
        ck_assert_int_eq(fleet_propose(world_group(w, 1, group), WORLD_ENTRY), 0);
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 8), WORLD_ENTRY), RAFT_E_BUSY);
    ck_assert(!fleet_has_room(world_group(w, 1, 8), WORLD_ENTRY));
    /* Of its own part the group has room still, and what the node has to say itself waits for neither. */
    ck_assert(fleet_group_has_room(world_group(w, 1, 8), WORLD_ENTRY));
    ck_assert(!fleet_group_has_room(world_group(w, 1, 1), WORLD_ENTRY));
    ck_assert_int_eq(fleet_propose_own(world_group(w, 1, 1), WORLD_ENTRY), 0);
    ck_assert_uint_eq(world_stats(w).used_bytes, 11 * WORLD_ENTRY);
    /* Proposed, and not committed yet. */
    world_run(w, 1);
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 8), WORLD_ENTRY), RAFT_E_BUSY);
    ck_assert(!fleet_room_made(f));
    world_run(w, 10);
    ck_assert(fleet_room_made(f));
    ck_assert(!fleet_room_made(f));
    /* One may always be on its way, however large. */
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 8), 100 * WORLD_ENTRY), 0);
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 9), WORLD_ENTRY), RAFT_E_BUSY);
}
END_TEST

/* A node without others has nothing to wait for but its groups. */
START_TEST(the_next_time_is_told)
{
    struct fleet *f;
    uint64_t beat_ns;

    start((struct world_options){ 0 });
    world_until(w, world_rests, 1000);
    f = w->nodes[1].fleets[0];
    beat_ns = fleet_next_ns(f);
    ck_assert_uint_gt(beat_ns, w->now_ns);
    ck_assert_uint_le(beat_ns, w->now_ns + 100 * MS);
    ck_assert_int_eq(fleet_propose(world_group(w, 1, 1), WORLD_ENTRY), 0);
    ck_assert_uint_le(fleet_next_ns(f), w->now_ns);
    world_run(w, 1);
    ck_assert_uint_gt(fleet_next_ns(f), w->now_ns);
    fleet_peer_down(f, 2, true);
    ck_assert_uint_le(fleet_next_ns(f), w->now_ns);
    for (uint64_t group = 1; group <= GROUPS; group++)
        fleet_remove(world_group(w, 1, group));
    fleet_peer_down(f, 3, true);
    ck_assert_uint_eq(fleet_next_ns(f), UINT64_MAX);
}
END_TEST

static void load(unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        for (uint64_t group = 1; group <= GROUPS; group++)
            for (unsigned n = 0; n < 4; n++)
                ck_quick(fleet_propose(world_group(w, 1, group), WORLD_ENTRY) == 0);
        world_run(w, 10);
    }
}

START_TEST(a_steady_load_allocates_nothing)
{
    struct alloc_count before;
    uint64_t last;

    start((struct world_options){ 0 });
    load(50);
    last = raft_commit_index(leader(GROUPS));
    before = alloc_count;
    load(50);
    ck_assert_uint_eq(alloc_count.n_calls, before.n_calls);
    ck_assert_uint_eq(raft_commit_index(leader(GROUPS)), last + 200);
    /* Then they rest again. */
    world_until(w, world_rests, 1000);
}
END_TEST

Suite *fleet_proposal_suite(void)
{
    Suite *s = suite_create("fleet_proposal");

#define ADD(test) suite_add_with(s, test, NULL, teardown)
    ADD(a_flush_takes_the_votes_of_all);
    ADD(proposals_of_a_turn_are_one_step);
    ADD(many_proposals_are_several_steps);
    ADD(proposals_of_a_lost_lead_are_void);
    ADD(who_leads_again_proposes_nothing_of_before);
    ADD(the_budget_is_one_for_all);
    ADD(the_next_time_is_told);
    ADD(a_steady_load_allocates_nothing);
#undef ADD
    return s;
}
