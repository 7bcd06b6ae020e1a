/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Power loss at any moment of a node's life, as clients see it: what was acknowledged is there, in order, once. */

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "support/rand.h"

#define N_PARTITIONS 4
#define MAX_ACKS 2000

/* What clients know. Ids of one partition rise; one client writes to it. */
struct known {
    bool topic;
    struct {
        uint64_t id;
        int64_t offset;
    } acked[N_PARTITIONS][MAX_ACKS];
    int n_acked[N_PARTITIONS];
    uint64_t in_flight[RIG_MAX_CLIENTS];
    int32_t partition[RIG_MAX_CLIENTS];
};

static void take_acks(struct rig *r, struct known *k, unsigned i)
{
    int64_t offset;
    int16_t error;

    if (k->in_flight[i] == 0 || !recv_produce(&r->clients[i], &error, &offset))
        return;
    if (error == 0) {
        int32_t p = k->partition[i];

        ck_assert_int_lt(k->n_acked[p], MAX_ACKS);
        k->acked[p][k->n_acked[p]].id = k->in_flight[i];
        k->acked[p][k->n_acked[p]++].offset = offset;
    }
    k->in_flight[i] = 0;
}

static void work(struct rig *r, struct known *k, int rounds)
{
    if (!k->topic) {
        rig_connect(r, 0);
        k->topic = ask_create(&r->clients[0], "t", N_PARTITIONS) == 0;
    }
    for (unsigned i = 1; i <= N_PARTITIONS; i++)
        rig_connect(r, i);
    for (int round = 0; round < rounds && r->fatal_error == 0; round++) {
        for (unsigned i = 1; i <= N_PARTITIONS; i++) {
            take_acks(r, k, i);
            if (k->in_flight[i] != 0 || r->clients[i].dead)
                continue;
            k->partition[i] = (int32_t)i - 1;
            k->in_flight[i] = ++r->next_id;
            send_produce(&r->clients[i], "t", k->partition[i], k->in_flight[i],
                         1 + (int32_t)sim_prng_below(&r->prng, 3), sim_prng_below(&r->prng, 4000));
        }
        for (uint64_t s = sim_prng_below(&r->prng, 10); s > 0; s--)
            rig_step(r);
        if (sim_prng_chance(&r->prng, 1, 4))
            rig_run(r, sim_prng_below(&r->prng, 300) * MS);
    }
    for (unsigned i = 1; i <= N_PARTITIONS; i++) {
        take_acks(r, k, i);
        k->in_flight[i] = 0; /* maybe in the log, maybe not */
    }
}

static void check_partition(struct rig *r, const struct known *k, int32_t p)
{
    uint64_t ids[64], last = 0;
    int64_t offsets[64], next = 0;
    int acked = 0, n;

    while ((n = ask_fetch(&r->clients[0], "t", p, next, ids, offsets, 64, &next)) > 0) {
        for (int i = 0; i < n; i++) {
            ck_assert_msg(ids[i] > last, "partition %d: %d after %d", p, (int)ids[i], (int)last);
            last = ids[i];
            if (acked < k->n_acked[p] && k->acked[p][acked].offset == offsets[i]) {
                ck_assert_uint_eq(ids[i], k->acked[p][acked].id);
                acked++;
            }
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(acked, k->n_acked[p]);
}

static void check(struct rig *r, const struct known *k)
{
    rig_connect(r, 0);
    if (!k->topic)
        return;
    for (int32_t p = 0; p < N_PARTITIONS; p++)
        check_partition(r, k, p);
    ck_assert_int_eq(r->fatal_error, 0);
}

static struct known *one_life(uint64_t seed, unsigned n_reactors, uint64_t step, uint64_t *ret_steps)
{
    struct known *k = xcalloc(1, sizeof(*k));
    struct rig *r = rig_new(seed, n_reactors);

    if (step != UINT64_MAX)
        sim_disk_crash_after(r->disk, step);
    if (rig_start(r) == 0)
        work(r, k, 12);
    *ret_steps = sim_disk_steps(r->disk);
    rig_crash(r, SIM_CRASH_DRAW);
    rig_start_ok(r);
    check(r, k);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    check(r, k);
    rig_free(r);
    return k;
}

START_TEST(crash_at_each_step)
{
    uint64_t steps, ignored;

    free(one_life(1, (unsigned)_i, UINT64_MAX, &steps));
    ck_assert_uint_gt(steps, 60);
    for (uint64_t step = 0; step < steps; step++)
        free(one_life(1, (unsigned)_i, step, &ignored));
}
END_TEST

/* Also when a first start, or any other, is cut short again and again. */
START_TEST(crash_in_recovery)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct known *k = xcalloc(1, sizeof(*k));
        struct rig *r = rig_new(40 + seed, (unsigned)_i);

        if (seed > 0) {
            rig_start_ok(r);
            work(r, k, 3 + (int)seed * 2);
            rig_crash(r, SIM_CRASH_DRAW);
        }
        for (uint64_t steps = 0;; steps++) {
            int rc;

            sim_disk_crash_after(r->disk, steps);
            rc = rig_start(r);
            if (rc == 0) {
                rig_run(r, 20 * MS);
                if (r->fatal_error == 0)
                    break;
            }
            rig_crash(r, SIM_CRASH_DRAW);
        }
        sim_disk_crash_after(r->disk, UINT64_MAX);
        rig_kill(r);
        rig_start_ok(r);
        check(r, k);
        rig_free(r);
        free(k);
    }
}
END_TEST

START_TEST(many_lives)
{
    struct rand rand;

    rand_init(&rand);
    for (int life = 0; life < 10; life++) {
        struct known *k = xcalloc(1, sizeof(*k));
        struct rig *r = rig_new(rand_u64(&rand), (unsigned)_i);

        for (int era = 0; era < 8; era++) {
            rig_start_ok(r);
            check(r, k);
            if (rand_chance(&rand, 2, 3))
                sim_disk_crash_after(r->disk, rand_below(&rand, 150));
            work(r, k, 25);
            sim_disk_crash_after(r->disk, UINT64_MAX);
            rig_run(r, 100 * MS); /* a call that failed may be on its way home */
            if (rand_chance(&rand, 1, 4) && r->fatal_error == 0) {
                ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
            } else if (rand_chance(&rand, 1, 3)) {
                rig_kill(r);
            } else {
                rig_crash(r, SIM_CRASH_DRAW);
            }
        }
        rig_start_ok(r);
        check(r, k);
        rig_free(r);
        free(k);
    }
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_loop_test(tc_, test, 1, 3); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *crash_suite(void)
{
    Suite *s = suite_create("crash");

    add(s, crash_at_each_step);
    add(s, crash_in_recovery);
    add(s, many_lives);
    return s;
}
