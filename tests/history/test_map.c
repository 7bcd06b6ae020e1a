/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history/map.h"

#include "base/util.h"
#include "history/suites.h"
#include "support/rand.h"

#define N_KEYS 500

/* Keys k stand for the pair (k % 7, k / 7). */
static uint32_t *find(struct map *m, size_t key)
{
    return map_find(m, key % 7, key / 7);
}

START_TEST(empty_one_finds_nothing)
{
    struct map m = { 0 };

    ck_assert_ptr_null(map_find(&m, 0, 0));
    ck_assert_ptr_null(m.slots);
    map_fini(&m);
}
END_TEST

START_TEST(does_as_an_array_does)
{
    bool is_there[N_KEYS] = { 0 };
    uint32_t values[N_KEYS] = { 0 };
    struct map m = { 0 };
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 100000; i++) {
        size_t key = rand_below(&r, N_KEYS);

        if (rand_chance(&r, 1, 2)) {
            bool is_new;
            uint32_t *v = map_add(&m, key % 7, key / 7, (uint32_t)i, &is_new);

            ck_quick(is_new == !is_there[key]);
            if (is_new)
                values[key] = (uint32_t)i;
            is_there[key] = true;
            ck_quick(*v == values[key]);
        } else if (is_there[key]) {
            map_remove(&m, key % 7, key / 7);
            is_there[key] = false;
        }
        key = rand_below(&r, N_KEYS);
        ck_quick((find(&m, key) != NULL) == is_there[key]);
        ck_quick(!is_there[key] || *find(&m, key) == values[key]);
    }
    for (size_t key = 0; key < N_KEYS; key++)
        ck_assert((find(&m, key) != NULL) == is_there[key]);
    map_fini(&m);
}
END_TEST

Suite *map_suite(void)
{
    Suite *s = suite_create("map");

    suite_add(s, empty_one_finds_nothing);
    suite_add(s, does_as_an_array_does);
    return s;
}
