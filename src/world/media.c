/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "world/faults.h"
#include "world/rare.h"

/* Damage to the segments of one node of a cluster while it runs, found when somebody reads them: of one node at a time,
 * so that each group keeps a majority of sound copies. The node may refuse to read, end, or not start; nobody may take
 * damaged bytes for right ones, and it may destroy nothing for that. When the faults end, when the node doesn't start,
 * and now and then before another one's turn somebody puts the bytes right. */

#define MAX_FILES 256
#define TRIES 8
#define METADATA_DIR "state/metadata"

struct files {
    struct env_disk *disk;
    const char *dir;
    char (*paths)[80];
    unsigned n;
};

static bool is_segment_file(const char *name)
{
    static const char *const suffixes[] = { ".log", ".entries", ".aux", ".snapshot" };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_SIZE(suffixes); i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

static int note_file(void *ctx, const struct disk_dirent *ent)
{
    struct files *k = ctx;

    if (!ent->is_dir && is_segment_file(ent->name) && k->n < MAX_FILES)
        snprintf(k->paths[k->n++], sizeof(k->paths[0]), "%.40s/%.36s", k->dir, ent->name);
    return 0;
}

static int note_dir(void *ctx, const struct disk_dirent *ent)
{
    struct files *k = ctx;
    char dir[48];

    if (!ent->is_dir)
        return 0;
    snprintf(dir, sizeof(dir), "topics/%.36s", ent->name);
    k->dir = dir;
    return disk_list(k->disk, dir, note_file, k);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void find_files(struct files *k)
{
    if (disk_list(k->disk, "topics", note_dir, k) < 0)
        k->n = 0;
    k->dir = METADATA_DIR;
    (void)disk_list(k->disk, METADATA_DIR, note_file, k);
    qsort(k->paths, k->n, sizeof(k->paths[0]), compare_paths);
}

static enum sim_disk_damage draw_damage(enum world_fault fault, struct sim_prng *prng)
{
    switch (fault) {
    case WORLD_FAULT_BIT_ROT:
        return SIM_DAMAGE_FLIPPED;
    case WORLD_FAULT_LATENT:
        return SIM_DAMAGE_UNREADABLE;
    default:
        return sim_prng_chance(prng, 1, 2) ? SIM_DAMAGE_MISPLACED : SIM_DAMAGE_UNWRITTEN;
    }
}

static bool damage(struct machine *m, enum world_fault fault)
{
    struct sim_prng *prng = &m->world->rare_draw;
    struct files k = { .disk = sim_disk_env(m->disk) };
    unsigned n_done = 0;

    k.paths = xcalloc(MAX_FILES, sizeof(k.paths[0]));
    find_files(&k);
    for (unsigned i = 0; k.n > 0 && i < TRIES && n_done < 1 + i / 4; i++)
        n_done += sim_disk_damage(m->disk, k.paths[sim_prng_below(prng, k.n)], draw_damage(fault, prng), prng) == 0;
    free(k.paths);
    return n_done > 0;
}

/* So that it is met soon, and by a start. */
static void expose(struct machine *m)
{
    struct sim_prng *prng = &m->world->rare_draw;

    switch (sim_prng_below(prng, 6)) {
    case 0:
        machine_lose_power(m, SIM_CRASH_DRAW);
        break;
    case 1:
        machine_kill(m);
        break;
    case 2:
        sim_disk_drop_caches(m->disk);
        break;
    default:
        break;
    }
}

/* Of nobody else anything is missing. */
static bool is_allowed(struct world *w, const struct machine *m)
{
    struct error_text why;

    return !old_disk_is_there(w) && (w->wiped == (int)m->index || wipe_is_over(w, &why));
}

void media_hit(struct machine *m, enum world_fault fault)
{
    struct world *w = m->world;

    if (w->sick != NULL && w->sick != m && sim_prng_chance(&w->rare_draw, 1, 4))
        media_mend(w->sick);
    m = w->sick != NULL ? w->sick : m;
    if (!machine_is_up(m) || sim_disk_is_dead(m->disk) || !is_allowed(w, m) || !damage(m, fault))
        return;
    w->story->n_faults[fault]++;
    w->sick = m;
    m->excused = true;
    expose(m);
}

void media_mend(struct machine *m)
{
    if (m->world->sick != m)
        return;
    sim_disk_mend(m->disk);
    m->mended_ns = m->world->now_ns;
    m->world->sick = NULL;
}

bool media_may_show(const struct client *c, const struct call *call)
{
    uint64_t asked_ns = call->deadline_ns - c->call_timeout_ns;

    return c->machine != NULL && (c->world->sick == c->machine || asked_ns <= c->machine->mended_ns);
}
