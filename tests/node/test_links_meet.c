/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links_rig.h"
#include "node/links_suites.h"

/* Who connects to whom, and whom a node has nothing to do with. */

static unsigned n_ups(const struct player *p, const struct player *other)
{
    unsigned n = 0;

    for (unsigned s = 0; s < p->n_shards; s++)
        n += p->fleets[s].of[other->index].n_ups;
    return n;
}

static bool is_up(const struct player *p, const struct player *other)
{
    bool up = true;

    for (unsigned s = 0; s < p->n_shards; s++)
        up = up && p->fleets[s].of[other->index].up;
    return up;
}

static bool is_dead(const struct player *p, const struct player *other)
{
    bool dead = true;

    for (unsigned s = 0; s < p->n_shards; s++)
        dead = dead && p->fleets[s].of[other->index].dead && !p->fleets[s].of[other->index].up;
    return dead;
}

/* One connection for each shard, and it stays. */
START_TEST(nodes_with_as_many_shards_have_one_connection_each)
{
    struct bed *b = bed_new(1, 3, 2, 4);

    bed_start(b);
    bed_run_until_up(b, SEC);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, i, (i + 1) % 3), 4);
        ck_assert_uint_eq(b->players[i].fleets[3].of[(i + 1) % 3].n_shards, 4);
        ck_assert_uint_eq(n_ups(&b->players[i], &b->players[(i + 1) % 3]), 4);
        ck_assert_uint_eq(player_stats(&b->players[i]).peers_connected, 2);
        ck_assert_uint_eq(player_stats(&b->players[i]).connections, 8);
    }
    bed_run(b, 60 * SEC);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(n_ups(&b->players[i], &b->players[(i + 1) % 3]), 4);
    ck_assert_uint_eq(b->players[0].n_refused, 0);
    bed_free(b);
}
END_TEST

/* 2 and 3 shards: each pair has groups in common; 2 and 4: half of them. */
START_TEST(numbers_of_shards_may_differ)
{
    static const unsigned n_wires[BED_MAX_SHARDS + 1] = { [1] = 2, [3] = 6, [4] = 4 };

    for (unsigned n = 1; n <= BED_MAX_SHARDS; n++) {
        struct bed *b = bed_new(n, 2, 2, 2);

        if (n_wires[n] == 0) {
            bed_free(b);
            continue;
        }
        b->players[1].n_shards = n;
        b->players[1].n_reactors = 1;
        bed_start(b);
        bed_run_until_up(b, SEC);
        bed_run(b, SEC);
        ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), n_wires[n]);
        bed_free(b);
    }
}
END_TEST

/* Slower than the courtesy: both have asked before either hears of the other. */
START_TEST(both_may_dial_at_once)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct bed *b = bed_new(seed, 2, 1 + seed % 2, 2);

        bed_delay(b, 150 * MS, seed % 3 * 100 * MS);
        bed_start(b);
        bed_run_until_up(b, 4 * SEC);
        bed_run(b, 5 * SEC);
        for (unsigned i = 0; i < 2; i++)
            b->players[i].fleets[0].of[1 - i].n_ups = b->players[i].fleets[1].of[1 - i].n_ups = 0;
        bed_run(b, 20 * SEC);
        ck_assert(bed_is_up(b));
        ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 2);
        ck_assert_uint_eq(n_ups(&b->players[0], &b->players[1]), 0);
        ck_assert_uint_eq(n_ups(&b->players[1], &b->players[0]), 0);
        bed_free(b);
    }
}
END_TEST

/* Where only one of them can reach the other, the connection is that one's. */
START_TEST(one_side_is_enough_to_dial)
{
    for (unsigned from = 0; from < 2; from++) {
        struct bed *b = bed_new(3, 2, 2, 2);

        sim_mesh_path(b->mesh, from, 1 - from)->reach = from == 0 ? SIM_REACH_REFUSED : SIM_REACH_SILENT;
        bed_start(b);
        bed_run_until_up(b, 10 * SEC);
        bed_free(b);
    }
}
END_TEST

/* Whoever is to dial first: a reset says enough. */
START_TEST(who_ends_is_dead_and_comes_back)
{
    for (unsigned i = 0; i < 2; i++) {
        struct bed *b = bed_new(4, 2, 2, 2);
        struct player *p = &b->players[i], *q = &b->players[1 - i];

        bed_start(b);
        bed_run_until_up(b, SEC);
        bed_run(b, 2 * SEC);
        player_end(q, false);
        bed_run(b, 10 * MS);
        ck_assert(is_dead(p, q));
        bed_run(b, 10 * SEC);
        q->boot++;
        player_start(q);
        player_know(q, p);
        bed_run_until_up(b, 3 * SEC);
        ck_assert_uint_eq(p->n_refused, 0);
        bed_free(b);
    }
}
END_TEST

/* The shard's fleet hears of it when that was the last one. */
START_TEST(one_of_several_connections_may_end)
{
    struct bed *b = bed_new(19, 2, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];
    struct links_channel *ch;
    struct links_peer *of_p;

    q->n_shards = 2;
    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, 2 * SEC);
    of_p = links_peer_find(q->reactors[0].links, "a");
    list_foreach (&of_p->channels, ch, link)
        if (ch->shard->index == 1)
            links_conn_ended(ch->conn, 0);
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(q->fleets[1].of[0].n_downs, 1);
    ck_assert_uint_eq(q->fleets[0].of[0].n_downs, 0);
    ck_assert_uint_eq(p->fleets[0].of[1].n_downs, 0);
    bed_run(b, SEC);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 2);
    ck_assert(bed_is_up(b));
    bed_free(b);
}
END_TEST

/* It closes its connections, and refuses the next. */
START_TEST(who_stops_is_dead_at_once)
{
    struct bed *b = bed_new(5, 2, 3, 4);
    struct player *p = &b->players[0], *q = &b->players[1];

    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, 2 * SEC);
    player_stop(q);
    bed_run(b, 500 * MS);
    ck_assert(is_dead(p, q));
    player_stop(p);
    bed_free(b);
}
END_TEST

START_TEST(a_lost_host_is_found_by_its_silence)
{
    struct bed *b = bed_new(6, 2, 1, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    p->beats = q->beats = true;
    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, 5 * SEC);
    ck_assert(bed_is_up(b));
    ck_assert_uint_gt(p->n_sessions, 100);
    player_end(q, true);
    bed_run(b, 2 * SEC);
    ck_assert(is_up(p, q));
    bed_run(b, 2 * SEC);
    ck_assert(!is_up(p, q) && !is_dead(p, q));
    q->boot++;
    player_start(q);
    player_know(q, p);
    bed_run_until_up(b, 6 * SEC);
    bed_free(b);
}
END_TEST

/* The other way works on: its bytes arrive, and don't help. */
START_TEST(a_way_that_is_mute_ends_the_connection)
{
    struct bed *b = bed_new(7, 2, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];

    p->beats = q->beats = true;
    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, SEC);
    bed_hold(b, 1, 0, true);
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(p, q));
    bed_hold(b, 1, 0, false);
    bed_run_until_up(b, 6 * SEC);
    bed_free(b);
}
END_TEST

/* Who has nothing to say isn't asked to. */
START_TEST(silence_without_sessions_is_no_reason)
{
    struct bed *b = bed_new(8, 2, 1, 2);

    bed_start(b);
    bed_run_until_up(b, SEC);
    bed_run(b, 300 * SEC);
    ck_assert_uint_eq(n_ups(&b->players[0], &b->players[1]), 2);
    ck_assert(bed_is_up(b));
    bed_free(b);
}
END_TEST

/* What the other node was told of its own end never came: its new connection takes the place of the old one. */
START_TEST(a_restart_that_nobody_saw)
{
    struct bed *b = bed_new(9, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    bed_start(b);
    bed_run_until_up(b, SEC);
    player_end(q, true);
    q->boot++;
    player_start(q);
    player_know(q, p);
    ck_assert(is_up(p, q)); /* as far as it knows */
    bed_run(b, SEC);
    ck_assert(bed_is_up(b));
    ck_assert_uint_ge(n_ups(p, q), 4);
    bed_free(b);
}
END_TEST

static void come_back_as(struct bed *b, uint64_t boot, uint64_t lsn, const char *text)
{
    struct player *p = &b->players[0], *q = &b->players[1];

    player_end(q, false);
    q->boot = boot;
    q->lsn = lsn;
    player_start(q);
    player_know(q, p);
    p->refused[0] = '\0';
    bed_run(b, 15 * SEC);
    if (text == NULL) {
        ck_assert(bed_is_up(b));
        ck_assert_str_eq(p->refused, "");
        return;
    }
    ck_assert(!is_up(p, q) && !is_up(q, p));
    ck_assert_str_eq(p->refused, text);
}

START_TEST(an_old_disk_image_is_refused)
{
    struct bed *b = bed_new(10, 2, 2, 2);

    b->players[1].boot = 5;
    b->players[1].lsn = 1000;
    bed_start(b);
    bed_run_until_up(b, SEC);
    come_back_as(
        b, 4, 1000,
        "node 'b' runs on an old disk image: its count of starts went back from 5 to 4; it can come back with a "
        "blank data directory");
    come_back_as(b, 5, 1000, NULL); /* the count couldn't be written, or it never lost anything */
    come_back_as(b, 6, 999,
                 "node 'b' runs on an old disk image: its journal went back from 1000 to 999; it can come back with a "
                 "blank data directory");
    come_back_as(b, 6, 1001, NULL);
    bed_free(b);
}
END_TEST

/* Which a data directory is that isn't the known one, only the metadata tells: one that was there before, or one that
 * is newer than what is known. */
START_TEST(a_former_data_directory_is_refused)
{
    struct bed *b = bed_new(11, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    bed_start(b);
    bed_run_until_up(b, SEC);
    player_end(q, false);
    q->incarnation.bytes[1] = 7;
    q->boot = 1;
    q->n_shards = 3;
    p->replaced = q->incarnation;
    player_start(q);
    player_know(q, p);
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(p, q));
    ck_assert_str_eq(p->refused, "node 'b' has a data directory that it lost, as far as the cluster knows: it was "
                                 "readmitted with another one");
    p->replaced.bytes[1] = 8;
    bed_run_until_up(b, 5 * SEC);
    player_know(p, q); /* nothing new */
    ck_assert(bed_is_up(b));
    ck_assert_uint_eq(p->fleets[0].of[1].n_shards, 3);
    bed_free(b);
}
END_TEST

/* Until the cluster knows it by one, it may be any. */
START_TEST(a_data_directory_may_change_before_it_counts)
{
    struct bed *b = bed_new(12, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];
    struct uuid first = q->incarnation;

    bed_start(b);
    q->incarnation = (struct uuid){ 0 };
    player_know(p, q);
    q->incarnation = first;
    bed_run_until_up(b, SEC);
    player_end(q, false);
    q->incarnation.bytes[1] = 7;
    q->n_shards = 4;
    player_start(q);
    player_know(q, p);
    bed_run_until_up(b, 5 * SEC);
    bed_run(b, 10 * SEC);
    ck_assert(bed_is_up(b));
    ck_assert_uint_eq(p->fleets[1].of[1].n_shards, 4);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 4);
    bed_free(b);
}
END_TEST

START_TEST(another_cluster_is_refused)
{
    struct bed *b = bed_new(13, 2, 1, 1);

    b->players[1].cluster_id.bytes[0] = 98;
    bed_start(b);
    bed_run(b, 10 * SEC);
    ck_assert(!is_up(&b->players[0], &b->players[1]));
    ck_assert_str_eq(b->players[1].refused, "node 'a' is of another cluster");
    ck_assert_uint_eq(b->players[0].n_hellos + b->players[1].n_hellos, 0);
    bed_free(b);
}
END_TEST

START_TEST(a_broker_id_must_be_its_own)
{
    struct bed *b = bed_new(14, 2, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];

    player_start(p);
    player_start(q);
    q->broker_id = 3;
    player_know(p, q);
    player_know(q, p);
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(p, q));
    ck_assert_str_eq(p->refused, "node 'b' calls itself broker 2, the cluster calls it 3");
    bed_free(b);
}
END_TEST

/* Words go before anybody has a broker id; groups hear nothing until both have. */
START_TEST(words_come_before_broker_ids)
{
    struct bed *b = bed_new(15, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    for (unsigned i = 0; i < 2; i++) {
        b->players[i].broker_id = -1;
        b->players[i].cluster_id = (struct uuid){ 0 };
    }
    bed_start(b);
    bed_run(b, SEC);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 1);
    ck_assert_uint_gt(p->n_hellos, 0);
    node_links.tell(&p->node, "b", NODE_WORD_FORM, slice_str("you are 2"));
    node_links.tell(&p->node, "nobody", NODE_WORD_FORM, slice_str("x"));
    bed_run(b, SEC);
    ck_assert_uint_eq(q->n_words, 1);
    ck_assert_str_eq(q->word, "a 1 you are 2");
    /* a has formed the cluster, b didn't hear of it yet. */
    p->broker_id = p->node.superblock.broker_id = 1;
    p->node.superblock.cluster_id.bytes[0] = 99;
    q->broker_id = 2;
    player_know(p, q);
    bed_run(b, SEC);
    ck_assert(!is_up(p, q) && !is_up(q, p));
    node_links.tell(&p->node, "b", NODE_WORD_FORM, slice_str("again"));
    bed_run(b, SEC);
    ck_assert_str_eq(q->word, "a 1 again");
    player_know(q, p);
    bed_run(b, SEC);
    ck_assert(!is_up(p, q) && !is_up(q, p));
    q->node.superblock.broker_id = 2;
    q->node.superblock.cluster_id.bytes[0] = 99;
    bed_run_until_up(b, 5 * SEC);
    ck_assert_uint_eq(sim_mesh_n_wires(b->mesh, 0, 1), 2);
    bed_free(b);
}
END_TEST

START_TEST(a_stranger_is_heard_once_and_closed)
{
    struct bed *b = bed_new(16, 2, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    player_start(p);
    player_start(q);
    player_know(q, p);
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(q, p));
    ck_assert_uint_gt(p->n_hellos, 1);
    ck_assert_str_eq(p->refused, "node 'b' isn't known to this one");
    p->welcomes = "b";
    bed_run_until_up(b, 5 * SEC);
    bed_free(b);
}
END_TEST

START_TEST(who_is_forgotten_is_cut_off)
{
    struct bed *b = bed_new(17, 3, 2, 2);
    struct player *p = &b->players[0], *q = &b->players[1];

    bed_start(b);
    bed_run_until_up(b, SEC);
    node_links.forget(&p->node, "b");
    bed_run(b, 10 * MS);
    ck_assert(!is_up(p, q) && is_up(p, &b->players[2]));
    bed_run(b, 10 * SEC);
    ck_assert_uint_eq(player_stats(p).peers, 1);
    ck_assert(!is_up(q, p));
    player_know(p, q);
    bed_run_until_up(b, 5 * SEC);
    bed_free(b);
}
END_TEST

/* The address is where it moved to; the broker at the old one is another. */
START_TEST(a_new_address_is_dialed)
{
    struct bed *b = bed_new(18, 3, 1, 1);
    struct player *p = &b->players[0], *q = &b->players[1];

    for (unsigned i = 0; i < 3; i++)
        player_start(&b->players[i]);
    node_links.know(&p->node, &(struct node_peer){ "b", b->players[2].address, 2, { { 0 } } });
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(p, q));
    ck_assert_uint_gt(b->players[2].n_hellos, 0);
    player_know(&b->players[2], p);
    player_know(p, &b->players[2]);
    bed_run(b, 5 * SEC);
    ck_assert(!is_up(p, q));
    ck_assert_str_eq(p->refused, "node 'c' answers in place of another node");
    player_know(p, q);
    player_know(q, p);
    bed_run(b, 5 * SEC);
    ck_assert(is_up(p, q) && is_up(q, p));
    bed_free(b);
}
END_TEST

Suite *links_meet_suite(void)
{
    Suite *s = suite_create("meet");

    suite_add(s, nodes_with_as_many_shards_have_one_connection_each);
    suite_add(s, numbers_of_shards_may_differ);
    suite_add(s, both_may_dial_at_once);
    suite_add(s, one_side_is_enough_to_dial);
    suite_add(s, who_ends_is_dead_and_comes_back);
    suite_add(s, one_of_several_connections_may_end);
    suite_add(s, who_stops_is_dead_at_once);
    suite_add(s, a_lost_host_is_found_by_its_silence);
    suite_add(s, a_way_that_is_mute_ends_the_connection);
    suite_add(s, silence_without_sessions_is_no_reason);
    suite_add(s, a_restart_that_nobody_saw);
    suite_add(s, an_old_disk_image_is_refused);
    suite_add(s, a_former_data_directory_is_refused);
    suite_add(s, a_data_directory_may_change_before_it_counts);
    suite_add(s, another_cluster_is_refused);
    suite_add(s, a_broker_id_must_be_its_own);
    suite_add(s, words_come_before_broker_ids);
    suite_add(s, a_stranger_is_heard_once_and_closed);
    suite_add(s, who_is_forgotten_is_cut_off);
    suite_add(s, a_new_address_is_dialed);
    return s;
}
