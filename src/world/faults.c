/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/internal.h"

static const char *const names[] = {
#define X(name, text) [WORLD_FAULT_##name] = #name,
    WORLD_FAULTS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, text) [WORLD_FAULT_##name] = text,
    WORLD_FAULTS(X)
#undef X
};

const char *world_fault_name(enum world_fault fault)
{
    return names[fault];
}

const char *world_fault_text(enum world_fault fault)
{
    return texts[fault];
}

/* ---- The net between clients and nodes ---- */

uint64_t link_arrival(struct world *w, unsigned client, unsigned machine, unsigned direction, struct sim_prng *prng)
{
    struct link *l = &w->links[client][machine];
    uint64_t at = world_soon(w, prng, w->net_delay_ns) + w->net_delay_ns;

    if (world_has_fault(w, WORLD_FAULT_LATE) && w->phase == WORLD_WORK && sim_prng_chance(prng, 1, 32))
        at += sim_prng_below(prng, 300 * MS);
    return MAX(at, l->cut_until[direction]);
}

static void cut_link(struct world *w, struct client *c, unsigned machine)
{
    struct link *l = &w->links[c->index][machine];
    uint64_t until = w->now_ns + sim_prng_below(&w->fault_prng, 20 * SEC);
    unsigned how = 1 + (unsigned)sim_prng_below(&w->fault_prng, 3);

    for (unsigned d = 0; d < 2; d++)
        if ((how >> d & 1) != 0)
            l->cut_until[d] = until;
}

/* ---- One fault ---- */

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
        f = &failing[sim_prng_below(&w->fault_prng, ARRAY_SIZE(failing))];
    while (f->fault != fault);
    sim_disk_fail_no_more(m->disk);
    sim_disk_fail(m->disk, f->call, draw_steps(&w->fault_prng), 1 + draw_steps(&w->fault_prng) / 8, f->err);
    m->excused = m->excused || fault != WORLD_FAULT_SHORTAGE;
    m->sync_failed = m->sync_failed || fault == WORLD_FAULT_SYNC_ERROR;
}

static void release_later(struct world *w, struct machine *m)
{
    world_by(w, &m->release, world_soon(w, &w->fault_prng, MS << sim_prng_below(&w->fault_prng, 14)));
}

static void fill_disk(struct world *w, struct machine *m)
{
    struct disk_space space;

    if (disk_space(sim_disk_env(m->disk), &space) < 0)
        return;
    sim_disk_set_capacity(m->disk,
                          space.total_bytes - space.free_bytes +
                              sim_prng_below(&w->fault_prng, UINT64_C(4096) << sim_prng_below(&w->fault_prng, 14)));
    release_later(w, m);
}

static void hold_lane(struct world *w, struct machine *m)
{
    unsigned shard = (unsigned)sim_prng_below(&w->fault_prng, m->n_shards);

    sim_lane_hold(m->lane, sim_prng_chance(&w->fault_prng, 1, 2) ? LANE_FLUSH : LANE_POOL, shard, true);
    release_later(w, m);
}

static void set_clock(struct world *w, struct machine *m)
{
    int64_t now_ms = clock_real_ms(&m->clock.env), by_ms = (int64_t)sim_prng_below(&w->fault_prng, 86400000);

    sim_clock_set_real(&m->clock, sim_prng_chance(&w->fault_prng, 1, 2) ? now_ms + by_ms : now_ms - by_ms);
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

static void hit_machine(struct world *w, enum world_fault fault, struct machine *m)
{
    if (!machine_is_up(m))
        return;
    switch (fault) {
    case WORLD_FAULT_CRASH:
        sim_disk_crash_after(m->disk, draw_steps(&w->fault_prng));
        break;
    case WORLD_FAULT_CRASH_IN_RECOVERY:
        m->boot_crash_steps = draw_steps(&w->fault_prng);
        if (sim_prng_chance(&w->fault_prng, 1, 2))
            machine_kill(m);
        else
            machine_lose_power(m, SIM_CRASH_DRAW);
        break;
    case WORLD_FAULT_KILL:
        machine_kill(m);
        break;
    case WORLD_FAULT_RESTART:
        machine_stop(m);
        break;
    case WORLD_FAULT_SLOW_LANE:
        hold_lane(w, m);
        break;
    case WORLD_FAULT_CLOCK_JUMP:
        set_clock(w, m);
        break;
    default:
        hit_disk(w, fault, m);
    }
}

void faults_at_boot(struct machine *m)
{
    struct world *w = m->world;

    if (w->phase != WORLD_WORK || !sim_prng_chance(&w->fault_prng, 1, 4))
        return;
    if (world_has_fault(w, WORLD_FAULT_DISK_ERROR))
        fail_calls(w, WORLD_FAULT_DISK_ERROR, m);
    else if (world_has_fault(w, WORLD_FAULT_SYNC_ERROR))
        fail_calls(w, WORLD_FAULT_SYNC_ERROR, m);
}

static void inject(struct world *w, enum world_fault fault)
{
    struct machine *m = w->machines[sim_prng_below(&w->fault_prng, w->n_machines)];
    struct client *c = w->clients[sim_prng_below(&w->fault_prng, w->n_clients)];

    world_step(w, WORLD_STEP_FAULT, m->index, fault, c->index);
    switch (fault) {
    case WORLD_FAULT_RESET:
        client_reset(c);
        break;
    case WORLD_FAULT_CUT:
        cut_link(w, c, m->index);
        break;
    case WORLD_FAULT_LATE:
        break;
    default:
        hit_machine(w, fault, m);
    }
}

static void on_fault(struct event *e)
{
    struct world *w = container_of(e, struct world, fault_event);
    unsigned left = (unsigned)__builtin_popcount(w->story->faults);

    left = (unsigned)sim_prng_below(&w->fault_prng, left);
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if (world_has_fault(w, (enum world_fault)f) && left-- == 0) {
            inject(w, (enum world_fault)f);
            break;
        }
    world_at(w, &w->fault_event, world_soon(w, &w->fault_prng, 2 * w->fault_interval_ns));
}

/* ---- Which ones, how often ---- */

void faults_draw(struct world *w)
{
    event_init(&w->fault_event, on_fault);
    sim_prng_fork(&w->prng, &w->fault_prng);
    w->net_delay_ns = (5 * US) << sim_prng_below(&w->prng, 9);
    w->fault_interval_ns = MS << sim_prng_below(&w->prng, 12);
    for (unsigned f = 0; f < WORLD_N_FAULTS; f++)
        if (sim_prng_chance(&w->prng, 1, 2))
            w->story->faults |= UINT32_C(1) << f;
    w->story->faults &= ~w->options.no_faults;
    if (w->story->faults != 0)
        world_at(w, &w->fault_event, world_soon(w, &w->fault_prng, 2 * w->fault_interval_ns));
}

void faults_end(struct world *w)
{
    world_cancel(w, &w->fault_event);
    memset(w->links, 0, sizeof(w->links));
    for (unsigned i = 0; i < w->n_machines; i++) {
        struct machine *m = w->machines[i];

        m->boot_crash_steps = UINT64_MAX;
        sim_disk_crash_after(m->disk, UINT64_MAX);
        sim_disk_fail_no_more(m->disk);
        world_cancel(w, &m->release);
        machine_release(m);
        if (!machine_is_up(m) && !event_is_due(&m->boot))
            world_at(w, &m->boot, w->now_ns);
    }
}
