/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes in a cluster: brokers that come back with another data directory, partitions that go elsewhere. */
#include "meta/state.h"
#include "meta/suites.h"

enum {
    UNKNOWN_TOPIC_OR_PARTITION = 3,
    INVALID_REPLICA_ASSIGNMENT = 39,
    INVALID_REQUEST = 42,
    NO_REASSIGNMENT_IN_PROGRESS = 85,
    DUPLICATE_BROKER = 101,
};

static struct state s;

static void setup(void)
{
    state_init(&s, 1);
    ck_assert_int_eq(state_form(&s, 3), 0);
}

static void teardown(void)
{
    state_fini(&s);
}

static int16_t readmit(int32_t id, uint8_t before, uint8_t now)
{
    struct uuid old = state_id(before), new = state_id(now);

    meta_write_readmission(&s.command, id, &old, &new);
    return state_apply(&s);
}

static bool is_at(int32_t id, uint64_t group, uint8_t incarnation)
{
    struct uuid expected = state_id(incarnation);

    return uuid_eq(meta_broker_at(meta_broker_by_id(&s.meta, id), group), &expected);
}

/* ---- Readmission ---- */

START_TEST(a_broker_is_readmitted)
{
    const struct meta_broker *b;
    struct uuid former = state_id(101), other = state_id(200);

    ck_assert_int_eq(state_register(&s, 2, "east"), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 9, 2, 3), 0);
    ck_assert_int_eq(readmit(2, 101, 200), 0);
    ck_assert_int_eq(s.event.kind, META_BROKER_READMITTED);
    ck_assert_int_eq(s.event.broker_id, 2);
    ck_assert_int_eq(state_create_of(&s, "claims", 8, 2, 3), 0);
    b = meta_broker_by_node(&s.meta, "n2");
    ck_assert_int_eq(b->id, 2);
    ck_assert(b->votes);
    ck_assert_str_eq(b->rack, "east");
    ck_assert_uint_eq(b->port, 9092);
    ck_assert(uuid_eq(&b->incarnation, &other));
    ck_assert(meta_broker_was(b, &former));
    ck_assert(!meta_broker_was(b, &other));
    for (uint64_t group = 2; group < 4; group++)
        ck_assert(is_at(2, group, 101));
    for (uint64_t group = 4; group < 6; group++)
        ck_assert(is_at(2, group, 200));
    ck_assert_ptr_null(meta_broker_by_node(&s.meta, "n4"));
}
END_TEST

START_TEST(a_readmission_says_what_it_replaces)
{
    ck_assert_int_eq(readmit(2, 101, 200), 0);
    ck_assert_int_eq(readmit(2, 101, 201), DUPLICATE_BROKER); /* somebody was faster */
    ck_assert_int_eq(readmit(2, 101, 200), DUPLICATE_BROKER);
    ck_assert_int_eq(readmit(9, 101, 201), DUPLICATE_BROKER);
    ck_assert_int_eq(readmit(2, 200, 201), 0);
    ck_assert_int_eq(s.event.kind, META_BROKER_READMITTED);
}
END_TEST

/* A data directory that was anybody's never comes again. */
START_TEST(no_data_directory_comes_twice)
{
    ck_assert_int_eq(readmit(2, 101, 200), 0);
    ck_assert_int_eq(readmit(2, 200, 200), INVALID_REQUEST);
    ck_assert_int_eq(readmit(2, 200, 101), INVALID_REQUEST);
    ck_assert_int_eq(readmit(1, 100, 101), INVALID_REQUEST);
    ck_assert_int_eq(readmit(1, 100, 102), INVALID_REQUEST);
    ck_assert_int_eq(s.event.kind, META_NOTHING);
}
END_TEST

START_TEST(who_registers_has_the_new_one)
{
    struct meta_formation f;
    struct meta_broker b;

    ck_assert_int_eq(readmit(2, 101, 200), 0);
    ck_assert_int_eq(state_register(&s, 2, NULL), DUPLICATE_BROKER);
    state_founders(&f, 3);
    b = (struct meta_broker){ .id = 2, .node_id = f.founders[1].node_id, .host = (char *)"h", .port = 1 };
    b.raft_addr = (char *)"elsewhere:1";
    b.incarnation = state_id(200);
    meta_write_broker(&s.command, &b);
    ck_assert_int_eq(state_apply(&s), 0);
    ck_assert_uint_eq(meta_broker_by_id(&s.meta, 2)->n_formers, 1);
    ck_assert(is_at(2, META_GROUP_ID_DEFAULT, 101));
}
END_TEST

START_TEST(a_broker_alone_is_not_readmitted)
{
    struct uuid id = state_id(1);

    state_fini(&s);
    state_init(&s, 1);
    meta_write_form(&s.command, &id);
    ck_assert_int_eq(state_apply(&s), 0);
    meta_write_broker(&s.command, &(struct meta_broker){ .id = 1, .node_id = (char *)"n", .host = (char *)"" });
    ck_assert_int_eq(state_apply(&s), 0);
    ck_assert_int_eq(readmit(1, 0, 5), DUPLICATE_BROKER);
}
END_TEST

START_TEST(readmissions_are_of_the_image)
{
    _cleanup_(freep) char *before = NULL, *after = NULL;
    struct meta copy;

    ck_assert_int_eq(readmit(2, 101, 200), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", 9, 2, 3), 0);
    ck_assert_int_eq(readmit(2, 200, 201), 0);
    ck_assert_int_eq(readmit(3, 102, 202), 0);
    before = meta_text(&s.meta);
    meta_copy(&s.meta, &copy);
    after = meta_text(&copy);
    ck_assert_str_eq(after, before);
    meta_fini(&copy);
}
END_TEST

/* ---- Replicas ---- */

#define ORDERS 9

static void setup_five(void)
{
    state_init(&s, 1);
    ck_assert_int_eq(state_form(&s, 5), 0);
    ck_assert_int_eq(state_create_of(&s, "orders", ORDERS, 2, 3), 0);
}

/* n −1: back. */
static int16_t move(int32_t partition, const int32_t *ids, int n)
{
    struct uuid topic = state_id(ORDERS);
    struct meta_ids wanted = { ids, (uint16_t)MAX(n, 0) };

    meta_write_replicas(&s.command, &topic, partition, n >= 0 ? &wanted : NULL);
    return state_apply(&s);
}

static int16_t settle(int32_t partition, uint64_t since)
{
    struct uuid topic = state_id(ORDERS);

    meta_write_settled(&s.command, &topic, partition, since);
    return state_apply(&s);
}

static const struct meta_topic *orders(void)
{
    return meta_topic_by_name(&s.meta, slice_str("orders"));
}

static void expect_ids(struct meta_ids ids, int n, const int32_t *expected)
{
    ck_assert_int_eq(ids.n, n);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(ids.ids[i], expected[i]);
}

#define IDS(...) \
    (int)(sizeof((int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)), (const int32_t[]) \
    { \
        __VA_ARGS__ \
    }

static void place(void)
{
    static const int32_t first[] = { 1, 2, 3 };
    uint64_t since = s.meta.applied_index + 1;

    ck_assert_int_eq(move(0, first, 3), 0);
    if (meta_is_unsettled(orders(), 0))
        ck_assert_int_eq(settle(0, since), 0);
}

START_TEST(a_partition_moves)
{
    static const int32_t second[] = { 3, 4, 5 };
    uint64_t since;

    place();
    since = s.meta.applied_index + 1;
    ck_assert_int_eq(move(0, second, 3), 0);
    ck_assert_int_eq(s.event.kind, META_REPLICAS_CHANGED);
    ck_assert_int_eq(s.event.first_partition, 0);
    ck_assert(meta_is_moving(orders(), 0));
    expect_ids(meta_target(orders(), 0), IDS(3, 4, 5));
    expect_ids(meta_replicas_all(orders(), 0), IDS(3, 4, 5, 1, 2));
    expect_ids(meta_replicas_shown(orders(), 0), IDS(3, 4, 5, 1, 2));
    expect_ids(meta_before(orders(), 0), IDS(1, 2, 3));
    ck_assert_uint_eq(orders()->partitions[0].in_sync, 1u | 8u | 16u);
    ck_assert_int_eq(settle(0, since - 1), NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(settle(0, since), 0);
    ck_assert_int_eq(s.event.kind, META_REPLICAS_SETTLED);
    ck_assert(!meta_is_unsettled(orders(), 0));
    expect_ids(meta_replicas_all(orders(), 0), IDS(3, 4, 5));
    ck_assert_uint_eq(orders()->partitions[0].in_sync, UINT32_MAX);
    ck_assert_int_eq(settle(0, since), NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(meta_replica_of(orders(), 0, 1), -1);
    ck_assert_int_eq(meta_replica_of(orders(), 0, 5), 2);
    ck_assert(meta_has_kept(orders(), 0, 3) && !meta_has_kept(orders(), 0, 4) && !meta_has_kept(orders(), 0, 1));
    ck_assert(meta_has_kept(orders(), 1, 4) && !meta_has_kept(orders(), 1, 2));
    ck_assert_int_eq(orders()->n_replicas, 3);
    ck_assert(!meta_is_unsettled(orders(), 1));
}
END_TEST

/* A later command takes the place of one that is under way: whoever may have a replica is still listed. */
START_TEST(a_move_changes_its_mind)
{
    static const int32_t second[] = { 3, 4, 5 }, third[] = { 1, 4 };

    place();
    ck_assert_int_eq(move(0, second, 3), 0);
    ck_assert_int_eq(move(0, third, 2), 0);
    expect_ids(meta_target(orders(), 0), IDS(1, 4));
    expect_ids(meta_replicas_all(orders(), 0), IDS(1, 4, 3, 5, 2));
    expect_ids(meta_before(orders(), 0), IDS(1, 2, 3));
    ck_assert_int_eq(move(0, NULL, -1), 0);
    ck_assert(meta_is_unsettled(orders(), 0) && !meta_is_moving(orders(), 0));
    expect_ids(meta_target(orders(), 0), IDS(1, 2, 3));
    expect_ids(meta_replicas_all(orders(), 0), IDS(1, 2, 3, 4, 5));
    expect_ids(meta_replicas_shown(orders(), 0), IDS(1, 2, 3));
    ck_assert_int_eq(move(0, NULL, -1), NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(settle(0, s.meta.applied_index - 1), 0);
    expect_ids(meta_replicas_all(orders(), 0), IDS(1, 2, 3));
}
END_TEST

START_TEST(moves_that_can_not_be)
{
    static const int32_t twice[] = { 1, 2, 1 }, unknown[] = { 1, 9 }, two[] = { 1, 2 };
    struct uuid other = state_id(77);
    _cleanup_(freep) char *before = NULL, *after = NULL;

    place();
    ck_assert_int_eq(move(0, twice, 3), INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move(0, unknown, 2), INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move(0, unknown, 0), INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(move(2, two, 2), UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(move(-1, two, 2), UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(move(0, NULL, -1), NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(s.event.kind, META_NOTHING);
    meta_write_replicas(&s.command, &other, 0, NULL);
    ck_assert_int_eq(state_apply(&s), UNKNOWN_TOPIC_OR_PARTITION);
    meta_write_settled(&s.command, &other, 0, 1);
    ck_assert_int_eq(state_apply(&s), NO_REASSIGNMENT_IN_PROGRESS);
    ck_assert_int_eq(settle(-1, 1), NO_REASSIGNMENT_IN_PROGRESS);
    before = meta_text(&s.meta);
    place(); /* where it is */
    s.meta.applied_index--;
    after = meta_text(&s.meta);
    ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(moves_are_of_the_image)
{
    static const int32_t second[] = { 3, 4, 5 }, third[] = { 1, 4 };
    _cleanup_(freep) char *before = NULL, *after = NULL;
    struct meta copy;

    place();
    ck_assert_int_eq(move(1, second, 3), 0);
    if (_i > 0)
        ck_assert_int_eq(move(1, third, 2), 0);
    if (_i > 1)
        ck_assert_int_eq(settle(1, s.meta.applied_index), 0);
    before = meta_text(&s.meta);
    meta_copy(&s.meta, &copy);
    after = meta_text(&copy);
    ck_assert_str_eq(after, before);
    meta_fini(&copy);
}
END_TEST

/* ---- Bytes ---- */

static void expect_bytes(const struct wr *w, const uint8_t *bytes, size_t size)
{
    ck_assert_int_eq(w->error, 0);
    ck_assert_uint_eq(wr_size(w), size);
    ck_assert_mem_eq(w->start, bytes, size);
}

START_TEST(the_bytes_of_a_readmission)
{
    static const uint8_t bytes[] = {
        10, 2, 1, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    };
    struct uuid before = state_id(7), now = state_id(9);
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_readmission(&w, 258, &before, &now);
    expect_bytes(&w, bytes, sizeof(bytes));
    wr_reset(&w);
    now = state_id(0);
    meta_write_readmission(&w, 258, &before, &now);
    ck_assert_int_eq(meta_check(slice_make(w.start, wr_size(&w))), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(the_bytes_of_moves)
{
    static const uint8_t bytes[] = {
        11, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 0, 0, 0, 2, 0, 1, 0, 0, 0, 2, 1, 0, 0,
    };
    static const uint8_t cancel[] = {
        11, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 0, 0, 0, 255, 255,
    };
    static const uint8_t settled[] = {
        12, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 3, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0,
    };
    static const int32_t ids[33] = { 1, 258 };
    struct uuid topic = state_id(7);
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_replicas(&w, &topic, 3, &(struct meta_ids){ ids, 2 });
    expect_bytes(&w, bytes, sizeof(bytes));
    wr_reset(&w);
    meta_write_replicas(&w, &topic, 3, NULL);
    expect_bytes(&w, cancel, sizeof(cancel));
    wr_reset(&w);
    meta_write_settled(&w, &topic, 3, 513);
    expect_bytes(&w, settled, sizeof(settled));
    wr_reset(&w);
    meta_write_replicas(&w, &topic, 3, &(struct meta_ids){ ids, 33 });
    ck_assert_int_eq(meta_check(slice_make(w.start, wr_size(&w))), -EBADMSG);
    wr_fini(&w);
}
END_TEST

/* A broker's record with one former data directory, and what may be wrong with it. */
static int load_broker_record(uint8_t version, uint16_t n, uint8_t former, uint64_t end_group)
{
    struct meta_broker b = { .id = 1, .node_id = (char *)"n1", .host = (char *)"h", .incarnation = state_id(5) };
    uint8_t key[4] = { 1 };
    struct meta m;
    struct wr w;
    int rc;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    wr_u8(&w, version);
    wr_le32(&w, (uint32_t)b.id);
    wr_bytes(&w, b.incarnation.bytes, 16);
    wr_le32(&w, 2);
    wr_bytes(&w, "n1", 2);
    wr_le32(&w, 1);
    wr_bytes(&w, "h", 1);
    wr_le16(&w, 9092);
    wr_le32(&w, UINT32_MAX);
    wr_le32(&w, 3);
    wr_bytes(&w, "h:1", 3);
    wr_u8(&w, 1);
    if (n != UINT16_MAX)
        wr_le16(&w, n);
    for (uint16_t i = 0; i < n && n != UINT16_MAX; i++) {
        struct uuid id = state_id(former);

        wr_bytes(&w, id.bytes, 16);
        wr_le64(&w, end_group);
    }
    meta_init(&m, 1);
    rc = meta_load(&m, 2, slice_make(key, 4), slice_make(w.start, wr_size(&w)));
    if (rc == 0)
        rc = meta_load_finish(&m, 10);
    meta_fini(&m);
    wr_fini(&w);
    return rc;
}

START_TEST(records_of_brokers_are_checked)
{
    ck_assert_int_eq(load_broker_record(3, 1, 6, 2), 0);
    ck_assert_int_eq(load_broker_record(2, UINT16_MAX, 0, 0), 0);
    ck_assert_int_eq(load_broker_record(3, UINT16_MAX, 0, 0), -EBADMSG);
    ck_assert_int_eq(load_broker_record(2, 1, 6, 2), -EBADMSG);
    ck_assert_int_eq(load_broker_record(4, 1, 6, 2), -EBADMSG);
    ck_assert_int_eq(load_broker_record(3, 0, 6, 2), -EBADMSG);
    ck_assert_int_eq(load_broker_record(3, 2, 6, 2), -EBADMSG); /* twice */
    ck_assert_int_eq(load_broker_record(3, 1, 5, 2), -EBADMSG); /* the broker's own */
    ck_assert_int_eq(load_broker_record(3, 1, 0, 2), -EBADMSG);
    ck_assert_int_eq(load_broker_record(3, 1, 6, 0), -EBADMSG);
    ck_assert_int_eq(load_broker_record(3, 1, 6, 3), -EBADMSG); /* of groups that nobody made */
}
END_TEST

Suite *meta_change_suite(void)
{
    Suite *suite = suite_create("change");
    TCase *tc = tcase_create("moves_are_of_the_image");

    suite_add_with(suite, a_broker_is_readmitted, setup, teardown);
    suite_add_with(suite, a_readmission_says_what_it_replaces, setup, teardown);
    suite_add_with(suite, no_data_directory_comes_twice, setup, teardown);
    suite_add_with(suite, who_registers_has_the_new_one, setup, teardown);
    suite_add_with(suite, a_broker_alone_is_not_readmitted, setup, teardown);
    suite_add_with(suite, readmissions_are_of_the_image, setup, teardown);
    suite_add_with(suite, a_partition_moves, setup_five, teardown);
    suite_add_with(suite, a_move_changes_its_mind, setup_five, teardown);
    suite_add_with(suite, moves_that_can_not_be, setup_five, teardown);
    tcase_add_checked_fixture(tc, setup_five, teardown);
    tcase_add_loop_test(tc, moves_are_of_the_image, 0, 3);
    suite_add_tcase(suite, tc);
    suite_add(suite, the_bytes_of_moves);
    suite_add(suite, the_bytes_of_a_readmission);
    suite_add(suite, records_of_brokers_are_checked);
    return suite;
}
