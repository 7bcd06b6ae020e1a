/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* InitProducerId: ids of a block that the metadata gave, each once. */
#include "broker/rig.h"
#include "broker/suites.h"

static struct rig rig;

static void setup(void)
{
    rig_init(&rig);
    rig.hold_commands = true;
}

static void teardown(void)
{
    rig_fini(&rig);
}

static void ask(void)
{
    struct wire_init_producer_id_request m;

    wire_init_producer_id_request_init(&m);
    m.transactional_id = SLICE_NULL;
    rig_send(&rig, WIRE_API_INIT_PRODUCER_ID, 4, &m);
    rig_run(&rig);
}

/* What was proposed first ends, with this block. */
static void give(int64_t first, int32_t count)
{
    struct list *link = list_pop(&rig.commands);
    struct broker_command *c = list_entry(link, struct broker_command, link);

    ck_assert_ptr_nonnull(link);
    c->error = 0;
    c->ret_producer_id_first = first;
    c->ret_producer_id_count = count;
    c->done(c);
}

/* The id, or below zero the error code. */
static int64_t answer(void)
{
    struct wire_init_producer_id_response m;

    ck_assert(rig_receive(&rig, WIRE_API_INIT_PRODUCER_ID, 4, &m));
    ck_assert_int_eq(m.producer_epoch, 0);
    ck_assert((m.error_code == 0) == (m.producer_id >= 0));
    return m.error_code == 0 ? m.producer_id : -m.error_code;
}

START_TEST(a_block_is_used_up)
{
    ask();
    give(1000, 2);
    ck_assert_int_eq(answer(), 1000);
    ask();
    ck_assert_int_eq(answer(), 1001);
    ask();
    give(5000, 1000);
    ck_assert_int_eq(answer(), 5000);
}
END_TEST

/* Who asked for a block that came when there was another is served from that. */
START_TEST(blocks_for_several)
{
    ask();
    ask();
    give(1000, 1000);
    give(2000, 1000);
    ck_assert_int_eq(answer(), 1000);
    ck_assert_int_eq(answer(), 1001);
    ask();
    ck_assert_int_eq(answer(), 1002);
    ck_assert(list_is_empty(&rig.commands));
}
END_TEST

/* No id comes of an answer without a block, and none behind the end of one. */
START_TEST(a_bad_block_is_refused)
{
    static const struct {
        int64_t first;
        int32_t count;
    } bad[] = { { 0, 0 }, { 1000, 0 }, { 1000, -5 }, { -1, 1000 }, { INT64_MAX - 10, 1000 } };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ask();
        give(bad[i].first, bad[i].count);
        ck_assert_int_eq(answer(), -KAFKA_E_REQUEST_TIMED_OUT);
    }
    ask();
    give(1000, 1);
    ck_assert_int_eq(answer(), 1000);
    ask();
    give(2000, 1);
    ck_assert_int_eq(answer(), 2000);
}
END_TEST

Suite *producer_ids_suite(void)
{
    Suite *s = suite_create("producer_ids");

    suite_add_with(s, a_block_is_used_up, setup, teardown);
    suite_add_with(s, blocks_for_several, setup, teardown);
    suite_add_with(s, a_bad_block_is_refused, setup, teardown);
    return s;
}
