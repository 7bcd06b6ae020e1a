/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/prng.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/util.h"

#define BUFFER_SIZE 256 /* getrandom() gives this much whole, signals or not */
#define BUFFERED_MAX 64 /* larger requests go to the kernel directly */

struct buffer {
    size_t left; /* unused bytes, at the end */
    uint8_t bytes[BUFFER_SIZE];
};

static _Thread_local struct buffer buffer;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void from_kernel(void *to, size_t size)
{
    uint8_t *p = to;

    while (size > 0) {
        ssize_t n = getrandom(p, size, 0);

        if (n < 0) {
            gq_assert(errno == EINTR);
            continue;
        }
        p += n;
        size -= (size_t)n;
    }
}

static void forget_in_child(void)
{
    buffer.left = 0;
}

static void register_fork(void)
{
    int r = pthread_atfork(NULL, NULL, forget_in_child);

    gq_assert(r == 0);
}

static void fill(struct env_prng *p, void *to, size_t size)
{
    uint8_t *from;

    if (size > BUFFERED_MAX) {
        from_kernel(to, size);
        return;
    }
    if (buffer.left < size) {
        pthread_once(&once, register_fork);
        from_kernel(buffer.bytes, sizeof(buffer.bytes));
        buffer.left = sizeof(buffer.bytes);
    }
    from = buffer.bytes + sizeof(buffer.bytes) - buffer.left;
    memcpy(to, from, size);
    explicit_bzero(from, size);
    buffer.left -= size;
}

struct env_prng *sys_prng(void)
{
    static const struct env_prng_ops ops = { .fill = fill };
    static struct env_prng prng = { .ops = &ops };

    return &prng;
}
