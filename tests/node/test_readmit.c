/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of a cluster that lose their disks, and get their places again. */
#include <stdio.h>

#include "base/util.h"
#include "node/cluster.h"
#include "node/internal.h"
#include "node/suites.h"
#include "wire/error.h"

#define LIMIT_NS (60000 * MS)

static const struct meta_topic *topic_of(const struct cluster *c, int i, const char *name)
{
    return meta_topic_by_name(&c->rigs[i]->node->reactors[0].meta, slice_str(name));
}

static struct node_group *group_of(const struct cluster *c, int i, const char *name, int32_t partition)
{
    struct node *n = c->rigs[i]->node;
    uint64_t group = topic_of(c, i, name)->partitions[partition].group;

    return node_group_find(node_shard_of(n, group), group);
}

/* To whoever leads, until it is taken. */
static void produce(struct cluster *c, const char *topic, int32_t partition, uint64_t id, int64_t expected)
{
    int64_t offset = -1;
    int16_t error = -1;

    for (int k = 0; k < 50 && error != 0; k++) {
        int leader = cluster_find_leader(c, topic, partition);

        error = ask_produce(rig_connect(c->rigs[leader], 1), topic, partition, id, 1, &offset);
        if (error != 0)
            cluster_run(c, 100 * MS);
    }
    ck_assert_int_eq(error, 0);
    if (expected >= 0)
        ck_assert_int_eq(offset, expected);
}

static void expect(struct cluster *c, const char *topic, int32_t partition, uint64_t first, int n)
{
    int at = cluster_find_leader(c, topic, partition);
    uint64_t ids[64];
    int64_t offsets[64], next = 0;
    int got = ask_fetch(rig_connect(c->rigs[at], 2), topic, partition, 0, ids, offsets, 64, &next);

    ck_assert_msg(got == n, "fetch on n%d: %d instead of %d", at, got, n);
    for (int k = 0; k < n; k++)
        ck_assert_uint_eq(ids[k], first + (uint64_t)k);
}

/* ---- Whether all are where they belong ---- */

static bool names_all(const struct cluster *c, const struct replica *r)
{
    struct replica_members m;
    uint64_t index;

    if (!replica_members(r, &m, &index) || replica_members_are_joint(&m))
        return false;
    for (uint32_t i = 0; i < m.n_members; i++) {
        const struct superblock *sb = &c->rigs[m.members[i].id - 1]->node->superblock;

        if (!replica_incarnation_fits(&m.members[i].incarnation, &sb->incarnation))
            return false;
    }
    return m.n_members > 0;
}

/* Each group has the members that its topic says, with the data directories that they have, and all voters have what
 * the others have. */
static bool is_whole(const struct cluster *c, struct node_group *g)
{
    int n = 0, leads = 0;
    uint64_t index = 0;

    for (int i = 0; i < c->n; i++) {
        struct node *node = c->rigs[i]->node;
        struct node_group *other = node_group_find(node_shard_of(node, g->id), g->id);

        if (other == NULL)
            continue;
        if (!names_all(c, other->replica) || !replica_is_caught_up(other->replica) ||
            (index != 0 && replica_last_index(other->replica) != index))
            return false;
        index = replica_last_index(other->replica);
        leads += replica_leads(other->replica);
        n++;
    }
    return n > 0 && leads == 1;
}

static bool are_whole(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        struct node *n = c->rigs[i]->node;

        for (unsigned s = 0; s < n->n_shards; s++) {
            struct node_group *g;

            list_foreach (&n->shards[s].groups, g, link)
                if (!g->gone && (g->change != NULL || !is_whole(c, g)))
                    return false;
        }
    }
    return true;
}

static void wait_until_whole(struct cluster *c)
{
    cluster_settle(c);
    for (int i = 0; i < 600 && !are_whole(c); i++)
        cluster_run(c, 100 * MS);
    if (!are_whole(c))
        cluster_tell(c);
    ck_assert_msg(are_whole(c), "not all groups are whole");
}

static void come_back_blank(struct cluster *c, int i)
{
    cluster_wipe(c, i);
    cluster_start(c, i);
}

/* ---- Who is wiped ---- */

enum victim {
    FOLLOWER,
    LEADER,
    CONTROLLER,
    LEARNER, /* of the metadata */
};

static int choose(struct cluster *c, enum victim who)
{
    int leader = cluster_find_leader(c, "orders", 0);

    switch (who) {
    case FOLLOWER:
        for (int i = 0; i < c->n; i++)
            if (i != leader && group_of(c, i, "orders", 0) != NULL)
                return i;
        break;
    case LEADER:
        return leader;
    case CONTROLLER:
        return replica_leader(c->rigs[leader]->node->metadata) - 1;
    case LEARNER:
        return c->n - 1;
    }
    ck_abort();
}

/* Afterwards it counts: the others of a partition may go, one by one. */
START_TEST(a_wiped_node_gets_its_place_again)
{
    enum victim who = (enum victim)(_i % 4);
    struct cluster *c = cluster_begin(100 + (uint64_t)_i, _i < 8 ? 5 : 3, 1 + (unsigned)_i / 4 % 2);
    int victim, other;

    cluster_create(c, 0, "orders", 2, 3);
    cluster_create(c, 1, "more", 3, 3);
    for (int k = 0; k < 10; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    victim = choose(c, who);
    come_back_blank(c, victim);
    wait_until_whole(c);
    ck_assert_ptr_nonnull(strstr(c->rigs[victim]->notices, "readmitted to the cluster as broker"));
    produce(c, "orders", 0, 110, 10);
    for (int i = 0; i < c->n; i++)
        if (i != victim && group_of(c, i, "orders", 0) != NULL) {
            cluster_crash(c, i, SIM_CRASH_NOTHING);
            expect(c, "orders", 0, 100, 11);
            cluster_start(c, i);
            wait_until_whole(c);
        }
    other = choose(c, FOLLOWER);
    come_back_blank(c, other);
    wait_until_whole(c);
    expect(c, "orders", 0, 100, 11);
    for (int i = 0; i < c->n; i++)
        ck_assert_msg(strchr(c->rigs[i]->notices, '!') == NULL, "n%d said: %s", i, c->rigs[i]->notices);
    cluster_free(c);
}
END_TEST

/* Topics that are made while it is away, and behind that, are its, too. */
START_TEST(what_was_made_meanwhile_is_there)
{
    struct cluster *c = cluster_begin(200 + (uint64_t)_i, 3, 1);
    int victim = _i % 3;

    cluster_create(c, 0, "before", 1, 3);
    produce(c, "before", 0, 1, 0);
    cluster_wipe(c, victim);
    cluster_run(c, 2000 * MS);
    cluster_create(c, (victim + 1) % 3, "orders", 2, 3);
    produce(c, "orders", 1, 2, 0);
    cluster_start(c, victim);
    wait_until_whole(c);
    cluster_create(c, victim, "after", 3, 3);
    produce(c, "after", 0, 3, 0);
    wait_until_whole(c);
    for (int i = 0; i < 3; i++)
        cluster_crash(c, i, SIM_CRASH_NOTHING);
    cluster_start_all(c);
    wait_until_whole(c);
    expect(c, "before", 0, 1, 1);
    expect(c, "orders", 1, 2, 1);
    expect(c, "after", 0, 3, 1);
    cluster_free(c);
}
END_TEST

START_TEST(a_crash_at_each_step_of_coming_back)
{
    struct cluster *c = cluster_begin(300 + (uint64_t)_i, 3, 1);
    int victim = _i % 3;

    cluster_create(c, 0, "orders", 2, 3);
    for (int k = 0; k < 5; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    cluster_wipe(c, victim);
    sim_disk_crash_after(c->rigs[victim]->disk, (uint64_t)_i);
    if (rig_start(c->rigs[victim]) == 0) {
        if (c->mesh != NULL)
            sim_mesh_attach(c->mesh, (unsigned)victim, c->addresses[victim], c->rigs[victim]->net);
        for (int i = 0; i < 300 && !sim_disk_is_dead(c->rigs[victim]->disk); i++)
            cluster_run(c, 10 * MS);
    }
    cluster_crash(c, victim, _i % 4 == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
    cluster_start(c, victim);
    wait_until_whole(c);
    produce(c, "orders", 0, 105, 5);
    expect(c, "orders", 0, 100, 6);
    cluster_free(c);
}
END_TEST

/* Nobody takes the second one for the first. */
START_TEST(wiped_again_in_the_middle)
{
    struct cluster *c = cluster_begin(400 + (uint64_t)_i, _i % 2 == 0 ? 3 : 5, 1);
    int victim;

    cluster_create(c, 0, "orders", 2, 3);
    for (int k = 0; k < 5; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    victim = choose(c, (enum victim)(_i % 3));
    for (int k = 0; k < 4; k++) {
        come_back_blank(c, victim);
        cluster_run(c, sim_prng_below(&c->prng, 3000) * MS);
    }
    wait_until_whole(c);
    produce(c, "orders", 0, 105, 5);
    expect(c, "orders", 0, 100, 6);
    cluster_free(c);
}
END_TEST

START_TEST(the_lead_changes_in_the_middle)
{
    struct cluster *c = cluster_begin(500 + (uint64_t)_i, 5, 1 + (unsigned)_i % 2);
    int victim, leader;

    cluster_create(c, 0, "orders", 3, 3);
    for (int k = 0; k < 5; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    victim = choose(c, FOLLOWER);
    come_back_blank(c, victim);
    for (int k = 0; k < 3; k++) {
        cluster_run(c, sim_prng_below(&c->prng, 1500) * MS);
        leader = _i % 2 == 0 ? cluster_find_leader(c, "orders", 0) : (int)sim_prng_below(&c->prng, 5);
        cluster_crash(c, leader, SIM_CRASH_NOTHING);
        cluster_run(c, sim_prng_below(&c->prng, 1500) * MS);
        cluster_start(c, leader);
    }
    wait_until_whole(c);
    produce(c, "orders", 0, 105, 5);
    expect(c, "orders", 0, 100, 6);
    cluster_free(c);
}
END_TEST

/* ---- Images ---- */

static void delete_records(struct cluster *c, const char *topic, int64_t offset)
{
    struct rig *r = c->rigs[cluster_find_leader(c, topic, 0)];
    struct wire_delete_records_request m;
    struct wire_delete_records_request_topic t;
    struct wire_delete_records_request_partition p;
    struct wire_delete_records_response answer;

    wire_delete_records_request_init(&m);
    wire_delete_records_request_topic_init(&t);
    wire_delete_records_request_partition_init(&p);
    m.topics = &t;
    m.n_topics = 1;
    m.timeout_ms = 10000;
    t.name = slice_str(topic);
    t.partitions = &p;
    t.n_partitions = 1;
    p.offset = offset;
    ck_assert(client_ask(rig_connect(r, 1), WIRE_API_DELETE_RECORDS, 2, &m, &answer));
    ck_assert_int_eq(answer.topics[0].partitions[0].error_code, 0);
}

/* What the log began with is gone: an image stands for it. */
START_TEST(an_image_comes_first)
{
    struct cluster *c = cluster_new(600 + (uint64_t)_i, 3, 1);
    int victim, leader;
    uint64_t ids[64];
    int64_t offsets[64], next = 0;

    for (int i = 0; i < 3; i++)
        c->rigs[i]->config.segment_size_bytes = 4096;
    cluster_start_all(c);
    cluster_settle(c);
    cluster_create(c, 0, "orders", 1, 3);
    for (int k = 0; k < 150; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    cluster_run(c, 2000 * MS);
    delete_records(c, "orders", 120);
    cluster_run(c, 2000 * MS);
    victim = _i % 2 == 0 ? choose(c, FOLLOWER) : choose(c, LEADER);
    come_back_blank(c, victim);
    wait_until_whole(c);
    ck_assert_int_eq(replica_log_start(group_of(c, victim, "orders", 0)->replica), 120);
    ck_assert_int_eq(replica_high_watermark(group_of(c, victim, "orders", 0)->replica), 150);
    leader = cluster_find_leader(c, "orders", 0);
    for (int i = 0; i < 3; i++)
        if (i != victim && (i != leader || leader == victim)) {
            cluster_crash(c, i, SIM_CRASH_NOTHING);
            break;
        }
    produce(c, "orders", 0, 250, 150);
    leader = cluster_find_leader(c, "orders", 0);
    ck_assert_int_eq(ask_fetch(rig_connect(c->rigs[leader], 2), "orders", 0, 120, ids, offsets, 64, &next), 31);
    ck_assert_uint_eq(ids[0], 220);
    cluster_free(c);
}
END_TEST

/* ---- What can't be ---- */

static int n_replicas_of(const struct cluster *c, const char *topic, int i)
{
    return meta_replica_of(topic_of(c, 0, topic), 0, i + 1) >= 0;
}

/* Two of a partition's three, none of which votes in the metadata. */
START_TEST(a_lost_majority_is_said)
{
    struct cluster *c = cluster_begin(700 + (uint64_t)_i, 5, 1);
    char name[16];
    int left = -1;

    for (int k = 0; k < 10; k++) {
        snprintf(name, sizeof(name), "t%d", k);
        cluster_create(c, 0, name, 1, 3);
        if (n_replicas_of(c, name, 3) && n_replicas_of(c, name, 4))
            break;
    }
    produce(c, name, 0, 1, 0);
    for (int i = 0; i < 3; i++)
        if (n_replicas_of(c, name, i))
            left = i;
    ck_assert_int_ge(left, 0);
    cluster_run(c, 1000 * MS);
    cluster_wipe(c, 3);
    cluster_wipe(c, 4);
    cluster_start(c, 3);
    cluster_start(c, 4);
    cluster_settle(c);
    cluster_run(c, 10000 * MS);
    ck_assert_msg(strstr(c->rigs[left]->notices, "replicas have lost their data directories, so nobody") != NULL,
                  "n%d said: %s", left, c->rigs[left]->notices);
    for (int i = 0; i < 5; i++)
        ck_assert(group_of(c, i, name, 0) == NULL || !replica_leads(group_of(c, i, name, 0)->replica));
    ck_assert_int_eq(ask_delete(rig_connect(c->rigs[0], 0), name), 0);
    cluster_create(c, 0, name, 1, 3);
    produce(c, name, 0, 2, 0);
    cluster_free(c);
}
END_TEST

/* Nobody is left who would know; after some time that is clear, too. */
START_TEST(all_replicas_are_lost)
{
    struct cluster *c = cluster_begin(705, 5, 1);
    int wiped[3], n = 0;
    char name[16];

    for (int k = 0; k < 10; k++) {
        snprintf(name, sizeof(name), "t%d", k);
        cluster_create(c, 0, name, 1, 3);
        if (n_replicas_of(c, name, 3) && n_replicas_of(c, name, 4))
            break;
    }
    produce(c, name, 0, 1, 0);
    cluster_run(c, 1000 * MS);
    for (int i = 0; i < 5; i++)
        if (n_replicas_of(c, name, i))
            wiped[n++] = i;
    for (int i = 0; i < 3; i++)
        cluster_wipe(c, wiped[i]);
    for (int i = 0; i < 3; i++)
        cluster_start(c, wiped[i]);
    cluster_settle(c);
    cluster_run(c, 130000 * MS);
    ck_assert_msg(strstr(c->rigs[4]->notices, "all of its replicas have lost their data directories") != NULL,
                  "n4 said: %s", c->rigs[4]->notices);
    cluster_free(c);
}
END_TEST

START_TEST(the_only_replica_is_lost)
{
    struct cluster *c = cluster_begin(710 + (uint64_t)_i, 3, 1);
    int leader;

    cluster_create(c, 0, "single", 1, 1);
    produce(c, "single", 0, 1, 0);
    leader = cluster_find_leader(c, "single", 0);
    come_back_blank(c, leader);
    cluster_settle(c);
    cluster_run(c, 5000 * MS);
    ck_assert_msg(strstr(c->rigs[leader]->notices, "!single-0: all of its replicas have lost") != NULL, "%s",
                  c->rigs[leader]->notices);
    ck_assert(!replica_is_open(group_of(c, leader, "single", 0)->replica));
    cluster_crash(c, leader, SIM_CRASH_NOTHING);
    cluster_start(c, leader);
    cluster_settle(c);
    cluster_run(c, 5000 * MS);
    ck_assert(!replica_is_open(group_of(c, leader, "single", 0)->replica));
    ck_assert_int_eq(ask_delete(rig_connect(c->rigs[0], 0), "single"), 0);
    cluster_create(c, 0, "single", 1, 1);
    produce(c, "single", 0, 2, 0);
    cluster_free(c);
}
END_TEST

/* Who is left doesn't get others to form a new cluster, nor do these form one by themselves. */
START_TEST(a_majority_of_the_metadata_is_lost)
{
    struct cluster *c = cluster_begin(720 + (uint64_t)_i, 3, 1);
    struct uuid cluster_id = c->rigs[0]->node->superblock.cluster_id;

    cluster_create(c, 0, "orders", 1, 3);
    cluster_wipe(c, 1);
    cluster_wipe(c, 2);
    if (_i == 1)
        cluster_crash(c, 0, SIM_CRASH_NOTHING);
    cluster_start(c, 1);
    cluster_start(c, 2);
    cluster_run(c, 5000 * MS);
    if (_i == 1)
        cluster_start(c, 0);
    cluster_run(c, 30000 * MS);
    for (int i = 1; i < 3; i++) {
        ck_assert(uuid_is_zero(&c->rigs[i]->node->superblock.cluster_id));
        ck_assert(!rig_is_ready(c->rigs[i]));
        ck_assert_ptr_nonnull(strstr(c->rigs[i]->notices, "!not readmitted to the cluster for"));
    }
    ck_assert(uuid_eq(&c->rigs[0]->node->superblock.cluster_id, &cluster_id));
    if (_i == 0)
        ck_assert_ptr_nonnull(strstr(c->rigs[0]->notices, "can't be readmitted: the metadata has no leader"));
    cluster_free(c);
}
END_TEST

/* A disk that was thought to be lost turns up. */
START_TEST(a_former_disk_stays_out)
{
    struct cluster *c = cluster_begin(730 + (uint64_t)_i, 3, 1);
    struct rig *r = c->rigs[2];
    struct sim_disk *old;

    cluster_create(c, 0, "orders", 1, 3);
    for (int k = 0; k < 5; k++)
        produce(c, "orders", 0, 100 + (uint64_t)k, k);
    cluster_crash(c, 2, SIM_CRASH_ALL);
    old = sim_disk_image(r->disk, &r->prng);
    come_back_blank(c, 2);
    wait_until_whole(c);
    cluster_crash(c, 2, SIM_CRASH_NOTHING);
    sim_disk_free(r->disk);
    r->disk = old;
    cluster_start(c, 2);
    cluster_run(c, 10000 * MS);
    ck_assert(!rig_is_ready(r));
    produce(c, "orders", 0, 105, 5);
    come_back_blank(c, 2);
    wait_until_whole(c);
    expect(c, "orders", 0, 100, 6);
    cluster_free(c);
}
END_TEST

Suite *readmit_suite(void)
{
    Suite *s = suite_create("readmit");

    cluster_add_loop(s, "a_wiped_node_gets_its_place_again", a_wiped_node_gets_its_place_again, 0, 11);
    cluster_add_loop(s, "what_was_made_meanwhile_is_there", what_was_made_meanwhile_is_there, 0, 4);
    cluster_add_loop(s, "a_crash_at_each_step_of_coming_back", a_crash_at_each_step_of_coming_back, 0, 70);
    cluster_add_loop(s, "wiped_again_in_the_middle", wiped_again_in_the_middle, 0, 8);
    cluster_add_loop(s, "the_lead_changes_in_the_middle", the_lead_changes_in_the_middle, 0, 8);
    cluster_add_loop(s, "an_image_comes_first", an_image_comes_first, 0, 4);
    cluster_add_loop(s, "a_lost_majority_is_said", a_lost_majority_is_said, 0, 2);
    suite_add(s, all_replicas_are_lost);
    cluster_add_loop(s, "the_only_replica_is_lost", the_only_replica_is_lost, 0, 2);
    cluster_add_loop(s, "a_majority_of_the_metadata_is_lost", a_majority_of_the_metadata_is_lost, 0, 2);
    cluster_add_loop(s, "a_former_disk_stays_out", a_former_disk_stays_out, 0, 2);
    return s;
}
