/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The Kafka side of a node on one reactor: connections, frames, requests and their answers.
 *
 * It is the handler of the reactor's env_net. Nothing is worked on inside the net's callbacks beyond receiving; all
 * else happens in broker_turn(). Owner: the reactor's thread. */

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "broker/backend.h"
#include "wire/api.h"

struct broker;

/* Counters since start, gauges marked so; summed over the reactors for /metrics. name, help */
#define BROKER_COUNTERS(X) \
    X(connections_accepted, "Connections accepted") \
    X(connections_refused, "Connections closed at once because a limit was reached") \
    X(connections_closed_idle, "Connections closed because they were idle") \
    X(bytes_received, "Bytes received from clients") \
    X(bytes_sent, "Bytes sent to clients") \
    X(requests, "Requests received") \
    X(protocol_errors, "Connections closed because of malformed or unknown requests") \
    X(oversized_requests, "Connections closed because a request was too large or its size impossible") \
    X(tls_hellos, "Connections closed because the client spoke TLS") \
    X(http_connections, "Connections that turned out to be HTTP") \
    X(error_responses, "Partition or topic errors sent to clients") \
    X(produce_errors, "Partition errors in Produce responses") \
    X(fetch_errors, "Partition errors in Fetch responses")

#define BROKER_GAUGES(X) \
    X(connections, "Open connections") \
    X(requests_in_flight, "Requests that wait for their answer") \
    X(fetches_parked, "Fetch requests that wait for data") \
    X(request_memory_bytes, "Memory held by requests") \
    X(connections_muted, "Connections that aren't read from because a limit is reached")

#define BROKER_API_KEYS 128

struct broker_stats {
#define X(name, help) uint64_t name;
    BROKER_COUNTERS(X)
    BROKER_GAUGES(X)
#undef X
    uint64_t requests_by_api[BROKER_API_KEYS];
    struct histogram produce_ns, fetch_ns; /* from the whole request to its answer; parked time not counted in fetch */
};

/* n_reactors: what limits are given for the whole node is split between them. */
struct broker *broker_new(struct broker_backend *backend, unsigned n_reactors);
/* All connections must be gone and no op in flight (broker_is_drained()), or the reactors have ended. Takes NULL. */
void broker_free(struct broker *b);

/* Gets connections that speak HTTP, with nothing read from them; it detaches or closes them. Unset, or with `http`
 * off in the configuration, they are closed. */
void broker_set_http(struct broker *b, void (*fn)(void *ctx, unsigned reactor, struct net_conn *conn), void *ctx);

/* Works on all that came in since the last turn and sends what is ready. Returns the next deadline (ns). */
uint64_t broker_turn(struct broker *b, uint64_t now_ns);

/* Orderly end: takes no more connections or requests; answers what is under way (parked fetches at once), then
 * closes. */
void broker_stop(struct broker *b);
/* No connections, no requests, no ops in flight. */
bool broker_is_drained(const struct broker *b);
/* Closes all connections now; ops in flight still come home. */
void broker_close_all(struct broker *b);

/* backend->config was replaced. */
void broker_reload(struct broker *b);

/* What requests hold now: request_memory_bytes of the figures, without the part of answers. */
uint64_t broker_request_memory(const struct broker *b);

/* Adds this reactor's figures to *into. */
void broker_add_stats(const struct broker *b, struct broker_stats *into);
