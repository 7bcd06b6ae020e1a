/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/disk.h"

#include <errno.h>

#include "base/util.h"
#include "sim/disk_internal.h"

#define DEFAULT_CAPACITY ((uint64_t)1 << 40)

static int next_fault(struct sim_disk *d, enum sim_disk_call call)
{
    for (size_t i = 0; i < MAX_FAULTS; i++) {
        struct fault *f = &d->faults[i];

        if (f->count == 0 || f->call != call)
            continue;
        if (f->skip > 0) {
            f->skip--;
            continue;
        }
        f->count--;
        if (d->n_failed != NULL)
            ++*d->n_failed;
        return f->err;
    }
    return 0;
}

int sim_disk_enter(struct sim_disk *d, enum sim_disk_call call)
{
    d->calls[call]++;
    return d->dead ? -EIO : next_fault(d, call);
}

int sim_disk_step(struct sim_disk *d)
{
    if (d->steps_left == 0) {
        d->dead = true;
        return -EIO;
    }
    if (d->before_step != NULL)
        d->before_step(d->watch_ctx);
    if (d->steps_left != UINT64_MAX)
        d->steps_left--;
    d->steps++;
    return 0;
}

void sim_disk_end_handle(struct sim_disk *d, struct sim_file *f)
{
    list_remove(&f->link);
    d->n_files--;
    inode_unuse(&d->tree, f->inode);
    f->inode = NULL;
}

struct sim_disk *sim_disk_new(struct sim_prng *prng)
{
    struct sim_disk *d = xcalloc(1, sizeof(*d));

    d->env.ops = &sim_disk_ops;
    d->prng = prng;
    d->steps_left = d->max_files = UINT64_MAX;
    list_init(&d->files);
    tree_init(&d->tree);
    sim_disk_set_capacity(d, DEFAULT_CAPACITY);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    if (d == NULL)
        return;
    gq_assert(list_is_empty(&d->files));
    tree_fini(&d->tree);
    free(d);
}

struct env_disk *sim_disk_env(struct sim_disk *d)
{
    return &d->env;
}

void sim_disk_set_sync_fs(struct sim_disk *d, bool supported)
{
    d->has_sync_fs = supported;
}

void sim_disk_set_capacity(struct sim_disk *d, uint64_t bytes)
{
    d->tree.space.capacity_pages = bytes / PAGE_SIZE;
}

void sim_disk_limit_files(struct sim_disk *d, uint64_t n)
{
    d->max_files = n;
}

static void end_process(struct sim_disk *d)
{
    struct sim_file *f;

    while ((f = list_first(&d->files, struct sim_file, link)) != NULL)
        sim_disk_end_handle(d, f);
    memset(d->faults, 0, sizeof(d->faults));
    d->locked = d->dead = d->sync_failed = false;
    d->steps_left = UINT64_MAX;
}

static struct draw draw_rates(struct sim_prng *prng)
{
    return (struct draw){
        .prng = prng,
        .sector_eighths = (unsigned)sim_prng_below(prng, 9),
        .size_eighths = (unsigned)sim_prng_below(prng, 9),
        .name_eighths = (unsigned)sim_prng_below(prng, 9),
    };
}

void sim_disk_crash(struct sim_disk *d, enum sim_disk_crash how, struct sim_prng *prng)
{
    static const struct draw nothing = { NULL, 0, 0, 0 }, all = { NULL, 8, 8, 8 };
    struct draw draw = how == SIM_CRASH_ALL ? all : nothing;

    if (how == SIM_CRASH_DRAW)
        draw = draw_rates(prng);
    end_process(d);
    tree_crash(&d->tree, &draw);
}

void sim_disk_exit(struct sim_disk *d)
{
    end_process(d);
    tree_reap(&d->tree);
}

void sim_disk_writeback(struct sim_disk *d, struct sim_prng *prng)
{
    struct draw draw = draw_rates(prng);
    size_t n_changes = 0;
    struct change *c;
    struct inode *i;

    list_foreach (&d->tree.inodes, i, link)
        if (!i->is_dir)
            content_writeback(&i->content, &draw);
    list_foreach (&d->tree.changes, c, link)
        n_changes++;
    tree_writeback(&d->tree, (size_t)sim_prng_below(prng, n_changes + 1));
    tree_reap(&d->tree);
}

struct sim_disk *sim_disk_image(struct sim_disk *d, struct sim_prng *prng)
{
    return sim_disk_image_with(d, NULL, prng);
}

size_t sim_disk_units(const struct sim_disk *d)
{
    return tree_units(&d->tree);
}

char *sim_disk_unit_text(const struct sim_disk *d, size_t unit)
{
    return tree_unit_text(&d->tree, unit);
}

struct sim_disk *sim_disk_image_with(struct sim_disk *d, const bool *keep, struct sim_prng *prng)
{
    struct sim_disk *image = sim_disk_new(prng);

    tree_copy(&image->tree, &d->tree, keep);
    return image;
}

void sim_disk_watch(struct sim_disk *d, void (*before_step)(void *ctx), void *ctx)
{
    d->before_step = before_step;
    d->watch_ctx = ctx;
}

void sim_disk_crash_after(struct sim_disk *d, uint64_t steps)
{
    d->steps_left = steps;
}

uint64_t sim_disk_steps(const struct sim_disk *d)
{
    return d->steps;
}

bool sim_disk_is_dead(const struct sim_disk *d)
{
    return d->dead;
}

void sim_disk_fail(struct sim_disk *d, enum sim_disk_call call, uint64_t skip, uint64_t count, int err)
{
    size_t i = 0;

    gq_assert(err < 0 && count > 0);
    while (i < MAX_FAULTS && d->faults[i].count > 0)
        i++;
    gq_assert(i < MAX_FAULTS);
    d->faults[i] = (struct fault){ call, skip, count, err };
}

void sim_disk_count_failed(struct sim_disk *d, uint64_t *n_failed)
{
    d->n_failed = n_failed;
}

void sim_disk_fail_no_more(struct sim_disk *d)
{
    memset(d->faults, 0, sizeof(d->faults));
}

uint64_t sim_disk_calls(const struct sim_disk *d, enum sim_disk_call call)
{
    return d->calls[call];
}

void sim_disk_drop_caches(struct sim_disk *d)
{
    struct inode *i;

    list_foreach (&d->tree.inodes, i, link)
        content_drop_cache(&i->content);
}

int sim_disk_flip(struct sim_disk *d, const char *path, uint64_t offset, uint8_t mask)
{
    struct inode *i;
    int r = tree_find(&d->tree, path, &i);

    if (r < 0)
        return r;
    if (i->is_dir || offset >= i->content.size)
        return -EINVAL;
    content_flip(&i->content, offset, mask);
    return 0;
}

uint32_t sim_disk_crc(struct sim_disk *d)
{
    struct inode *i;
    uint32_t crc = 0;

    list_foreach (&d->tree.inodes, i, link)
        if (!i->is_dir && i->users > 0)
            crc = content_crc(&i->content, crc);
    return crc;
}
