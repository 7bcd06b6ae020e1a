/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HTTP for people and for monitoring, on connections that come as descriptors:
 *
 *   GET /health /health/live /health/ready   JSON, status 200 or 503
 *   GET /cluster/status                      JSON
 *   GET /metrics                             Prometheus text format 0.0.4
 *
 * Everything belongs to the one thread that the host has in admin_run(). The rest of the process reaches it through
 * the kernel only, by descriptors that carry connections and the news that figures have come; so nothing is shared and
 * nothing is locked. Figures are fetched for every answer, by one request at a time that goes to reactor 0 and comes
 * back: however many clients ask, the reactors work for one.
 *
 * libmicrohttpd is loaded when the first connection comes. Until then all that this costs is a thread that sleeps. */

#include <stdint.h>

#include "config/config.h"
#include "env/lane.h"
#include "node/node.h"

struct admin;

/* Asks for figures. Embedded in the admin; the host has it from collect() until admin_collect(). */
struct admin_request {
    struct lane_mail mail; /* the host's, to bring it to reactor 0 */
    void *ctx;             /* of the config */
};

struct admin_config {
    /* On the admin's thread: brings the request to reactor 0's thread and calls admin_collect() there. Never blocks. A
     * request may be dropped, but then all answers are "503 stuck" from there on. */
    void (*collect)(void *ctx, struct admin_request *request);
    /* On the admin's thread, once: HTTP can't be served, and why. May be NULL. */
    void (*failed)(void *ctx, const char *why);
    void *ctx;
    const char *library; /* NULL: libmicrohttpd; else a stand-in */

    /* Limits; admin_config_init() fills in what is sensible. */
    unsigned max_connections; /* beyond it the one that dawdles longest makes room */
    unsigned max_partitions;  /* shown by /metrics, and by /cluster/status */
    uint32_t max_head_bytes;  /* request line and headers of a request, roughly */
    uint32_t max_body_bytes;  /* bodies are read and ignored */
    uint32_t max_reply_bytes; /* of all answers that are on their way */
    uint32_t request_ms;      /* from the connection, or the answer before, to the end of a request */
    uint32_t collect_ms;      /* for the figures to come */
    uint32_t reply_ms;        /* for the client to take the answer */
};

void admin_config_init(struct admin_config *c);

/* Copies the config. Returns 0 or a negative errno (descriptors). */
int admin_new(const struct admin_config *config, struct admin **ret);

/* Serves until admin_stop(). On a thread of its own, once. */
void admin_run(struct admin *a);

/* Any thread, never blocks: hands a connected stream socket over, from which nothing was read. Takes the descriptor in
 * any case. Returns 0, or -EAGAIN when there are too many at once and this one was closed. */
int admin_add(struct admin *a, int fd);

/* Makes admin_run() return; connections are closed. The last call before admin_free(): no admin_add() at the same time
 * or later. */
void admin_stop(struct admin *a);

/* After admin_run() has returned (or was never called), and after the reactors have ended: a request that was still on
 * its way is freed. Takes NULL. */
void admin_free(struct admin *a);

/* On reactor 0's thread: gathers the figures; port is the one that is listened on. The answers follow by themselves. */
void admin_collect(struct admin_request *request, struct node *node, const struct config *config, uint16_t port);
