/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes on their way in one direction of a simulated connection: a ring of fixed size. */

#include <stddef.h>
#include <stdint.h>

struct sim_pipe {
    uint8_t *data; /* NULL until the first byte */
    size_t capacity, head, count;
};

void sim_pipe_init(struct sim_pipe *p, size_t capacity);
void sim_pipe_fini(struct sim_pipe *p);

static inline size_t sim_pipe_room(const struct sim_pipe *p)
{
    return p->capacity - p->count;
}

/* n ≤ room. */
void sim_pipe_put(struct sim_pipe *p, const void *data, size_t n);
/* Copies the first n ≤ count bytes. */
void sim_pipe_peek(const struct sim_pipe *p, void *to, size_t n);
void sim_pipe_drop(struct sim_pipe *p, size_t n);
