/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "txn/producer_model.h"

#include "base/util.h"

#define SEQUENCES (INT64_C(1) << 31)

void model_propose(struct model *m, const struct model_batch *b)
{
    gq_assert(m->n < MODEL_MAX_BATCHES);
    m->log[m->n++] = *b;
    m->refused[b->id].is = false;
}

void model_restart(struct model *m)
{
    memset(m->refused, 0, sizeof(m->refused));
}

/* Index of the id's last applied batch that counts, or −1. */
static int last_applied(const struct model *m, int64_t id)
{
    for (int i = (int)m->n_applied - 1; i >= 0; i--)
        if (m->log[i].id == id)
            return m->log[i].evicted ? -1 : i;
    return -1;
}

size_t model_count(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_applied; i++)
        n += last_applied(m, m->log[i].id) == (int)i;
    return n;
}

void model_apply(struct model *m)
{
    gq_assert(m->n_applied < m->n);
    m->n_applied++;
    if (model_count(m) <= m->max_producers)
        return;
    for (size_t i = 0; i < m->n_applied; i++)
        if (last_applied(m, m->log[i].id) == (int)i) {
            int64_t id = m->log[i].id;

            for (size_t k = 0; k <= i; k++)
                m->log[k].evicted |= m->log[k].id == id;
            return;
        }
}

static int32_t wrap(int64_t sequence)
{
    return (int32_t)(sequence % SEQUENCES);
}

static int32_t last_of(const struct model_batch *b)
{
    return wrap((int64_t)b->first + b->count - 1);
}

/* The id's batches that count, the applied ones first. */
struct view {
    const struct model_batch *batches[MODEL_MAX_BATCHES];
    size_t n, n_applied;
};

static void view_of(const struct model *m, int64_t id, struct view *v)
{
    v->n = v->n_applied = 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->log[i].id == id && !m->log[i].evicted) {
            v->batches[v->n++] = &m->log[i];
            v->n_applied += i < m->n_applied;
        }
}

static bool is_at_or_before(int32_t sequence, int32_t other)
{
    return (other - (int64_t)sequence + SEQUENCES) % SEQUENCES < SEQUENCES / 2;
}

static void note_refused(struct model *m, const struct model_batch *b)
{
    static struct view v;
    struct model_refused *r = &m->refused[b->id];

    view_of(m, b->id, &v);
    if (v.n == 0 && (!r->is || b->epoch > r->epoch || (b->epoch == r->epoch && is_at_or_before(b->first, r->first))))
        *r = (struct model_refused){ true, b->epoch, b->first };
}

void model_truncate(struct model *m, uint64_t from_index)
{
    while (m->n > m->n_applied && m->log[m->n - 1].index >= from_index)
        note_refused(m, &m->log[--m->n]);
}

static bool passes_refused(const struct model_refused *r, int16_t epoch, int32_t first)
{
    return r->is && (epoch == r->epoch ? !is_at_or_before(first, r->first) : first != 0);
}

/* Where the unbroken run that ends before `end` begins. */
static size_t run_start(const struct view *v, size_t end)
{
    size_t i = end;

    while (i > 0 && (i == end || (v->batches[i - 1]->epoch == v->batches[i]->epoch &&
                                  wrap((int64_t)last_of(v->batches[i - 1]) + 1) == v->batches[i]->first)))
        i--;
    return i;
}

static struct producer_verdict refused(int16_t error)
{
    return (
        struct producer_verdict){ .kind = PRODUCER_REFUSED, .error = error, .base_offset = -1, .append_time_ms = -1 };
}

/* True when all of it was written in the last run, before the batches that are remembered. */
static bool is_forgotten(const struct view *v, size_t window_start, int32_t first, int32_t count)
{
    int64_t total = 0, remembered = 0, back;

    for (size_t i = run_start(v, v->n); i < v->n; i++) {
        total += v->batches[i]->count;
        remembered += i >= window_start ? v->batches[i]->count : 0;
    }
    back = ((int64_t)last_of(v->batches[v->n - 1]) - first + SEQUENCES) % SEQUENCES;
    return back < SEQUENCES / 2 && back < total && back - (count - 1) >= remembered;
}

static size_t window_start_of(const struct view *v)
{
    size_t start = v->n_applied > 0 ? run_start(v, v->n_applied) : 0;

    return v->n_applied - start > PRODUCER_WINDOW ? v->n_applied - PRODUCER_WINDOW : start;
}

static const struct model_batch *find(const struct view *v, size_t from, size_t to, int16_t epoch, int32_t first,
                                      int32_t count)
{
    for (size_t i = to; i > from; i--) {
        const struct model_batch *b = v->batches[i - 1];

        if (b->epoch == epoch && b->first == first && b->count == count)
            return b;
    }
    return NULL;
}

struct producer_verdict model_check(const struct model *m, int64_t id, int16_t epoch, int32_t first, int32_t count)
{
    static struct view v;
    const struct model_batch *last, *b;
    size_t window_start;

    view_of(m, id, &v);
    last = v.n > 0 ? v.batches[v.n - 1] : NULL;
    if (last == NULL && passes_refused(&m->refused[id], epoch, first))
        return refused(45);
    if (last == NULL || (epoch == last->epoch && first == wrap((int64_t)last_of(last) + 1)) ||
        (epoch > last->epoch && first == 0))
        return (struct producer_verdict){ .kind = PRODUCER_NEW, .base_offset = -1, .append_time_ms = -1 };
    if (epoch != last->epoch)
        return refused(epoch < last->epoch ? 47 : 45);
    window_start = window_start_of(&v);
    b = find(&v, v.n_applied, v.n, epoch, first, count);
    if (b != NULL)
        return (struct producer_verdict){ PRODUCER_PENDING_DUPLICATE, 0, b->index, b->offset, b->append_time };
    b = find(&v, window_start, v.n_applied, epoch, first, count);
    if (b != NULL)
        return (struct producer_verdict){ PRODUCER_DUPLICATE, 0, 0, b->offset, b->append_time };
    return refused(is_forgotten(&v, window_start, first, count) ? 46 : 45);
}
