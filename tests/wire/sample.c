/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/sample.h"

#include <string.h>

#include "base/util.h"

#define ARENA_LIMIT ((size_t)64 << 20)

void sample_init(struct sample *s, uint64_t seed)
{
    *s = (struct sample){ .rand = { .state = seed } };
    arena_init(&s->arena, ARENA_LIMIT);
}

void sample_fini(struct sample *s)
{
    arena_fini(&s->arena);
}

bool sample_bool(struct sample *s)
{
    return rand_chance(&s->rand, 1, 2);
}

double sample_float64(struct sample *s)
{
    return (double)(int64_t)rand_edgy_u64(&s->rand) / 1024;
}

struct uuid sample_uuid(struct sample *s)
{
    struct uuid u = { 0 };

    if (!rand_chance(&s->rand, 1, 4))
        rand_fill(&s->rand, u.bytes, sizeof(u.bytes));
    return u;
}

bool sample_is_null(struct sample *s, bool nullable)
{
    return nullable && rand_chance(&s->rand, 1, 4);
}

void *sample_array(struct sample *s, int32_t n, size_t element_size)
{
    void *p;

    if (n <= 0)
        return NULL;
    p = arena_calloc(&s->arena, (size_t)n, element_size);
    gq_assert(p != NULL);
    return p;
}

/* Mostly short; now and then around where a length takes another byte. */
static size_t sample_size(struct sample *s)
{
    if (s->is_small || !rand_chance(&s->rand, 1, 16))
        return rand_below(&s->rand, 12);
    return rand_chance(&s->rand, 1, 8) ? rand_range(&s->rand, 16380, 16390) : rand_range(&s->rand, 120, 135);
}

struct slice sample_bytes(struct sample *s, bool nullable)
{
    size_t size = sample_size(s);
    void *data;

    if (sample_is_null(s, nullable))
        return SLICE_NULL;
    data = sample_array(s, (int32_t)size + 1, 1);
    rand_fill(&s->rand, data, size);
    return slice_make(data, size);
}

struct slice sample_string(struct sample *s, bool nullable)
{
    struct slice text = sample_bytes(s, nullable);

    for (size_t i = 0; i < text.size; i++)
        ((uint8_t *)text.data)[i] = (uint8_t)('a' + text.data[i] % 26);
    return text;
}

int32_t sample_count(struct sample *s, bool nullable)
{
    if (sample_is_null(s, nullable))
        return -1;
    return (int32_t)rand_below(&s->rand, s->is_small ? 3 : 4);
}
