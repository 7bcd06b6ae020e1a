/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct list asleep; /* only its address matters */

#define ASLEEP (&asleep)

int mailbox_init(struct mailbox *m, bool blocking)
{
    atomic_init(&m->head, NULL);
    m->event_fd = eventfd(0, EFD_CLOEXEC | (blocking ? 0 : EFD_NONBLOCK));
    return m->event_fd < 0 ? -errno : 0;
}

void mailbox_fini(struct mailbox *m)
{
    if (m->event_fd >= 0)
        close(m->event_fd);
    m->event_fd = -1;
}

static void wake(struct mailbox *m)
{
    static const uint64_t one = 1;
    ssize_t n;

    do
        n = write(m->event_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    gq_assert(n == (ssize_t)sizeof(one));
}

void mailbox_push(struct mailbox *m, struct list *node)
{
    struct list *old = atomic_load_explicit(&m->head, memory_order_relaxed);

    do
        node->next = old; /* NULL or the mark end the chain */
    while (!atomic_compare_exchange_weak_explicit(&m->head, &old, node, memory_order_release, memory_order_relaxed));
    if (old == ASLEEP)
        wake(m);
}

struct list *mailbox_take(struct mailbox *m)
{
    struct list *node, *chain = NULL;

    /* Looking first leaves the cache line shared while nothing arrives. */
    if (atomic_load_explicit(&m->head, memory_order_relaxed) == NULL)
        return NULL;
    node = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
    while (node != NULL && node != ASLEEP) {
        struct list *older = node->next;

        node->next = chain;
        chain = node;
        node = older;
    }
    return chain;
}

bool mailbox_doze(struct mailbox *m)
{
    struct list *none = NULL;

    return atomic_compare_exchange_strong_explicit(&m->head, &none, ASLEEP, memory_order_relaxed, memory_order_relaxed);
}

void mailbox_rouse(struct mailbox *m)
{
    struct list *mark = ASLEEP;

    if (atomic_load_explicit(&m->head, memory_order_relaxed) == ASLEEP)
        atomic_compare_exchange_strong_explicit(&m->head, &mark, NULL, memory_order_relaxed, memory_order_relaxed);
}

void mailbox_clear_event(struct mailbox *m)
{
    uint64_t count;
    ssize_t n;

    do
        n = read(m->event_fd, &count, sizeof(count));
    while (n < 0 && errno == EINTR);
    gq_assert(n == (ssize_t)sizeof(count) || errno == EAGAIN);
}

static struct list *sleep_until(struct mailbox *m)
{
    for (;;) {
        struct list *chain = mailbox_take(m);

        if (chain != NULL)
            return chain;
        if (mailbox_doze(m))
            mailbox_clear_event(m);
    }
}

struct list *mailbox_wait(struct mailbox *m, struct spin *spin)
{
    struct list *chain = mailbox_take(m);

    if (chain != NULL || spin == NULL)
        return chain != NULL ? chain : sleep_until(m);
    if (spin_begin(spin)) {
        while (!mailbox_has(m) && spin_more(spin))
            ;
    }
    chain = sleep_until(m);
    spin_end(spin);
    return chain;
}
