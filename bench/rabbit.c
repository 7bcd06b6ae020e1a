/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* RabbitMQ's stream protocol, as far as a producer needs it. A frame is its size, a key, a version, mostly a number
 * that the answer repeats, and the rest; everything is big endian. */

#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "base/util.h"
#include "peer.h"

#define ANSWER 0x8000 /* added to a request's key */
#define FRAME_VERSION 1
#define OK 1
#define PUBLISHER 1
#define FRAME_HEAD 4
#define ANSWER_HEAD 14 /* with the number and the code */
#define CONFIRM_HEAD 13
#define MESSAGE_HEAD 8 /* AMQP 1.0: the data section and the size of its bytes */

enum {
    KEY_DECLARE_PUBLISHER = 1,
    KEY_PUBLISH = 2,
    KEY_PUBLISH_CONFIRM = 3,
    KEY_CREATE_STREAM = 13,
    KEY_DELETE_STREAM = 14,
    KEY_PEER_PROPERTIES = 17,
    KEY_SASL_HANDSHAKE = 18,
    KEY_SASL_AUTHENTICATE = 19,
    KEY_TUNE = 20,
    KEY_OPEN = 21,
    KEY_HEARTBEAT = 23,
};

static size_t frame_begin(struct wr *w, uint16_t key)
{
    size_t at = wr_size(w);

    wr_be32(w, 0);
    wr_be16(w, key);
    wr_be16(w, FRAME_VERSION);
    return at;
}

static void frame_end(struct wr *w, size_t at)
{
    if (w->error != 0)
        bench_refuse("a frame can't be written");
    store_be32(w->start + at, (uint32_t)(wr_size(w) - at - FRAME_HEAD));
}

static void put_string(struct wr *w, const char *text)
{
    wr_be16(w, (uint16_t)strlen(text));
    wr_bytes(w, text, strlen(text));
}

static size_t frame_size(const struct answers *a)
{
    size_t size = a->size < FRAME_HEAD ? 0 : FRAME_HEAD + load_be32(a->data);

    return size > 0 && a->size >= size ? size : 0;
}

/* Waits for a frame of this key; others are dropped, and what came before it. It stays in front. */
static void await(int fd, struct answers *a, uint16_t key)
{
    for (;;) {
        size_t size = frame_size(a);

        if (size == 0) {
            peer_receive(fd, a);
            continue;
        }
        if (size >= FRAME_HEAD + 2 && load_be16(a->data + FRAME_HEAD) == key)
            return;
        a->size -= size;
        memmove(a->data, a->data + size, a->size);
    }
}

/* Sends what was begun at the writer's start and takes the answer, which must be that all is well. */
static void ask(int fd, struct answers *a, struct wr *w, uint16_t key)
{
    char text[64];

    frame_end(w, 0);
    bench_send(fd, w->start, wr_size(w));
    wr_reset(w);
    await(fd, a, (uint16_t)(ANSWER | key));
    if (frame_size(a) < ANSWER_HEAD || load_be16(a->data + ANSWER_HEAD - 2) != OK) {
        snprintf(text, sizeof(text), "RabbitMQ refuses a request of key %d", key);
        bench_refuse(text);
    }
    a->size -= frame_size(a);
    memmove(a->data, a->data + load_be32(a->data) + FRAME_HEAD, a->size);
}

static void ask_begin(struct wr *w, uint16_t key)
{
    frame_begin(w, key);
    wr_be32(w, key); /* the number */
}

static void log_in(int fd, struct answers *a, struct wr *w)
{
    static const char guest[] = "\0guest\0guest";

    ask_begin(w, KEY_PEER_PROPERTIES);
    wr_be32(w, 0);
    ask(fd, a, w, KEY_PEER_PROPERTIES);
    ask_begin(w, KEY_SASL_HANDSHAKE);
    ask(fd, a, w, KEY_SASL_HANDSHAKE);
    ask_begin(w, KEY_SASL_AUTHENTICATE);
    put_string(w, "PLAIN");
    wr_be32(w, sizeof(guest) - 1);
    wr_bytes(w, guest, sizeof(guest) - 1);
    ask(fd, a, w, KEY_SASL_AUTHENTICATE);
    await(fd, a, KEY_TUNE); /* the largest frame and the seconds between heartbeats: taken as they are */
    bench_send(fd, (const uint8_t *)a->data, frame_size(a));
    ask_begin(w, KEY_OPEN);
    put_string(w, "/");
    ask(fd, a, w, KEY_OPEN);
}

static void rabbit_open(const struct bench_options *o, int fd, struct answers *a)
{
    struct wr w;

    wr_init_growing(&w, 1024, BENCH_FRAME_MAX);
    log_in(fd, a, &w);
    ask_begin(&w, KEY_CREATE_STREAM);
    put_string(&w, o->topic);
    wr_be32(&w, 0);
    ask(fd, a, &w, KEY_CREATE_STREAM);
    ask_begin(&w, KEY_DECLARE_PUBLISHER);
    wr_u8(&w, PUBLISHER);
    put_string(&w, "");
    put_string(&w, o->topic);
    ask(fd, a, &w, KEY_DECLARE_PUBLISHER);
    wr_fini(&w);
    a->size = 0;
}

static void rabbit_close(const struct bench_options *o, int fd, struct answers *a)
{
    struct wr w;

    wr_init_growing(&w, 1024, BENCH_FRAME_MAX);
    ask_begin(&w, KEY_DELETE_STREAM);
    put_string(&w, o->topic);
    ask(fd, a, &w, KEY_DELETE_STREAM);
    wr_fini(&w);
}

/* One frame of all of them, as its own clients do. A publisher without a name may give each the same number. */
static void rabbit_write(const struct bench_options *o, const char *payload, int n, struct wr *w)
{
    static const uint8_t data_section[] = { 0x00, 0x53, 0x75, 0xb0 };
    size_t at = frame_begin(w, KEY_PUBLISH);

    wr_u8(w, PUBLISHER);
    wr_be32(w, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        wr_be64(w, 0);
        wr_be32(w, (uint32_t)(o->size + MESSAGE_HEAD));
        wr_bytes(w, data_section, sizeof(data_section));
        wr_be32(w, (uint32_t)o->size);
        wr_bytes(w, payload, (size_t)o->size);
    }
    frame_end(w, at);
}

/* Heartbeats come between the confirmations. */
static size_t rabbit_take(const char *text, size_t size, int *ret_acked)
{
    size_t whole = size < FRAME_HEAD ? 0 : FRAME_HEAD + load_be32(text);
    uint16_t key;

    if (whole == 0 || whole > size)
        return 0;
    key = whole < CONFIRM_HEAD ? KEY_HEARTBEAT : load_be16(text + FRAME_HEAD);
    if (key != KEY_PUBLISH_CONFIRM && key != KEY_HEARTBEAT)
        bench_refuse("RabbitMQ doesn't confirm a message");
    *ret_acked = key == KEY_PUBLISH_CONFIRM ? (int)load_be32(text + CONFIRM_HEAD - 4) : 0;
    return whole;
}

const struct protocol rabbit_protocol = { "rabbit", rabbit_open, rabbit_write, rabbit_take, rabbit_close };
