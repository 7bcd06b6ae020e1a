/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AlterPartitionReassignments and ListPartitionReassignments, and Metadata meanwhile. */
#include <stdio.h>

#include "broker/rig.h"
#include "broker/suites.h"

typedef struct wire_alter_partition_reassignments_request_topic asked_topic;
typedef struct wire_alter_partition_reassignments_request_partition asked_partition;

static struct rig rig;
static struct wire_alter_partition_reassignments_response altered;
static struct wire_list_partition_reassignments_response listed;
static struct wire_metadata_response metadata;
static int32_t one[] = { 1 }, two[] = { 2, 1 }, three[] = { 3, 2, 1 }, unknown[] = { 1, 9 }, twice[] = { 1, 1 };

static void apply(struct wr *w)
{
    struct meta_event e;

    gq_assert(w->error == 0);
    gq_assert(meta_apply(&rig.meta, rig.meta.applied_index + 1, slice_make(w->start, wr_size(w)), &e) == 0);
    ck_assert_int_eq(e.error, 0);
    meta_event_fini(&e);
    wr_reset(w);
}

/* Three brokers, and topics "a" with two partitions and "b" with one, all on the first. */
static void setup(void)
{
    struct wr w;

    rig_init(&rig);
    wr_init_growing(&w, 64, 4096);
    for (int32_t id = 2; id <= 3; id++) {
        struct meta_broker b = { .id = id, .node_id = (char *)"n", .host = (char *)"h", .port = 9092 };

        b.incarnation.bytes[0] = (uint8_t)id;
        meta_write_broker(&w, &b);
        apply(&w);
    }
    wr_fini(&w);
    rig_create(&rig, "a", 2);
    rig_create(&rig, "b", 1);
}

static void teardown(void)
{
    rig_fini(&rig);
}

static asked_partition want(int32_t index, int32_t *ids, int32_t n)
{
    return (asked_partition){ .partition_index = index, .replicas = ids, .n_replicas = n };
}

static void alter(int16_t version, asked_topic *topics, int32_t n, bool may_change_factor)
{
    struct wire_alter_partition_reassignments_request m = {
        .timeout_ms = 1000,
        .allow_replication_factor_change = may_change_factor,
        .topics = topics,
        .n_topics = n,
    };

    rig_call(&rig, WIRE_API_ALTER_PARTITION_REASSIGNMENTS, version, &m, &altered);
    ck_assert_int_eq(altered.error_code, 0);
    ck_assert(slice_is_null(altered.error_message));
    ck_assert_int_eq(altered.throttle_time_ms, 0);
    ck_assert_int_eq(altered.n_responses, n);
}

/* One partition of topic "a". */
static int16_t alter_one(asked_partition p)
{
    asked_topic topic = { .name = slice_str("a"), .partitions = &p, .n_partitions = 1 };

    alter(0, &topic, 1, true);
    ck_assert_slice_eq(altered.responses[0].name, "a");
    ck_assert_int_eq(altered.responses[0].partitions[0].partition_index, p.partition_index);
    ck_assert(slice_is_null(altered.responses[0].partitions[0].error_message) ==
              (altered.responses[0].partitions[0].error_code == 0));
    return altered.responses[0].partitions[0].error_code;
}

static void list(struct wire_list_partition_reassignments_request_topic *topics, int32_t n)
{
    struct wire_list_partition_reassignments_request m = { .timeout_ms = 1000, .topics = topics, .n_topics = n };

    rig_call(&rig, WIRE_API_LIST_PARTITION_REASSIGNMENTS, 0, &m, &listed);
    ck_assert_int_eq(listed.error_code, 0);
    ck_assert(slice_is_null(listed.error_message));
}

static void expect_ids(const int32_t *ids, int32_t n, int32_t n_expected, const int32_t *expected)
{
    ck_assert_int_eq(n, n_expected);
    for (int32_t i = 0; i < n; i++)
        ck_assert_int_eq(ids[i], expected[i]);
}

START_TEST(asked_in_every_version)
{
    asked_partition parts[] = { want(1, three, 3), want(0, two, 2) };
    asked_topic topics[] = { { slice_str("a"), parts, 2 }, { slice_str("b"), parts + 1, 1 } };

    alter((int16_t)_i, topics, 2, true);
    ck_assert(altered.allow_replication_factor_change);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < topics[i].n_partitions; k++)
            ck_assert_int_eq(altered.responses[i].partitions[k].error_code, 0);
    ck_assert_int_eq(meta_target(rig_topic(&rig, "a"), 1).n, 3);
    ck_assert_int_eq(meta_target(rig_topic(&rig, "a"), 0).n, 2);
    ck_assert_int_eq(meta_target(rig_topic(&rig, "b"), 0).n, 2);
    ck_assert_uint_eq(rig.n_commands, 3);
}
END_TEST

START_TEST(what_is_under_way_is_listed)
{
    const struct wire_list_partition_reassignments_response_partition *p;
    struct wire_list_partition_reassignments_request_topic topics[] = { { slice_str("b"), one, 1 },
                                                                        { slice_str("none"), one, 1 },
                                                                        { slice_str("a"), one, 1 } };

    list(NULL, -1);
    ck_assert_int_eq(listed.n_topics, 0);
    ck_assert_int_eq(alter_one(want(1, three, 2)), 0);
    list(NULL, -1);
    ck_assert_int_eq(listed.n_topics, 1);
    ck_assert_slice_eq(listed.topics[0].name, "a");
    ck_assert_int_eq(listed.topics[0].n_partitions, 1);
    p = &listed.topics[0].partitions[0];
    ck_assert_int_eq(p->partition_index, 1);
    expect_ids(p->replicas, p->n_replicas, 3, (const int32_t[]){ 3, 2, 1 });
    expect_ids(p->adding_replicas, p->n_adding_replicas, 2, (const int32_t[]){ 3, 2 });
    expect_ids(p->removing_replicas, p->n_removing_replicas, 1, (const int32_t[]){ 1 });
    list(topics, 3);
    ck_assert_int_eq(listed.n_topics, 1);
    list(topics, 2);
    ck_assert_int_eq(listed.n_topics, 0);
    list(topics, 0);
    ck_assert_int_eq(listed.n_topics, 0);
}
END_TEST

START_TEST(it_can_be_taken_back)
{
    ck_assert_int_eq(alter_one(want(0, NULL, -1)), KAFKA_E_NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(alter_one(want(0, two, 2)), 0);
    ck_assert_int_eq(alter_one(want(0, NULL, -1)), 0);
    list(NULL, -1);
    ck_assert_int_eq(listed.n_topics, 0);
    ck_assert_int_eq(alter_one(want(0, NULL, -1)), KAFKA_E_NO_REASSIGNMENT_IN_PROGRESS);
}
END_TEST

START_TEST(where_it_is_already)
{
    ck_assert_int_eq(alter_one(want(0, one, 1)), 0);
    list(NULL, -1);
    ck_assert_int_eq(listed.n_topics, 0);
}
END_TEST

START_TEST(what_is_refused)
{
    int32_t many[META_REPLICAS_MAX + 1] = { 1 };
    asked_partition parts[] = { want(0, one, 1) };
    asked_topic topic = { slice_str("none"), parts, 1 };

    ck_assert_int_eq(alter_one(want(0, unknown, 2)), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(alter_one(want(0, twice, 2)), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(alter_one(want(0, one, 0)), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(alter_one(want(0, many, META_REPLICAS_MAX + 1)), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(alter_one(want(2, one, 1)), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(alter_one(want(-1, NULL, -1)), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    alter(0, &topic, 1, true);
    ck_assert_int_eq(altered.responses[0].partitions[0].error_code, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    rig.refuse_commands = KAFKA_E_NOT_CONTROLLER;
    ck_assert_int_eq(alter_one(want(0, two, 2)), KAFKA_E_NOT_CONTROLLER);
}
END_TEST

START_TEST(the_factor_may_have_to_stay)
{
    asked_partition parts[] = { want(0, two, 2), want(1, two, 1) };
    asked_topic topic = { slice_str("a"), parts, 2 };

    alter(1, &topic, 1, false);
    ck_assert(!altered.allow_replication_factor_change);
    ck_assert_int_eq(altered.responses[0].partitions[0].error_code, KAFKA_E_INVALID_REPLICATION_FACTOR);
    ck_assert_int_eq(altered.responses[0].partitions[1].error_code, 0);
}
END_TEST

START_TEST(named_twice)
{
    asked_partition parts[] = { want(0, two, 2), want(1, two, 2), want(0, three, 3) };
    asked_topic topics[] = { { slice_str("a"), parts, 3 }, { slice_str("b"), parts, 1 } };

    alter(0, topics, 2, true);
    ck_assert_int_eq(altered.responses[0].partitions[0].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(altered.responses[0].partitions[1].error_code, 0);
    ck_assert_int_eq(altered.responses[0].partitions[2].error_code, KAFKA_E_INVALID_REQUEST);
    ck_assert_int_eq(altered.responses[1].partitions[0].error_code, 0);
    ck_assert_uint_eq(rig.n_commands, 2);
}
END_TEST

/* Clients hear of all that may have a replica, and who was there before is in sync as long as nobody says more. */
START_TEST(metadata_meanwhile)
{
    struct wire_metadata_request_topic t = { .name = slice_str("b") };
    struct wire_metadata_request m = { .topics = &t, .n_topics = 1 };
    asked_partition parts[] = { want(0, three, 2) };
    asked_topic topic = { slice_str("b"), parts, 1 };
    const struct wire_metadata_response_partition *p;

    alter(0, &topic, 1, true);
    rig_call(&rig, WIRE_API_METADATA, 9, &m, &metadata);
    p = &metadata.topics[0].partitions[0];
    expect_ids(p->replica_nodes, p->n_replica_nodes, 3, (const int32_t[]){ 3, 2, 1 });
    expect_ids(p->isr_nodes, p->n_isr_nodes, 1, (const int32_t[]){ 1 });
    ck_assert_int_eq(p->leader_id, 1);
}
END_TEST

Suite *admin_reassign_suite(void)
{
    Suite *s = suite_create("admin: reassign");
    TCase *tc = tcase_create("asked_in_every_version");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, asked_in_every_version, 0, 2);
    suite_add_tcase(s, tc);
    suite_add_with(s, what_is_under_way_is_listed, setup, teardown);
    suite_add_with(s, it_can_be_taken_back, setup, teardown);
    suite_add_with(s, where_it_is_already, setup, teardown);
    suite_add_with(s, what_is_refused, setup, teardown);
    suite_add_with(s, the_factor_may_have_to_stay, setup, teardown);
    suite_add_with(s, named_twice, setup, teardown);
    suite_add_with(s, metadata_meanwhile, setup, teardown);
    return s;
}
