/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* All reactors go through the phases together: a shard may only close when no broker of any reactor can ask it for
 * something. Each tells reactor 0 when it is done with a phase, and reactor 0 starts the next. */

/* How long storing may take; the journal has it all. */
#define STOP_CHECKPOINT_NS (30ull * 1000 * 1000 * 1000)
/* How long others have to take over what this node leads. */
#define STOP_HAND_OVER_NS (5ull * 1000 * 1000 * 1000)
/* Checkpoints of a shard under way at a time. */
#define STOP_MAX_BUSY 64

struct phase_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    enum node_phase phase;
    uint64_t deadline_ns;
};

/* Who stops waits for nothing more. */
static void flush_at_once(struct node_reactor *r)
{
    for (unsigned s = r->index; s < r->node->n_shards; s += r->node->n_reactors)
        journal_set_batching(r->node->shards[s].journal, &(struct journal_batching){ 0 });
}

/* With others in a group a replica would go on to change: for those who haven't been closed yet it is as if the node
 * had gone. */
static void leave_groups(struct node_reactor *r)
{
    struct node *n = r->node;

    if (r->index == 0)
        node_asks_end(n);
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        struct node_group *g;

        list_foreach (&n->shards[s].groups, g, link)
            if (replica_has_peers(g->replica))
                replica_close(g->replica);
    }
}

static void enter_phase(struct node_reactor *r, enum node_phase phase, uint64_t deadline_ns)
{
    if (phase <= r->phase)
        return;
    r->phase = phase;
    r->phase_done = false;
    r->phase_deadline_ns = deadline_ns;
    if (phase == NODE_DRAINING) {
        r->ready = false;
        r->hand_over_end_ns = r->now_ns + STOP_HAND_OVER_NS;
        broker_stop(r->broker);
        flush_at_once(r);
    } else if (phase == NODE_CHECKPOINTING) {
        leave_groups(r);
    }
    if (phase == NODE_CHECKPOINTING && r->links != NULL)
        node_links_stop(r);
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
    send_phase(&n->reactors[0], n->reactors[0].phase + 1,
               clock_mono_ns(n->reactors[0].env->clock) + STOP_CHECKPOINT_NS);
}

static void tell_done(struct node_reactor *r)
{
    struct done_mail *m = xcalloc(1, sizeof(*m));

    r->phase_done = true;
    m->node = r->node;
    m->mail.deliver = done_arrived;
    lane_post(r->env->lane, 0, &m->mail);
}

/* The time to drain is over: nobody is waited for any more, here or by another reactor's broker. */
static void close_all(struct node_reactor *r)
{
    struct node *n = r->node;

    r->closed = true;
    broker_close_all(r->broker);
    if (r->index == 0)
        node_asks_end(n);
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        struct node_group *g;

        list_foreach (&n->shards[s].groups, g, link)
            replica_close(g->replica);
    }
}

void node_abandon(struct node *n)
{
    for (unsigned i = 0; i < n->n_reactors; i++) {
        broker_stop(n->reactors[i].broker);
        close_all(&n->reactors[i]);
        if (n->reactors[i].links != NULL)
            node_links_stop(&n->reactors[i]);
    }
}

/* A bounded number of groups at a time, in rounds. What can't be stored is in the journal, and stays there. */
static bool groups_are_done(struct node_reactor *r, struct node_shard *s, bool give_up)
{
    struct node_group *g;
    bool done = s->n_destroying == 0 || give_up;
    unsigned n_busy = 0;

    list_foreach (&s->groups, g, link) {
        if (!g->gone && n_busy < STOP_MAX_BUSY && !give_up)
            replica_checkpoint(g->replica, UINT64_MAX);
        if (!replica_is_quiet(g->replica)) {
            n_busy++;
            done = false;
        } else if (!g->gone && !give_up && !replica_is_blocked(g->replica)) {
            done = done && replica_is_stored(g->replica);
        }
    }
    return done;
}

/* On a full disk the journal holds requests that wait for space: nobody was told that they are done. */
static bool shard_is_done(struct node_reactor *r, struct node_shard *s)
{
    bool late = r->now_ns >= r->phase_deadline_ns, give_up = late || journal_space_error(s->journal) != 0;

    s->replicas.at_rest = late;
    if (!groups_are_done(r, s, give_up) || !replica_shard_is_quiet(&s->replicas))
        return false;
    if (give_up)
        return journal_is_quiet(s->journal);
    journal_seal(s->journal);
    return journal_is_idle(s->journal);
}

static bool image_is_done(struct node_reactor *r)
{
    struct node *n = r->node;

    if (n->superblock_job != NULL || !node_space_is_idle(n) || !node_forming_is_idle(n))
        return false;
    if (node_image_is_blocked(n))
        return true;
    node_image_poll(n, true);
    return node_image_is_idle(n);
}

static bool shards_are_done(struct node_reactor *r)
{
    struct node *n = r->node;
    bool done = true;

    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors)
        done = shard_is_done(r, &n->shards[s]) && done;
    return (r->links == NULL || node_links_are_quiet(r)) && (r->index != 0 || image_is_done(r)) && done;
}

/* Some of what this node leads is still to be led by others. */
static bool hands_over(struct node_reactor *r)
{
    struct node *n = r->node;
    bool left = false;

    if (r->closed || r->now_ns >= r->hand_over_end_ns)
        return false;
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors)
        left = replica_shard_hand_over(&n->shards[s].replicas) || left;
    return left;
}

void node_stop_poll(struct node_reactor *r)
{
    switch (r->phase) {
    case NODE_DRAINING:
        if (!r->closed && r->now_ns >= r->phase_deadline_ns)
            close_all(r);
        if (!r->phase_done && !hands_over(r) && broker_is_drained(r->broker))
            tell_done(r);
        break;
    case NODE_CHECKPOINTING:
        if (r->phase_done || r->now_ns < r->next_stop_ns)
            break;
        r->next_stop_ns = r->now_ns + NODE_STOP_POLL_NS;
        if (shards_are_done(r))
            tell_done(r);
        break;
    case NODE_RUNNING:
    case NODE_STOPPED:
        break;
    }
}

/* The disk is left alone from then on: the last that came from a turn is done. */
bool node_is_at_rest(const struct node_reactor *r)
{
    return r->phase == NODE_STOPPED || (r->phase == NODE_CHECKPOINTING && r->phase_done);
}

bool node_is_stopped(const struct node *n, unsigned reactor)
{
    return n->reactors[reactor].phase == NODE_STOPPED;
}
