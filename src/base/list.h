/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Intrusive circular doubly linked list. A head and a node are the same struct; list_init() makes either.
 * An unlinked node points to itself, so list_remove() twice is harmless. */

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

struct list {
    struct list *prev, *next;
};

#define LIST_INIT(name) \
    { \
        &(name), &(name) \
    }

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_between_(struct list *node, struct list *prev, struct list *next)
{
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_append(struct list *head, struct list *node)
{
    list_insert_between_(node, head->prev, head);
}

static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert_between_(node, head, head->next);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_pop(struct list *head)
{
    struct list *node = head->next;

    if (node == head)
        return NULL;
    list_remove(node);
    return node;
}

/* Moves all nodes of `from` behind those of `to`; `from` is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) (list_is_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_last(head, type, member) (list_is_empty(head) ? NULL : list_entry((head)->prev, type, member))

#define list_foreach(head, it, member) \
    for (it = list_entry((head)->next, typeof(*it), member); &it->member != (head); \
         it = list_entry(it->member.next, typeof(*it), member))

/* The body may remove `it`. */
#define list_foreach_safe(head, it, tmp, member) \
    for (it = list_entry((head)->next, typeof(*it), member), tmp = list_entry(it->member.next, typeof(*it), member); \
         &it->member != (head); it = tmp, tmp = list_entry(it->member.next, typeof(*it), member))
