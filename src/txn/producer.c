/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/producer.h"

#include "txn/producer_internal.h"

struct producer_state *producer_state_new(uint64_t hash_seed, size_t max_producers)
{
    struct producer_state *s = xcalloc(1, sizeof(*s));

    gq_assert(max_producers > 0);
    s->hash_seed = hash_seed;
    s->max_producers = max_producers;
    hash_table_init(&s->by_id);
    list_init(&s->applied);
    list_init(&s->pending);
    list_init(&s->free_pending);
    list_init(&s->refused);
    return s;
}

struct producer *producer_find(const struct producer_state *s, int64_t id)
{
    struct hash_node *n = hash_first(&s->by_id, hash_u64((uint64_t)id, s->hash_seed));

    while (n != NULL && container_of(n, struct producer, node)->id != id)
        n = hash_next(n);
    return n != NULL ? container_of(n, struct producer, node) : NULL;
}

struct producer *producer_add(struct producer_state *s, int64_t id)
{
    struct producer *p = xcalloc(1, sizeof(*p));

    p->id = id;
    list_init(&p->pending);
    list_init(&p->applied_link);
    list_init(&p->refused_link);
    hash_insert(&s->by_id, &p->node, hash_u64((uint64_t)id, s->hash_seed));
    return p;
}

static bool has_state(const struct producer *p)
{
    return producer_is_applied(p) || !list_is_empty(&p->pending);
}

static bool was_refused(const struct producer *p)
{
    return list_is_linked(&p->refused_link);
}

/* Frees a producer of which nothing is known. */
static void producer_release(struct producer_state *s, struct producer *p)
{
    if (has_state(p) || was_refused(p))
        return;
    hash_remove(&s->by_id, &p->node);
    free(p);
}

static void pending_release(struct producer_state *s, struct producer_pending *b)
{
    list_remove(&b->link);
    list_remove(&b->state_link);
    list_append(&s->free_pending, &b->link);
}

void producer_touch(struct producer_state *s, struct producer *p, uint64_t position)
{
    s->n_applied += !producer_is_applied(p);
    list_remove(&p->applied_link);
    list_append(&s->applied, &p->applied_link);
    p->position = position;
}

static void forget_refused(struct producer_state *s, struct producer *p)
{
    if (!was_refused(p))
        return;
    list_remove(&p->refused_link);
    s->n_refused--;
}

static void producer_forget(struct producer_state *s, struct producer *p)
{
    list_remove(&p->applied_link);
    s->n_applied--;
    p->n_batches = 0;
    p->run = 0;
    producer_release(s, p);
}

void producer_evict(struct producer_state *s)
{
    while (s->n_applied > s->max_producers)
        producer_forget(s, list_first(&s->applied, struct producer, applied_link));
}

static void drop_oldest_refused(struct producer_state *s)
{
    struct producer *p = list_first(&s->refused, struct producer, refused_link);

    forget_refused(s, p);
    producer_release(s, p);
}

void producer_state_free(struct producer_state *s)
{
    struct producer_pending *b, *tmp;

    if (s == NULL)
        return;
    producer_truncate(s, 0);
    list_foreach_safe (&s->free_pending, b, tmp, link)
        free(b);
    while (!list_is_empty(&s->applied))
        producer_forget(s, list_first(&s->applied, struct producer, applied_link));
    while (s->n_refused > 0)
        drop_oldest_refused(s);
    gq_assert(s->by_id.count == 0);
    hash_table_fini(&s->by_id);
    free(s);
}

/* The epoch and the last sequence, −1 if none, that a next batch follows on. */
static void latest(const struct producer *p, int16_t *ret_epoch, int32_t *ret_sequence)
{
    const struct producer_pending *b = list_last(&p->pending, struct producer_pending, link);

    *ret_epoch = b != NULL ? b->epoch : p->epoch;
    if (b != NULL)
        *ret_sequence = b->batch.last_sequence;
    else
        *ret_sequence = p->n_batches > 0 ? p->batches[p->n_batches - 1].last_sequence : -1;
}

/* Applied batches with the proposed ones on top. */
struct history {
    int16_t epoch;
    int32_t last_sequence; /* −1: nothing in this epoch yet */
    uint64_t run;          /* sequences up to the last that are or will be in the log without a gap */
    uint64_t remembered;   /* those of them that belong to batches we can name */
};

static void history_add(struct history *h, int16_t epoch, const struct producer_batch *b)
{
    if (epoch != h->epoch || h->last_sequence < 0 || b->first_sequence != sequence_add(h->last_sequence, 1))
        h->run = h->remembered = 0;
    h->epoch = epoch;
    h->last_sequence = b->last_sequence;
    h->run += batch_n_sequences(b);
    h->remembered += batch_n_sequences(b);
}

static struct history history_of(const struct producer *p)
{
    struct history h = { .epoch = -1, .last_sequence = -1 };
    const struct producer_pending *b;

    if (producer_is_applied(p)) {
        h.epoch = p->epoch;
        for (int i = 0; i < p->n_batches; i++)
            history_add(&h, p->epoch, &p->batches[i]);
        h.run = MAX(h.run, (uint64_t)p->run);
    }
    list_foreach (&p->pending, b, link)
        history_add(&h, b->epoch, &b->batch);
    return h;
}

/* Newest first, here and below: that is what a retry most likely is of. */
static bool find_pending(const struct producer *p, int16_t epoch, int32_t first, int32_t last,
                         struct producer_verdict *ret)
{
    for (const struct list *l = p->pending.prev; l != &p->pending; l = l->prev) {
        const struct producer_pending *b = list_entry(l, struct producer_pending, link);

        if (b->epoch == epoch && b->batch.first_sequence == first && b->batch.last_sequence == last) {
            *ret = (struct producer_verdict){ .kind = PRODUCER_PENDING_DUPLICATE,
                                              .index = b->index,
                                              .base_offset = b->batch.base_offset,
                                              .append_time_ms = b->batch.append_time_ms };
            return true;
        }
    }
    return false;
}

static bool find_applied(const struct producer *p, int16_t epoch, int32_t first, int32_t last,
                         struct producer_verdict *ret)
{
    if (p->epoch != epoch)
        return false;
    for (int i = p->n_batches - 1; i >= 0; i--)
        if (p->batches[i].first_sequence == first && p->batches[i].last_sequence == last) {
            *ret = (struct producer_verdict){ .kind = PRODUCER_DUPLICATE,
                                              .base_offset = p->batches[i].base_offset,
                                              .append_time_ms = p->batches[i].append_time_ms };
            return true;
        }
    return false;
}

static struct producer_verdict verdict_new(void)
{
    return (struct producer_verdict){ .kind = PRODUCER_NEW, .base_offset = -1, .append_time_ms = -1 };
}

static struct producer_verdict verdict_refused(int16_t error)
{
    return (
        struct producer_verdict){ .kind = PRODUCER_REFUSED, .error = error, .base_offset = -1, .append_time_ms = -1 };
}

/* All of the batch is in the log, before the oldest batch that can be named. */
static bool is_forgotten_duplicate(const struct producer *p, int32_t first, int32_t last)
{
    const struct history h = history_of(p);
    uint32_t first_behind = sequence_behind(first, h.last_sequence);
    uint32_t last_behind = sequence_behind(last, h.last_sequence);

    return h.last_sequence >= 0 && last_behind <= first_behind && first_behind < MIN(h.run, (uint64_t)RUN_MAX) &&
           last_behind >= h.remembered;
}

void producer_refuse(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence)
{
    struct producer *p = producer_find(s, producer_id);

    if (p != NULL && has_state(p))
        return;
    if (p == NULL)
        p = producer_add(s, producer_id);
    else if (was_refused(p) && !producer_comes_before(epoch, first_sequence, p->refused_epoch, p->refused_sequence))
        return;
    forget_refused(s, p);
    list_append(&s->refused, &p->refused_link);
    s->n_refused++;
    p->refused_epoch = epoch;
    p->refused_sequence = first_sequence;
    while (s->n_refused > PRODUCER_REFUSED_MAX)
        drop_oldest_refused(s);
}

/* Of a producer without state. */
static bool comes_before_refused(const struct producer *p, int16_t epoch, int32_t first_sequence)
{
    return epoch == p->refused_epoch ? sequence_is_at_or_before(first_sequence, p->refused_sequence)
                                     : first_sequence == 0;
}

void producer_check(const struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence,
                    int32_t count, struct producer_verdict *ret_verdict)
{
    const struct producer *p = producer_find(s, producer_id);
    const int32_t last = sequence_add(first_sequence, (uint32_t)count - 1);
    int32_t latest_sequence;
    int16_t latest_epoch;

    gq_assert(first_sequence >= 0 && count > 0);
    if (p == NULL || !has_state(p)) {
        *ret_verdict = p == NULL || comes_before_refused(p, epoch, first_sequence)
                           ? verdict_new()
                           : verdict_refused(PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
        return;
    }
    latest(p, &latest_epoch, &latest_sequence);
    if (epoch < latest_epoch)
        *ret_verdict = verdict_refused(PRODUCER_E_INVALID_EPOCH);
    else if (epoch > latest_epoch)
        *ret_verdict = first_sequence == 0 ? verdict_new() : verdict_refused(PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
    else if (first_sequence == (latest_sequence < 0 ? 0 : sequence_add(latest_sequence, 1)))
        *ret_verdict = verdict_new();
    else if (!find_pending(p, epoch, first_sequence, last, ret_verdict) &&
             !find_applied(p, epoch, first_sequence, last, ret_verdict))
        *ret_verdict =
            verdict_refused(is_forgotten_duplicate(p, first_sequence, last) ? PRODUCER_E_DUPLICATE_SEQUENCE
                                                                            : PRODUCER_E_OUT_OF_ORDER_SEQUENCE);
}

static struct producer_batch batch_make(int32_t first_sequence, int32_t count, int64_t base_offset,
                                        int64_t append_time_ms)
{
    return (struct producer_batch){ .first_sequence = first_sequence,
                                    .last_sequence = sequence_add(first_sequence, (uint32_t)count - 1),
                                    .base_offset = base_offset,
                                    .append_time_ms = append_time_ms };
}

void producer_propose(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence,
                      int32_t count, uint64_t index, int64_t base_offset, int64_t append_time_ms)
{
    struct producer *p = producer_find(s, producer_id);
    struct list *spare = list_pop(&s->free_pending);
    struct producer_pending *b = spare != NULL ? list_entry(spare, struct producer_pending, link) : xmalloc(sizeof(*b));

    gq_assert(list_is_empty(&s->pending) ||
              list_last(&s->pending, struct producer_pending, state_link)->index <= index);
    if (p == NULL)
        p = producer_add(s, producer_id);
    *b = (struct producer_pending){ .producer = p,
                                    .batch = batch_make(first_sequence, count, base_offset, append_time_ms),
                                    .index = index,
                                    .epoch = epoch };
    forget_refused(s, p);
    list_append(&p->pending, &b->link);
    list_append(&s->pending, &b->state_link);
}

static void pending_apply(struct producer_state *s, struct producer *p, uint64_t index)
{
    struct producer_pending *b = list_first(&p->pending, struct producer_pending, link);

    if (b == NULL)
        return;
    gq_assert(b->index >= index);
    if (b->index == index)
        pending_release(s, b);
}

static void window_push(struct producer *p, const struct producer_batch *b)
{
    if (p->n_batches == PRODUCER_WINDOW) {
        memmove(&p->batches[0], &p->batches[1], (PRODUCER_WINDOW - 1) * sizeof(p->batches[0]));
        p->n_batches--;
    }
    p->batches[p->n_batches++] = *b;
    p->run = (uint32_t)MIN((uint64_t)p->run + batch_n_sequences(b), (uint64_t)RUN_MAX);
}

static bool batch_follows(const struct producer *p, int16_t epoch, int32_t first_sequence)
{
    if (!producer_is_applied(p) || p->epoch != epoch)
        return false;
    return p->n_batches == 0 || first_sequence == sequence_add(p->batches[p->n_batches - 1].last_sequence, 1);
}

void producer_apply(struct producer_state *s, int64_t producer_id, int16_t epoch, int32_t first_sequence, int32_t count,
                    uint64_t index, int64_t base_offset, int64_t append_time_ms, int64_t max_timestamp_ms)
{
    struct producer *p = producer_find(s, producer_id);
    const bool control = first_sequence < 0;

    if (p == NULL)
        p = producer_add(s, producer_id);
    if (!control)
        pending_apply(s, p, index);
    if (control ? p->epoch != epoch : !batch_follows(p, epoch, first_sequence)) {
        p->n_batches = 0;
        p->run = 0;
        p->epoch = epoch;
    }
    if (!control) {
        struct producer_batch b = batch_make(first_sequence, count, base_offset, append_time_ms);

        window_push(p, &b);
    }
    p->last_timestamp_ms = max_timestamp_ms;
    forget_refused(s, p);
    producer_touch(s, p, s->next_position++);
    producer_evict(s);
}

void producer_truncate(struct producer_state *s, uint64_t from_index)
{
    struct producer_pending *b;

    while ((b = list_last(&s->pending, struct producer_pending, state_link)) != NULL && b->index >= from_index) {
        struct producer *p = b->producer;

        pending_release(s, b);
        producer_refuse(s, p->id, b->epoch, b->batch.first_sequence);
        producer_release(s, p);
    }
}
