/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* How the descriptors of the process are shared out: connections come first, the rest is for segments. */

#define PER_PROCESS 64 /* listener, log, locks, SQLite, work in progress */
#define PER_REACTOR 16 /* event loops, accepted sockets on their way */
#define PER_SHARD 48   /* a journal's files */
#define PER_SEGMENT 3  /* .log, .entries, .aux */
#define CACHE_MIN 16   /* segments of a shard */
#define CACHE_MAX 1024 /* more idle ones are no use */
#define DIRTY_MIN 32
#define DIRTY_MAX 16384
#define GOOD_SEGMENTS 256 /* of a shard: fewer cost time */

void node_files_plan(const struct config *c, unsigned n_reactors, unsigned n_shards, uint64_t allowed,
                     struct node_files *ret)
{
    uint64_t used = PER_PROCESS + (uint64_t)PER_REACTOR * n_reactors + (uint64_t)PER_SHARD * n_shards +
                    (uint64_t)c->max_connections;
    uint64_t segments = allowed > used ? (allowed - used) / PER_SEGMENT / n_shards : 0;

    ret->allowed = allowed;
    ret->wanted = used + (uint64_t)PER_SEGMENT * GOOD_SEGMENTS * n_shards;
    ret->idle_segments = (unsigned)MIN(MAX(segments / 4, (uint64_t)CACHE_MIN), (uint64_t)CACHE_MAX);
    ret->dirty_segments = (unsigned)MIN(
        MAX(segments - MIN(segments, (uint64_t)ret->idle_segments), (uint64_t)DIRTY_MIN), (uint64_t)DIRTY_MAX);
}
