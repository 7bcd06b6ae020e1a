/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of broker/ share beyond request.h. */

#include "base/buf.h"
#include "base/hash.h"
#include "base/heap.h"
#include "broker/request.h"
#include "txn/refusals.h"

#define BROKER_SCRATCH_SIZE (64u << 10) /* small requests are received here first */
#define BROKER_SMALL_FRAME (BROKER_SCRATCH_SIZE / 2)
#define BROKER_READ_SHARE (1u << 20) /* bytes one connection may bring in a turn */
#define BROKER_SEND_SHARE (1u << 20) /* and take, or little more: a reader at full speed must not hold up others */
#define BROKER_LOOK_NS (20ull * 1000 * 1000) /* between looks at a connection's first bytes */
#define BROKER_MAX_LOOKS 100
#define BROKER_STALL_NS (1000ull * 1000 * 1000) /* half a frame may stand so long while others wait for memory */
#define BROKER_FRAME_TIMEOUT_NS (60ull * 1000 * 1000 * 1000)
/* How long requests wait for a node that starts; one that isn't ready then (its disk is full) serves what it can. */
#define BROKER_OPEN_NS (5ull * 1000 * 1000 * 1000)
#define BROKER_REQUEST_ARENA_MAX (64u << 20) /* memory for decoding and answering one request */
#define BROKER_RESPONSE_MAX (64u << 20)
/* A connection whose requests hold so much beyond their frames, answers that it doesn't read among it, begins none. One
 * answer it gets in any case. */
#define BROKER_HELD_MAX (4u << 20)
/* An answer that has to wait gives back what else its request holds, if that is more. */
#define BROKER_SLIM BROKER_SMALL_FRAME
/* What is kept ready for each connection of performance.connection_pool_size: request objects with buffers up to so
 * large. Frames have the reactor's pool. */
#define BROKER_IDLE_REQUESTS 4
#define BROKER_IDLE_OUT_MAX (8u << 10)

struct broker_address {
    struct hash_node by_text;
    unsigned n_connections;
    char text[NET_ADDR_TEXT_SIZE];
};

struct broker_conn {
    struct broker *broker;
    struct net_conn *net;
    struct list link; /* broker->conns: least recently active first */
    struct list work; /* broker->work */
    struct list wait; /* broker->memory_waiters */
    struct broker_address *address;
    struct net_addr *local; /* malloc'd: where the client reached us */
    uint64_t active_ns;

    /* Reading. */
    bool seen;    /* its first bytes were looked at */
    bool peeking; /* not enough of them came: frame_timer says when to look again */
    uint16_t n_looks;
    struct broker_request *reading; /* whose body is coming in */
    size_t n_body;
    uint8_t *stash; /* received and not yet taken */
    size_t stash_size;
    struct heap_node frame_timer;

    /* Writing. */
    struct list requests; /* in order of arrival */
    unsigned n_requests;
    size_t held;     /* bytes of their arenas and answers */
    bool has_fat;    /* one was answered that is worth slimming */
    unsigned wanted; /* NET_READ, NET_WRITE as last told to the net */
    bool can_read, can_write;
    bool again;   /* has more to do in the next turn */
    bool eof;     /* the peer sends no more: answer what came, then close */
    bool closing; /* takes no more requests: close when the answers are out */
};

struct broker {
    struct broker_backend *backend;
    unsigned n_reactors;
    void (*http)(void *ctx, unsigned reactor, struct net_conn *conn);
    void *http_ctx;
    struct broker_stats stats;
    struct list conns, work, memory_waiters;
    struct hash_table addresses;
    uint64_t hash_seed;
    struct heap request_timers, frame_timers;
    struct list idle_requests;
    unsigned n_idle_requests, max_idle_requests;
    unsigned n_live_requests; /* all that aren't idle, also of dead connections */
    uint64_t memory_used;     /* frames, stashes and answers */
    uint64_t small_used;      /* of these, small frames */
    uint64_t large_used;      /* large ones */
    uint64_t answers_used;    /* what answered requests hold besides their frames until the answer was sent */
    bool memory_freed;        /* in this turn, after those who wait for it were asked */
    uint64_t now_ns;
    bool open; /* takes requests: the node was ready once, or the time for it is over */
    uint64_t open_ns;
    bool stopping;
    struct producer_refusals refusals;         /* produce.c: of partitions that weren't known */
    int64_t producer_id_next, producer_id_end; /* init_producer_id.c: the block of ids in hand */
    uint8_t *scratch;
};

/* broker.c */
/* This reactor's part of what is given for the whole node. */
uint64_t broker_share(const struct broker *b, int64_t limit);

/* conn.c */
void *broker_accepted(void *ctx, struct net_conn *c, const struct net_addr *peer, const struct net_addr *local);
void broker_ready(void *conn_ctx, unsigned events);
void broker_conn_close(struct broker_conn *c);
void broker_conn_kick(struct broker_conn *c);
/* Its peer sent or took something. */
void broker_conn_touch(struct broker_conn *c);
/* Its parked requests are answered with what there is. */
void broker_conn_hurry(struct broker_conn *c);
/* Tells the net what the connection waits for. */
void broker_conn_want(struct broker_conn *c);

/* receive.c: takes in what there is, as far as limits allow, and starts requests. False: the connection is gone. */
bool broker_conn_receive(struct broker_conn *c);
/* No limit keeps it from beginning, or going on with, a request. */
bool broker_conn_can_take(const struct broker_conn *c);
/* Connections that waited for memory go on as far as it goes. */
void broker_admit_waiters(struct broker *b);

/* send.c: sends what is ready. False: the connection is gone. */
bool broker_conn_send(struct broker_conn *c);

/* request.c */
/* aligned: the byte of the frame that lies at a multiple of BROKER_FRAME_ALIGN in memory. */
#define BROKER_FRAME_ALIGN 8
struct broker_request *broker_request_new(struct broker_conn *c, size_t frame_size, size_t aligned);
void broker_request_start(struct broker_request *req);
/* Sent, or its connection died: ends when nothing is pending. */
void broker_request_over(struct broker_request *req);
/* It was answered, no handler is at work on it, and its answer has to wait: gives back all that the answer doesn't
 * need. False: ops that use it are still under way. */
bool broker_request_slim(struct broker_request *req);
void broker_request_expire(struct broker *b);
void broker_requests_fini(struct broker *b);

/* handlers.c */
broker_handler_fn broker_handler_of(int16_t api_key);
