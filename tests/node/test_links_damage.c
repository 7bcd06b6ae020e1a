/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "node/links_rig.h"
#include "node/links_suites.h"
#include "support/rand.h"

/* Anybody may connect to the raft address, and say anything at all. */

static struct sim_conn *connect_to(struct player *p)
{
    return sim_net_connect_peer(p->net, (unsigned)sim_prng_below(&p->bed->prng, p->n_reactors), "10.9.9.9", 1);
}

static void send_all(struct bed *b, struct sim_conn *c, const void *data, size_t size)
{
    size_t sent = 0;

    for (int i = 0; sent < size && i < 1000; i++) {
        ssize_t n = sim_conn_send(c, (const uint8_t *)data + sent, size - sent);

        if (n > 0)
            sent += (size_t)n;
        else if (n != -EAGAIN)
            return;
        bed_step(b);
    }
}

static struct bed *one(uint64_t seed)
{
    struct bed *b = bed_new(seed, 2, 2, 2);

    player_start(&b->players[0]);
    player_know(&b->players[0], &b->players[1]);
    return b;
}

/* What the other node, which isn't there, would say. */
static struct peer_hello hello_of_b(const struct bed *b, uint32_t shard)
{
    return (struct peer_hello){
        .min_version = 1,
        .max_version = 1,
        .lane = PEER_CONTROL,
        .n_shards = 2,
        .from_shard = shard,
        .to_shard = shard,
        .broker_id = 2,
        .to = -1,
        .boot = 1,
        .cluster_id = b->players[1].cluster_id,
        .incarnation = b->players[1].incarnation,
        .node_id = "b",
    };
}

static struct sim_conn *say_hello(struct bed *b, const struct peer_hello *h)
{
    struct sim_conn *c = connect_to(&b->players[0]);
    uint8_t bytes[PEER_HELLO_MAX];

    send_all(b, c, bytes, peer_hello_write(h, bytes));
    bed_run(b, 10 * MS);
    return c;
}

START_TEST(what_is_not_a_hello_is_closed)
{
    static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02", "GQPEER\0\0\xff\xff\xff\xff....",
                                         "hello?" };
    static const size_t sizes[] = { 18, 4, 16, 6 };
    struct bed *b = one(1);

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct sim_conn *c = connect_to(&b->players[0]);

        send_all(b, c, texts[i], sizes[i]);
        bed_run(b, 10 * MS);
        ck_assert(sim_conn_server_closed(c));
        ck_assert_uint_eq(sim_conn_pending(c), 0);
        sim_conn_close(c);
    }
    ck_assert_uint_eq(player_stats(&b->players[0]).peers_refused, ARRAY_SIZE(texts));
    bed_free(b);
}
END_TEST

/* Who says nothing, or half a hello, isn't waited for, and only so many are. */
START_TEST(who_waits_is_closed)
{
    struct bed *b = one(2);
    struct sim_conn *conns[2 * LINKS_MAX_GREETING + 20];
    size_t n_closed = 0, n_open = 0;

    for (size_t i = 0; i < ARRAY_SIZE(conns); i++) {
        conns[i] = connect_to(&b->players[0]);
        sim_conn_send(conns[i], "GQPEER\0", i % 8);
    }
    bed_run(b, 2 * SEC);
    for (size_t i = 0; i < ARRAY_SIZE(conns); i++)
        n_open += !sim_conn_server_closed(conns[i]);
    ck_assert_uint_ge(n_open, LINKS_MAX_GREETING);
    ck_assert_uint_le(n_open, 2 * LINKS_MAX_GREETING);
    bed_run(b, 2 * SEC);
    for (size_t i = 0; i < ARRAY_SIZE(conns); i++) {
        n_closed += sim_conn_server_closed(conns[i]);
        sim_conn_close(conns[i]);
    }
    ck_assert_uint_eq(n_closed, ARRAY_SIZE(conns));
    bed_free(b);
}
END_TEST

START_TEST(a_hello_must_fit)
{
    static const char *const texts[] = {
        "node 'b' takes this one for a node with other shards",
        "node 'b' takes this one for a node with other shards",
        "node 'b' has a connection for shards that have nothing in common",
        "node 'b' isn't the broker that this connection is for",
        "node 'b' wants another broker",
        "node 'a' has the id of this one",
    };
    struct bed *b = one(3);
    struct player *p = &b->players[0];

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct peer_hello h = hello_of_b(b, 1);
        struct sim_conn *c;

        if (i == 0)
            h.to_shard = 2;
        else if (i == 1)
            h.from_shard = h.to_shard = PEER_ANY_SHARD;
        else if (i == 2)
            h.from_shard = 0;
        else if (i == 3)
            h.broker_id = -1;
        else if (i == 4)
            h.to = 3;
        else
            memcpy(h.node_id, "a", 2);
        p->refused[0] = '\0';
        c = say_hello(b, &h);
        ck_assert(sim_conn_server_closed(c));
        ck_assert_str_eq(p->refused, texts[i]);
        sim_conn_close(c);
        bed_run(b, 11 * SEC); /* the next one is told again */
    }
    bed_free(b);
}
END_TEST

/* The hello and a part of it, byte by byte; and frames at once behind it. */
START_TEST(a_hello_may_come_in_pieces)
{
    struct bed *b = one(4);
    struct player *p = &b->players[0];
    struct sim_conn *c[2];
    uint8_t bytes[PEER_HELLO_MAX + 100], answer[PEER_HELLO_MAX];

    for (unsigned s = 0; s < 2; s++) {
        struct peer_hello h = hello_of_b(b, s), theirs;
        size_t size = peer_hello_write(&h, bytes), got;
        struct error_text err;
        ssize_t n;

        c[s] = connect_to(p);
        for (size_t i = 0; i < size; i++) {
            send_all(b, c[s], bytes + i, 1);
            bed_run(b, MS);
        }
        bed_run(b, 10 * MS);
        ck_assert(p->fleets[s].of[1].up);
        n = sim_conn_recv(c[s], answer, sizeof(answer));
        while (n > 0 && (size_t)n < sizeof(answer)) {
            ssize_t more = sim_conn_recv(c[s], answer + n, sizeof(answer) - (size_t)n);

            if (more <= 0)
                break;
            n += more;
        }
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(peer_hello_read(slice_make(answer, (size_t)n), &theirs, &got, &err), 0);
        ck_assert_uint_eq(theirs.from_shard, s);
        ck_assert_int_eq(theirs.broker_id, 1);
    }
    sim_conn_close(c[0]);
    sim_conn_close(c[1]);
    bed_free(b);
}
END_TEST

static size_t make_word(uint8_t *to, uint8_t kind, const char *body)
{
    size_t size = PEER_FRAME_HEADER_SIZE + PEER_WORD_SIZE + strlen(body);

    memset(to, 0, size);
    store_le32(to + PEER_FRAME_AT_SIZE, (uint32_t)size);
    to[PEER_FRAME_AT_KIND] = PEER_WORD;
    to[PEER_FRAME_AT_VERSION] = 1;
    store_le32(to + PEER_FRAME_AT_FIELDS_SIZE, PEER_WORD_SIZE);
    store_le32(to + PEER_FRAME_AT_BODY_CRC, crc32c(0, body, strlen(body)));
    to[PEER_FRAME_HEADER_SIZE] = kind;
    memcpy(to + PEER_FRAME_HEADER_SIZE + PEER_WORD_SIZE, body, strlen(body));
    store_le32(to + PEER_FRAME_AT_CRC,
               crc32c(crc32c(0, to, PEER_FRAME_AT_CRC), to + PEER_FRAME_HEADER_SIZE, PEER_WORD_SIZE));
    return size;
}

/* What is refused is skipped, what isn't a frame ends the connection, and what came at once behind the hello counts. */
START_TEST(frames_are_refused_or_end_it)
{
    struct bed *b = one(5);
    struct player *p = &b->players[0];
    struct peer_hello h = hello_of_b(b, 0);
    uint8_t bytes[PEER_HELLO_MAX + 200];
    size_t size = peer_hello_write(&h, bytes);
    struct sim_conn *c = connect_to(p);

    size += make_word(bytes + size, 2, "at once");
    send_all(b, c, bytes, size);
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(p->n_words, 1);
    ck_assert_str_eq(p->word, "b 2 at once");
    send_all(b, c, bytes, make_word(bytes, 9, "unknown"));
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(player_stats(p).frames_refused, 1);
    ck_assert(!sim_conn_server_closed(c));
    send_all(b, c, bytes, make_word(bytes, 3, "known"));
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(p->n_words, 2);
    size = make_word(bytes, 3, "broken");
    bytes[PEER_FRAME_AT_CRC] ^= 1;
    send_all(b, c, bytes, size);
    bed_run(b, 10 * MS);
    ck_assert_uint_eq(p->n_words, 2);
    ck_assert(sim_conn_server_closed(c));
    ck_assert(!p->fleets[0].of[1].up);
    ck_assert_str_eq(p->refused, "node 'b': frame: wrong checksum");
    sim_conn_close(c);
    bed_free(b);
}
END_TEST

/* Flipped bits, noise and cuts behind a good hello: nothing is heard that can't be, and a good peer is served again. */
START_TEST(noise)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 300; i++) {
        struct bed *b = one(100 + (uint64_t)i);
        struct player *p = &b->players[0];
        struct peer_hello h = hello_of_b(b, (uint32_t)rand_below(&r, 2));
        uint8_t bytes[PEER_HELLO_MAX + 5000];
        size_t size = peer_hello_write(&h, bytes), more = (size_t)rand_below(&r, 5000);
        struct sim_conn *c = connect_to(p);

        rand_fill(&r, bytes + size, more);
        if (rand_chance(&r, 1, 2))
            bytes[rand_below(&r, size)] ^= (uint8_t)(1 << rand_below(&r, 8));
        send_all(b, c, bytes, size + more);
        bed_run(b, 10 * MS);
        ck_assert_uint_eq(p->n_words + p->n_sessions + p->n_heard, 0);
        sim_conn_close(c);
        bed_run(b, 5 * SEC);
        player_start(&b->players[1]);
        player_know(&b->players[1], p);
        bed_run_until_up(b, 10 * SEC);
        bed_free(b);
    }
}
END_TEST

Suite *links_damage_suite(void)
{
    Suite *s = suite_create("damage");

    suite_add(s, what_is_not_a_hello_is_closed);
    suite_add(s, who_waits_is_closed);
    suite_add(s, a_hello_must_fit);
    suite_add(s, a_hello_may_come_in_pieces);
    suite_add(s, frames_are_refused_or_end_it);
    suite_add(s, noise);
    return s;
}
