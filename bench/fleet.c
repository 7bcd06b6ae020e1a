/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What many groups at rest take: three nodes with a fleet each, without journal and network. bench-fleet [SECONDS
 * [GROUPS]] prints as one line of JSON: nanoseconds of one node's turn in which heartbeats are due, and that as a share
 * of a core; bytes of memory of a group on one node; nanoseconds for each group of telling that a node died. */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/util.h"
#include "fleet/fleet.h"

#define NODES 3
#define MS 1000000ull
#define BEAT_NS (100 * MS)

struct packet {
    uint64_t group;
    struct raft_message m;
};

static struct fleet *fleets[NODES + 1];
static struct fleet_group *groups[NODES + 1];
static struct packet *packets;
static size_t n_packets, capacity;
static uint64_t now = MS;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t entry_size(struct fleet_group *g, uint64_t index)
{
    (void)g;
    (void)index;
    return 100;
}

/* All is durable as soon as it is asked for. */
static void act(struct fleet_group *g, const struct raft_update *u)
{
    for (uint32_t i = 0; i < u->n_messages; i++) {
        if (n_packets == capacity) {
            capacity = MAX(2 * capacity, (size_t)1024);
            packets = xrealloc(packets, capacity * sizeof(*packets));
        }
        packets[n_packets++] = (struct packet){ g->id, u->messages[i] };
    }
    if (u->hard_state)
        fleet_note_state_flushed(g, u->term, u->vote);
    if (u->append_last != 0)
        fleet_note_log_flushed(g, u->append_last, u->append_term, u->epoch);
}

static void step(struct fleet_group *g, struct raft_event event)
{
    act(g, fleet_step(g, &event));
}

static void deliver(const struct packet *p)
{
    struct raft_entry entries[8];
    struct raft_message m = p->m;

    gq_assert(m.n_entries <= ARRAY_SIZE(entries));
    for (uint32_t i = 0; i < m.n_entries; i++)
        entries[i] = (struct raft_entry){ .term = m.term, .size = 100 };
    m.entries = entries;
    step(&groups[m.to][p->group], (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

/* Returns the messages of sessions. */
static unsigned turn(int32_t node)
{
    const struct fleet_message *m;
    struct fleet_work work;
    unsigned n = 0;

    fleet_poll(fleets[node], now);
    while (fleet_next(fleets[node], &work))
        act(work.group, work.update);
    for (; (m = fleet_next_message(fleets[node])) != NULL; n++)
        (void)fleet_receive(fleets[m->to], m);
    return n;
}

static void settle(void)
{
    for (unsigned i = 0; i < 20; i++) {
        size_t n = n_packets;

        for (size_t at = 0; at < n; at++) {
            struct packet p = packets[at];

            deliver(&p);
        }
        memmove(packets, packets + n, (n_packets - n) * sizeof(*packets));
        n_packets -= n;
        for (int32_t node = 1; node <= NODES; node++)
            turn(node);
    }
}

static void start(int32_t node, uint64_t n_groups)
{
    const struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };

    for (uint64_t group = 1; group <= n_groups; group++)
        fleet_add(fleets[node], &groups[node][group], group,
                  &(struct raft_start){ .seed = group * 4 + (uint64_t)node, .vote = RAFT_NONE, .config = &config });
}

static void start_all(uint64_t n_groups)
{
    static const struct raft_limits limits = {
        .election_timeout = 1000 * MS,
        .heartbeat_interval = BEAT_NS,
        .peer_down_spread = 50 * MS,
        .message_entries = 4096,
        .message_bytes = 1 << 20,
        .inflight_messages = RAFT_WINDOW,
        .inflight_bytes = 8 << 20,
        .uncommitted_bytes = 8 << 20,
        .quiesce = true,
    };

    for (int32_t node = 1; node <= NODES; node++) {
        fleets[node] = fleet_new(&(struct fleet_config){ .node = node,
                                                         .n_shards = 1,
                                                         .boot = 1,
                                                         .limits = limits,
                                                         .entry_size = entry_size,
                                                         .budget_bytes = UINT64_MAX,
                                                         .group_budget_bytes = UINT64_MAX,
                                                         .now_ns = now });
        groups[node] = xcalloc(n_groups + 1, sizeof(*groups[node]));
        start(node, n_groups);
    }
}

/* Until all rest: each group's leader is another node's than its neighbours'. */
static void lead(uint64_t n_groups)
{
    for (int32_t node = 1; node <= NODES; node++)
        for (int32_t peer = 1; peer <= NODES; peer++)
            if (peer != node)
                fleet_peer_up(fleets[node], peer, 1);
    settle();
    for (uint64_t group = 1; group <= n_groups; group++)
        step(&groups[1 + group % NODES][group], (struct raft_event){ .kind = RAFT_CAMPAIGN });
    for (unsigned i = 0; i < 6; i++) {
        settle();
        now += BEAT_NS;
    }
    for (int32_t node = 1; node <= NODES; node++)
        for (uint64_t group = 1; group <= n_groups; group++)
            gq_assert(fleet_is_at_rest(&groups[node][group]));
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* Of a group at rest, with its share of what the fleet itself takes. */
static double measure_memory(uint64_t n_groups)
{
    size_t before = in_use();

    start_all(n_groups);
    lead(n_groups);
    free(packets);
    packets = NULL;
    n_packets = capacity = 0;
    return (double)(in_use() - before) / (double)(NODES * n_groups);
}

static double measure_beats(uint64_t limit_ns)
{
    uint64_t begin = now_ns(), n = 0, t;

    do {
        for (unsigned i = 0; i < 64; i++) {
            now += BEAT_NS;
            for (int32_t node = 1; node <= NODES; node++, n++)
                gq_assert(turn(node) == NODES - 1);
        }
        t = now_ns();
    } while (t < begin + limit_ns);
    return (double)(t - begin) / (double)n;
}

static double measure_death(uint64_t n_groups)
{
    struct fleet_work work;
    uint64_t begin = now_ns();

    fleet_peer_down(fleets[1], 2, true);
    while (fleet_next(fleets[1], &work))
        continue;
    return (double)(now_ns() - begin) / (double)n_groups;
}

int main(int argc, char **argv)
{
    uint64_t limit_ns = (uint64_t)((argc > 1 ? atof(argv[1]) : 1.0) * 1e9);
    uint64_t n_groups = argc > 2 ? (uint64_t)atoll(argv[2]) : 10000;
    double bytes = measure_memory(n_groups);
    double beat_ns = measure_beats(limit_ns);

    printf("{\"beat_ns\": %.1f, \"core_percent\": %.5f, \"group_bytes\": %.1f, \"death_ns\": %.1f}\n", beat_ns,
           100 * beat_ns / (double)BEAT_NS, bytes, measure_death(n_groups));
    return 0;
}
