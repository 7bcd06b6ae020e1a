/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/lane.h"

#include "base/util.h"

/* One queue of items that wait for the same thing. The order rules say from where an item may leave. */
struct queue {
    struct list items;
    size_t count;
    enum { QUEUE_WORK, QUEUE_DONE, QUEUE_MAIL } what;
    bool any_order; /* the pool's: any item may be next, else the oldest only */
    bool held;
    struct queue *done; /* of QUEUE_WORK: where an item goes when it has run */
};

struct reactor {
    struct env_lane env;
    struct sim_lane *lanes;
};

struct sim_lane {
    unsigned n_reactors, n_shards;
    struct reactor *reactors;
    struct queue *queues; /* flush work and completions per shard, the pool's, then mail per pair of reactors */
    unsigned n_queues;
    unsigned turn; /* whose turn it is without a prng */
    size_t n_run_all;
    int last_reactor;
};

static struct queue *flush_queue(struct sim_lane *l, unsigned shard)
{
    return &l->queues[2 * shard];
}

static struct queue *pool_queue(struct sim_lane *l)
{
    return &l->queues[2 * l->n_shards];
}

static struct queue *mail_queue(struct sim_lane *l, unsigned from, unsigned to)
{
    return &l->queues[2 * (l->n_shards + 1) + from * l->n_reactors + to];
}

static void submit(struct env_lane *env, enum lane_kind kind, unsigned shard, struct lane_work *w)
{
    struct sim_lane *l = container_of(env, struct reactor, env)->lanes;
    struct queue *q;

    gq_assert(kind != LANE_FLUSH || shard < l->n_shards);
    q = kind == LANE_FLUSH ? flush_queue(l, shard) : pool_queue(l);
    w->home = env;
    list_init(&w->link);
    list_append(&q->items, &w->link);
    q->count++;
}

static void post(struct env_lane *env, unsigned to_reactor, struct lane_mail *m)
{
    struct sim_lane *l = container_of(env, struct reactor, env)->lanes;
    struct queue *q;

    gq_assert(to_reactor < l->n_reactors);
    q = mail_queue(l, env->reactor, to_reactor);
    list_init(&m->link);
    list_append(&q->items, &m->link);
    q->count++;
}

/* Each call begins with another one, and goes the other way round. */
static void run_all(struct env_lane *env, struct lane_work *works[], size_t n)
{
    struct sim_lane *l = container_of(env, struct reactor, env)->lanes;
    size_t first = l->n_run_all++;

    for (size_t i = 0; i < n; i++) {
        struct lane_work *w = works[(first % 2 == 0 ? first + i : first + n - i) % n];

        w->run(w);
    }
}

/* Nothing runs beside the caller. */
static void give_way(struct env_lane *env, uint64_t max_ns)
{
}

static const struct env_lane_ops ops = { .submit = submit, .post = post, .run_all = run_all, .give_way = give_way };

static void init_work_queues(struct queue *work, bool any_order)
{
    work[0].what = QUEUE_WORK;
    work[0].done = &work[1];
    work[1].what = QUEUE_DONE;
    work[0].any_order = work[1].any_order = any_order;
}

struct sim_lane *sim_lane_new(unsigned n_reactors, unsigned n_shards)
{
    struct sim_lane *l = xcalloc(1, sizeof(*l));

    gq_assert(n_reactors > 0);
    l->n_reactors = n_reactors;
    l->n_shards = n_shards;
    l->reactors = xcalloc(n_reactors, sizeof(*l->reactors));
    for (unsigned i = 0; i < n_reactors; i++)
        l->reactors[i] = (struct reactor){ .env = { .ops = &ops, .reactor = i }, .lanes = l };
    l->n_queues = 2 * (n_shards + 1) + n_reactors * n_reactors;
    l->queues = xcalloc(l->n_queues, sizeof(*l->queues));
    for (unsigned i = 0; i < l->n_queues; i++) {
        list_init(&l->queues[i].items);
        l->queues[i].what = QUEUE_MAIL;
    }
    for (unsigned s = 0; s < n_shards; s++)
        init_work_queues(flush_queue(l, s), false);
    init_work_queues(pool_queue(l), true);
    return l;
}

void sim_lane_free(struct sim_lane *l)
{
    if (l == NULL)
        return;
    free(l->queues);
    free(l->reactors);
    free(l);
}

struct env_lane *sim_lane_env(struct sim_lane *l, unsigned reactor)
{
    gq_assert(reactor < l->n_reactors);
    return &l->reactors[reactor].env;
}

static bool is_ready(const struct queue *q)
{
    return q->count > 0 && !q->held;
}

static struct queue *draw_queue(struct sim_lane *l, struct sim_prng *prng)
{
    unsigned n_ready = 0;
    uint64_t left;

    for (unsigned i = 0; i < l->n_queues; i++)
        n_ready += is_ready(&l->queues[i]);
    if (n_ready == 0)
        return NULL;
    left = sim_prng_below(prng, n_ready);
    for (struct queue *q = l->queues;; q++)
        if (is_ready(q) && left-- == 0)
            return q;
}

static struct queue *queue_in_turn(struct sim_lane *l)
{
    for (unsigned i = 0; i < l->n_queues; i++) {
        struct queue *q = &l->queues[(l->turn + i) % l->n_queues];

        if (is_ready(q)) {
            l->turn = (unsigned)(q - l->queues + 1) % l->n_queues;
            return q;
        }
    }
    return NULL;
}

static struct list *take(struct queue *q, struct sim_prng *prng)
{
    struct list *item = q->items.next;

    if (q->any_order && prng != NULL)
        for (uint64_t skip = sim_prng_below(prng, q->count); skip > 0; skip--)
            item = item->next;
    list_remove(item);
    q->count--;
    return item;
}

bool sim_lane_step(struct sim_lane *l, struct sim_prng *prng)
{
    struct queue *q = prng != NULL ? draw_queue(l, prng) : queue_in_turn(l);
    struct lane_work *w;
    struct list *item;

    if (q == NULL)
        return false;
    item = take(q, prng);
    switch (q->what) {
    case QUEUE_WORK:
        w = container_of(item, struct lane_work, link);
        l->last_reactor = -1;
        w->run(w);
        list_append(&q->done->items, &w->link);
        q->done->count++;
        break;
    case QUEUE_DONE:
        w = container_of(item, struct lane_work, link);
        l->last_reactor = (int)w->home->reactor;
        w->done(w);
        break;
    case QUEUE_MAIL:
        l->last_reactor = (int)((unsigned)(q - mail_queue(l, 0, 0)) % l->n_reactors);
        container_of(item, struct lane_mail, link)->deliver(container_of(item, struct lane_mail, link));
        break;
    }
    return true;
}

int sim_lane_last_reactor(const struct sim_lane *l)
{
    return l->last_reactor;
}

size_t sim_lane_run_all(struct sim_lane *l, struct sim_prng *prng)
{
    size_t n = 0;

    while (sim_lane_step(l, prng))
        n++;
    return n;
}

void sim_lane_hold(struct sim_lane *l, enum lane_kind kind, unsigned shard, bool held)
{
    gq_assert(kind != LANE_FLUSH || shard < l->n_shards);
    if (kind == LANE_FLUSH)
        flush_queue(l, shard)->held = held;
    else
        pool_queue(l)->held = held;
}

size_t sim_lane_pending(const struct sim_lane *l)
{
    size_t n = 0;

    for (unsigned i = 0; i < l->n_queues; i++)
        n += l->queues[i].count;
    return n;
}
