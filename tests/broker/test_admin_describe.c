/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DescribeCluster, FindCoordinator, DescribeLogDirs, DescribeProducers. */
#include "broker/rig.h"
#include "broker/suites.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig_create(&rig, "a", 1);
    rig_create(&rig, "b", 3);
}

static void teardown(void)
{
    rig_fini(&rig);
}

/* --- DescribeCluster --- */

static struct wire_describe_cluster_response cluster;

static void describe_cluster(int16_t version, int8_t endpoint_type)
{
    struct wire_describe_cluster_request m = { .endpoint_type = endpoint_type };

    rig_call(&rig, WIRE_API_DESCRIBE_CLUSTER, version, &m, &cluster);
}

START_TEST(the_cluster_in_every_version)
{
    char id[UUID_TEXT_SIZE];

    describe_cluster((int16_t)_i, 1);
    uuid_format(&rig.meta.cluster_id, id);
    ck_assert_int_eq(cluster.error_code, 0);
    ck_assert_slice_eq(cluster.cluster_id, id);
    ck_assert_int_eq(cluster.controller_id, RIG_BROKER_ID);
    ck_assert_int_eq(cluster.cluster_authorized_operations, INT32_MIN);
    ck_assert_int_eq(cluster.n_brokers, 1);
    ck_assert_int_eq(cluster.brokers[0].broker_id, RIG_BROKER_ID);
    ck_assert_slice_eq(cluster.brokers[0].host, "broker.example");
    ck_assert_int_eq(cluster.brokers[0].port, 9092);
    ck_assert_slice_eq(cluster.brokers[0].rack, "r1");
    ck_assert(!cluster.brokers[0].is_fenced);
}
END_TEST

START_TEST(no_controllers_here)
{
    describe_cluster(2, 2);
    ck_assert_int_eq(cluster.error_code, KAFKA_E_MISMATCHED_ENDPOINT_TYPE);
    ck_assert_slice_has(cluster.error_message, "broker");
    ck_assert_int_eq(cluster.n_brokers, 0);
    describe_cluster(2, 3);
    ck_assert_int_eq(cluster.error_code, KAFKA_E_UNSUPPORTED_ENDPOINT_TYPE);
}
END_TEST

/* Without an advertised address a client is told the one that it came in on. */
START_TEST(the_address_that_the_client_came_in_on)
{
    struct meta_broker b = {
        .id = RIG_BROKER_ID,
        .node_id = (char *)"b1",
        .host = (char *)"",
        .port = 9093,
    };
    struct wr w;

    wr_init_growing(&w, 0, 1 << 20);
    meta_write_broker(&w, &b);
    rig_apply(&rig, &w);
    wr_fini(&w);
    describe_cluster(2, 1);
    ck_assert_slice_eq(cluster.brokers[0].host, "127.0.0.1");
    ck_assert_int_eq(cluster.brokers[0].port, 9093);
    ck_assert(slice_is_null(cluster.brokers[0].rack));
}
END_TEST

/* --- FindCoordinator --- */

START_TEST(no_coordinators_yet)
{
    struct slice keys[] = { slice_str("g1"), slice_str("g2") };
    struct wire_find_coordinator_request m = {
        .key = slice_str("g1"),
        .coordinator_keys = keys,
        .n_coordinator_keys = 2,
    };
    struct wire_find_coordinator_response answer;
    int16_t version = (int16_t)_i;

    if (version < 4)
        m.n_coordinator_keys = 0;
    else
        m.key = slice_make("", 0);
    rig_call(&rig, WIRE_API_FIND_COORDINATOR, version, &m, &answer);
    if (version < 4) {
        ck_assert_int_eq(answer.error_code, KAFKA_E_COORDINATOR_NOT_AVAILABLE);
        ck_assert_int_eq(answer.node_id, -1);
        return;
    }
    ck_assert_int_eq(answer.n_coordinators, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert(slice_eq(answer.coordinators[i].key, keys[i]));
        ck_assert_int_eq(answer.coordinators[i].error_code, KAFKA_E_COORDINATOR_NOT_AVAILABLE);
        ck_assert_slice_has(answer.coordinators[i].error_message, "yet");
        ck_assert_int_eq(answer.coordinators[i].node_id, -1);
    }
}
END_TEST

/* --- DescribeLogDirs --- */

static struct wire_describe_log_dirs_response dirs;

static const struct wire_describe_log_dirs_response_result *describe_dirs(
    int16_t version, struct wire_describe_log_dirs_request_topic *topics, int32_t n)
{
    struct wire_describe_log_dirs_request m = { .topics = topics, .n_topics = n };

    rig_call(&rig, WIRE_API_DESCRIBE_LOG_DIRS, version, &m, &dirs);
    ck_assert_int_eq(dirs.error_code, 0);
    ck_assert_int_eq(dirs.n_results, 1);
    ck_assert_int_eq(dirs.results[0].error_code, 0);
    ck_assert_slice_eq(dirs.results[0].log_dir, rig.config.data_dir);
    return &dirs.results[0];
}

static void expect_partition(const struct wire_describe_log_dirs_response_partition *p, const char *topic,
                             int32_t partition)
{
    ck_assert_int_eq(p->partition_index, partition);
    ck_assert_int_eq(p->partition_size, (int64_t)rig_topic(&rig, topic)->partitions[partition].group * 1000);
    ck_assert_int_eq(p->offset_lag, 0);
    ck_assert(!p->is_future_key);
}

START_TEST(all_dirs_in_every_version)
{
    const struct wire_describe_log_dirs_response_result *r = describe_dirs((int16_t)_i, NULL, -1);
    struct disk_space space;

    ck_assert_int_eq(r->n_topics, 2);
    ck_assert_slice_eq(r->topics[0].name, "a");
    ck_assert_int_eq(r->topics[0].n_partitions, 1);
    expect_partition(&r->topics[0].partitions[0], "a", 0);
    ck_assert_slice_eq(r->topics[1].name, "b");
    ck_assert_int_eq(r->topics[1].n_partitions, 3);
    for (int32_t p = 0; p < 3; p++)
        expect_partition(&r->topics[1].partitions[p], "b", p);
    if (_i >= 4) {
        ck_assert_int_eq(disk_space(rig.env.disk, &space), 0);
        ck_assert_int_eq(r->total_bytes, (int64_t)space.total_bytes);
        ck_assert_int_eq(r->usable_bytes, (int64_t)space.free_bytes);
    }
}
END_TEST

START_TEST(named_dirs)
{
    int32_t partitions[] = { 2, 0, 7, -1 };
    struct wire_describe_log_dirs_request_topic topics[] = { { slice_str("b"), partitions, 4 },
                                                             { slice_str("none"), partitions, 1 } };
    const struct wire_describe_log_dirs_response_result *r = describe_dirs(4, topics, 2);

    ck_assert_int_eq(r->n_topics, 1);
    ck_assert_int_eq(r->topics[0].n_partitions, 2);
    expect_partition(&r->topics[0].partitions[0], "b", 2);
    expect_partition(&r->topics[0].partitions[1], "b", 0);
    ck_assert_int_eq(describe_dirs(4, NULL, 0)->n_topics, 0);
}
END_TEST

START_TEST(a_dir_that_goes_meanwhile)
{
    const struct wire_describe_log_dirs_response_result *r;

    rig.gone_group = rig_topic(&rig, "b")->partitions[1].group;
    r = describe_dirs(4, NULL, -1);
    ck_assert_int_eq(r->topics[1].n_partitions, 2);
    expect_partition(&r->topics[1].partitions[0], "b", 0);
    expect_partition(&r->topics[1].partitions[1], "b", 2);
}
END_TEST

/* The first of three brokers, without topics. */
static void join_cluster(void)
{
    static const char *const names[] = { "b1", "b2", "b3" };
    struct meta_formation f = { .cluster_id = { { 1 } }, .formed_ms = 1 };
    struct wr w;

    for (int32_t i = 0; i < 3; i++)
        f.founders[f.n_founders++] = (struct meta_founder){
            .id = RIG_BROKER_ID + i,
            .incarnation = { { (uint8_t)(i + 1) } },
            .node_id = (char *)(uintptr_t)names[i],
            .raft_addr = (char *)(uintptr_t) "192.0.2.1:9093",
            .votes = true,
        };
    meta_fini(&rig.meta);
    meta_init(&rig.meta, 1);
    wr_init_growing(&w, 0, 1 << 20);
    meta_write_formation(&w, &f);
    rig_apply(&rig, &w);
    wr_fini(&w);
}

/* Of a cluster's partitions those count that are here, and so do the topics that they are of. */
START_TEST(dirs_of_what_is_here)
{
    int32_t indexes[] = { 0, 1, 2, 3, 4, 5 }, n = 0, elsewhere = 0;
    struct wire_describe_log_dirs_request_topic topic = { slice_str("c"), indexes, 6 };
    const struct wire_describe_log_dirs_response_result *r;
    const struct meta_topic *c;

    join_cluster();
    c = rig_create(&rig, "c", 6);
    r = _i == 0 ? describe_dirs(4, NULL, -1) : describe_dirs(4, &topic, 1);
    ck_assert_int_eq(r->n_topics, 1);
    for (int32_t p = 0; p < 6; p++) {
        if (meta_replica_of(c, p, RIG_BROKER_ID) >= 0)
            expect_partition(&r->topics[0].partitions[n++], "c", p);
        else
            elsewhere = p;
    }
    ck_assert(n > 0 && n < 6);
    ck_assert_int_eq(r->topics[0].n_partitions, n);
    topic.partitions = &elsewhere;
    topic.n_partitions = 1;
    ck_assert_int_eq(describe_dirs(4, &topic, 1)->n_topics, 0);
}
END_TEST

static bool serve_few_at_once(struct rig *r, struct replica_op *op)
{
    unsigned n = 0;

    for (const struct list *l = r->ops.next; l != &r->ops; l = l->next)
        n++;
    ck_quick(n < 100);
    return rig_serve(r, op);
}

/* However much there is here, or elsewhere, it has an answer. */
START_TEST(dirs_of_very_many_partitions)
{
    const struct wire_describe_log_dirs_response_result *r;

    if (_i == 1)
        join_cluster();
    rig.serve = serve_few_at_once;
    rig_create(&rig, "c", META_PARTITIONS_MAX);
    rig_create(&rig, "d", META_PARTITIONS_MAX);
    r = describe_dirs(4, NULL, -1);
    for (int32_t t = 0; t < 2; t++) {
        const struct wire_describe_log_dirs_response_topic *topic = &r->topics[r->n_topics - 2 + t];
        const struct meta_topic *known = rig_topic(&rig, t == 0 ? "c" : "d");
        int32_t n = 0;

        for (int32_t p = 0; p < META_PARTITIONS_MAX; p++)
            n += _i == 0 || meta_replica_of(known, p, RIG_BROKER_ID) >= 0;
        ck_assert_int_eq(topic->n_partitions, n);
        expect_partition(&topic->partitions[n - 1], known->name, topic->partitions[n - 1].partition_index);
    }
}
END_TEST

/* The disk is asked on a worker: one that hangs doesn't hold up the reactor. */
START_TEST(a_disk_that_hangs)
{
    struct wire_describe_log_dirs_request m = { .n_topics = -1 };
    struct wire_describe_cluster_request other = { .endpoint_type = 1 };
    struct sim_conn *first = rig.conn;

    sim_lane_hold(rig.lane, LANE_POOL, 0, true);
    rig_send(&rig, WIRE_API_DESCRIBE_LOG_DIRS, 4, &m);
    ck_assert(!rig_receive(&rig, WIRE_API_DESCRIBE_LOG_DIRS, 4, &dirs));
    rig.conn = sim_net_connect(rig.net, 0, "192.0.2.2", 40000);
    rig_call(&rig, WIRE_API_DESCRIBE_CLUSTER, 2, &other, &cluster);
    sim_conn_close(rig.conn);
    rig.conn = first;
    sim_lane_hold(rig.lane, LANE_POOL, 0, false);
    ck_assert(rig_receive(&rig, WIRE_API_DESCRIBE_LOG_DIRS, 4, &dirs));
    ck_assert_int_eq(dirs.results[0].n_topics, 2);
}
END_TEST

START_TEST(a_disk_that_fails)
{
    const struct wire_describe_log_dirs_response_result *r;

    sim_disk_fail(rig.disk, SIM_DISK_SPACE, 0, 1, -EIO);
    r = describe_dirs(4, NULL, -1);
    ck_assert_int_eq(r->n_topics, 2);
    ck_assert_int_eq(r->total_bytes, -1); /* not known */
    ck_assert_int_eq(r->usable_bytes, -1);
}
END_TEST

/* --- DescribeProducers --- */

static struct wire_describe_producers_response producers;

static bool serve_producers(struct rig *r, struct replica_op *op)
{
    static const struct producer_info infos[] = {
        { 1000, 2, 17, 1700000000123, -1, -1 },
        { 1001, 0, -1, -1, 3, 44 },
    };

    ck_assert_int_eq(op->kind, REPLICA_DESCRIBE_PRODUCERS);
    if (op->group == rig_topic(r, "a")->partitions[0].group)
        return true; /* none */
    op->describe_producers.ret_n_producers = 2;
    op->describe_producers.ret_producers = xmalloc(sizeof(infos));
    memcpy(op->describe_producers.ret_producers, infos, sizeof(infos));
    return true;
}

static void send_producers(void)
{
    int32_t of_a[] = { 0 }, of_b[] = { 1, 3, -1 };
    struct wire_describe_producers_request_topic topics[] = { { slice_str("a"), of_a, 1 },
                                                              { slice_str("b"), of_b, 3 },
                                                              { slice_str("none"), of_a, 1 } };
    struct wire_describe_producers_request m = { .topics = topics, .n_topics = 3 };

    rig.serve = serve_producers;
    rig_send(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &m);
}

START_TEST(producers_of_partitions)
{
    const struct wire_describe_producers_response_partition *b;

    send_producers();
    ck_assert(rig_receive(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &producers));
    ck_assert_int_eq(producers.n_topics, 3);
    ck_assert_int_eq(producers.topics[0].partitions[0].error_code, 0);
    ck_assert_int_eq(producers.topics[0].partitions[0].n_active_producers, 0);
    b = producers.topics[1].partitions;
    ck_assert_int_eq(b[0].error_code, 0);
    ck_assert_int_eq(b[0].partition_index, 1);
    ck_assert_int_eq(b[0].n_active_producers, 2);
    ck_assert_int_eq(b[0].active_producers[0].producer_id, 1000);
    ck_assert_int_eq(b[0].active_producers[0].producer_epoch, 2);
    ck_assert_int_eq(b[0].active_producers[0].last_sequence, 17);
    ck_assert_int_eq(b[0].active_producers[0].last_timestamp, 1700000000123);
    ck_assert_int_eq(b[0].active_producers[0].current_txn_start_offset, -1);
    ck_assert_int_eq(b[0].active_producers[1].coordinator_epoch, 3);
    ck_assert_int_eq(b[0].active_producers[1].current_txn_start_offset, 44);
    ck_assert_int_eq(b[1].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(b[2].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(producers.topics[2].partitions[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
}
END_TEST

START_TEST(producers_of_a_topic_that_goes)
{
    rig.gone_group = rig_topic(&rig, "b")->partitions[1].group;
    send_producers();
    ck_assert(rig_receive(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &producers));
    ck_assert_int_eq(producers.topics[1].partitions[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(producers.topics[0].partitions[0].error_code, 0);
}
END_TEST

/* What the partitions gave is freed also when nobody reads it, and who has surely gone needs no more of it. */
START_TEST(producers_for_a_client_that_has_gone)
{
    const bool reset = _i == 1;

    rig.hold_ops = true;
    send_producers();
    rig_run(&rig);
    if (reset)
        sim_conn_reset(rig.conn);
    sim_conn_close(TAKE_PTR(rig.conn));
    rig_run(&rig);
    rig.hold_ops = false;
    rig_run(&rig);
    ck_assert_uint_eq(rig.n_ops, reset ? 1 : 2);
}
END_TEST

/* However a request names it, a partition is asked once at most. */
START_TEST(producers_of_a_partition_named_twice)
{
    int32_t some[] = { 1, 0, 1, 1, 9, 9 }, others[] = { 2, 1 };
    struct wire_describe_producers_request_topic topics[] = { { slice_str("b"), some, 6 },
                                                              { slice_str("b"), others, 2 } };
    struct wire_describe_producers_request m = { .topics = topics, .n_topics = 2 };
    const int16_t expected[] = {
        KAFKA_E_INVALID_REQUEST,
        0,
        KAFKA_E_INVALID_REQUEST,
        KAFKA_E_INVALID_REQUEST,
        KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION,
        KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION,
    };

    rig.serve = serve_producers;
    rig_call(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &m, &producers);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(producers.topics[0].partitions[i].partition_index, some[i]);
        ck_assert_int_eq(producers.topics[0].partitions[i].error_code, expected[i]);
    }
    ck_assert_slice_has(producers.topics[0].partitions[0].error_message, "more than once");
    ck_assert_int_eq(producers.topics[0].partitions[0].n_active_producers, 0);
    ck_assert_int_eq(producers.topics[0].partitions[1].n_active_producers, 2);
    ck_assert_int_eq(producers.topics[1].partitions[0].n_active_producers, 2);
    ck_assert_int_eq(producers.topics[1].partitions[1].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_uint_eq(rig.n_ops, 2);
}
END_TEST

#define MANY_PRODUCERS 10000

static bool serve_many_producers(struct rig *r, struct replica_op *op)
{
    ck_assert(list_is_empty(&r->ops)); /* nobody else's list is in memory */
    op->describe_producers.ret_n_producers = MANY_PRODUCERS;
    op->describe_producers.ret_producers = xcalloc(MANY_PRODUCERS, sizeof(struct producer_info));
    return true;
}

/* An answer has as much as there is memory for, and says what isn't in it. */
START_TEST(producers_of_many_partitions)
{
    int32_t indexes[200];
    struct wire_describe_producers_request_topic topic = { slice_str("many"), indexes, ARRAY_SIZE(indexes) };
    struct wire_describe_producers_request m = { .topics = &topic, .n_topics = 1 };
    const struct wire_describe_producers_response_partition *p;

    rig_create(&rig, "many", ARRAY_SIZE(indexes));
    for (int32_t i = 0; i < topic.n_partition_indexes; i++)
        indexes[i] = i;
    rig.serve = serve_many_producers;
    rig_call(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &m, &producers);
    p = producers.topics[0].partitions;
    for (int32_t i = 0; i < topic.n_partition_indexes; i++) {
        ck_assert_int_eq(p[i].error_code, i < 50 ? 0 : KAFKA_E_INVALID_REQUEST);
        ck_assert_int_eq(p[i].n_active_producers, i < 50 ? MANY_PRODUCERS : 0);
    }
    ck_assert_slice_has(p[50].error_message, "one answer");
    ck_assert_uint_eq(rig.n_ops, 51);
}
END_TEST

/* More than one request may take memory for: its connection ends, and nothing else. */
START_TEST(producers_of_more_than_fit)
{
    const int32_t n = 1000000;
    _cleanup_(freep) int32_t *indexes = xcalloc((size_t)n, sizeof(*indexes));
    struct wire_describe_producers_request_topic topic = { slice_str("b"), indexes, n };
    struct wire_describe_producers_request m = { .topics = &topic, .n_topics = 1 };

    for (int32_t i = 0; i < n; i++)
        indexes[i] = i;
    rig_send(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &m);
    ck_assert(!rig_receive(&rig, WIRE_API_DESCRIBE_PRODUCERS, 0, &producers));
    ck_assert(sim_conn_server_closed(rig.conn));
}
END_TEST

static void add_loop(Suite *s, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, test, from, to);
    suite_add_tcase(s, tc);
}

Suite *admin_describe_suite(void)
{
    Suite *s = suite_create("admin: describe");

    add_loop(s, "the_cluster_in_every_version", the_cluster_in_every_version, 0, 3);
    suite_add_with(s, no_controllers_here, setup, teardown);
    suite_add_with(s, the_address_that_the_client_came_in_on, setup, teardown);
    add_loop(s, "no_coordinators_yet", no_coordinators_yet, 0, 5);
    add_loop(s, "all_dirs_in_every_version", all_dirs_in_every_version, 1, 5);
    suite_add_with(s, named_dirs, setup, teardown);
    suite_add_with(s, a_dir_that_goes_meanwhile, setup, teardown);
    add_loop(s, "dirs_of_what_is_here", dirs_of_what_is_here, 0, 2);
    add_loop(s, "dirs_of_very_many_partitions", dirs_of_very_many_partitions, 0, 2);
    suite_add_with(s, a_disk_that_hangs, setup, teardown);
    suite_add_with(s, a_disk_that_fails, setup, teardown);
    suite_add_with(s, producers_of_partitions, setup, teardown);
    suite_add_with(s, producers_of_a_topic_that_goes, setup, teardown);
    add_loop(s, "producers_for_a_client_that_has_gone", producers_for_a_client_that_has_gone, 0, 2);
    suite_add_with(s, producers_of_a_partition_named_twice, setup, teardown);
    suite_add_with(s, producers_of_many_partitions, setup, teardown);
    suite_add_with(s, producers_of_more_than_fit, setup, teardown);
    return s;
}
