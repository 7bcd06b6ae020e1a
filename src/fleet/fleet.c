/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/internal.h"

/* Groups, their timers and all steps of their cores. A timer is moved only when it has to expire earlier than it is set
 * to: a follower under load puts its election off with each message, and the wheel isn't touched for that. */

static uint32_t entry_size(void *ctx, uint64_t index)
{
    struct fleet_group *g = ctx;

    return g->fleet->config.entry_size(g, index);
}

static uint64_t heard(void *ctx, int32_t peer)
{
    return fleet_heard_ns(ctx, peer);
}

static bool away(void *ctx, int32_t peer)
{
    const struct fleet_seat *seat = fleet_seat(ctx, peer);

    return seat != NULL && !seat->session->peer->up;
}

static const struct raft_ops ops = { .entry_size = entry_size, .heard = heard, .away = away };

struct fleet *fleet_new(const struct fleet_config *config)
{
    struct fleet *f = xcalloc(1, sizeof(*f));

    gq_assert(config->now_ns > 0 && config->boot > 0);
    gq_assert(config->n_shards >= 1 && config->n_shards <= FLEET_MAX_SHARDS && config->shard < config->n_shards);
    gq_assert(config->limits.election_timeout >= 4 * config->limits.heartbeat_interval);
    f->config = *config;
    f->config.limits.quiesce = true;
    f->config.limits.uncommitted_bytes = UINT64_MAX;
    f->now_ns = config->now_ns;
    f->beat_ns = config->now_ns + config->limits.heartbeat_interval;
    list_init(&f->peers);
    list_init(&f->sending);
    list_init(&f->news);
    list_init(&f->errands);
    list_init(&f->expired);
    timer_wheel_init(&f->wheel, f->now_ns);
    return f;
}

void fleet_free(struct fleet *f)
{
    struct fleet_peer *p, *tmp;

    if (f == NULL)
        return;
    gq_assert(f->n_groups == 0);
    list_foreach_safe (&f->peers, p, tmp, link) {
        p->up = false;
        fleet_peer_settle(p);
    }
    free(f->entries);
    free(f);
}

static void set_timer(struct fleet_group *g, uint64_t at_ns)
{
    struct timer_wheel *wheel = &g->fleet->wheel;

    if (at_ns == UINT64_MAX)
        timer_cancel(wheel, &g->timer);
    else if (!timer_is_set(&g->timer) || at_ns < g->timer.deadline_ns)
        timer_add(wheel, &g->timer, at_ns);
}

void fleet_add(struct fleet *f, struct fleet_group *g, uint64_t id, const struct raft_start *start)
{
    struct raft_start s = *start;

    gq_assert(id > 0 && fleet_shard_of(id, f->config.n_shards) == f->config.shard);
    s.id = f->config.node;
    s.now = f->now_ns;
    *g = (struct fleet_group){ .fleet = f, .id = id };
    timer_init(&g->timer, NULL);
    g->raft = raft_new(&f->config.limits, &ops, g, &s);
    fleet_use(f, raft_uncommitted_bytes(g->raft));
    fleet_seats_make(g);
    set_timer(g, raft_next_tick(g->raft));
    f->n_groups++;
}

void fleet_remove(struct fleet_group *g)
{
    struct fleet *f = g->fleet;

    if (g->raft == NULL)
        return;
    fleet_errand_drop(g);
    fleet_seats_free(g);
    timer_cancel(&f->wheel, &g->timer);
    fleet_unuse(f, raft_uncommitted_bytes(g->raft));
    raft_free(TAKE_PTR(g->raft));
    f->n_groups--;
}

static void leave_sets(struct fleet_group *g)
{
    for (uint8_t i = 0; i < g->n_seats; i++)
        if (g->seats[i].joined)
            fleet_part(&g->seats[i]);
}

const struct raft_update *fleet_run(struct fleet_group *g, struct raft_event *event)
{
    struct fleet *f = g->fleet;
    struct raft_update *u = &f->update;
    uint64_t used = raft_uncommitted_bytes(g->raft), uses;

    event->now = f->now_ns;
    raft_step(g->raft, event, u);
    f->stats.n_steps++;
    uses = raft_uncommitted_bytes(g->raft);
    if (uses > used)
        fleet_use(f, uses - used);
    else
        fleet_unuse(f, used - uses);
    if (u->left)
        leave_sets(g);
    if (u->config_changed)
        fleet_seats_make(g);
    if (u->joined != RAFT_NONE)
        fleet_join(fleet_seat(g, u->joined), u->term);
    set_timer(g, u->next_tick);
    return u;
}

const struct raft_update *fleet_step(struct fleet_group *g, struct raft_event *event)
{
    gq_assert(event->kind != RAFT_PEER_DOWN && event->kind != RAFT_PEER_UP && event->kind != RAFT_SESSION_LOST);
    gq_assert(event->kind != RAFT_PROPOSE || fleet_n_proposed(g) == 0);
    return fleet_run(g, event);
}

/* ---- Time ---- */

void fleet_poll(struct fleet *f, uint64_t now_ns)
{
    uint64_t interval = f->config.limits.heartbeat_interval;

    gq_assert(now_ns >= f->now_ns);
    f->now_ns = now_ns;
    timer_advance(&f->wheel, now_ns, &f->expired);
    if (now_ns < f->beat_ns)
        return;
    f->beat_ns = MAX(f->beat_ns + interval, now_ns + interval / 2);
    fleet_beat(f);
}

static bool next_tick(struct fleet *f, struct fleet_work *ret_work)
{
    struct timer *t;

    while ((t = timer_pop(&f->expired)) != NULL) {
        struct fleet_group *g = container_of(t, struct fleet_group, timer);
        uint64_t due_ns = raft_next_tick(g->raft);

        f->stats.n_ticks++;
        if (due_ns > f->now_ns) {
            set_timer(g, due_ns);
            continue;
        }
        *ret_work = (struct fleet_work){ .group = g, .kind = RAFT_TICK };
        ret_work->update = fleet_run(g, &(struct raft_event){ .kind = RAFT_TICK });
        return true;
    }
    return false;
}

bool fleet_next(struct fleet *f, struct fleet_work *ret_work)
{
    return fleet_next_news(f, ret_work) || fleet_next_errand(f, ret_work) || next_tick(f, ret_work);
}

uint64_t fleet_next_ns(const struct fleet *f)
{
    uint64_t timers_ns = timer_next_deadline(&f->wheel);

    if (!list_is_empty(&f->errands) || !list_is_empty(&f->news) || !list_is_empty(&f->expired) ||
        !list_is_empty(&f->sending))
        return f->now_ns;
    return list_is_empty(&f->peers) ? timers_ns : MIN(timers_ns, f->beat_ns);
}

/* ---- What may be asked ---- */

void fleet_stats(const struct fleet *f, struct fleet_stats *ret_stats)
{
    *ret_stats = f->stats;
    ret_stats->used_bytes = f->used_bytes;
}

uint64_t fleet_heard_ns(const struct fleet_group *g, int32_t node)
{
    const struct fleet_seat *seat = fleet_seat(g, node);

    return seat != NULL ? seat->session->heard_ns : 0;
}

bool fleet_is_at_rest(const struct fleet_group *g)
{
    for (uint8_t i = 0; i < g->n_seats; i++)
        if (g->seats[i].is_down || (g->seats[i].is_up && raft_role(g->raft) == RAFT_LEADER))
            return false;
    return !timer_is_set(&g->timer) && !list_is_linked(&g->timer.link) && g->errand == NULL &&
           raft_next_tick(g->raft) == UINT64_MAX;
}

size_t fleet_memory(const struct fleet_group *g)
{
    return sizeof(*g) + g->n_seats * sizeof(*g->seats) + (g->errand != NULL ? sizeof(*g->errand) : 0) +
           raft_memory(g->raft);
}
