/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/lone.h"

struct lone lone;

const struct raft_limits lone_limits = {
    .election_timeout = 100,
    .heartbeat_interval = 20,
    .peer_down_spread = 10,
    .message_entries = 100,
    .message_bytes = 1000,
    .inflight_messages = 4,
    .inflight_bytes = 1000,
    .uncommitted_bytes = 1000,
};

static uint32_t entry_size(void *ctx, uint64_t index)
{
    (void)ctx;
    (void)index;
    return 10;
}

static uint64_t heard(void *ctx, int32_t peer)
{
    (void)ctx;
    (void)peer;
    return lone.session;
}

static bool away(void *ctx, int32_t peer)
{
    (void)ctx;
    return (lone.away >> peer & 1) != 0;
}

static const struct raft_ops ops = { .entry_size = entry_size, .heard = heard, .away = away };

void lone_setup(void)
{
    static const uint8_t three[] = { RAFT_VOTER, RAFT_VOTER, RAFT_VOTER };

    memset(&lone, 0, sizeof(lone));
    lone.limits = lone_limits;
    lone_members(3, three);
}

void lone_teardown(void)
{
    raft_free(TAKE_PTR(lone.raft));
}

void lone_members(unsigned n, const uint8_t *roles)
{
    lone.config.n_members = n;
    for (unsigned i = 0; i < n; i++)
        lone.config.members[i] = (struct raft_config_member){ .id = (int32_t)i + 1, .roles = roles[i] };
}

void lone_start(struct raft_start start)
{
    lone_teardown();
    start.id = 1;
    start.now = lone.now;
    start.vote = start.vote == 0 ? RAFT_NONE : start.vote;
    if (start.config == NULL)
        start.config = &lone.config;
    lone.raft = raft_new(&lone.limits, &ops, NULL, &start);
}

void lone_step(struct raft_event event)
{
    event.now = lone.now;
    raft_step(lone.raft, &event, &lone.u);
}

void lone_receive(struct raft_message m)
{
    m.to = 1;
    lone_step((struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

void lone_tick(uint64_t after)
{
    lone.now += after;
    lone_step((struct raft_event){ .kind = RAFT_TICK });
}

void lone_flush(void)
{
    uint64_t last = raft_last_index(lone.raft);

    lone_step(
        (struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = raft_term(lone.raft), .vote = raft_vote(lone.raft) });
    if (last > raft_flushed_index(lone.raft))
        lone_step((struct raft_event){
            .kind = RAFT_LOG_FLUSHED, .index = last, .term = raft_term_at(lone.raft, last), .epoch = lone.u.epoch });
}

int lone_propose(unsigned n)
{
    struct raft_entry entries[16] = { 0 };

    for (unsigned i = 0; i < n; i++)
        entries[i].size = 10;
    lone_step((struct raft_event){ .kind = RAFT_PROPOSE, .entries = entries, .n_entries = n });
    return lone.u.error;
}

int lone_propose_config(const struct raft_config *config)
{
    struct raft_entry entry = { .size = 10, .config = config };

    lone_step((struct raft_event){ .kind = RAFT_PROPOSE, .entries = &entry, .n_entries = 1 });
    return lone.u.error;
}

static void answer_all(enum raft_message_kind kind, uint64_t term)
{
    struct raft_config config;

    raft_config(lone.raft, &config, NULL);
    for (uint32_t i = 0; i < config.n_members; i++)
        if (config.members[i].id != 1)
            lone_receive((struct raft_message){ .kind = kind, .from = config.members[i].id, .term = term });
}

void lone_lead(void)
{
    lone_become(RAFT_CANDIDATE);
    lone_flush();
    answer_all(RAFT_VOTE_REPLY, raft_term(lone.raft));
    ck_assert_int_eq(raft_role(lone.raft), RAFT_LEADER);
    lone_flush();
}

void lone_become(enum raft_role role)
{
    switch (role) {
    case RAFT_FOLLOWER:
        lone_receive((struct raft_message){ .kind = RAFT_HEARTBEAT, .from = 2, .term = MAX(raft_term(lone.raft), 1u) });
        break;
    case RAFT_PRE_CANDIDATE:
        lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
        break;
    case RAFT_CANDIDATE:
        lone_step((struct raft_event){ .kind = RAFT_CAMPAIGN });
        answer_all(RAFT_PRE_VOTE_REPLY, raft_term(lone.raft) + 1);
        break;
    case RAFT_LEADER:
        lone_lead();
        break;
    }
    ck_assert_int_eq(raft_role(lone.raft), role);
}

const struct raft_message *lone_sent(enum raft_message_kind kind, int32_t to)
{
    for (uint32_t i = 0; i < lone.u.n_messages; i++)
        if (lone.u.messages[i].kind == kind && lone.u.messages[i].to == to)
            return &lone.u.messages[i];
    return NULL;
}
