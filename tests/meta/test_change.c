/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes in a cluster: brokers that come back with another data directory. */
#include "meta/state.h"
#include "meta/suites.h"

enum {
    INVALID_REQUEST = 42,
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

    suite_add_with(suite, a_broker_is_readmitted, setup, teardown);
    suite_add_with(suite, a_readmission_says_what_it_replaces, setup, teardown);
    suite_add_with(suite, no_data_directory_comes_twice, setup, teardown);
    suite_add_with(suite, who_registers_has_the_new_one, setup, teardown);
    suite_add_with(suite, a_broker_alone_is_not_readmitted, setup, teardown);
    suite_add_with(suite, readmissions_are_of_the_image, setup, teardown);
    suite_add(suite, the_bytes_of_a_readmission);
    suite_add(suite, records_of_brokers_are_checked);
    return suite;
}
