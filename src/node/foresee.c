/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/internal.h"

/* With several voters the metadata's log may end, after a start, in entries that nobody says are committed. They may
 * have been applied here before, and what they made may be on the disk: groups in the journals, directories. So they
 * are tried on a copy of the metadata, which says whose these are; they are opened, and are there when the metadata
 * makes them again. What isn't on the disk isn't opened: another leader's entries may take the place of these, and
 * their groups the ids. What these entries would delete stays, but for what was being removed already, and so do
 * replicas of partitions that went elsewhere. */

struct node_foreseen {
    struct meta meta;
    struct list gone; /* struct deletion: topics that would be gone again */
};

struct deletion {
    struct list link;
    struct meta_event event;
};

static int copy_records(const struct meta *from, struct meta *to)
{
    struct meta_record *rec;
    struct list records;
    int rc = 0;

    list_init(&records);
    meta_dump(from, &records);
    list_foreach (&records, rec, link)
        if (rc == 0)
            rc = meta_load(to, rec->kind, rec->key, rec->value);
    if (rc == 0)
        rc = meta_load_finish(to, from->applied_index);
    meta_records_fini(&records);
    return rc;
}

static struct node_foreseen *foreseen_new(const struct node *n)
{
    const struct meta *known = &n->reactors[0].meta;
    struct node_foreseen *f = xcalloc(1, sizeof(*f));

    meta_init(&f->meta, known->hash_seed);
    gq_assert(copy_records(known, &f->meta) == 0);
    f->meta.keeps_replicas = true;
    list_init(&f->gone);
    return f;
}

static void try_command(void *ctx, uint64_t index, struct slice command)
{
    struct node *n = ctx;
    struct deletion *d = xcalloc(1, sizeof(*d));

    GQ_MARK(META_FORESEEN);
    if (n->foreseen == NULL)
        n->foreseen = foreseen_new(n);
    if (meta_apply(&n->foreseen->meta, index, command, &d->event) != 0) {
        free(d);
    } else if (d->event.deleted != NULL) {
        list_append(&n->foreseen->gone, &d->link);
    } else {
        meta_event_fini(&d->event);
        free(d);
    }
}

void node_foresee(struct node *n)
{
    if (n->metadata != NULL)
        replica_foresee(n->metadata, try_command, n);
}

struct search {
    const struct node *node;
    const struct uuid *topic;
    long partition;
    uint64_t *ret_group;
};

static int match(void *ctx, const struct meta_topic *t)
{
    const struct search *s = ctx;

    if (!uuid_eq(&t->id, s->topic) || s->partition >= t->n_partitions ||
        !node_has_place(s->node, t, (int32_t)s->partition))
        return 0;
    *s->ret_group = t->partitions[s->partition].group;
    return 1;
}

bool node_foresees(const struct node *n, const struct uuid *topic, long partition, uint64_t *ret_group)
{
    struct search search = { n, topic, partition, ret_group };

    return partition >= 0 && node_each_foreseen(n, match, &search) == 1;
}

int node_each_foreseen(const struct node *n, int (*fn)(void *ctx, const struct meta_topic *t), void *ctx)
{
    const struct meta_topic *t;
    const struct deletion *d;
    int rc = 0;

    if (n->foreseen == NULL)
        return 0;
    list_foreach (&n->foreseen->meta.topics, t, link)
        if (rc == 0)
            rc = fn(ctx, t);
    list_foreach (&n->foreseen->gone, d, link)
        if (rc == 0)
            rc = fn(ctx, d->event.deleted);
    return rc;
}

bool node_foresees_end(const struct node *n, const struct uuid *topic)
{
    const struct deletion *d;

    if (n->foreseen == NULL)
        return false;
    list_foreach (&n->foreseen->gone, d, link)
        if (uuid_eq(&d->event.deleted->id, topic))
            return true;
    return false;
}

const struct meta *node_foreseen_meta(const struct node *n)
{
    return n->foreseen != NULL ? &n->foreseen->meta : NULL;
}

void node_foreseen_fini(struct node *n)
{
    struct list *link;

    if (n->foreseen == NULL)
        return;
    while ((link = list_pop(&n->foreseen->gone)) != NULL) {
        struct deletion *d = list_entry(link, struct deletion, link);

        meta_event_fini(&d->event);
        free(d);
    }
    meta_fini(&n->foreseen->meta);
    free(TAKE_PTR(n->foreseen));
}
