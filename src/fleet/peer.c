/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/internal.h"

/* Other nodes: which are there, how many shards they have, and what their death means to the groups. A node is known as
 * long as it is connected or a member of a group. */

struct fleet_peer *fleet_peer(struct fleet *f, int32_t node)
{
    struct fleet_peer *p;

    list_foreach (&f->peers, p, link)
        if (p->node == node)
            return p;
    return NULL;
}

static void make_sessions(struct fleet_peer *p, uint32_t n_shards)
{
    p->n_shards = n_shards;
    p->sessions = xcalloc(n_shards, sizeof(*p->sessions));
    for (uint32_t i = 0; i < n_shards; i++)
        fleet_session_init(&p->sessions[i], p, i);
}

/* Until it tells, a node is taken to have as many shards as this one. */
static struct fleet_peer *make_peer(struct fleet *f, int32_t node, uint32_t n_shards)
{
    struct fleet_peer *p = xcalloc(1, sizeof(*p));

    p->fleet = f;
    p->node = node;
    make_sessions(p, n_shards);
    list_append(&f->peers, &p->link);
    return p;
}

struct fleet_session *fleet_session(struct fleet *f, int32_t node, uint64_t group)
{
    struct fleet_peer *p = fleet_peer(f, node);

    if (p == NULL)
        p = make_peer(f, node, f->config.n_shards);
    return &p->sessions[fleet_shard_of(group, p->n_shards)];
}

static void free_sessions(struct fleet_session *sessions, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        gq_assert(sessions[i].n_seats == 0);
        list_remove(&sessions[i].send_link);
        list_remove(&sessions[i].news_link);
    }
    free(sessions);
}

void fleet_peer_settle(struct fleet_peer *p)
{
    if (p->up || p->n_seats > 0)
        return;
    free_sessions(p->sessions, p->n_shards);
    list_remove(&p->link);
    free(p);
}

static void move_seats(struct list *from, struct fleet_peer *p)
{
    struct list *link;

    while ((link = list_pop(from)) != NULL) {
        struct fleet_seat *seat = list_entry(link, struct fleet_seat, link);

        seat->session = &p->sessions[fleet_shard_of(seat->group->id, p->n_shards)];
        seat->session->n_seats++;
        list_append(&seat->session->apart, link);
    }
}

/* Its data directory is another one. No session is open. */
static void change_shards(struct fleet_peer *p, uint32_t n_shards)
{
    struct fleet_session *old = p->sessions;
    uint32_t n_old = p->n_shards;

    make_sessions(p, n_shards);
    for (uint32_t i = 0; i < n_old; i++) {
        move_seats(&old[i].apart, p);
        move_seats(&old[i].news, p);
        old[i].n_seats = 0;
    }
    free_sessions(old, n_old);
}

/* All groups with a member there are to hear of it; none is in the set. */
static void tell(struct fleet_session *s, bool up)
{
    struct fleet_seat *seat;

    list_splice(&s->news, &s->apart);
    list_foreach (&s->news, seat, link) {
        seat->is_up = up;
        seat->is_down = seat->is_down || !up;
    }
    if (!list_is_empty(&s->news) && !list_is_linked(&s->news_link))
        list_append(&s->peer->fleet->news, &s->news_link);
}

void fleet_peer_up(struct fleet *f, int32_t node, uint32_t n_shards)
{
    struct fleet_peer *p = fleet_peer(f, node);

    gq_assert(node >= 0 && node != f->config.node && n_shards >= 1 && n_shards <= FLEET_MAX_SHARDS);
    if (p != NULL && p->up)
        fleet_peer_down(f, node, false);
    /* It may be gone with the connection. */
    p = fleet_peer(f, node);
    if (p == NULL)
        p = make_peer(f, node, n_shards);
    else if (p->n_shards != n_shards)
        change_shards(p, n_shards);
    p->up = true;
    p->dead = false;
    for (uint32_t i = 0; i < n_shards; i++) {
        fleet_session_open(&p->sessions[i]);
        tell(&p->sessions[i], true);
    }
}

void fleet_peer_down(struct fleet *f, int32_t node, bool dead)
{
    struct fleet_peer *p = fleet_peer(f, node);

    if (p == NULL || (!p->up && (!dead || p->dead)))
        return;
    p->dead = dead;
    for (uint32_t i = 0; i < p->n_shards; i++) {
        fleet_session_close(&p->sessions[i]);
        if (dead)
            tell(&p->sessions[i], false);
    }
    p->up = false;
    fleet_peer_settle(p);
}

bool fleet_peer_is_up(const struct fleet *f, int32_t node)
{
    const struct fleet_peer *p = fleet_peer((struct fleet *)f, node);

    return p != NULL && p->up;
}

/* Only leaders look after who is there again. */
static bool step_news(struct fleet_seat *seat, struct fleet_work *ret_work)
{
    struct fleet_group *g = seat->group;
    struct raft_event event = { .kind = seat->is_down ? RAFT_PEER_DOWN : RAFT_PEER_UP,
                                .peer = seat->session->peer->node };

    if (!seat->is_down)
        seat->is_up = false;
    seat->is_down = false;
    if (!seat->is_up) {
        list_remove(&seat->link);
        list_append(&seat->session->apart, &seat->link);
    }
    if (event.kind == RAFT_PEER_UP && raft_role(g->raft) != RAFT_LEADER)
        return false;
    *ret_work = (struct fleet_work){ .group = g, .kind = event.kind };
    ret_work->update = fleet_run(g, &event);
    return true;
}

bool fleet_next_news(struct fleet *f, struct fleet_work *ret_work)
{
    struct fleet_session *s;
    struct fleet_seat *seat;

    while ((s = list_first(&f->news, struct fleet_session, news_link)) != NULL) {
        while ((seat = list_first(&s->news, struct fleet_seat, link)) != NULL)
            if (step_news(seat, ret_work))
                return true;
        list_remove(&s->news_link);
    }
    return false;
}

/* ---- Handing over ---- */

static bool try_seats(const struct list *seats, bool (*fn)(struct fleet_group *g))
{
    const struct fleet_seat *seat;

    list_foreach (seats, seat, link)
        if (fn(seat->group))
            return true;
    return false;
}

static bool try_session(const struct fleet_session *s, bool (*fn)(struct fleet_group *g))
{
    bool done = try_seats(&s->apart, fn) || try_seats(&s->news, fn);

    for (unsigned bucket = 0; bucket < FLEET_BUCKETS && !done; bucket++)
        done = try_seats(&s->buckets[bucket], fn);
    return done;
}

/* All groups with other members, which have a seat in some session, until one says true. */
static bool try_groups(const struct fleet *f, bool (*fn)(struct fleet_group *g))
{
    const struct fleet_peer *p;

    list_foreach (&f->peers, p, link)
        for (uint32_t i = 0; i < p->n_shards; i++)
            if (try_session(&p->sessions[i], fn))
                return true;
    return false;
}

static bool hand_over(struct fleet_group *g)
{
    fleet_group_hand_over(g);
    return false;
}

void fleet_hand_over(struct fleet *f)
{
    try_groups(f, hand_over);
}

bool fleet_can_hand_over(const struct fleet *f)
{
    return try_groups(f, fleet_errand_can_hand_over);
}
