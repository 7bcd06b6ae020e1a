/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Queue of embedded nodes from any number of threads to one, without locks, that wakes the receiver only when it
 * sleeps.
 *
 * The head holds the newest node, NULL, or a mark that says "empty, and the receiver sleeps". A sender that replaces
 * the mark writes to the eventfd; so each sleep is ended by exactly one write, and to a receiver that is awake a
 * message costs one compare-and-swap. The receiver takes the whole chain at once, which is why popping is free of
 * the ABA problem, and turns it around, so that messages of one sender keep their order. */

#include <stdatomic.h>

#include "base/list.h"
#include "sys/spin.h"

struct mailbox {
    _Alignas(64) _Atomic(struct list *) head; /* chained by next, newest first */
    int event_fd;
};

/* blocking: the receiver sleeps in mailbox_wait(); else in its own poll on event_fd. Returns 0 or a negative errno. */
int mailbox_init(struct mailbox *m, bool blocking);
/* Nodes in it stay the senders'. Harmless on one whose init failed. */
void mailbox_fini(struct mailbox *m);

/* Any thread. node->next belongs to the mailbox until the node is taken; node->prev is carried along. */
void mailbox_push(struct mailbox *m, struct list *node);

/* The rest: receiver only. */

/* All that is there, oldest first, chained by next and ended by NULL; NULL when it is empty. */
struct list *mailbox_take(struct mailbox *m);

/* Announces that the receiver is going to sleep. False when there is something to take instead. */
bool mailbox_doze(struct mailbox *m);
/* Takes the announcement back, after being woken by something else. */
void mailbox_rouse(struct mailbox *m);
/* Empties the eventfd after it became readable. */
void mailbox_clear_event(struct mailbox *m);

/* Whether there is something to take. */
static inline bool mailbox_has(struct mailbox *m)
{
    return atomic_load_explicit(&m->head, memory_order_relaxed) != NULL;
}

/* Waits until there is something, and takes it: awake as far as spin says (NULL: never), then asleep. */
struct list *mailbox_wait(struct mailbox *m, struct spin *spin);
