/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A whole node in one thread, over the simulated disk, net, lanes and clock, with clients that speak the protocol. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "config/config.h"
#include "node/node.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/net.h"
#include "sim/prng.h"
#include "support/suite.h"
#include "wire/wire_messages.h"

#define RIG_MAX_REACTORS 4
#define RIG_MAX_CLIENTS 8
#define MS UINT64_C(1000000)

struct client {
    struct rig *rig;
    unsigned reactor;
    struct sim_conn *conn; /* NULL: not connected */
    struct wr out;
    size_t n_sent;
    uint8_t *in;
    size_t n_in, in_capacity;
    int32_t next_correlation;
    bool dead; /* the server has closed it */
};

struct cluster;

struct rig {
    struct cluster *cluster; /* NULL: it is alone. Else time goes on for all together */
    struct config_peers peers;
    const struct node_links_ops *links;
    struct sim_prng prng;
    struct sim_clock clock;
    struct sim_disk *disk;
    struct sim_lane *lane;
    struct sim_net *net;
    struct env envs[RIG_MAX_REACTORS];
    unsigned n_reactors, n_shards;
    struct config config;
    struct node *node;
    struct client clients[RIG_MAX_CLIENTS];
    struct arena arena; /* of the last answer */
    struct error_text err;
    uint64_t deadline_ns; /* of the last turns */
    int fatal_error;
    char fatal_text[256]; /* what it said of that */
    uint64_t journal_file_bytes;
    unsigned n_damaged; /* segments that the node told of */
    char damage[512];   /* the last text */
    char notices[4096]; /* what it told people, a line each: "!" before what is bad */
    uint64_t next_id;
};

struct rig *rig_new(uint64_t seed, unsigned n_reactors);
void rig_free(struct rig *r);

int rig_start(struct rig *r);
/* Must succeed; until it is ready. */
void rig_start_ok(struct rig *r);
bool rig_is_ready(const struct rig *r);
bool rig_is_stopped(const struct rig *r);
/* Orderly; false when it didn't end within limit_ns of virtual time. The node is freed. */
bool rig_stop(struct rig *r, uint64_t drain_ns, uint64_t limit_ns);
/* The process ends. */
void rig_kill(struct rig *r);
void rig_crash(struct rig *r, enum sim_disk_crash how);

/* Turns of all reactors, and some steps of the lanes; false when nothing moved. */
bool rig_step(struct rig *r);
/* Until nothing moves; then time goes on from deadline to deadline. Of a node in a cluster: cluster_run(). */
void rig_run(struct rig *r, uint64_t ns);

struct client *rig_connect(struct rig *r, unsigned i);
void rig_disconnect(struct rig *r, unsigned i);
/* Queues a request. */
void client_send(struct client *c, int16_t api, int16_t version, const void *message);
/* Takes an answer that has come. */
bool client_recv(struct client *c, int16_t api, int16_t version, void *ret_message);
/* Both, and runs until it is there; false when the connection ended or limit_ns went by. */
bool client_ask(struct client *c, int16_t api, int16_t version, const void *message, void *ret_message);

/* Kafka error codes, or −1000 when there was no answer. */
#define NO_ANSWER (-1000)
int16_t ask_create(struct client *c, const char *topic, int32_t n_partitions);
int16_t ask_create_of(struct client *c, const char *topic, int32_t n_partitions, int16_t n_replicas);
int16_t ask_delete(struct client *c, const char *topic);
int16_t ask_metadata(struct client *c, const char *topic, bool create, int32_t *ret_n_partitions);
/* One batch of count records whose values begin with id. */
void send_produce(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count,
                  size_t value_size);
void send_produce_within(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count,
                         size_t value_size, int16_t acks, int32_t timeout_ms);
bool recv_produce(struct client *c, int16_t *ret_error, int64_t *ret_offset);
int16_t ask_produce(struct client *c, const char *topic, int32_t partition, uint64_t id, int32_t count,
                    int64_t *ret_offset);
void send_fetch(struct client *c, const char *topic, int32_t partition, int64_t offset, int32_t min_bytes,
                int32_t max_wait_ms);
/* Ids of the batches from offset on, and the high watermark. Returns how many, or a negated error code. */
int recv_fetch(struct client *c, uint64_t *to, int64_t *offsets, int max, int64_t *ret_next);
int ask_fetch(struct client *c, const char *topic, int32_t partition, int64_t offset, uint64_t *to, int64_t *offsets,
              int max, int64_t *ret_next);
