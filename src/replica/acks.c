/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* When the producers of a group with several voters hear of their batches, and which of its members are in sync.
 *
 * acks=0 is told when the batch is proposed, acks=1 when it is flushed here. acks=all is told when it is committed,
 * which a majority's flushes do, and min.insync.replicas have flushed it, where that is more: these wait here once
 * their batch is applied, as retries do that find it so. What readers see is what is committed, whatever producers were
 * told.
 *
 * A member is in sync when, not longer ago than replica_lag_time, it had flushed all that there was in the leader's
 * log at that time. Under load there is always something on its way to it; so now and then the end of the log is
 * marked, and who has come to the mark had caught up at the time of the mark. That only decides what producers are
 * told: nothing is acknowledged for it. */

/* Producers that wait hear so late at most that too few are in sync. */
#define LOOKS_PER_LAG 8

/* ---- Who is in sync ---- */

static bool is_self(const struct replica *r, int32_t id)
{
    return id == r->shard->broker_id;
}

static void lags_drop(struct replica_peers *p)
{
    free(TAKE_PTR(p->lags));
    p->n_lags = 0;
}

static bool lags_fit(const struct replica *r)
{
    const struct replica_peers *p = r->peers;
    struct raft_progress m;
    uint32_t n = 0;

    for (; raft_progress(r->raft, n, &m); n++)
        if (n >= p->n_lags || p->lags[n].id != m.id)
            return false;
    return n == p->n_lags;
}

/* Who joins has to catch up first. */
static void lags_make(struct replica *r)
{
    struct replica_peers *p = r->peers;
    struct replica_lag *old = TAKE_PTR(p->lags);
    uint32_t n_old = p->n_lags, n = 0;
    struct raft_progress m;

    p->lags = xcalloc(RAFT_MAX_MEMBERS, sizeof(*p->lags));
    for (; raft_progress(r->raft, n, &m); n++) {
        p->lags[n] = (struct replica_lag){
            .id = m.id,
            .mark = raft_last_index(r->raft),
            .mark_ns = r->shard->now_ns,
        };
        for (uint32_t i = 0; i < n_old; i++)
            if (old[i].id == m.id)
                p->lags[n] = old[i];
    }
    p->n_lags = n;
    p->lags = xrealloc(p->lags, n * sizeof(*p->lags));
    free(old);
}

/* Who had all that there was before this update had it until just now, as far as it was heard. */
static void note_progress(struct replica *r)
{
    struct replica_peers *p = r->peers;
    uint64_t last = raft_last_index(r->raft);
    struct raft_progress m;

    for (uint32_t i = 0; raft_progress(r->raft, i, &m); i++) {
        struct replica_lag *l = &p->lags[i];

        if (m.match >= p->seen_last)
            l->caught_up_ns = MAX(l->caught_up_ns, m.heard);
        else if (m.match >= l->mark)
            l->caught_up_ns = MAX(l->caught_up_ns, l->mark_ns);
        if (m.match >= l->mark) {
            l->mark = last;
            l->mark_ns = r->shard->now_ns;
        }
    }
    p->seen_last = last;
}

static bool is_in_sync(const struct replica *r, const struct raft_progress *m, const struct replica_lag *l)
{
    uint64_t caught_up_ns = l->caught_up_ns;

    if (is_self(r, m->id) || GQ_BUG(LAGGING_COUNTED_IN_SYNC))
        return true;
    if (m->match >= raft_last_index(r->raft))
        caught_up_ns = MAX(caught_up_ns, m->heard);
    return caught_up_ns + r->shard->lag_ns >= r->shard->now_ns;
}

uint32_t replica_in_sync(const struct replica *r, int32_t ret_ids[RAFT_MAX_MEMBERS])
{
    struct raft_progress m;
    uint32_t n = 0;

    if (r->peers == NULL) {
        ret_ids[0] = r->shard->broker_id;
        return 1;
    }
    if (!replica_has_core(r) || r->peers->lags == NULL)
        return 0;
    for (uint32_t i = 0; i < r->peers->n_lags && raft_progress(r->raft, i, &m); i++)
        if ((m.roles & RAFT_VOTER) != 0 && is_in_sync(r, &m, &r->peers->lags[i]))
            ret_ids[n++] = m.id;
    return n;
}

/* Largest index that so many voters have flushed; 0: there aren't so many. */
static uint64_t flushed_by(const struct replica *r, unsigned n)
{
    uint64_t sorted[RAFT_MAX_MEMBERS];
    unsigned count = 0;
    struct raft_progress m;

    for (uint32_t i = 0; raft_progress(r->raft, i, &m); i++) {
        uint64_t flushed = is_self(r, m.id) ? raft_flushed_index(r->raft) : m.match;
        unsigned at = count;

        if ((m.roles & RAFT_VOTER) == 0)
            continue;
        for (; at > 0 && sorted[at - 1] < flushed; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = flushed;
        count++;
    }
    return n > 0 && n <= count ? sorted[n - 1] : 0;
}

/* ---- What producers ask for ---- */

static bool asks_for_all(const struct replica *r, const struct replica_op *op)
{
    return op->produce.acks == REPLICA_ACKS_ALL && r->limits.min_insync > 1;
}

bool replica_acks_refused(const struct replica *r, const struct replica_op *op, const char **ret_message)
{
    int32_t ids[RAFT_MAX_MEMBERS];
    struct raft_progress m;
    int n_voters = r->peers == NULL;

    if (!asks_for_all(r, op) || (int)replica_in_sync(r, ids) >= r->limits.min_insync)
        return false;
    for (uint32_t i = 0; r->peers != NULL && raft_progress(r->raft, i, &m); i++)
        n_voters += (m.roles & RAFT_VOTER) != 0;
    *ret_message = r->limits.min_insync > n_voters ? "min.insync.replicas asks for more replicas than there are"
                                                   : "fewer replicas are in sync than min.insync.replicas asks for";
    return true;
}

static void look_after(struct replica *r)
{
    struct replica_shard *shard = r->shard;

    if (list_is_linked(&r->peers->acks_link))
        return;
    if (list_is_empty(&shard->acks))
        shard->next_acks_ns = shard->now_ns + shard->lag_ns / LOOKS_PER_LAG;
    list_append(&shard->acks, &r->peers->acks_link);
}

void replica_acks_begin(struct replica *r, struct replica_entry *e)
{
    if (e->op->produce.acks == 0)
        replica_produce_done(r, e, TAKE_PTR(e->op));
    else if (asks_for_all(r, e->op))
        look_after(r);
}

bool replica_acks_wait(struct replica *r, struct replica_op *op, uint64_t index)
{
    if (!asks_for_all(r, op) || flushed_by(r, (unsigned)r->limits.min_insync) >= index)
        return false;
    GQ_MARK(REPLICA_WAITS_FOR_MORE);
    op->read_index = index;
    list_append(&r->peers->acks, &op->link);
    look_after(r);
    return true;
}

/* ---- What they are told ---- */

static bool is_told_by_leader(const struct replica_op *op)
{
    return op->produce.acks != REPLICA_ACKS_ALL || GQ_BUG(ACKED_BY_LEADER_ALONE);
}

bool replica_acks_is_told(const struct replica *r, const struct replica_op *op, uint64_t index)
{
    return op->produce.acks == 0 || (is_told_by_leader(op) && index <= r->peers->told);
}

static void tell_entry(struct replica *r, struct replica_entry *e)
{
    struct replica_op *op, *tmp;

    if (e->op != NULL && is_told_by_leader(e->op))
        replica_produce_done(r, e, TAKE_PTR(e->op));
    list_foreach_safe (&e->duplicates, op, tmp, link)
        if (is_told_by_leader(op))
            replica_produce_done(r, e, op);
}

/* What is applied was told then. */
static void tell_flushed(struct replica *r)
{
    uint64_t flushed = raft_flushed_index(r->raft);

    for (uint64_t i = MAX(r->peers->told, r->applied_index) + 1; i <= flushed; i++)
        tell_entry(r, tail_by_index(&r->tail, i));
    r->peers->told = MAX(r->peers->told, flushed);
}

static void tell_all(struct replica *r)
{
    struct replica_op *op, *tmp;
    uint64_t flushed;

    if (list_is_empty(&r->peers->acks))
        return;
    flushed = flushed_by(r, (unsigned)MAX(r->limits.min_insync, 1));
    list_foreach_safe (&r->peers->acks, op, tmp, link)
        if (op->read_index <= flushed)
            replica_finish(r, op, 0, NULL);
}

void replica_acks_update(struct replica *r)
{
    struct replica_peers *p = r->peers;

    if (!p->leads) {
        lags_drop(p);
        return;
    }
    if (p->lags == NULL) /* the lead begins: nothing was asked of the others, and they all count as just heard */
        p->told = p->seen_last = 0;
    if (!lags_fit(r))
        lags_make(r);
    note_progress(r);
    tell_flushed(r);
    tell_all(r);
}

void replica_acks_free(struct replica_peers *p)
{
    list_remove(&p->acks_link);
    lags_drop(p);
}

/* ---- When too few are in sync ---- */

static void refuse(struct replica *r, struct replica_op *op)
{
    GQ_MARK(REPLICA_TOO_FEW_IN_SYNC);
    replica_finish(r, op, KAFKA_E_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
                   "stored, but fewer replicas are in sync than min.insync.replicas asks for");
}

/* All that ask for all of them, whether their batch is committed or not. */
static void refuse_all(struct replica *r)
{
    struct replica_op *op, *tmp;
    struct list *link;

    while ((link = list_pop(&r->peers->acks)) != NULL)
        refuse(r, list_entry(link, struct replica_op, link));
    for (uint32_t i = 0; i < tail_count(&r->tail); i++) {
        struct replica_entry *e = tail_at(&r->tail, i);

        if (e->op != NULL && asks_for_all(r, e->op))
            refuse(r, TAKE_PTR(e->op));
        list_foreach_safe (&e->duplicates, op, tmp, link)
            if (asks_for_all(r, op))
                refuse(r, op);
    }
}

/* False: nobody waits any more, or there is nothing to wait for. */
static bool look(struct replica *r)
{
    int32_t ids[RAFT_MAX_MEMBERS];

    if (!replica_has_core(r) || !r->peers->leads)
        return false;
    if ((int)replica_in_sync(r, ids) < r->limits.min_insync)
        refuse_all(r);
    else
        tell_all(r); /* the topic may ask for fewer by now */
    return !list_is_empty(&r->peers->acks) || r->applied_index < r->last_index;
}

uint64_t replica_acks_poll(struct replica_shard *shard)
{
    struct replica_peers *p, *tmp;

    if (list_is_empty(&shard->acks))
        return UINT64_MAX;
    if (shard->now_ns >= shard->next_acks_ns) {
        shard->next_acks_ns = shard->now_ns + shard->lag_ns / LOOKS_PER_LAG;
        list_foreach_safe (&shard->acks, p, tmp, acks_link)
            if (!look(p->replica))
                list_remove(&p->acks_link);
    }
    return list_is_empty(&shard->acks) ? UINT64_MAX : shard->next_acks_ns;
}
