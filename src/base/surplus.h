/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a pool keeps ready, and how much of it nobody needs. Called about once a second, surplus_halve() makes half of
 * what nobody needed since the last call due to go; a pool gives it back in steps, so that no call takes long. An idle
 * pool gets empty in a while, a busy one stays as it is. */

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

#define SURPLUS_STEP_BLOCKS 64 /* each may cost a system call */
#define SURPLUS_STEP_BYTES ((size_t)4 << 20)

struct surplus {
    size_t free_bytes;   /* kept ready */
    size_t unused_bytes; /* the least that was free since the last surplus_halve(): nobody missed it */
    size_t due_bytes;    /* of these: to go back */
};

static inline void surplus_take(struct surplus *s, size_t bytes)
{
    s->free_bytes -= bytes;
    s->unused_bytes = MIN(s->unused_bytes, s->free_bytes);
    s->due_bytes = MIN(s->due_bytes, s->unused_bytes);
}

static inline void surplus_halve(struct surplus *s)
{
    s->due_bytes = (s->unused_bytes + 1) / 2;
    s->unused_bytes = s->free_bytes;
}

/* What may be left after one step. */
static inline size_t surplus_target(const struct surplus *s)
{
    return s->free_bytes - MIN(s->due_bytes, SURPLUS_STEP_BYTES);
}

/* After a step that began with so many free bytes. */
static inline void surplus_stepped(struct surplus *s, size_t from, size_t due)
{
    size_t gone = from - s->free_bytes;

    s->due_bytes = due - MIN(due, gone);
}
