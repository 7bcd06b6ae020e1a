/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damage that media take while nobody writes: bits that flip, sectors that can't be read, blocks that were never
 * written, or that hold what was meant for another place. What it was before is kept, so that it can be put right. */

#include <errno.h>

#include "base/util.h"
#include "sim/disk_internal.h"

/* Of one page. */
struct spoil {
    size_t page;
    uint8_t sectors; /* that differ from what they were */
    uint8_t unreadable;
    uint8_t *good;
};

static struct spoil *find(const struct content *c, size_t page)
{
    for (size_t i = 0; i < c->n_spoils; i++)
        if (c->spoils[i].page == page)
            return &c->spoils[i];
    return NULL;
}

static void drop(struct content *c, struct spoil *s)
{
    free(s->good);
    *s = c->spoils[--c->n_spoils];
    if (c->n_spoils == 0)
        free(TAKE_PTR(c->spoils));
}

static void put_back(uint8_t *bytes, const struct spoil *s, uint8_t sectors)
{
    for (unsigned i = 0; i < PAGE_SECTORS; i++)
        if ((sectors & s->sectors & 1u << i) != 0)
            memcpy(bytes + (size_t)i * SIM_DISK_SECTOR, s->good + (size_t)i * SIM_DISK_SECTOR, SIM_DISK_SECTOR);
}

void content_forget_damage(struct content *c, struct page *p, uint8_t sectors)
{
    struct spoil *s = find(c, (size_t)(p - c->pages));

    if (s == NULL)
        return;
    if (p->live != NULL) /* what the write leaves of a sector would be damaged for good */
        put_back(p->live, s, sectors);
    if (p->durable != NULL) /* should a crash take the write back, it is the one before that counts */
        put_back(p->durable, s, sectors);
    s->sectors &= (uint8_t)~sectors;
    s->unreadable &= (uint8_t)~sectors;
    if ((s->sectors | s->unreadable) == 0)
        drop(c, s);
}

void content_mend(struct content *c)
{
    while (c->n_spoils > 0) {
        struct spoil *s = &c->spoils[c->n_spoils - 1];
        struct page *p = &c->pages[s->page];

        if (p->live != NULL)
            put_back(p->live, s, PAGE_ALL_SECTORS);
        if (p->durable != NULL)
            put_back(p->durable, s, PAGE_ALL_SECTORS);
        drop(c, s);
    }
}

void content_copy_damage(struct content *to, const struct content *from)
{
    to->spoils = from->n_spoils > 0 ? xcalloc(from->n_spoils, sizeof(*to->spoils)) : NULL;
    to->n_spoils = from->n_spoils;
    for (size_t i = 0; i < from->n_spoils; i++) {
        to->spoils[i] = from->spoils[i];
        to->spoils[i].good = memcpy(xmalloc(PAGE_SIZE), from->spoils[i].good, PAGE_SIZE);
    }
}

void content_drop_damage(struct content *c)
{
    while (c->n_spoils > 0)
        drop(c, &c->spoils[c->n_spoils - 1]);
}

/* Sectors of the page that these bytes touch. */
static uint8_t touched_sectors(size_t page, uint64_t size, uint64_t offset)
{
    uint8_t sectors = 0;

    for (unsigned k = 0; k < PAGE_SECTORS; k++) {
        uint64_t at = page * (uint64_t)PAGE_SIZE + (uint64_t)k * SIM_DISK_SECTOR;

        if (at < offset + size && at + SIM_DISK_SECTOR > offset)
            sectors |= (uint8_t)(1u << k);
    }
    return sectors;
}

/* Through the page cache pages are read as a whole. */
bool content_is_readable(const struct content *c, uint64_t size, uint64_t offset, bool through_cache)
{
    for (size_t i = 0; i < c->n_spoils; i++) {
        const struct spoil *s = &c->spoils[i];
        uint8_t sectors = touched_sectors(s->page, size, offset);

        if (through_cache && (c->pages[s->page].cached || sectors == 0))
            continue;
        if ((s->unreadable & (through_cache ? PAGE_ALL_SECTORS : sectors)) != 0)
            return false;
    }
    return true;
}

/* ---- One page ---- */

/* One to all of those from a drawn one on that lie within the file. */
static uint8_t draw_sectors(const struct content *c, size_t page, struct sim_prng *prng)
{
    uint64_t left = (c->size - page * (uint64_t)PAGE_SIZE) / SIM_DISK_SECTOR;
    unsigned n = (unsigned)MIN(left, (uint64_t)PAGE_SECTORS);
    unsigned first = (unsigned)sim_prng_below(prng, n), count = 1 + (unsigned)sim_prng_below(prng, n - first);

    return (uint8_t)(((1u << count) - 1) << first);
}

static void flip_bits(uint8_t *live, uint8_t sectors, struct sim_prng *prng)
{
    size_t first = (size_t)__builtin_ctz(sectors) * SIM_DISK_SECTOR;

    for (uint64_t n = 1 + sim_prng_below(prng, 3); n > 0; n--)
        live[first + sim_prng_below(prng, SIM_DISK_SECTOR)] ^= (uint8_t)(1u << sim_prng_below(prng, 8));
}

/* What another page of the file holds in that place; where there is none, the sectors beside it. */
static void misplace(struct content *c, size_t page, uint8_t sectors, struct sim_prng *prng)
{
    size_t n = (size_t)((c->size + PAGE_SIZE - 1) / PAGE_SIZE);
    size_t from = n > 1 ? (page + 1 + (size_t)sim_prng_below(prng, n - 1)) % n : page;
    size_t shift = n > 1 ? 0 : SIM_DISK_SECTOR;
    uint8_t bytes[PAGE_SIZE] = { 0 };

    if (c->pages[from].live != NULL)
        memcpy(bytes, c->pages[from].live, PAGE_SIZE);
    for (size_t k = 0; k < PAGE_SECTORS; k++)
        if ((sectors & 1u << k) != 0)
            memcpy(c->pages[page].live + k * SIM_DISK_SECTOR, bytes + (k * SIM_DISK_SECTOR + shift) % PAGE_SIZE,
                   SIM_DISK_SECTOR);
}

static void blank(uint8_t *live, uint8_t sectors)
{
    for (size_t k = 0; k < PAGE_SECTORS; k++)
        if ((sectors & 1u << k) != 0)
            memset(live + k * SIM_DISK_SECTOR, 0, SIM_DISK_SECTOR);
}

int content_damage(struct content *c, size_t page, enum sim_disk_damage how, struct sim_prng *prng)
{
    struct page *p = page < c->n_pages ? &c->pages[page] : NULL;
    uint8_t sectors;
    struct spoil *s;

    if (p == NULL || (p->dirty | p->lost) != 0 || p->live == NULL || find(c, page) != NULL || c->size_dirty ||
        page * (uint64_t)PAGE_SIZE + SIM_DISK_SECTOR > c->size)
        return -EBUSY;
    c->spoils = xrealloc(c->spoils, (c->n_spoils + 1) * sizeof(*c->spoils));
    s = &c->spoils[c->n_spoils++];
    sectors = draw_sectors(c, page, prng);
    *s = (struct spoil){ .page = page, .sectors = sectors, .good = memcpy(xmalloc(PAGE_SIZE), p->live, PAGE_SIZE) };
    p->cached = false;
    switch (how) {
    case SIM_DAMAGE_FLIPPED:
        flip_bits(p->live, sectors, prng);
        break;
    case SIM_DAMAGE_UNREADABLE:
        s->unreadable = sectors;
        break;
    case SIM_DAMAGE_UNWRITTEN:
        blank(p->live, sectors);
        break;
    case SIM_DAMAGE_MISPLACED:
        misplace(c, page, sectors, prng);
        break;
    default:
        gq_assert(!"a kind of damage");
    }
    return 0;
}

/* ---- The disk ---- */

int sim_disk_damage_at(struct sim_disk *d, const char *path, uint64_t offset, enum sim_disk_damage how,
                       struct sim_prng *prng)
{
    struct inode *i;
    int r = tree_find(&d->tree, path, &i);

    if (r < 0 || i->is_dir)
        return r < 0 ? r : -EISDIR;
    return content_damage(&i->content, (size_t)(offset / PAGE_SIZE), how, prng);
}

int sim_disk_damage(struct sim_disk *d, const char *path, enum sim_disk_damage how, struct sim_prng *prng)
{
    struct inode *i;
    int r = tree_find(&d->tree, path, &i);
    uint64_t n;

    if (r < 0 || i->is_dir)
        return r < 0 ? r : -EISDIR;
    n = (i->content.size + PAGE_SIZE - 1) / PAGE_SIZE;
    return n > 0 ? content_damage(&i->content, (size_t)sim_prng_below(prng, n), how, prng) : -EBUSY;
}

void sim_disk_mend(struct sim_disk *d)
{
    struct inode *i;

    list_foreach (&d->tree.inodes, i, link)
        if (!i->is_dir)
            content_mend(&i->content);
}

size_t sim_disk_n_damaged(const struct sim_disk *d)
{
    const struct inode *i;
    size_t n = 0;

    list_foreach (&d->tree.inodes, i, link)
        n += i->is_dir ? 0 : i->content.n_spoils;
    return n;
}
