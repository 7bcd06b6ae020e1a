/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"
#include "base/mark.h"
#include "replica/internal.h"

/* The shard's fleet, and how a group's core gets into it: at a start, and when a sole voter is to have others beside
 * it. That goes without a break: its core is made anew there, with what is on its way to the journal. It stays in the
 * fleet when it is alone again. */

#define MS 1000000ull

/* What may wait is up to budget.c. */
const struct raft_limits replica_core_limits = {
    .election_timeout = REPLICA_ELECTION_NS,
    .heartbeat_interval = 100 * MS,
    .peer_down_spread = 50 * MS,
    .message_entries = REPLICA_APPEND_ENTRIES,
    .message_bytes = REPLICA_APPEND_BYTES,
    .inflight_messages = RAFT_WINDOW,
    .inflight_bytes = 8 << 20,
    .uncommitted_bytes = UINT64_MAX,
};

static uint32_t size_in_fleet(struct fleet_group *g, uint64_t index)
{
    return replica_size_of(replica_of_group(g), index);
}

uint32_t replica_append_bytes(const struct replica_shard *shard)
{
    uint64_t bytes = shard->append_bytes > 0 ? shard->append_bytes : REPLICA_APPEND_BYTES;

    return (uint32_t)MIN(bytes, (uint64_t)REPLICA_APPEND_MAX_BYTES);
}

/* The fleet asks for room between the two. */
static struct raft_limits limits_of(const struct replica_shard *shard)
{
    struct raft_limits l = replica_core_limits;

    if (shard->heartbeat_ns > 0)
        l.heartbeat_interval = shard->heartbeat_ns;
    if (shard->append_entries > 0)
        l.message_entries = (uint32_t)MIN(shard->append_entries, (uint64_t)REPLICA_APPEND_MAX_ENTRIES);
    l.message_bytes = replica_append_bytes(shard);
    l.election_timeout = MAX(replica_election_ns(shard), 4 * l.heartbeat_interval);
    return l;
}

void replica_shard_make_fleet(struct replica_shard *shard, unsigned n_shards, uint32_t boot,
                              const struct replica_uncommitted *uncommitted)
{
    list_init(&shard->imaging);
    list_init(&shard->acks);
    list_init(&shard->parking);
    list_init(&shard->changing);
    shard->unapplied_budget = uncommitted->all_bytes > 0 ? uncommitted->all_bytes : UINT64_MAX;
    shard->fleet = fleet_new(&(struct fleet_config){
        .node = shard->broker_id,
        .shard = shard->shard,
        .n_shards = n_shards,
        .boot = boot,
        .limits = limits_of(shard),
        .entry_size = size_in_fleet,
        .budget_bytes = uncommitted->led_bytes,
        .group_budget_bytes = MIN(uncommitted->led_bytes / 2, uncommitted->group_bytes),
        .blocks = shard->blocks,
        .now_ns = shard->now_ns,
    });
}

struct runs {
    struct raft_run *all;
    size_t n, capacity;
};

static void add_run(struct runs *runs, uint64_t first, uint64_t term)
{
    if (runs->n > 0 && runs->all[runs->n - 1].term == term)
        return;
    if (runs->n == runs->capacity) {
        runs->capacity = MAX(runs->capacity * 2, (size_t)4);
        runs->all = xrealloc(runs->all, runs->capacity * sizeof(*runs->all));
    }
    runs->all[runs->n++] = (struct raft_run){ .first = first, .term = term };
}

/* Of the segments' entries and those behind them. */
static void list_runs(const struct replica *r, uint64_t first, struct runs *runs)
{
    uint64_t term, last;

    for (uint64_t i = first; i <= log_end(r->log).index; i = last + 1) {
        gq_assert(log_run_at(r->log, i, &term, &last) == 0);
        add_run(runs, i, term);
    }
    for (uint32_t i = 0; i < tail_count(&r->tail); i++)
        add_run(runs, tail_at(&r->tail, i)->index, tail_at(&r->tail, i)->term);
}

/* Who comes later among the voters leaves it to the others for a while to campaign. */
static uint8_t rank_of(const struct raft_config *c, int32_t id)
{
    uint8_t rank = 0;

    for (uint32_t i = 0; i < c->n_members && c->members[i].id != id; i++)
        rank += rank < RAFT_MAX_RANK && (c->members[i].roles & RAFT_VOTER) != 0;
    return rank;
}

static void start_in_fleet(struct replica *r, bool lead)
{
    struct raft_start start = {
        .seed = hash_u64(r->group, r->shard->hash_seed) ^ (uint64_t)r->shard->broker_id << 32,
        .term = r->term,
        .vote = r->vote,
        .start_index = log_first_index(r->log) - 1,
        .last_index = r->last_index,
        .commit = r->applied_index,
        .lead = lead,
        .n_unflushed = lead ? r->last_index - r->applied_index : 0,
    };
    struct replica_configs configs;
    struct runs runs = { 0 };

    replica_configs_find(r, &configs, &start);
    start.rank = rank_of(start.config, r->shard->broker_id);
    if (start.start_index > 0)
        gq_assert(log_term_at(r->log, start.start_index, &start.start_term) == 0);
    list_runs(r, start.start_index + 1, &runs);
    start.runs = runs.all;
    start.n_runs = runs.n;
    fleet_poll(r->shard->fleet, r->shard->now_ns);
    fleet_add(r->shard->fleet, &r->peers->member, r->group, &start);
    r->raft = r->peers->member.raft;
    r->shard->n_cores++;
    free(runs.all);
    replica_members_found(r);
}

void replica_core_start(struct replica *r)
{
    start_in_fleet(r, false);
}

void replica_core_join_fleet(struct replica *r)
{
    GQ_MARK(REPLICA_ALONE_NO_LONGER);
    gq_assert(r->peers == NULL && r->open && r->applied_term == r->term);
    raft_free(TAKE_PTR(r->raft));
    replica_find_peers(r);
    r->peers->leads = true;
    r->vote = r->shard->broker_id;
    start_in_fleet(r, true);
}

void replica_core_rank(struct replica *r)
{
    struct raft_config config;

    raft_config(r->raft, &config, NULL);
    fleet_step(&r->peers->member,
               &(struct raft_event){ .kind = RAFT_RANK, .index = rank_of(&config, r->shard->broker_id) });
}
