/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SQLite's files on env/disk.h. One VFS per database; paths are the disk's. There is one process (the data directory
 * is locked) and one connection, so locks are nothing.
 *
 * SQLite believes what it reads. So each page of the database ends with a CRC-32C, written and checked here: over the
 * page's number (u32, from 1) and the page before it. A page that fails is SQLITE_CORRUPT. */

#include <sqlite3.h>

#include "env/disk.h"
#include "env/prng.h"

#define STATE_PAGE_SIZE 4096
#define STATE_PAGE_RESERVED 4 /* bytes at the end of each page that SQLite leaves alone: the CRC, little-endian */

struct state_vfs {
    sqlite3_vfs vfs; /* first */
    struct env_disk *disk;
    struct env_prng *prng;
    char name[32];
    int error; /* first errno since state_vfs_take_error(), 0 none */
};

int state_vfs_init(struct state_vfs *v, struct env_disk *disk, struct env_prng *prng);
void state_vfs_fini(struct state_vfs *v);
/* What the disk said when SQLite reports an I/O error. */
int state_vfs_take_error(struct state_vfs *v);
