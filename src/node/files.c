/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* How the descriptors of the process are shared out: connections have a part that no file takes, the rest is for
 * segments. Where there are too few for both, each side gets half. */

#define PER_PROCESS 128 /* listener, log, locks, SQLite, HTTP, work in progress */
#define PER_JOBS 16     /* of these: files that jobs open for themselves and close again */
#define PER_REACTOR 16  /* event loops, accepted sockets on their way */
#define PER_SHARD 48    /* a journal's files */
#define PER_SEGMENT NODE_FILES_OF_SEGMENT
#define CACHE_MIN 4    /* segments of a shard */
#define CACHE_MAX 1024 /* more idle ones are no use */
#define DIRTY_MIN 8
#define DIRTY_MAX 16384
#define GOOD_SEGMENTS 256 /* of a shard: fewer cost time */
#define CONNECTIONS_MIN 16

void node_files_plan(const struct config *c, unsigned n_reactors, unsigned n_shards, uint64_t allowed,
                     struct node_files *ret)
{
    uint64_t connections = (uint64_t)c->max_connections, good = (uint64_t)PER_SEGMENT * GOOD_SEGMENTS * n_shards;
    uint64_t own = PER_PROCESS + (uint64_t)PER_REACTOR * n_reactors + (uint64_t)PER_SHARD * n_shards;
    uint64_t rest = allowed - MIN(allowed, own), segments, beside;

    ret->allowed = allowed;
    ret->wanted = own + connections + good;
    ret->least =
        own + MIN(connections, (uint64_t)CONNECTIONS_MIN) + (uint64_t)PER_SEGMENT * (CACHE_MIN + DIRTY_MIN) * n_shards;
    connections = MIN(connections, MAX(rest / 2, rest - MIN(rest, good)));
    /* What the segments of very few descriptors need comes first. */
    connections = MIN(connections, rest - MIN(rest, (uint64_t)PER_SEGMENT * (CACHE_MIN + DIRTY_MIN) * n_shards));
    segments = (rest - connections) / PER_SEGMENT / n_shards;
    ret->idle_segments = (unsigned)MIN(MAX(segments / 4, (uint64_t)CACHE_MIN), (uint64_t)CACHE_MAX);
    ret->dirty_segments = (unsigned)MIN(
        MAX(segments - MIN(segments, (uint64_t)ret->idle_segments), (uint64_t)DIRTY_MIN), (uint64_t)DIRTY_MAX);
    ret->connections = connections;
    beside = allowed - MIN(allowed, own - (uint64_t)PER_SHARD * n_shards - PER_JOBS);
    segments = (uint64_t)n_shards * (ret->idle_segments + ret->dirty_segments);
    ret->files = MIN(beside - MIN(beside, connections),
                     PER_JOBS + (uint64_t)PER_SHARD * n_shards + (uint64_t)PER_SEGMENT * segments);
    ret->connections_max = beside - ret->files;
}
