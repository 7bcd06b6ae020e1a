/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The content of one simulated file: what a reader sees (live) beside what the medium has (durable), page by page with
 * a bit per sector. Internal to sim/. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/disk.h"

#define PAGE_SIZE 4096
#define PAGE_SECTORS (PAGE_SIZE / SIM_DISK_SECTOR)
#define PAGE_ALL_SECTORS 0xff

struct page {
    uint8_t *live;    /* NULL reads as zeros */
    uint8_t *durable; /* matters only while dirty or lost is set; NULL is zeros */
    uint8_t dirty;    /* a bit per sector that was changed since the last sync */
    uint8_t lost;     /* sectors that count as clean but never reached the medium: a sync failed */
    bool cached;
    bool allocated; /* takes space */
    bool allocated_durable;
    bool touched; /* is in the content's list */
};

/* Space is shared by the files of a disk. */
struct space {
    uint64_t capacity_pages, used_pages;
};

struct content {
    struct page *pages;
    size_t n_pages;
    size_t *touched; /* indexes of the pages that a sync has to look at */
    size_t n_touched, touched_capacity;
    uint64_t size, durable_size;
    bool size_dirty;
    bool error_unseen; /* a sync lost some of it, and nobody who syncs this file was told */
    uint64_t n_allocated;
    struct spoil *spoils; /* damage of the medium, see disk_damage.c; NULL: none */
    size_t n_spoils;
    struct space *space; /* NULL while the file counts nowhere: no name and no handle */
};

/* What persists when it is not asked for: each thing by itself with the chance of n eighths. */
struct draw {
    struct sim_prng *prng; /* NULL: all when n > 0, else none */
    unsigned sector_eighths, size_eighths, name_eighths;
};

bool draw_eighths(const struct draw *draw, unsigned eighths);

void content_fini(struct content *c);

/* Starts or stops counting the file's pages. */
void content_attach(struct content *c, struct space *space);
void content_detach(struct content *c);

/* Writes all, or up to where space ends: -ENOSPC, with the bytes before it written. */
int content_write(struct content *c, const void *data, size_t size, uint64_t offset);
/* Bytes up to the end of file. */
size_t content_read(struct content *c, void *to, size_t size, uint64_t offset, bool into_cache);
/* Of what a reader sees. Zeros cost nothing, whether they were written or not. */
uint32_t content_crc(const struct content *c, uint32_t crc);
/* How many of these bytes lie in cached pages, from the first on. */
size_t content_cached(const struct content *c, size_t size, uint64_t offset);
int content_allocate(struct content *c, uint64_t offset, uint64_t size);
int content_truncate(struct content *c, uint64_t size);

void content_sync(struct content *c);
/* A sync that fails: what the draw doesn't take is lost. */
void content_sync_failed(struct content *c, const struct draw *draw);
/* Makes a part durable; the rest stays dirty. */
void content_writeback(struct content *c, const struct draw *draw);
/* What is live becomes what is durable. */
void content_revert(struct content *c);
void content_drop_cache(struct content *c);
/* What a crash takes or leaves, one by one: the sectors that differ from the medium in order, then the size. */
size_t content_units(const struct content *c);
/* Where the sector of unit i lies; UINT64_MAX: it is the size. */
uint64_t content_unit_offset(const struct content *c, size_t i);
/* to is empty; gets what is durable in from, and its units for which keep says so (NULL: none). */
void content_copy(struct content *to, const struct content *from, const bool *keep);
void content_flip(struct content *c, uint64_t offset, uint8_t mask);

/* --- disk_damage.c --- */

/* A page that has something, and that the medium has as it is; else -EBUSY. */
int content_damage(struct content *c, size_t page, enum sim_disk_damage how, struct sim_prng *prng);
void content_mend(struct content *c);
/* These sectors are about to be written. */
void content_forget_damage(struct content *c, struct page *p, uint8_t sectors);
bool content_is_readable(const struct content *c, uint64_t size, uint64_t offset, bool through_cache);
/* to has none. */
void content_copy_damage(struct content *to, const struct content *from);
void content_drop_damage(struct content *c);
