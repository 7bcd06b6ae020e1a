/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* The image of the metadata in SQLite, written behind the log. Of each record that has changed only the last change
 * waits, and what it is to be is asked of the state when a write begins: so a topic with many partitions costs no more
 * when it changes often, and the image is as of the last entry that was applied. */

#define IMAGE_DELAY_NS (1000ull * 1000 * 1000)

void node_image_init(struct node *n)
{
    list_init(&n->image.records);
    hash_table_init(&n->image.by_key);
}

void node_image_forget(struct node *n)
{
    meta_records_fini(&n->image.records);
    hash_table_fini(&n->image.by_key);
    n->image.applied = (struct state_applied){ 0 };
    n->image.dirty = false;
}

static uint64_t key_hash(const struct node *n, const struct meta_record *rec)
{
    return hash_bytes(rec->key.data, rec->key.size, n->reactors[0].meta.hash_seed + rec->kind);
}

static struct meta_record *find(const struct node *n, uint64_t hash, const struct meta_record *like)
{
    struct hash_node *h = hash_first(&n->image.by_key, hash);

    for (; h != NULL; h = hash_next(h)) {
        struct meta_record *rec = container_of(h, struct meta_record, by_key);

        if (rec->kind == like->kind && slice_eq(rec->key, like->key))
            return rec;
    }
    return NULL;
}

/* Takes the record, in place of an earlier one, or not in place of a later one. */
static void keep(struct node *n, struct meta_record *rec, bool is_later)
{
    uint64_t hash = key_hash(n, rec);
    struct meta_record *other = find(n, hash, rec);

    if (other != NULL && !is_later) {
        free(rec);
        return;
    }
    if (other != NULL) {
        hash_remove(&n->image.by_key, &other->by_key);
        list_remove(&other->link);
        free(other);
    }
    hash_insert(&n->image.by_key, &rec->by_key, hash);
    list_append(&n->image.records, &rec->link);
}

static void image_wait(struct node *n)
{
    n->image.dirty = true;
    n->image.due_ns = n->reactors[0].now_ns + IMAGE_DELAY_NS;
}

void node_image_note(struct node *n, struct list *records, const struct state_applied *applied)
{
    struct list *link;

    while ((link = list_pop(records)) != NULL)
        keep(n, list_entry(link, struct meta_record, link), true);
    n->image.applied = *applied;
    if (!n->image.dirty)
        image_wait(n);
}

struct node_image_job {
    struct lane_work work;
    struct node *node;
    struct state_applied applied;
    struct list records, made; /* what has changed; of late ones, what they are */
    struct state_record *changes;
    size_t n_changes;
    int error;
};

/* A new node's is made with its first image: making a database takes many syncs, and nobody should wait for them. */
static int image_open(struct node *n)
{
    struct env *env = n->reactors[0].env;

    return n->image.db != NULL ? 0 : state_open(env->disk, env->prng, NODE_STATE_PATH, &n->image.db, NULL);
}

static void image_run(struct lane_work *work)
{
    struct node_image_job *job = container_of(work, struct node_image_job, work);

    job->error = image_open(job->node);
    if (job->error == 0)
        job->error =
            state_write(job->node->image.db, META_GROUP_ID_DEFAULT, &job->applied, job->changes, job->n_changes);
}

/* It is derived: the log has it all. Tried again, with what came since. */
static void image_again(struct node *n, struct node_image_job *job)
{
    struct list *link;

    while ((link = list_pop(&job->records)) != NULL)
        keep(n, list_entry(link, struct meta_record, link), false);
    image_wait(n);
}

static void image_done(struct lane_work *work)
{
    struct node_image_job *job = container_of(work, struct node_image_job, work);
    struct node *n = job->node;

    n->image.job = NULL;
    n->image.full = disk_is_shortage(job->error);
    if (n->image.full)
        image_again(n, job);
    else if (job->error != 0)
        node_fatal(n, job->error, NODE_STATE_PATH ": writing the metadata image");
    else
        node_identity_complete(n);
    meta_records_fini(&job->records);
    meta_records_fini(&job->made);
    free(job->changes);
    free(job);
}

static const struct meta_record *as_of_now(const struct node *n, struct node_image_job *job,
                                           const struct meta_record *rec)
{
    struct meta_record *made;

    if (!rec->is_late)
        return rec;
    made = meta_record_now(&n->reactors[0].meta, rec);
    list_append(&job->made, &made->link);
    return made;
}

static struct node_image_job *image_job_new(struct node *n)
{
    struct node_image_job *job = xcalloc(1, sizeof(*job));
    const struct meta_record *rec;

    gq_assert(n->reactors[0].meta.applied_index == n->image.applied.index);
    job->node = n;
    job->applied = n->image.applied;
    job->changes = xcalloc(n->image.by_key.count + 1, sizeof(*job->changes));
    hash_table_fini(&n->image.by_key);
    list_init(&job->made);
    list_init(&job->records);
    list_splice(&job->records, &n->image.records);
    list_foreach (&job->records, rec, link) {
        const struct meta_record *now = as_of_now(n, job, rec);

        job->changes[job->n_changes++] = (struct state_record){ now->kind, now->key, now->value };
    }
    job->work.run = image_run;
    job->work.done = image_done;
    return job;
}

void node_image_poll(struct node *n, bool now)
{
    if (!n->image.dirty || n->image.job != NULL || (!now && n->image.due_ns > n->reactors[0].now_ns))
        return;
    n->image.dirty = false;
    n->image.job = image_job_new(n);
    lane_submit(n->reactors[0].env->lane, LANE_POOL, 0, &n->image.job->work);
}

bool node_image_is_blocked(const struct node *n)
{
    return n->image.full && n->image.job == NULL;
}

bool node_image_is_idle(const struct node *n)
{
    return !n->image.dirty && n->image.job == NULL;
}
