/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Applied state of state groups (metadata, later coordinators) as records in SQLite: one database per shard,
 * written behind by a worker, derived from the log and never on the way of an acknowledgement.
 *
 * Everything here blocks: run it on a worker or at start. One thread at a time per database. SQLite reaches the disk
 * through a small VFS over env/disk.h. */

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "base/textbuf.h"
#include "env/disk.h"
#include "env/prng.h"

struct state_db;

struct state_applied {
    uint64_t index, term;
    uint32_t checksum; /* of the entry at index */
};

struct state_record {
    uint16_t kind;
    struct slice key, value; /* value.data == NULL: delete */
};

#define STATE_E_DAMAGED \
    (ERROR_BASE_STATE + 1) /* the database is unusable: state_remove() it and rebuild from the log */
#define STATE_E_VERSION (ERROR_BASE_STATE + 2) /* written by a newer version */

/* path below the data directory; made when missing. */
int state_open(struct env_disk *disk, struct env_prng *prng, const char *path, struct state_db **ret,
               struct error_text *err);
void state_close(struct state_db *db); /* takes NULL */
int state_remove(struct env_disk *disk, const char *path);

/* {0, 0, 0} for a group that was never written. */
int state_applied(struct state_db *db, uint64_t group, struct state_applied *ret);

typedef int (*state_record_fn)(void *ctx, const struct state_record *rec);
int state_load(struct state_db *db, uint64_t group, state_record_fn fn, void *ctx);

/* One transaction: the changes and the applied position. The database never claims more than it has. After an error
 * all of it may be there or nothing (state_applied() tells for now, the next start for good); writing it again is
 * right in either case. Keys are never NULL. */
int state_write(struct state_db *db, uint64_t group, const struct state_applied *applied,
                const struct state_record *changes, size_t n_changes);
/* The same after dropping all records of the group first (a full image). */
int state_replace(struct state_db *db, uint64_t group, const struct state_applied *applied,
                  const struct state_record *records, size_t n_records);

/* For a simulator: what SQLite draws by itself (the numbers in its journals) follows from this from now on. It is the
 * process's. */
void state_seed(uint32_t seed);
