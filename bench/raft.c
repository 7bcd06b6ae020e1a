/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the consensus core takes by itself, without journal and network: a leader with two followers that answer all.
 * bench-raft [SECONDS] prints nanoseconds as one line of JSON: of the step that appends an entry and sends it; of all
 * steps of an entry on the leader (append, own flush, two acknowledgements); of a follower's two steps (append, flush);
 * of a tick of a group at rest. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/util.h"
#include "raft/raft.h"

#define BLOCK 4  /* entries between two looks at the clock */
#define SLICE 64 /* blocks */
#define MAX_SLICES 65536

static struct raft_update u;
static uint64_t session;

static uint32_t entry_size(void *ctx, uint64_t index)
{
    (void)ctx;
    (void)index;
    return 1000;
}

static uint64_t heard(void *ctx, int32_t peer)
{
    (void)ctx;
    (void)peer;
    return session;
}

static const struct raft_ops ops = { .entry_size = entry_size, .heard = heard };
static const struct raft_limits limits = {
    .election_timeout = 1000,
    .heartbeat_interval = 100,
    .peer_down_spread = 50,
    .message_entries = 4096,
    .message_bytes = 1 << 20,
    .inflight_messages = RAFT_WINDOW,
    .inflight_bytes = 8 << 20,
    .uncommitted_bytes = 8 << 20,
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void step(struct raft *raft, struct raft_event event)
{
    raft_step(raft, &event, &u);
}

static void receive(struct raft *raft, struct raft_message m)
{
    m.to = 1;
    step(raft, (struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

static struct raft *start(void)
{
    struct raft_config config = { 3, { { 1, RAFT_VOTER }, { 2, RAFT_VOTER }, { 3, RAFT_VOTER } } };

    return raft_new(&limits, &ops, NULL, &(struct raft_start){ .id = 1, .vote = RAFT_NONE, .config = &config });
}

static void answer(struct raft *raft, enum raft_message_kind kind, int32_t from)
{
    uint64_t last = raft_last_index(raft);

    receive(raft, (struct raft_message){ .kind = kind, .from = from, .term = 1, .index = last, .commit = last });
}

static void flush(struct raft *raft)
{
    step(raft,
         (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = raft_last_index(raft), .term = 1, .epoch = u.epoch });
}

static void lead(struct raft *raft)
{
    step(raft, (struct raft_event){ .kind = RAFT_CAMPAIGN });
    receive(raft, (struct raft_message){ .kind = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 1 });
    step(raft, (struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 1, .vote = 1 });
    receive(raft, (struct raft_message){ .kind = RAFT_VOTE_REPLY, .from = 2, .term = 1 });
    gq_assert(raft_role(raft) == RAFT_LEADER);
    flush(raft);
    for (int32_t peer = 2; peer <= 3; peer++)
        answer(raft, RAFT_APPEND_REPLY, peer);
}

static void append_block(struct raft *raft)
{
    struct raft_entry entry = { .size = 1000 };

    for (unsigned i = 0; i < BLOCK; i++) {
        step(raft, (struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 });
        gq_assert(u.error == 0 && u.n_messages == 2);
    }
}

static void commit_block(struct raft *raft)
{
    for (uint64_t index = raft_last_index(raft) - BLOCK + 1; index <= raft_last_index(raft); index++) {
        step(raft, (struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = index, .term = 1, .epoch = u.epoch });
        for (int32_t peer = 2; peer <= 3; peer++)
            receive(raft, (struct raft_message){
                              .kind = RAFT_APPEND_REPLY, .from = peer, .term = 1, .index = index, .commit = index });
    }
    gq_assert(raft_commit_index(raft) == raft_last_index(raft));
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The median of slices: one in which somebody else ran doesn't count. */
static void measure_leader(uint64_t limit_ns, double *ret_append, double *ret_entry)
{
    static double append[MAX_SLICES], entry[MAX_SLICES];
    struct raft *raft = start();
    uint64_t begin = now_ns();
    size_t n = 0;

    lead(raft);
    do {
        uint64_t from = now_ns(), append_ns = 0;

        for (unsigned i = 0; i < SLICE; i++) {
            uint64_t t = now_ns();

            append_block(raft);
            append_ns += now_ns() - t;
            commit_block(raft);
        }
        append[n] = (double)append_ns / (SLICE * BLOCK);
        entry[n++] = (double)(now_ns() - from) / (SLICE * BLOCK);
    } while (now_ns() < begin + limit_ns && n < MAX_SLICES);
    qsort(append, n, sizeof(append[0]), compare);
    qsort(entry, n, sizeof(entry[0]), compare);
    *ret_append = append[n / 2];
    *ret_entry = entry[n / 2];
    raft_free(raft);
}

static double measure_follower(uint64_t limit_ns)
{
    struct raft *raft = start();
    struct raft_entry entry = { .term = 1, .size = 1000 };
    uint64_t begin = now_ns(), n = 0, t;

    do {
        for (unsigned i = 0; i < 64; i++, n++) {
            receive(raft, (struct raft_message){ .kind = RAFT_APPEND,
                                                 .from = 2,
                                                 .term = 1,
                                                 .index = n,
                                                 .log_term = n == 0 ? 0 : 1,
                                                 .commit = n,
                                                 .n_entries = 1,
                                                 .entries = &entry });
            if (n == 0)
                step(raft, (struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = 1, .vote = RAFT_NONE });
            flush(raft);
            gq_assert(u.n_messages == 1 && u.messages[0].index == n + 1);
        }
        t = now_ns();
    } while (t < begin + limit_ns);
    raft_free(raft);
    return (double)(t - begin) / (double)n;
}

static double measure_rest(uint64_t limit_ns)
{
    struct raft *raft = start();
    uint64_t begin = now_ns(), n = 0, t;

    session = 1;
    lead(raft);
    for (unsigned round = 0; round < 2; round++)
        for (int32_t peer = 2; peer <= 3; peer++)
            receive(raft,
                    (struct raft_message){
                        .kind = RAFT_HEARTBEAT_REPLY, .from = peer, .term = 1, .index = 1, .commit = 1, .join = true });
    do {
        for (unsigned i = 0; i < 64; i++, n++) {
            session = raft_next_tick(raft);
            step(raft, (struct raft_event){ .kind = RAFT_TICK, .now = session });
            gq_assert(n < 2 || u.n_messages == 0);
        }
        t = now_ns();
    } while (t < begin + limit_ns);
    raft_free(raft);
    return (double)(t - begin) / (double)n;
}

int main(int argc, char **argv)
{
    uint64_t limit_ns = (uint64_t)((argc > 1 ? atof(argv[1]) : 1.0) * 1e9 / 3);
    double append, entry, follow;

    measure_leader(limit_ns / 10, &append, &entry);
    measure_leader(limit_ns, &append, &entry);
    follow = measure_follower(limit_ns);
    printf("{\"append_ns\": %.1f, \"entry_ns\": %.1f, \"follow_ns\": %.1f, \"tick_ns\": %.1f}\n", append, entry, follow,
           measure_rest(limit_ns));
    return 0;
}
