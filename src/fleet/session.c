/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "fleet/internal.h"

/* A session of two shards of two nodes. Each side gives it a number, and a message tells both: what the sender calls
 * it, and what the receiver called it when the sender last heard. A side that begins anew takes a higher number, which
 * voids what both had agreed on. So nothing from before counts, however late it comes.
 *
 * A node is heard as of when the newest message was sent that it is known to have got: that proves both ways of the
 * network. Where only one works, the session falls silent on both sides, and the groups, back at their own heartbeats,
 * see for themselves. */

void fleet_session_init(struct fleet_session *s, struct fleet_peer *p, uint32_t shard)
{
    s->peer = p;
    s->shard = shard;
    list_init(&s->send_link);
    list_init(&s->news_link);
    list_init(&s->apart);
    list_init(&s->news);
    for (unsigned i = 0; i < FLEET_BUCKETS; i++)
        list_init(&s->buckets[i]);
}

static void send_soon(struct fleet_session *s)
{
    if (!list_is_linked(&s->send_link))
        list_append(&s->peer->fleet->sending, &s->send_link);
}

/* The cores still ask when it was heard while they are told. */
static void end_set(struct fleet_session *s)
{
    if (s->digest != 0)
        GQ_MARK(FLEET_SESSION_LOST);
    s->peer->fleet->stats.n_lost += s->digest != 0;
    fleet_lose_all(s);
    s->heard_ns = 0;
    s->differs = false;
    s->listed = 0;
    memset(s->n_differed, 0, sizeof(s->n_differed));
}

static void renumber(struct fleet_session *s)
{
    struct fleet *f = s->peer->fleet;

    /* A sum: beyond 32 bits they go on to grow. */
    s->mine = ((uint64_t)f->config.boot << 32) + ++f->n_sessions;
    s->sent = 0;
}

void fleet_session_open(struct fleet_session *s)
{
    renumber(s);
    s->theirs = s->received = 0;
    if (s->n_seats > 0)
        send_soon(s);
}

void fleet_session_close(struct fleet_session *s)
{
    end_set(s);
    s->mine = s->theirs = 0;
    list_remove(&s->send_link);
}

/* ---- Out ---- */

static void beat(struct fleet_session *s)
{
    struct fleet *f = s->peer->fleet;

    if (s->n_seats == 0)
        return;
    if (s->heard_ns != 0 && f->now_ns > s->heard_ns + f->config.limits.election_timeout) {
        end_set(s);
        renumber(s);
    }
    send_soon(s);
}

void fleet_beat(struct fleet *f)
{
    struct fleet_peer *p;

    list_foreach (&f->peers, p, link)
        for (uint32_t i = 0; p->up && i < p->n_shards; i++)
            beat(&p->sessions[i]);
}

const struct fleet_message *fleet_next_message(struct fleet *f)
{
    struct fleet_session *s = list_first(&f->sending, struct fleet_session, send_link);
    struct fleet_message *m = &f->message;

    if (s == NULL)
        return NULL;
    list_remove(&s->send_link);
    s->sent++;
    s->sent_ns[s->sent % FLEET_RING] = f->now_ns;
    *m = (struct fleet_message){
        .from = f->config.node,
        .to = s->peer->node,
        .from_shard = f->config.shard,
        .to_shard = s->shard,
        .session = s->mine,
        .your_session = s->theirs,
        .sequence = s->sent,
        .echo = s->received,
        .digest = s->digest,
    };
    if (s->differs) {
        m->n_digests = FLEET_BUCKETS;
        m->digests = s->digests;
    }
    fleet_list(s);
    f->stats.n_sent++;
    return m;
}

/* ---- In ---- */

static bool are_entries(const struct fleet *f, const struct fleet_message *m)
{
    if (m->n_entries > FLEET_MAX_ENTRIES || (m->n_entries > 0 && m->entries == NULL))
        return false;
    for (uint32_t i = 0; i < m->n_entries; i++) {
        const struct fleet_entry *e = &m->entries[i];

        if (e->group == 0 || e->term == 0 || e->term > RAFT_MAX_TERM || (i > 0 && e->group <= e[-1].group))
            return false;
        if (fleet_shard_of(e->group, f->config.n_shards) != f->config.shard ||
            (m->buckets >> fleet_bucket(e->group) & 1) == 0)
            return false;
    }
    return true;
}

static bool are_digests(const struct fleet_message *m)
{
    uint64_t sum = 0;

    if (m->n_digests == 0)
        return true;
    if (m->n_digests != FLEET_BUCKETS || m->digests == NULL)
        return false;
    for (unsigned i = 0; i < FLEET_BUCKETS; i++)
        sum += m->digests[i];
    return sum == m->digest;
}

static struct fleet_session *session_of(struct fleet *f, const struct fleet_message *m)
{
    struct fleet_peer *p = fleet_peer(f, m->from);

    if (m->to != f->config.node || m->to_shard != f->config.shard || p == NULL || m->from_shard >= p->n_shards)
        return NULL;
    return &p->sessions[m->from_shard];
}

static bool is_sound(const struct fleet *f, const struct fleet_session *s, const struct fleet_message *m)
{
    if (m->session == 0 || m->sequence == 0 || !are_digests(m) || !are_entries(f, m))
        return false;
    /* Of what this side never said, or in a session that it didn't begin, nothing can be known. */
    return s->mine == 0 || m->your_session < s->mine || (m->your_session == s->mine && m->echo <= s->sent);
}

/* The sets are as they were when the message was made, but for what is under way. */
static void compare_sets(struct fleet_session *s, const struct fleet_message *m)
{
    s->differs = m->digest != s->digest;
    if (!s->differs)
        memset(s->n_differed, 0, sizeof(s->n_differed));
    for (unsigned i = 0; s->differs && i < m->n_digests; i++) {
        if (m->digests[i] == s->digests[i]) {
            s->n_differed[i] = 0;
        } else if (++s->n_differed[i] == FLEET_PATIENCE) {
            s->n_differed[i] = 0;
            s->listed |= (uint64_t)1 << i;
        }
    }
    fleet_compare(s, m);
}

static void hear(struct fleet_session *s, const struct fleet_message *m)
{
    bool first = s->heard_ns == 0;

    if (m->echo == 0 || m->echo + FLEET_RING <= s->sent)
        return;
    s->heard_ns = MAX(s->heard_ns, s->sent_ns[m->echo % FLEET_RING]);
    if (first)
        send_soon(s);
}

static int stale(struct fleet *f)
{
    GQ_MARK(FLEET_STALE);
    f->stats.n_stale++;
    return FLEET_E_STALE;
}

/* Where both sides began anew, each hears of the other's new session by an answer to its own old one. Behind a new
 * connection there are no such answers. */
int fleet_receive(struct fleet *f, const struct fleet_message *m)
{
    struct fleet_session *s = session_of(f, m);
    bool answers_old;

    if (s == NULL || !is_sound(f, s, m)) {
        f->stats.n_refused++;
        return -EBADMSG;
    }
    answers_old = m->your_session != 0 && m->your_session != s->mine;
    if (s->mine == 0 || m->session < s->theirs || (m->session == s->theirs && m->sequence <= s->received) ||
        (s->theirs == 0 && answers_old))
        return stale(f);
    s->received = m->sequence;
    if (m->session > s->theirs) {
        end_set(s);
        s->theirs = m->session;
        send_soon(s);
    } else if (answers_old) {
        return stale(f);
    }
    if (m->your_session != s->mine)
        return 0;
    hear(s, m);
    if (s->heard_ns != 0)
        compare_sets(s, m);
    return 0;
}
