/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/runtime.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/prng.h"
#include "sys/runtime_impl.h"

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static int open_signals(struct sys_runtime *rt)
{
    sigset_t set;

    fill_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, &rt->old_mask);
    rt->old_sigpipe = signal(SIGPIPE, SIG_IGN);
    rt->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    rt->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return rt->signal_fd < 0 || rt->wake_fd < 0 ? -errno : 0;
}

static int open_reactors(struct sys_runtime *rt, const struct sys_runtime_config *config)
{
    unsigned n = rt->n_reactors;
    struct reactor_peers peers;
    int r = 0;

    rt->envs = xcalloc(n, sizeof(struct env *));
    rt->lane_of = xcalloc(n, sizeof(struct sys_lane *));
    rt->net_of = xcalloc(n, sizeof(struct sys_net *));
    rt->reactors = aligned_alloc(_Alignof(struct sys_reactor), n * sizeof(*rt->reactors));
    gq_assert(rt->reactors != NULL);
    memset(rt->reactors, 0, n * sizeof(*rt->reactors));
    peers = (struct reactor_peers){ .lanes = rt->lane_of, .nets = rt->net_of, .n = n };
    for (unsigned i = 0; i < n; i++) {
        struct sys_reactor *reactor = &rt->reactors[i];
        int err;

        reactor->env = (struct env){ .clock = sys_clock(), .disk = config->disk, .prng = sys_prng() };
        reactor->spin.budget_ns = config->spin_ns;
        rt->envs[i] = &reactor->env;
        rt->lane_of[i] = &reactor->lane;
        rt->net_of[i] = &reactor->net;
        err = sys_reactor_init(reactor, i, &rt->lanes, &peers, rt);
        r = r < 0 ? r : err;
    }
    return r;
}

int sys_runtime_new(const struct sys_runtime_config *config, struct sys_runtime **ret)
{
    struct sys_runtime *rt;
    int r;

    gq_assert(config->n_reactors > 0 && config->n_shards > 0 && config->n_workers > 0);
    rt = xcalloc(1, sizeof(*rt));
    rt->n_reactors = config->n_reactors;
    atomic_init(&rt->stop_requested, false);
    atomic_init(&rt->n_stopped, 0);
    r = sys_lanes_init(&rt->lanes, config->n_shards, config->n_workers, config->spin_ns);
    if (r < 0) {
        free(rt);
        return r;
    }
    r = open_signals(rt);
    if (r == 0)
        r = open_reactors(rt, config);
    if (r < 0)
        sys_runtime_free(rt);
    else
        *ret = rt;
    return r;
}

static void close_signals(struct sys_runtime *rt)
{
    if (rt->wake_fd >= 0)
        close(rt->wake_fd);
    if (rt->signal_fd >= 0)
        close(rt->signal_fd);
    signal(SIGPIPE, rt->old_sigpipe);
    pthread_sigmask(SIG_SETMASK, &rt->old_mask, NULL);
}

void sys_runtime_free(struct sys_runtime *rt)
{
    if (rt == NULL)
        return;
    for (unsigned i = 0; rt->reactors != NULL && i < rt->n_reactors; i++) {
        gq_assert(!rt->reactors[i].thread.started);
        sys_reactor_fini(&rt->reactors[i]);
    }
    free(rt->reactors);
    free(rt->lane_of);
    free(rt->net_of);
    free(rt->envs);
    sys_lanes_fini(&rt->lanes);
    close_signals(rt);
    free(rt);
}

struct env **sys_runtime_envs(struct sys_runtime *rt)
{
    return rt->envs;
}

void sys_runtime_set_handler(struct sys_runtime *rt, unsigned reactor, const struct sys_reactor_handler *h)
{
    gq_assert(reactor < rt->n_reactors);
    rt->reactors[reactor].handler = *h;
}

/* One listener after the other, so that several of them are accepted from by several reactors. */
static void listen_on(struct sys_runtime *rt, int fd, bool for_peers)
{
    sys_net_listen(&rt->reactors[rt->n_listeners++ % rt->n_reactors].net, fd, for_peers);
}

void sys_runtime_listen(struct sys_runtime *rt, int fd)
{
    listen_on(rt, fd, false);
}

void sys_runtime_listen_for_peers(struct sys_runtime *rt, int fd)
{
    listen_on(rt, fd, true);
}

void sys_runtime_end_threads(struct sys_runtime *rt)
{
    for (unsigned i = 0; i < rt->n_reactors; i++)
        if (rt->reactors[i].thread.started)
            sys_reactor_post_end(&rt->reactors[i]);
    for (unsigned i = 0; i < rt->n_reactors; i++)
        sys_thread_join(&rt->reactors[i].thread);
    sys_lanes_stop(&rt->lanes);
}

int sys_runtime_start(struct sys_runtime *rt)
{
    int r = sys_lanes_start(&rt->lanes);

    for (unsigned i = 0; i < rt->n_reactors && r == 0; i++)
        r = sys_reactor_start(&rt->reactors[i]);
    if (r < 0)
        sys_runtime_end_threads(rt);
    return r;
}

void sys_runtime_wake_main(struct sys_runtime *rt)
{
    int r = eventfd_write(rt->wake_fd, 1);

    gq_assert(r == 0);
}

void sys_runtime_request_stop(struct sys_runtime *rt)
{
    atomic_store_explicit(&rt->stop_requested, true, memory_order_release);
    sys_runtime_wake_main(rt);
}

void sys_runtime_stopped(struct sys_runtime *rt, unsigned reactor)
{
    gq_assert(reactor < rt->n_reactors);
    if (atomic_fetch_add_explicit(&rt->n_stopped, 1, memory_order_acq_rel) + 1 == rt->n_reactors)
        sys_runtime_wake_main(rt);
}

void sys_runtime_post(struct sys_runtime *rt, unsigned reactor, struct lane_mail *m)
{
    gq_assert(reactor < rt->n_reactors);
    sys_lane_post_outside(&rt->reactors[reactor].lane, m);
}

bool sys_runtime_progress(struct sys_runtime *rt, uint64_t max_flush_ns, struct error_text *ret_text)
{
    uint64_t now_ns = clock_mono_ns(sys_clock()), since_ns = sys_lanes_busy_since(&rt->lanes);
    bool alive = true;

    for (unsigned i = 0; i < rt->n_reactors; i++) {
        if (sys_reactor_check(&rt->reactors[i]))
            continue;
        error_setf(ret_text, "reactor %u made no turn", i);
        alive = false;
    }
    if (since_ns != 0 && now_ns > since_ns && now_ns - since_ns > max_flush_ns) {
        error_setf(ret_text, "a journal flush has been running for %llu ms",
                   (unsigned long long)((now_ns - since_ns) / 1000000));
        alive = false;
    }
    return alive;
}

void sys_runtime_stats(struct sys_runtime *rt, struct sys_runtime_stats *ret)
{
    *ret = (struct sys_runtime_stats){ .n_shed = 0 };
    for (unsigned i = 0; i < rt->n_reactors; i++) {
        struct sys_net *net = &rt->reactors[i].net;

        ret->n_connections += atomic_load_explicit(&net->n_conns, memory_order_relaxed);
        ret->n_shed += atomic_load_explicit(&net->n_shed, memory_order_relaxed);
    }
}
