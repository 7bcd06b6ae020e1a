/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Large batches stay in the frame that brought them. */
#include "replica/rig.h"
#include "replica/suites.h"

#define OTHER_REACTOR 1

/* A producer whose request lies in a buffer of a pool of its own, as on another reactor. */
struct sender {
    struct buf_pool pool;
    struct rig *rig;
    struct rig_op *op;
    struct buf *frame;
};

static void send_in_frame(struct sender *s, struct rig *r, unsigned home, size_t value_size, size_t frame_size)
{
    /* The rig makes the batch and proposes it; made again here, it goes the way of a request. */
    struct rig_op *o = rig_prepare(r, 0, 1, value_size);

    s->rig = r;
    s->op = o;
    buf_pool_init(&s->pool, 1 << 24);
    s->frame = buf_new(&s->pool, MAX(frame_size, o->op.produce.batch.size));
    memcpy(s->frame->data, o->op.produce.batch.data, o->op.produce.batch.size);
    ck_assert_int_eq(batch_parse_only(slice_make(s->frame->data, o->op.produce.batch.size), &o->op.produce.batch), 0);
    o->op.produce.frame = buf_ref(s->frame);
    o->op.home_reactor = home;
    rig_send(r, o);
}

/* The request is over: what nobody kept is given back. */
static void sender_ends(struct sender *s)
{
    buf_unref(TAKE_PTR(s->op->op.produce.frame));
    buf_unref(TAKE_PTR(s->frame));
}

static struct rig *start(uint64_t seed)
{
    struct rig *r = rig_new(seed, 1);

    r->journal_config.file_size_bytes = 1 << 20; /* an entry may have a quarter of it */
    r->journal_config.size_bytes = 8 << 20;
    rig_start_ok(r);
    return r;
}

static void check_kept(unsigned home)
{
    struct rig *r = start(11 + home);
    struct rig_op *read;
    struct sender s;
    uint8_t *bytes;
    size_t size;

    send_in_frame(&s, r, home, 40000, 0);
    ck_assert_ptr_null(s.op->op.produce.frame); /* kept */
    rig_wait(r, s.op);
    ck_assert_int_eq(s.op->op.error, 0);
    read =
        rig_ask(r, 0, &(struct replica_op){ .kind = REPLICA_READ, .read = { .max_bytes = 1 << 20, .min_one = true } });
    ck_assert(!read->op.read.has_range);
    sender_ends(&s);
    ck_assert_uint_gt(s.pool.used_bytes, 0);
    rig_settle(r); /* it is in its segment now, but the reader still has it */
    ck_assert_uint_gt(s.pool.used_bytes, 0);
    bytes = rig_read_bytes(r, read, &size);
    ck_assert_uint_gt(size, 40000);
    free(bytes);
    rig_release(r, read);
    rig_settle(r);
    ck_assert_uint_eq(s.pool.used_bytes, 0);
    rig_check(r);
    rig_recover(r, SIM_CRASH_NOTHING);
    buf_pool_fini(&s.pool);
    rig_free(r);
}

START_TEST(a_large_batch_stays_in_its_frame)
{
    check_kept(0);
}
END_TEST

START_TEST(a_frame_goes_home_to_its_reactor)
{
    check_kept(OTHER_REACTOR);
}
END_TEST

static void check_copied(size_t value_size, size_t frame_size)
{
    struct rig *r = start(13);
    struct sender s;

    send_in_frame(&s, r, 0, value_size, frame_size);
    ck_assert_ptr_nonnull(s.op->op.produce.frame);
    sender_ends(&s);
    ck_assert_uint_eq(s.pool.used_bytes, 0);
    rig_wait(r, s.op);
    rig_settle(r);
    rig_check(r);
    buf_pool_fini(&s.pool);
    rig_free(r);
}

START_TEST(a_small_batch_is_copied)
{
    check_copied(1000, 0);
}
END_TEST

START_TEST(a_batch_in_a_much_larger_frame_is_copied)
{
    check_copied(40000, 200000);
}
END_TEST

START_TEST(a_replica_that_ends_gives_frames_back)
{
    struct rig *r = start(17);
    struct sender s;

    send_in_frame(&s, r, OTHER_REACTOR, 40000, 0);
    rig_wait(r, s.op);
    sender_ends(&s);
    ck_assert_uint_gt(s.pool.used_bytes, 0);
    rig_kill(r);
    ck_assert_uint_eq(s.pool.used_bytes, 0);
    rig_start_ok(r);
    rig_check(r);
    buf_pool_fini(&s.pool);
    rig_free(r);
}
END_TEST

Suite *frame_suite(void)
{
    Suite *s = suite_create("frame");

    suite_add(s, a_large_batch_stays_in_its_frame);
    suite_add(s, a_frame_goes_home_to_its_reactor);
    suite_add(s, a_small_batch_is_copied);
    suite_add(s, a_batch_in_a_much_larger_frame_is_copied);
    suite_add(s, a_replica_that_ends_gives_frames_back);
    return s;
}
