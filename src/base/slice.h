/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A view of bytes that somebody else owns. data == NULL is Kafka's null string or null bytes; an empty slice
 * has data != NULL and size 0. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

#define SLICE_NULL ((struct slice){ NULL, 0 })

static inline struct slice slice_make(const void *data, size_t size)
{
    return (struct slice){ data, size };
}

/* s is NUL-terminated, or NULL for the null slice. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){ (const uint8_t *)s, s != NULL ? strlen(s) : 0 };
}

static inline bool slice_is_null(struct slice s)
{
    return s.data == NULL;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}
