/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/heap.h"

#include "base/suites.h"
#include "support/rand.h"

#define N 200

static struct heap_node nodes[N];

static struct heap_node *pop(struct heap *h)
{
    struct heap_node *n = heap_min(h);

    if (n != NULL)
        heap_remove(h, n);
    return n;
}

static void make(void)
{
    for (int i = 0; i < N; i++)
        heap_node_init(&nodes[i]);
}

START_TEST(ties_leave_in_insertion_order)
{
    struct heap h;

    make();
    heap_init(&h);
    ck_assert_ptr_null(heap_min(&h));
    for (int i = 0; i < N; i++)
        heap_insert(&h, &nodes[i], (uint64_t)(i % 3));
    for (int key = 0; key < 3; key++)
        for (int i = key; i < N; i += 3)
            ck_assert_ptr_eq(pop(&h), &nodes[i]);
    ck_assert_ptr_null(pop(&h));
    heap_fini(&h);
}
END_TEST

START_TEST(update_moves_or_inserts)
{
    struct heap h;

    make();
    heap_init(&h);
    heap_update(&h, &nodes[0], 10);
    heap_update(&h, &nodes[1], 20);
    heap_update(&h, &nodes[0], 30);
    ck_assert_ptr_eq(heap_min(&h), &nodes[1]);
    heap_update(&h, &nodes[0], 20); /* newest among equals */
    ck_assert_ptr_eq(heap_min(&h), &nodes[1]);
    heap_update(&h, &nodes[0], 5);
    ck_assert_ptr_eq(heap_min(&h), &nodes[0]);
    ck_assert_uint_eq(h.count, 2);
    heap_remove(&h, &nodes[2]); /* in no heap */
    heap_remove(&h, &nodes[0]);
    heap_remove(&h, &nodes[0]);
    ck_assert_uint_eq(h.count, 1);
    heap_fini(&h);
}
END_TEST

/* The node that a plain search finds: least key, then least seq. */
static struct heap_node *naive_min(void)
{
    struct heap_node *min = NULL;

    for (int i = 0; i < N; i++) {
        struct heap_node *n = &nodes[i];

        if (n->pos != HEAP_NONE && (min == NULL || n->key < min->key || (n->key == min->key && n->seq < min->seq)))
            min = n;
    }
    return min;
}

START_TEST(random_operations_keep_order)
{
    struct heap h;
    struct rand r;
    size_t count = 0;

    rand_init(&r);
    make();
    heap_init(&h);
    for (int i = 0; i < 20000; i++) {
        struct heap_node *n = &nodes[rand_below(&r, N)];
        uint64_t key = rand_chance(&r, 1, 10) ? rand_edgy_u64(&r) : rand_below(&r, 50);

        switch (rand_below(&r, 4)) {
        case 0:
            count -= n->pos != HEAP_NONE;
            heap_remove(&h, n);
            ck_assert_uint_eq(n->pos, HEAP_NONE);
            break;
        case 1:
            count -= h.count > 0;
            pop(&h);
            break;
        default:
            count += n->pos == HEAP_NONE;
            heap_update(&h, n, key);
        }
        ck_assert_uint_eq(h.count, count);
        ck_assert_ptr_eq(heap_min(&h), naive_min());
    }
    heap_fini(&h);
}
END_TEST

Suite *heap_suite(void)
{
    Suite *s = suite_create("heap");

    suite_add(s, ties_leave_in_insertion_order);
    suite_add(s, update_moves_or_inserts);
    suite_add(s, random_operations_keep_order);
    return s;
}
