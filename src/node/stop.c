/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* All reactors go through the phases together: a shard may only close when no broker of any reactor can ask it for
 * something. Each tells reactor 0 when it is done with a phase, and reactor 0 starts the next. */

struct phase_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    enum node_phase phase;
    uint64_t deadline_ns;
};

static void enter_phase(struct node_reactor *r, enum node_phase phase, uint64_t deadline_ns)
{
    if (phase <= r->phase)
        return;
    r->phase = phase;
    r->phase_done = false;
    r->drain_deadline_ns = deadline_ns;
    if (phase == NODE_DRAINING) {
        r->ready = false;
        broker_stop(r->broker);
    }
}

static void phase_arrived(struct lane_mail *mail)
{
    struct phase_mail *m = container_of(mail, struct phase_mail, mail);

    enter_phase(m->to, m->phase, m->deadline_ns);
    free(m);
}

static void send_phase(struct node_reactor *from, enum node_phase phase, uint64_t deadline_ns)
{
    struct node *n = from->node;

    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct phase_mail *m = xcalloc(1, sizeof(*m));

        m->to = &n->reactors[i];
        m->phase = phase;
        m->deadline_ns = deadline_ns;
        m->mail.deliver = phase_arrived;
        lane_post(from->env->lane, i, &m->mail);
    }
}

void node_stop(struct node *n, unsigned reactor, uint64_t drain_ns)
{
    struct node_reactor *r = &n->reactors[reactor];

    send_phase(r, NODE_DRAINING, clock_mono_ns(r->env->clock) + drain_ns);
}

struct done_mail {
    struct lane_mail mail;
    struct node *node;
};

static void done_arrived(struct lane_mail *mail)
{
    struct done_mail *m = container_of(mail, struct done_mail, mail);
    struct node *n = m->node;

    free(m);
    if (++n->n_phase_done < n->n_reactors)
        return;
    n->n_phase_done = 0;
    send_phase(&n->reactors[0], n->reactors[0].phase + 1, 0);
}

static void tell_done(struct node_reactor *r)
{
    struct done_mail *m = xcalloc(1, sizeof(*m));

    r->phase_done = true;
    m->node = r->node;
    m->mail.deliver = done_arrived;
    lane_post(r->env->lane, 0, &m->mail);
}

static bool broker_is_done(struct node_reactor *r)
{
    if (broker_is_drained(r->broker))
        return true;
    if (r->now_ns >= r->drain_deadline_ns)
        broker_close_all(r->broker);
    return false;
}

/* The metadata group is checkpointed like the others; its image follows in SQLite. */
static bool shard_is_done(struct node_shard *s)
{
    struct node_group *g;
    bool done = s->n_destroying == 0;

    list_foreach (&s->groups, g, link) {
        if (g->gone)
            continue;
        replica_checkpoint(g->replica, UINT64_MAX);
        done = done && replica_is_stored(g->replica);
    }
    return done && journal_is_idle(s->journal);
}

static bool shards_are_done(struct node_reactor *r)
{
    struct node *n = r->node;
    bool done = true;

    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors)
        done = shard_is_done(&n->shards[s]) && done;
    if (r->index == 0) {
        node_image_poll(n, true);
        done = node_image_is_idle(n) && done;
    }
    return done;
}

void node_stop_poll(struct node_reactor *r)
{
    if (r->phase_done)
        return;
    if (r->phase == NODE_DRAINING && broker_is_done(r))
        tell_done(r);
    else if (r->phase == NODE_CHECKPOINTING && shards_are_done(r))
        tell_done(r);
}

bool node_is_stopped(const struct node *n, unsigned reactor)
{
    return n->reactors[reactor].phase == NODE_STOPPED;
}
