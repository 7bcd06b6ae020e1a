/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Timers of one reactor: a hierarchical timing wheel (Varghese, Lauck: "Hashed and hierarchical timing wheels",
 * scheme 7) of eight levels with 64 slots each and ticks of 1 ms, which spans all of u64 nanoseconds. Adding and
 * cancelling take constant time, nothing is allocated, timers are embedded in the caller's structs.
 *
 * A timer never expires before its deadline, and less than a tick after it if the wheel is advanced in time. The wheel
 * calls nobody: timer_advance() hands out a list, and its caller runs it. Owned by one thread. */

#include <stdint.h>

#include "base/list.h"

#define TIMER_TICK_NS 1000000
#define TIMER_LEVEL_BITS 6
#define TIMER_LEVELS 8
#define TIMER_SLOTS (1 << TIMER_LEVEL_BITS) /* per level */

/* What timer_next_deadline() gives when no timer is set. */
#define TIMER_NEVER UINT64_MAX

struct timer {
    struct list link;                /* the wheel's, or of the list of expired ones */
    uint64_t deadline_ns;            /* as given to timer_add() */
    int slot;                        /* the wheel's */
    void (*expire)(struct timer *t); /* the owner's, for whoever runs the expired ones; the wheel never calls it */
};

struct timer_slot {
    struct list timers; /* in the order of adding */
    uint64_t min_tick;  /* none of them is due before; exact unless one was cancelled */
};

struct timer_wheel {
    uint64_t now_tick;
    size_t count;                    /* timers that are set */
    struct list due;                 /* were past their deadline when they were added */
    uint64_t occupied[TIMER_LEVELS]; /* a bit per slot that has timers */
    struct timer_slot slots[TIMER_LEVELS * TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns);

/* Makes t a timer that isn't set; expire may be NULL. */
void timer_init(struct timer *t, void (*expire)(struct timer *t));

/* Sets it, or moves one that is set or has expired. A deadline in the past is fine: the next timer_advance() has it. */
void timer_add(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns);

/* Harmless on one that isn't set. Also takes it off a list of expired ones that isn't run to its end yet. */
void timer_cancel(struct timer_wheel *w, struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return t->slot >= 0;
}

/* Appends all whose deadline has come to a list, in the order of their deadlines (of equal ones, of adding). They are
 * no longer set. A time before that of the last call counts as that. */
void timer_advance(struct timer_wheel *w, uint64_t now_ns, struct list *expired);

/* Takes the first timer off a list that timer_advance() has filled; NULL when it is empty. */
struct timer *timer_pop(struct list *expired);

/* When to call timer_advance() next: at that time the timer with the first deadline expires. Only after a cancel it
 * may be too early. TIMER_NEVER when none is set. */
uint64_t timer_next_deadline(const struct timer_wheel *w);
