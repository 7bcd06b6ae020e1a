/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The metadata on its way to SQLite: what is written there is what the state is, and however often something changes
 * meanwhile, it waits once. */

#include "base/util.h"
#include "node/internal.h"
#include "node/rig.h"
#include "node/suites.h"

#define N_PARTITIONS 500

struct pending {
    struct broker_command command;
    struct wr body;
};

static int n_pending;

static void ended(struct broker_command *c)
{
    struct pending *p = container_of(c, struct pending, command);

    ck_assert_int_eq(c->error, 0);
    wr_fini(&p->body);
    free(p);
    n_pending--;
}

static struct pending *command(void)
{
    struct pending *p = xcalloc(1, sizeof(*p));

    p->command.done = ended;
    wr_init_growing(&p->body, 64, 1 << 20);
    n_pending++;
    return p;
}

static void propose(struct rig *r, struct pending *p)
{
    p->command.body = slice_make(p->body.start, wr_size(&p->body));
    node_metadata_propose(r->node, &p->command);
}

static struct uuid topic_id(uint8_t byte)
{
    struct uuid id;

    memset(&id, byte, sizeof(id));
    return id;
}

static void create(struct rig *r, const char *name, uint8_t id, int32_t n_partitions)
{
    struct pending *p = command();
    struct meta_topic_create c = {
        .name = slice_str(name),
        .id = topic_id(id),
        .n_partitions = n_partitions,
        .replication_factor = 1,
        .leader = r->node->superblock.broker_id,
    };

    meta_write_topic_create(&p->body, &c);
    propose(r, p);
}

static void configure(struct rig *r, uint8_t id, int value)
{
    _cleanup_(freep) char *text = xasprintf("%d", value);
    struct meta_config_op op = { "retention.ms", text };
    struct uuid topic = topic_id(id);
    struct pending *p = command();

    meta_write_topic_configs(&p->body, &topic, false, &op, 1);
    propose(r, p);
}

static void delete_topic(struct rig *r, uint8_t id)
{
    struct uuid topic = topic_id(id);
    struct pending *p = command();

    meta_write_topic_delete(&p->body, &topic);
    propose(r, p);
}

/* Until all commands have ended; time hardly goes on. */
static void settle(struct rig *r)
{
    for (int i = 0; i < 100000 && n_pending > 0; i++)
        if (!rig_step(r))
            rig_run(r, MS / 10);
    ck_assert_int_eq(n_pending, 0);
}

static size_t waiting(const struct rig *r, unsigned *ret_n)
{
    const struct meta_record *rec;
    size_t n_bytes = 0;

    *ret_n = 0;
    list_foreach (&r->node->image.records, rec, link) {
        n_bytes += sizeof(*rec) + rec->key.size + rec->value.size;
        ++*ret_n;
    }
    return n_bytes;
}

static struct rig *fresh(uint64_t seed, unsigned n_reactors)
{
    struct rig *r = rig_new(seed, n_reactors);

    n_pending = 0;
    rig_start_ok(r);
    rig_run(r, 3000 * MS);
    ck_assert(node_image_is_idle(r->node));
    return r;
}

struct comparison {
    const struct list *records;
    int n;
};

static int compare(void *ctx, const struct state_record *stored)
{
    struct comparison *c = ctx;
    const struct meta_record *rec;

    c->n++;
    list_foreach (c->records, rec, link)
        if (rec->kind == stored->kind && slice_eq(rec->key, stored->key))
            return slice_eq(rec->value, stored->value) ? 0 : -EBADMSG;
    return -ENOENT;
}

/* What is stored is all that the state has, as of the index that goes with it. */
static void check_stored(struct rig *r)
{
    struct state_applied applied;
    struct comparison c = { 0 };
    const struct meta_record *rec;
    struct error_text err;
    struct state_db *db;
    struct list records;

    list_init(&records);
    ck_assert(node_image_is_idle(r->node));
    meta_dump(&r->node->reactors[0].meta, &records);
    c.records = &records;
    ck_assert_int_eq(state_open(sim_disk_env(r->disk), r->envs[0].prng, NODE_STATE_PATH, &db, &err), 0);
    ck_assert_int_eq(state_applied(db, META_GROUP_ID_DEFAULT, &applied), 0);
    ck_assert_uint_eq(applied.index, r->node->reactors[0].meta.applied_index);
    ck_assert_int_eq(state_load(db, META_GROUP_ID_DEFAULT, compare, &c), 0);
    list_foreach (&records, rec, link)
        c.n--;
    ck_assert_int_eq(c.n, 0);
    state_close(db);
    meta_records_fini(&records);
}

static void check_config(const struct rig *r, const char *name, const char *value)
{
    const struct meta_topic *t = meta_topic_by_name(&r->node->reactors[0].meta, slice_str(name));

    ck_assert_ptr_nonnull(t);
    ck_assert_pstr_eq(meta_topic_config(t, "retention.ms"), value);
}

/* Many changes of a large topic, between two writes. */
START_TEST(what_changes_often_waits_once)
{
    struct rig *r = fresh(1, (unsigned)_i);
    unsigned n;

    create(r, "a", 1, N_PARTITIONS);
    create(r, "b", 2, 1);
    settle(r);
    for (int i = 0; i < 300; i++) {
        configure(r, 1, 1000 + i);
        if (i % 100 == 0)
            configure(r, 2, 1000 + i);
    }
    settle(r);
    ck_assert_uint_lt(waiting(r, &n), 2000);
    ck_assert_uint_le(n, 3);
    delete_topic(r, 2);
    settle(r);
    waiting(r, &n);
    ck_assert_uint_le(n, 3);
    rig_run(r, 3000 * MS);
    check_stored(r);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    check_config(r, "a", "1299");
    ck_assert_ptr_null(meta_topic_by_name(&r->node->reactors[0].meta, slice_str("b")));
    rig_free(r);
}
END_TEST

/* A write that fails is made again, of what the state is then. */
START_TEST(what_was_not_written_waits_again)
{
    struct rig *r = rig_new(2, (unsigned)_i);

    n_pending = 0;
    rig_start_ok(r);
    create(r, "a", 1, 3);
    create(r, "b", 2, 3);
    create(r, "c", 3, 3);
    settle(r);
    ck_assert_ptr_null(r->node->image.db);
    configure(r, 1, 1001);
    configure(r, 2, 1002);
    delete_topic(r, 3);
    settle(r);
    sim_lane_hold(r->lane, LANE_POOL, 0, true);
    for (int i = 0; i < 5000 && r->node->image.job == NULL; i++)
        rig_run(r, MS);
    ck_assert_ptr_nonnull(r->node->image.job);
    create(r, "c", 3, 2); /* meanwhile, with the id of one that is gone */
    delete_topic(r, 1);
    create(r, "a", 1, 2);
    settle(r);
    sim_lane_hold(r->lane, LANE_POOL, 0, false);
    sim_disk_fail(r->disk, SIM_DISK_OPEN, 0, 1000, -EMFILE);
    for (int i = 0; i < 5000 && !r->node->image.full; i++)
        rig_run(r, MS);
    ck_assert(r->node->image.full);
    ck_assert_int_eq(r->fatal_error, 0);
    configure(r, 1, 1003);
    delete_topic(r, 2);
    create(r, "d", 4, 2);
    settle(r);
    sim_disk_fail_no_more(r->disk);
    rig_run(r, 5000 * MS);
    check_stored(r);
    rig_crash(r, SIM_CRASH_NOTHING);
    rig_start_ok(r);
    check_config(r, "a", "1003");
    check_config(r, "c", NULL);
    check_config(r, "d", NULL);
    ck_assert_ptr_null(meta_topic_by_name(&r->node->reactors[0].meta, slice_str("b")));
    rig_free(r);
}
END_TEST

/* Changes go on while a write is under way, and a crash comes at any time: what is stored is as of its index, or the
 * log would not go on from there. */
START_TEST(crashes_between_writes)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rig *r = fresh(100 + seed, (unsigned)_i);
        int value = 0;

        create(r, "a", 1, 40);
        for (int round = 0; round < 30; round++) {
            configure(r, 1, ++value);
            if (round % 7 == 3)
                create(r, "b", 2, 3);
            if (round % 7 == 5)
                delete_topic(r, 2);
            settle(r);
            rig_run(r, sim_prng_below(&r->prng, 400) * MS);
        }
        rig_crash(r, seed % 2 == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
        rig_start_ok(r);
        check_config(r, "a", "30");
        rig_run(r, 3000 * MS);
        check_stored(r);
        rig_free(r);
    }
}
END_TEST

#define add(s, test) \
    do { \
        TCase *tc = tcase_create(#test); \
        tcase_add_loop_test(tc, test, 1, 3); \
        tcase_set_timeout(tc, 300); \
        suite_add_tcase(s, tc); \
    } while (0)

Suite *image_suite(void)
{
    Suite *s = suite_create("image");

    add(s, what_changes_often_waits_once);
    add(s, what_was_not_written_waits_again);
    add(s, crashes_between_writes);
    return s;
}
