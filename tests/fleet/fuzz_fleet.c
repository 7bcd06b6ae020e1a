/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fleet whose peers say anything at all, in their sessions and to its groups, while connections come and go. What
 * the fleet takes its sets to be stays what the cores take them to be.
 *
 * An input is a byte for the number of shards, then commands: a byte, and what it needs. A number is a byte: below 240
 * an offset to what is right, from −120 on, else eight bytes that follow, little-endian. */
#include "fleet/check.h"
#include "fleet/internal.h"
#include "support/fuzz.h"

#define GROUPS 8
#define MS 1000000ull

static struct {
    const uint8_t *p, *end;
    struct fleet *fleet;
    struct fleet_group groups[GROUPS];
    uint64_t now_ns;
} f;

static uint8_t byte(void)
{
    return f.p < f.end ? *f.p++ : 0;
}

static uint64_t number(uint64_t right)
{
    uint8_t b = byte();
    uint64_t n = 0;

    if (b < 240)
        return right + b - 120;
    for (unsigned i = 0; i < 64; i += 8)
        n |= (uint64_t)byte() << i;
    return n;
}

static uint32_t entry_size(struct fleet_group *g, uint64_t index)
{
    (void)g;
    (void)index;
    return 100;
}

/* The disk is fast: all is durable before the next command. */
static void act(struct fleet_group *g, const struct raft_update *u)
{
    if (u->hard_state)
        fleet_note_state_flushed(g, u->term, u->vote);
    if (u->append_last != 0)
        fleet_note_log_flushed(g, u->append_last, u->append_term, u->epoch);
}

static void drain(void)
{
    struct fleet_work work;

    while (fleet_next(f.fleet, &work))
        act(work.group, work.update);
    while (fleet_next_message(f.fleet) != NULL)
        continue;
}

static void receive(uint8_t what)
{
    struct fleet_group *g = &f.groups[(what >> 3) % GROUPS];
    struct raft_message m = { .kind = (enum raft_message_kind)(byte() % (RAFT_TIMEOUT_NOW + 1)),
                              .from = 2 + (what >> 7),
                              .to = 1 };
    uint8_t flags = byte();
    struct raft_event event = { .kind = RAFT_RECEIVE, .message = &m };

    m.term = number(raft_term(g->raft));
    m.index = number(raft_last_index(g->raft));
    m.log_term = m.kind == RAFT_APPEND || m.kind == RAFT_VOTE || m.kind == RAFT_PRE_VOTE
                     ? number(raft_term_at(g->raft, m.index))
                     : 0;
    m.commit = m.index;
    m.join = (flags & 1) != 0;
    m.reject = (flags & 2) != 0;
    m.force = (flags & 4) != 0;
    act(g, fleet_step(g, &event));
}

static void receive_session(uint8_t what)
{
    struct fleet_entry entries[GROUPS];
    uint64_t digests[FLEET_BUCKETS];
    struct fleet_peer *p = fleet_peer(f.fleet, 2 + (what >> 7));
    struct fleet_session *s = &p->sessions[what >> 3 & 1 & (p->n_shards - 1)];
    uint8_t flags = byte();
    struct fleet_message m = { .from = p->node, .to = 1, .from_shard = s->shard };

    m.session = number(s->theirs);
    m.your_session = (flags & 1) != 0 ? s->mine : number(0);
    m.sequence = number(s->received + 1);
    m.echo = (flags & 2) != 0 ? s->sent : number(s->sent);
    m.digest = (flags & 4) != 0 ? s->digest : number(s->digest);
    if ((flags & 8) != 0) {
        memcpy(digests, s->digests, sizeof(digests));
        digests[byte() % FLEET_BUCKETS] += m.digest - s->digest;
        m.n_digests = FLEET_BUCKETS;
        m.digests = digests;
    }
    if ((flags & 16) != 0) {
        m.buckets = (flags & 32) != 0 ? UINT64_MAX : number(0);
        m.n_entries = byte() % (GROUPS + 1);
        m.entries = entries;
        for (uint32_t i = 0; i < m.n_entries; i++)
            entries[i] = (struct fleet_entry){ number(f.groups[i].id), number(raft_term(f.groups[i].raft)) };
    }
    (void)fleet_receive(f.fleet, &m);
}

static void command(void)
{
    uint8_t what = byte();
    struct fleet_group *g = &f.groups[(what >> 3) % GROUPS];
    struct raft_event campaign = { .kind = RAFT_CAMPAIGN };

    switch (what % 8) {
    case 0:
        f.now_ns += byte() * 10 * MS;
        fleet_poll(f.fleet, f.now_ns);
        break;
    case 1:
        drain();
        break;
    case 2:
        (void)fleet_propose(g, 100);
        break;
    case 3:
        act(g, fleet_step(g, &campaign));
        break;
    case 4:
        fleet_peer_up(f.fleet, 2 + (what >> 7), 1 + (what >> 3 & 1));
        break;
    case 5:
        if ((what & 8) != 0)
            fleet_peer_down(f.fleet, 2 + (what >> 7), (what & 16) != 0);
        else
            receive_session(what);
        break;
    case 6:
        receive_session(what);
        break;
    default:
        receive(what);
        break;
    }
    for (unsigned i = 0; i < GROUPS; i++)
        check_group(&f.groups[i]);
    check_sessions(f.fleet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct raft_limits limits = {
        .election_timeout = 1000 * MS,
        .heartbeat_interval = 100 * MS,
        .peer_down_spread = 50 * MS,
        .message_entries = 1000,
        .message_bytes = 10000,
        .inflight_messages = RAFT_WINDOW,
        .inflight_bytes = 10000,
        .quiesce = true,
    };
    static const struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };
    uint32_t n_shards;

    f.p = data;
    f.end = data + size;
    f.now_ns = 1000 * MS;
    n_shards = 1 + byte() % 3;
    f.fleet = fleet_new(&(struct fleet_config){ .node = 1,
                                                .n_shards = n_shards,
                                                .boot = 1,
                                                .limits = limits,
                                                .entry_size = entry_size,
                                                .budget_bytes = 500,
                                                .group_budget_bytes = 300,
                                                .now_ns = f.now_ns });
    for (uint64_t i = 0; i < GROUPS; i++)
        fleet_add(f.fleet, &f.groups[i], 1 + i * n_shards,
                  &(struct raft_start){ .seed = i, .vote = RAFT_NONE, .config = &config });
    while (f.p < f.end)
        command();
    for (unsigned i = 0; i < GROUPS; i++)
        fleet_remove(&f.groups[i]);
    fleet_free(f.fleet);
    return 0;
}
