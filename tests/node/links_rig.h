/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Links of up to three nodes that are joined by a simulated network. The rest of a node is a stand-in: its fleets and
 * groups only note what they are told, and a test says what they say. */

#include "node/links_internal.h"
#include "sim/clock.h"
#include "sim/lane.h"
#include "sim/mesh.h"
#include "support/suite.h"

#define BED_MAX_NODES 3
#define BED_MAX_REACTORS 3
#define BED_MAX_SHARDS 4
#define MS UINT64_C(1000000)
#define SEC (1000 * MS)

struct player;

/* Stands in for the fleet of a shard. */
struct fleet {
    struct player *player;
    unsigned shard;
    struct {
        bool up, dead;
        uint32_t n_shards;
        unsigned n_ups, n_downs;
    } of[BED_MAX_NODES]; /* by broker id − 1 */
};

/* A message that came. */
struct heard {
    unsigned shard;
    uint64_t group;
    enum raft_message_kind kind;
    int32_t from;
    uint64_t tag; /* its term */
    uint32_t n_entries;
    size_t size;
};

struct player {
    struct bed *bed;
    unsigned index;
    char address[32];
    struct uuid incarnation, cluster_id;
    uint64_t boot, lsn;
    int32_t broker_id;
    unsigned n_reactors, n_shards;
    bool running;
    /* While it runs. */
    struct node node;
    struct node_reactor reactors[BED_MAX_REACTORS];
    struct node_shard shards[BED_MAX_SHARDS];
    struct fleet fleets[BED_MAX_SHARDS];
    struct env envs[BED_MAX_REACTORS];
    struct sim_lane *lane;
    struct sim_net *net;
    uint64_t deadline_ns;
    bool beats; /* its fleets say something each 50 ms to whom they are connected */
    uint64_t next_beat_ns;
    /* What it was told, also in earlier lives. */
    struct heard *heard;
    size_t n_heard, heard_capacity;
    unsigned n_sessions, n_hellos, n_words, n_images_lost, n_refused;
    char word[64]; /* the last one's beginning */
    size_t word_size;
    char refused[ERROR_TEXT_SIZE];
    struct uuid replaced; /* a data directory that a node had */
    const char *welcomes; /* node id that it gets to know when it says hello */
};

struct bed {
    struct sim_prng prng;
    struct sim_clock clock;
    struct sim_mesh *mesh;
    unsigned n;
    struct player players[BED_MAX_NODES];
    size_t buffer_bytes;
};

/* Nodes a, b, c with broker ids 1, 2, 3, of one cluster, that don't know each other yet and don't run. */
struct bed *bed_new(uint64_t seed, unsigned n_nodes, unsigned n_reactors, unsigned n_shards);
void bed_free(struct bed *b);

void player_start(struct player *p);
/* The process ends, or the host loses its power. */
void player_end(struct player *p, bool power_lost);
/* As the last phases of a node's stop; no work may be left. */
void player_stop(struct player *p);
void player_know(struct player *p, const struct player *other);
/* All start, and know each other. */
void bed_start(struct bed *b);
/* Both ways; with nothing else changed. */
void bed_delay(struct bed *b, uint64_t delay_ns, uint64_t jitter_ns);
void bed_hold(struct bed *b, unsigned from, unsigned to, bool held);

bool bed_step(struct bed *b);
void bed_run(struct bed *b, uint64_t ns);
/* Until all that run are connected with each other on all shards; must be within that time. */
void bed_run_until_up(struct bed *b, uint64_t limit_ns);
bool bed_is_up(const struct bed *b);

/* tag comes back as the term. */
void say_small(struct player *p, const struct player *to, uint64_t group, uint64_t tag);
/* An APPEND of n entries of so many bytes each, in buffers of the shard's reactor. */
void say_entries(struct player *p, const struct player *to, uint64_t group, uint64_t tag, uint32_t n, size_t size);
/* The same, as entries that were read back from segments are. */
void say_loaded(struct player *p, const struct player *to, uint64_t group, uint64_t tag, size_t size);
void say_image(struct player *p, const struct player *to, uint64_t group, uint64_t tag, size_t size);
/* How often a message with this tag was heard. */
unsigned player_heard(const struct player *p, uint64_t tag);
struct node_links_stats player_stats(const struct player *p);
