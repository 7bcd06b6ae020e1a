/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/runtime_impl.h"

static void begin_stop(struct sys_runtime *rt, const struct sys_runtime_hooks *hooks, int signo)
{
    rt->stopping = true;
    rt->stop_deadline_ns = UINT64_MAX;
    if (hooks->stop_timeout_ns > 0)
        rt->stop_deadline_ns = clock_mono_ns(sys_clock()) + hooks->stop_timeout_ns;
    if (hooks->stopping != NULL)
        hooks->stopping(hooks->ctx, signo);
    for (unsigned i = 0; i < rt->n_reactors; i++)
        sys_reactor_post_stop(&rt->reactors[i]);
}

/* Returns false when the user wants no more waiting. */
static bool on_signal(struct sys_runtime *rt, const struct sys_runtime_hooks *hooks, int signo)
{
    if (signo == SIGHUP) {
        if (hooks->reload != NULL && !rt->stopping)
            hooks->reload(hooks->ctx);
        return true;
    }
    if (rt->stopping)
        return false;
    begin_stop(rt, hooks, signo);
    return true;
}

static bool take_signals(struct sys_runtime *rt, const struct sys_runtime_hooks *hooks)
{
    struct signalfd_siginfo info;

    while (read(rt->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (!on_signal(rt, hooks, (int)info.ssi_signo))
            return false;
    return true;
}

static void wait_for_events(struct sys_runtime *rt, uint64_t until_ns)
{
    struct pollfd fds[] = { { rt->signal_fd, POLLIN, 0 }, { rt->wake_fd, POLLIN, 0 } };
    uint64_t now_ns = clock_mono_ns(sys_clock());
    struct timespec timeout = { 0 };
    eventfd_t count;

    if (until_ns > now_ns) {
        timeout.tv_sec = (time_t)((until_ns - now_ns) / 1000000000);
        timeout.tv_nsec = (long)((until_ns - now_ns) % 1000000000);
    }
    if (ppoll(fds, ARRAY_SIZE(fds), until_ns == UINT64_MAX ? NULL : &timeout, NULL) > 0 && fds[1].revents != 0)
        (void)eventfd_read(rt->wake_fd, &count);
}

/* Keeps the service manager's watchdog quiet as long as there is progress. Returns when it is due again. */
static uint64_t check_progress(struct sys_runtime *rt)
{
    uint64_t now_ns = clock_mono_ns(sys_clock());
    struct error_text stuck = { "" };

    if (rt->watchdog_ns == 0)
        return UINT64_MAX;
    if (now_ns < rt->next_check_ns)
        return rt->next_check_ns;
    if (sys_runtime_progress(rt, rt->watchdog_ns, &stuck))
        sys_notify_alive();
    else
        log_event(STUCK, "%s", stuck.text);
    rt->next_check_ns = now_ns + rt->watchdog_ns;
    return rt->next_check_ns;
}

int sys_runtime_run(struct sys_runtime *rt, const struct sys_runtime_hooks *hooks)
{
    rt->watchdog_ns = sys_notify_watchdog_ns() / 2; /* twice in the time after which we count as hung */
    for (;;) {
        uint64_t check_ns = check_progress(rt);

        wait_for_events(rt, rt->stopping ? MIN(check_ns, rt->stop_deadline_ns) : check_ns);
        if (!take_signals(rt, hooks))
            return -EINTR;
        if (!rt->stopping && atomic_load_explicit(&rt->stop_requested, memory_order_acquire))
            begin_stop(rt, hooks, 0);
        if (atomic_load_explicit(&rt->n_stopped, memory_order_acquire) == rt->n_reactors)
            break;
        if (rt->stopping && clock_mono_ns(sys_clock()) >= rt->stop_deadline_ns)
            return -ETIMEDOUT;
    }
    sys_runtime_end_threads(rt);
    return 0;
}
