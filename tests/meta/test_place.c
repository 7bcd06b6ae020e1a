/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters of several brokers: who forms them, who registers, and where partitions go. */
#include <stdio.h>

#include "meta/state.h"
#include "meta/suites.h"

enum {
    INVALID_REPLICATION_FACTOR = 38,
    INVALID_REQUEST = 42,
    DUPLICATE_BROKER = 101,
};

static struct state s;

static void setup(void)
{
    state_init(&s, 1);
}

static void teardown(void)
{
    state_fini(&s);
}

static const struct meta_topic *topic(const char *name)
{
    return meta_topic_by_name(&s.meta, slice_str(name));
}

START_TEST(brokers_form_a_cluster)
{
    struct uuid cluster = state_id(1);
    const struct meta_broker *b;

    ck_assert_int_eq(state_form(&s, 5), 0);
    ck_assert_int_eq(s.event.kind, META_FORMED);
    ck_assert(uuid_eq(&s.meta.cluster_id, &cluster));
    ck_assert(meta_is_cluster(&s.meta));
    ck_assert_uint_eq(meta_n_brokers(&s.meta), 5);
    b = meta_broker_by_id(&s.meta, 4);
    ck_assert_str_eq(b->node_id, "n4");
    ck_assert_str_eq(b->raft_addr, "host4:9093");
    ck_assert_uint_eq(b->port, 0);
    ck_assert(!b->votes && meta_broker_by_id(&s.meta, 3)->votes);
    ck_assert_int_eq(state_form(&s, 5), INVALID_REQUEST);
    ck_assert_int_eq(s.event.kind, META_NOTHING);
}
END_TEST

START_TEST(a_formation_is_read_back)
{
    struct meta_formation f, read;
    struct wr w;

    state_founders(&f, 4);
    wr_init_growing(&w, 64, STATE_COMMAND_MAX);
    meta_write_formation(&w, &f);
    ck_assert_int_eq(meta_formation_read(slice_make(w.start, wr_size(&w)), &read), 0);
    ck_assert(uuid_eq(&read.cluster_id, &f.cluster_id));
    ck_assert_int_eq(read.formed_ms, f.formed_ms);
    ck_assert_uint_eq(read.n_founders, 4);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(read.founders[i].id, f.founders[i].id);
        ck_assert_str_eq(read.founders[i].node_id, f.founders[i].node_id);
        ck_assert_str_eq(read.founders[i].raft_addr, f.founders[i].raft_addr);
        ck_assert(uuid_eq(&read.founders[i].incarnation, &f.founders[i].incarnation));
        ck_assert_int_eq(read.founders[i].votes, f.founders[i].votes);
    }
    meta_formation_fini(&read);
    wr_reset(&w);
    meta_write_form(&w, &f.cluster_id);
    ck_assert_int_eq(meta_formation_read(slice_make(w.start, wr_size(&w)), &read), -EBADMSG);
    wr_fini(&w);
}
END_TEST

static void spoil(struct meta_formation *f, int how)
{
    switch (how) {
    case 0:
        f->founders[1].id = f->founders[0].id;
        break;
    case 1:
        f->founders[0].id = 0;
        break;
    case 2:
        f->founders[2].node_id = f->founders[0].node_id;
        break;
    case 3:
        f->founders[2].incarnation = (struct uuid){ 0 };
        break;
    case 4:
        f->founders[0].votes = f->founders[1].votes = f->founders[2].votes = false;
        break;
    case 5:
        f->n_founders = 0;
        break;
    case 6:
        f->cluster_id = (struct uuid){ 0 };
        break;
    default:
        f->founders[1].raft_addr = NULL;
        break;
    }
}

/* Nobody may be asked to take part in what can't be a cluster. */
START_TEST(unsound_formations_are_no_commands)
{
    struct meta_formation f, read;
    struct wr w;

    state_founders(&f, 3);
    spoil(&f, _i);
    wr_init_growing(&w, 64, STATE_COMMAND_MAX);
    meta_write_formation(&w, &f);
    ck_assert_int_eq(meta_check(slice_make(w.start, wr_size(&w))), -EBADMSG);
    ck_assert_int_eq(meta_formation_read(slice_make(w.start, wr_size(&w)), &read), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(brokers_register_as_whom_they_were)
{
    struct meta_formation f;
    struct meta_broker b;

    ck_assert_int_eq(state_form(&s, 3), 0);
    ck_assert_int_eq(state_register(&s, 2, "east"), 0);
    ck_assert_str_eq(meta_broker_by_id(&s.meta, 2)->rack, "east");
    ck_assert_uint_eq(meta_broker_by_id(&s.meta, 2)->port, 9092);
    ck_assert(meta_broker_by_id(&s.meta, 2)->votes);
    ck_assert_int_eq(state_register(&s, 4, NULL), DUPLICATE_BROKER);
    state_founders(&f, 3);
    b = (struct meta_broker){ .id = 2, .node_id = f.founders[1].node_id, .host = (char *)"", .port = 1 };
    b.raft_addr = (char *)"elsewhere:1";
    b.incarnation = f.founders[0].incarnation;
    meta_write_broker(&s.command, &b);
    ck_assert_int_eq(state_apply(&s), DUPLICATE_BROKER);
    b.incarnation = f.founders[1].incarnation;
    meta_write_broker(&s.command, &b);
    ck_assert_int_eq(state_apply(&s), 0);
    ck_assert_str_eq(meta_broker_by_id(&s.meta, 2)->raft_addr, "elsewhere:1");
}
END_TEST

/* ---- Placement ---- */

static void check_distinct(const struct meta_topic *t)
{
    for (int32_t p = 0; p < t->n_partitions; p++) {
        const int32_t *replicas = meta_replicas(t, p);

        ck_assert_int_eq(t->partitions[p].leader, replicas[0]);
        for (int i = 0; i < t->n_replicas; i++) {
            ck_assert_ptr_nonnull(meta_broker_by_id(&s.meta, replicas[i]));
            ck_assert_int_eq(meta_replica_of(t, p, replicas[i]), i);
        }
    }
}

START_TEST(partitions_are_spread)
{
    int n_led[6] = { 0 }, n_held[6] = { 0 }, n_pairs[6][6] = { { 0 } };
    const struct meta_topic *t;

    ck_assert_int_eq(state_form(&s, 5), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 20, 3), 0);
    t = topic("orders");
    ck_assert_int_eq(t->n_replicas, 3);
    check_distinct(t);
    for (int32_t p = 0; p < 20; p++) {
        n_led[meta_replicas(t, p)[0]]++;
        for (int i = 0; i < 3; i++)
            n_held[meta_replicas(t, p)[i]]++;
        n_pairs[meta_replicas(t, p)[0]][meta_replicas(t, p)[1]]++;
    }
    for (int b = 1; b <= 5; b++) {
        ck_assert_int_eq(n_led[b], 4);
        ck_assert_int_eq(n_held[b], 12);
        for (int other = 1; other <= 5; other++)
            ck_assert_int_eq(n_pairs[b][other], b != other);
    }
}
END_TEST

/* Small topics take turns, too. */
START_TEST(leaders_take_turns_over_topics)
{
    int n_led[4] = { 0 };
    char name[8];

    ck_assert_int_eq(state_form(&s, 3), 0);
    for (uint8_t i = 1; i <= 9; i++) {
        snprintf(name, sizeof(name), "t%u", i);
        ck_assert_int_eq(state_create_of(&s, name, i, 1, 2), 0);
        n_led[topic(name)->partitions[0].leader]++;
    }
    for (int b = 1; b <= 3; b++)
        ck_assert_int_eq(n_led[b], 3);
}
END_TEST

START_TEST(racks_have_one_replica_before_two)
{
    static const char *const racks[] = { "a", "a", "a", "b", "b", NULL };
    const struct meta_topic *t;

    ck_assert_int_eq(state_form(&s, 6), 0);
    for (int32_t b = 1; b <= 6; b++)
        ck_assert_int_eq(state_register(&s, b, racks[b - 1]), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 60, 3), 0);
    ck_assert_int_eq(state_create_of(&s, "all", 2, 6, 6), 0);
    t = topic("orders");
    check_distinct(t);
    check_distinct(topic("all"));
    for (int32_t p = 0; p < 60; p++) {
        int n[3] = { 0 };

        for (int i = 0; i < 3; i++) {
            const char *rack = racks[meta_replicas(t, p)[i] - 1];

            n[rack == NULL ? 2 : rack[0] - 'a']++;
        }
        ck_assert(n[0] == 1 && n[1] == 1 && n[2] == 1);
    }
}
END_TEST

START_TEST(replicas_need_brokers)
{
    ck_assert_int_eq(state_form(&s, 3), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 1, 4), INVALID_REPLICATION_FACTOR);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 1, 0), INVALID_REPLICATION_FACTOR);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 1, 3), 0);
}
END_TEST

START_TEST(added_partitions_are_placed)
{
    struct uuid id = state_id(1);
    const struct meta_topic *t;

    ck_assert_int_eq(state_form(&s, 3), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 1, 1, 2), 0);
    meta_write_partitions_add(&s.command, &id, 4);
    ck_assert_int_eq(state_apply(&s), 0);
    t = topic("orders");
    ck_assert_int_eq(t->n_partitions, 4);
    check_distinct(t);
    ck_assert_int_ne(meta_replicas(t, 1)[0], meta_replicas(t, 0)[0]);
    ck_assert_int_ne(meta_replicas(t, 2)[0], meta_replicas(t, 1)[0]);
}
END_TEST

START_TEST(a_cluster_has_an_image)
{
    _cleanup_(freep) char *before = NULL, *after = NULL;
    struct meta copy;

    ck_assert_int_eq(state_form(&s, 4), 0);
    ck_assert_int_eq(state_register(&s, 1, "east"), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 9, 3, 3), 0);
    ck_assert_int_eq(state_create_of(&s, "claims", 8, 2, 1), 0);
    before = meta_text(&s.meta);
    meta_copy(&s.meta, &copy);
    after = meta_text(&copy);
    ck_assert_str_eq(after, before);
    meta_fini(&copy);
}
END_TEST

Suite *meta_place_suite(void)
{
    Suite *suite = suite_create("place");
    TCase *tc = tcase_create("unsound_formations_are_no_commands");

    suite_add_with(suite, brokers_form_a_cluster, setup, teardown);
    suite_add(suite, a_formation_is_read_back);
    tcase_add_loop_test(tc, unsound_formations_are_no_commands, 0, 8);
    suite_add_tcase(suite, tc);
    suite_add_with(suite, brokers_register_as_whom_they_were, setup, teardown);
    suite_add_with(suite, partitions_are_spread, setup, teardown);
    suite_add_with(suite, leaders_take_turns_over_topics, setup, teardown);
    suite_add_with(suite, racks_have_one_replica_before_two, setup, teardown);
    suite_add_with(suite, replicas_need_brokers, setup, teardown);
    suite_add_with(suite, added_partitions_are_placed, setup, teardown);
    suite_add_with(suite, a_cluster_has_an_image, setup, teardown);
    return suite;
}
