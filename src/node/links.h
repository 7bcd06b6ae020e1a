/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between the rest of a node and its connections to the others. The connections (links*.c) know node ids, addresses,
 * hellos and frames, and nothing of metadata or groups; the rest knows who belongs to the cluster, and asks for links
 * by broker id. Nothing that is sent is sure to arrive, but what arrives is what was sent. Tests may put a table of
 * their own in place (node_options.links).
 *
 * Who this node is changes once, when its cluster is formed: superblock.cluster_id and broker_id, which a hello tells,
 * on reactor 0, and the fleets, which aren't there before (replicas.fleet is NULL). Whoever sees the one there finds
 * the other, and on other reactors it is there before any mail that is posted later. Then know() is called for all
 * others, with their broker ids: connections begin anew, with the new hello. */

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"
#include "fleet/fleet.h"
#include "peer/peer.h"
#include "replica/replica.h"

struct node;
struct node_reactor;
struct node_shard;

/* Another node, as far as it is known: from discovery's list, from the formation, or from the metadata. */
struct node_peer {
    const char *node_id;
    const char *raft_addr;   /* HOST:PORT */
    int32_t broker_id;       /* −1: the cluster gave none yet */
    struct uuid incarnation; /* zero: not known */
};

/* What nodes tell each other beside their groups' messages: peer frames of kind WORD. */
enum node_word {
    NODE_WORD_FORM = 1,      /* who forms the cluster to those that he names: the first metadata command */
    NODE_WORD_FORWARD,       /* to the metadata's leader: a command of one who isn't */
    NODE_WORD_FORWARD_REPLY, /* back */
    NODE_WORD_READMIT,       /* to nodes with a cluster: the incarnation of a blank data directory */
    NODE_WORD_WELCOME,       /* back: it is of the cluster again, and who formed that */
    NODE_WORD_APPLIED,       /* to all: how far the metadata is applied */
    NODE_WORD_LAST = NODE_WORD_APPLIED,
};
#define NODE_WORD_MAX PEER_WORD_MAX /* bytes of one, at least 1 */

struct node_links_ops {
    /* The shard's reactor. Takes the message. */
    void (*send)(struct node_shard *s, struct replica_message *m);
    /* The shard's reactor; copied. */
    void (*send_session)(struct node_shard *s, const struct fleet_message *m);
    /* Reactor 0: from now on there are to be connections to this node, which is told apart by its node id; what is said
     * of it replaces what was. Copied. */
    void (*know)(struct node *n, const struct node_peer *p);
    /* Reactor 0: no more. */
    void (*forget)(struct node *n, const char *node_id);
    /* Reactor 0; copied. At most NODE_WORD_MAX bytes. */
    void (*tell)(struct node *n, const char *node_id, enum node_word word, struct slice body);
};

/* Real ones, over the nets' connect() and peer_handler. */
extern const struct node_links_ops node_links;

/* What the links call. Connections that come and go they tell the fleets themselves, on each shard's reactor
 * (fleet_peer_up(), fleet_peer_down()), and sessions' messages, too (fleet_receive()). */

/* The shard's reactor: a message of one of its groups; the link frees it. */
void node_group_heard(struct node_shard *s, struct replica_message *m);
/* An image for that node got lost, or wasn't asked for in time. The shard's reactor, at the start of a turn. */
void node_image_lost(struct node_shard *s, uint64_t group, int32_t to);
/* Any reactor, with what its copy of the metadata says: the node had this data directory, and the cluster knows it by
 * another one since. A data directory that the cluster doesn't know by that name is newer than what is known here, if
 * it belongs to the cluster. */
bool node_peer_was_replaced(const struct node_reactor *r, const char *node_id, const struct uuid *incarnation);
/* Reactor 0: the other side of a connection, which may not have a broker id yet. It was held against what is known of
 * it. Of a node that isn't known only what it says of itself is: unless node_links_ops.know() is called for it here,
 * the connection ends. */
void node_hello_heard(struct node *n, const struct peer_hello *hello);
/* Reactor 0. */
void node_word_heard(struct node *n, const char *node_id, enum node_word word, struct slice body);
/* A peer was refused: another cluster's, an old disk image, another data directory, what isn't a broker at all. For
 * people; some are left out. Any reactor. */
void node_peer_refused(struct node *n, const char *text);
/* How far the shard's journal is known to be durable since the node's start, and what a message may have. At start. */
uint64_t node_start_lsn(const struct node_shard *s);
void node_peer_limits(const struct node_shard *s, struct peer_limits *ret);
