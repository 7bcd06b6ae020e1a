/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

/* Constant, so that nobody can get into them. */
#define EMPTY(name) .name = LIST_INIT(*(struct list *)&nobody.name)
static const struct replica_waiters nobody = {
    EMPTY(link),    EMPTY(held),    EMPTY(held_link), EMPTY(watchers), EMPTY(parked),
    EMPTY(queries), EMPTY(deletes), EMPTY(cold),      EMPTY(requests),
};

void wait_init(struct replica *r)
{
    r->waiters = (struct replica_waiters *)&nobody;
}

static bool nobody_waits(const struct replica_waiters *w)
{
    return list_is_empty(&w->held) && list_is_empty(&w->watchers) && list_is_empty(&w->parked) &&
           list_is_empty(&w->queries) && list_is_empty(&w->deletes) && list_is_empty(&w->cold) &&
           list_is_empty(&w->requests);
}

static bool has_own(const struct replica *r)
{
    return r->waiters != &nobody;
}

struct replica_waiters *wait_on(struct replica *r)
{
    struct replica_waiters *w = r->waiters;

    if (has_own(r))
        return w;
    w = mem_pool_alloc(r->shard->blocks, sizeof(*w));
    w->replica = r;
    list_init(&w->link);
    list_init(&w->held);
    list_init(&w->held_link);
    list_init(&w->watchers);
    list_init(&w->parked);
    list_init(&w->queries);
    list_init(&w->deletes);
    list_init(&w->cold);
    list_init(&w->requests);
    r->waiters = w;
    return w;
}

/* Not at once: somebody may be on the way through one of the lists. */
void wait_over(struct replica *r)
{
    struct replica_waiters *w = r->waiters;

    if (has_own(r) && !list_is_linked(&w->link) && nobody_waits(w))
        list_append(&r->shard->rested, &w->link);
}

void wait_fini(struct replica *r)
{
    struct replica_waiters *w = r->waiters;

    if (!has_own(r))
        return;
    list_remove(&w->link);
    list_remove(&w->held_link);
    wait_init(r);
    mem_pool_free(r->shard->blocks, w, sizeof(*w));
}

void wait_poll(struct replica_shard *shard)
{
    struct list *link;

    while ((link = list_pop(&shard->rested)) != NULL) {
        struct replica_waiters *w = list_entry(link, struct replica_waiters, link);

        if (nobody_waits(w))
            wait_fini(w->replica);
    }
}
