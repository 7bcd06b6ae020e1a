/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pipe.h"

#include "base/util.h"

void sim_pipe_init(struct sim_pipe *p, size_t capacity)
{
    *p = (struct sim_pipe){ .capacity = capacity };
}

void sim_pipe_fini(struct sim_pipe *p)
{
    free(p->data);
    sim_pipe_init(p, p->capacity);
}

void sim_pipe_put(struct sim_pipe *p, const void *data, size_t n)
{
    size_t tail, part;

    gq_assert(n <= sim_pipe_room(p));
    if (n == 0)
        return;
    if (p->data == NULL)
        p->data = xmalloc(p->capacity);
    tail = (p->head + p->count) % p->capacity;
    part = MIN(n, p->capacity - tail);
    memcpy(p->data + tail, data, part);
    memcpy(p->data, (const uint8_t *)data + part, n - part);
    p->count += n;
}

void sim_pipe_peek(const struct sim_pipe *p, void *to, size_t n)
{
    size_t part = MIN(n, p->capacity - p->head);

    gq_assert(n <= p->count);
    if (n == 0)
        return;
    memcpy(to, p->data + p->head, part);
    memcpy((uint8_t *)to + part, p->data, n - part);
}

void sim_pipe_drop(struct sim_pipe *p, size_t n)
{
    gq_assert(n <= p->count);
    p->head = (p->head + n) % p->capacity;
    p->count -= n;
}
