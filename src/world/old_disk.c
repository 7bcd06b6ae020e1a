/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/faults.h"
#include "world/watch.h"

/* A node gets an older image of its own disk, and after a while its real one again. The others are to notice: they
 * neither count what it says nor follow it. They can, as long as each of them remembers a later start of it than the
 * next one of the image will be, and they do that in memory: so all have met it, and none of them may end meanwhile. As
 * soon as one does, the node gets its real disk, and before the image has been started as often as that. For its groups
 * that is as long as if the disk were lost. */

#define TRY_EVENTS 16
#define STARTS_BETWEEN 2 /* the image's next start is an older one, too */

struct old_disk {
    struct world *world;
    struct machine *machine; /* whose */
    struct sim_disk *image;  /* NULL: there is none */
    struct sim_disk *real;   /* while the image is in its place */
    struct uuid incarnation; /* that the image is of, and of which start */
    uint64_t n_starts;
    uint64_t n_starts_seen; /* that the others remember, while the image is in its place */
    uint64_t at_event;      /* then it is put in its place */
    struct event end;
};

static void on_end(struct event *e)
{
    old_disk_end(container_of(e, struct old_disk, end)->world);
}

struct old_disk *old_disk_new(struct world *w)
{
    struct old_disk *o = xcalloc(1, sizeof(*o));

    o->world = w;
    event_init(&o->end, on_end);
    return o;
}

void old_disk_free(struct old_disk *o)
{
    if (o == NULL)
        return;
    sim_disk_free(o->image);
    sim_disk_free(o->real);
    free(o);
}

bool old_disk_is_there(const struct world *w)
{
    return w->old_disk->real != NULL;
}

void old_disk_keep(struct world *w, struct machine *m)
{
    struct old_disk *o = w->old_disk;

    if (o->image != NULL || o->real != NULL || w->sick == m)
        return;
    o->machine = m;
    o->image = sim_disk_image(m->disk, &m->disk_prng);
    o->incarnation = node_incarnation(m->node);
    o->n_starts = node_n_starts(m->node);
    o->at_event = w->story->n_events + sim_prng_below(&w->fault_draw, w->max_events / 4);
}

static bool is_old(const struct old_disk *o)
{
    const struct node *n = o->machine->node;
    struct uuid now = node_incarnation(n);

    return !uuid_eq(&now, &o->incarnation) || node_n_starts(n) >= o->n_starts + STARTS_BETWEEN;
}

static bool all_have_met(const struct world *w, const struct machine *who)
{
    for (unsigned i = 0; i < w->n_machines; i++)
        if (w->machines[i] != who && !node_has_met(w->machines[i]->node, who->node))
            return false;
    return true;
}

void old_disk_come(struct world *w)
{
    struct old_disk *o = w->old_disk;
    struct machine *m = o->machine;
    struct error_text why;

    if (o->image == NULL || w->story->n_events < o->at_event || w->story->n_events % TRY_EVENTS != 0 ||
        w->phase != WORLD_WORK || !machine_is_ready(m))
        return;
    if (!is_old(o)) {
        machine_kill(m);
        return;
    }
    if (w->sick != NULL || !wipe_all_are_whole(w, &why) || !all_have_met(w, m))
        return;
    w->wiped = -1;
    w->story->n_faults[WORLD_FAULT_OLD_DISK]++;
    o->n_starts_seen = node_n_starts(m->node);
    machine_lose_power(m, SIM_CRASH_DRAW);
    o->real = machine_change_disk(m, TAKE_PTR(o->image));
    watch_set_old_disk(w->watch, m, true);
    world_at(w, &o->end, world_soon(w, &m->prng, SEC << sim_prng_below(&m->prng, 4)));
}

void old_disk_end(struct world *w)
{
    struct old_disk *o = w->old_disk;
    struct machine *m = o->machine;

    if (o->real == NULL)
        return;
    world_cancel(w, &o->end);
    if (machine_is_up(m))
        machine_lose_power(m, SIM_CRASH_DRAW);
    sim_disk_free(machine_change_disk(m, TAKE_PTR(o->real)));
    watch_set_old_disk(w->watch, m, false);
}

void old_disk_before_start(const struct machine *m)
{
    struct old_disk *o = m->world->old_disk;

    if (o->real != NULL && m == o->machine && ++o->n_starts >= o->n_starts_seen)
        old_disk_end(m->world);
}

void old_disk_before_end(const struct machine *m)
{
    if (m != m->world->old_disk->machine)
        old_disk_end(m->world);
}
