/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several nodes as one: metadata and partitions with voters on several of them. */
#include <stdio.h>

#include "base/util.h"
#include "node/cluster.h"
#include "node/internal.h"
#include "node/suites.h"
#include "wire/error.h"

static void produce(struct cluster *c, int i, const char *topic, int32_t partition, uint64_t id, int64_t expected)
{
    int64_t offset = -1;
    int16_t error = ask_produce(rig_connect(c->rigs[i], 1), topic, partition, id, 1, &offset);

    ck_assert_msg(error == 0, "produce on n%d: %d", i, error);
    ck_assert_int_eq(offset, expected);
}

/* Batches first .. first + n − 1 are there, in order. */
static void expect(struct cluster *c, int i, const char *topic, int32_t partition, uint64_t first, int n)
{
    uint64_t ids[64];
    int64_t offsets[64], next = 0;
    int got = ask_fetch(rig_connect(c->rigs[i], 2), topic, partition, 0, ids, offsets, 64, &next);

    ck_assert_msg(got == n, "fetch on n%d: %d instead of %d", i, got, n);
    for (int k = 0; k < n; k++) {
        ck_assert_uint_eq(ids[k], first + (uint64_t)k);
        ck_assert_int_eq(offsets[k], k);
    }
}

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

/* Each partition has a replica where metadata places one, and nowhere else. */
static void check_placement(const struct cluster *c, const char *name)
{
    for (int i = 0; i < c->n; i++) {
        const struct meta_topic *t = topic_of(c, i, name);

        for (int32_t p = 0; p < t->n_partitions; p++) {
            bool placed = meta_replica_of(t, p, cluster_id(c, i)) >= 0;

            ck_assert(placed == (group_of(c, i, name, p) != NULL));
        }
    }
}

START_TEST(topics_are_placed)
{
    struct cluster *c = cluster_begin(1 + (uint64_t)_i, _i == 0 ? 3 : 5, 2);

    cluster_create(c, 0, "orders", 5, 3);
    cluster_create(c, 1, "single", 4, 1);
    cluster_run(c, 2000 * MS);
    check_placement(c, "orders");
    check_placement(c, "single");
    for (int32_t p = 0; p < 5; p++) {
        int leader = cluster_find_leader(c, "orders", p);

        produce(c, leader, "orders", p, 10, 0);
        expect(c, leader, "orders", p, 10, 1);
        for (int i = 0; i < c->n; i++) {
            if (group_of(c, i, "orders", p) != NULL)
                ck_assert_int_eq(cluster_ask_leader(c, i, "orders", p), cluster_id(c, leader));
        }
    }
    cluster_free(c);
}
END_TEST

/* Nobody says after a start that the topic's deletion is committed, and some of its files are gone. */
START_TEST(a_crash_while_a_topic_goes)
{
    for (uint64_t k = 0; k < 40; k++) {
        struct cluster *c = cluster_begin(101 + 2 * k, 3, 1);

        cluster_create(c, 0, "orders", 1, 3);
        produce(c, cluster_find_leader(c, "orders", 0), "orders", 0, 10, 0);
        cluster_run(c, 500 * MS);
        replica_checkpoint(group_of(c, 0, "orders", 0)->replica, UINT64_MAX);
        cluster_run(c, 1500 * MS);
        sim_disk_crash_after(c->rigs[0]->disk, k);
        (void)ask_delete(rig_connect(c->rigs[1], 0), "orders");
        cluster_run(c, 100 * MS);
        for (int i = 0; i < 3; i++)
            cluster_crash(c, i, SIM_CRASH_ALL);
        cluster_start(c, 0);
        cluster_run(c, 300 * MS);
        cluster_start_all(c);
        cluster_settle(c);
        cluster_run(c, 1500 * MS);
        for (int i = 0; i < 3; i++)
            ck_assert_ptr_null(topic_of(c, i, "orders"));
        cluster_free(c);
    }
}
END_TEST

START_TEST(replicas_need_brokers)
{
    struct cluster *c = cluster_begin(11, 3, 1);

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ask_create_of(rig_connect(c->rigs[i], 0), "orders", 1, 4), KAFKA_E_INVALID_REPLICATION_FACTOR);
    cluster_free(c);
}
END_TEST

/* Whoever is asked: what isn't the metadata's leader hands the command on, and answers when it has it itself. */
START_TEST(any_broker_takes_commands)
{
    struct cluster *c = cluster_begin(21 + (uint64_t)_i, 5, 1 + (unsigned)_i);
    char name[8];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        cluster_create(c, i, name, 2, 3);
        ck_assert_ptr_nonnull(topic_of(c, i, name));
        ck_assert_int_eq(ask_create_of(rig_connect(c->rigs[i], 0), name, 2, 3), KAFKA_E_TOPIC_ALREADY_EXISTS);
    }
    ck_assert(c->mesh != NULL || c->n_words > 5);
    cluster_run(c, 500 * MS);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(c->rigs[i]->node->reactors[0].meta.n_topics, 5);
    ck_assert_int_eq(ask_delete(rig_connect(c->rigs[4], 0), "t0"), 0);
    ck_assert_int_eq(ask_delete(rig_connect(c->rigs[0], 0), "t1"), 0);
    cluster_run(c, 2000 * MS);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_null(topic_of(c, i, "t0"));
    cluster_free(c);
}
END_TEST

/* A broker that has no replica says so; one that has and doesn't lead, too. */
START_TEST(others_send_clients_on)
{
    struct cluster *c = cluster_begin(31, 5, 1);
    int64_t offset;
    int leader;

    cluster_create(c, 0, "orders", 1, 3);
    leader = cluster_find_leader(c, "orders", 0);
    cluster_run(c, 200 * MS);
    for (int i = 0; i < 5; i++)
        if (i != leader)
            ck_assert_int_eq(ask_produce(rig_connect(c->rigs[i], 1), "orders", 0, 1, 1, &offset),
                             KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    cluster_free(c);
}
END_TEST

START_TEST(what_was_acknowledged_outlives_its_leader)
{
    struct cluster *c = cluster_begin(41 + (uint64_t)_i, _i % 2 == 0 ? 3 : 5, 1);
    int leader, next;

    c->loss = _i < 2 ? 0 : 3;
    cluster_create(c, 0, "orders", 1, 3);
    leader = cluster_find_leader(c, "orders", 0);
    for (int k = 0; k < 10; k++)
        produce(c, leader, "orders", 0, 100 + (uint64_t)k, k);
    cluster_crash(c, leader, SIM_CRASH_NOTHING);
    next = cluster_find_leader(c, "orders", 0);
    ck_assert_int_ne(next, leader);
    expect(c, next, "orders", 0, 100, 10);
    produce(c, next, "orders", 0, 110, 10);
    cluster_start(c, leader);
    cluster_settle(c);
    cluster_run(c, 1000 * MS);
    ck_assert_int_eq(replica_high_watermark(group_of(c, leader, "orders", 0)->replica), 11);
    cluster_free(c);
}
END_TEST

struct sizes {
    int64_t entries, bytes;
    uint32_t least, most; /* entries of the largest message */
    size_t most_bytes;    /* of several entries */
};

/* Starts all, creates orders, and one of three crashes: what it returns. It lacks a hundred entries then. */
static int produce_without(struct cluster *c)
{
    int away;

    cluster_start_all(c);
    cluster_settle(c);
    cluster_create(c, 0, "orders", 1, 3);
    away = (cluster_find_leader(c, "orders", 0) + 1) % 3;
    cluster_crash(c, away, SIM_CRASH_NOTHING);
    for (uint64_t id = 0; id < 100; id++)
        produce(c, cluster_find_leader(c, "orders", 0), "orders", 0, 1 + id, (int64_t)id);
    return away;
}

static void check_sizes(const struct sizes *sizes)
{
    struct cluster *c = cluster_new(112, 3, 1); /* even: its links count */
    int away;

    for (int i = 0; i < 3; i++) {
        c->rigs[i]->config.performance.max_batch_size = sizes->entries;
        c->rigs[i]->config.performance.max_batch_bytes = sizes->bytes;
    }
    away = produce_without(c);
    cluster_start(c, away);
    cluster_settle(c);
    cluster_run(c, 2000 * MS);
    ck_assert_int_eq(replica_high_watermark(group_of(c, away, "orders", 0)->replica), 100);
    ck_assert_uint_ge(c->max_entries, sizes->least);
    ck_assert_uint_le(c->max_entries, sizes->most);
    ck_assert_uint_le(c->max_bytes, sizes->most_bytes);
    cluster_free(c);
}

/* performance.max_batch_size and max_batch_bytes. */
START_TEST(messages_are_as_large_as_configured)
{
    check_sizes(&(struct sizes){ 4096, 1 << 20, 50, 100, 1 << 20 });
    check_sizes(&(struct sizes){ 3, 1 << 20, 3, 3, 1 << 20 });
    check_sizes(&(struct sizes){ 4096, 1024, 2, 10, 1024 });
    check_sizes(&(struct sizes){ 1, 1024, 1, 1, 0 });
}
END_TEST

/* All reactors' copies of node i say the same of who leads as the group that is there. */
static void check_leads(const struct cluster *c, int i, const char *name)
{
    const struct node *n = c->rigs[i]->node;

    for (unsigned r = 0; r < n->n_reactors; r++) {
        const struct meta_topic *t = meta_topic_by_name(&n->reactors[r].meta, slice_str(name));

        for (int32_t p = 0; p < t->n_partitions; p++) {
            const struct node_group *g = group_of(c, i, name, p);

            if (g == NULL)
                continue;
            ck_assert_int_eq(t->partitions[p].leader, replica_leader(g->replica));
            ck_assert_int_eq(t->partitions[p].epoch, (int32_t)replica_term(g->replica));
        }
    }
}

/* Everybody at once, before anything was written but the journals: who made what isn't forgotten. */
START_TEST(all_come_back)
{
    struct cluster *c = cluster_begin(51 + (uint64_t)_i, 3, 1 + (unsigned)_i % 2);
    int leader;

    cluster_create(c, 0, "before", 3, 3);
    cluster_run(c, 3000 * MS);
    cluster_create(c, 1, "orders", 1, 3);
    cluster_create(c, 1, "mine", 3, 1);
    leader = cluster_find_leader(c, "orders", 0);
    for (int k = 0; k < 5; k++)
        produce(c, leader, "orders", 0, 100 + (uint64_t)k, k);
    for (int32_t p = 0; p < 3; p++)
        produce(c, cluster_find_leader(c, "mine", p), "mine", p, 7, 0);
    for (int i = 0; i < 3; i++)
        cluster_crash(c, i, _i < 3 ? SIM_CRASH_NOTHING : SIM_CRASH_DRAW);
    cluster_start_all(c);
    cluster_settle(c);
    leader = cluster_find_leader(c, "orders", 0);
    expect(c, leader, "orders", 0, 100, 5);
    produce(c, leader, "orders", 0, 105, 5);
    for (int32_t p = 0; p < 3; p++) {
        expect(c, cluster_find_leader(c, "mine", p), "mine", p, 7, 1);
        (void)cluster_find_leader(c, "before", p);
    }
    cluster_run(c, 500 * MS);
    for (int i = 0; i < 3; i++) {
        check_leads(c, i, "before");
        check_leads(c, i, "orders");
        check_leads(c, i, "mine");
    }
    cluster_free(c);
}
END_TEST

/* A leader that hears nobody isn't one for long, and what it took then was never acknowledged. */
START_TEST(a_minority_does_not_answer)
{
    struct cluster *c = cluster_begin(61 + (uint64_t)_i, 3, 1);
    int64_t offset;
    int leader, next;

    cluster_create(c, 0, "orders", 1, 3);
    leader = cluster_find_leader(c, "orders", 0);
    produce(c, leader, "orders", 0, 100, 0);
    cluster_cut(c, leader);
    ck_assert_int_ne(ask_produce(rig_connect(c->rigs[leader], 1), "orders", 0, 999, 1, &offset), 0);
    next = cluster_find_leader(c, "orders", 0);
    ck_assert_int_ne(next, leader);
    produce(c, next, "orders", 0, 101, 1);
    ck_assert_int_ne(cluster_ask_leader(c, leader, "orders", 0), cluster_id(c, leader));
    ck_assert_int_ne(ask_create_of(rig_connect(c->rigs[leader], 0), "cut", 1, 1), 0);
    cluster_heal(c, leader);
    cluster_run(c, 3000 * MS);
    next = cluster_find_leader(c, "orders", 0);
    expect(c, next, "orders", 0, 100, 2);
    ck_assert_int_eq(replica_high_watermark(group_of(c, leader, "orders", 0)->replica), 2);
    cluster_free(c);
}
END_TEST

/* A command that only its leader has isn't applied by a start, and when others have gone on without it, what they made
 * in its place has the same group. */
START_TEST(what_was_not_committed_never_was)
{
    struct cluster *c = cluster_begin(65 + (uint64_t)_i, 3, 1 + (unsigned)_i);
    int first = cluster_ask_controller(c, 0) - 1, other = (first + 1) % 3, leader;
    uint64_t last;

    cluster_cut(c, first);
    ck_assert_int_ne(ask_create_of(rig_connect(c->rigs[first], 0), "ghost", 1, 3), 0);
    last = replica_last_index(c->rigs[first]->node->metadata);
    cluster_crash(c, first, SIM_CRASH_NOTHING);
    cluster_create(c, other, "real", 1, 3);
    leader = cluster_find_leader(c, "real", 0);
    produce(c, leader, "real", 0, 100, 0);
    cluster_start(c, first);
    cluster_run(c, 3000 * MS);
    ck_assert_uint_eq(replica_last_index(c->rigs[first]->node->metadata), last);
    ck_assert_ptr_null(topic_of(c, first, "ghost"));
    ck_assert_ptr_null(topic_of(c, first, "real"));
    ck_assert(!rig_is_ready(c->rigs[first]));
    cluster_heal(c, first);
    cluster_settle(c);
    cluster_run(c, 2000 * MS);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(topic_of(c, i, "ghost"));
        ck_assert(uuid_eq(&group_of(c, i, "real", 0)->topic, &topic_of(c, i, "real")->id));
        ck_assert_int_eq(replica_high_watermark(group_of(c, i, "real", 0)->replica), 1);
    }
    expect(c, cluster_find_leader(c, "real", 0), "real", 0, 100, 1);
    cluster_free(c);
}
END_TEST

START_TEST(without_a_majority_commands_wait_and_end)
{
    struct cluster *c = cluster_begin(71, 3, 1);
    int16_t error;

    cluster_crash(c, 1, SIM_CRASH_NOTHING);
    cluster_crash(c, 2, SIM_CRASH_NOTHING);
    error = ask_create_of(rig_connect(c->rigs[0], 0), "orders", 1, 1);
    ck_assert(error == KAFKA_E_NOT_CONTROLLER || error == KAFKA_E_REQUEST_TIMED_OUT);
    cluster_start(c, 1);
    cluster_settle(c);
    cluster_create(c, 0, "orders", 1, 1);
    cluster_free(c);
}
END_TEST

static void ask_ended(struct broker_command *c)
{
    *(int16_t *)c->route = c->error;
}

/* Numbers of asks are none that an earlier start gave: its answers may come late. */
START_TEST(a_late_answer_is_not_for_another_command)
{
    struct cluster *c = cluster_begin(72, 3, 1);
    int i = cluster_ask_controller(c, 0) == cluster_id(c, 1) ? 2 : 1;
    int16_t ended = INT16_MAX;
    struct broker_command command = { .route = &ended, .done = ask_ended };
    uint8_t answer[8 + 2 + 8 + 4 + 8] = { 0 };
    struct wr w;

    cluster_crash(c, i, SIM_CRASH_NOTHING);
    cluster_start(c, i);
    cluster_settle(c);
    cluster_cut(c, i);
    wr_init_growing(&w, 64, 1024);
    meta_write_producer_ids(&w, 1000);
    command.body = slice_make(w.start, wr_size(&w));
    node_ask(c->rigs[i]->node, &command);
    for (uint64_t number = 0; number < 100; number++) {
        store_le64(answer, number);
        node_ask_replied(c->rigs[i]->node, slice_make(answer, sizeof(answer)));
    }
    cluster_run(c, 1000 * MS);
    ck_assert_int_eq(ended, INT16_MAX);
    cluster_run(c, 5000 * MS);
    ck_assert_int_eq(ended, KAFKA_E_REQUEST_TIMED_OUT);
    wr_fini(&w);
    cluster_free(c);
}
END_TEST

/* Who is told to stop hands over what it leads first, and ends in time. */
START_TEST(a_stop_hands_over)
{
    struct cluster *c = cluster_begin(81, 3, 1);
    int leader, next;

    cluster_create(c, 0, "orders", 1, 3);
    leader = cluster_find_leader(c, "orders", 0);
    produce(c, leader, "orders", 0, 100, 0);
    node_stop(c->rigs[leader]->node, 0, 1000 * MS);
    cluster_run(c, 200 * MS); /* less than who is left alone waits before it campaigns */
    ck_assert_int_ne(cluster_find_leader(c, "orders", 0), leader);
    ck_assert_int_ge(replica_leader(c->rigs[(leader + 1) % 3]->node->metadata), 1);
    ck_assert_int_ne(replica_leader(c->rigs[(leader + 1) % 3]->node->metadata), leader + 1);
    for (int i = 0; i < 1000 && !node_is_stopped(c->rigs[leader]->node, 0); i++)
        cluster_run(c, 10 * MS);
    ck_assert(node_is_stopped(c->rigs[leader]->node, 0));
    ck_assert_uint_eq(sim_lane_pending(c->rigs[leader]->lane), 0);
    cluster_crash(c, leader, SIM_CRASH_NOTHING);
    next = cluster_find_leader(c, "orders", 0);
    expect(c, next, "orders", 0, 100, 1);
    cluster_start(c, leader);
    cluster_settle(c);
    cluster_free(c);
}
END_TEST

/* The leader sees who is in sync, and its clients hear of it. */
START_TEST(who_is_in_sync_is_told)
{
    struct cluster *c = cluster_begin(91, 3, 2);
    int32_t p = _i; /* of a group on either reactor */
    const struct meta_topic *t;
    int leader, other, n_replicas;

    cluster_create(c, 0, "orders", 2, 3);
    leader = cluster_find_leader(c, "orders", p);
    cluster_run(c, 3000 * MS);
    t = topic_of(c, leader, "orders");
    ck_assert_uint_eq(t->partitions[p].in_sync & 7, 7);
    other = (leader + 1) % 3;
    cluster_crash(c, other, SIM_CRASH_NOTHING);
    cluster_run(c, (uint64_t)c->rigs[leader]->config.replica_lag_time_ns + 3000 * MS);
    for (unsigned r = 0; r < 2; r++) {
        t = meta_topic_by_name(&c->rigs[leader]->node->reactors[r].meta, slice_str("orders"));
        ck_assert_uint_eq(t->partitions[p].in_sync & 7, 7u & ~(1u << meta_replica_of(t, p, other + 1)));
    }
    check_leads(c, leader, "orders");
    ck_assert_int_eq(cluster_ask_in_sync(c, leader, "orders", p, &n_replicas), 2);
    ck_assert_int_eq(n_replicas, 3);
    cluster_start(c, other);
    cluster_settle(c);
    produce(c, cluster_find_leader(c, "orders", p), "orders", p, 1, 0);
    cluster_run(c, 3000 * MS);
    leader = cluster_find_leader(c, "orders", p);
    ck_assert_uint_eq(topic_of(c, leader, "orders")->partitions[p].in_sync & 7, 7);
    cluster_free(c);
}
END_TEST

/* A byte of the first segment of the only topic that there is. */
static int damage_segment(void *ctx, const struct disk_dirent *ent)
{
    char path[128];

    snprintf(path, sizeof(path), "topics/%.80s/00000000000000000001.log", ent->name);
    return sim_disk_flip(ctx, path, 1500, 1);
}

/* The disk of who leads has damage that its own readers don't meet; who needs that gets it elsewhere, and people hear
 * of it at once. */
START_TEST(damage_that_a_follower_meets_is_told)
{
    struct cluster *c = cluster_new(94 + (uint64_t)_i, 3, 1);
    int leader, away;

    for (int i = 0; i < 3; i++) {
        c->rigs[i]->config.segment_size_bytes = 4096;
        c->rigs[i]->config.scrub_rate_bytes = 0;
    }
    away = produce_without(c);
    for (int i = 0; i < 3; i++)
        if (i != away)
            replica_checkpoint(group_of(c, i, "orders", 0)->replica, UINT64_MAX);
    cluster_run(c, 1000 * MS);
    for (int i = 0; i < 3; i++)
        if (i != away)
            cluster_crash(c, i, SIM_CRASH_NOTHING);
    for (int i = 0; i < 3; i++)
        if (i != away)
            cluster_start(c, i);
    cluster_run(c, 3000 * MS);
    leader = cluster_find_leader(c, "orders", 0);
    ck_assert_int_eq(disk_list(sim_disk_env(c->rigs[leader]->disk), "topics", damage_segment, c->rigs[leader]->disk),
                     0);
    cluster_start(c, away);
    cluster_settle(c);
    cluster_run(c, 5000 * MS);
    ck_assert_uint_eq(c->rigs[leader]->n_damaged, 1);
    ck_assert_ptr_eq(strstr(c->rigs[leader]->damage, "orders-0: topics/"), c->rigs[leader]->damage);
    ck_assert_ptr_nonnull(strstr(c->rigs[leader]->damage, "00000000000000000001.log"));
    ck_assert_uint_eq(group_of(c, leader, "orders", 0)->n_damaged, 1);
    ck_assert_int_ne(cluster_find_leader(c, "orders", 0), leader);
    ck_assert_int_eq(replica_high_watermark(group_of(c, away, "orders", 0)->replica), 100);
    cluster_free(c);
}
END_TEST

static void collected(struct node_report *report)
{
    report->done = NULL;
}

static struct node_report collect(struct cluster *c, int i)
{
    struct node_report report = { .done = collected };

    node_collect(c->rigs[i]->node, &report);
    cluster_run(c, 100 * MS);
    ck_assert_ptr_null(report.done);
    node_report_fini(&report);
    return report;
}

/* What is refused of a message that was decoded, be it by the replica, its core or the session, is among the figures.
 */
START_TEST(refusals_are_counted)
{
    struct cluster *c = cluster_begin(97 + (uint64_t)_i, 3, 2);
    struct replica_message m = { .raft = { .from = cluster_id(c, 1), .to = cluster_id(c, 0), .n_entries = 1 } };
    struct fleet_message word = { .from = cluster_id(c, 1), .to = cluster_id(c, 0) };
    struct node_report before, after;
    struct node_shard *s;

    cluster_create(c, 0, "orders", 1, 3);
    cluster_settle(c);
    before = collect(c, 0);
    ck_assert_uint_eq(before.raft_messages_refused, 0);
    ck_assert_uint_eq(before.session_messages_refused, 0);
    s = node_shard_of(c->rigs[0]->node, topic_of(c, 0, "orders")->partitions[0].group);
    word.from_shard = word.to_shard = s->index;
    m.group = topic_of(c, 0, "orders")->partitions[0].group;
    m.raft.kind = RAFT_HEARTBEAT;
    node_group_heard(s, &m); /* entries where none can be */
    m.raft.n_entries = 0;
    node_group_heard(s, &m); /* no term */
    ck_assert_int_eq(fleet_receive(s->replicas.fleet, &word), -EBADMSG);
    word.session = 1;
    word.sequence = 1;
    ck_assert_int_eq(fleet_receive(s->replicas.fleet, &word), FLEET_E_STALE);
    after = collect(c, 0);
    ck_assert_uint_eq(after.raft_messages_refused, 2);
    ck_assert_uint_eq(after.session_messages_refused, 1);
    ck_assert_uint_gt(after.session_messages_stale, before.session_messages_stale);
    cluster_free(c);
}
END_TEST

Suite *cluster_suite(void)
{
    Suite *s = suite_create("cluster");

    cluster_add_loop(s, "topics_are_placed", topics_are_placed, 0, 2);
    suite_add(s, replicas_need_brokers);
    suite_add(s, a_crash_while_a_topic_goes);
    cluster_add_loop(s, "any_broker_takes_commands", any_broker_takes_commands, 0, 2);
    suite_add(s, others_send_clients_on);
    cluster_add_loop(s, "what_was_acknowledged_outlives_its_leader", what_was_acknowledged_outlives_its_leader, 0, 4);
    cluster_add_loop(s, "all_come_back", all_come_back, 0, 6);
    cluster_add_loop(s, "a_minority_does_not_answer", a_minority_does_not_answer, 0, 2);
    cluster_add_loop(s, "what_was_not_committed_never_was", what_was_not_committed_never_was, 0, 2);
    suite_add(s, messages_are_as_large_as_configured);
    suite_add(s, without_a_majority_commands_wait_and_end);
    suite_add(s, a_late_answer_is_not_for_another_command);
    suite_add(s, a_stop_hands_over);
    cluster_add_loop(s, "who_is_in_sync_is_told", who_is_in_sync_is_told, 0, 2);
    cluster_add_loop(s, "damage_that_a_follower_meets_is_told", damage_that_a_follower_meets_is_told, 0, 2);
    cluster_add_loop(s, "refusals_are_counted", refusals_are_counted, 0, 2);
    return s;
}
