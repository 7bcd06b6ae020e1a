/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timer/timer.h"

#define SLOT_NONE (-1) /* not set, or expired */
#define SLOT_DUE (TIMER_LEVELS * TIMER_SLOTS)
#define MAX_RUNS 48 /* of the sort: enough for 2^48 timers */

_Static_assert(UINT64_MAX / TIMER_TICK_NS < (uint64_t)1 << (TIMER_LEVEL_BITS * TIMER_LEVELS), "the levels span u64 ns");

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ns)
{
    *w = (struct timer_wheel){ .now_tick = now_ns / TIMER_TICK_NS };
    list_init(&w->due);
    for (int i = 0; i < TIMER_LEVELS * TIMER_SLOTS; i++)
        list_init(&w->slots[i].timers);
}

void timer_init(struct timer *t, void (*expire)(struct timer *t))
{
    list_init(&t->link);
    t->deadline_ns = 0;
    t->slot = SLOT_NONE;
    t->expire = expire;
}

/* The first tick at which the deadline has come. */
static uint64_t tick_of(const struct timer *t)
{
    return t->deadline_ns / TIMER_TICK_NS + (t->deadline_ns % TIMER_TICK_NS != 0);
}

/* The slot of a tick in the future. It lies in the level of the highest digit (in base 64) in which the tick differs
 * from now, so all of a level comes before all of the next one; and that stays so while now moves on, up to the start
 * of the first occupied slot. */
static int slot_of(const struct timer_wheel *w, uint64_t tick)
{
    int top_bit = 63 - __builtin_clzll(tick ^ w->now_tick), level = top_bit / TIMER_LEVEL_BITS;

    return level * TIMER_SLOTS + (int)(tick >> (level * TIMER_LEVEL_BITS) & (TIMER_SLOTS - 1));
}

static void place(struct timer_wheel *w, struct timer *t)
{
    uint64_t tick = tick_of(t);
    struct timer_slot *slot;

    if (tick <= w->now_tick) {
        t->slot = SLOT_DUE;
        list_append(&w->due, &t->link);
        return;
    }
    t->slot = slot_of(w, tick);
    slot = &w->slots[t->slot];
    if (list_is_empty(&slot->timers) || tick < slot->min_tick)
        slot->min_tick = tick;
    list_append(&slot->timers, &t->link);
    w->occupied[t->slot / TIMER_SLOTS] |= (uint64_t)1 << t->slot % TIMER_SLOTS;
}

static void clear_occupied(struct timer_wheel *w, int slot)
{
    w->occupied[slot / TIMER_SLOTS] &= ~((uint64_t)1 << slot % TIMER_SLOTS);
}

void timer_cancel(struct timer_wheel *w, struct timer *t)
{
    list_remove(&t->link);
    if (t->slot == SLOT_NONE)
        return;
    if (t->slot != SLOT_DUE && list_is_empty(&w->slots[t->slot].timers))
        clear_occupied(w, t->slot);
    t->slot = SLOT_NONE;
    w->count--;
}

void timer_add(struct timer_wheel *w, struct timer *t, uint64_t deadline_ns)
{
    timer_cancel(w, t);
    t->deadline_ns = deadline_ns;
    place(w, t);
    w->count++;
}

/* Index of the occupied slot that comes first, or SLOT_NONE. */
static int first_slot(const struct timer_wheel *w)
{
    for (int level = 0; level < TIMER_LEVELS; level++)
        if (w->occupied[level] != 0)
            return level * TIMER_SLOTS + __builtin_ctzll(w->occupied[level]);
    return SLOT_NONE;
}

/* The first tick that belongs to the slot: the digits of now above its level, its own, and zeros. */
static uint64_t start_of(const struct timer_wheel *w, int slot)
{
    int shift = slot / TIMER_SLOTS * TIMER_LEVEL_BITS;
    uint64_t above = w->now_tick >> (shift + TIMER_LEVEL_BITS) << TIMER_LEVEL_BITS;

    return (above | (uint64_t)(slot % TIMER_SLOTS)) << shift;
}

static uint64_t deadline_of(const struct list *link)
{
    return list_entry(link, struct timer, link)->deadline_ns;
}

/* Merges two sorted lists; of equal ones those of `older` come first. `newer` is empty afterwards. */
static void merge(struct list *older, struct list *newer)
{
    struct list *at = older->next, *node;

    while (at != older && !list_is_empty(newer)) {
        if (deadline_of(newer->next) >= deadline_of(at)) {
            at = at->next;
            continue;
        }
        node = list_pop(newer);
        list_append(at, node); /* before `at` */
    }
    list_splice(older, newer);
}

static bool is_sorted(const struct list *timers)
{
    for (const struct list *at = timers->next; at != timers && at->next != timers; at = at->next)
        if (deadline_of(at->next) < deadline_of(at))
            return false;
    return true;
}

/* Stable merge sort. Timers of one kind come in order already, so most slots are left as they are. */
static void sort(struct list *timers)
{
    struct list runs[MAX_RUNS], run, *node; /* runs[i] is empty or has 2^i timers; later ones are older */
    int n_runs = 0, i;

    if (is_sorted(timers))
        return;
    while ((node = list_pop(timers)) != NULL) {
        list_init(&run);
        list_append(&run, node);
        for (i = 0; i < n_runs && !list_is_empty(&runs[i]); i++) {
            merge(&runs[i], &run);
            list_splice(&run, &runs[i]);
        }
        if (i == n_runs)
            list_init(&runs[n_runs++]);
        list_splice(&runs[i], &run);
    }
    for (i = 0; i < n_runs; i++) {
        merge(&runs[i], timers);
        list_splice(timers, &runs[i]);
    }
}

static void hand_out_due(struct timer_wheel *w, struct list *expired)
{
    struct timer *t;

    sort(&w->due);
    list_foreach (&w->due, t, link) {
        t->slot = SLOT_NONE;
        w->count--;
    }
    list_splice(expired, &w->due);
}

/* Its time has begun: each of its timers is due, or falls to a lower level. */
static void empty_slot(struct timer_wheel *w, int slot)
{
    struct list timers, *node;

    list_init(&timers);
    list_splice(&timers, &w->slots[slot].timers);
    clear_occupied(w, slot);
    while ((node = list_pop(&timers)) != NULL)
        place(w, list_entry(node, struct timer, link));
}

void timer_advance(struct timer_wheel *w, uint64_t now_ns, struct list *expired)
{
    uint64_t to_tick = now_ns / TIMER_TICK_NS;
    int slot;

    hand_out_due(w, expired);
    while ((slot = first_slot(w)) != SLOT_NONE && start_of(w, slot) <= to_tick) {
        w->now_tick = start_of(w, slot);
        empty_slot(w, slot);
        hand_out_due(w, expired);
    }
    if (to_tick > w->now_tick)
        w->now_tick = to_tick;
}

struct timer *timer_pop(struct list *expired)
{
    struct list *node = list_pop(expired);

    return node != NULL ? list_entry(node, struct timer, link) : NULL;
}

uint64_t timer_next_deadline(const struct timer_wheel *w)
{
    uint64_t ns;
    int slot;

    if (!list_is_empty(&w->due))
        return w->now_tick * TIMER_TICK_NS;
    slot = first_slot(w);
    if (slot == SLOT_NONE || mul_overflows(w->slots[slot].min_tick, (uint64_t)TIMER_TICK_NS, &ns))
        return TIMER_NEVER;
    return ns;
}
