/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Hand-made histories: those that are as they should be, and one for each thing that can be wrong with them. */

#include "world/internal.h"
#include "world/suites.h"

static struct world *world;
static struct model *model;
static struct partition *part;

static void set_up(void)
{
    struct world_options o = { .seed = 1, .n_nodes = 1 };

    world = world_new(&o);
    model = world->model;
    for (unsigned t = 0; t < model->n_topics; t++) /* the seed may say otherwise */
        model->topics[t].partitions[0]->start_asked = 0;
    part = model_partition(model, 0, 0);
}

static void tear_down(void)
{
    world_free(world);
}

static void expect_failure(const char *text)
{
    ck_assert_ptr_nonnull(world_failure(world));
    ck_assert_msg(strstr(world_failure(world), text) != NULL, "%s", world_failure(world));
}

static void expect_none(void)
{
    ck_assert_msg(world_failure(world) == NULL, "%s", world_failure(world));
}

/* A record that was sent once. */
static uint64_t sent(bool once)
{
    uint64_t id = model_add(model, part, 2, once);

    model_sent(model, id, 1);
    return id;
}

static void audit(int64_t start, int64_t end)
{
    model_begin_audit(model);
    for (int64_t o = start; o < end; o++)
        model_saw(model, part, o, part->log[o], true);
    model_end_audit(model, part, start, end);
}

START_TEST(a_good_history)
{
    uint64_t a = sent(true), b = sent(true), c = sent(false), d = sent(false);

    model_acked(model, a, 1, 0, 1);
    model_saw(model, part, 1, b, false); /* not acknowledged, and there */
    model_sent(model, c, 1);
    model_saw(model, part, 2, c, false); /* twice: a plain producer sent it twice */
    model_saw(model, part, 3, c, false);
    model_refused(model, d, 1);
    audit(0, 4);
    audit(0, 4);
    expect_none();
}
END_TEST

START_TEST(records_may_be_deleted_when_asked)
{
    uint64_t a = sent(true), b = sent(true);

    model_acked(model, a, 1, 0, 1);
    model_acked(model, b, 1, 1, 1);
    part->start_asked = 1;
    model_told(model, part, &(struct floor){ 0 }, 2, 1);
    audit(1, 2);
    expect_none();
}
END_TEST

/* And nobody was told of them, nor saw them. */
START_TEST(all_records_may_be_gone)
{
    sent(true);
    part->start_asked = INT64_MAX;
    model_told(model, part, &(struct floor){ 0 }, 1, 1);
    audit(1, 1);
    expect_none();
    model_end_audit(model, part, 1, 2);
    expect_failure("records end at");
}
END_TEST

START_TEST(a_lost_write)
{
    model_acked(model, sent(true), 1, 0, 1);
    model_acked(model, sent(true), 1, 1, 1);
    audit(0, 1);
    expect_failure("lost write");
}
END_TEST

START_TEST(a_lost_write_that_was_only_seen)
{
    model_saw(model, part, 0, sent(true), false);
    audit(0, 0);
    expect_failure("lost write");
}
END_TEST

START_TEST(a_lost_write_without_an_offset)
{
    model_acked(model, sent(true), 1, -1, 1);
    audit(0, 0);
    expect_failure("lost write");
}
END_TEST

START_TEST(a_hole)
{
    model_saw(model, part, 0, sent(true), false);
    model_saw(model, part, 2, sent(true), false);
    model_begin_audit(model);
    model_saw(model, part, 0, 1, true);
    model_saw(model, part, 2, 2, true);
    model_end_audit(model, part, 0, 3);
    expect_failure("hole");
}
END_TEST

START_TEST(two_values_at_one_offset)
{
    model_acked(model, sent(true), 1, 0, 1);
    model_saw(model, part, 0, sent(true), false);
    expect_failure("had record");
}
END_TEST

START_TEST(a_duplicate)
{
    uint64_t a = sent(true);

    model_sent(model, a, 1);
    model_saw(model, part, 0, a, false);
    model_saw(model, part, 1, a, false);
    expect_failure("duplicate");
}
END_TEST

START_TEST(more_copies_than_tries)
{
    uint64_t a = sent(false);

    model_saw(model, part, 0, a, false);
    model_saw(model, part, 1, a, false);
    expect_failure("copies");
}
END_TEST

START_TEST(an_aborted_read)
{
    uint64_t a = sent(false);

    model_refused(model, a, 1);
    model_saw(model, part, 0, a, false);
    expect_failure("copies");
}
END_TEST

START_TEST(a_no_for_what_was_seen)
{
    uint64_t a = sent(false);

    model_saw(model, part, 0, a, false);
    model_refused(model, a, 1);
    expect_failure("was told that it isn't");
}
END_TEST

START_TEST(the_wrong_order)
{
    uint64_t a = sent(true), b = sent(true);

    model_saw(model, part, 0, b, false);
    model_saw(model, part, 1, a, false);
    audit(0, 2);
    expect_failure("stands behind");
}
END_TEST

START_TEST(a_record_of_nobody)
{
    model_saw(model, part, 0, 77, false);
    expect_failure("nobody sent");
}
END_TEST

START_TEST(a_high_watermark_that_goes_back)
{
    struct floor floor;

    model_told(model, part, &(struct floor){ 0 }, 5, 0);
    floor = model_floor(model, part, 1);
    model_told(model, part, &(struct floor){ 0 }, 4, 0); /* asked before the other answer came */
    expect_none();
    model_told(model, part, &floor, 4, 0);
    expect_failure("high watermark went back");
}
END_TEST

START_TEST(a_log_start_that_goes_back)
{
    struct floor floor;

    part->start_asked = 5;
    model_told(model, part, &(struct floor){ 0 }, 5, 5);
    floor = model_floor(model, part, 1);
    model_told(model, part, &floor, 5, 4);
    expect_failure("log start went back");
}
END_TEST

START_TEST(a_log_start_that_nobody_asked_for)
{
    model_told(model, part, &(struct floor){ 0 }, 5, 1);
    expect_failure("nobody asked");
}
END_TEST

/* Sent once, acknowledged by this process, and read back from a batch of that epoch. */
static void written(int64_t offset, uint32_t life, int32_t epoch)
{
    uint64_t id = sent(false);

    model_acked(model, id, 1, offset, life);
    model_saw_epoch(model, part, offset, epoch);
}

START_TEST(each_life_in_its_epochs)
{
    written(0, 1, 1);
    written(1, 1, 1);
    written(2, 2, 3);
    written(3, 1, 2); /* of another node, before */
    expect_none();
}
END_TEST

START_TEST(two_lives_in_one_epoch)
{
    written(0, 1, 1);
    written(1, 2, 1);
    expect_failure("wrote in epoch");
}
END_TEST

/* What an old topic's requests bring to the next one of its name isn't held against anybody. */
START_TEST(a_topic_that_is_made_again)
{
    struct topic *t = &model->topics[0];
    uint64_t late = sent(true), never;

    model_acked(model, late, 1, 0, 1);
    model_delete_topic(model, t);
    never = sent(true);
    model_acked(model, never, 1, 1, 1);
    model_begin_topic(model, t);
    ck_assert_ptr_ne(t->partitions[0], part);
    part = t->partitions[0];
    model_saw(model, part, 0, late, false);
    audit(0, 1);
    expect_none();
}
END_TEST

/* ---- Several replicas ---- */

#define LIFE(node) ((uint32_t)(node) << 24 | 1)

static void set_up_cluster(void)
{
    struct world_options o = { .seed = 1, .n_nodes = 3 };

    world = world_new(&o);
    model = world->model;
    model->topics[0].n_replicas = 3;
    part = model_partition(model, 0, 0);
    part->start_asked = 0;
}

static void told(uint32_t life, int64_t high_watermark, int64_t log_start)
{
    struct floor floor = model_floor(model, part, life);

    model_told(model, part, &floor, high_watermark, log_start);
}

START_TEST(another_node_may_know_less)
{
    part->start_asked = 3;
    told(LIFE(0), 5, 3);
    told(LIFE(1), 4, 2);
    told(LIFE(0) + 1, 4, 2);
    expect_none();
    told(LIFE(1), 3, 2);
    expect_failure("high watermark went back");
}
END_TEST

START_TEST(the_end_is_what_all_know)
{
    struct floor floor;

    told(LIFE(0), 5, 0);
    floor = model_floor_of_end(model, part, LIFE(1));
    model_told(model, part, &floor, 4, 0);
    expect_failure("high watermark went back");
}
END_TEST

/* The record at offset 0 that a leader took in that epoch, and the leader of the epoch at the end. */
static void took_alone(int32_t epoch, int32_t last_epoch)
{
    model_acked_alone(model, sent(false), 1, 0, epoch);
    part->leader_epoch = last_epoch;
}

START_TEST(what_a_leader_took_alone_may_be_lost_with_it)
{
    took_alone(3, 4);
    model_saw(model, part, 0, sent(false), false); /* of the next leader */
    audit(0, 1);
    expect_none();
}
END_TEST

START_TEST(what_a_leader_took_alone_and_lost)
{
    took_alone(3, 3);
    audit(0, 0);
    expect_failure("who leads still");
}
END_TEST

START_TEST(what_a_leader_took_alone_is_elsewhere)
{
    took_alone(3, 4);
    model_saw(model, part, 1, 1, false);
    expect_failure("is elsewhere");
}
END_TEST

START_TEST(what_was_elsewhere_before_it_was_told)
{
    uint64_t id = sent(false);

    model_saw(model, part, 1, id, false);
    model_acked_alone(model, id, 1, 0, 3);
    expect_failure("is elsewhere");
}
END_TEST

/* Who hasn't heard that it is gone must not take what is for the next one. */
START_TEST(a_topic_is_made_again_by_another_name)
{
    struct topic *t = &model->topics[0];

    ck_assert_str_eq(t->name, "t0");
    model_delete_topic(model, t);
    model_rename_topic(model, t);
    ck_assert_str_eq(t->name, "t0.2");
    model_begin_topic(model, t);
    ck_assert_uint_eq(t->n_lives, 2);
}
END_TEST

#define add(s, test) suite_add_with(s, test, set_up, tear_down)
#define add_of_cluster(s, test) suite_add_with(s, test, set_up_cluster, tear_down)

Suite *model_suite(void)
{
    Suite *s = suite_create("model");

    add(s, a_good_history);
    add(s, records_may_be_deleted_when_asked);
    add(s, all_records_may_be_gone);
    add(s, a_lost_write);
    add(s, a_lost_write_that_was_only_seen);
    add(s, a_lost_write_without_an_offset);
    add(s, a_hole);
    add(s, two_values_at_one_offset);
    add(s, a_duplicate);
    add(s, more_copies_than_tries);
    add(s, an_aborted_read);
    add(s, a_no_for_what_was_seen);
    add(s, the_wrong_order);
    add(s, a_record_of_nobody);
    add(s, a_high_watermark_that_goes_back);
    add(s, a_log_start_that_goes_back);
    add(s, a_log_start_that_nobody_asked_for);
    add(s, each_life_in_its_epochs);
    add(s, two_lives_in_one_epoch);
    add(s, a_topic_that_is_made_again);
    add_of_cluster(s, another_node_may_know_less);
    add_of_cluster(s, the_end_is_what_all_know);
    add_of_cluster(s, what_a_leader_took_alone_may_be_lost_with_it);
    add_of_cluster(s, what_a_leader_took_alone_and_lost);
    add_of_cluster(s, what_a_leader_took_alone_is_elsewhere);
    add_of_cluster(s, what_was_elsewhere_before_it_was_told);
    add_of_cluster(s, a_topic_is_made_again_by_another_name);
    return s;
}
