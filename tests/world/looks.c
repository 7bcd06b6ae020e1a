/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/looks.h"

#include "support/suite.h"
#include "world/internal.h"

#define GROUP 7

static const struct uuid cluster = { { 1 } };
static struct world *world;
static struct watch *watch;

struct node_now nodes[N_NODES + 1];

static uint64_t term_at(const void *log, uint64_t index)
{
    return index < 64 ? ((const uint64_t *)log)[index] : 0;
}

void set_members(struct watch_state *s, uint64_t index, uint32_t n, const uint8_t *roles)
{
    s->at.raft.config_index = index;
    s->n_members = 0;
    for (uint32_t i = 0; i < n; i++)
        if (roles[i] != 0)
            s->members[s->n_members++] = (struct watch_member){ .id = (int32_t)i + 1, .roles = roles[i] };
}

static const uint8_t three[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER };

void looks_set_up(void)
{
    struct world_options o = { .seed = 1 };

    world = world_new(&o);
    watch = watch_new(world);
    memset(nodes, 0, sizeof(nodes));
    for (int i = 1; i <= N_NODES; i++) {
        struct raft_standing *r = &nodes[i].s.at.raft;

        nodes[i].s.node = i;
        nodes[i].s.life = 1;
        nodes[i].s.term_at = term_at;
        nodes[i].s.log = nodes[i].terms;
        r->vote = r->durable_vote = r->leader = r->transferee = RAFT_NONE;
        set_members(&nodes[i].s, 0, 3, three);
    }
}

void looks_tear_down(void)
{
    watch_free(watch);
    world_free(world);
}

void expect_failure(const char *text)
{
    ck_assert_ptr_nonnull(world_failure(world));
    ck_assert_msg(strstr(world_failure(world), text) == world_failure(world), "%s", world_failure(world));
}

void expect_none(void)
{
    ck_assert_msg(world_failure(world) == NULL, "%s", world_failure(world));
}

struct raft_standing *raft_of(int node)
{
    return &nodes[node].s.at.raft;
}

void look(int node)
{
    watch_see(watch, &cluster, GROUP, &nodes[node].s);
}

void look_away(void)
{
    watch_note_gone(watch, &cluster, GROUP);
}

void move_away(int node)
{
    watch_note_moved(watch, &cluster, GROUP, node);
}

/* ---- What nodes do ---- */

void enter(int node, uint64_t term, int32_t vote)
{
    struct raft_standing *r = raft_of(node);

    r->role = RAFT_FOLLOWER;
    r->term = r->durable_term = term;
    r->vote = r->durable_vote = vote;
    look(node);
}

void campaign(int node, uint64_t term)
{
    struct raft_standing *r = raft_of(node);

    r->term = r->durable_term = term;
    r->vote = r->durable_vote = node;
    r->role = RAFT_CANDIDATE;
    look(node);
}

void append(int node, uint64_t term)
{
    struct raft_standing *r = raft_of(node);

    nodes[node].terms[++r->last] = term;
    look(node);
}

void flush(int node)
{
    raft_of(node)->flushed = raft_of(node)->last;
    look(node);
}

void commit(int node, uint64_t index)
{
    struct raft_standing *r = raft_of(node);

    r->commit = index;
    nodes[node].s.at.applied = MIN(index, r->flushed);
    nodes[node].s.at.checksum =
        (uint32_t)(nodes[node].s.at.applied * 100 + nodes[node].terms[nodes[node].s.at.applied]);
    look(node);
}

void cut(int node, uint64_t from)
{
    struct raft_standing *r = raft_of(node);

    for (uint64_t i = from; i <= r->last; i++)
        nodes[node].terms[i] = 0;
    r->last = from - 1;
    r->flushed = MIN(r->flushed, r->last);
    r->epoch++;
}

void lead_quietly(int node, uint64_t term, unsigned voters)
{
    struct watch_state *s = &nodes[node].s;

    s->at.raft.term = s->at.raft.durable_term = term;
    s->at.raft.vote = s->at.raft.durable_vote = node;
    s->at.raft.role = RAFT_LEADER;
    for (uint32_t i = 0; i < s->n_members; i++)
        s->members[i].granted = (voters >> s->members[i].id & 1) != 0;
    nodes[node].terms[++s->at.raft.last] = term;
    s->at.open = 0;
}

void elect(int node, uint64_t term, unsigned voters)
{
    campaign(node, term);
    for (int i = 1; i <= N_NODES; i++)
        if (i != node && (voters >> i & 1) != 0)
            enter(i, term, node);
    lead_quietly(node, term, voters);
    look(node);
}

void close_replica(int node)
{
    watch_note_closed(watch, &cluster, GROUP, &nodes[node].s);
}

void show_state(int node, uint64_t index, uint32_t checksum)
{
    watch_see_applied(watch, world, &cluster, GROUP, node, index, checksum);
}

void restart(int node)
{
    struct raft_standing *r = raft_of(node);

    nodes[node].s.life++;
    r->role = RAFT_FOLLOWER;
    r->term = r->durable_term;
    r->vote = r->durable_vote;
    r->last = r->flushed;
    r->epoch = 0;
    r->commit = nodes[node].s.at.applied;
}

void two_entries(void)
{
    elect(1, 1, 0x6);
    flush(1);
    append(2, 1);
    flush(2);
    commit(1, 1);
    commit(2, 1);
    append(3, 1);
    flush(3);
    append(1, 1);
    append(2, 1);
    flush(2);
    flush(1);
    commit(1, 2);
    expect_none();
}
