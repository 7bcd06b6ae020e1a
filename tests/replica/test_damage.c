/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Leaders that can't read what a follower needs, or only slowly; consumers that ask for what is damaged. */

#include <errno.h>
#include <stdio.h>

#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

static struct replica *replica_of(const struct cluster *c, int node)
{
    return c->nodes[node]->groups[0].replica;
}

/* A group that has sealed segments, on all but one disk that is away. Returns who leads it. */
static int store_without(struct cluster *c, int *ret_away)
{
    int leader = cluster_leader(c), away = (leader + 1) % 3;

    cluster_crash(c, away);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 500);
    for (int i = 0; i < 3; i++)
        if (i != away)
            replica_checkpoint(replica_of(c, i), UINT64_MAX);
    cluster_run(c, 500);
    ck_assert_uint_gt(replica_of(c, leader)->checkpoint_index, 50);
    *ret_away = away;
    return leader;
}

static void damage(struct cluster *c, int node, const char *ending, uint64_t position)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%020u%s", log_dir(replica_of(c, node)->log), 1, ending);
    ck_assert_int_eq(sim_disk_flip(c->nodes[node]->disk, path, position, 1), 0);
}

static void check_damage(const struct cluster *c, int node, const char *ending)
{
    const struct rig *r = c->nodes[node];

    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert_uint_eq(r->n_damaged, 1);
    ck_assert_ptr_nonnull(strstr(r->damage.text, "/00000000000000000001"));
    ck_assert_ptr_nonnull(strstr(r->damage.text, ending));
}

static void hold(struct cluster *c, int node, bool held)
{
    sim_lane_hold(c->nodes[node]->lane, LANE_POOL, 0, held);
}

static void give_away(const char *ending, uint64_t position)
{
    struct cluster *c = cluster_new(31, 4096);
    int away, leader = store_without(c, &away), now;

    damage(c, leader, ending, position);
    cluster_restart(c, away);
    cluster_run(c, 5000);
    check_damage(c, leader, ending);
    now = cluster_leader(c);
    ck_assert_int_ne(now, leader);
    ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, now)->applied_index);
    /* It follows, and what is new comes to it. */
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, now, 300)), 0);
    cluster_run(c, 500);
    ck_assert_uint_eq(replica_of(c, leader)->applied_index, replica_of(c, now)->applied_index);
    cluster_free(c);
}

/* Who can't read what a follower needs says so and lets somebody lead who can: its other groups go on, and nobody
 * waits for what can't be read. */
START_TEST(who_has_damaged_records_lets_others_lead)
{
    give_away(".log", 1500);
}
END_TEST

START_TEST(who_has_a_damaged_table_lets_others_lead)
{
    give_away(".entries", 128 * 5 /* a record */);
}
END_TEST

/* Nobody else has it: the others are served what can be read, and it is told once. */
START_TEST(damage_that_nobody_can_help_with)
{
    struct cluster *c = cluster_new(32, 4096);
    int away, leader = store_without(c, &away), other = 3 - leader - away;
    uint64_t last = replica_of(c, leader)->last_index;

    damage(c, leader, ".log", 1500);
    damage(c, other, ".log", 1500);
    cluster_restart(c, away);
    for (int i = 0; i < 90; i++) {
        cluster_run(c, 1000);
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, cluster_leader(c), 300)), 0);
    }
    check_damage(c, leader, ".log");
    check_damage(c, other, ".log");
    ck_assert_uint_lt(replica_of(c, away)->last_index, last);
    cluster_free(c);
}
END_TEST

/* Each has what the other one can't read: one after the other they bring the follower on. */
START_TEST(damage_at_different_places)
{
    struct cluster *c = cluster_new(33, 16384);
    int away, leader = store_without(c, &away), other = 3 - leader - away;

    damage(c, leader, ".log", 9000);
    damage(c, other, ".log", 5000);
    cluster_restart(c, away);
    cluster_run(c, 70000);
    check_damage(c, leader, ".log");
    ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, cluster_leader(c))->applied_index);
    cluster_free(c);
}
END_TEST

/* The snapshot that goes with the first segment is an image for who is below it. */
enum image_damage {
    IMAGE_FLIPPED,
    IMAGE_UNREADABLE,
    IMAGE_MISSING,
};

static void damage_image(struct cluster *c, int node, enum image_damage how)
{
    struct sim_disk *disk = c->nodes[node]->disk;
    const struct log *log = replica_of(c, node)->log;
    char path[200];

    snprintf(path, sizeof(path), "%s/%020llu.snapshot", log_dir(log), (unsigned long long)log_first_index(log));
    if (how == IMAGE_FLIPPED)
        ck_assert_int_eq(sim_disk_flip(disk, path, 20, 1), 0);
    else if (how == IMAGE_UNREADABLE)
        sim_disk_fail(disk, SIM_DISK_READ, 0, 1, -EIO); /* nothing else is read */
    else
        ck_assert_int_eq(disk_unlink(sim_disk_env(disk), path), 0);
}

static void give_away_image(enum image_damage how, const char *text)
{
    struct cluster *c = cluster_new(34, 4096);
    int leader = cluster_leader(c), away = (leader + 1) % 3, now;
    const struct replica_op op = { .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = 40 };

    ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_crash(c, away);
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 500);
    replica_checkpoint(replica_of(c, leader), UINT64_MAX);
    cluster_run(c, 500);
    ck_assert_int_eq(cluster_wait(c, rig_submit(c->nodes[leader], 0, &op)), 0);
    cluster_run(c, 1000);
    ck_assert_uint_gt(log_first_index(replica_of(c, leader)->log), 3);
    damage_image(c, leader, how);
    cluster_restart(c, away);
    cluster_run(c, 9000);
    ck_assert_int_eq(c->nodes[leader]->fatal_error, 0);
    ck_assert_uint_eq(c->nodes[leader]->n_damaged, 1);
    ck_assert_ptr_nonnull(strstr(c->nodes[leader]->damage.text, text));
    now = cluster_leader(c);
    ck_assert_int_ne(now, leader);
    ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, now)->applied_index);
    cluster_free(c);
}

START_TEST(an_image_that_is_damaged)
{
    give_away_image(IMAGE_FLIPPED, "damaged");
    give_away_image(IMAGE_UNREADABLE, "Input/output error");
    give_away_image(IMAGE_MISSING, "No such file");
}
END_TEST

static unsigned n_reading(const struct cluster *c, int node)
{
    const struct list *loads = &replica_of(c, node)->peers->loads;
    unsigned n = 0;

    for (const struct list *l = loads->next; l != loads; l = l->next)
        n++;
    return n;
}

/* A worker takes its time: the heartbeats meanwhile don't ask for the same again. */
START_TEST(entries_are_read_once)
{
    struct cluster *c = cluster_new(35, 4096);
    int away, leader = store_without(c, &away);
    uint64_t n_loaded;

    hold(c, leader, true);
    cluster_restart(c, away);
    cluster_run(c, 5000);
    ck_assert_uint_gt(n_reading(c, leader), 0);
    ck_assert_uint_le(n_reading(c, leader), RAFT_WINDOW);
    n_loaded = c->n_loaded;
    hold(c, leader, false);
    cluster_run(c, 2000);
    ck_assert_uint_gt(c->n_loaded, n_loaded);
    ck_assert_uint_eq(replica_of(c, away)->applied_index, replica_of(c, leader)->applied_index);
    cluster_check(c);
    cluster_free(c);
}
END_TEST

/* ---- Consumers, on a node that has no others ---- */

/* Entries of one record each in several segments, none of it in memory. */
static struct rig *stored_alone(uint64_t seed)
{
    struct rig *r = rig_new(seed, 1);

    rig_start_ok(r);
    for (int i = 0; i < 40; i++)
        rig_wait(r, rig_produce(r, 0, 1, 1000));
    replica_checkpoint(r->groups[0].replica, UINT64_MAX);
    rig_settle(r);
    return r;
}

/* In the first segment. */
static void damage_alone(struct rig *r, const char *ending, uint64_t position)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%020u%s", log_dir(r->groups[0].replica->log), 1, ending);
    ck_assert_int_eq(sim_disk_flip(r->disk, path, position, 1), 0);
    sim_disk_drop_caches(r->disk);
}

static int16_t consume(struct rig *r, int64_t offset, size_t *ret_size)
{
    struct rig_op *op = rig_read_here(r, 0, offset);
    int16_t error = op->op.error;

    *ret_size = op->op.read.ret_size;
    if (error == 0)
        rig_release(r, op);
    return error;
}

static void check_told(const struct rig *r, unsigned n, const char *where)
{
    ck_assert_uint_eq(r->n_damaged, n);
    ck_assert_msg(strstr(r->damage.text, where) != NULL, "%s", r->damage.text);
    ck_assert_ptr_nonnull(strstr(r->damage.text, "brokerd --repair"));
}

/* They get what is right before it and behind it, and never what is wrong; it is told once. */
START_TEST(consumers_meet_damaged_records)
{
    struct rig *r = stored_alone(41);
    size_t one, size;

    ck_assert_int_eq(consume(r, 0, &one), 0);
    ck_assert_uint_gt(one, 5000); /* the segment */
    damage_alone(r, ".log", 3500);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(consume(r, 0, &size), 0);
        ck_assert(size > 3000 && size < 3500);
        ck_assert_int_eq(consume(r, 3, &size), KAFKA_E_KAFKA_STORAGE_ERROR);
        ck_assert_int_eq(consume(r, 4, &size), 0);
        ck_assert(size > 0 && size < one);
        check_told(r, 1, "/00000000000000000001.log: damaged at byte 32");
    }
    ck_assert_int_eq(consume(r, 20, &size), 0);
    ck_assert_uint_gt(size, 0);
    check_told(r, 1, "0001.log: damaged at byte 32");
    rig_free(r);
}
END_TEST

START_TEST(consumers_meet_a_damaged_table)
{
    struct rig *r = stored_alone(42);
    size_t size;

    ck_assert_int_eq(consume(r, 0, &size), 0);
    damage_alone(r, ".entries", 128 * 4 + 7);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(consume(r, 0, &size), KAFKA_E_KAFKA_STORAGE_ERROR);
    check_told(r, 1, "/00000000000000000001.entries: damaged at byte 512:");
    rig_free(r);
}
END_TEST

START_TEST(a_look_up_by_time_meets_damage)
{
    struct rig *r = stored_alone(43);
    const struct replica_op query = { .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = 1 };
    size_t size;

    damage_alone(r, ".log", 70);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rig_ask(r, 0, &query)->op.error, KAFKA_E_KAFKA_STORAGE_ERROR);
    ck_assert_int_eq(consume(r, 0, &size), KAFKA_E_KAFKA_STORAGE_ERROR);
    check_told(r, 1, "/00000000000000000001.log: damaged at byte 0:");
    rig_free(r);
}
END_TEST

Suite *damage_suite(void)
{
    Suite *s = suite_create("damage");

    suite_add(s, who_has_damaged_records_lets_others_lead);
    suite_add(s, who_has_a_damaged_table_lets_others_lead);
    suite_add(s, damage_that_nobody_can_help_with);
    suite_add(s, damage_at_different_places);
    suite_add(s, an_image_that_is_damaged);
    suite_add(s, entries_are_read_once);
    suite_add(s, consumers_meet_damaged_records);
    suite_add(s, consumers_meet_a_damaged_table);
    suite_add(s, a_look_up_by_time_meets_damage);
    return s;
}
