/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small macros and helpers that every module uses. No state. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Rounds n up to a multiple of a, a power of two. */
#define ALIGN_DOWN(n, a) ((n) & ~((typeof(n))(a)-1))
#define ALIGN_UP(n, a) (((n) + ((a)-1)) & ~((typeof(n))(a)-1))

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _unused_ __attribute__((unused))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define _noreturn_ __attribute__((noreturn))

/* Hands over what a _cleanup_ local owns: evaluates to the pointer and sets the variable to NULL. */
#define TAKE_PTR(ptr) \
    ({ \
        typeof(ptr) *take_ = &(ptr); \
        typeof(ptr) taken_ = *take_; \
        *take_ = NULL; \
        taken_; \
    })

/* Defines a _cleanup_ function NAMEp() for a destructor NAME() that takes a pointer. */
#define DEFINE_CLEANUP(type, name) \
    _unused_ static inline void name##p(type *p) \
    { \
        if (*p != NULL) \
            name(*p); \
    }

static inline void freep(void *p)
{
    free(*(void **)p);
}

/* Assertions stay on in release builds: a broken invariant ends the process before it can harm data. */
_noreturn_ void gq_assert_fail(const char *expr, const char *file, int line, const char *func);
#define gq_assert(expr) \
    do { \
        if (unlikely(!(expr))) \
            gq_assert_fail(#expr, __FILE__, __LINE__, __func__); \
    } while (0)

/* Allocation for start-up and control paths: ends the process when memory is out. Never returns NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
_printf_(1, 2) char *xasprintf(const char *fmt, ...);

/* Overflow-checked arithmetic: true when the result doesn't fit. */
#define add_overflows(a, b, ret) __builtin_add_overflow((a), (b), (ret))
#define mul_overflows(a, b, ret) __builtin_mul_overflow((a), (b), (ret))
