/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One core whose peers say anything at all. Its own node keeps the contract of raft.h: a disk that completes in order,
 * proposals, ticks. Whatever comes, nothing that is committed goes, no vote is given twice, nothing is told that isn't
 * durable.
 *
 * An input is a byte for the members, then commands: a byte, and what it needs. A number is a byte: below 200 a small
 * one, below 250 one near the end of the log, else eight bytes that follow, little-endian. */
#include "raft/internal.h"
#include "support/fuzz.h"

#define MAX_ENTRIES 64
#define MAX_WRITES 64

struct write {
    bool state;
    uint64_t term, index;
    int32_t vote;
    uint32_t epoch;
};

static struct {
    const uint8_t *p, *end;
    struct raft *raft;
    struct raft_update u;
    uint64_t now;
    struct write writes[MAX_WRITES];
    unsigned n_writes;
    uint64_t durable_term, flushed, n_refused;
    int32_t durable_vote;
    uint64_t session;
    int32_t away; /* RAFT_NONE: all are connected */
} f;

static uint8_t byte(void)
{
    return f.p < f.end ? *f.p++ : 0;
}

static uint64_t number(void)
{
    uint8_t b = byte();
    uint64_t n = 0;

    if (b < 200)
        return b % 25;
    if (b < 250)
        return raft_last_index(f.raft) + b - 225;
    for (unsigned i = 0; i < 64; i += 8)
        n |= (uint64_t)byte() << i;
    return n;
}

static uint32_t entry_size(void *ctx, uint64_t index)
{
    (void)ctx;
    return 1 + index % 300;
}

static uint64_t heard(void *ctx, int32_t peer)
{
    (void)ctx;
    return peer % 2 == 0 ? f.session : 0;
}

static bool away(void *ctx, int32_t peer)
{
    (void)ctx;
    return peer == f.away;
}

static struct raft_config config(void)
{
    struct raft_config c = { .n_members = byte() % (RAFT_MAX_MEMBERS + 2) };

    for (uint32_t i = 0; i < MIN(c.n_members, RAFT_MAX_MEMBERS); i++)
        c.members[i] = (struct raft_config_member){ .id = (int8_t)byte(), .roles = byte() };
    return c;
}

static void expect_messages(void)
{
    gq_assert(f.u.n_messages <= RAFT_MAX_MESSAGES);
    for (uint32_t i = 0; i < f.u.n_messages; i++) {
        const struct raft_message *m = &f.u.messages[i];

        gq_assert(m->from == 1 && m->to != 1);
        /* A pre-vote is of the term that is asked for. */
        gq_assert(m->term <= f.u.term + (m->kind == RAFT_PRE_VOTE) || (m->kind == RAFT_PRE_VOTE_REPLY && !m->reject));
        if (m->kind == RAFT_APPEND)
            gq_assert(m->index >= raft_start_index(f.raft) && m->index + m->n_entries <= raft_last_index(f.raft));
        else if (m->kind == RAFT_SNAPSHOT)
            gq_assert(m->index == raft_start_index(f.raft));
        else
            /* A log that a peer brought to the end of all indexes can go on a little, and nobody else takes that. */
            gq_assert(raft_message_is_sound(m) || raft_last_index(f.raft) > RAFT_MAX_INDEX);
        if (m->kind == RAFT_VOTE)
            gq_assert(f.durable_term == m->term && f.durable_vote == 1);
        if (m->kind == RAFT_VOTE_REPLY && !m->reject)
            gq_assert(f.durable_term == m->term && f.durable_vote == m->to);
        if ((m->kind == RAFT_APPEND_REPLY || m->kind == RAFT_HEARTBEAT_REPLY) && !m->reject)
            gq_assert(f.durable_term == m->term && m->index <= MAX(f.flushed, raft_start_index(f.raft)));
    }
}

static void write_later(const struct write *w)
{
    gq_assert(f.n_writes < MAX_WRITES);
    f.writes[f.n_writes++] = *w;
}

static void step(struct raft_event event);

static void complete(void)
{
    struct write w = f.writes[0];

    if (f.n_writes == 0)
        return;
    memmove(f.writes, f.writes + 1, --f.n_writes * sizeof(w));
    if (w.state) {
        f.durable_term = w.term;
        f.durable_vote = w.vote;
        step((struct raft_event){ .kind = RAFT_STATE_FLUSHED, .term = w.term, .vote = w.vote });
        return;
    }
    if (w.epoch == f.raft->log.epoch && w.index <= raft_last_index(f.raft))
        f.flushed = MAX(f.flushed, w.index);
    step((struct raft_event){ .kind = RAFT_LOG_FLUSHED, .index = w.index, .term = w.term, .epoch = w.epoch });
}

static void expect_progress(void)
{
    struct raft_progress p;

    for (uint32_t i = 0; raft_role(f.raft) == RAFT_LEADER && raft_progress(f.raft, i, &p); i++)
        gq_assert(p.match < p.next && p.match <= raft_last_index(f.raft) && p.next <= raft_last_index(f.raft) + 1 &&
                  p.inflight_messages <= RAFT_WINDOW);
}

static void step(struct raft_event event)
{
    uint64_t term = raft_term(f.raft), commit = raft_commit_index(f.raft);
    uint64_t commit_term = raft_term_at(f.raft, commit);
    int32_t vote = raft_vote(f.raft), leader = raft_leader(f.raft);

    event.now = f.now;
    raft_step(f.raft, &event, &f.u);
    f.n_refused += f.u.refused;
    gq_assert(raft_term(f.raft) >= term && raft_term(f.raft) <= RAFT_MAX_TERM);
    gq_assert(raft_term(f.raft) > term || vote == RAFT_NONE || raft_vote(f.raft) == vote);
    /* A term has one leader, whatever peers say. */
    gq_assert(raft_term(f.raft) > term || leader == RAFT_NONE || f.u.leader == RAFT_NONE || f.u.leader == leader);
    gq_assert(raft_commit_index(f.raft) >= commit && raft_commit_index(f.raft) <= raft_last_index(f.raft));
    gq_assert(f.u.install || raft_start_index(f.raft) > commit || raft_term_at(f.raft, commit) == commit_term);
    gq_assert(f.u.truncate_from == 0 || f.u.truncate_from > commit);
    gq_assert(f.u.hard_state == (raft_term(f.raft) != term || raft_vote(f.raft) != vote));
    gq_assert(!f.u.refused || (f.u.n_messages == 0 && f.u.append_last == 0));
    if (f.u.truncate_from != 0)
        f.flushed = MIN(f.flushed, f.u.truncate_from - 1);
    if (f.u.install)
        f.flushed = 0;
    gq_assert(raft_flushed_index(f.raft) <= MAX(f.flushed, raft_start_index(f.raft)));
    expect_messages();
    expect_progress();
    if (f.u.hard_state)
        write_later(&(struct write){ .state = true, .term = f.u.term, .vote = f.u.vote });
    if (f.u.install)
        write_later(&(struct write){ .index = f.u.install_index, .term = f.u.install_term, .epoch = f.u.epoch });
    if (f.u.append_last != 0)
        write_later(&(struct write){ .index = f.u.append_last, .term = f.u.append_term, .epoch = f.u.epoch });
    while (f.n_writes > MAX_WRITES - 4)
        complete();
}

static void receive(void)
{
    struct raft_entry entries[MAX_ENTRIES] = { 0 };
    struct raft_config configs[2], image;
    struct raft_message m = { .kind = (enum raft_message_kind)(byte() % 12), .from = (int8_t)byte(), .to = 1 };
    uint8_t flags = byte();

    m.term = (flags & 1) != 0 ? raft_term(f.raft) : number();
    m.index = number();
    m.log_term = (flags & 2) != 0 ? raft_term_at(f.raft, m.index) : number();
    m.commit = (flags & 4) != 0 ? m.index : number();
    m.reject = (flags & 8) != 0;
    m.force = (flags & 16) != 0;
    m.join = (flags & 32) != 0;
    if (m.kind == RAFT_APPEND) {
        m.n_entries = byte() % MAX_ENTRIES;
        m.entries = entries;
        for (uint32_t i = 0; i < m.n_entries; i++) {
            entries[i].term = (flags & 64) != 0 ? m.term : number();
            entries[i].size = entry_size(NULL, m.index + 1 + i);
        }
        for (unsigned i = 0; (flags & 128) != 0 && m.n_entries > 0 && i < 2; i++) {
            configs[i] = config();
            entries[byte() % m.n_entries].config = &configs[i];
        }
    } else if (m.kind == RAFT_SNAPSHOT && (flags & 128) != 0) {
        image = config();
        m.config = &image;
    } else if (m.kind == RAFT_APPEND_REPLY && m.reject) {
        m.hint_index = number();
        m.hint_term = number();
    } else if (m.kind == RAFT_HEARTBEAT_REPLY) {
        m.context = number();
    }
    step((struct raft_event){ .kind = RAFT_RECEIVE, .message = &m });
}

static void propose(bool change)
{
    struct raft_entry entries[4] = { 0 };
    struct raft_config c;
    uint32_t n = change ? 1 : 1 + byte() % 4;

    for (uint32_t i = 0; i < n; i++)
        entries[i].size = entry_size(NULL, raft_last_index(f.raft) + 1 + i);
    if (change) {
        c = config();
        entries[0].config = &c;
    }
    step((struct raft_event){ .kind = RAFT_PROPOSE, .entries = entries, .n_entries = n });
}

static void compact(void)
{
    uint64_t start = raft_start_index(f.raft), most = MIN(raft_commit_index(f.raft), raft_flushed_index(f.raft));
    uint64_t by = number();

    if (most >= start)
        step((struct raft_event){ .kind = RAFT_COMPACT, .index = start + MIN(by, most - start) });
}

static void tell(uint8_t what)
{
    static const enum raft_event_kind kinds[] = { RAFT_READ,      RAFT_CAMPAIGN,     RAFT_TRANSFER,
                                                  RAFT_PEER_DOWN, RAFT_SESSION_LOST, RAFT_SNAPSHOT_FAILED,
                                                  RAFT_RANK,      RAFT_PEER_UP };
    struct raft_event event = { .kind = kinds[what % ARRAY_SIZE(kinds)],
                                .peer = (int8_t)byte(),
                                .index = what % (RAFT_MAX_RANK + 1) };

    if (event.kind == RAFT_PEER_DOWN)
        f.away = event.peer;
    else if (event.kind == RAFT_PEER_UP && event.peer == f.away)
        f.away = RAFT_NONE;
    step(event);
}

static void command(void)
{
    uint8_t what = byte();

    switch (what % 8) {
    case 0:
        f.now = MIN(f.now + byte(), UINT64_MAX / 2);
        f.session = (what & 128) != 0 ? f.now : f.session;
        step((struct raft_event){ .kind = RAFT_TICK });
        break;
    case 1:
        complete();
        break;
    case 2:
        propose((what & 128) != 0);
        break;
    case 3:
        if ((what & 128) != 0)
            compact();
        else
            tell(what >> 3);
        break;
    default:
        receive();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct raft_ops ops = { .entry_size = entry_size, .heard = heard, .away = away };
    struct raft_limits limits = {
        .election_timeout = 100,
        .heartbeat_interval = 20,
        .peer_down_spread = 10,
        .message_entries = 100,
        .message_bytes = 700,
        .inflight_messages = 3,
        .inflight_bytes = 900,
        .uncommitted_bytes = 2000,
    };
    struct raft_config members = { 0 };
    uint8_t first;

    f.p = data;
    f.end = data + size;
    first = byte();
    limits.quiesce = (first & 64) != 0;
    for (int32_t i = 0; i <= first % 5; i++)
        members.members[members.n_members++] = (struct raft_config_member){ .id = i + 1, .roles = RAFT_VOTER };
    f.raft = raft_new(
        &limits, &ops, NULL,
        &(struct raft_start){ .id = 1, .vote = RAFT_NONE, .config = &members, .seed = 1, .no_lead = first >= 240 });
    f.now = f.flushed = f.durable_term = f.n_writes = f.session = 0;
    f.durable_vote = f.away = RAFT_NONE;
    while (f.p < f.end)
        command();
    raft_free(f.raft);
    return 0;
}
