/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A whole node as an object over the five seams: data directory, shards with their journals and replicas, the
 * metadata group, and a broker per reactor. The daemon runs it on threads, a simulator in one.
 *
 * Shard s belongs to reactor s % n_reactors, group g to shard (g − 1) % n_shards (how many is fixed when the
 * data directory is made). The metadata group lives on shard 0; each reactor keeps a copy of the metadata, which
 * follows by mail.
 *
 * A cluster of several nodes is formed once by those that each of them has listed; the metadata group and partitions
 * have voters on several of them from then on (node/README.md).
 *
 * Start: node_open() recovers, blocking; then node_start() on each reactor's thread before its first turn; from then
 * on node_turn() on each reactor, over and over. Stop: node_stop() from any one reactor's thread, then turns until
 * node_is_stopped() on every reactor; then node_free(). */

#include <stdbool.h>
#include <stdint.h>

#include "base/textbuf.h"
#include "broker/broker.h"
#include "config/config.h"
#include "env/env.h"

struct node;
struct node_links_ops;

#define NODE_E_BUSY (ERROR_BASE_NODE + 1)  /* another process uses the data directory */
#define NODE_E_DATA (ERROR_BASE_NODE + 2)  /* the data directory is another node's, newer, or damaged: untouched */
#define NODE_E_PEERS (ERROR_BASE_NODE + 3) /* options.peers can't be a cluster, or are needed and missing */

/* How the node reaches whoever runs it. Called on the thread that says so. */
struct node_host {
    /* An I/O error, or damage (LOG_E_CORRUPT), after which nothing may be written: the process must end. text says all:
     * where, what failed and why, and what to do. Any reactor's thread. */
    void (*fatal)(void *ctx, int err, const char *text);
    /* A connection on the Kafka port that speaks HTTP; nothing was read from it yet. Its reactor's thread. The host
     * detaches or closes it. */
    void (*http)(void *ctx, unsigned reactor, struct net_conn *conn);
    /* The scrubber found damage in a segment; text says where and what to do. topic NULL: the cluster's metadata. Any
     * reactor's thread. May be NULL. */
    void (*damaged)(void *ctx, const char *topic, int32_t partition, const char *text);
    /* Another node, or who claims to be one, was refused; some are left out. Any reactor's thread. May be NULL. */
    void (*peer_refused)(void *ctx, const char *text);
    /* What an operator should know of who belongs to the cluster: a node that lost its disk is taken again, or can't
     * be (is_bad), and what to do then. Any reactor's thread. May be NULL. */
    void (*notice)(void *ctx, bool is_bad, const char *text);
    void *ctx;
};

struct node_links_ops;

struct node_options {
    const struct config *config; /* stays until node_free() or node_reload() */
    unsigned n_reactors;         /* one env each */
    struct env **envs;
    unsigned n_shards;  /* for a new data directory only */
    uint64_t max_files; /* descriptors that the process may have */
    /* Of a journal file, with room for four of the largest messages: so small that it is recycled within a short run.
     * 0: as journal_size says. */
    uint64_t journal_file_bytes;
    struct node_host host;
    /* discovery.peers, copied; this node is among them or comes in addition. NULL or nobody else: a new data
     * directory's node forms a cluster alone. Else it waits for the others and forms one with them, and isn't ready
     * before. */
    const struct config_peers *peers;
    /* How it reaches the cluster's other nodes: &node_links, of node/links.h. NULL: it is alone. */
    const struct node_links_ops *links;
    /* Told now and then during recovery; may be NULL. */
    void (*progress)(void *ctx, const char *status);
};

#define NODE_FILES_OF_SEGMENT 3 /* .log, .entries, .aux */

/* How many descriptors a node of this configuration wants and needs, and what it makes of those that it is allowed. */
struct node_files {
    uint64_t allowed, wanted, least;
    uint64_t connections;                   /* so many clients at most, max_connections or fewer */
    uint64_t connections_max;               /* what max_connections may become meanwhile: those that no file takes */
    uint64_t files;                         /* below the data directory, open beside them */
    unsigned idle_segments, dirty_segments; /* of a shard, open beside each other; readers hold half of the former */
};
void node_files_plan(const struct config *c, unsigned n_reactors, unsigned n_shards, uint64_t allowed,
                     struct node_files *ret);

/* The number of shards that the data directory was made with; changes nothing. Returns 0, -ENOENT when it is new, or
 * what node_open() will say better. */
int node_known_shards(struct env_disk *disk, const char *node_id, unsigned *ret_n_shards);

/* Returns 0, a negative errno, or a positive code of journal/, log/, state/ or NODE_E_*; err tells a human what and
 * where. */
int node_open(const struct node_options *options, struct node **ret, struct error_text *err);
/* Nothing of it may be running. Takes NULL. */
void node_free(struct node *n);

void node_start(struct node *n, unsigned reactor);
/* One turn of a reactor: what came in is worked on, what is due is done. Returns the time of its next deadline
 * (ns, UINT64_MAX none). */
uint64_t node_turn(struct node *n, unsigned reactor, uint64_t now_ns);

/* Orderly: no new requests, answers what is under way (for at most drain_ns), then checkpoints everything. */
void node_stop(struct node *n, unsigned reactor, uint64_t drain_ns);
bool node_is_stopped(const struct node *n, unsigned reactor);
/* For a simulator whose process dies: everybody who waits is told, all connections are closed. After some more turns
 * and all work and mail, over a disk that is dead, the node may be freed. One thread. */
void node_abandon(struct node *n);
/* Serves clients: every group of the node leads. Any thread may ask, on its own reactor. */
bool node_is_ready(const struct node *n, unsigned reactor);

/* Room on the disk, as this reactor knows it. */
struct node_disk_state {
    bool full;             /* Produce is refused: little is free, or a journal or a segment waits for room */
    bool lacks_files;      /* what it waits for is file descriptors */
    uint64_t free_bytes;   /* as of the last look */
    uint64_t needed_bytes; /* so much has to be free before Produce opens again */
};
void node_disk_state(const struct node *n, unsigned reactor, struct node_disk_state *ret);

/* The port that clients are told when the configuration says 0 or the advertised port is chosen by itself. Before
 * node_start(). */
void node_set_port(struct node *n, uint16_t port);

/* The largest batch that the journals take as they were opened: what max_message_size can be raised to. Any thread. */
int64_t node_max_message_bytes(const struct node *n);

/* New settings, taken over by each reactor at its next turn; call on each reactor's thread. The old ones may be freed
 * when all have done so. */
void node_reload(struct node *n, unsigned reactor, const struct config *config);

/* --- for a simulator that watches nodes from outside, in the same thread --- */

/* 0 and all zero before it belongs to a cluster. */
int32_t node_broker_id(const struct node *n);
/* Of its data directory. */
struct uuid node_incarnation(const struct node *n);
struct uuid node_cluster_id(const struct node *n);
bool node_is_metadata(uint64_t group);
/* So many times a group of the shard may have come to stand elsewhere, see replica_stands(). */
uint64_t node_shard_steps(const struct node *n, unsigned shard);
struct replica;
/* What this node's replica of a partition has applied; -1: it has none. */
int64_t node_high_watermark(const struct node *n, const struct uuid *topic, int32_t partition);
uint64_t node_n_starts(const struct node *n);
/* All reactors of n have been told by the other one of its present start, or by a later one of it. */
bool node_has_met(const struct node *n, const struct node *other);
/* The replica is there, maybe about to be removed: whether the topic is, as far as this node has applied. */
bool node_knows_topic_of(const struct node *n, unsigned shard, uint64_t group);
void node_each_replica(const struct node *n, unsigned shard, void (*fn)(void *ctx, const struct replica *r), void *ctx);

/* --- figures --- */

/* Bytes that requests of this reactor, without their answers, hold now. Its thread. */
uint64_t node_request_memory(const struct node *n, unsigned reactor);

/* Connections with other nodes. Counters since start, gauges marked so: name, help */
#define NODE_LINKS_COUNTERS(X) \
    X(dials, "Connections to other nodes that were asked for") \
    X(dials_failed, "Connections to other nodes that came to nothing") \
    X(connections_lost, "Connections with other nodes that ended") \
    X(peers_refused, "Connections refused since the other side isn't who it has to be") \
    X(frames_refused, "Frames of other nodes that were skipped") \
    X(messages_sent, "Messages sent to other nodes") \
    X(messages_received, "Messages received from other nodes") \
    X(messages_dropped, "Messages to other nodes that weren't sent") \
    X(bytes_sent, "Bytes sent to other nodes") \
    X(bytes_received, "Bytes received from other nodes") \
    X(images_lost, "Partition images that weren't sent to their end")

#define NODE_LINKS_GAUGES(X) \
    X(peers, "Other nodes that are known") \
    X(peers_connected, "Other nodes that are connected") \
    X(connections, "Connections with other nodes") \
    X(waiting_bytes, "Bytes that wait to be sent to other nodes")

struct node_links_stats {
#define X(name, help) uint64_t name;
    NODE_LINKS_COUNTERS(X)
    NODE_LINKS_GAUGES(X)
#undef X
};

struct node_topic_report {
    char *name;
    char id[UUID_TEXT_SIZE];
    int32_t n_partitions;
    int16_t replication_factor;
};

struct node_partition_report {
    uint32_t topic; /* index into topics */
    int32_t partition;
    int32_t epoch;
    int64_t log_start, high_watermark;
    uint64_t size_bytes;
    uint64_t damaged_segments; /* as the scrubber found */
};

struct node_report {
    struct lane_mail mail; /* the node's */
    /* On reactor 0 when all reactors have added theirs. */
    void (*done)(struct node_report *report);
    bool want_partitions;

    bool ready;
    char node_id[256];
    int32_t broker_id;
    char cluster_id[UUID_TEXT_SIZE];
    unsigned n_reactors, n_shards;
    uint64_t metadata_index;
    struct node_topic_report *topics;
    size_t n_topics;
    struct node_partition_report *partitions; /* with want_partitions */
    size_t n_partitions, partitions_capacity;
    struct broker_stats broker; /* sum over the reactors */
    bool has_links;
    struct node_links_stats links; /* likewise; peers and peers_connected as reactor 0 has them */
    uint64_t journal_flushes, journal_records, journal_bytes_written, journal_bytes_in_use, journal_files;
    uint64_t produced_batches, produced_records, produced_bytes, duplicate_batches, produce_waits, fetched_bytes;
    uint64_t pending_bytes, read_cache_bytes;
    uint64_t scrub_bytes, scrub_segments, scrub_damaged;
    uint64_t raft_messages_refused, session_messages_refused, session_messages_stale; /* of other nodes */
    uint64_t disk_free_bytes, disk_reserve_bytes;
    uint64_t groups_changing, groups_to_change,
        groups_lost; /* led here: under way, not begun; here, without a majority */
    bool disk_full;
    unsigned next_reactor; /* the node's */
    struct node *node;     /* the node's */
};

/* Starts gathering; on reactor 0's thread. */
void node_collect(struct node *n, struct node_report *report);
void node_report_fini(struct node_report *report);
