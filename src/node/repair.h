/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Offline repair of a damaged data directory: looks at every byte that counts, says what would be lost for good, and
 * does it only when told. Blocking, one thread, never serves.
 *
 * It is one step for whoever sees the directory later: everything new is written below "repair/" first, then a list of
 * renames gets the name "repair.commit", and only then anything else changes. Cut short before, it starts over; cut
 * short behind, the next run goes on with the list, and no node starts meanwhile. What is replaced is never removed but
 * moved to "damaged-N/". */

#include "node/node.h"

enum node_repair_mode {
    NODE_REPAIR_LOOK,        /* changes nothing */
    NODE_REPAIR_KEEP_MOST,   /* of a partition with a hole: the side that has more records */
    NODE_REPAIR_KEEP_OLDEST, /* … what is before the hole */
    NODE_REPAIR_KEEP_NEWEST, /* … what is behind it, where the log can begin there */
};

/* What happens to a partition. */
struct node_repair_partition {
    const char *topic;
    int32_t partition;
    int64_t log_start, end; /* offsets that it had: from log_start up to end, as far as anything tells */
    int64_t kept_start, kept_end;
    bool is_lossy;
    bool end_unknown; /* more may have been behind end */
};

struct node_repair_options {
    const struct config *config;
    struct env_disk *disk;
    struct env_prng *prng;
    struct env_clock *clock;
    enum node_repair_mode mode;
    const char *command; /* what to tell the operator to run: "brokerd --repair=yes …" */
    /* The plan, line by line. */
    void (*say)(void *ctx, const char *line);
    /* Each partition with something to tell; may be NULL. */
    void (*partition)(void *ctx, const struct node_repair_partition *p);
    void *ctx;
};

enum node_repair_verdict {
    NODE_REPAIR_SOUND,  /* nothing is wrong */
    NODE_REPAIR_NEEDED, /* something is, and nothing was changed */
    NODE_REPAIR_DONE,
};

/* Returns 0, NODE_E_BUSY, NODE_E_DATA or a negative errno with err set. */
int node_repair(const struct node_repair_options *options, enum node_repair_verdict *ret, struct error_text *err);

/* NODE_E_DATA with err set when a repair was cut short and has to be finished first, else 0. */
int node_repair_check(struct env_disk *disk, struct error_text *err);
