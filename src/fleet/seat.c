/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "base/mark.h"
#include "fleet/internal.h"

/* The sets of sessions: which groups, each in which term, a session vouches for. Each side keeps its own, and a sum
 * over it tells whether they are equal. Groups come and go all the time, so the sums of two busy nodes differ at most
 * moments; those of a small part that nothing is under way in don't differ for long. So a set has buckets, and only a
 * bucket that differed several times in turn is listed to the other side, which then drops what it has alone. To drop
 * too much costs a heartbeat of the group and its answer; to keep a group that the other side doesn't have would leave
 * it without a leader. */

/* Steele, Lea, Flood: the output function of splitmix64. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t digest_of(uint64_t group, uint64_t term)
{
    return mix(mix(group + 0x9e3779b97f4a7c15) + term);
}

/* Groups of a shard are a residue class, so the low bits say little. */
unsigned fleet_bucket(uint64_t group)
{
    return (unsigned)(mix(group) >> 58);
}

static_assert(FLEET_BUCKETS == 1 << (64 - 58), "a bucket's number is what the shift leaves");

static struct fleet_seat *find(struct fleet_seat *seats, uint8_t n, int32_t node)
{
    for (uint8_t i = 0; i < n; i++)
        if (seats[i].session->peer->node == node)
            return &seats[i];
    return NULL;
}

struct fleet_seat *fleet_seat(const struct fleet_group *g, int32_t node)
{
    return find(g->seats, g->n_seats, node);
}

static void release(struct fleet_seat *seats, uint8_t n)
{
    for (uint8_t i = 0; i < n; i++) {
        struct fleet_session *s = seats[i].session;

        if (seats[i].joined)
            fleet_part(&seats[i]);
        list_remove(&seats[i].link);
        s->n_seats--;
        s->peer->n_seats--;
        fleet_peer_settle(s->peer);
    }
    free(seats);
}

/* before: its seat until now, or NULL. What it is to hear of the node it hears all the same. */
static void take_seat(struct fleet_group *g, int32_t node, const struct fleet_seat *before)
{
    struct fleet_seat *seat = &g->seats[g->n_seats++];
    struct fleet_session *s = fleet_session(g->fleet, node, g->id);

    seat->session = s;
    seat->group = g;
    seat->is_down = before != NULL && before->is_down;
    seat->is_up = before != NULL && before->is_up;
    list_append(seat->is_down || seat->is_up ? &s->news : &s->apart, &seat->link);
    s->n_seats++;
    s->peer->n_seats++;
}

/* The new ones first: a peer that only this group has stays what it is. */
void fleet_seats_make(struct fleet_group *g)
{
    struct fleet_seat *old = g->seats;
    struct raft_config config;
    uint8_t n_old = g->n_seats;
    size_t n_others = 0;
    uint64_t index;

    raft_config(g->raft, &config, &index);
    for (uint32_t i = 0; i < config.n_members; i++)
        n_others += config.members[i].id != g->fleet->config.node;
    g->n_seats = 0;
    g->seats = n_others > 0 ? xcalloc(n_others, sizeof(*g->seats)) : NULL;
    for (uint32_t i = 0; i < config.n_members; i++) {
        int32_t node = config.members[i].id;

        if (node != g->fleet->config.node)
            take_seat(g, node, find(old, n_old, node));
    }
    release(old, n_old);
}

void fleet_seats_free(struct fleet_group *g)
{
    release(TAKE_PTR(g->seats), g->n_seats);
    g->n_seats = 0;
}

static void count(struct fleet_session *s, unsigned bucket, uint64_t digest, int by)
{
    s->counts[bucket] += (uint32_t)by;
    s->digests[bucket] += digest;
    s->digest += digest;
}

void fleet_join(struct fleet_seat *seat, uint64_t term)
{
    struct fleet_session *s = seat->session;
    struct fleet_group *g = seat->group;
    unsigned bucket = fleet_bucket(g->id);

    gq_assert(!seat->joined && s->heard_ns != 0);
    for (uint8_t i = 0; i < g->n_seats; i++)
        gq_assert(!g->seats[i].joined || g->rest_term == term);
    g->rest_term = term;
    seat->joined = true;
    seat->is_down = seat->is_up = false;
    seat->joined_at = (uint32_t)s->sent;
    list_remove(&seat->link);
    list_append(&s->buckets[bucket], &seat->link);
    count(s, bucket, digest_of(g->id, term), 1);
}

void fleet_part(struct fleet_seat *seat)
{
    struct fleet_session *s = seat->session;
    struct fleet_group *g = seat->group;

    seat->joined = false;
    list_remove(&seat->link);
    list_append(&s->apart, &seat->link);
    count(s, fleet_bucket(g->id), -digest_of(g->id, g->rest_term), -1);
}

/* The core has nothing to write or to send for that, it only sets its timer. */
void fleet_lose(struct fleet_seat *seat)
{
    struct raft_event event = { .kind = RAFT_SESSION_LOST, .peer = seat->session->peer->node };
    const struct raft_update *u;

    fleet_part(seat);
    u = fleet_run(seat->group, &event);
    gq_assert(!u->hard_state && !u->role_changed && u->append_last == 0 && u->n_messages == 0);
}

void fleet_lose_all(struct fleet_session *s)
{
    struct fleet_seat *seat;

    for (unsigned i = 0; i < FLEET_BUCKETS; i++)
        while ((seat = list_first(&s->buckets[i], struct fleet_seat, link)) != NULL)
            fleet_lose(seat);
    gq_assert(s->digest == 0);
}

/* ---- Lists ---- */

static bool has(const struct fleet_message *m, uint64_t group, uint64_t term)
{
    uint32_t low = 0, high = m->n_entries;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (m->entries[middle].group < group)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n_entries && m->entries[low].group == group && m->entries[low].term == term;
}

void fleet_compare(struct fleet_session *s, const struct fleet_message *m)
{
    struct fleet_seat *seat, *tmp;

    for (uint64_t left = m->buckets; left != 0; left &= left - 1)
        list_foreach_safe (&s->buckets[__builtin_ctzll(left)], seat, tmp, link) {
            if ((uint32_t)s->sent - seat->joined_at < FLEET_GRACE || has(m, seat->group->id, seat->group->rest_term))
                continue;
            GQ_MARK(FLEET_UNSHARED);
            s->peer->fleet->stats.n_unshared++;
            fleet_lose(seat);
        }
}

static int compare(const void *a, const void *b)
{
    const struct fleet_entry *x = a, *y = b;

    return (x->group > y->group) - (x->group < y->group);
}

static void add_bucket(struct fleet *f, struct fleet_session *s, unsigned bucket)
{
    struct fleet_message *m = &f->message;
    const struct fleet_seat *seat;

    if (m->n_entries + s->counts[bucket] > f->entries_capacity) {
        f->entries_capacity = m->n_entries + s->counts[bucket];
        f->entries = xrealloc(f->entries, f->entries_capacity * sizeof(*f->entries));
    }
    list_foreach (&s->buckets[bucket], seat, link)
        f->entries[m->n_entries++] = (struct fleet_entry){ seat->group->id, seat->group->rest_term };
    m->buckets |= (uint64_t)1 << bucket;
    s->listed &= ~((uint64_t)1 << bucket);
}

void fleet_list(struct fleet_session *s)
{
    struct fleet *f = s->peer->fleet;
    struct fleet_message *m = &f->message;

    for (uint64_t left = s->listed; left != 0; left &= left - 1) {
        unsigned bucket = (unsigned)__builtin_ctzll(left);

        if (s->counts[bucket] > FLEET_MAX_ENTRIES)
            s->listed &= ~((uint64_t)1 << bucket);
        else if (m->n_entries == 0 || m->n_entries + s->counts[bucket] <= FLEET_MAX_LIST)
            add_bucket(f, s, bucket);
    }
    if (m->n_entries > 0)
        qsort(f->entries, m->n_entries, sizeof(*f->entries), compare);
    m->entries = f->entries;
}
