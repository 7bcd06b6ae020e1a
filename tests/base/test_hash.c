/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"

#include <signal.h>

#include "base/endian.h"
#include "base/suites.h"
#include "support/rand.h"

/* Of the bytes 0, 1, 2, …, under two keys; made by CPython 3.11, whose hash(bytes) is SipHash-1-3. */
START_TEST(siphash_equals_cpythons)
{
    static const struct {
        size_t size;
        uint64_t zero_key, other_key;
    } cases[] = {
        { 1, 0x68a914128e01e473, 0x7e255bf0210f9775 },  { 7, 0x2f098ab0c751325a, 0x987cfd95990dd34b },
        { 8, 0xead411e67ebe2eea, 0x8450991e34fe08de },  { 9, 0x75927f9d95124362, 0xa0a0a12bd6c44f35 },
        { 15, 0xf30eb725bb91c9ea, 0x1517e7dc54a43f5b }, { 16, 0x8972188433a5c5b7, 0x642bba6a6c24ebf5 },
        { 63, 0x385d3e39e5f37359, 0xb1eaa0579bb21aa3 },
    };
    uint8_t data[63];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_uint_eq(hash_siphash13(data, cases[i].size, 0, 0), cases[i].zero_key);
        ck_assert_uint_eq(hash_siphash13(data, cases[i].size, 0x12c874a1806f0e3d, 0x470a89d2f9d2784f),
                          cases[i].other_key);
    }
}
END_TEST

START_TEST(u64_hash_is_that_of_its_bytes)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 1000; i++) {
        uint64_t key = rand_edgy_u64(&r), seed = rand_u64(&r);
        uint8_t bytes[8];

        store_le64(bytes, key);
        ck_assert_uint_eq(hash_u64(key, seed), hash_bytes(bytes, sizeof(bytes), seed));
        ck_assert_uint_ne(hash_u64(key, seed), hash_u64(key, seed + 1));
        ck_assert_uint_ne(hash_u64(key, seed), hash_u64(key + 1, seed));
    }
}
END_TEST

struct item {
    struct hash_node node;
    uint64_t key;
    bool in;
};

START_TEST(equal_hashes_are_told_apart_by_the_caller)
{
    struct hash_table t;
    struct item items[3];
    struct hash_node *n;
    int seen = 0;

    hash_table_init(&t);
    ck_assert_ptr_null(hash_first(&t, 5));
    ck_assert_ptr_null(hash_walk(&t, NULL));
    for (int i = 0; i < 3; i++)
        hash_insert(&t, &items[i].node, 5);
    for (n = hash_first(&t, 5); n != NULL; n = hash_next(n))
        seen |= 1 << (container_of(n, struct item, node) - items);
    ck_assert_int_eq(seen, 7);
    hash_remove(&t, &items[1].node);
    n = hash_first(&t, 5);
    ck_assert_ptr_ne(n, &items[1].node);
    ck_assert_ptr_ne(hash_next(n), &items[1].node);
    ck_assert_ptr_null(hash_next(hash_next(n)));
    /* The same bucket, another hash. */
    ck_assert_ptr_null(hash_first(&t, 5 + ((uint64_t)1 << 40)));
    hash_table_fini(&t);
}
END_TEST

START_TEST(removing_a_stranger_aborts)
{
    struct hash_table t;
    struct hash_node in, out = { .hash = 5 };

    hash_table_init(&t);
    hash_insert(&t, &in, 5);
    hash_remove(&t, &out);
}
END_TEST

#define N 3000

static struct item items[N];

static struct item *find(const struct hash_table *t, uint64_t key, uint64_t seed)
{
    for (struct hash_node *n = hash_first(t, hash_u64(key, seed)); n != NULL; n = hash_next(n))
        if (container_of(n, struct item, node)->key == key)
            return container_of(n, struct item, node);
    return NULL;
}

static size_t count_by_walk(const struct hash_table *t)
{
    size_t count = 0;

    for (struct hash_node *n = hash_walk(t, NULL); n != NULL; n = hash_walk(t, n)) {
        ck_assert(container_of(n, struct item, node)->in);
        count++;
    }
    return count;
}

START_TEST(random_operations_match_flags)
{
    struct hash_table t;
    struct rand r;
    uint64_t seed;
    size_t count = 0;

    rand_init(&r);
    seed = rand_u64(&r);
    hash_table_init(&t);
    for (int i = 0; i < N; i++)
        items[i].key = (uint64_t)i;
    for (int step = 0; step < 50000; step++) {
        struct item *it = &items[rand_below(&r, step < 1000 ? 100 : N)];

        ck_assert_ptr_eq(find(&t, it->key, seed), it->in ? it : NULL);
        if (it->in)
            hash_remove(&t, &it->node);
        else
            hash_insert(&t, &it->node, hash_u64(it->key, seed));
        it->in = !it->in;
        count += it->in ? 1 : (size_t)-1;
        ck_assert_uint_eq(t.count, count);
        if (step % 1000 == 0)
            ck_assert_uint_eq(count_by_walk(&t), count);
    }
    ck_assert_uint_ge(t.n_buckets, count);
    ck_assert_uint_le(t.n_buckets, 4096);
    hash_table_fini(&t);
    ck_assert_uint_eq(t.count, 0);
}
END_TEST

Suite *hash_suite(void)
{
    Suite *s = suite_create("hash");

    suite_add(s, siphash_equals_cpythons);
    suite_add(s, u64_hash_is_that_of_its_bytes);
    suite_add(s, equal_hashes_are_told_apart_by_the_caller);
    suite_add(s, random_operations_match_flags);
    suite_add_dying(s, removing_a_stranger_aborts, SIGABRT);
    return s;
}
