/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the descriptors are shared out. */

#include "node/rig.h"
#include "node/suites.h"

static struct node_files plan(uint64_t allowed, unsigned n_shards, int64_t max_connections)
{
    struct config c;
    struct node_files files;

    config_init(&c);
    c.max_connections = max_connections;
    node_files_plan(&c, 2, n_shards, allowed, &files);
    config_fini(&c);
    return files;
}

START_TEST(budgets_fit)
{
    for (uint64_t allowed = 1; allowed < 2000000; allowed = allowed * 3 / 2 + 1) {
        for (unsigned n_shards = 1; n_shards <= 64; n_shards *= 2) {
            struct node_files f = plan(allowed, n_shards, 10000);

            ck_assert_uint_ge(f.idle_segments, 4);
            ck_assert_uint_ge(f.dirty_segments, 8);
            if (allowed >= f.least) { /* whatever is short, connections and files don't take each other's part */
                ck_assert_uint_ge(f.connections, 16);
                ck_assert_uint_ge(f.connections_max, f.connections);
                ck_assert_uint_lt(f.connections_max + f.files, allowed);
                ck_assert_uint_le(16 + 48ull * n_shards + 3ull * n_shards * (f.idle_segments + f.dirty_segments),
                                  f.files);
            }
            if (allowed >= f.wanted) {
                ck_assert_uint_eq(f.connections, 10000);
                ck_assert_uint_ge(f.idle_segments + f.dirty_segments, 256);
            }
        }
    }
}
END_TEST

START_TEST(connections_count)
{
    ck_assert_uint_lt(plan(1024, 1, 100).wanted, 1200);
    ck_assert_uint_gt(plan(1024, 1, 10000).wanted, 10000);
    ck_assert_uint_lt(plan(1024, 1, 2000000).connections, 500); /* half of what is to be had */
    ck_assert_uint_gt(plan(1024, 1, 2000000).connections, 300);
    ck_assert_uint_gt(plan(1024, 1, 2000000).dirty_segments, 64);
    ck_assert_uint_lt(plan(1024, 1, 100).connections_max, 103);
    ck_assert_uint_gt(plan(1000000, 1, 100).connections_max, 900000); /* files leave what they have no use for */
    ck_assert_uint_eq(plan(UINT64_MAX, 1, 10000).dirty_segments, 16384);
}
END_TEST

Suite *files_suite(void)
{
    Suite *s = suite_create("files");

    suite_add(s, budgets_fit);
    suite_add(s, connections_count);
    return s;
}
