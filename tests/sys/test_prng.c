/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/prng.h"
#include "sys/suites.h"

#define N 4096

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Equal ones would mean that a byte is given out twice or not written. */
START_TEST(draws_differ)
{
    uint64_t seen[N];

    for (int i = 0; i < N; i++)
        seen[i] = prng_u64(sys_prng());
    qsort(seen, N, sizeof(seen[0]), compare_u64);
    for (int i = 1; i < N; i++)
        ck_assert_uint_ne(seen[i - 1], seen[i]);
}
END_TEST

START_TEST(fills_all_of_every_size)
{
    uint8_t bytes[1024 + 1], any[1024];

    for (size_t size = 0; size <= 1024; size = size < 80 ? size + 1 : size * 2) {
        memset(any, 0, sizeof(any));
        for (int round = 0; round < 16; round++) {
            memset(bytes, 0, sizeof(bytes));
            prng_fill(sys_prng(), bytes, size);
            ck_assert_uint_eq(bytes[size], 0);
            for (size_t i = 0; i < size; i++)
                any[i] |= bytes[i];
        }
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_ne(any[i], 0);
    }
}
END_TEST

START_TEST(a_fork_draws_its_own)
{
    uint64_t mine, childs;
    int fds[2];
    pid_t pid;

    (void)prng_u64(sys_prng()); /* fills the buffer */
    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        childs = prng_u64(sys_prng());
        _exit(write(fds[1], &childs, sizeof(childs)) == (ssize_t)sizeof(childs) ? 0 : 1);
    }
    mine = prng_u64(sys_prng());
    ck_assert_int_eq(read(fds[0], &childs, sizeof(childs)), sizeof(childs));
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_uint_ne(mine, childs);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void *draw(void *to)
{
    *(uint64_t *)to = prng_u64(sys_prng());
    return NULL;
}

START_TEST(threads_draw_their_own)
{
    uint64_t drawn[4];
    pthread_t t[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, draw, &drawn[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(t[i], NULL), 0);
    for (int i = 1; i < 4; i++)
        ck_assert_uint_ne(drawn[i], drawn[i - 1]);
}
END_TEST

Suite *prng_suite(void)
{
    Suite *s = suite_create("prng");

    suite_add(s, draws_differ);
    suite_add(s, fills_all_of_every_size);
    suite_add(s, a_fork_draws_its_own);
    suite_add(s, threads_draw_their_own);
    return s;
}
