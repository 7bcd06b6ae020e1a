/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random histories, judged by the model after every step; the applied state must also be what a replay of the log
 * alone gives, byte for byte. */
#include "support/rand.h"
#include "txn/producer_model.h"
#include "txn/suites.h"

#define N_IDS 6
#define N_STEPS 1500

struct run {
    struct rand *rand;
    struct model model;
    struct producer_state *state;  /* checked, proposed, applied, truncated, reloaded */
    struct producer_state *replay; /* only applied */
    uint64_t next_index;
    int64_t next_offset;
};

static uint32_t random_below(struct run *r, uint32_t n)
{
    return (uint32_t)rand_below(r->rand, n);
}

static uint8_t *image_of(const struct producer_state *s, size_t *ret_size)
{
    struct wr w;

    wr_init_growing(&w, 0, 1 << 20);
    producer_write(s, &w);
    return wr_take(&w, ret_size);
}

static void expect_equal(const struct producer_state *a, const struct producer_state *b)
{
    size_t a_size, b_size;
    _cleanup_(freep) uint8_t *x = image_of(a, &a_size), *y = image_of(b, &b_size);

    ck_assert_uint_eq(a_size, b_size);
    ck_assert_mem_eq(x, y, a_size);
}

static int32_t random_count(struct run *r)
{
    switch (random_below(r, 12)) {
    case 0:
        return INT32_MAX - (int32_t)random_below(r, 3);
    case 1:
        return (int32_t)random_below(r, 1u << 30) + 1;
    default:
        return (int32_t)random_below(r, 4) + 1;
    }
}

static const struct model_batch *random_batch(struct run *r, int64_t id)
{
    for (int tries = 0; tries < 20 && r->model.n > 0; tries++) {
        size_t back = random_below(r, (uint32_t)MIN(r->model.n, (size_t)40));
        const struct model_batch *b = &r->model.log[r->model.n - 1 - back];

        if (b->id == id)
            return b;
    }
    return NULL;
}

/* A batch as a client in some state of confusion would send it. */
static struct model_batch random_request(struct run *r)
{
    struct model_batch b = { .id = random_below(r, N_IDS), .count = random_count(r) };
    const struct model_batch *old = random_batch(r, b.id), *last = NULL;

    for (size_t i = 0; i < r->model.n; i++)
        last = r->model.log[i].id == b.id ? &r->model.log[i] : last;
    if (last == NULL || random_below(r, 20) == 0) {
        b.first = random_below(r, 2) ? 0 : INT32_MAX - (int32_t)random_below(r, 8);
        b.epoch = (int16_t)random_below(r, 3);
        return b;
    }
    b.epoch = last->epoch;
    b.first = (int32_t)(((int64_t)last->first + last->count) & INT32_MAX);
    switch (random_below(r, 10)) {
    case 0:
        b.epoch = (int16_t)(b.epoch + 1);
        b.first = random_below(r, 4) ? 0 : b.first;
        break;
    case 1:
        b.epoch = (int16_t)MAX(b.epoch - 1, 0);
        break;
    case 2:
        b.first = (int32_t)(((int64_t)b.first + random_below(r, 3)) & INT32_MAX);
        break;
    case 3:
        b.first = (int32_t)(((int64_t)b.first + (INT64_C(1) << 31) - random_below(r, 30)) & INT32_MAX);
        break;
    case 4:
    case 5:
        if (old != NULL)
            b = *old;
        break;
    default:
        break;
    }
    return b;
}

static void step_check(struct run *r)
{
    struct model_batch b = random_request(r);
    struct producer_verdict got, want = model_check(&r->model, b.id, b.epoch, b.first, b.count);

    producer_check(r->state, b.id, b.epoch, b.first, b.count, &got);
    ck_assert_msg(got.kind == want.kind && got.error == want.error && got.index == want.index &&
                      got.base_offset == want.base_offset && got.append_time_ms == want.append_time_ms,
                  "id %lld epoch %d first %d count %d: kind %d error %d, the model says %d %d", (long long)b.id,
                  b.epoch, b.first, b.count, got.kind, got.error, want.kind, want.error);
    if (got.kind != PRODUCER_NEW || r->model.n == MODEL_MAX_BATCHES)
        return;
    b.evicted = false;
    b.index = r->next_index;
    b.offset = r->next_offset;
    b.append_time = 1000 + b.offset;
    b.max_timestamp = 5000 - b.offset;
    r->next_index += random_below(r, 4) > 0; /* sometimes two batches share an entry */
    r->next_offset += b.count;
    producer_propose(r->state, b.id, b.epoch, b.first, b.count, b.index, b.offset, b.append_time);
    model_propose(&r->model, &b);
}

static void apply_to(struct producer_state *s, const struct model_batch *b)
{
    producer_apply(s, b->id, b->epoch, b->first, b->count, b->index, b->offset, b->append_time, b->max_timestamp);
}

static void step_apply(struct run *r)
{
    for (uint32_t n = random_below(r, 8); n > 0 && r->model.n_applied < r->model.n; n--) {
        const struct model_batch *b = &r->model.log[r->model.n_applied];

        apply_to(r->state, b);
        apply_to(r->replay, b);
        model_apply(&r->model);
        ck_assert_uint_eq(producer_count(r->state), model_count(&r->model));
    }
    expect_equal(r->state, r->replay);
}

static void step_truncate(struct run *r)
{
    size_t n_pending = r->model.n - r->model.n_applied;
    uint64_t from;

    if (n_pending == 0)
        return;
    from = r->model.log[r->model.n_applied + random_below(r, (uint32_t)n_pending)].index;
    if (r->model.n_applied > 0)
        from = MAX(from, r->model.log[r->model.n_applied - 1].index + 1);
    producer_truncate(r->state, from);
    model_truncate(&r->model, from);
}

/* A restart: applied state from its image, and the rest of the log proposed again. */
static void step_reload(struct run *r)
{
    struct producer_state *fresh = producer_state_new(rand_u64(r->rand), r->model.max_producers);
    size_t size;
    _cleanup_(freep) uint8_t *image = image_of(r->state, &size);

    ck_assert_int_eq(producer_read(fresh, image, size), 0);
    expect_equal(r->state, fresh);
    for (size_t i = r->model.n_applied; i < r->model.n; i++) {
        const struct model_batch *b = &r->model.log[i];

        producer_propose(fresh, b->id, b->epoch, b->first, b->count, b->index, b->offset, b->append_time);
    }
    producer_state_free(r->state);
    model_restart(&r->model);
    r->state = fresh;
}

static void run_history(struct rand *rand, size_t max_producers)
{
    struct run *r = xcalloc(1, sizeof(*r));

    r->rand = rand;
    r->model.max_producers = max_producers;
    r->state = producer_state_new(1, max_producers);
    r->replay = producer_state_new(2, max_producers);
    r->next_index = 1;
    for (int i = 0; i < N_STEPS; i++) {
        uint32_t choice = random_below(r, 100);

        if (choice < 80)
            step_check(r);
        else if (choice < 94)
            step_apply(r);
        else if (choice < 98)
            step_truncate(r);
        else
            step_reload(r);
    }
    producer_state_free(r->state);
    producer_state_free(r->replay);
    free(r);
}

START_TEST(random_histories_agree_with_the_model)
{
    struct rand rand;

    rand_init(&rand);
    for (size_t i = 0; i < 4 * N_IDS; i++)
        run_history(&rand, 1 + i % N_IDS);
}
END_TEST

Suite *producer_model_suite(void)
{
    Suite *s = suite_create("producer model");

    suite_add(s, random_histories_agree_with_the_model);
    return s;
}
