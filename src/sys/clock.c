/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/clock.h"

#include <time.h>

#include "base/util.h"

static struct timespec now(clockid_t id)
{
    struct timespec ts;
    int r = clock_gettime(id, &ts);

    gq_assert(r == 0);
    return ts;
}

static uint64_t mono_ns(struct env_clock *c)
{
    struct timespec ts = now(CLOCK_MONOTONIC);

    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int64_t real_ms(struct env_clock *c)
{
    struct timespec ts = now(CLOCK_REALTIME);

    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct env_clock *sys_clock(void)
{
    static const struct env_clock_ops ops = { .mono_ns = mono_ns, .real_ms = real_ms };
    static struct env_clock clock = { .ops = &ops };

    return &clock;
}
