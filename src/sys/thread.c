/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/thread.h"

#include <signal.h>
#include <stdio.h>

#include "base/util.h"

static void *thread_main(void *arg)
{
    struct sys_thread *t = arg;

    pthread_setname_np(pthread_self(), t->name);
    t->run(t->ctx);
    return NULL;
}

/* All signals but those that a thread's own fault raises: their handlers run where the fault was. */
static void fill_mask(sigset_t *mask)
{
    static const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };

    sigfillset(mask);
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        sigdelset(mask, own[i]);
}

int sys_thread_start(struct sys_thread *t, const char *name, void (*run)(void *ctx), void *ctx)
{
    sigset_t mask, old;
    int r;

    gq_assert(!t->started);
    t->run = run;
    t->ctx = ctx;
    snprintf(t->name, sizeof(t->name), "%s", name);
    fill_mask(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &old); /* inherited by the new thread */
    r = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    t->started = r == 0;
    return -r;
}

void sys_thread_join(struct sys_thread *t)
{
    int r;

    if (!t->started)
        return;
    r = pthread_join(t->id, NULL);
    gq_assert(r == 0);
    t->started = false;
}
