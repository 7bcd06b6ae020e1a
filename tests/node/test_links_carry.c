/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links_rig.h"
#include "node/links_suites.h"

/* What is said arrives as it was said, once, where it belongs, or not at all. */

static struct bed *two(uint64_t seed, unsigned n_reactors, unsigned shards_of_a, unsigned shards_of_b)
{
    struct bed *b = bed_new(seed, 2, n_reactors, shards_of_a);

    b->players[1].n_shards = shards_of_b;
    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, SEC);
    return b;
}

/* All that was heard was said, and nothing twice. */
static void check_once(const struct player *p, uint64_t max_tag)
{
    _cleanup_(freep) bool *heard = xcalloc(max_tag + 1, sizeof(*heard));

    for (size_t i = 0; i < p->n_heard; i++) {
        ck_quick(p->heard[i].tag >= 1 && p->heard[i].tag <= max_tag && !heard[p->heard[i].tag]);
        heard[p->heard[i].tag] = true;
    }
}

START_TEST(messages_find_their_shard)
{
    static const unsigned shards[][2] = { { 2, 2 }, { 2, 3 }, { 3, 2 }, { 2, 4 }, { 4, 2 }, { 1, 3 } };

    for (size_t k = 0; k < ARRAY_SIZE(shards); k++) {
        struct bed *b = two(k, 1 + k % 3, shards[k][0], shards[k][1]);
        struct player *p = &b->players[0], *q = &b->players[1];

        for (uint64_t group = 1; group <= 24; group++) {
            say_small(p, q, group, group);
            say_entries(q, p, group, group, 3, 100);
        }
        bed_run(b, 100 * MS);
        ck_assert_uint_eq(p->n_heard, 24);
        ck_assert_uint_eq(q->n_heard, 24);
        check_once(p, 24);
        check_once(q, 24);
        for (size_t i = 0; i < 24; i++) {
            ck_assert_int_eq(p->heard[i].from, 2);
            ck_assert_uint_eq(p->heard[i].shard, (p->heard[i].group - 1) % p->n_shards);
            ck_assert_uint_eq(p->heard[i].size, 300);
            ck_assert_int_eq(q->heard[i].from, 1);
            ck_assert_uint_eq(q->heard[i].group, q->heard[i].tag);
        }
        bed_free(b);
    }
}
END_TEST

START_TEST(messages_wait_for_the_end_of_the_turn)
{
    struct bed *b = two(20, 1, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];
    uint64_t before = player_stats(p).messages_sent;

    for (uint64_t i = 1; i <= 50; i++)
        say_small(p, q, 1, i);
    ck_assert_uint_eq(sim_mesh_turn(b->mesh, b->clock.mono_ns), 0);
    ck_assert_uint_eq(player_stats(p).waiting_bytes, 50 * 37);
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(player_stats(p).messages_sent - before, 50);
    ck_assert_uint_eq(player_stats(p).waiting_bytes, 0);
    ck_assert_uint_eq(q->n_heard, 50);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_uint_eq(q->heard[i].tag, i + 1);
    bed_free(b);
}
END_TEST

/* Small buffers and all sizes; entries keep their order. */
START_TEST(bodies_arrive_whole)
{
    struct bed *b = bed_new(21, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];
    static const size_t sizes[] = { 1, 100, 5000, 70000, 900000, 3000000 };
    uint64_t last = 0;

    b->buffer_bytes = 3000;
    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, SEC);
    for (uint64_t tag = 1; tag <= 6; tag++) {
        say_entries(p, q, 1, tag, tag % 2 == 0 ? 1 : 3, sizes[tag - 1] / 3 + 1);
        say_loaded(p, q, 2, 10 + tag, sizes[tag - 1]);
    }
    bed_run(b, 30 * SEC);
    ck_assert_uint_eq(q->n_heard, 12);
    check_once(q, 16);
    for (size_t i = 0; i < q->n_heard; i++)
        if (q->heard[i].group == 1) {
            ck_assert_uint_gt(q->heard[i].tag, last);
            last = q->heard[i].tag;
        }
    bed_free(b);
}
END_TEST

/* An entry of many frames lets what is urgent pass. */
START_TEST(a_vote_passes_a_large_entry)
{
    struct bed *b = two(22, 1, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];

    say_loaded(p, q, 1, 1, 12 << 20);
    bed_run(b, MS);
    say_small(p, q, 2, 2);
    bed_run(b, 20 * SEC);
    ck_assert_uint_eq(q->n_heard, 2);
    ck_assert_uint_eq(q->heard[0].tag, 2);
    ck_assert_uint_eq(q->heard[1].size, 12 << 20);
    bed_free(b);
}
END_TEST

START_TEST(an_image_has_a_connection_of_its_own)
{
    struct bed *b = two(23, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 2);
    say_image(p, q, 2, 1, 20 << 20);
    bed_run(b, MS);
    say_small(p, q, 2, 2);
    bed_run(b, 10 * SEC);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 3);
    ck_assert_uint_eq(q->n_heard, 2);
    ck_assert_uint_eq(q->heard[0].tag, 2);
    ck_assert_int_eq(q->heard[1].kind, RAFT_SNAPSHOT);
    ck_assert_uint_eq(q->heard[1].size, 20 << 20);
    ck_assert_uint_eq(p->n_images_lost, 0);
    bed_run(b, 100 * SEC); /* it is closed when it rests */
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 2);
    say_image(q, p, 2, 3, 1000);
    bed_run(b, SEC);
    ck_assert_uint_eq(player_heard(p, 3), 1);
    bed_free(b);
}
END_TEST

/* Whoever waits for an image hears that it won't come, once for each. */
START_TEST(an_image_may_get_lost)
{
    struct bed *b = two(24, 1, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];

    bed_delay(b, MS, 0);
    bed_hold(b, 0, 1, true); /* it is on its way and doesn't get there */
    say_image(p, q, 1, 1, 5 << 20);
    bed_run(b, SEC);
    ck_assert_uint_eq(p->n_images_lost, 0);
    bed_run(b, 3 * SEC); /* the connection isn't made in time */
    ck_assert_uint_eq(p->n_images_lost, 1);
    bed_hold(b, 0, 1, false);
    bed_run(b, SEC);
    say_image(p, q, 1, 2, 5 << 20);
    say_image(p, q, 2, 3, 1000);
    bed_run(b, 6 * MS);
    bed_hold(b, 0, 1, true);
    bed_run(b, SEC);
    sim_mesh_break(b->mesh, 0, 1);
    bed_hold(b, 0, 1, false);
    bed_run(b, 5 * SEC);
    ck_assert_uint_eq(p->n_images_lost + player_heard(q, 2) + player_heard(q, 3), 3);
    ck_assert_uint_eq(player_heard(q, 2), 0);
    node_links.forget(&p->node, "b");
    say_image(p, q, 1, 4, 1000); /* to nobody that is known */
    bed_run(b, SEC);
    ck_assert_uint_eq(p->n_images_lost + player_heard(q, 3), 4);
    bed_free(b);
}
END_TEST

/* What a peer doesn't take is dropped, and memory stays where it was. */
START_TEST(a_slow_peer_costs_a_bounded_memory)
{
    struct bed *b = two(25, 1, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];
    uint64_t tag = 0;
    size_t most = 0;

    bed_hold(b, 0, 1, true);
    for (int i = 0; i < 150; i++) {
        say_entries(p, q, 1, ++tag, 4, 50000);
        for (int k = 0; k < 1000; k++)
            say_small(p, q, 1, ++tag);
        bed_run(b, MS);
        most = MAX(most, p->reactors[0].pool.used_bytes);
        ck_assert_uint_le(player_stats(p).waiting_bytes, LINKS_OUT_MAX + LINKS_WAIT_MAX + (2u << 20));
    }
    ck_assert_uint_lt(most, (LINKS_OUT_MAX + LINKS_WAIT_MAX + (2u << 20)) / 4 * 5);
    ck_assert_uint_gt(player_stats(p).messages_dropped, 20000);
    bed_hold(b, 0, 1, false);
    bed_run(b, 10 * SEC);
    check_once(q, tag);
    ck_assert_uint_gt(q->n_heard, 1000);
    ck_assert_uint_eq(player_stats(p).waiting_bytes, 0);
    say_small(p, q, 1, ++tag);
    bed_run(b, SEC);
    ck_assert_uint_eq(player_heard(q, tag), 1);
    bed_free(b);
}
END_TEST

/* The largest word, and the next one too soon for the first to have left. */
START_TEST(words_arrive)
{
    struct bed *b = two(26, 2, 2, 3);
    _cleanup_(freep) char *large = xcalloc(1, NODE_WORD_MAX);

    memset(large, 'x', NODE_WORD_MAX);
    node_links.tell(&b->players[0].node, "b", NODE_WORD_FORWARD, slice_make(large, NODE_WORD_MAX));
    bed_run(b, SEC);
    ck_assert_uint_eq(b->players[1].n_words, 1);
    ck_assert_uint_eq(b->players[1].word_size, NODE_WORD_MAX);
    node_links.tell(&b->players[1].node, "a", NODE_WORD_FORWARD_REPLY, slice_str("good"));
    node_links.tell(&b->players[1].node, "a", NODE_WORD_FORWARD_REPLY, slice_str("better"));
    bed_run(b, SEC);
    ck_assert_uint_eq(b->players[0].n_words, 2);
    ck_assert_str_eq(b->players[0].word, "b 3 better");
    bed_free(b);
}
END_TEST

/* The connection that it came by may be gone when it was heard. */
START_TEST(a_word_may_end_the_connection)
{
    struct bed *b = two(27, 2, 2, 2);

    node_links.tell(&b->players[0].node, "b", NODE_WORD_FORWARD, slice_str("forget me"));
    node_links.tell(&b->players[0].node, "b", NODE_WORD_FORWARD, slice_str("too late"));
    bed_run(b, SEC);
    ck_assert_str_eq(b->players[1].word, "a 2 forget me");
    ck_assert(!b->players[1].fleets[0].of[0].up && !b->players[1].fleets[1].of[0].up);
    bed_free(b);
}
END_TEST

static void say_something(struct bed *b, uint64_t *tag)
{
    struct player *p = &b->players[sim_prng_below(&b->prng, b->n)], *q = &b->players[sim_prng_below(&b->prng, b->n)];
    uint64_t group = 1 + sim_prng_below(&b->prng, 12);

    if (p == q || !p->running)
        return;
    switch (sim_prng_below(&b->prng, 4)) {
    case 0:
        say_small(p, q, group, ++*tag);
        break;
    case 1:
        say_entries(p, q, group, ++*tag, 1 + (uint32_t)sim_prng_below(&b->prng, 20),
                    1 + sim_prng_below(&b->prng, 3000));
        break;
    case 2:
        say_loaded(p, q, group, ++*tag, 1 + sim_prng_below(&b->prng, 100000));
        break;
    default:
        say_image(p, q, group, ++*tag, 1 + sim_prng_below(&b->prng, 300000));
    }
}

static void do_something(struct bed *b)
{
    unsigned i = (unsigned)sim_prng_below(&b->prng, b->n), k = (unsigned)sim_prng_below(&b->prng, b->n);
    struct player *p = &b->players[i];

    switch (sim_prng_below(&b->prng, 8)) {
    case 0:
        sim_mesh_break(b->mesh, i, k);
        break;
    case 1:
        sim_mesh_break_for(b->mesh, i, k);
        break;
    case 2:
        bed_hold(b, i, k, true);
        break;
    case 3:
    case 4:
        for (k = 0; k < b->n; k++)
            bed_hold(b, i, k, false);
        break;
    case 5:
        if (p->running)
            player_end(p, sim_prng_chance(&b->prng, 1, 2));
        break;
    default:
        if (p->running)
            break;
        p->boot++;
        p->lsn += sim_prng_below(&b->prng, 2);
        player_start(p);
        for (k = 0; k < b->n; k++)
            player_know(p, &b->players[k]);
    }
}

/* Three nodes through everything that a network and a process may do. In the end all are connected, and what is said is
 * heard. */
static void play(uint64_t seed)
{
    struct bed *b = bed_new(seed, 3, 1 + seed % 3, 1 + seed % 4);
    uint64_t tag = 0, before;

    b->players[1].n_shards = 1 + seed / 4 % 3;
    b->buffer_bytes = seed % 2 == 0 ? 0 : 20000;
    bed_delay(b, seed % 5 * MS, seed % 7 * MS);
    bed_start(b);
    for (unsigned i = 0; i < 3; i++)
        b->players[i].beats = seed % 2 == 0;
    for (int i = 0; i < 150; i++) {
        for (int k = 0; k < 5; k++)
            say_something(b, &tag);
        if (sim_prng_chance(&b->prng, 1, 5))
            do_something(b);
        bed_run(b, sim_prng_below(&b->prng, 100 * MS));
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 3; k++)
            bed_hold(b, i, k, false);
        if (!b->players[i].running) {
            b->players[i].boot++;
            player_start(&b->players[i]);
            for (unsigned k = 0; k < 3; k++)
                player_know(&b->players[i], &b->players[k]);
        }
        b->players[i].beats = true;
    }
    bed_run(b, 30 * SEC);
    ck_assert(bed_is_up(b));
    before = tag;
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 3; k++)
            for (uint64_t group = 1; i != k && group <= 12; group++)
                say_small(&b->players[i], &b->players[k], group, ++tag);
    bed_run(b, SEC);
    ck_assert_uint_eq(tag - before, 72);
    for (uint64_t t = before + 1; t <= tag; t++)
        ck_assert_uint_eq(
            player_heard(&b->players[0], t) + player_heard(&b->players[1], t) + player_heard(&b->players[2], t), 1);
    for (unsigned i = 0; i < 3; i++) {
        check_once(&b->players[i], tag);
        ck_assert_uint_eq(player_stats(&b->players[i]).frames_refused, 0);
    }
    bed_free(b);
}

START_TEST(through_everything)
{
    for (uint64_t seed = 1; seed <= 16; seed++)
        play(seed);
}
END_TEST

Suite *links_carry_suite(void)
{
    Suite *s = suite_create("carry");

    suite_add(s, messages_find_their_shard);
    suite_add(s, messages_wait_for_the_end_of_the_turn);
    suite_add(s, bodies_arrive_whole);
    suite_add(s, a_vote_passes_a_large_entry);
    suite_add(s, an_image_has_a_connection_of_its_own);
    suite_add(s, an_image_may_get_lost);
    suite_add(s, a_slow_peer_costs_a_bounded_memory);
    suite_add(s, words_arrive);
    suite_add(s, a_word_may_end_the_connection);
    suite_add(s, through_everything);
    return s;
}
