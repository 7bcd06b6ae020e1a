/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Followers that are too far behind for entries. */

#include <errno.h>

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

static void delete_records(struct cluster *c, int node, int64_t offset)
{
    const struct replica_op op = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = offset };

    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[node], 0, &op)), 0);
    cluster_run(c, 300);
}

static void produce_many(struct cluster *c, int node, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, node, 300)), 0);
    cluster_run(c, 300);
}

/* Whose log ends where nobody else's begins any more gets the state there, producers and all, and goes on with
 * entries. */
START_TEST(who_is_below_the_log_start_gets_an_image)
{
    struct cluster *c = cluster_new(20, 4096);
    int leader = cluster_leader(c), away = (leader + 1) % 3;
    const struct replica *r;
    struct rig_op *op;
    uint64_t last;

    for (int32_t i = 0; i < 3; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce_as(c, leader, i)), 0);
    produce_many(c, leader, 3);
    last = replica_of(c, away)->last_index;
    cluster_crash(c, away);
    produce_many(c, leader, 60);
    delete_records(c, leader, 50);
    ck_assert_uint_gt(log_first_index(replica_of(c, leader)->log), last + 1);
    cluster_restart(c, away);
    cluster_run(c, 2000);
    r = replica_of(c, away);
    ck_assert_uint_eq(c->n_images, 1);
    ck_assert_uint_eq(r->applied_index, replica_of(c, leader)->applied_index);
    ck_assert_int_eq(replica_log_start(r), 50);
    ck_assert_uint_eq(log_first_index(r->log), log_first_index(replica_of(c, leader)->log));
    ck_assert_uint_eq(raft_start_index(r->raft) + 1, log_first_index(r->log));
    /* A retry of what lies below the start is known there. */
    cluster_hand_over(c, leader, away);
    op = cluster_produce_as(c, away, 2);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    ck_assert_int_eq(op->op.produce.ret_base_offset, 2);
    cluster_crash(c, away);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* At any moment on the way either log is there after a crash. */
START_TEST(a_crash_while_an_image_is_installed)
{
    struct cluster *c = cluster_new(21, 4096);

    for (unsigned steps = 0; steps < 48; steps++) {
        int leader = cluster_leader(c), away = (leader + 1) % 3;
        uint64_t n_images = c->n_images;

        cluster_crash(c, away);
        produce_many(c, leader, 25);
        delete_records(c, leader, replica_high_watermark(replica_of(c, leader)) - 3);
        cluster_restart(c, away);
        for (int i = 0; i < 3000 && c->n_images == n_images; i++)
            cluster_run(c, 1);
        ck_assert_uint_gt(c->n_images, n_images);
        for (unsigned i = 0; i < steps / 2; i++)
            cluster_step(c);
        if (steps % 2 == 0)
            cluster_crash(c, away);
        else
            cluster_kill(c, away);
        cluster_restart(c, away);
        cluster_run(c, 4500);
        leader = cluster_leader(c);
        ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, leader)->applied_index);
    }
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* Who sends it may have crashed at any moment, with a later state on its disk than its segments': it has the state that
 * goes with its first segment all the same, though nobody writes any more. */
START_TEST(an_image_of_who_has_started_anew)
{
    struct cluster *c = cluster_new(26, 2048);

    for (unsigned steps = 0; steps < 40; steps++) {
        int leader = cluster_leader(c), away = (leader + 1) % 3, other = (leader + 2) % 3;

        cluster_crash(c, away);
        for (int i = 0; i < 25; i++)
            ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
        delete_records(c, leader, replica_high_watermark(replica_of(c, leader)) - 3);
        for (int i = 0; i < 8; i++)
            cluster_wait(c, cluster_produce(c, leader, 300));
        for (unsigned i = 0; i < steps * 3; i++)
            cluster_step(c);
        cluster_crash(c, leader);
        cluster_crash(c, other);
        for (int i = 0; i < 3; i++)
            cluster_restart(c, i);
        cluster_run(c, 5000);
        leader = cluster_leader(c);
        for (int i = 0; i < 3; i++)
            ck_assert_msg(replica_of(c, i)->applied_index == replica_of(c, leader)->applied_index,
                          "round %u: node %d has %llu of %llu entries", steps, i,
                          (unsigned long long)replica_of(c, i)->applied_index,
                          (unsigned long long)replica_of(c, leader)->applied_index);
    }
    ck_assert_uint_gt(c->n_images, 3);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static void hold(struct cluster *c, int node, enum lane_kind kind, bool held)
{
    sim_lane_hold(c->nodes[node]->lane, kind, 0, held);
}

/* A node that has an image, which no worker writes yet. */
static int fall_behind(struct cluster *c)
{
    int leader = cluster_leader(c), away = (leader + 1) % 3;

    produce_many(c, leader, 3);
    cluster_crash(c, away);
    produce_many(c, leader, 60);
    delete_records(c, leader, 50);
    cluster_restart(c, away);
    c->cut[away] = true;
    cluster_run(c, 300); /* what a start has to do */
    c->cut[away] = false;
    hold(c, away, LANE_POOL, true);
    for (int i = 0; i < 3000 && replica_of(c, away)->peers->image == NULL; i++)
        cluster_run(c, 1);
    ck_assert_ptr_nonnull(replica_of(c, away)->peers->image);
    return away;
}

/* Where the file finds no room it is sent again, and its name is tried again. */
static void run_short(enum sim_disk_call call, uint64_t n_images)
{
    struct cluster *c = cluster_new(23, 4096);
    int away = fall_behind(c), leader = cluster_leader(c);

    ck_assert_uint_eq(c->n_images, 1);
    sim_disk_fail(c->nodes[away]->disk, call, 0, 1, -ENOSPC);
    hold(c, away, LANE_POOL, false);
    cluster_run(c, 5000);
    ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, leader)->applied_index);
    ck_assert_uint_eq(c->n_images, n_images);
    cluster_check(c);
    cluster_free(c);
}

START_TEST(an_image_that_finds_no_room)
{
    run_short(SIM_DISK_OPEN, 2);
    run_short(SIM_DISK_RENAME, 1);
}
END_TEST

START_TEST(a_stop_waits_for_no_image)
{
    struct cluster *c = cluster_new(24, 4096);
    int away = fall_behind(c);
    uint64_t last = replica_of(c, away)->last_index;

    replica_close(replica_of(c, away));
    hold(c, away, LANE_POOL, false);
    cluster_run(c, 200);
    ck_assert(replica_is_idle(replica_of(c, away)));
    ck_assert_uint_eq(replica_of(c, away)->last_index, last);
    cluster_kill(c, away);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static void destroy(struct cluster *c, int node)
{
    struct rig *r = c->nodes[node];

    rig_destroy(r, 0);
    c->up[node] = false;
    hold(c, node, LANE_POOL, false);
    hold(c, node, LANE_FLUSH, false);
    rig_run(r, 500000000);
    ck_assert(r->groups[0].destroyed);
    ck_assert_int_eq(r->fatal_error, 0);
    cluster_free(c);
}

START_TEST(a_group_that_goes_takes_its_image_along)
{
    struct cluster *c = cluster_new(25, 4096);
    int away = fall_behind(c);

    destroy(c, away);
    c = cluster_new(26, 4096);
    away = fall_behind(c);
    hold(c, away, LANE_FLUSH, true);
    hold(c, away, LANE_POOL, false);
    cluster_run(c, 20);
    ck_assert_uint_gt(replica_of(c, away)->applied_index, 20); /* the journal has it */
    ck_assert_ptr_nonnull(replica_of(c, away)->peers->image);
    destroy(c, away);
}
END_TEST

/* What can't be an image is seen before anything comes of it. */
START_TEST(malformed_images_are_refused)
{
    struct cluster *c = cluster_new(22, 1 << 20);
    int leader = cluster_leader(c), to = (leader + 1) % 3;
    struct replica *r = replica_of(c, to);
    struct replica_message m = { .group = 1, .raft = { .kind = RAFT_SNAPSHOT, .from = leader + 1, .to = to + 1 } };
    struct replica_image image = { .next_offset = 20, .log_start = 25 };
    uint8_t *data = xmalloc(REPLICA_SNAPSHOT_BLANK_SIZE);

    produce_many(c, leader, 3);
    m.raft.index = 1000;
    m.raft.term = m.raft.log_term = replica_term(replica_of(c, leader));
    replica_snapshot_blank(data, 1000, 20, 0);
    m.data = data;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    m.image = &image;
    image.size = REPLICA_SNAPSHOT_BLANK_SIZE;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG); /* it doesn't tell the members */
    ck_assert(replica_snapshot_add_members(r, &data, &image.size));
    m.data = data;
    image.next_offset = 21;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    image.next_offset = 20;
    image.log_start = 19;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    image.log_start = 25;
    image.size--;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    image.size++;
    data[0] ^= 1;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    data[0] ^= 1;
    data[8] ^= 1;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    data[8] ^= 1;
    data[53] ^= 8; /* roles */
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    data[53] ^= 8;
    data[4]++;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    data[4]--;
    m.raft.n_entries = 1;
    ck_assert_int_eq(replica_receive(r, &m), -EBADMSG);
    m.raft.n_entries = 0;
    m.raft.log_term++;
    ck_assert_int_eq(replica_receive(r, &m), 0); /* for the core, which refuses it when the file is there */
    cluster_run(c, 100);
    ck_assert(replica_is_idle(r));
    ck_assert_uint_lt(r->last_index, 10);
    free(data);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

static void produce_at_once(struct cluster *c, int node, int n, size_t value_size)
{
    struct rig_op *op = NULL;

    for (int i = 0; i < n; i++)
        op = rig_produce(c->nodes[node], 0, 1, value_size);
    ck_assert_int_eq(cluster_wait(c, op), 0);
    cluster_run(c, 200);
}

/* How many of them fit follows from an average. */
START_TEST(large_entries_behind_small_ones_are_several_messages)
{
    struct cluster *c = cluster_new(28, 16 << 20);
    int leader = cluster_leader(c), away = (leader + 1) % 3;

    cluster_crash(c, away);
    for (int i = 0; i < 20; i++)
        produce_at_once(c, leader, 100, 100);
    for (int i = 0; i < 20; i++)
        produce_at_once(c, leader, 10, 30000);
    cluster_check(c);
    ck_assert_uint_gt(c->max_loaded, 1 << 19); /* the average is much less */
    ck_assert_uint_le(c->max_loaded, 1 << 20);
    ck_assert_uint_le(c->max_bytes, 1 << 20);
    cluster_free(c);
}
END_TEST

/* From memory and from segments. */
static void check_sizes(uint64_t seed, uint64_t entries)
{
    struct cluster *c = cluster_new(seed, 16 << 20);
    int leader, away;

    for (int i = 0; i < c->n; i++) {
        c->nodes[i]->append_entries = entries;
        c->nodes[i]->append_bytes = 20000;
        cluster_crash(c, i);
    }
    cluster_heal(c);
    leader = cluster_leader(c);
    away = (leader + 1) % 3;
    c->max_entries = 0;
    produce_at_once(c, leader, 40, 100);
    cluster_crash(c, away);
    for (int i = 0; i < 10; i++)
        produce_at_once(c, leader, 40, 100);
    for (int i = 0; i < 10; i++)
        produce_at_once(c, leader, 5, 6000);
    produce_at_once(c, leader, 2, 30000);
    cluster_check(c);
    ck_assert_uint_gt(c->n_loaded, 0);
    if (entries > 0)
        ck_assert_uint_eq(c->max_entries, entries);
    else
        ck_assert_uint_gt(c->max_entries, 7);
    ck_assert_uint_gt(c->max_bytes, 12000);
    ck_assert_uint_le(c->max_bytes, 20000);
    ck_assert_uint_gt(c->max_alone, 30000);
    cluster_free(c);
}

START_TEST(messages_are_as_large_as_is_said)
{
    check_sizes(30, 7);
    check_sizes(31, 0);
}
END_TEST

Suite *image_suite(void)
{
    Suite *s = suite_create("image");

    suite_add(s, who_is_below_the_log_start_gets_an_image);
    suite_add(s, a_crash_while_an_image_is_installed);
    suite_add(s, an_image_of_who_has_started_anew);
    suite_add(s, an_image_that_finds_no_room);
    suite_add(s, a_stop_waits_for_no_image);
    suite_add(s, a_group_that_goes_takes_its_image_along);
    suite_add(s, malformed_images_are_refused);
    suite_add(s, large_entries_behind_small_ones_are_several_messages);
    suite_add(s, messages_are_as_large_as_is_said);
    return s;
}
