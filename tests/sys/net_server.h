/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A server on real reactors whose connections do what a test's ready() says; the test's thread plays the clients. */

#include <stdatomic.h>

#include "env/env.h"
#include "sys/runtime.h"

struct session;

struct server {
    struct sys_runtime *rt;
    uint16_t port;
    bool refuses; /* every connection */
    void (*ready)(struct session *s, unsigned events);
    void *test;
    struct seat {
        struct server *server;
        uint64_t n_turns;
        atomic_int n_open;
    } seats[4]; /* by reactor */
};

struct session {
    struct seat *seat;
    struct net_conn *c;
    uint64_t last_turn;
    size_t n_pending, sent;
    char pending[65536];
};

/* Listens on 127.0.0.1 and a port of the kernel's choice. */
void server_prepare(struct server *sv, unsigned n_reactors, void (*ready)(struct session *s, unsigned events));
/* Starts, too. */
void server_start(struct server *sv, unsigned n_reactors, void (*ready)(struct session *s, unsigned events));
void server_stop(struct server *sv);

/* Closes and frees it; on its reactor. */
void session_end(struct session *s);
/* For ready(): sends back what it receives; while that waits to be sent, wants nothing else. */
void session_echo(struct session *s, unsigned events);

/* Clients, blocking. */
void server_wait_for_connections(struct server *sv, unsigned n);
int server_connect(struct server *sv, int fd); /* as connect(2) */
int server_dial(struct server *sv);
void client_send(int fd, const void *data, size_t size);
void client_recv(int fd, void *to, size_t size);
void client_expect_end(int fd); /* closes fd too */
