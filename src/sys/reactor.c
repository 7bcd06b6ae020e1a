/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/reactor.h"

#include <errno.h>
#include <stdio.h>

static void on_inbox(struct ev_loop *loop, ev_io *io, int revents)
{
    mailbox_clear_event(&((struct sys_reactor *)io->data)->lane.inbox);
}

/* The timer only ends the sleep. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
}

/* libev counts from when its last poll returned, which is when now_ns was taken. */
static void arm_timer(struct sys_reactor *r, uint64_t now_ns, uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        ev_timer_stop(r->loop, &r->timer);
        return;
    }
    r->timer.repeat = (double)(deadline_ns - now_ns) / 1e9;
    ev_timer_again(r->loop, &r->timer);
}

/* False when there is something to do at once. */
static bool prepare_sleep(struct sys_reactor *r, uint64_t now_ns, uint64_t deadline_ns)
{
    arm_timer(r, now_ns, deadline_ns);
    return mailbox_doze(&r->lane.inbox);
}

/* Looks for sockets and mail, awake, for as long as that pays. */
static void spin(struct sys_reactor *r, uint64_t deadline_ns)
{
    do
        ev_run(r->loop, EVRUN_NOWAIT);
    while (list_is_empty(&r->net.ready) && !mailbox_has(&r->lane.inbox) && spin_more(&r->spin) &&
           spin_now_ns() < deadline_ns);
}

/* Until something has come or the deadline has. */
static void wait_for_events(struct sys_reactor *r, uint64_t now_ns, uint64_t deadline_ns)
{
    if (deadline_ns <= now_ns || sys_lane_has_local(&r->lane)) {
        ev_run(r->loop, EVRUN_NOWAIT);
        return;
    }
    if (spin_begin(&r->spin))
        spin(r, deadline_ns);
    if (list_is_empty(&r->net.ready)) {
        ev_run(r->loop, prepare_sleep(r, now_ns, deadline_ns) ? EVRUN_ONCE : EVRUN_NOWAIT);
        mailbox_rouse(&r->lane.inbox);
    }
    spin_end(&r->spin);
}

static void reactor_main(void *ctx)
{
    struct sys_reactor *r = ctx;

    if (r->handler.start != NULL)
        r->handler.start(r->handler.ctx);
    ev_now_update(r->loop);
    for (;;) {
        uint64_t now_ns = clock_mono_ns(r->env.clock), deadline_ns;

        sys_net_batch(&r->net, now_ns);
        sys_lane_deliver(&r->lane);
        if (r->ended)
            return;
        deadline_ns = r->handler.turn(r->handler.ctx, now_ns);
        deadline_ns = MIN(deadline_ns, sys_net_deadline(&r->net));
        wait_for_events(r, now_ns, deadline_ns);
    }
}

static void deliver_stop(struct lane_mail *m)
{
    struct sys_reactor *r = container_of(m, struct sys_reactor, stop_mail);

    sys_net_stop_listening(&r->net);
    if (r->handler.stop != NULL)
        r->handler.stop(r->handler.ctx);
    else
        sys_runtime_stopped(r->runtime, r->lane.base.reactor);
}

static void deliver_end(struct lane_mail *m)
{
    container_of(m, struct sys_reactor, end_mail)->ended = true;
}

static void deliver_poke(struct lane_mail *m)
{
    struct reactor_poke *p = container_of(m, struct reactor_poke, mail);

    atomic_store_explicit(&p->pending, false, memory_order_release);
}

int sys_reactor_init(struct sys_reactor *r, unsigned index, struct sys_lanes *lanes, const struct reactor_peers *peers,
                     struct sys_runtime *rt)
{
    int err_lane, err_net;

    r->runtime = rt;
    r->stop_mail.deliver = deliver_stop;
    r->end_mail.deliver = deliver_end;
    r->poke.mail.deliver = deliver_poke;
    atomic_init(&r->poke.pending, false);
    r->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    err_lane = sys_lane_init(&r->lane, lanes, index, peers->lanes, peers->n);
    err_net = sys_net_init(&r->net, r->loop, &r->lane, peers->nets, peers->n);
    r->env.lane = &r->lane.base;
    r->env.net = &r->net.base;
    if (r->loop == NULL)
        return -EMFILE; /* libev doesn't tell; nothing else is likely */
    if (err_lane < 0 || err_net < 0)
        return err_lane < 0 ? err_lane : err_net;
    ev_io_init(&r->inbox_io, on_inbox, r->lane.inbox.event_fd, EV_READ);
    r->inbox_io.data = r;
    ev_io_start(r->loop, &r->inbox_io);
    ev_timer_init(&r->timer, on_timer, 0., 0.);
    return 0;
}

void sys_reactor_fini(struct sys_reactor *r)
{
    sys_net_fini(&r->net);
    sys_lane_fini(&r->lane);
    if (r->loop != NULL)
        ev_loop_destroy(r->loop);
}

int sys_reactor_start(struct sys_reactor *r)
{
    char name[32];

    gq_assert(r->handler.turn != NULL);
    snprintf(name, sizeof(name), "gq-reactor-%u", r->lane.base.reactor);
    return sys_thread_start(&r->thread, name, reactor_main, r);
}

void sys_reactor_post_stop(struct sys_reactor *r)
{
    sys_lane_post_outside(&r->lane, &r->stop_mail);
}

void sys_reactor_post_end(struct sys_reactor *r)
{
    sys_lane_post_outside(&r->lane, &r->end_mail);
}

bool sys_reactor_check(struct sys_reactor *r)
{
    if (atomic_load_explicit(&r->poke.pending, memory_order_acquire))
        return false;
    atomic_store_explicit(&r->poke.pending, true, memory_order_relaxed);
    sys_lane_post_outside(&r->lane, &r->poke.mail);
    return true;
}
