/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/list.h"

#include "base/suites.h"

struct item {
    int value;
    struct list link;
};

/* The values in order as one decimal number. */
static int digits(struct list *head)
{
    struct item *it;
    int n = 0;

    list_foreach (head, it, link)
        n = n * 10 + it->value;
    return n;
}

static void make(struct item *items, int n)
{
    for (int i = 0; i < n; i++) {
        items[i].value = i + 1;
        list_init(&items[i].link);
    }
}

START_TEST(append_prepend_pop)
{
    struct list head = LIST_INIT(head);
    struct item items[3];

    make(items, 3);
    ck_assert(list_is_empty(&head));
    ck_assert_ptr_null(list_pop(&head));
    ck_assert_ptr_null(list_first(&head, struct item, link));
    ck_assert_ptr_null(list_last(&head, struct item, link));
    list_append(&head, &items[0].link);
    list_append(&head, &items[1].link);
    list_prepend(&head, &items[2].link);
    ck_assert_int_eq(digits(&head), 312);
    ck_assert_ptr_eq(list_first(&head, struct item, link), &items[2]);
    ck_assert_ptr_eq(list_last(&head, struct item, link), &items[1]);
    ck_assert_ptr_eq(list_pop(&head), &items[2].link);
    ck_assert(!list_is_linked(&items[2].link));
    ck_assert_int_eq(digits(&head), 12);
}
END_TEST

START_TEST(remove_twice_is_harmless)
{
    struct list head = LIST_INIT(head);
    struct item items[3];

    make(items, 3);
    for (int i = 0; i < 3; i++)
        list_append(&head, &items[i].link);
    list_remove(&items[1].link);
    list_remove(&items[1].link);
    ck_assert(!list_is_linked(&items[1].link));
    ck_assert_int_eq(digits(&head), 13);
}
END_TEST

START_TEST(splice_moves_all_in_order)
{
    struct list a = LIST_INIT(a), b = LIST_INIT(b);
    struct item items[4];

    make(items, 4);
    list_splice(&a, &b);
    ck_assert(list_is_empty(&a));
    list_append(&b, &items[2].link);
    list_append(&b, &items[3].link);
    list_splice(&a, &b);
    ck_assert_int_eq(digits(&a), 34);
    ck_assert(list_is_empty(&b));
    list_append(&b, &items[0].link);
    list_append(&b, &items[1].link);
    list_splice(&b, &a);
    ck_assert_int_eq(digits(&b), 1234);
    list_splice(&b, &a);
    ck_assert_int_eq(digits(&b), 1234);
    ck_assert_ptr_eq(b.prev, &items[3].link);
}
END_TEST

START_TEST(safe_walk_may_remove)
{
    struct list head = LIST_INIT(head);
    struct item items[5], *it, *tmp;

    make(items, 5);
    for (int i = 0; i < 5; i++)
        list_append(&head, &items[i].link);
    list_foreach_safe (&head, it, tmp, link)
        if (it->value % 2 == 1)
            list_remove(&it->link);
    ck_assert_int_eq(digits(&head), 24);
}
END_TEST

Suite *list_suite(void)
{
    Suite *s = suite_create("list");

    suite_add(s, append_prepend_pop);
    suite_add(s, remove_twice_is_harmless);
    suite_add(s, splice_moves_all_in_order);
    suite_add(s, safe_walk_may_remove);
    return s;
}
