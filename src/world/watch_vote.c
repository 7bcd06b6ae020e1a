/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/watch_internal.h"

/* ---- Quorums ---- */

static bool half_agrees(const struct watch_config *c, uint8_t role,
                        bool (*says)(void *ctx, const struct watch_member *m), void *ctx)
{
    unsigned n = 0, n_yes = 0;

    for (uint32_t i = 0; i < c->n_members; i++) {
        if ((c->members[i].roles & role) == 0)
            continue;
        n++;
        n_yes += says(ctx, &c->members[i]);
    }
    return n == 0 || n_yes > n / 2;
}

bool watch_is_quorum(const struct watch_config *c, bool (*says)(void *ctx, const struct watch_member *m), void *ctx)
{
    return half_agrees(c, RAFT_VOTER, says, ctx) && half_agrees(c, RAFT_OUTGOING, says, ctx);
}

/* ---- Votes ---- */

static void note_vote(const struct watch_view *v, int32_t voter, uint64_t term, int32_t vote)
{
    struct watch_node *n = watch_node_of(v->group, voter);

    if (term >= WATCH_MAX_TERM)
        return;
    if (term >= n->n_votes) {
        size_t count = MAX(n->n_votes * 2, (size_t)term + 16);

        n->votes = xrealloc(n->votes, count * sizeof(n->votes[0]));
        memset(n->votes + n->n_votes, 0, (count - n->n_votes) * sizeof(n->votes[0]));
        n->n_votes = count;
    }
    if (n->votes[term] == 0)
        n->votes[term] = vote;
    if (n->votes[term] != vote)
        watch_fail(v, "one vote in a term", "shows that node %d votes for %d and for %d in term %llu", voter,
                   n->votes[term], vote, (unsigned long long)term);
}

/* Whether it showed this one's vote for it before, or won without it: of members that come back the core may still have
 * one. */
static bool had_vote(const struct watch_view *v, int32_t voter)
{
    const struct watch_node *n = v->node;

    if (v->starts || n->at.raft.role < RAFT_CANDIDATE || n->at.raft.term != watch_raft(v)->term)
        return false;
    for (uint32_t i = 0; n->at.raft.role == RAFT_CANDIDATE && i < n->config.n_members; i++)
        if (n->config.members[i].id == voter)
            return n->config.members[i].granted;
    return n->at.raft.role == RAFT_LEADER;
}

/* A vote is told when it is durable; who asks for votes knows what it was told. The voter may have lost its disk since
 * then: only what is new is news. */
void watch_note_votes(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    const struct watch_node *n = v->node;

    if (r->durable_vote != RAFT_NONE && r->durable_term > 0)
        note_vote(v, v->state->node, r->durable_term, r->durable_vote);
    if (r->term < n->n_votes && n->votes[r->term] != 0 && n->votes[r->term] != r->vote)
        watch_fail(v, "one vote in a term", "votes for %d in term %llu, and voted for %d before", r->vote,
                   (unsigned long long)r->term, n->votes[r->term]);
    for (uint32_t i = 0; r->role >= RAFT_CANDIDATE && i < v->state->n_members; i++)
        if (v->state->members[i].granted && v->state->members[i].id != v->state->node &&
            !had_vote(v, v->state->members[i].id))
            note_vote(v, v->state->members[i].id, r->term, v->state->node);
}

/* NULL: too late a one to be looked after. */
static struct watch_term *term_of(struct watch_group *g, uint64_t term)
{
    if (term >= WATCH_MAX_TERM)
        return NULL;
    if (term >= g->n_terms) {
        size_t count = MAX(g->n_terms * 2, (size_t)term + 16);

        g->terms = xrealloc(g->terms, count * sizeof(g->terms[0]));
        memset(g->terms + g->n_terms, 0, (count - g->n_terms) * sizeof(g->terms[0]));
        g->n_terms = count;
    }
    return &g->terms[term];
}

/* ---- Leaders ---- */

static bool has_granted(void *ctx, const struct watch_member *m)
{
    return m->granted;
}

static void check_elected(const struct watch_view *v)
{
    const struct watch_state *s = v->state;
    const struct raft_standing *r = watch_raft(v);
    struct watch_config now = { .n_members = s->n_members };
    uint8_t roles = 0;

    memcpy(now.members, s->members, now.n_members * sizeof(now.members[0]));
    for (uint32_t i = 0; i < s->n_members; i++)
        roles |= s->members[i].id == s->node ? s->members[i].roles : 0;
    if ((roles & (RAFT_VOTER | RAFT_OUTGOING)) == 0 && r->config_index <= r->commit)
        watch_fail(v, "who leads votes", "leads term %llu, and has no vote by entry %llu", (unsigned long long)r->term,
                   (unsigned long long)r->config_index);
    if (r->durable_term != r->term || r->durable_vote != s->node)
        watch_fail(v, "a leader's vote is durable", "leads term %llu with a vote for %d in term %llu on its disk",
                   (unsigned long long)r->term, r->durable_vote, (unsigned long long)r->durable_term);
    /* One that was alone until now asked nobody. */
    if (!watch_is_quorum(&now, has_granted, NULL) && (s->n_members > 1 || roles == 0))
        watch_fail(v, "elected by a quorum", "leads term %llu, and no quorum voted for it",
                   (unsigned long long)r->term);
}

void watch_check_leader(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v), *before = &v->node->at.raft;
    struct watch_term *t = term_of(v->group, r->term);

    if (t == NULL || (!v->starts && before->role == RAFT_LEADER && before->term == r->term))
        return;
    if (t->leader != 0 && (t->leader != v->state->node || t->life != v->state->life))
        watch_fail(v, "election safety", "leads term %llu in its life %u, and node %d led it in its life %u",
                   (unsigned long long)r->term, v->state->life, t->leader, t->life);
    t->leader = v->state->node;
    t->life = v->state->life;
    t->log_start = v->group->log_start;
    if (!v->state->at.alone)
        check_elected(v);
    watch_check_complete(v);
}

/* ---- Terms ---- */

/* Nobody takes a term from anywhere but a candidate of it, however indirectly. One whose candidacy was over within a
 * step may come back with it. */
static void check_origin(const struct watch_view *v, struct watch_term *t)
{
    const struct raft_standing *r = watch_raft(v);

    if (r->role >= RAFT_CANDIDATE || v->state->at.alone || v->node->life == 0 ||
        (v->starts && r->vote == v->state->node))
        t->begun = true;
    if (!t->begun)
        watch_fail(v, "a term begins with a candidate", "is in term %llu, for which nobody campaigned",
                   (unsigned long long)r->term);
}

/* Who is told to lead has all that the leader has, which proposes nothing meanwhile. One that was told of it in an
 * earlier try may come late. */
static void check_transfer(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v), *l;
    const struct watch_term *t = term_of(v->group, r->term - 1);
    const struct watch_node *leader;

    if (t == NULL || t->leader == 0 || (t->given_up >> (v->state->node & 63) & 1) != 0)
        return;
    leader = watch_node_of(v->group, t->leader);
    l = &leader->at.raft;
    if (leader->life == t->life && l->role == RAFT_LEADER && l->term + 1 == r->term &&
        l->transferee == v->state->node && r->last < l->last)
        watch_fail(v, "the lead goes to who has caught up", "is to lead with a log up to %llu, and node %d has %llu",
                   (unsigned long long)r->last, t->leader, (unsigned long long)l->last);
}

static void note_given_up(const struct watch_view *v, struct watch_term *t)
{
    const struct raft_standing *r = watch_raft(v), *before = &v->node->at.raft;

    if (!v->starts && before->term == r->term && before->transferee != RAFT_NONE && before->transferee != r->transferee)
        t->given_up |= UINT64_C(1) << (before->transferee & 63);
}

/* What a leader has when an entry of its own is applied is all that was committed before. */
static void check_log_start(const struct watch_view *v, const struct watch_term *t)
{
    const struct replica_standing *at = &v->state->at;

    if (v->node->at.applied != at->applied && watch_term_at(v, at->applied) == at->raft.term &&
        at->next_log_start < t->log_start)
        watch_fail(v, "the log start outlives a leader", "leads term %llu with a log from offset %lld on, after %lld",
                   (unsigned long long)at->raft.term, (long long)at->next_log_start, (long long)t->log_start);
}

void watch_check_term(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    struct watch_term *t = r->term > 0 ? term_of(v->group, r->term) : NULL;

    if (t == NULL)
        return;
    check_origin(v, t);
    if (r->role == RAFT_CANDIDATE && r->forced && (v->starts || v->node->at.raft.term != r->term))
        check_transfer(v);
    if (r->role != RAFT_LEADER)
        return;
    note_given_up(v, t);
    check_log_start(v, t);
}

/* ---- Configurations ---- */

/* A configuration holds from its place in the log on, and no longer than it is there. */
void watch_check_config(const struct watch_view *v)
{
    if (v->state->configs_differ)
        watch_fail(v, "the last configuration is in force",
                   "goes by a configuration of entry %llu that isn't its log's last, or isn't whose members it knows",
                   (unsigned long long)watch_raft(v)->config_index);
}

void watch_check_in_sync(const struct watch_view *v)
{
    const struct watch_state *s = v->state;

    for (uint32_t i = 0; i < s->n_members; i++)
        if (s->members[i].in_sync && s->members[i].silence_ns > s->lag_ns)
            watch_fail(v, "who is in sync was heard", "counts node %d as in sync, which is silent for %llu ms",
                       s->members[i].id, (unsigned long long)(s->members[i].silence_ns / MS));
}

void watch_note_config(const struct watch_view *v)
{
    const struct raft_standing *r = watch_raft(v);
    struct watch_group *g = v->group;
    uint64_t term = watch_term_at(v, r->config_index);
    struct watch_config *c;

    if (r->role != RAFT_LEADER || v->state->n_members == 0 || (r->config_index > 0 && term == 0))
        return;
    for (size_t i = g->n_configs; i > 0; i--)
        if (g->configs[i - 1].index == r->config_index && g->configs[i - 1].term == term)
            return;
    if ((g->n_configs & (g->n_configs - 1)) == 0)
        g->configs = xrealloc(g->configs, MAX(g->n_configs * 2, (size_t)1) * sizeof(g->configs[0]));
    c = &g->configs[g->n_configs++];
    *c = (struct watch_config){ .index = r->config_index, .term = term, .n_members = v->state->n_members };
    memcpy(c->members, v->state->members, c->n_members * sizeof(c->members[0]));
}

struct side {
    const int32_t *ids; /* of both configurations */
    uint32_t n, who;
};

static bool is_of(void *ctx, const struct watch_member *m)
{
    const struct side *side = ctx;

    for (uint32_t i = 0; i < side->n; i++)
        if (side->ids[i] == m->id)
            return (side->who >> i & 1) != 0;
    return false;
}

static uint32_t add_ids(const struct watch_config *c, int32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < c->n_members; i++) {
        uint32_t k = 0;

        while (k < n && ids[k] != c->members[i].id)
            k++;
        if (k == n)
            ids[n++] = c->members[i].id;
    }
    return n;
}

static void check_pair(const struct watch_view *v, const struct watch_config *a, const struct watch_config *b)
{
    int32_t ids[2 * RAFT_MAX_MEMBERS];
    uint32_t n = add_ids(b, ids, add_ids(a, ids, 0));

    for (uint32_t who = 0; n <= 16 && who < UINT32_C(1) << n; who++) {
        struct side one = { ids, n, who }, other = { ids, n, ~who };

        if (!watch_is_quorum(a, is_of, &one) || !watch_is_quorum(b, is_of, &other))
            continue;
        watch_fail(v, "quorums overlap",
                   "leads with the members of entry %llu, and those of entry %llu may decide apart",
                   (unsigned long long)b->index, (unsigned long long)a->index);
        return;
    }
}

static bool is_committed(const struct watch_group *g, const struct watch_config *c)
{
    return c->index == 0 || (c->index <= g->n_committed && g->committed[c->index - 1].term == c->term);
}

/* The next one of the log that is committed. */
static struct watch_config *next_config(const struct watch_group *g)
{
    const struct watch_config *last = g->chained > 0 ? &g->configs[g->chained - 1] : NULL;
    struct watch_config *next = NULL;

    for (size_t i = 0; i < g->n_configs; i++) {
        struct watch_config *c = &g->configs[i];

        if ((last == NULL || c->index > last->index) && is_committed(g, c) && (next == NULL || c->index < next->index))
            next = c;
    }
    return next;
}

void watch_check_configs(const struct watch_view *v)
{
    struct watch_group *g = v->group;
    struct watch_config *next;

    if (watch_raft(v)->role != RAFT_LEADER || v->node->at.raft.commit == watch_raft(v)->commit)
        return;
    while ((next = next_config(g)) != NULL) {
        if (g->chained > 0)
            check_pair(v, &g->configs[g->chained - 1], next);
        g->chained = (size_t)(next - g->configs) + 1;
    }
}
