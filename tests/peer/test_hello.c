/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "peer/sample.h"
#include "peer/suites.h"
#include "support/rand.h"

static struct error_text err;

static bool is_same(const struct peer_hello *a, const struct peer_hello *b)
{
    return a->min_version == b->min_version && a->max_version == b->max_version && a->lane == b->lane &&
           a->n_shards == b->n_shards && a->from_shard == b->from_shard && a->to_shard == b->to_shard &&
           a->broker_id == b->broker_id && a->to == b->to && a->boot == b->boot && a->durable_lsn == b->durable_lsn &&
           uuid_eq(&a->cluster_id, &b->cluster_id) && uuid_eq(&a->incarnation, &b->incarnation) &&
           strcmp(a->node_id, b->node_id) == 0;
}

static void seal(uint8_t *bytes, size_t size)
{
    uint32_t crc = crc32c(0, bytes, PEER_HELLO_AT_CRC);

    store_le32(bytes + PEER_HELLO_AT_CRC, crc32c(crc, bytes + 16, size - 16));
}

static int read_bytes(const uint8_t *bytes, size_t size, struct peer_hello *ret, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *copy = xmalloc(size + (size == 0));

    memcpy(copy, bytes, size);
    return peer_hello_read(slice_make(copy, size), ret, ret_size, &err);
}

START_TEST(hellos_come_back)
{
    struct rand r;

    rand_init(&r);
    for (unsigned i = 0; i < 1000; i++) {
        struct peer_hello h = sample_hello(), got;
        uint8_t bytes[PEER_HELLO_MAX + 10] = { 0 };
        bool any = rand_chance(&r, 1, 2);
        size_t size, got_size, id_size = rand_range(&r, 1, PEER_NODE_ID_MAX);

        h.min_version = 1;
        h.max_version = (uint16_t)rand_range(&r, 1, UINT16_MAX);
        h.lane = (enum peer_lane)rand_below(&r, 2);
        h.n_shards = (uint32_t)rand_range(&r, 1, PEER_MAX_SHARDS);
        h.from_shard = any ? PEER_ANY_SHARD : (uint32_t)rand_below(&r, h.n_shards);
        h.to_shard = any ? PEER_ANY_SHARD : (uint32_t)rand_below(&r, PEER_MAX_SHARDS);
        h.broker_id = (int32_t)rand_range(&r, 0, 1000) - 1;
        h.to = (int32_t)rand_range(&r, 0, 1000) - 1;
        h.boot = rand_edgy_u64(&r) | 1;
        h.durable_lsn = rand_edgy_u64(&r);
        rand_fill(&r, &h.cluster_id, sizeof(h.cluster_id));
        rand_fill(&r, &h.incarnation, sizeof(h.incarnation));
        memset(h.node_id, 'x', id_size);
        size = peer_hello_write(&h, bytes);
        for (size_t cut = 0; cut < size; cut++)
            ck_quick(read_bytes(bytes, cut, &got, &got_size) == -EAGAIN);
        ck_assert_int_eq(read_bytes(bytes, size + 10, &got, &got_size), 0); /* frames may follow */
        ck_assert_uint_eq(got_size, size);
        ck_assert(is_same(&h, &got));
    }
}
END_TEST

static const struct {
    size_t at;
    uint8_t size;
    uint64_t value;
    const char *text;
} broken[] = {
    { 0, 1, 'X', "hello: not a broker's" },
    { 7, 1, 1, "hello: not a broker's" },
    { 8, 4, 0, "hello: size 0" },
    { 8, 4, 88, "hello: size 88" },
    { 8, 4, PEER_HELLO_MAX + 1, "hello: size 1025" },
    { 8, 4, UINT32_MAX, "hello: size 4294967295" },
    { 16, 2, 0, "hello: least version 0" },
    { 18, 2, 0, "hello: least version 1" },
    { 20, 1, 2, "hello: lane 2" },
    { 21, 1, 0, "hello: node id size 0" },
    { 21, 1, 3, "hello: node id size 3" },
    { 22, 2, 0, "hello: number of shards 0" },
    { 22, 2, 257, "hello: number of shards 257" },
    { 24, 2, 3, "hello: from shard 3" },
    { 24, 2, PEER_ANY_SHARD, "hello: from shard 65535" },
    { 26, 2, 256, "hello: to shard 256" },
    { 28, 4, 0xfffffffe, "hello: broker id 4294967294" },
    { 32, 4, 0x80000000, "hello: to 2147483648" },
    { 36, 4, 1, "hello: reserved 1" },
    { 40, 8, 0, "hello: boot 0" },
    { 88, 1, 0, "hello: byte of node id 0" },
    { 89, 1, '\n', "hello: byte of node id 10" },
    { 89, 1, 0x7f, "hello: byte of node id 127" },
};

START_TEST(each_field_is_checked)
{
    struct peer_hello h = sample_hello(), got;
    uint8_t bytes[PEER_HELLO_MAX];
    size_t got_size, size = peer_hello_write(&h, bytes);

    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        peer_hello_write(&h, bytes);
        for (unsigned k = 0; k < broken[i].size; k++)
            bytes[broken[i].at + k] = (uint8_t)(broken[i].value >> 8 * k);
        seal(bytes, size);
        ck_assert_msg(read_bytes(bytes, size, &got, &got_size) == -EBADMSG, "%s", broken[i].text);
        ck_assert_str_eq(err.text, broken[i].text);
    }
    peer_hello_write(&h, bytes);
    memset(bytes + PEER_HELLO_AT_INCARNATION, 0, 16);
    seal(bytes, size);
    ck_assert_int_eq(read_bytes(bytes, size, &got, &got_size), -EBADMSG);
    ck_assert_str_eq(err.text, "hello: incarnation 0");
}
END_TEST

START_TEST(each_flipped_bit_is_noticed)
{
    struct peer_hello h = sample_hello(), got;
    uint8_t bytes[PEER_HELLO_MAX];
    size_t got_size, size = peer_hello_write(&h, bytes);

    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert(read_bytes(bytes, size, &got, &got_size) < 0);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

/* It is known at the first byte, before the size could be waited for. */
START_TEST(other_protocols)
{
    static const char *const others[] = { "GET / HTTP/1.1\r\n", "\x16\x03\x01", "GQPEER1" };
    struct peer_hello got;
    size_t got_size;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        ck_assert_int_eq(read_bytes((const uint8_t *)others[i], strlen(others[i]), &got, &got_size), -EBADMSG);
    ck_assert_int_eq(read_bytes((const uint8_t *)"\0", 1, &got, &got_size), -EBADMSG);
}
END_TEST

/* Later versions may say more, and what they say may be other than what this one knows. */
START_TEST(later_versions)
{
    struct peer_hello h = sample_hello(), ours = sample_hello(), got;
    uint8_t bytes[PEER_HELLO_MAX];
    struct peer_link link;
    size_t got_size, size;

    h.max_version = 5;
    size = peer_hello_write(&h, bytes);
    memset(bytes + size, 'z', 100);
    store_le32(bytes + PEER_HELLO_AT_SIZE, (uint32_t)size + 100);
    seal(bytes, size + 100);
    ck_assert_int_eq(read_bytes(bytes, size + 99, &got, &got_size), -EAGAIN);
    ck_assert_int_eq(read_bytes(bytes, size + 100, &got, &got_size), 0);
    ck_assert_uint_eq(got_size, size + 100);
    ck_assert(is_same(&h, &got));

    store_le16(bytes + PEER_HELLO_AT_MIN_VERSION, 2);
    memset(bytes + PEER_HELLO_AT_LANE, 0xff, size + 80);
    seal(bytes, size + 100);
    ck_assert_int_eq(read_bytes(bytes, size + 100, &got, &got_size), 0);
    ck_assert_int_eq(peer_hello_agree(&ours, &got, &link, &err), PEER_E_VERSION);
    ck_assert_str_eq(err.text, "versions 2 to 5 of the other broker, 1 to 1 here");
}
END_TEST

/* ---- Agreement ---- */

static struct peer_hello answer(void)
{
    struct peer_hello h = sample_hello();

    h.n_shards = 2;
    h.from_shard = 0;
    h.to_shard = 1;
    h.broker_id = 2;
    h.to = 1;
    memcpy(&h.incarnation, "incarnation-two", 16);
    strcpy(h.node_id, "b2");
    return h;
}

START_TEST(an_agreement)
{
    struct peer_hello ours = sample_hello(), theirs = answer();
    struct peer_link link;

    ours.max_version = 3;
    theirs.max_version = 2;
    ck_assert_int_eq(peer_hello_agree(&ours, &theirs, &link, &err), 0);
    ck_assert_uint_eq(link.version, 2);
    ck_assert_int_eq(link.us, 1);
    ck_assert_int_eq(link.them, 2);
    ck_assert_uint_eq(link.our_shards, 3);
    ck_assert_uint_eq(link.their_shards, 2);
    ck_assert_uint_eq(link.our_shard, 1);
    ck_assert_uint_eq(link.their_shard, 0);
    /* Who is new belongs to no cluster and doesn't know the others. */
    memset(&theirs.cluster_id, 0, sizeof(theirs.cluster_id));
    theirs.broker_id = theirs.to = ours.to = -1;
    ck_assert_int_eq(peer_hello_agree(&ours, &theirs, &link, &err), 0);
    ck_assert_int_eq(link.them, -1);
}
END_TEST

#define REFUSED(change, code, message) \
    do { \
        struct peer_hello ours = sample_hello(), theirs = answer(); \
        struct peer_link link; \
        change; \
        ck_assert_int_eq(peer_hello_agree(&ours, &theirs, &link, &err), code); \
        ck_assert_str_eq(err.text, message); \
    } while (0)

START_TEST(no_agreement)
{
    REFUSED(ours.min_version = ours.max_version = 2, PEER_E_VERSION,
            "versions 1 to 1 of the other broker, 2 to 2 here");
    REFUSED(theirs.cluster_id.bytes[0]++, PEER_E_CLUSTER, "node 'b2' is of another cluster");
    REFUSED(theirs.incarnation = ours.incarnation, PEER_E_STRANGER,
            "node 'b2' is this one, or a copy of its data directory");
    REFUSED(strcpy(theirs.node_id, "b1"), PEER_E_STRANGER, "node 'b1' has the id of this one");
    REFUSED(theirs.broker_id = 1, PEER_E_STRANGER, "node 'b2' has the broker id of this one");
    REFUSED(theirs.to = 3, PEER_E_STRANGER, "node 'b2' wants another broker");
    REFUSED(theirs.broker_id = 3, PEER_E_STRANGER, "node 'b2' isn't the broker that this connection is for");
    REFUSED(theirs.lane = PEER_CONTROL, PEER_E_STRANGER, "node 'b2' means another lane");
    REFUSED(theirs.from_shard = 1, PEER_E_STRANGER, "node 'b2' means other shards");
    REFUSED(theirs.to_shard = 0, PEER_E_STRANGER, "node 'b2' means other shards");
}
END_TEST

Suite *peer_hello_suite(void)
{
    Suite *s = suite_create("hello");

    suite_add(s, hellos_come_back);
    suite_add(s, each_field_is_checked);
    suite_add(s, each_flipped_bit_is_noticed);
    suite_add(s, other_protocols);
    suite_add(s, later_versions);
    suite_add(s, an_agreement);
    suite_add(s, no_agreement);
    return s;
}
