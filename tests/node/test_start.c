/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Data directories that a start must refuse, untouched, or repair. */

#include <stdio.h>

#include "base/util.h"
#include "journal/superblock.h"
#include "node/internal.h"
#include "node/rig.h"
#include "node/suites.h"

DEFINE_CLEANUP(struct disk_file *, disk_close)

static struct rig *used(uint64_t seed)
{
    struct rig *r = rig_new(seed, 2);
    struct client *c;
    int64_t offset;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    ck_assert_int_eq(ask_produce(c, "a", 3, 42, 1, &offset), 0);
    rig_run(r, 3000 * MS); /* the image is written, the superblock complete */
    return r;
}

static void check(struct rig *r)
{
    uint64_t ids[8];
    int64_t offsets[8], next;

    ck_assert_int_eq(ask_fetch(rig_connect(r, 0), "a", 3, 0, ids, offsets, 8, &next), 1);
    ck_assert_uint_eq(ids[0], 42);
}

static void must_refuse(struct rig *r, int code)
{
    uint64_t steps = sim_disk_steps(r->disk);

    ck_assert_int_eq(rig_start(r), code);
    ck_assert_uint_eq(sim_disk_steps(r->disk), steps);
    ck_assert_uint_gt(strlen(r->err.text), 10);
    sim_disk_exit(r->disk);
}

START_TEST(another_nodes_directory_is_refused)
{
    struct rig *r = used(1);

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    free(r->config.node_id);
    r->config.node_id = xstrdup("n2");
    must_refuse(r, NODE_E_DATA);
    free(r->config.node_id);
    r->config.node_id = xstrdup("n1");
    rig_start_ok(r);
    check(r);
    rig_free(r);
}
END_TEST

START_TEST(a_newer_versions_directory_is_refused)
{
    struct rig *r = used(2);

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    for (uint64_t copy = 0; copy < SUPERBLOCK_COPIES; copy++)
        ck_assert_int_eq(sim_disk_flip(r->disk, "superblock", copy * SUPERBLOCK_COPY_SIZE + 8, 0x40), 0);
    must_refuse(r, NODE_E_DATA);
    rig_free(r);
}
END_TEST

START_TEST(a_lost_superblock_is_refused)
{
    struct rig *r = used(3);

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    ck_assert_int_eq(disk_unlink(sim_disk_env(r->disk), "superblock"), 0);
    must_refuse(r, NODE_E_DATA);
    rig_free(r);
}
END_TEST

/* A crash of the first start may keep the superblock's name and not those of the directories that were made before. */
START_TEST(directories_may_be_lost_at_first)
{
    struct rig *r = rig_new(16, 2);
    struct env_disk *disk = sim_disk_env(r->disk);
    int64_t offset;

    ck_assert_int_eq(rig_start(r), 0);
    rig_crash(r, SIM_CRASH_NOTHING);
    ck_assert_int_eq(disk_unlink(disk, "state"), 0);
    ck_assert_int_eq(disk_unlink(disk, "topics"), 0);
    rig_start_ok(r);
    ck_assert_int_eq(ask_create(rig_connect(r, 0), "a", 4), 0);
    ck_assert_int_eq(ask_produce(rig_connect(r, 0), "a", 3, 42, 1, &offset), 0);
    rig_run(r, 3000 * MS);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    check(r);
    rig_free(r);
}
END_TEST

static int remove_file(void *ctx, const struct disk_dirent *ent)
{
    _cleanup_(freep) char *path = xasprintf("journal/1/%s", ent->name);

    return disk_unlink(ctx, path) < 0;
}

START_TEST(a_lost_journal_is_refused)
{
    struct rig *r = used(4);
    struct env_disk *disk = sim_disk_env(r->disk);

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    for (int i = 0; i < 20 && disk_list(disk, "journal/1", remove_file, disk) != 0; i++)
        ;
    ck_assert_int_gt(rig_start(r), 0);
    rig_free(r);
}
END_TEST

START_TEST(a_second_process_is_refused)
{
    struct rig *r = used(5);
    struct rig second = *r;

    ck_assert_int_eq(rig_start(&second), NODE_E_BUSY);
    check(r);
    rig_free(r);
}
END_TEST

/* The database is derived: it is made again from the log. */
START_TEST(a_damaged_image_is_rebuilt)
{
    static const uint64_t places[] = { 0, 20, 100, 4096, 4100, 5000, 8000, 9000 };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct rig *r = used(6);

        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        for (uint64_t at = 0; at < 64; at++)
            if (sim_disk_flip(r->disk, "state/0.db", places[i] + at, 0x55) < 0)
                break;
        rig_start_ok(r);
        check(r);
        rig_free(r);
    }
}
END_TEST

START_TEST(an_unreadable_image_is_rebuilt)
{
    unsigned n = 0;

    for (uint64_t at = 0; at < 64 * 4096; at += 4096) {
        struct rig *r = used(6);

        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        if (sim_disk_damage_at(r->disk, "state/0.db", at, SIM_DAMAGE_UNREADABLE, &r->prng) == 0) {
            rig_start_ok(r);
            check(r);
            ck_assert_int_eq(ask_create(&r->clients[0], "b", 1), 0);
            n++;
        }
        rig_free(r);
    }
    ck_assert_uint_gt(n, 2);
}
END_TEST

START_TEST(a_lost_image_is_rebuilt)
{
    struct rig *r = used(7);

    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    ck_assert_int_eq(disk_unlink(sim_disk_env(r->disk), "state/0.db"), 0);
    rig_start_ok(r);
    check(r);
    ck_assert_int_eq(ask_create(&r->clients[0], "b", 1), 0);
    rig_free(r);
}
END_TEST

static void copy_file(struct env_disk *from, struct env_disk *to, const char *path)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL, *t = NULL;
    uint8_t data[4096];
    ssize_t n;

    ck_assert_int_eq(disk_open(from, path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_open(to, path, DISK_WRITE | DISK_CREATE, &t), 0);
    ck_assert_int_eq(disk_truncate(t, 0), 0);
    for (uint64_t at = 0; (n = disk_pread(f, data, sizeof(data), at)) > 0; at += (uint64_t)n)
        ck_assert_int_eq(disk_pwrite(t, data, (size_t)n, at), 0);
}

/* An image that doesn't fit the log: of another node's life, ahead of it, or beside it. */
START_TEST(an_image_of_another_history_is_rebuilt)
{
    for (unsigned n_topics = 0; n_topics < 12; n_topics += 3) {
        struct rig *r = used(8), *other = rig_new(99, 1);
        char name[16];

        rig_start_ok(other);
        rig_connect(other, 0);
        for (unsigned i = 0; i < n_topics; i++) {
            snprintf(name, sizeof(name), "x%u", i);
            ck_assert_int_eq(ask_create(&other->clients[0], name, 1), 0);
        }
        ck_assert(rig_stop(other, 1000 * MS, 5000 * MS));
        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        copy_file(sim_disk_env(other->disk), sim_disk_env(r->disk), "state/0.db");
        rig_start_ok(r);
        check(r);
        rig_free(other);
        rig_free(r);
    }
}
END_TEST

/* The number of shards stays what it was. */
START_TEST(reactors_may_change)
{
    struct rig *r = used(9);

    for (unsigned n = 1; n <= 4; n++) {
        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        r->n_reactors = n;
        for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
            r->clients[i].reactor = i % n;
        rig_start_ok(r);
        check(r);
    }
    rig_free(r);
}
END_TEST

static int find_orphan(void *ctx, const struct journal_group_state *st)
{
    return node_group_find(ctx, st->group) == NULL;
}

/* A crash between a topic's deletion and the end of its groups leaves nothing that keeps journal files. */
START_TEST(orphans_leave_the_journal)
{
    for (uint64_t step = 0; step < 24; step++) {
        struct rig *r = used(10);

        sim_disk_crash_after(r->disk, step);
        ask_delete(&r->clients[0], "a");
        rig_run(r, 100 * MS);
        rig_crash(r, SIM_CRASH_DRAW);
        rig_start_ok(r);
        rig_run(r, 2000 * MS);
        rig_crash(r, SIM_CRASH_NOTHING);
        rig_start_ok(r);
        ck_assert_int_eq(r->fatal_error, 0);
        for (unsigned s = 0; s < r->n_shards; s++)
            ck_assert_int_eq(journal_groups(r->node->shards[s].journal, find_orphan, &r->node->shards[s]), 0);
        rig_free(r);
    }
}
END_TEST

static void expect_port(struct client *c, int32_t port)
{
    struct wire_metadata_request m;
    struct wire_metadata_response answer;

    wire_metadata_request_init(&m);
    m.n_topics = -1;
    ck_assert(client_ask(c, WIRE_API_METADATA, 12, &m, &answer));
    ck_assert_int_eq(answer.n_brokers, 1);
    ck_assert_int_eq(answer.brokers[0].port, port);
    ck_assert_int_eq(answer.n_topics, 1);
}

/* A client that comes before the node is ready is told what it would be told afterwards, by each reactor. */
START_TEST(the_first_answer_is_right)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *r = rig_new(seed, 2);
        int32_t n = 0;

        ck_assert_int_eq(rig_start(r), 0);
        ck_assert_int_eq(ask_metadata(rig_connect(r, seed % 2), "a", true, &n), 0);
        ck_assert_int_eq(n, 1);
        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        r->config.advertised_port = 9093;
        ck_assert_int_eq(rig_start(r), 0);
        rig_connect(r, 0);
        rig_connect(r, 1);
        expect_port(&r->clients[seed % 2], 9093);
        expect_port(&r->clients[1 - seed % 2], 9093);
        rig_free(r);
    }
}
END_TEST

struct start_cost {
    uint64_t n_opens, n_lists, n_reads;
    int n_groups; /* that the journals know */
};

static int count_group(void *ctx, const struct journal_group_state *st)
{
    ++*(int *)ctx;
    return 0;
}

/* What a start costs that finds a topic of n partitions with records in the first n_written of them. */
static struct start_cost start_cost(int32_t n, int32_t n_written)
{
    struct rig *r = rig_new(11, 2);
    struct start_cost cost = { 0 };
    int64_t offset;

    rig_start_ok(r);
    ck_assert_int_eq(ask_create(rig_connect(r, 0), "a", n), 0);
    for (int32_t p = 0; p < n_written; p++)
        ck_assert_int_eq(ask_produce(&r->clients[0], "a", p, 42, 1, &offset), 0);
    ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    cost.n_opens -= sim_disk_calls(r->disk, SIM_DISK_OPEN);
    cost.n_lists -= sim_disk_calls(r->disk, SIM_DISK_LIST);
    cost.n_reads -= sim_disk_calls(r->disk, SIM_DISK_READ);
    ck_assert_int_eq(rig_start(r), 0);
    cost.n_opens += sim_disk_calls(r->disk, SIM_DISK_OPEN);
    cost.n_lists += sim_disk_calls(r->disk, SIM_DISK_LIST);
    cost.n_reads += sim_disk_calls(r->disk, SIM_DISK_READ);
    for (unsigned s = 0; s < r->n_shards; s++)
        journal_groups(r->node->shards[s].journal, count_group, &cost.n_groups);
    rig_free(r);
    return cost;
}

START_TEST(partitions_without_records_cost_nothing)
{
    struct start_cost few = start_cost(100, 0), many = start_cost(110, 0);

    ck_assert_uint_eq(many.n_opens, few.n_opens);
    ck_assert_uint_eq(many.n_lists, few.n_lists);
    ck_assert_uint_eq(many.n_reads, few.n_reads);
    ck_assert_int_eq(many.n_groups, 1); /* the metadata's */
}
END_TEST

/* The directory, the table, the record batches and the snapshot, each opened once; of the table its header and then its
 * records, and the snapshot, each read once. */
START_TEST(partitions_with_records_cost_little)
{
    struct start_cost few = start_cost(40, 10), many = start_cost(40, 20);

    ck_assert_uint_eq(many.n_lists - few.n_lists, 10 * 1);
    ck_assert_uint_eq(many.n_opens - few.n_opens, 10 * 3);
    ck_assert_uint_eq(many.n_reads - few.n_reads, 10 * 3);
}
END_TEST

Suite *start_suite(void)
{
    Suite *s = suite_create("start");

    suite_add(s, another_nodes_directory_is_refused);
    suite_add(s, a_newer_versions_directory_is_refused);
    suite_add(s, a_lost_superblock_is_refused);
    suite_add(s, directories_may_be_lost_at_first);
    suite_add(s, a_lost_journal_is_refused);
    suite_add(s, a_second_process_is_refused);
    suite_add(s, a_damaged_image_is_rebuilt);
    suite_add(s, an_unreadable_image_is_rebuilt);
    suite_add(s, a_lost_image_is_rebuilt);
    suite_add(s, an_image_of_another_history_is_rebuilt);
    suite_add(s, reactors_may_change);
    suite_add(s, the_first_answer_is_right);
    suite_add(s, orphans_leave_the_journal);
    suite_add(s, partitions_without_records_cost_nothing);
    suite_add(s, partitions_with_records_cost_little);
    return s;
}
