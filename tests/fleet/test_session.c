/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "fleet/internal.h"
#include "fleet/suites.h"
#include "fleet/world.h"

/* Messages of sessions: those that are late, and those that no sound node sends. */

#define GROUPS 100

static struct world *w;
static struct fleet *f; /* node 1's */

static void setup(void)
{
    w = world_new(&(struct world_options){ .n_groups = GROUPS });
    f = w->nodes[1].fleets[0];
    world_until(w, world_rests, 20000);
    world_run(w, 300);
}

static void teardown(void)
{
    world_free(w);
}

/* What node 2 would send next. */
static struct fleet_message next(void)
{
    struct fleet_message m = w->last;

    m.sequence++;
    return m;
}

static bool knows(void)
{
    return world_rests(w) && fleet_heard_ns(world_group(w, 1, 1), 2) != 0;
}

static void gives(const struct fleet_message *m, int expected)
{
    struct fleet_stats before = world_stats(w), after;

    ck_assert_int_eq(fleet_receive(f, m), expected);
    after = world_stats(w);
    ck_assert_uint_eq(after.n_refused - before.n_refused, expected == -EBADMSG);
    ck_assert_uint_eq(after.n_stale - before.n_stale, expected == FLEET_E_STALE);
    ck_assert_uint_eq(after.n_steps, before.n_steps);
    ck_assert(knows());
    /* It changed nothing for those that come behind it. */
    world_run(w, 300);
    ck_assert_uint_eq(world_stats(w).n_steps, before.n_steps);
    ck_assert(knows());
}

START_TEST(late_messages_are_dropped)
{
    struct fleet_message m = w->last;

    /* Again, or behind a later one. */
    gives(&m, FLEET_E_STALE);
    m = w->last;
    m.sequence--;
    gives(&m, FLEET_E_STALE);
    /* Of a session of its own that is over. */
    m = next();
    m.session--;
    gives(&m, FLEET_E_STALE);
    /* To one of ours that is. */
    m = next();
    m.your_session--;
    gives(&m, FLEET_E_STALE);
    /* The one that comes next is taken. */
    m = next();
    gives(&m, 0);
}
END_TEST

START_TEST(a_message_without_a_connection_is_dropped)
{
    struct fleet_message m = next();

    world_disconnect(w, 1, 2, false);
    ck_assert_int_eq(fleet_receive(f, &m), FLEET_E_STALE);
    ck_assert_uint_eq(fleet_heard_ns(world_group(w, 1, 1), 2), 0);
    /* Nor does it count for the next one. */
    world_connect(w, 1, 2);
    ck_assert_int_eq(fleet_receive(f, &m), FLEET_E_STALE);
    ck_assert_uint_eq(fleet_heard_ns(world_group(w, 1, 1), 2), 0);
    world_until(w, world_rests, 2000);
}
END_TEST

START_TEST(fields_out_of_range_are_refused)
{
    struct fleet_message m = next();

#define WITH(field, value) \
    do { \
        m = next(); \
        m.field = (value); \
        gives(&m, -EBADMSG); \
    } while (0)
    WITH(from, 9);
    WITH(from, 1);
    WITH(from, -1);
    WITH(to, 2);
    WITH(from_shard, 1);
    WITH(from_shard, UINT32_MAX);
    WITH(to_shard, 1);
    WITH(session, 0);
    WITH(sequence, 0);
    WITH(your_session, m.your_session + 1);
    WITH(your_session, UINT64_MAX);
    WITH(echo, m.echo + 1000);
    WITH(echo, UINT64_MAX);
    WITH(n_digests, 1);
    WITH(n_digests, UINT32_MAX);
    WITH(n_digests, FLEET_BUCKETS); /* and none are there */
    WITH(n_entries, 1);
    WITH(n_entries, UINT32_MAX);
#undef WITH
}
END_TEST

START_TEST(digests_that_dont_sum_up_are_refused)
{
    uint64_t digests[FLEET_BUCKETS] = { 0 };
    struct fleet_message m = next();

    m.n_digests = FLEET_BUCKETS;
    m.digests = digests;
    digests[3] = m.digest + 1;
    gives(&m, -EBADMSG);
}
END_TEST

START_TEST(lists_that_cant_be_are_refused)
{
    struct fleet_entry entries[3] = { { 1, 1 }, { 2, 1 }, { 3, 1 } };
    struct fleet_message m = next();

    m.entries = entries;
    m.n_entries = 3;
    gives(&m, -EBADMSG); /* of buckets that aren't listed */
#define WITH(i, group, term) \
    do { \
        m = next(); \
        m.buckets = UINT64_MAX; \
        m.entries = entries; \
        m.n_entries = 3; \
        entries[i] = (struct fleet_entry){ group, term }; \
        gives(&m, -EBADMSG); \
        entries[i] = (struct fleet_entry){ i + 1, 1 }; \
    } while (0)
    WITH(0, 0, 1);
    WITH(0, 2, 1);
    WITH(1, 1, 1);
    WITH(2, 1, 1);
    WITH(1, 2, 0);
    WITH(1, 2, RAFT_MAX_TERM + 1ull);
#undef WITH
    /* Of another shard. */
    world_free(w);
    w = world_new(&(struct world_options){ .n_groups = GROUPS, .n_shards = { 0, 2, 2, 2 } });
    f = w->nodes[1].fleets[0];
    world_until(w, world_rests, 20000);
    m = w->last;
    m.sequence += 2;
    m.buckets = UINT64_MAX;
    m.entries = entries;
    m.n_entries = 3;
    m.to_shard = m.from_shard = 0;
    ck_assert_int_eq(fleet_receive(f, &m), -EBADMSG);
}
END_TEST

/* A list voids what the other side doesn't have, if a handshake isn't under way; the rest stays. */
START_TEST(a_list_takes_out_what_isnt_in_it)
{
    struct fleet_entry entries[GROUPS];
    struct fleet_message m = next();
    uint32_t n = 0;

    for (uint64_t group = 1; group <= GROUPS; group++) {
        struct fleet_group *g = world_group(w, 1, group);

        if (group == 5 || (raft_leader(g->raft) != 1 && raft_leader(g->raft) != 2))
            continue;
        entries[n++] = (struct fleet_entry){ group, raft_term(g->raft) + (group == 9) };
    }
    m.buckets = UINT64_MAX;
    m.entries = entries;
    m.n_entries = n;
    ck_assert_int_eq(fleet_receive(f, &m), 0);
    for (uint64_t group = 1; group <= GROUPS; group++) {
        const struct fleet_group *g = world_group(w, 1, group);
        bool shared = raft_leader(g->raft) == 1 || raft_leader(g->raft) == 2;

        ck_assert(fleet_is_at_rest(g) == (!shared || (group != 5 && group != 9)));
    }
    world_until(w, world_rests, 3000);
    ck_assert(world_has_leaders(w));
}
END_TEST

/* Its handshake may be under way. */
START_TEST(a_list_spares_who_has_just_joined)
{
    struct fleet_message m;
    uint64_t group = 1, other = 0;

    while (world_leader(w, group) != 1)
        group++;
    for (uint64_t g = group + 1; g <= GROUPS && other == 0; g++)
        other = world_leader(w, g) == 1 ? g : 0;
    ck_assert_int_eq(fleet_propose(world_group(w, 1, group), WORLD_ENTRY), 0);
    world_run(w, 1);
    ck_assert(!fleet_is_at_rest(world_group(w, 1, group)));
    world_until(w, world_rests, 1000);
    m = next();
    m.buckets = UINT64_MAX;
    ck_assert_int_eq(fleet_receive(f, &m), 0);
    ck_assert(fleet_is_at_rest(world_group(w, 1, group)));
    ck_assert(!fleet_is_at_rest(world_group(w, 1, other)));
}
END_TEST

/* The other side lost its memory of the session, so this one forgets it too, whatever the message says else. */
START_TEST(a_later_session_voids_the_set)
{
    struct fleet_message m = next();

    w->hostile = true;
    m.session++;
    m.sequence = 1;
    m.your_session = 0;
    ck_assert_int_eq(fleet_receive(f, &m), 0);
    ck_assert_uint_eq(fleet_heard_ns(world_group(w, 1, 1), 2), 0);
    ck_assert(!world_rests(w));
    /* Node 2 is in the old one still, which doesn't count any more until it falls silent and begins anew. */
    world_run(w, 1);
    world_until(w, world_rests, 5000);
    ck_assert(world_has_leaders(w));
    ck_assert_uint_ne(fleet_heard_ns(world_group(w, 1, 1), 2), 0);
}
END_TEST

/* However many there were since the node started. */
START_TEST(a_later_session_has_a_higher_number)
{
    const struct fleet_session *s = fleet_seat(world_group(w, 1, 1), 2)->session;
    uint64_t before;

    f->n_sessions = UINT32_MAX - 1;
    world_connect(w, 1, 2);
    before = s->mine;
    world_connect(w, 1, 2);
    ck_assert_uint_gt(s->mine, before);
    world_until(w, world_rests, 2000);
}
END_TEST

Suite *fleet_session_suite(void)
{
    Suite *s = suite_create("fleet_session");

#define ADD(test) suite_add_with(s, test, setup, teardown)
    ADD(late_messages_are_dropped);
    ADD(a_message_without_a_connection_is_dropped);
    ADD(fields_out_of_range_are_refused);
    ADD(digests_that_dont_sum_up_are_refused);
    ADD(lists_that_cant_be_are_refused);
    ADD(a_list_takes_out_what_isnt_in_it);
    ADD(a_list_spares_who_has_just_joined);
    ADD(a_later_session_voids_the_set);
    ADD(a_later_session_has_a_higher_number);
#undef ADD
    return s;
}
