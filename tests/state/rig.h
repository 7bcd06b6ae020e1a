/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A database on a disk in memory, and a history of transactions whose every state is known: version v of group
 * RIG_GROUP is what v transactions left. So what is read back either is one of the versions, or it is wrong. */

#include "sim/disk.h"
#include "state/state.h"

#define RIG_PATH "state/0.db"
#define RIG_GROUP 7

struct rig {
    struct sim_disk *disk;
    struct env_disk *env;
    struct sim_prng prng;
    struct state_db *db; /* NULL: closed */
};

extern struct rig rig;

/* A disk with the directory, nothing opened. */
void rig_init(uint64_t seed);
void rig_fini(void);

/* Opens rig.db. Returns what state_open() does. */
int rig_open(void);
void rig_close(void);

/* Writes version v over version v - 1. Some are whole images, most are changes; they differ in size a lot. */
int rig_write(uint64_t v);

/* Reads the group back. Returns 0 and the version, or what went wrong; -EILSEQ when it is no version at all. */
int rig_read(uint64_t *ret_version);

/* Opened, read, and exactly that. */
void rig_expect(uint64_t version);
