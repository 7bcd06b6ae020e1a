/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/starting.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sys/disk_file.h"
#include "sys/notify.h"
#include "sys/thread.h"

struct sys_starting {
    struct sys_starting_options options;
    struct sys_thread thread;
    int signal_fd, end_fd;
    const char *_Atomic status;
};

static void extend(struct sys_starting *s)
{
    sys_notify_extend(s->options.extend_us, "Starting: %s", atomic_load(&s->status));
}

static uint64_t n_calls(const struct sys_starting *s)
{
    return atomic_load_explicit(&to_sys_disk(s->options.disk)->n_calls, memory_order_relaxed);
}

/* Returns false when the interval went by. */
static bool wait_for_events(struct sys_starting *s, struct pollfd fds[2])
{
    struct timespec interval = { .tv_sec = (time_t)(s->options.interval_ns / 1000000000),
                                 .tv_nsec = (long)(s->options.interval_ns % 1000000000) };
    int n;

    fds[0] = (struct pollfd){ .fd = s->end_fd, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
    do
        n = ppoll(fds, 2, &interval, NULL);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

static void watch(void *ctx)
{
    struct sys_starting *s = ctx;
    uint64_t seen = n_calls(s);

    for (;;) {
        struct signalfd_siginfo info;
        struct pollfd fds[2];
        uint64_t now;

        if (wait_for_events(s, fds)) {
            if (fds[0].revents != 0)
                return;
            if (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                s->options.stop(s->options.ctx, (int)info.ssi_signo);
            continue;
        }
        now = n_calls(s);
        if (now != seen)
            extend(s);
        seen = now;
    }
}

int sys_starting_new(const struct sys_starting_options *options, struct sys_starting **ret)
{
    struct sys_starting *s = xcalloc(1, sizeof(*s));
    sigset_t set;
    int rc;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    s->options = *options;
    atomic_init(&s->status, "opening the data directory");
    s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = s->signal_fd < 0 || s->end_fd < 0 ? -errno : sys_thread_start(&s->thread, "gq-starting", watch, s);
    if (rc < 0)
        sys_starting_free(s);
    else
        *ret = s;
    return rc;
}

void sys_starting_say(struct sys_starting *s, const char *status)
{
    atomic_store(&s->status, status);
    extend(s);
}

void sys_starting_free(struct sys_starting *s)
{
    if (s == NULL)
        return;
    if (s->thread.started)
        (void)eventfd_write(s->end_fd, 1);
    sys_thread_join(&s->thread);
    if (s->signal_fd >= 0)
        close(s->signal_fd);
    if (s->end_fd >= 0)
        close(s->end_fd);
    free(s);
}
