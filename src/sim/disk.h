/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk in memory behind env/disk.h that tells what was written from what is durable, as POSIX does and no more:
 *
 *   bytes and size of a file    durable after sync_data() on it
 *   a name (created, renamed,   durable after sync_dir() on its directory; a rename is one step, which a crash takes
 *   removed)                    or leaves as a whole
 *
 * A crash keeps what is durable, and of the rest any subset that the prng draws: sector by sector (512 bytes), size by
 * size, name by name. A rename between directories is durable at the target after sync_dir() there; syncing the source
 * first makes both durable, so that the file is never lost.
 *
 * One thread, one process at a time: handles and the lock belong to the process, which ends by sim_disk_exit() or
 * sim_disk_crash(); after either the old handles give -EIO and are only good for disk_close(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "env/disk.h"
#include "sim/prng.h"

struct sim_disk;

#define SIM_DISK_SECTOR 512

/* Kinds of calls, for faults and counters: X(NAME) */
#define SIM_DISK_CALLS(X) \
    X(OPEN) \
    X(SIZE) \
    X(READ) \
    X(READ_CACHED) \
    X(WRITE) \
    X(SYNC_DATA) \
    X(WRITE_BACK) \
    X(SYNC_FS) \
    X(ALLOCATE) \
    X(TRUNCATE) \
    X(MAP) \
    X(UNMAP) \
    X(RENAME) \
    X(UNLINK) \
    X(MKDIR) \
    X(SYNC_DIR) \
    X(LIST) \
    X(SPACE) \
    X(LOCK)

enum sim_disk_call {
#define X(name) SIM_DISK_##name,
    SIM_DISK_CALLS(X)
#undef X
        SIM_DISK_N_CALLS,
};

/* An empty disk of 1 TiB. prng may be NULL, else it must live as long as the disk: with it a write that fails by a
 * fault leaves some first part behind, and a sync that fails some part synced; without it they leave nothing. */
struct sim_disk *sim_disk_new(struct sim_prng *prng);

/* Takes NULL. Handles must have been closed. */
void sim_disk_free(struct sim_disk *d);

struct env_disk *sim_disk_env(struct sim_disk *d);

/* Whether sync_fs() is supported; it isn't at first. With a prng write_back() persists some. */
void sim_disk_set_sync_fs(struct sim_disk *d, bool supported);

/* Bytes for the contents of files, counted in blocks of 4 KiB; beyond it writes and allocations give -ENOSPC. */
void sim_disk_set_capacity(struct sim_disk *d, uint64_t bytes);

/* No more than n files are open at a time: more are told -EMFILE, as by a daemon's disk that keeps descriptors for
 * other things. At first there is no limit. */
void sim_disk_limit_files(struct sim_disk *d, uint64_t n);

/* Power loss, and the disk mounted again for recovery. */
enum sim_disk_crash {
    SIM_CRASH_DRAW,    /* each unsynced sector, size and name by itself, at rates drawn per crash */
    SIM_CRASH_NOTHING, /* nothing that wasn't synced is there */
    SIM_CRASH_ALL,     /* everything is there, as after a lucky crash */
};

/* prng is needed for SIM_CRASH_DRAW only. Faults that were set and didn't come yet are forgotten. */
void sim_disk_crash(struct sim_disk *d, enum sim_disk_crash how, struct sim_prng *prng);

/* The process ends (kill -9) and the machine goes on: the page cache stays, and stays unsynced. */
void sim_disk_exit(struct sim_disk *d);

/* The kernel writes back some of what is unsynced, unasked: so a crash can show states between two syncs. */
void sim_disk_writeback(struct sim_disk *d, struct sim_prng *prng);

/* A new disk with what is durable on this one now: the least that a crash would leave, or an old image to put back
 * later. */
struct sim_disk *sim_disk_image(struct sim_disk *d, struct sim_prng *prng);

/* What a crash now would take or leave, one by one, in an order that is the same in each run: the changes of names that
 * aren't durable, oldest first, then file by file, oldest first, its sectors that differ from the medium and its size.
 * With n of them there are 2^n states that a crash may leave; each can be had as a disk of its own, without running
 * again what led here. */
size_t sim_disk_units(const struct sim_disk *d);
/* What that unit is, for people; malloc'd. */
char *sim_disk_unit_text(const struct sim_disk *d, size_t unit);
/* A new disk with what is durable on this one and those units whose keep[unit] is set. */
struct sim_disk *sim_disk_image_with(struct sim_disk *d, const bool *keep, struct sim_prng *prng);

/* Has somebody called before each step, until NULL is set: so a test meets every moment at which a crash leaves
 * something else. He may take images; the disk isn't his to use otherwise. */
void sim_disk_watch(struct sim_disk *d, void (*before_step)(void *ctx), void *ctx);

/* Calls that change something (open with DISK_CREATE of a missing file among them) are steps. After `steps` more of
 * them every call gives -EIO and changes nothing, until sim_disk_crash() or sim_disk_exit(). So a test that counts the
 * steps of a run can crash it at each. */
void sim_disk_crash_after(struct sim_disk *d, uint64_t steps);
uint64_t sim_disk_steps(const struct sim_disk *d);
/* Whether that point was reached. */
bool sim_disk_is_dead(const struct sim_disk *d);

/* Of the calls of this kind from now on, lets `skip` pass, then fails `count` of them with the (negative) error.
 * At most 24 at a time. A failed sync_data does what Linux does: the bytes count as clean afterwards and are read
 * from the cache, the next sync succeeds, and the medium doesn't have them. A failed sync of
 * others (all of them by sync_fs, or by another handle) shows once more to each handle of a file that lost something,
 * in its next sync_data. A fault of MAP fails the call; one of UNMAP stands for a page that couldn't be read. */
void sim_disk_fail(struct sim_disk *d, enum sim_disk_call call, uint64_t skip, uint64_t count, int err);

/* Adds one there, from now on, for each call that fails by such a fault; NULL: nowhere. Copies of the disk don't. */
void sim_disk_count_failed(struct sim_disk *d, uint64_t *n_failed);

/* Forgets the faults that were set and didn't come yet. */
void sim_disk_fail_no_more(struct sim_disk *d);

/* Calls of this kind so far, failed ones too. */
uint64_t sim_disk_calls(const struct sim_disk *d, enum sim_disk_call call);

/* Forgets the page cache of clean pages: pread_cached() gives -EAGAIN until somebody has read them. */
void sim_disk_drop_caches(struct sim_disk *d);

/* Bit rot: flips the bits of mask in one byte of the file, on the medium and in the cache. 0, -ENOENT, or -EINVAL
 * when offset isn't below the size. */
int sim_disk_flip(struct sim_disk *d, const char *path, uint64_t offset, uint8_t mask);

/* What a medium does to bytes that it had, while nobody writes. */
enum sim_disk_damage {
    SIM_DAMAGE_FLIPPED,    /* some bits of a sector are others */
    SIM_DAMAGE_UNREADABLE, /* sectors give -EIO until they are written again */
    SIM_DAMAGE_UNWRITTEN,  /* sectors are zeros: that they were written was a lie */
    SIM_DAMAGE_MISPLACED,  /* sectors have what was meant for others */
    SIM_N_DAMAGES,
};

/* Damages some sectors of a drawn page of the file, which leaves the page cache. 0, -ENOENT, -EISDIR, or -EBUSY when
 * that page isn't durable as it is now, has nothing, or is damaged already. */
int sim_disk_damage(struct sim_disk *d, const char *path, enum sim_disk_damage how, struct sim_prng *prng);
/* The same of the page that has this byte. */
int sim_disk_damage_at(struct sim_disk *d, const char *path, uint64_t offset, enum sim_disk_damage how,
                       struct sim_prng *prng);
/* All of them are what they were, where nobody has written since. */
void sim_disk_mend(struct sim_disk *d);
/* Pages that are damaged. */
size_t sim_disk_n_damaged(const struct sim_disk *d);

/* The bytes of all files as programs see them now, as one number: equal runs have equal disks. */
uint32_t sim_disk_crc(struct sim_disk *d);
