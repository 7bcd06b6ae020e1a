/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A named thread that takes no signals but those that a fault of its own raises. */

#include <pthread.h>
#include <stdbool.h>

struct sys_thread {
    pthread_t id;
    bool started;
    void (*run)(void *ctx);
    void *ctx;
    char name[16];
};

/* t stays where it is until sys_thread_join(). The name is cut at 15 characters. Returns 0 or -EAGAIN. */
int sys_thread_start(struct sys_thread *t, const char *name, void (*run)(void *ctx), void *ctx);

/* Waits for its end. Harmless on a zeroed or joined one. */
void sys_thread_join(struct sys_thread *t);
