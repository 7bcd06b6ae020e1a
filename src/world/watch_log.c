/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/watch_internal.h"

/* ---- Flushed ---- */

/* What is on the disk of a node, by what its core was told. */
void watch_note_flushed(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    struct watch_node *n = v->node;

    n->n_flushed = MIN(n->n_flushed, r->flushed);
    if (r->flushed > n->flushed_capacity) {
        n->flushed_capacity = MAX(n->flushed_capacity * 2, r->flushed + 64);
        n->flushed = xrealloc(n->flushed, n->flushed_capacity * sizeof(n->flushed[0]));
    }
    while (n->n_flushed < r->flushed) {
        n->n_flushed++;
        n->flushed[n->n_flushed - 1] = (uint32_t)watch_term_at(v, n->n_flushed);
    }
}

void watch_forget_cut(const struct watch_view *v)
{
    struct watch_node *n = v->node;
    uint64_t committed = MIN(n->at.raft.commit, (uint64_t)n->n_flushed), term;

    n->n_flushed = MIN(n->n_flushed, watch_raft(v)->last);
    while (n->n_flushed > 0 && (term = watch_term_at(v, n->n_flushed)) != 0 && term != n->flushed[n->n_flushed - 1])
        n->n_flushed--;
    if (n->n_flushed < committed)
        watch_fail(v, "nothing committed is cut", "closes with a log that lacks %zu, which was committed",
                   n->n_flushed + 1);
}

/* A start finds all that was flushed. It may find more, and what was cut shortly before. */
void watch_check_kept(const struct watch_view *v)
{
    const struct raft_standing *now = watch_raft(v);
    const struct watch_node *n = v->node;

    if (now->last < n->n_flushed)
        watch_fail(v, "what is flushed stays", "starts with a log up to %llu, of which %zu were flushed",
                   (unsigned long long)now->last, n->n_flushed);
    for (uint64_t i = now->start + 1; i <= MIN(n->n_flushed, now->last); i++) {
        uint64_t term = watch_term_at(v, i), flushed = n->flushed[i - 1];

        if (term != 0 && flushed != 0 && term != flushed)
            watch_fail(v, "what is flushed stays", "starts with an entry %llu of term %llu, and had flushed %llu's",
                       (unsigned long long)i, (unsigned long long)term, (unsigned long long)flushed);
    }
    if (v->state->at.log_start < n->log_start)
        watch_fail(v, "the log start stays", "starts with a log from offset %lld on, after %lld",
                   (long long)v->state->at.log_start, (long long)n->log_start);
}

/* ---- Committed ---- */

struct holding {
    const struct watch_group *group;
    uint64_t index, term;
};

static bool holds(void *ctx, const struct watch_member *m)
{
    const struct holding *h = ctx;
    const struct watch_node *n = watch_node_of((struct watch_group *)h->group, m->id);

    return n->n_flushed >= h->index && n->flushed[h->index - 1] == h->term;
}

static unsigned n_holders(const struct watch_view *v, const struct holding *h)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < v->state->n_members; i++)
        n += holds((void *)h, &v->state->members[i]);
    return n;
}

/* The first to commit is who counted, and counted what is there now: what a quorum has flushed isn't cut any more. A
 * configuration that the same step appended behind it came too late for it. */
static void check_backed(const struct watch_view *v, uint64_t index)
{
    const struct raft_standing *r = watch_raft(v);
    struct holding h = { v->group, index, watch_term_at(v, index) };
    struct watch_config now = { .n_members = v->state->n_members };

    if (v->state->n_members == 0) /* alone: it is flushed, or it would not be applied */
        return;
    if (index == 1 && v->node->life == 0) /* all members make it alike when the group is founded */
        return;
    memcpy(now.members, v->state->members, now.n_members * sizeof(now.members[0]));
    if (r->role == RAFT_LEADER && h.term != r->term)
        watch_fail(v, "commit by the own term", "leads term %llu and commits %llu of term %llu",
                   (unsigned long long)r->term, (unsigned long long)index, (unsigned long long)h.term);
    if (watch_is_quorum(&now, holds, &h))
        return;
    if (r->config_index > index && !v->starts && v->node->config.index != r->config_index &&
        watch_is_quorum(&v->node->config, holds, &h))
        return;
    watch_fail(v, "commit is backed",
               "commits %llu of term %llu, in term %llu as %s, and %u of %u members have that flushed",
               (unsigned long long)index, (unsigned long long)h.term, (unsigned long long)r->term,
               r->role == RAFT_LEADER ? "leader" : "follower", n_holders(v, &h), v->state->n_members);
}

static struct watch_entry *entry_at(struct watch_group *g, uint64_t index)
{
    if (index > g->committed_capacity) {
        g->committed_capacity = MAX(g->committed_capacity * 2, (size_t)index + 64);
        g->committed = xrealloc(g->committed, g->committed_capacity * sizeof(g->committed[0]));
    }
    while (g->n_committed < index)
        g->committed[g->n_committed++] = (struct watch_entry){ 0 };
    return &g->committed[index - 1];
}

static void note_committed(const struct watch_view *v, uint64_t index)
{
    struct watch_group *g = v->group;
    uint64_t term = watch_term_at(v, index);
    bool is_new = index > g->n_committed;
    struct watch_entry *e = entry_at(g, index);

    if (is_new) {
        e->by_term = (uint32_t)watch_raft(v)->term;
        e->by = v->state->node;
    }
    if (e->term == 0)
        e->term = (uint32_t)term;
    if (term != 0 && term != e->term)
        watch_fail(v, "log matching", "commits entry %llu of term %llu, and node %d committed that of term %u",
                   (unsigned long long)index, (unsigned long long)term, e->by, e->term);
}

static void check_applied(const struct watch_view *v)
{
    const struct replica_standing *at = &v->state->at;
    struct watch_entry *e;

    if (at->applied == 0 || at->applied > v->group->n_committed || at->checksum == 0)
        return;
    e = entry_at(v->group, at->applied);
    if (e->checksum == 0)
        e->checksum = at->checksum;
    if (e->checksum != at->checksum)
        watch_fail(v, "state machine safety", "applied another entry %llu than others have",
                   (unsigned long long)at->applied);
}

/* Where the log was cut, what is committed is still what it was. */
static void check_cut(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v), *before = &v->node->at.raft;
    uint64_t index = before->commit, term;

    if (v->starts || r->epoch == before->epoch || index <= r->start || index > v->group->n_committed)
        return;
    term = index <= r->last ? watch_term_at(v, index) : 0;
    if (term != v->group->committed[index - 1].term)
        watch_fail(v, "nothing committed is cut", "cut its log below %llu, which is committed",
                   (unsigned long long)index);
}

void watch_check_commit(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    uint64_t known = v->group->n_committed, from = MAX(r->start, (uint64_t)1);

    check_cut(v);
    if (!v->starts)
        from = MAX(from, v->node->at.raft.commit + 1);
    for (uint64_t i = from; i <= r->commit; i++)
        note_committed(v, i);
    if (r->commit > known)
        check_backed(v, r->commit);
    check_applied(v);
}

/* An entry that is committed in a term is in the logs of the leaders of all later ones. One of the same or a later term
 * may have been committed before somebody learnt that it leads. */
void watch_check_complete(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    const struct watch_group *g = v->group;
    uint64_t index = g->n_committed, term;

    while (index > 0 && g->committed[index - 1].by_term >= r->term)
        index--;
    if (index == 0 || index < r->start)
        return;
    term = index <= r->last ? watch_term_at(v, index) : 0;
    if (index > r->last || (term != 0 && g->committed[index - 1].term != 0 && term != g->committed[index - 1].term))
        watch_fail(
            v, "leader completeness",
            "leads term %llu with a log up to %llu, and entry %llu of term %u was committed by node %d in term %u",
            (unsigned long long)r->term, (unsigned long long)r->last, (unsigned long long)index,
            g->committed[index - 1].term, g->committed[index - 1].by, g->committed[index - 1].by_term);
}

/* ---- Reads ---- */

struct since {
    const struct watch_view *view;
    uint64_t step;
};

static bool has_stepped(void *ctx, const struct watch_member *m)
{
    const struct since *since = ctx;

    return m->id == since->view->state->node || watch_last_step(since->view->watch, m->id) > since->step;
}

/* That it still led when the read was asked for can be said only by who has heard so since. A step may let read under
 * one configuration and append the next. */
static void check_round(const struct watch_view *v, uint64_t step)
{
    struct since since = { v, step };
    struct watch_config now = { .n_members = v->state->n_members };

    memcpy(now.members, v->state->members, now.n_members * sizeof(now.members[0]));
    if (now.n_members > 0 && !watch_is_quorum(&now, has_stepped, &since) &&
        !watch_is_quorum(&v->node->config, has_stepped, &since))
        watch_fail(v, "reads wait for a quorum", "leads term %llu and lets read, and nobody can have said that it does",
                   (unsigned long long)watch_raft(v)->term);
}

void watch_check_reads(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v), *before = &v->node->at.raft;
    struct watch_node *n = v->node;
    unsigned kept = 0;

    if (v->starts || r->role != RAFT_LEADER || r->term != before->term) {
        n->n_reads = 0;
        return;
    }
    if (r->reads_asked > before->reads_asked && n->n_reads < WATCH_READS) {
        n->reads[n->n_reads].ticket = r->reads_asked;
        n->reads[n->n_reads].step = watch_last_step(v->watch, v->state->node);
        n->reads[n->n_reads++].committed = v->group->n_committed;
    }
    for (unsigned i = 0; i < n->n_reads; i++) {
        if (n->reads[i].ticket > r->reads_done) {
            n->reads[kept++] = n->reads[i];
            continue;
        }
        check_round(v, n->reads[i].step);
        if (r->read_index < n->reads[i].committed)
            watch_fail(v, "reads see all that was committed",
                       "leads term %llu and lets read at %llu, when %llu were committed", (unsigned long long)r->term,
                       (unsigned long long)r->read_index, (unsigned long long)n->reads[i].committed);
    }
    n->n_reads = kept;
}
