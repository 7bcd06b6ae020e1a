/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is a command and what isn't. */
#include "meta/state.h"
#include "meta/suites.h"
#include "support/rand.h"

static void write_create(struct wr *w)
{
    struct meta_config_entry configs[] = { { (char *)"a", (char *)"1" }, { (char *)"b", (char *)"" } };
    struct meta_topic_create create = {
        .name = slice_str("orders"),
        .id = state_id(7),
        .n_partitions = 3,
        .replication_factor = 2,
        .leader = 1,
        .configs = configs,
        .n_configs = 2,
    };

    meta_write_topic_create(w, &create);
}

static void write_broker_with(struct wr *w, const char *rack, const char *raft_addr)
{
    struct meta_broker b = {
        .id = 1,
        .node_id = (char *)"b1",
        .incarnation = state_id(9),
        .host = (char *)"localhost",
        .port = 9092,
        .rack = (char *)rack,
        .raft_addr = (char *)raft_addr,
    };

    meta_write_broker(w, &b);
}

static void write_broker(struct wr *w)
{
    write_broker_with(w, "r", NULL);
}

static void write_form(struct wr *w)
{
    struct uuid id = state_id(1);

    meta_write_form(w, &id);
}

static void write_delete(struct wr *w)
{
    struct uuid id = state_id(7);

    meta_write_topic_delete(w, &id);
}

static void write_add(struct wr *w)
{
    struct uuid id = state_id(7);

    meta_write_partitions_add(w, &id, 5);
}

static void write_configs(struct wr *w)
{
    struct uuid id = state_id(7);
    struct meta_config_op ops[] = { { "a", "1" }, { "b", NULL } };

    meta_write_topic_configs(w, &id, true, ops, 2);
}

static void write_producer_ids(struct wr *w)
{
    meta_write_producer_ids(w, 1000);
}

static void write_formation(struct wr *w)
{
    struct meta_formation f;

    state_founders(&f, 5);
    meta_write_formation(w, &f);
}

static void write_cluster_broker(struct wr *w)
{
    write_broker_with(w, NULL, "localhost:9093");
}

static void write_readmission(struct wr *w)
{
    struct uuid before = state_id(100), now = state_id(200);

    meta_write_readmission(w, 1, &before, &now);
}

static void write_replicas(struct wr *w)
{
    static const int32_t ids[] = { 1, 2 };
    struct uuid id = state_id(7);

    meta_write_replicas(w, &id, 1, &(struct meta_ids){ ids, 2 });
}

static void write_cancel(struct wr *w)
{
    struct uuid id = state_id(7);

    meta_write_replicas(w, &id, 1, NULL);
}

static void write_settled(struct wr *w)
{
    struct uuid id = state_id(7);

    meta_write_settled(w, &id, 1, 5);
}

static void (*const writers[])(struct wr *w) = {
    write_form,     write_broker,       write_create,    write_delete,         write_add,
    write_configs,  write_producer_ids, write_formation, write_cluster_broker, write_readmission,
    write_replicas, write_cancel,       write_settled,
};

static int check(const uint8_t *data, size_t size)
{
    /* A block of its own, so that the address sanitizer sees a read past the end. */
    _cleanup_(freep) uint8_t *copy = xmalloc(size + (size == 0));

    memcpy(copy, data, size);
    return meta_check(slice_make(copy, size));
}

static void expect_command(const struct wr *w)
{
    ck_assert_int_eq(w->error, 0);
    ck_assert_int_eq(check(w->start, wr_size(w)), 0);
}

START_TEST(each_is_one)
{
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    writers[_i](&w);
    expect_command(&w);
    wr_fini(&w);
}
END_TEST

START_TEST(no_part_of_one_is_one)
{
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    writers[_i](&w);
    for (size_t size = 0; size < wr_size(&w); size++)
        ck_assert_int_eq(check(w.start, size), -EBADMSG);
    wr_u8(&w, 0);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(unknown_op)
{
    const uint8_t none[] = { 0 }, newer[] = { 8, 1, 2, 3 };

    ck_assert_int_eq(check(none, sizeof(none)), -EBADMSG);
    ck_assert_int_eq(check(newer, sizeof(newer)), -EBADMSG);
}
END_TEST

/* A name that is one byte too long for the state must not get into the log. */
START_TEST(longest_texts)
{
    char text[META_CONFIG_VALUE_MAX + 2];
    struct uuid id = state_id(7);
    struct meta_config_op op = { "a", text };
    struct wr w;

    memset(text, 'x', sizeof(text));
    text[META_CONFIG_VALUE_MAX] = '\0';
    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_topic_configs(&w, &id, false, &op, 1);
    expect_command(&w);
    wr_reset(&w);
    text[META_CONFIG_VALUE_MAX] = 'x';
    text[META_CONFIG_VALUE_MAX + 1] = '\0';
    meta_write_topic_configs(&w, &id, false, &op, 1);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(most_configs)
{
    struct meta_config_op ops[META_CONFIGS_MAX + 1];
    struct uuid id = state_id(7);
    struct wr w;

    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        ops[i] = (struct meta_config_op){ "a", "1" };
    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_topic_configs(&w, &id, false, ops, META_CONFIGS_MAX);
    expect_command(&w);
    wr_reset(&w);
    meta_write_topic_configs(&w, &id, false, ops, META_CONFIGS_MAX + 1);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(null_where_none_may_be)
{
    struct meta_config_entry config = { (char *)"a", NULL };
    struct meta_topic_create create = {
        .name = slice_str("t"),
        .id = state_id(7),
        .n_partitions = 1,
        .replication_factor = 1,
        .leader = 1,
        .configs = &config,
        .n_configs = 1,
    };
    struct meta_broker b = { .id = 1, .node_id = (char *)"b1", .host = NULL };
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_topic_create(&w, &create);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_reset(&w);
    create.name = SLICE_NULL;
    create.n_configs = 0;
    meta_write_topic_create(&w, &create);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_reset(&w);
    meta_write_broker(&w, &b);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_fini(&w);
}
END_TEST

START_TEST(nul_in_a_text)
{
    struct meta_topic_create create = {
        .name = slice_make("a\0b", 3),
        .id = state_id(7),
        .n_partitions = 1,
        .replication_factor = 1,
        .leader = 1,
    };
    struct wr w;

    wr_init_growing(&w, 0, STATE_COMMAND_MAX);
    meta_write_topic_create(&w, &create);
    ck_assert_int_eq(check(w.start, wr_size(&w)), -EBADMSG);
    wr_fini(&w);
}
END_TEST

/* Bytes that are no command leave the state as it was, whatever was read before the fault showed. */
START_TEST(damaged_ones_change_nothing)
{
    _cleanup_(freep) char *before = NULL;
    struct rand r;
    struct state s;
    int n_refused = 0;

    rand_init(&r);
    state_init(&s, 1);
    ck_assert_int_eq(state_create(&s, "orders", 7, 2), 0);
    before = meta_text(&s.meta);
    for (int i = 0; i < 3000; i++) {
        _cleanup_(freep) char *after = NULL;
        struct slice body;
        struct meta_event e;

        wr_reset(&s.command);
        writers[rand_below(&r, ARRAY_SIZE(writers))](&s.command);
        s.command.start[rand_below(&r, wr_size(&s.command))] ^= (uint8_t)(1u << rand_below(&r, 8));
        body = slice_make(s.command.start, wr_size(&s.command));
        if (check(body.data, body.size) == 0)
            continue;
        ck_assert_int_eq(meta_apply(&s.meta, s.meta.applied_index + 1, body, &e), -EBADMSG);
        after = meta_text(&s.meta);
        ck_assert_str_eq(after, before);
        n_refused++;
    }
    ck_assert_int_gt(n_refused, 100);
    state_fini(&s);
}
END_TEST

Suite *meta_command_suite(void)
{
    Suite *s = suite_create("command");
    TCase *tc = tcase_create("each command");

    tcase_add_loop_test(tc, each_is_one, 0, (int)ARRAY_SIZE(writers));
    tcase_add_loop_test(tc, no_part_of_one_is_one, 0, (int)ARRAY_SIZE(writers));
    suite_add_tcase(s, tc);
    suite_add(s, unknown_op);
    suite_add(s, longest_texts);
    suite_add(s, most_configs);
    suite_add(s, null_where_none_may_be);
    suite_add(s, nul_in_a_text);
    suite_add(s, damaged_ones_change_nothing);
    return s;
}
