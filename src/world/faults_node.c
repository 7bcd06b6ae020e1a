/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "world/faults.h"

/* What faults do to a node and its disk. Everything is drawn from the generator of the fault that is under way. */

/* Where they hit: they may not. */
#define BIT(f) (UINT64_C(1) << WORLD_FAULT_##f)
#define COUNTED_LATER \
    (BIT(CRASH) | BIT(CRASH_IN_RECOVERY) | BIT(DISK_ERROR) | BIT(SYNC_ERROR) | BIT(SHORTAGE) | BIT(ROT) | BIT(WIPE) | \
     BIT(OLD_DISK))

#define METADATA_IMAGE "state/0.db"

/* Exponentially many more small ones: a crash within a flush is as likely as one within a start. */
static uint64_t draw_steps(struct sim_prng *prng)
{
    return sim_prng_below(prng, UINT64_C(1) << sim_prng_below(prng, 8));
}

/* Calls that a fault of a kind may hit, and how they fail. */
static const struct failing {
    enum world_fault fault;
    enum sim_disk_call call;
    int err;
} failing[] = {
    { WORLD_FAULT_DISK_ERROR, SIM_DISK_OPEN, -EIO },      { WORLD_FAULT_DISK_ERROR, SIM_DISK_READ, -EIO },
    { WORLD_FAULT_DISK_ERROR, SIM_DISK_WRITE, -EIO },     { WORLD_FAULT_DISK_ERROR, SIM_DISK_ALLOCATE, -EIO },
    { WORLD_FAULT_DISK_ERROR, SIM_DISK_TRUNCATE, -EIO },  { WORLD_FAULT_DISK_ERROR, SIM_DISK_RENAME, -EIO },
    { WORLD_FAULT_DISK_ERROR, SIM_DISK_UNLINK, -EIO },    { WORLD_FAULT_DISK_ERROR, SIM_DISK_MKDIR, -EIO },
    { WORLD_FAULT_DISK_ERROR, SIM_DISK_LIST, -EIO },      { WORLD_FAULT_DISK_ERROR, SIM_DISK_READ_CACHED, -EIO },
    { WORLD_FAULT_SYNC_ERROR, SIM_DISK_SYNC_DATA, -EIO }, { WORLD_FAULT_SYNC_ERROR, SIM_DISK_SYNC_DIR, -EIO },
    { WORLD_FAULT_SYNC_ERROR, SIM_DISK_SYNC_FS, -EIO },   { WORLD_FAULT_SYNC_ERROR, SIM_DISK_SYNC_DATA, -ENOSPC },
    { WORLD_FAULT_SHORTAGE, SIM_DISK_OPEN, -EMFILE },     { WORLD_FAULT_SHORTAGE, SIM_DISK_OPEN, -ENOMEM },
    { WORLD_FAULT_SHORTAGE, SIM_DISK_WRITE, -ENOSPC },    { WORLD_FAULT_SHORTAGE, SIM_DISK_ALLOCATE, -ENOSPC },
    { WORLD_FAULT_SHORTAGE, SIM_DISK_ALLOCATE, -EDQUOT }, { WORLD_FAULT_SHORTAGE, SIM_DISK_MKDIR, -ENOSPC },
};

static void fail_calls(struct world *w, enum world_fault fault, struct machine *m)
{
    const struct failing *f;

    do
        f = &failing[sim_prng_below(&w->fault_draw, ARRAY_SIZE(failing))];
    while (f->fault != fault);
    sim_disk_fail_no_more(m->disk);
    sim_disk_count_failed(m->disk, &w->story->n_faults[fault]);
    sim_disk_fail(m->disk, f->call, draw_steps(&w->fault_draw), 1 + draw_steps(&w->fault_draw) / 8, f->err);
    m->excused = m->excused || fault != WORLD_FAULT_SHORTAGE;
    m->sync_failed = m->sync_failed || fault == WORLD_FAULT_SYNC_ERROR;
}

static void release_later(struct world *w, struct machine *m)
{
    world_by(w, &m->release, world_soon(w, &w->fault_draw, MS << sim_prng_below(&w->fault_draw, 14)));
}

static void fill_disk(struct world *w, struct machine *m)
{
    struct disk_space space;

    if (disk_space(sim_disk_env(m->disk), &space) < 0)
        return;
    sim_disk_set_capacity(m->disk,
                          space.total_bytes - space.free_bytes +
                              sim_prng_below(&w->fault_draw, UINT64_C(4096) << sim_prng_below(&w->fault_draw, 14)));
    release_later(w, m);
}

/* Of several nodes it may be out of reach meanwhile, for so long that the others elect somebody, and hear of that
 * shortly before its disk goes on. */
static void hold_lane(struct world *w, struct machine *m)
{
    unsigned shard = (unsigned)sim_prng_below(&w->fault_draw, m->n_shards);
    enum lane_kind kind = sim_prng_chance(&w->fault_draw, 1, 2) ? LANE_FLUSH : LANE_POOL;
    uint64_t until;

    sim_lane_hold(m->lane, kind, shard, true);
    release_later(w, m);
    if (w->n_machines == 1 || kind == LANE_POOL || !sim_prng_chance(&w->fault_draw, 1, 2))
        return;
    until = w->now_ns + 2 * SEC + sim_prng_below(&w->fault_draw, 4 * SEC);
    between_isolate(w, m->index, until);
    world_at(w, &m->release, until + sim_prng_below(&w->fault_draw, 300 * MS));
}

static void cut_off(struct world *w, struct machine *m, bool hold)
{
    uint64_t until = w->now_ns + SEC / 2 + sim_prng_below(&w->fault_draw, 4 * SEC);

    for (unsigned i = 0; hold && i < m->n_shards; i++)
        sim_lane_hold(m->lane, LANE_FLUSH, i, true);
    if (hold)
        world_at(w, &m->release, until + sim_prng_below(&w->fault_draw, 300 * MS));
    between_isolate(w, m->index, until);
}

static void crash_untimely(struct machine *m, uint64_t steps)
{
    m->dies_by = WORLD_N_FAULTS; /* counted already */
    sim_disk_crash_after(m->disk, steps);
}

/* It crashes before that is durable. */
static void strike_image(struct world *w, struct machine *m)
{
    if (sim_prng_chance(&w->fault_draw, 1, 2))
        machine_kill(m);
    else
        crash_untimely(m, sim_prng_below(&w->fault_draw, 4));
}

/* It crashes, or the others hear nothing of what it just did, and its disk may stand still as long. */
static void strike_log(struct world *w, struct machine *m)
{
    switch (sim_prng_below(&w->fault_draw, 8)) {
    case 0:
        machine_kill(m);
        break;
    case 1:
    case 2:
        crash_untimely(m, draw_steps(&w->fault_draw));
        break;
    case 3:
    case 4:
    case 5:
        cut_off(w, m, true);
        break;
    default:
        cut_off(w, m, false);
    }
}

void fault_strike(struct world *w, struct machine *m, enum world_moment moment)
{
    unsigned other = m->index + 1 + (unsigned)sim_prng_below(&w->fault_draw, w->n_machines - 1);

    if (moment == WORLD_MOMENT_START)
        cut_off(w, w->machines[other % w->n_machines], false);
    else if (moment == WORLD_MOMENT_IMAGE)
        strike_image(w, m);
    else
        strike_log(w, m);
}

static void set_clock(struct world *w, struct machine *m)
{
    int64_t now_ms = clock_real_ms(&m->clock.env), by_ms = (int64_t)sim_prng_below(&w->fault_draw, 86400000);

    sim_clock_set_real(&m->clock, sim_prng_chance(&w->fault_draw, 1, 2) ? now_ms + by_ms : now_ms - by_ms);
}

static void hit_disk(struct world *w, enum world_fault fault, struct machine *m)
{
    switch (fault) {
    case WORLD_FAULT_DISK_ERROR:
    case WORLD_FAULT_SYNC_ERROR:
    case WORLD_FAULT_SHORTAGE:
        fail_calls(w, fault, m);
        break;
    case WORLD_FAULT_DISK_FULL:
        fill_disk(w, m);
        break;
    case WORLD_FAULT_WRITE_BACK:
        sim_disk_writeback(m->disk, &m->disk_prng);
        break;
    case WORLD_FAULT_DROP_CACHES:
        sim_disk_drop_caches(m->disk);
        break;
    default:
        gq_assert(!"a fault of a node");
    }
}

void fault_hit(struct world *w, enum world_fault fault, struct machine *m)
{
    if (!machine_is_up(m))
        return;
    w->story->n_faults[fault] += (COUNTED_LATER >> fault & 1) == 0;
    switch (fault) {
    case WORLD_FAULT_CRASH:
        m->dies_by = WORLD_FAULT_CRASH;
        sim_disk_crash_after(m->disk, draw_steps(&w->fault_draw));
        break;
    case WORLD_FAULT_CRASH_IN_RECOVERY:
        m->boot_crash_steps = draw_steps(&w->fault_draw);
        if (sim_prng_chance(&w->fault_draw, 1, 2))
            machine_kill(m);
        else
            machine_lose_power(m, SIM_CRASH_DRAW);
        break;
    case WORLD_FAULT_KILL:
        machine_kill(m);
        break;
    case WORLD_FAULT_ROT:
        m->rot_wipes = world_has_fault(w, WORLD_FAULT_WIPE) && wipe_begin(w, m);
        machine_lose_power(m, SIM_CRASH_DRAW);
        m->rots = true;
        break;
    case WORLD_FAULT_RESTART:
        machine_stop(m);
        break;
    case WORLD_FAULT_WIPE:
        w->wipe_wanted = (int)m->index;
        break;
    case WORLD_FAULT_OLD_DISK:
        old_disk_keep(w, m);
        break;
    case WORLD_FAULT_SLOW_LANE:
        hold_lane(w, m);
        break;
    case WORLD_FAULT_CLOCK_JUMP:
        set_clock(w, m);
        break;
    case WORLD_FAULT_PAUSE:
        machine_pause(m, w->now_ns + sim_prng_below(&w->fault_draw, (4 * MS) << sim_prng_below(&w->fault_draw, 13)));
        break;
    case WORLD_FAULT_HOSTILE:
        hostile_visit(w, m);
        break;
    default:
        hit_disk(w, fault, m);
    }
}

/* ---- At a start ---- */

struct candidates {
    const char *dir;
    char paths[64][64];
    unsigned n;
};

static int note_journal(void *ctx, const struct disk_dirent *ent)
{
    struct candidates *k = ctx;
    size_t n = strlen(ent->name);

    if (k->n < ARRAY_SIZE(k->paths) && n > 8 && strcmp(ent->name + n - 8, ".journal") == 0)
        snprintf(k->paths[k->n++], sizeof(k->paths[0]), "%.31s/%.31s", k->dir, ent->name);
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* 0: there is none. */
static uint64_t size_of(struct env_disk *disk, const char *path)
{
    struct disk_file *f;
    uint64_t size = 0;

    if (disk_open(disk, path, DISK_READ, &f) < 0)
        return 0;
    (void)disk_size(f, &size);
    disk_close(f);
    return size;
}

static void flip_bit(struct machine *m, const char *path, uint64_t size)
{
    struct world *w = m->world;

    (void)sim_disk_flip(m->disk, path, sim_prng_below(&w->fault_draw, size),
                        (uint8_t)(1u << sim_prng_below(&w->fault_draw, 8)));
    w->story->n_faults[WORLD_FAULT_ROT]++;
}

/* A bit of a journal file, but not of the last one or the one that may be prepared behind it: of what was flushed last
 * nothing tells that it was, so damage there can't be told from a torn tail. The image is what to put back when the
 * node doesn't start, as it should. */
static void rot_journal(struct world *w, struct machine *m)
{
    struct env_disk *disk = sim_disk_env(m->disk);
    char dir[32];
    struct candidates k = { .dir = dir };
    const char *path;
    uint64_t size;

    snprintf(dir, sizeof(dir), "journal/%u", (unsigned)sim_prng_below(&w->fault_draw, m->n_shards));
    if (disk_list(disk, k.dir, note_journal, &k) < 0 || k.n < 3)
        return;
    qsort(k.paths, k.n, sizeof(k.paths[0]), compare_paths);
    path = k.paths[sim_prng_below(&w->fault_draw, k.n - 2)];
    size = size_of(disk, path);
    if (size == 0)
        return;
    m->backup = sim_disk_image(m->disk, &m->disk_prng);
    flip_bit(m, path, size);
}

/* It is derived from the log, of which nothing is missing: there is nothing to put back, the node must start. */
static void rot_metadata(struct machine *m)
{
    uint64_t size = size_of(sim_disk_env(m->disk), METADATA_IMAGE);

    if (size > 0)
        flip_bit(m, METADATA_IMAGE, size);
}

static void rot(struct world *w, struct machine *m)
{
    if (sim_prng_chance(&w->fault_draw, 1, 3))
        rot_metadata(m);
    else
        rot_journal(w, m);
}

void faults_at_boot(struct machine *m)
{
    struct world *w = m->world;

    sim_prng_fork(&w->fault_prng, &w->fault_draw);
    if (m->rots)
        rot(w, m);
    m->rots = false;
    if (w->phase != WORLD_WORK || !sim_prng_chance(&w->fault_draw, 1, 4))
        return;
    if (world_has_fault(w, WORLD_FAULT_DISK_ERROR))
        fail_calls(w, WORLD_FAULT_DISK_ERROR, m);
    else if (world_has_fault(w, WORLD_FAULT_SYNC_ERROR))
        fail_calls(w, WORLD_FAULT_SYNC_ERROR, m);
}
