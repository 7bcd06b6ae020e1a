/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/disk_file.h"

#include <errno.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

bool draw_eighths(const struct draw *draw, unsigned eighths)
{
    return draw->prng != NULL ? sim_prng_chance(draw->prng, eighths, 8) : eighths > 0;
}

static bool is_clean(const struct page *p)
{
    return (p->dirty | p->lost) == 0;
}

static uint8_t *copy_page(const uint8_t *bytes)
{
    return bytes != NULL ? memcpy(xmalloc(PAGE_SIZE), bytes, PAGE_SIZE) : NULL;
}

static void free_page(struct page *p)
{
    free(p->live);
    free(p->durable);
}

void content_fini(struct content *c)
{
    content_detach(c);
    for (size_t i = 0; i < c->n_pages; i++)
        free_page(&c->pages[i]);
    free(c->pages);
    free(c->touched);
    content_drop_damage(c);
    *c = (struct content){ 0 };
}

void content_attach(struct content *c, struct space *space)
{
    gq_assert(c->space == NULL);
    c->space = space;
    space->used_pages += c->n_allocated;
}

void content_detach(struct content *c)
{
    if (c->space == NULL)
        return;
    gq_assert(c->space->used_pages >= c->n_allocated);
    c->space->used_pages -= c->n_allocated;
    c->space = NULL;
}

static void grow_table(struct content *c, size_t n_pages)
{
    size_t n = MAX(n_pages, MIN(c->n_pages * 2, c->n_pages + 4096));

    if (n_pages <= c->n_pages)
        return;
    c->pages = xrealloc(c->pages, n * sizeof(*c->pages));
    memset(c->pages + c->n_pages, 0, (n - c->n_pages) * sizeof(*c->pages));
    c->n_pages = n;
}

static void touch(struct content *c, struct page *p)
{
    if (p->touched)
        return;
    if (c->n_touched == c->touched_capacity) {
        c->touched_capacity = MAX(c->touched_capacity * 2, (size_t)16);
        c->touched = xrealloc(c->touched, c->touched_capacity * sizeof(*c->touched));
    }
    p->touched = true;
    c->touched[c->n_touched++] = (size_t)(p - c->pages);
}

/* After some were synced: keeps those that still have something to sync. */
static void sift_touched(struct content *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_touched; i++) {
        struct page *p = &c->pages[c->touched[i]];

        p->touched = p->dirty != 0 || p->allocated != p->allocated_durable;
        if (p->touched)
            c->touched[n++] = c->touched[i];
    }
    c->n_touched = n;
}

static int allocate_page(struct content *c, struct page *p)
{
    gq_assert(c->space != NULL);
    if (p->allocated)
        return 0;
    if (c->space->used_pages >= c->space->capacity_pages)
        return -ENOSPC;
    c->space->used_pages++;
    c->n_allocated++;
    p->allocated = true;
    touch(c, p);
    return 0;
}

static void release_page(struct content *c, struct page *p)
{
    if (!p->allocated)
        return;
    p->allocated = false;
    touch(c, p);
    c->n_allocated--;
    if (c->space != NULL)
        c->space->used_pages--;
}

static uint8_t sectors_of(size_t from, size_t size)
{
    size_t first = from / SIM_DISK_SECTOR, end = (from + size + SIM_DISK_SECTOR - 1) / SIM_DISK_SECTOR;

    return (uint8_t)((1u << end) - (1u << first));
}

/* Before live bytes of these sectors change: keeps what the medium has. */
static void make_dirty(struct content *c, struct page *p, uint8_t sectors)
{
    touch(c, p);
    if (is_clean(p))
        p->durable = copy_page(p->live);
    if (c->n_spoils > 0)
        content_forget_damage(c, p, sectors);
    p->dirty |= sectors;
    p->lost &= (uint8_t)~sectors;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void write_page(struct content *c, struct page *p, const uint8_t *data, size_t from, size_t size)
{
    make_dirty(c, p, sectors_of(from, size));
    p->cached = true;
    if (size == PAGE_SIZE && is_zero(data, size)) { /* files filled with zeros cost no memory */
        free(p->live);
        p->live = NULL;
        return;
    }
    if (p->live == NULL)
        p->live = xcalloc(1, PAGE_SIZE);
    memcpy(p->live + from, data, size);
}

static void set_size(struct content *c, uint64_t size)
{
    if (size == c->size)
        return;
    c->size = size;
    c->size_dirty = true;
}

int content_write(struct content *c, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *from = data;

    grow_table(c, (offset + size + PAGE_SIZE - 1) / PAGE_SIZE);
    while (size > 0) {
        struct page *p = &c->pages[offset / PAGE_SIZE];
        size_t at = offset % PAGE_SIZE, part = MIN(size, PAGE_SIZE - at);
        int r = allocate_page(c, p);

        if (r < 0)
            return r;
        write_page(c, p, from, at, part);
        from += part;
        size -= part;
        offset += part;
        set_size(c, MAX(c->size, offset));
    }
    return 0;
}

size_t content_read(struct content *c, void *to, size_t size, uint64_t offset, bool into_cache)
{
    uint8_t *out = to;
    size_t left;

    if (offset >= c->size)
        return 0;
    size = left = (size_t)MIN((uint64_t)size, c->size - offset);
    grow_table(c, (offset + size + PAGE_SIZE - 1) / PAGE_SIZE);
    while (left > 0) {
        struct page *p = &c->pages[offset / PAGE_SIZE];
        size_t at = offset % PAGE_SIZE, part = MIN(left, PAGE_SIZE - at);

        if (p->live != NULL)
            memcpy(out, p->live + at, part);
        else
            memset(out, 0, part);
        p->cached = p->cached || into_cache;
        out += part;
        left -= part;
        offset += part;
    }
    return size;
}

static uint32_t crc_number(uint32_t crc, uint64_t n)
{
    uint8_t bytes[8];

    store_le64(bytes, n);
    return crc32c(crc, bytes, sizeof(bytes));
}

uint32_t content_crc(const struct content *c, uint32_t crc)
{
    for (size_t i = 0; i < c->n_pages && i * (uint64_t)PAGE_SIZE < c->size; i++) {
        uint64_t at = i * (uint64_t)PAGE_SIZE;
        size_t size = (size_t)MIN(c->size - at, (uint64_t)PAGE_SIZE);

        if (c->pages[i].live == NULL || is_zero(c->pages[i].live, size))
            continue;
        crc = crc_number(crc, at);
        crc = crc32c(crc, c->pages[i].live, size);
    }
    return c->size > 0 ? crc_number(crc, c->size) : crc;
}

size_t content_cached(const struct content *c, size_t size, uint64_t offset)
{
    uint64_t end = MIN(c->size, offset + size), at = offset;

    while (at < end) {
        size_t i = at / PAGE_SIZE;

        if (i >= c->n_pages || !c->pages[i].cached)
            break;
        at = MIN(end, (i + 1) * (uint64_t)PAGE_SIZE);
    }
    return (size_t)(at - offset);
}

int content_allocate(struct content *c, uint64_t offset, uint64_t size)
{
    size_t first = offset / PAGE_SIZE, end = (offset + size + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t needed = 0;

    grow_table(c, end);
    for (size_t i = first; i < end; i++)
        needed += !c->pages[i].allocated;
    if (needed > c->space->capacity_pages - MIN(c->space->used_pages, c->space->capacity_pages))
        return -ENOSPC;
    for (size_t i = first; i < end; i++)
        allocate_page(c, &c->pages[i]);
    return 0;
}

static void zero_page(struct content *c, struct page *p)
{
    if (p->live == NULL)
        return;
    make_dirty(c, p, PAGE_ALL_SECTORS);
    free(p->live);
    p->live = NULL;
}

static void zero_tail(struct content *c, struct page *p, size_t from)
{
    if (p->live == NULL || from == PAGE_SIZE)
        return;
    make_dirty(c, p, sectors_of(from, PAGE_SIZE - from));
    memset(p->live + from, 0, PAGE_SIZE - from);
}

int content_truncate(struct content *c, uint64_t size)
{
    size_t keep = (size + PAGE_SIZE - 1) / PAGE_SIZE;

    for (size_t i = keep; i < c->n_pages; i++) {
        zero_page(c, &c->pages[i]);
        release_page(c, &c->pages[i]);
    }
    if (size % PAGE_SIZE != 0 && keep <= c->n_pages)
        zero_tail(c, &c->pages[keep - 1], size % PAGE_SIZE);
    set_size(c, size);
    return 0;
}

static void sync_sector(struct page *p, unsigned sector)
{
    size_t at = (size_t)sector * SIM_DISK_SECTOR;

    if (p->durable == NULL)
        p->durable = xcalloc(1, PAGE_SIZE);
    if (p->live != NULL)
        memcpy(p->durable + at, p->live + at, SIM_DISK_SECTOR);
    else
        memset(p->durable + at, 0, SIM_DISK_SECTOR);
    p->dirty &= (uint8_t) ~(1u << sector);
    p->allocated_durable = p->allocated_durable || p->allocated;
}

static void forget_durable_if_clean(struct page *p)
{
    if (!is_clean(p))
        return;
    free(p->durable);
    p->durable = NULL;
}

static void sync_page(struct page *p)
{
    if (p->lost == 0)
        p->dirty = 0;
    for (unsigned s = 0; s < PAGE_SECTORS && p->dirty != 0; s++)
        if ((p->dirty & 1u << s) != 0)
            sync_sector(p, s);
    forget_durable_if_clean(p);
    p->allocated_durable = p->allocated;
}

void content_sync(struct content *c)
{
    for (size_t i = 0; i < c->n_touched; i++)
        sync_page(&c->pages[c->touched[i]]);
    sift_touched(c);
    if (c->size_dirty)
        c->durable_size = c->size;
    c->size_dirty = false;
}

void content_sync_failed(struct content *c, const struct draw *draw)
{
    bool lost = c->size_dirty;

    content_writeback(c, draw);
    for (size_t i = 0; i < c->n_touched; i++) {
        struct page *p = &c->pages[c->touched[i]];

        lost = lost || p->dirty != 0;
        p->lost |= p->dirty;
        p->dirty = 0;
    }
    sift_touched(c);
    c->size_dirty = false;
    c->error_unseen = c->error_unseen || lost;
}

/* A file that grew may be caught at any size in between. */
static uint64_t draw_size(const struct content *c, const struct draw *draw)
{
    uint64_t sectors;

    if (draw->prng == NULL || c->size <= c->durable_size || sim_prng_chance(draw->prng, 1, 2))
        return c->size;
    sectors = (c->size - c->durable_size) / SIM_DISK_SECTOR;
    return c->durable_size + sim_prng_below(draw->prng, sectors + 1) * SIM_DISK_SECTOR;
}

void content_writeback(struct content *c, const struct draw *draw)
{
    for (size_t i = 0; i < c->n_touched; i++) {
        struct page *p = &c->pages[c->touched[i]];

        for (unsigned s = 0; s < PAGE_SECTORS; s++)
            if ((p->dirty & 1u << s) != 0 && draw_eighths(draw, draw->sector_eighths))
                sync_sector(p, s);
        forget_durable_if_clean(p);
    }
    sift_touched(c);
    if (c->size_dirty && draw_eighths(draw, draw->size_eighths)) {
        c->durable_size = draw_size(c, draw);
        c->size_dirty = c->durable_size != c->size;
    }
}

static void revert_page(struct content *c, struct page *p)
{
    if (!is_clean(p)) {
        free(p->live);
        p->live = TAKE_PTR(p->durable);
        p->dirty = p->lost = 0;
    }
    p->cached = false;
    if (p->allocated && !p->allocated_durable)
        release_page(c, p);
    else if (!p->allocated && p->allocated_durable) {
        p->allocated = true;
        c->n_allocated++;
        if (c->space != NULL)
            c->space->used_pages++;
    }
}

static void cut_durable(struct content *c)
{
    size_t keep = (c->size + PAGE_SIZE - 1) / PAGE_SIZE;

    for (size_t i = keep; i < c->n_pages; i++) {
        free(c->pages[i].live);
        c->pages[i].live = NULL;
    }
    if (c->size % PAGE_SIZE != 0 && keep <= c->n_pages && c->pages[keep - 1].live != NULL)
        memset(c->pages[keep - 1].live + c->size % PAGE_SIZE, 0, PAGE_SIZE - c->size % PAGE_SIZE);
}

void content_revert(struct content *c)
{
    for (size_t i = 0; i < c->n_pages; i++)
        revert_page(c, &c->pages[i]);
    sift_touched(c);
    c->size = c->durable_size;
    c->size_dirty = c->error_unseen = false;
    cut_durable(c);
}

void content_drop_cache(struct content *c)
{
    for (size_t i = 0; i < c->n_pages; i++)
        if (c->pages[i].dirty == 0)
            c->pages[i].cached = false;
}

static bool sector_differs(const struct page *p, unsigned sector)
{
    static const uint8_t zeros[SIM_DISK_SECTOR];
    size_t at = (size_t)sector * SIM_DISK_SECTOR;

    return (p->dirty & 1u << sector) != 0 && memcmp(p->live != NULL ? p->live + at : zeros,
                                                    p->durable != NULL ? p->durable + at : zeros, SIM_DISK_SECTOR) != 0;
}

static bool size_differs(const struct content *c)
{
    return c->size_dirty && c->size != c->durable_size;
}

/* The next sector from *at on that is a unit, in order of the file; false when none is left. */
static bool next_sector(const struct content *c, uint64_t *at)
{
    for (uint64_t s = *at; s < c->n_pages * (uint64_t)PAGE_SECTORS; s++) {
        const struct page *p = &c->pages[s / PAGE_SECTORS];

        if (p->dirty == 0) {
            s |= PAGE_SECTORS - 1;
        } else if (sector_differs(p, s % PAGE_SECTORS)) {
            *at = s;
            return true;
        }
    }
    return false;
}

size_t content_units(const struct content *c)
{
    size_t n = size_differs(c);

    for (uint64_t at = 0; next_sector(c, &at); at++)
        n++;
    return n;
}

uint64_t content_unit_offset(const struct content *c, size_t i)
{
    for (uint64_t at = 0; next_sector(c, &at); at++)
        if (i-- == 0)
            return at * SIM_DISK_SECTOR;
    return UINT64_MAX;
}

static void copy_sector(struct content *to, const struct content *from, uint64_t sector)
{
    size_t i = sector / PAGE_SECTORS, at = sector % PAGE_SECTORS * SIM_DISK_SECTOR;
    struct page *p = &to->pages[i];

    if (p->live == NULL)
        p->live = xcalloc(1, PAGE_SIZE);
    if (from->pages[i].live != NULL)
        memcpy(p->live + at, from->pages[i].live + at, SIM_DISK_SECTOR);
    else
        memset(p->live + at, 0, SIM_DISK_SECTOR);
    p->allocated = true;
}

void content_copy(struct content *to, const struct content *from, const bool *keep)
{
    gq_assert(to->n_pages == 0 && to->space == NULL);
    grow_table(to, from->n_pages);
    content_copy_damage(to, from);
    for (size_t i = 0; i < from->n_pages; i++) {
        const struct page *p = &from->pages[i];

        to->pages[i].live = copy_page(is_clean(p) ? p->live : p->durable);
        to->pages[i].allocated = p->allocated_durable;
    }
    for (uint64_t at = 0; keep != NULL && next_sector(from, &at); at++)
        if (*keep++)
            copy_sector(to, from, at);
    for (size_t i = 0; i < to->n_pages; i++) {
        to->pages[i].allocated_durable = to->pages[i].allocated;
        to->n_allocated += to->pages[i].allocated;
    }
    to->size = to->durable_size = keep != NULL && size_differs(from) && *keep ? from->size : from->durable_size;
    cut_durable(to);
}

void content_flip(struct content *c, uint64_t offset, uint8_t mask)
{
    struct page *p;
    size_t at = offset % PAGE_SIZE;

    grow_table(c, offset / PAGE_SIZE + 1);
    p = &c->pages[offset / PAGE_SIZE];
    if (p->live == NULL)
        p->live = xcalloc(1, PAGE_SIZE);
    p->live[at] ^= mask;
    if (is_clean(p))
        return;
    if (p->durable == NULL)
        p->durable = xcalloc(1, PAGE_SIZE);
    p->durable[at] ^= mask;
}
