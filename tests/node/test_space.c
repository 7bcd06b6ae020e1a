/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Room on the disk: Produce closes before it is full, what was acknowledged finds its room, and all opens again by
 * itself. Each with one reactor and with several. */

#include "base/util.h"
#include "node/internal.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

#define MIB (UINT64_C(1) << 20)
#define LOW (16 * MIB)         /* Produce closes below it; the partitions here add little */
#define RESERVE (35 * MIB / 2) /* for a write cache of a MiB */
#define CAPACITY (512 * MIB)

/* Somebody else's file takes all but so much. */
static void leave_free(struct rig *r, uint64_t bytes)
{
    struct env_disk *disk = sim_disk_env(r->disk);
    struct disk_space space;
    struct disk_file *f;

    ck_assert_int_eq(disk_open(disk, "other", DISK_WRITE | DISK_CREATE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, 0), 0);
    ck_assert_int_eq(disk_space(disk, &space), 0);
    ck_assert_uint_ge(space.free_bytes, bytes);
    ck_assert_int_eq(disk_allocate(f, 0, space.free_bytes - bytes), 0);
    disk_close(f);
}

static struct rig *rig_on_small_disk(uint64_t seed, int n_reactors)
{
    struct rig *r = rig_new(seed, (unsigned)n_reactors);

    sim_disk_set_capacity(r->disk, CAPACITY);
    return r;
}

static int note_name(void *ctx, const struct disk_dirent *ent)
{
    return strcmp(ent->name, "reserve") == 0;
}

static bool has_reserve(struct rig *r)
{
    return disk_list(sim_disk_env(r->disk), ".", note_name, NULL) == 1;
}

static bool is_full(const struct rig *r)
{
    struct node_disk_state state;
    bool full = false;

    for (unsigned i = 0; i < r->n_reactors; i++) {
        node_disk_state(r->node, i, &state);
        full = full || state.full;
    }
    return full;
}

static struct rig *started(uint64_t seed, int i, struct client **ret)
{
    struct rig *r = rig_on_small_disk(seed, i);

    rig_start_ok(r);
    *ret = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(*ret, "a", 4), 0);
    rig_run(r, 1000 * MS);
    ck_assert(has_reserve(r));
    return r;
}

static int16_t produce(struct client *c, int32_t partition, uint64_t id)
{
    int64_t offset;

    return ask_produce(c, "a", partition, id, 1, &offset);
}

START_TEST(produce_closes_before_the_disk_is_full)
{
    struct client *c;
    struct rig *r = started(50, _i, &c);
    uint64_t ids[4];
    int64_t offsets[4], next;

    ck_assert_int_eq(produce(c, 0, 7), 0);
    leave_free(r, LOW - MIB);
    rig_run(r, 10000 * MS); /* an idle node looks now and then */
    ck_assert(is_full(r));
    ck_assert(has_reserve(r));
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(produce(c, p, 8), KAFKA_E_NOT_ENOUGH_REPLICAS);
    ck_assert_int_eq(ask_fetch(c, "a", 0, 0, ids, offsets, 4, &next), 1);
    ck_assert_int_eq(ask_create(c, "b", 1), 0);
    ck_assert_int_eq(ask_delete(c, "b"), 0);
    leave_free(r, LOW + 2 * MIB); /* opens with more than it closes at */
    rig_run(r, 10000 * MS);
    ck_assert_int_eq(produce(c, 0, 8), KAFKA_E_NOT_ENOUGH_REPLICAS);
    leave_free(r, 2 * LOW);
    rig_run(r, 3000 * MS);
    ck_assert(!is_full(r));
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(produce(c, p, 8), 0);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

static void collected(struct node_report *report)
{
    report->done = NULL;
}

static uint64_t pending_bytes(struct rig *r)
{
    struct node_report report = { .done = collected };
    uint64_t bytes;

    node_collect(r->node, &report);
    rig_run(r, 10 * MS);
    ck_assert_ptr_null(report.done);
    bytes = report.pending_bytes;
    node_report_fini(&report);
    return bytes;
}

/* Acknowledged, not in a segment yet, and then the disk is full to the last block. */
START_TEST(the_reserve_takes_what_was_acknowledged)
{
    struct client *c;
    struct rig *r = started(51, _i, &c);
    uint64_t ids[40];
    int64_t offsets[40], next = 0;

    for (int i = 0; i < 20; i++)
        send_produce(c, "a", 0, 100 + (uint64_t)i, 1, 9000);
    for (int i = 0; i < 20; i++) {
        int64_t offset;
        int16_t error;

        while (!recv_produce(c, &error, &offset))
            rig_run(r, MS / 10);
        ck_assert_int_eq(error, 0);
    }
    ck_assert_uint_gt(pending_bytes(r), 20 * 9000);
    leave_free(r, 0);
    rig_run(r, 3000 * MS);
    ck_assert_uint_eq(pending_bytes(r), 0);
    ck_assert(!has_reserve(r));
    ck_assert(is_full(r));
    ck_assert_int_eq(produce(c, 1, 9), KAFKA_E_NOT_ENOUGH_REPLICAS);
    for (int got = 0; got < 20;) {
        int n = ask_fetch(c, "a", 0, next, ids, offsets, 40, &next);

        ck_assert_int_gt(n, 0);
        got += n;
    }
    ck_assert_int_eq(ask_delete(c, "a"), 0);
    leave_free(r, RESERVE + 2 * LOW);
    rig_run(r, 3000 * MS);
    ck_assert(has_reserve(r));
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    ck_assert_int_eq(produce(c, 1, 9), 0);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

START_TEST(a_start_without_room_for_the_reserve)
{
    struct rig *r = rig_on_small_disk(52, _i);
    struct client *c;

    leave_free(r, RESERVE + LOW);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    rig_run(r, 2000 * MS);
    ck_assert(!has_reserve(r));
    ck_assert(is_full(r));
    ck_assert_int_eq(ask_create(c, "a", 4), 0);
    ck_assert_int_eq(produce(c, 0, 1), KAFKA_E_NOT_ENOUGH_REPLICAS);
    leave_free(r, RESERVE + 3 * LOW);
    rig_run(r, 3000 * MS);
    ck_assert(has_reserve(r));
    ck_assert_int_eq(produce(c, 0, 1), 0);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    /* The reserve is there: it needn't be free once more. */
    leave_free(r, LOW + 8 * MIB);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    rig_run(r, 2000 * MS);
    ck_assert(has_reserve(r));
    ck_assert_int_eq(produce(c, 0, 2), 0);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    /* Recovery gets it. */
    leave_free(r, 0);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert(!has_reserve(r));
    ck_assert_int_eq(produce(c, 0, 3), KAFKA_E_NOT_ENOUGH_REPLICAS);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

/* Start after start on a full disk: what was stored can be read, and topics can be deleted. */
START_TEST(starts_without_any_room)
{
    struct client *c;
    static const char *const names[] = { "b", "c", "d", "e", "f", "g", "h", "i" };
    struct rig *r = started(55, _i, &c);
    int n_deleted = 0;
    uint64_t ids[4];
    int64_t offsets[4], next;

    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(ask_create(c, names[i], 1), 0);
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(produce(c, p, 7), 0);
    for (int i = 0; i < 8; i++) {
        if (i % 2 == 1)
            ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
        else /* the first time with records that aren't in a segment, so no journal file can go */
            rig_crash(r, SIM_CRASH_NOTHING);
        (void)disk_unlink(sim_disk_env(r->disk), "reserve");
        leave_free(r, 0);
        rig_start_ok(r);
        c = rig_connect(r, 0);
        rig_run(r, 2000 * MS);
        ck_assert(is_full(r));
        for (int32_t p = 0; p < 4; p++) {
            ck_assert_int_eq(produce(c, p, 8), KAFKA_E_NOT_ENOUGH_REPLICAS);
            ck_assert_int_eq(ask_fetch(c, "a", p, 0, ids, offsets, 4, &next), 1);
            ck_assert_uint_eq(ids[0], 7);
        }
        n_deleted += ask_delete(c, names[i]) == 0;
    }
    ck_assert_int_ge(n_deleted, 7); /* also where the journal has a file and room for no further one */
    leave_free(r, RESERVE + 3 * LOW);
    rig_run(r, 5000 * MS);
    ck_assert(!is_full(r));
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(produce(c, p, 9), 0);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(ask_fetch(c, "a", p, 0, ids, offsets, 4, &next), 2);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

static int32_t told_port(struct client *c)
{
    struct wire_metadata_request m;
    struct wire_metadata_response answer;

    wire_metadata_request_init(&m);
    ck_assert(client_ask(c, WIRE_API_METADATA, 12, &m, &answer));
    ck_assert_int_eq(answer.n_brokers, 1);
    return answer.brokers[0].port;
}

/* Clients are served at another address although the metadata can't be told, and it is told when there is room. */
START_TEST(starts_without_any_room_at_another_address)
{
    struct client *c;
    struct rig *r = started(59, _i, &c);
    uint64_t ids[4];
    int64_t offsets[4], next;
    int n_late = 0;

    for (int32_t p = 0; p < 4; p++)
        ck_assert_int_eq(produce(c, p, 7), 0);
    for (int i = 0; i < 12; i++) {
        if (i % 2 == 1)
            ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
        else
            rig_crash(r, SIM_CRASH_NOTHING);
        (void)disk_unlink(sim_disk_env(r->disk), "reserve");
        leave_free(r, 0);
        r->config.advertised_port = 9100 + i;
        rig_start_ok(r);
        n_late += r->node->registers_late;
        for (unsigned k = 0; k < r->n_reactors; k++)
            ck_assert_int_eq(told_port(rig_connect(r, k)), 9100 + i);
        ck_assert_int_eq(ask_fetch(&r->clients[0], "a", 0, 0, ids, offsets, 4, &next), 1);
    }
    ck_assert_int_gt(n_late, 1);
    leave_free(r, RESERVE + 3 * LOW);
    rig_run(r, 5000 * MS);
    ck_assert_int_eq(r->node->n_starting, 0);
    rig_crash(r, SIM_CRASH_NOTHING);
    ck_assert_int_eq(rig_start(r), 0);
    ck_assert_int_eq(meta_broker_by_id(&r->node->reactors[0].meta, r->node->superblock.broker_id)->port, 9111);
    ck_assert_int_eq(r->fatal_error, 0);
    rig_free(r);
}
END_TEST

/* On the full disk the topic of before is known, and again after a start with room. */
static struct client *expect_image_when_there_is_room(struct rig *r)
{
    struct client *c;

    (void)disk_unlink(sim_disk_env(r->disk), "reserve");
    leave_free(r, 0);
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), KAFKA_E_TOPIC_ALREADY_EXISTS);
    leave_free(r, RESERVE + 3 * LOW);
    rig_run(r, 5000 * MS);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), KAFKA_E_TOPIC_ALREADY_EXISTS);
    return c;
}

/* The metadata's image wasn't made yet, or has to be rolled back: it is made from the log when there is room. */
START_TEST(starts_without_room_for_the_image)
{
    struct rig *r = rig_on_small_disk(58, _i);
    struct client *c;
    int64_t offset;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), 0);
    ck_assert_int_eq(disk_unlink(sim_disk_env(r->disk), "state/0.db"), -ENOENT);
    rig_kill(r);
    c = expect_image_when_there_is_room(r);
    ck_assert_int_eq(ask_produce(c, "a", 0, 1, 1, &offset), 0);
    rig_free(r);
}
END_TEST

/* A damaged image gives back less than a new one takes. */
START_TEST(starts_without_room_to_rebuild_the_image)
{
    struct rig *r = rig_on_small_disk(59, _i);
    struct disk_file *f;
    struct client *c;

    rig_start_ok(r);
    c = rig_connect(r, 0);
    ck_assert_int_eq(ask_create(c, "a", 1), 0);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    rig_start_ok(r);
    ck_assert(rig_stop(r, 1000 * MS, 20000 * MS));
    ck_assert_int_eq(disk_open(sim_disk_env(r->disk), "state/0.db", DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, 4096), 0);
    disk_close(f);
    ck_assert_int_eq(sim_disk_flip(r->disk, "state/0.db", 2000, 1), 0);
    (void)disk_unlink(sim_disk_env(r->disk), "state/0.db-journal");
    expect_image_when_there_is_room(r);
    rig_free(r);
}
END_TEST

START_TEST(a_reserve_that_cant_be_written_ends_the_process)
{
    struct rig *r = rig_on_small_disk(53, _i);

    leave_free(r, RESERVE + LOW);
    rig_start_ok(r);
    rig_run(r, 2000 * MS);
    ck_assert_int_eq(r->fatal_error, 0);
    leave_free(r, RESERVE + 3 * LOW);
    sim_disk_fail(r->disk, SIM_DISK_ALLOCATE, 0, 1, -EROFS);
    rig_run(r, 2000 * MS);
    ck_assert_int_eq(r->fatal_error, -EROFS);
    rig_free(r);
}
END_TEST

/* Where nothing can be allocated, zeros do it. */
START_TEST(a_reserve_without_allocation)
{
    struct rig *r = rig_on_small_disk(54, _i);
    uint64_t size = 0;
    struct disk_file *f;

    sim_disk_fail(r->disk, SIM_DISK_ALLOCATE, 0, 1000, -EOPNOTSUPP);
    rig_start_ok(r);
    rig_run(r, 2000 * MS);
    ck_assert_int_eq(disk_open(sim_disk_env(r->disk), "reserve", DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    disk_close(f);
    ck_assert_uint_eq(size, RESERVE);
    rig_free(r);
}
END_TEST

#define add(s, test, reactors) \
    do { \
        TCase *tc_ = tcase_create(#test); \
        tcase_set_timeout(tc_, 60); \
        tcase_add_loop_test(tc_, test, 1, (reactors) + 1); \
        suite_add_tcase(s, tc_); \
    } while (0)

Suite *space_suite(void)
{
    Suite *s = suite_create("space");

    add(s, produce_closes_before_the_disk_is_full, 3);
    add(s, the_reserve_takes_what_was_acknowledged, 3);
    add(s, a_start_without_room_for_the_reserve, 3);
    add(s, starts_without_any_room, 3);
    add(s, starts_without_any_room_at_another_address, 3);
    add(s, starts_without_room_for_the_image, 3);
    add(s, starts_without_room_to_rebuild_the_image, 3);
    add(s, a_reserve_that_cant_be_written_ends_the_process, 1);
    add(s, a_reserve_without_allocation, 1);
    return s;
}
