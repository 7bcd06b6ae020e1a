/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "peer/sample.h"
#include "peer/suites.h"
#include "replica/cluster.h"

/* Replicas whose messages go through all of it: whatever a core says, with entries from memory and from segments and
 * with images, must arrive as it was. */

static struct buf_pool pool;
static struct sim_prng prng;
static unsigned carried[SAMPLE_KINDS];

static uint8_t *write_bytes(const struct replica_message *m, size_t *ret_size)
{
    const struct peer_link link = { 1, m->raft.from, m->raft.to, 2, 3, PEER_ANY_SHARD, PEER_ANY_SHARD };
    struct peer_writer w;
    struct peer_cut cut;
    struct buf_chain chain;
    uint8_t *bytes;

    buf_chain_init(&chain, NULL);
    peer_writer_init(&w, &link, &pool);
    peer_cut_init(&cut, m);
    while (!peer_cut_is_done(&cut))
        ck_quick(peer_write(&w, &cut, &chain) == 0);
    bytes = sample_flatten(&chain);
    *ret_size = chain.size;
    buf_chain_fini(&chain);
    peer_writer_fini(&w);
    return bytes;
}

static struct replica_message *carry(const struct replica_message *m)
{
    const struct peer_link link = { 1, m->raft.to, m->raft.from, 3, 2, PEER_ANY_SHARD, PEER_ANY_SHARD };
    struct peer_message got = { 0 };
    struct peer_reader r;
    struct error_text err = { "" };
    size_t size, n;
    _cleanup_(freep) uint8_t *bytes = write_bytes(m, &size);

    peer_reader_init(&r, &link, &sample_limits, &pool);
    for (size_t at = 0; at < size; at += n) {
        struct slice piece;

        n = 1 + (size_t)sim_prng_below(&prng, size - at);
        piece = slice_make(bytes + at, n);
        if (peer_read(&r, &piece, &got, &err) != (at + n == size ? 0 : -EAGAIN))
            ck_abort_msg("refused: %s", err.text);
    }
    peer_reader_fini(&r);
    ck_quick(sample_is_same(got.replica, m));
    carried[m->raft.kind]++;
    return got.replica;
}

START_TEST(a_cluster_over_bytes)
{
    struct cluster_counts counts = { 0 };

    buf_pool_init(&pool, 0);
    sim_prng_init(&prng, 1);
    cluster_carry = carry;
    for (uint64_t seed = 0; seed < 20; seed++)
        cluster_story(seed, &counts);
    ck_assert_uint_gt(counts.n_acked, 100);
    ck_assert_uint_gt(counts.n_loaded, 0);
    for (unsigned i = 0; i < SAMPLE_KINDS; i++)
        ck_assert_msg(carried[i] > 0, "no message of kind %u", i);
    buf_pool_fini(&pool);
}
END_TEST

Suite *peer_cluster_suite(void)
{
    Suite *s = suite_create("cluster");

    suite_add(s, a_cluster_over_bytes);
    return s;
}
