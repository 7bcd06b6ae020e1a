/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fleet/check.h"

#include "fleet/internal.h"
#include "raft/internal.h"

static bool takes_itself_to_be_in(struct raft *raft, int32_t node)
{
    const struct raft_member *m = raft_member(raft, node);

    return raft->role == RAFT_LEADER ? m->joined : raft->joined && raft->leader == node;
}

void check_group(const struct fleet_group *g)
{
    uint64_t due_ns = raft_next_tick(g->raft);

    for (uint8_t i = 0; i < g->n_seats; i++) {
        const struct fleet_seat *seat = &g->seats[i];

        gq_assert(seat->group == g);
        gq_assert(seat->joined == takes_itself_to_be_in(g->raft, seat->session->peer->node));
        gq_assert(!seat->joined || (g->rest_term == raft_term(g->raft) && seat->session->heard_ns != 0));
    }
    /* It is set, or expired and waits for its turn. */
    if (due_ns == UINT64_MAX)
        gq_assert(!timer_is_set(&g->timer) && !list_is_linked(&g->timer.link));
    else
        gq_assert(list_is_linked(&g->timer.link) && (!timer_is_set(&g->timer) || g->timer.deadline_ns <= due_ns));
}

static void check_session(struct fleet_session *s)
{
    uint64_t sum = 0;
    uint32_t n = 0, n_apart = 0;
    struct fleet_seat *seat;

    for (unsigned i = 0; i < FLEET_BUCKETS; i++) {
        uint32_t count = 0;

        list_foreach (&s->buckets[i], seat, link) {
            gq_assert(seat->joined && seat->session == s && fleet_bucket(seat->group->id) == i);
            count++;
        }
        gq_assert(count == s->counts[i] && (count > 0 || s->digests[i] == 0));
        n += count;
        sum += s->digests[i];
    }
    gq_assert(sum == s->digest && (n == 0 || s->heard_ns != 0));
    list_foreach (&s->apart, seat, link) {
        gq_assert(!seat->joined && !seat->is_up && !seat->is_down);
        n_apart++;
    }
    list_foreach (&s->news, seat, link) {
        gq_assert(!seat->joined && (seat->is_up || seat->is_down));
        n_apart++;
    }
    gq_assert(n + n_apart == s->n_seats);
}

void check_sessions(const struct fleet *f)
{
    const struct fleet_peer *p;

    list_foreach (&f->peers, p, link) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->n_shards; i++) {
            check_session(&p->sessions[i]);
            n += p->sessions[i].n_seats;
        }
        gq_assert(n == p->n_seats && (n > 0 || p->up));
    }
}
