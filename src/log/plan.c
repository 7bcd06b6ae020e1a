/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

void plan_init(struct log *l)
{
    const struct log_segment *s = segment_last(l);

    l->plan = (struct log_plan){ .active = s != NULL };
    if (s != NULL) {
        l->plan.n_entries = s->end.n_entries;
        l->plan.bytes = s->end.log_size;
        l->plan.first_append_ms = s->end.first_append_ms;
    }
}

static bool plan_is_old(const struct log *l, int64_t now_ms)
{
    const struct log_plan *p = &l->plan;

    return p->active && p->n_entries > 0 && l->segment_ms > 0 && now_ms >= p->first_append_ms &&
           (uint64_t)now_ms - (uint64_t)p->first_append_ms >= (uint64_t)l->segment_ms;
}

static bool plan_is_full(const struct log *l, size_t batches_size)
{
    const struct log_plan *p = &l->plan;

    return (p->bytes > 0 && p->bytes + batches_size > l->segment_bytes) ||
           p->n_entries >= MAX(l->segment_bytes, LOG_TABLE_BYTES) / TABLE_RECORD_SIZE;
}

bool log_plan(struct log *l, size_t batches_size, int64_t append_time_ms, bool has_snapshot)
{
    struct log_plan *p = &l->plan;
    bool roll = !p->active || p->bytes + batches_size > LOG_SEGMENT_MAX_BYTES ||
                (has_snapshot && (p->roll || plan_is_old(l, append_time_ms) || plan_is_full(l, batches_size)));

    if (roll) {
        *p = (struct log_plan){
            .active = true,
            .first_append_ms = append_time_ms,
            .pending = p->pending + 1,
        };
    }
    p->n_entries++;
    p->bytes += batches_size;
    return roll;
}

bool log_has_begun(const struct log *l, uint64_t index)
{
    return l->begun && l->checkpoint == index;
}

void log_roll(struct log *l)
{
    if (l->plan.n_entries > 0)
        l->plan.roll = true;
}

bool log_needs_roll(const struct log *l, int64_t now_ms)
{
    return l->plan.roll || plan_is_old(l, now_ms);
}
