/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random commands, judged by the model after each; the records that they change must add up to the whole image at any
 * time, and a copy that is thrown away and loaded again now and then must stay equal. */
#include <stdio.h>

#include "meta/model.h"
#include "meta/state.h"
#include "meta/suites.h"
#include "support/rand.h"

#define N_STEPS 4000
#define N_NAMES 12
#define N_IDS 24

struct run {
    struct rand rand;
    struct model model;
    struct model_store store;
    struct state state;
    struct meta copy; /* the same commands, now and then loaded from the store */
    int n_refused, n_done;
};

static uint8_t random_id(struct run *r)
{
    return (uint8_t)rand_below(&r->rand, N_IDS);
}

static int16_t create(struct run *r)
{
    uint8_t id = random_id(r);
    int32_t n = (int32_t)rand_below(&r->rand, 4);
    int16_t n_replicas = (int16_t)rand_below(&r->rand, MODEL_MAX_REPLICAS + 1);
    char name[8];
    struct meta_topic_create c = {
        .id = state_id(id), .n_partitions = n, .replication_factor = n_replicas, .leader = 1
    };

    snprintf(name, sizeof(name), "t%u", (unsigned)rand_below(&r->rand, N_NAMES));
    c.name = slice_str(name);
    meta_write_topic_create(&r->state.command, &c);
    return model_create(&r->model, r->state.meta.applied_index + 1, name, id, n, n_replicas);
}

static int16_t delete (struct run *r)
{
    uint8_t byte = random_id(r);
    struct uuid id = state_id(byte);

    meta_write_topic_delete(&r->state.command, &id);
    return model_delete(&r->model, byte);
}

static int16_t add(struct run *r)
{
    int32_t total = (int32_t)rand_range(&r->rand, 1, MODEL_MAX_PARTITIONS);
    uint8_t byte = random_id(r);
    struct uuid id = state_id(byte);

    meta_write_partitions_add(&r->state.command, &id, total);
    return model_add(&r->model, byte, total);
}

static int16_t configure(struct run *r)
{
    bool replace = rand_chance(&r->rand, 1, 3);
    int values[MODEL_CONFIGS];
    char names[MODEL_CONFIGS][16], texts[MODEL_CONFIGS][16];
    struct meta_config_op ops[MODEL_CONFIGS];
    uint8_t byte = random_id(r);
    struct uuid id = state_id(byte);
    size_t n = 0;

    for (int i = 0; i < MODEL_CONFIGS; i++) {
        values[i] = (int)rand_below(&r->rand, 6) - 2;
        if (values[i] == -2)
            continue;
        snprintf(names[n], sizeof(names[n]), "c%d", i);
        snprintf(texts[n], sizeof(texts[n]), "%d", values[i]);
        ops[n] = (struct meta_config_op){ names[n], values[i] == -1 ? NULL : texts[n] };
        n++;
    }
    meta_write_topic_configs(&r->state.command, &id, replace, ops, n);
    return model_configure(&r->model, byte, replace, values);
}

static int16_t producer_ids(struct run *r)
{
    int32_t count = (int32_t)rand_below(&r->rand, 2000);

    meta_write_producer_ids(&r->state.command, count);
    return model_producer_ids(&r->model, count);
}

static void apply_to_copy(struct run *r)
{
    struct slice body = slice_make(r->state.command.start, wr_size(&r->state.command));
    struct meta_event e;

    ck_assert_int_eq(meta_apply(&r->copy, r->copy.applied_index + 1, body, &e), 0);
    meta_event_fini(&e);
}

static void load_copy(struct run *r)
{
    meta_fini(&r->copy);
    meta_init(&r->copy, rand_u64(&r->rand));
    ck_assert_int_eq(
        load_records(&r->copy, &r->store.records, rand_chance(&r->rand, 1, 2), r->state.meta.applied_index), 0);
}

static void step(struct run *r)
{
    static int16_t (*const commands[])(struct run * r) = { create, create, delete, add, configure, producer_ids };
    int16_t expected = commands[rand_below(&r->rand, ARRAY_SIZE(commands))](r);
    _cleanup_(freep) char *one = NULL, *other = NULL;

    apply_to_copy(r);
    ck_assert_int_eq(state_apply(&r->state), expected);
    model_store_take(&r->store, &r->state.event.records);
    ck_assert_msg(model_compare(&r->model, &r->state.meta) == NULL, "%s differs",
                  model_compare(&r->model, &r->state.meta));
    if (expected != 0)
        r->n_refused++;
    else
        r->n_done++;
    if (rand_chance(&r->rand, 1, 20))
        load_copy(r);
    one = meta_text(&r->state.meta);
    other = meta_text(&r->copy);
    ck_assert_str_eq(one, other);
}

/* Whose cluster it is: of one broker alone, of two, of five. */
static void form(struct run *r, int n_brokers)
{
    struct meta_formation f;

    r->model.n_brokers = n_brokers;
    if (n_brokers == 0)
        return;
    state_founders(&f, (uint32_t)n_brokers);
    meta_write_formation(&r->state.command, &f);
    apply_to_copy(r);
    ck_assert_int_eq(state_apply(&r->state), 0);
    model_store_take(&r->store, &r->state.event.records);
}

START_TEST(random_commands)
{
    struct run *r = xcalloc(1, sizeof(*r));

    rand_init(&r->rand);
    r->model.next_group = META_GROUP_ID_DEFAULT + 1;
    model_store_init(&r->store);
    state_init(&r->state, 1);
    meta_init(&r->copy, 2);
    form(r, (int[]){ 0, 2, 5 }[_i]);
    for (int i = 0; i < N_STEPS; i++)
        step(r);
    ck_assert_int_gt(r->n_done, N_STEPS / 8);
    ck_assert_int_gt(r->n_refused, N_STEPS / 8);
    meta_fini(&r->copy);
    state_fini(&r->state);
    model_store_fini(&r->store);
    free(r);
}
END_TEST

Suite *meta_model_suite(void)
{
    Suite *s = suite_create("model");
    TCase *tc = tcase_create("random_commands");

    tcase_add_loop_test(tc, random_commands, 0, 3);
    suite_add_tcase(s, tc);
    return s;
}
