/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/slab.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/suites.h"
#include "support/rand.h"

#define MAX_BLOCKS (3 * SLAB_N_BLOCKS)

/* 1 when the page has memory, 0 when it has none, −1 when it isn't there. */
static int residency(uintptr_t page)
{
    unsigned char in;

    if (mincore((void *)page, (size_t)sysconf(_SC_PAGESIZE), &in) < 0) {
        ck_assert_int_eq(errno, ENOMEM);
        return -1;
    }
    return in & 1;
}

static uintptr_t page_of(const void *p)
{
    return (uintptr_t)p & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

/* Pages that hold a byte of [p, p + size) and have memory, of those that hold none of the n others. */
static int count_resident(const uint8_t *p, size_t size, void **others, int n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int count = 0;

    for (uintptr_t at = page_of(p); at < (uintptr_t)p + size; at += page) {
        bool shared = false;

        for (int i = 0; i < n; i++)
            shared |= (uintptr_t)others[i] < at + page && (uintptr_t)others[i] + size > at;
        count += !shared && residency(at) == 1;
    }
    return count;
}

START_TEST(blocks_are_apart)
{
    static const size_t sizes[] = { 64, 576, 4096, 10304, 114752 };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct slab *slabs[MAX_BLOCKS];
        uint8_t *blocks[MAX_BLOCKS];
        struct slab_class c;

        slab_class_init(&c, sizes[i]);
        for (int k = 0; k < MAX_BLOCKS; k++) {
            blocks[k] = slab_alloc(&c, &slabs[k]);
            ck_assert_uint_eq((uintptr_t)blocks[k] % SLAB_ALIGN, 0);
            memset(blocks[k], k, sizes[i]);
        }
        for (int k = 0; k < MAX_BLOCKS; k++) {
            ck_assert_uint_eq(blocks[k][0], k);
            ck_assert_uint_eq(blocks[k][sizes[i] - 1], k);
            slab_free(slabs[k], blocks[k]);
        }
        ck_assert(list_is_empty(&c.open));
    }
}
END_TEST

START_TEST(a_freed_block_is_used_first)
{
    struct slab *slabs[SLAB_N_BLOCKS], *slab;
    void *blocks[SLAB_N_BLOCKS];
    struct slab_class c;

    slab_class_init(&c, 1024);
    for (int i = 0; i < SLAB_N_BLOCKS; i++)
        blocks[i] = slab_alloc(&c, &slabs[i]);
    ck_assert(list_is_empty(&c.open));
    slab_free(slabs[17], blocks[17]);
    ck_assert_ptr_eq(slab_alloc(&c, &slab), blocks[17]);
    ck_assert_ptr_eq(slab, slabs[0]);
    for (int i = 0; i < SLAB_N_BLOCKS; i++)
        slab_free(slabs[i], blocks[i]);
}
END_TEST

START_TEST(an_empty_slab_goes)
{
    struct slab_class c;
    struct slab *slab;
    uint8_t *block;

    slab_class_init(&c, 65536);
    block = slab_alloc(&c, &slab);
    block[0] = 1;
    ck_assert_int_eq(residency(page_of(block)), 1);
    ck_assert_int_eq(residency(page_of(block + 4096 * 4)), 0);
    slab_free(slab, block);
    ck_assert_int_eq(residency(page_of(block)), -1);
    ck_assert(list_is_empty(&c.open));
}
END_TEST

/* One of every eight stays: all pages that hold none of these are given back, in whatever order. */
START_TEST(pages_go_from_between_blocks)
{
    static const size_t sizes[] = { 576, 1088, 4096, 5184, 10304, 65600 };

    for (size_t i = 0; i < 2 * ARRAY_SIZE(sizes); i++) {
        size_t size = sizes[i / 2];
        struct slab *slabs[SLAB_N_BLOCKS];
        void *blocks[SLAB_N_BLOCKS], *live[SLAB_N_BLOCKS / 8];
        struct slab_class c;
        int n = 0;

        slab_class_init(&c, size);
        for (int k = 0; k < SLAB_N_BLOCKS; k++) {
            blocks[k] = slab_alloc(&c, &slabs[k]);
            memset(blocks[k], k, size);
            if (k % 8 == 5)
                live[n++] = blocks[k];
        }
        for (int k = 0; k < SLAB_N_BLOCKS; k++) {
            int at = i % 2 == 0 ? k : SLAB_N_BLOCKS - 1 - k;

            if (at % 8 != 5)
                slab_free(slabs[at], blocks[at]);
        }
        for (int k = 0; k < SLAB_N_BLOCKS; k++) {
            const uint8_t *b = blocks[k];

            if (k % 8 != 5)
                ck_quick(count_resident(b, size, live, n) == 0);
            for (size_t p = 0; k % 8 == 5 && p < size; p++)
                ck_quick(b[p] == k);
        }
        for (int k = 5; k < SLAB_N_BLOCKS; k += 8)
            slab_free(slabs[k], blocks[k]);
    }
}
END_TEST

START_TEST(any_order)
{
    struct slab *slabs[MAX_BLOCKS] = { NULL };
    uint8_t *blocks[MAX_BLOCKS] = { NULL };
    struct slab_class c;
    struct rand r;

    rand_init(&r);
    slab_class_init(&c, 704);
    for (int round = 0; round < 20000; round++) {
        unsigned i = (unsigned)rand_below(&r, MAX_BLOCKS);

        if (blocks[i] == NULL) {
            blocks[i] = slab_alloc(&c, &slabs[i]);
            memset(blocks[i], (int)i, 704);
            continue;
        }
        for (size_t k = 0; k < 704; k++)
            ck_quick(blocks[i][k] == i);
        slab_free(slabs[i], blocks[i]);
        blocks[i] = NULL;
    }
    for (int i = 0; i < MAX_BLOCKS; i++) {
        if (blocks[i] != NULL)
            slab_free(slabs[i], blocks[i]);
    }
    ck_assert(list_is_empty(&c.open));
}
END_TEST

Suite *slab_suite(void)
{
    Suite *s = suite_create("slab");

    suite_add(s, blocks_are_apart);
    suite_add(s, a_freed_block_is_used_first);
    suite_add(s, an_empty_slab_goes);
    suite_add(s, pages_go_from_between_blocks);
    suite_add(s, any_order);
    return s;
}
