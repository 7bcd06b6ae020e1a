/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An admin on a thread of its own, clients on 127.0.0.1, and a stand-in for the node. */

#include "admin/sample.h"

enum rig_node {
    RIG_ANSWERS,
    RIG_HOLDS, /* keeps the request until rig_release() */
};

struct rig {
    struct admin_config config; /* changed between rig_init() and rig_start() */
    struct admin *admin;
    int listen_fd;
    unsigned port;
    bool is_ready; /* what the node says */
    enum rig_node node;
};

extern struct rig rig;

void rig_init(void);
void rig_start(void);
void rig_stop(void);

/* Answers the request that is held, waiting until there is one. */
void rig_release(void);
/* Waits until the node holds a request. */
void rig_wait_held(void);

/* A client's end of a connection that the admin has got; with `first` in it already, or NULL. */
int rig_connect_with(const char *first);
int rig_connect(void);

struct answer {
    unsigned status; /* 0: the connection was closed without an answer */
    char *head;      /* NUL-terminated, with the status line */
    char *body;      /* NUL-terminated */
    size_t size;
};

void client_send(int fd, const char *text);
/* Sends even into a connection that was closed meanwhile. False when it was. */
bool client_try_send(int fd, const char *text);
/* head_only: to HEAD */
void client_read(int fd, bool head_only, struct answer *ret);
void answer_fini(struct answer *a);
/* Value of a header, malloc'd, or NULL. */
char *answer_header(const struct answer *a, const char *name);
/* Waits for the end of the connection; bytes before it are dropped. */
void client_expect_end(int fd);

/* One request on a connection of its own; "GET /health". */
void client_get(const char *request, struct answer *ret);
/* A figure of /metrics. */
unsigned long long client_metric(const char *name);
