/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

#include <stdio.h>

#include "base/mark.h"

/* Start, blocking and in the order of docs/format/journal.md: journals are scanned (hard states, log starts,
 * checkpoints) and what a power loss could still take is made durable, the metadata group comes back first, then the
 * partitions it names, then the journals' entries. The shards do this side by side, but for the metadata's part. */

#define FILE_SIZE_DIVISOR 16
#define FILE_SIZE_ENTRIES 4 /* a file holds at least so many of the largest messages that are allowed */
#define FILE_SIZE_ROOM (1u << 20)
#define FIRST_FILE_SIZE (1u << 20)
#define SMALL_JOURNAL_FILES 6

struct recovery {
    struct node *node;
    const struct node_options *options;
    struct error_text *err;
    struct node_shard *shard;
    const struct node_dirs *dirs;
};

static void progress(const struct recovery *rec, const char *status)
{
    if (rec->options->progress != NULL)
        rec->options->progress(rec->options->host.ctx, status);
}

/* All of them of one size, and as few as a journal works with. */
static void shrink_journal(uint64_t file_bytes, struct journal_config *config)
{
    config->file_size_bytes = config->first_file_size_bytes = ALIGN_UP(file_bytes, DISK_ALIGN);
    config->size_bytes = SMALL_JOURNAL_FILES * config->file_size_bytes;
}

void node_journal_sizes(const struct config *c, uint64_t file_bytes, struct journal_config *ret)
{
    uint64_t size = (uint64_t)c->journal_size_bytes, largest = (uint64_t)c->max_message_size_bytes;

    ret->size_bytes = size;
    ret->file_size_bytes =
        ALIGN_UP(MAX(size / FILE_SIZE_DIVISOR, largest * FILE_SIZE_ENTRIES + FILE_SIZE_ROOM), DISK_ALIGN);
    ret->first_file_size_bytes = FIRST_FILE_SIZE;
    if (file_bytes > 0)
        shrink_journal(file_bytes, ret);
}

static int open_journal(struct recovery *rec, struct node_shard *s)
{
    char dir[32];
    const struct config *c = rec->options->config;
    struct journal_config config = {
        .disk = s->replicas.env->disk,
        .prng = s->replicas.env->prng,
        .clock = s->replicas.env->clock,
        .dir = dir,
        .shard = s->index,
        .incarnation = rec->node->superblock.incarnation,
        .must_exist = (rec->node->superblock.flags & SUPERBLOCK_JOURNALS_MADE) != 0,
    };
    int rc;

    node_journal_sizes(rec->options->config, rec->node->journal_file_bytes, &config);
    snprintf(dir, sizeof(dir), "journal/%u", s->index);
    rc = journal_open(&config, &s->journal, rec->err);
    s->replicas.journal = s->journal;
    if (rc == 0)
        journal_set_batching(s->journal, &(struct journal_batching){
                                             .wait_ns = (uint64_t)c->performance.batch_timeout_ns,
                                             .requests = (size_t)c->performance.max_batch_size,
                                             .bytes = (size_t)c->performance.max_batch_bytes,
                                         });
    return rc;
}

static int settle_journal(struct recovery *rec, struct node_shard *s)
{
    return journal_settle(s->journal, rec->err);
}

struct group_lookup {
    uint64_t group;
    struct journal_group_state state;
    bool found;
};

static int match_group(void *ctx, const struct journal_group_state *st)
{
    struct group_lookup *l = ctx;

    if (st->group != l->group)
        return 0;
    l->state = *st;
    l->found = true;
    return 1;
}

static int open_metadata(struct recovery *rec)
{
    struct node *n = rec->node;
    struct node_shard *s = node_shard_of(n, META_GROUP_ID_DEFAULT);
    struct group_lookup l = { .group = META_GROUP_ID_DEFAULT, .state = { .group = META_GROUP_ID_DEFAULT, .vote = -1 } };
    struct replica_members members;
    struct replica_config config;
    int rc;

    node_metadata_config(n, &members, &config);
    config.founded = config.members != NULL && node_has_founded(&n->formation, &n->superblock);
    journal_groups(s->journal, match_group, &l);
    rc = replica_open(&s->replicas, &config, &l.state, &n->metadata, rec->err);
    if (rc == 0)
        node_group_add(s, META_GROUP_ID_DEFAULT, n->metadata);
    return rc;
}

static int replay_record(void *ctx, const struct journal_replay_record *r)
{
    struct recovery *rec = ctx;
    struct node_group *g;

    g = node_group_find(rec->shard, r->group);
    return g != NULL ? replica_replay(g->replica, r, rec->err) : 0; /* a deleted topic's may still be there */
}

/* However long it took to get here, timers of groups with several voters begin now. */
static void tell_time(struct node_shard *s)
{
    struct env *env = s->replicas.env;

    if (node_has_peers(s->node))
        replica_shard_begin_turn(&s->replicas, clock_mono_ns(env->clock), clock_real_ms(env->clock));
}

static int replay_metadata(struct recovery *rec)
{
    int rc;

    rec->shard = node_shard_of(rec->node, META_GROUP_ID_DEFAULT);
    rc = journal_replay_group(rec->shard->journal, META_GROUP_ID_DEFAULT, replay_record, rec, rec->err);
    if (rc != 0)
        return rc;
    tell_time(rec->shard);
    return replica_replay_end(rec->node->metadata, rec->err);
}

static int load_record(void *ctx, const struct state_record *record)
{
    struct node *n = ctx;

    for (unsigned i = 0; i < n->n_reactors; i++) {
        int rc = meta_load(&n->reactors[i].meta, record->kind, record->key, record->value);

        if (rc < 0)
            return rc;
    }
    return 0;
}

static void free_metadata(struct node *n)
{
    struct node_group *g = node_group_find(node_shard_of(n, META_GROUP_ID_DEFAULT), META_GROUP_ID_DEFAULT);

    if (g != NULL)
        node_group_free(g);
    replica_free(n->metadata);
    n->metadata = NULL;
}

static void reset_metadata(struct node *n)
{
    free_metadata(n);
    node_image_forget(n);
    for (unsigned i = 0; i < n->n_reactors; i++) {
        meta_fini(&n->reactors[i].meta);
        meta_init(&n->reactors[i].meta, n->shards[0].replicas.hash_seed);
    }
}

static int load_image(struct recovery *rec)
{
    struct node *n = rec->node;
    struct env *env = rec->options->envs[0];
    int rc;

    if (n->superblock.boot_counter == 1)
        return 0; /* nothing can be there yet */
    rc = state_open(env->disk, env->prng, NODE_STATE_PATH, &n->image.db, rec->err);
    if (disk_is_shortage(rc))
        return 0; /* not made yet, or to be rolled back: the log has it all, and the next write tries again */
    if (rc == 0)
        rc = state_applied(n->image.db, META_GROUP_ID_DEFAULT, &n->image.applied);
    if (rc == 0)
        rc = state_load(n->image.db, META_GROUP_ID_DEFAULT, load_record, n);
    if (rc < 0 && rec->err->text[0] == '\0')
        error_setf(rec->err, "%s: %s", NODE_STATE_PATH, strerror(-rc));
    for (unsigned i = 0; rc == 0 && i < n->n_reactors; i++)
        rc = meta_load_finish(&n->reactors[i].meta, n->image.applied.index);
    return rc == -EIO ? STATE_E_DAMAGED : rc; /* what can't be read is no better */
}

/* Nothing is left of the one before: without room for it the next write tries again. */
static int make_image(struct recovery *rec)
{
    struct env *env = rec->options->envs[0];
    int rc = state_open(env->disk, env->prng, NODE_STATE_PATH, &rec->node->image.db, rec->err);

    return disk_is_shortage(rc) ? 0 : rc;
}

/* The image is derived from the log: one that is damaged or of another history is made again from the log's start. */
static int recover_metadata(struct recovery *rec)
{
    struct node *n = rec->node;
    struct env *env = rec->options->envs[0];
    int rc = load_image(rec);

    if (rc == 0)
        rc = open_metadata(rec);
    if (rc == 0)
        rc = replay_metadata(rec);
    if (rc != STATE_E_DAMAGED && rc != REPLICA_E_STALE_IMAGE && rc != -EBADMSG)
        return rc;
    progress(rec, "rebuilding the metadata image from the log");
    reset_metadata(n);
    state_close(TAKE_PTR(n->image.db));
    rc = state_remove(env->disk, NODE_STATE_PATH);
    if (rc == 0)
        rc = make_image(rec);
    if (rc == 0)
        rc = open_metadata(rec);
    if (rc == 0)
        rc = replay_metadata(rec);
    if (rc == 0)
        GQ_MARK(META_IMAGE_REBUILT);
    return rc;
}

/* With several voters: the end of the log may have been applied before, and its beginning may not be there yet. */
static void settle_metadata(struct node *n)
{
    if (n->formation.n_founders == 0)
        return;
    if (replica_last_index(n->metadata) == 0 && node_has_founded(&n->formation, &n->superblock))
        free_metadata(n); /* the file that says who formed the cluster was durable, and nothing else yet */
    node_foresee(n);
}

/* What the journals know of groups, for look-ups by id while thousands of partitions open. */
struct known_states {
    struct journal_group_state *states;
    size_t count, capacity;
};

static int note_state(void *ctx, const struct journal_group_state *st)
{
    struct known_states *k = ctx;

    if (k->count == k->capacity) {
        k->capacity = MAX(k->capacity * 2, (size_t)64);
        k->states = xrealloc(k->states, k->capacity * sizeof(*k->states));
    }
    k->states[k->count++] = *st;
    return 0;
}

static int compare_state(const void *key, const void *state)
{
    uint64_t group = *(const uint64_t *)key, other = ((const struct journal_group_state *)state)->group;

    return (group > other) - (group < other);
}

static const struct journal_group_state *find_state(const struct known_states *known, uint64_t group)
{
    if (known->count == 0)
        return NULL;
    return bsearch(&group, known->states, known->count, sizeof(*known->states), compare_state);
}

/* The journal has forgotten the group, since its topic's deletion was applied or the replica went elsewhere, or never
 * heard of it. What is forgotten must not come back, and some of its files may be gone: it isn't opened. The metadata
 * will say again that the topic is gone, or else the group is made then. */
static int leave_out(struct recovery *rec, const struct replica_config *config)
{
    int rc;

    if (config->dir_absent)
        return 0;
    rc = node_remove_dir(rec->node, rec->shard->replicas.env->disk, config->dir);
    if (rc < 0)
        error_setf(rec->err, "%s: can't remove what is left of a partition: %s", config->dir, error_text(rc));
    return rc;
}

struct opening {
    struct recovery *rec;
    const struct known_states *known;
    const struct meta *meta; /* as far as it goes: what is on the disk may come of its last entries */
    bool foreseen;
};

static const struct meta_topic *as_foreseen(const struct opening *o, const struct meta_topic *t, int32_t p)
{
    const struct meta_topic *later = meta_topic_by_id(o->meta, &t->id);

    return later != NULL && p < later->n_partitions ? later : t;
}

/* Its topic's deletion was applied, or this node hasn't had the replica all the time. */
static bool may_be_forgotten(const struct opening *o, const struct meta_topic *t, int32_t p)
{
    const struct node *n = o->rec->node;

    return node_foresees_end(n, &t->id) ||
           (n->formation.n_founders > 0 && !meta_has_kept(as_foreseen(o, t, p), p, n->superblock.broker_id));
}

static int open_partition(const struct opening *o, const struct meta_topic *t, int32_t p,
                          const struct replica_limits *limits)
{
    struct recovery *rec = o->rec;
    uint64_t group = t->partitions[p].group;
    _cleanup_(freep) char *dir = node_partition_dir(t, p);
    struct journal_group_state fresh = { .group = group, .vote = -1 };
    const struct journal_group_state *state = find_state(o->known, group);
    struct replica_config config = {
        .group = group,
        .dir = dir,
        .dir_absent = !node_dirs_has(rec->dirs, group),
        .limits = *limits,
    };
    struct replica_members members;
    struct replica *replica;
    int rc;

    if (!node_places_here(rec->node, o->meta, as_foreseen(o, t, p), p, &members, &config))
        return 0;
    if (state == NULL && may_be_forgotten(o, t, p))
        return leave_out(rec, &config);
    rc = replica_open(&rec->shard->replicas, &config, state != NULL ? state : &fresh, &replica, rec->err);
    if (rc == 0)
        node_group_name(node_group_add(rec->shard, group, replica), t, p);
    return rc;
}

/* Made before the start, though the metadata doesn't say so yet. */
static bool is_to_come(const struct opening *o, const struct node_shard *s, uint64_t group)
{
    return node_group_find(s, group) == NULL &&
           (find_state(o->known, group) != NULL || node_dirs_has(o->rec->dirs, group));
}

static int open_topic(void *ctx, const struct meta_topic *t)
{
    struct opening *o = ctx;
    struct node_shard *s = o->rec->shard;
    struct replica_limits limits;
    int rc = 0;

    node_topic_limits(o->rec->options->config, t, &limits);
    for (int32_t p = 0; rc == 0 && p < t->n_partitions; p++) {
        uint64_t group = t->partitions[p].group;

        if (node_shard_of(o->rec->node, group) == s && (!o->foreseen || is_to_come(o, s, group)))
            rc = open_partition(o, t, p, &limits);
    }
    return rc;
}

static int open_partitions(struct recovery *rec, struct node_shard *s)
{
    struct known_states known = { 0 };
    const struct meta *foreseen = node_foreseen_meta(rec->node), *meta = &rec->node->reactors[0].meta;
    struct opening opening = { .rec = rec, .known = &known, .meta = foreseen != NULL ? foreseen : meta };
    const struct meta_topic *t;
    int rc = journal_groups(s->journal, note_state, &known);

    rec->shard = s;
    list_foreach (&meta->topics, t, link)
        if (rc == 0)
            rc = open_topic(&opening, t);
    opening.foreseen = true;
    if (rc == 0)
        rc = node_each_foreseen(rec->node, open_topic, &opening);
    free(known.states);
    return rc;
}

static int replay_partition(void *ctx, const struct journal_replay_record *r)
{
    return r->group != META_GROUP_ID_DEFAULT ? replay_record(ctx, r) : 0; /* the metadata group is back already */
}

static int recover_shard(struct recovery *rec, struct node_shard *s)
{
    struct node_group *g;
    int rc = open_partitions(rec, s);

    if (rc == 0)
        rc = journal_replay(s->journal, replay_partition, rec, rec->err);
    tell_time(s);
    list_foreach (&s->groups, g, link) {
        if (rc == 0 && g->replica != rec->node->metadata)
            rc = replica_replay_end(g->replica, rec->err);
    }
    return rc;
}

static int start_journal(struct recovery *rec, struct node_shard *s)
{
    return journal_start(s->journal, s->replicas.env->lane, rec->err);
}

/* A step of recovery that shards take side by side; those of one reactor share its env, and go one after the other. */
typedef int (*shard_step)(struct recovery *rec, struct node_shard *s);

struct shards_job {
    struct lane_work work;
    struct recovery recovery;
    struct error_text err;
    shard_step step;
    unsigned reactor;
    int rc;
};

static void run_shards(struct lane_work *work)
{
    struct shards_job *job = container_of(work, struct shards_job, work);
    struct node *n = job->recovery.node;

    for (unsigned s = job->reactor; job->rc == 0 && s < n->n_shards; s += n->n_reactors)
        job->rc = job->step(&job->recovery, &n->shards[s]);
}

static int each_shard(struct recovery *rec, shard_step step)
{
    unsigned n_jobs = MIN(rec->node->n_reactors, rec->node->n_shards);
    _cleanup_(freep) struct shards_job *jobs = xcalloc(n_jobs, sizeof(*jobs));
    _cleanup_(freep) struct lane_work **works = xcalloc(n_jobs, sizeof(struct lane_work *));
    int rc = 0;

    for (unsigned i = 0; i < n_jobs; i++) {
        jobs[i] = (struct shards_job){ .work.run = run_shards, .recovery = *rec, .step = step, .reactor = i };
        jobs[i].recovery.err = &jobs[i].err;
        works[i] = &jobs[i].work;
    }
    lane_run_all(rec->options->envs[0]->lane, works, n_jobs);
    for (unsigned i = 0; rc == 0 && i < n_jobs; i++) {
        rc = jobs[i].rc;
        if (rc != 0 && rec->err != NULL)
            *rec->err = jobs[i].err;
    }
    return rc;
}

static int scan_dirs(struct recovery *rec, struct node_dirs *ret)
{
    int rc = node_dirs_scan(rec->node, rec->options->envs[0]->disk, ret);

    if (rc < 0)
        error_setf(rec->err, "topics: can't look through it: %s", error_text(rc));
    return rc;
}

int node_recover(struct node *n, const struct node_options *options, struct error_text *err)
{
    struct recovery rec = { .node = n, .options = options, .err = err };
    struct node_dirs dirs = { 0 };
    int rc;

    rec.dirs = &dirs;
    n->recovering = true;
    progress(&rec, "scanning the journals");
    rc = each_shard(&rec, open_journal);
    if (rc == 0)
        rc = each_shard(&rec, settle_journal);
    progress(&rec, "recovering the metadata");
    if (rc == 0 && node_is_formed(n))
        rc = recover_metadata(&rec);
    if (rc == 0)
        settle_metadata(n);
    if (rc == 0)
        rc = scan_dirs(&rec, &dirs);
    progress(&rec, "recovering the partitions");
    if (rc == 0)
        rc = each_shard(&rec, recover_shard);
    if (rc == 0)
        rc = each_shard(&rec, start_journal);
    node_dirs_fini(&dirs);
    node_foreseen_fini(n);
    n->recovering = false;
    return rc;
}
