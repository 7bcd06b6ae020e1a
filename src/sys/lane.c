/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/lane.h"

#include <errno.h>
#include <stdio.h>

#include "sys/clock.h"

#define NS_PER_S 1000000000u

static struct sys_lane *to_sys_lane(struct env_lane *l)
{
    return (struct sys_lane *)l;
}

/* An inbox carries two kinds of node. prev tells them apart: itself for completions, NULL for mail. */
static void push_completion(struct lane_work *w)
{
    w->link.prev = &w->link;
    mailbox_push(&to_sys_lane(w->home)->inbox, &w->link);
}

void sys_lane_post_outside(struct sys_lane *l, struct lane_mail *m)
{
    m->link.prev = NULL;
    mailbox_push(&l->inbox, &m->link);
}

static void post(struct env_lane *l, unsigned to_reactor, struct lane_mail *m)
{
    struct sys_lane *lane = to_sys_lane(l);

    gq_assert(to_reactor < lane->n_peers);
    if (to_reactor == l->reactor)
        list_append(&lane->local, &m->link);
    else
        sys_lane_post_outside(lane->peers[to_reactor], m);
}

static void pool_submit(struct work_pool *p, struct lane_work *w)
{
    pthread_mutex_lock(&p->lock);
    list_append(&p->queue, &w->link);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void worker_main(void *ctx);

/* Where no thread is to be had the other workers do it. */
static void names_submit(struct sys_lanes *lanes, struct lane_work *w)
{
    struct work_pool *p = &lanes->names;
    bool runs;

    pthread_mutex_lock(&p->lock);
    runs = p->workers[0].started || sys_thread_start(&p->workers[0], "gq-names", worker_main, p) == 0;
    pthread_mutex_unlock(&p->lock);
    pool_submit(runs ? p : &lanes->pool, w);
}

static void submit(struct env_lane *l, enum lane_kind kind, unsigned shard, struct lane_work *w)
{
    struct sys_lanes *lanes = to_sys_lane(l)->lanes;

    w->home = l;
    if (kind == LANE_POOL) {
        pool_submit(&lanes->pool, w);
        return;
    }
    if (kind == LANE_NAMES) {
        names_submit(lanes, w);
        return;
    }
    gq_assert(kind == LANE_FLUSH && shard < lanes->n_shards);
    mailbox_push(&lanes->flush[shard].queue, &w->link);
}

/* Start-up work has threads of its own: the pool's start later and may be few. */
struct start_up {
    struct sys_thread thread;
    struct lane_work *work;
};

static void start_up_main(void *ctx)
{
    struct start_up *s = ctx;

    s->work->run(s->work);
}

static void give_way_init(struct give_way *g)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
    atomic_init(&g->n_waiting, 0);
}

static void give_way_fini(struct give_way *g)
{
    pthread_cond_destroy(&g->idle);
    pthread_mutex_destroy(&g->lock);
}

static void give_way(struct env_lane *l, uint64_t max_ns)
{
    struct sys_lanes *lanes = to_sys_lane(l)->lanes;
    struct give_way *g = &lanes->give_way;
    uint64_t until_ns;
    struct timespec until;
    int r = 0;

    if (sys_lanes_busy_since(lanes) == 0)
        return;
    until_ns = clock_mono_ns(sys_clock()) + max_ns;
    until = (struct timespec){ (time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S) };
    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&g->n_waiting, 1);
    while (r == 0 && sys_lanes_busy_since(lanes) != 0)
        r = pthread_cond_timedwait(&g->idle, &g->lock, &until);
    atomic_fetch_sub(&g->n_waiting, 1);
    pthread_mutex_unlock(&g->lock);
}

/* The last one runs here, as do those that no thread is to be had for. */
static void run_all(struct env_lane *l, struct lane_work *works[], size_t n)
{
    struct start_up *all = xcalloc(n + 1, sizeof(*all));

    for (size_t i = 0; i < n; i++) {
        all[i].work = works[i];
        if (i + 1 == n || sys_thread_start(&all[i].thread, "gq-start", start_up_main, &all[i]) < 0)
            start_up_main(&all[i]);
    }
    for (size_t i = 0; i < n; i++)
        sys_thread_join(&all[i].thread);
    free(all);
}

static void deliver_arrived(struct list *chain)
{
    while (chain != NULL) {
        struct list *next = chain->next; /* the node is its owner's again from here on */

        if (chain->prev == NULL) {
            struct lane_mail *m = list_entry(chain, struct lane_mail, link);
            m->deliver(m);
        } else {
            struct lane_work *w = list_entry(chain, struct lane_work, link);
            w->done(w);
        }
        chain = next;
    }
}

void sys_lane_deliver(struct sys_lane *l)
{
    struct list local, *node;

    deliver_arrived(mailbox_take(&l->inbox));
    list_init(&local);
    list_splice(&local, &l->local);
    while ((node = list_pop(&local)) != NULL) {
        struct lane_mail *m = list_entry(node, struct lane_mail, link);
        m->deliver(m);
    }
}

int sys_lane_init(struct sys_lane *l, struct sys_lanes *lanes, unsigned reactor, struct sys_lane **peers,
                  unsigned n_peers)
{
    static const struct env_lane_ops ops = { .submit = submit, .post = post, .run_all = run_all, .give_way = give_way };

    l->base = (struct env_lane){ .ops = &ops, .reactor = reactor };
    l->lanes = lanes;
    l->peers = peers;
    l->n_peers = n_peers;
    list_init(&l->local);
    return mailbox_init(&l->inbox, false);
}

void sys_lane_fini(struct sys_lane *l)
{
    mailbox_fini(&l->inbox);
}

static void flush_end(struct lane_work *w)
{
    container_of(w, struct flush_lane, end)->ended = true;
}

/* Whoever begins to wait after this has looked sees that the flush is over. */
static void flush_over(struct flush_lane *f)
{
    struct give_way *g = f->give_way;

    atomic_store(&f->busy_since_ns, 0);
    if (atomic_load(&g->n_waiting) == 0)
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_broadcast(&g->idle);
    pthread_mutex_unlock(&g->lock);
}

static void flush_main(void *ctx)
{
    struct flush_lane *f = ctx;

    while (!f->ended) {
        struct list *chain = mailbox_wait(&f->queue, &f->spin);

        while (chain != NULL) {
            struct lane_work *w = list_entry(chain, struct lane_work, link);

            chain = chain->next;
            atomic_store_explicit(&f->busy_since_ns, clock_mono_ns(sys_clock()), memory_order_relaxed);
            w->run(w);
            if (w != &f->end)
                push_completion(w);
        }
        flush_over(f);
    }
}

/* NULL at the end: all work is done and the pool is ending. */
static struct lane_work *pool_take(struct work_pool *p)
{
    struct list *node;

    pthread_mutex_lock(&p->lock);
    while ((node = list_pop(&p->queue)) == NULL && !p->ending)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return node != NULL ? list_entry(node, struct lane_work, link) : NULL;
}

static void worker_main(void *ctx)
{
    struct lane_work *w;

    while ((w = pool_take(ctx)) != NULL) {
        w->run(w);
        push_completion(w);
    }
}

static void pool_init(struct work_pool *p, unsigned n_workers)
{
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    list_init(&p->queue);
    p->n_workers = n_workers;
    p->workers = xcalloc(n_workers, sizeof(*p->workers));
}

static void pool_fini(struct work_pool *p)
{
    free(p->workers);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

static void pool_stop(struct work_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_workers; i++)
        sys_thread_join(&p->workers[i]);
}

int sys_lanes_init(struct sys_lanes *l, unsigned n_shards, unsigned n_workers, uint64_t spin_ns)
{
    int r = 0;

    gq_assert(n_shards > 0 && n_workers > 0);
    *l = (struct sys_lanes){ .n_shards = n_shards };
    pool_init(&l->pool, n_workers);
    pool_init(&l->names, 1);
    give_way_init(&l->give_way);
    l->flush = aligned_alloc(_Alignof(struct flush_lane), n_shards * sizeof(*l->flush));
    gq_assert(l->flush != NULL);
    memset(l->flush, 0, n_shards * sizeof(*l->flush));
    for (unsigned s = 0; s < n_shards; s++) {
        int err = mailbox_init(&l->flush[s].queue, true);

        l->flush[s].end.run = flush_end;
        l->flush[s].give_way = &l->give_way;
        l->flush[s].spin.budget_ns = spin_ns;
        r = r < 0 ? r : err;
    }
    if (r < 0)
        sys_lanes_fini(l);
    return r;
}

void sys_lanes_fini(struct sys_lanes *l)
{
    for (unsigned s = 0; s < l->n_shards; s++)
        mailbox_fini(&l->flush[s].queue);
    free(l->flush);
    give_way_fini(&l->give_way);
    pool_fini(&l->names);
    pool_fini(&l->pool);
}

int sys_lanes_start(struct sys_lanes *l)
{
    char name[32];
    int r = 0;

    for (unsigned s = 0; s < l->n_shards && r == 0; s++) {
        snprintf(name, sizeof(name), "gq-flush-%u", s);
        r = sys_thread_start(&l->flush[s].thread, name, flush_main, &l->flush[s]);
    }
    for (unsigned i = 0; i < l->pool.n_workers && r == 0; i++) {
        snprintf(name, sizeof(name), "gq-worker-%u", i);
        r = sys_thread_start(&l->pool.workers[i], name, worker_main, &l->pool);
    }
    return r;
}

void sys_lanes_stop(struct sys_lanes *l)
{
    for (unsigned s = 0; s < l->n_shards; s++)
        if (l->flush[s].thread.started)
            mailbox_push(&l->flush[s].queue, &l->flush[s].end.link);
    for (unsigned s = 0; s < l->n_shards; s++)
        sys_thread_join(&l->flush[s].thread);
    pool_stop(&l->names);
    pool_stop(&l->pool);
}

uint64_t sys_lanes_busy_since(struct sys_lanes *l)
{
    uint64_t oldest = 0;

    for (unsigned s = 0; s < l->n_shards; s++) {
        uint64_t since = atomic_load(&l->flush[s].busy_since_ns);

        if (since != 0 && (oldest == 0 || since < oldest))
            oldest = since;
    }
    return oldest;
}
