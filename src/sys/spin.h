/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Waiting awake for a little while before sleeping: waking a thread on another core takes some 35 µs, and a message to
 * one that is awake needs no system call. It pays only while messages come quickly, so a wait is spun through only when
 * the one before ended within the budget. One thread's. */

#include <stdbool.h>
#include <stdint.h>

#include "sys/clock.h"

struct spin {
    uint64_t budget_ns; /* 0: never */
    uint64_t begun_ns;
    bool pays;
};

static inline uint64_t spin_now_ns(void)
{
    return clock_mono_ns(sys_clock());
}

/* A wait begins. Whether to spin. */
static inline bool spin_begin(struct spin *s)
{
    if (s->budget_ns == 0)
        return false;
    s->begun_ns = spin_now_ns();
    return s->pays;
}

/* Between looks: whether to go on. Lets the core's other thread have it for a moment. */
static inline bool spin_more(const struct spin *s)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
    return spin_now_ns() - s->begun_ns < s->budget_ns;
}

/* What was waited for has come, or something else ended the wait. */
static inline void spin_end(struct spin *s)
{
    if (s->budget_ns > 0)
        s->pays = spin_now_ns() - s->begun_ns < s->budget_ns;
}
