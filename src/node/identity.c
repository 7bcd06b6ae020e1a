/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/repair.h"

#include <stdio.h>

#define MAX_SHARDS 1024

static int make_directory(struct env_disk *disk, const char *path, struct error_text *err)
{
    int rc = disk_mkdir(disk, path);

    if (rc == -EEXIST)
        return 0;
    if (rc < 0)
        error_setf(err, "%s: %s", path, strerror(-rc));
    return rc;
}

/* Names that hold data of ours. One sync is for all shards; the superblock's, which follows, is for the rest. */
static int make_directories(struct env_disk *disk, unsigned n_shards, struct error_text *err)
{
    static const char *const directories[] = { "journal", "topics", "state" };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(directories); i++)
        rc = make_directory(disk, directories[i], err);
    for (unsigned s = 0; rc == 0 && s < n_shards; s++) {
        char path[32];

        snprintf(path, sizeof(path), "journal/%u", s);
        rc = make_directory(disk, path, err);
    }
    if (rc != 0)
        return rc;
    rc = disk_sync_dir(disk, "journal");
    if (rc < 0)
        error_setf(err, "syncing the journal's directory: %s", strerror(-rc));
    return rc;
}

static void draw_uuid(struct env_prng *prng, struct uuid *ret)
{
    uint8_t random[16];

    prng_fill(prng, random, sizeof(random));
    uuid_from_random(ret, random);
}

/* A node alone forms its own cluster at its first start; one of several waits for the others. */
static void superblock_fresh(struct node *n, const struct node_options *options)
{
    struct env *env = options->envs[0];

    n->superblock = (struct superblock){
        .broker_id = n->forming.n_listed > 0 ? -1 : NODE_BROKER_ID,
        .n_shards = MIN(MAX(options->n_shards, 1u), (unsigned)MAX_SHARDS),
        .created_ms = clock_real_ms(env->clock),
    };
    memcpy(n->superblock.node_id, options->config->node_id, strlen(options->config->node_id) + 1);
    if (n->forming.n_listed == 0)
        draw_uuid(env->prng, &n->superblock.cluster_id);
    draw_uuid(env->prng, &n->superblock.incarnation);
}

int node_known_shards(struct env_disk *disk, const char *node_id, unsigned *ret_n_shards)
{
    struct superblock sb;
    int rc = superblock_read(disk, node_id, &sb, NULL);

    if (rc == 0)
        *ret_n_shards = sb.n_shards;
    return rc;
}

static int refuse(struct error_text *err, int code, const char *why)
{
    error_setf(err, "%s", why);
    return code;
}

static int refuse_without_list(struct error_text *err)
{
    return refuse(err, NODE_E_PEERS,
                  "this data directory belongs to no cluster yet: discovery.peers has to name the others");
}

/* One that was readmitted has the formation of those who formed the cluster, with its node's name, and as long as its
 * superblock doesn't say that it belongs there it waits to be told again. */
static int match_formation(struct node *n, bool formed, struct error_text *err)
{
    struct superblock *sb = &n->superblock;
    const struct meta_founder *f = node_founder(&n->formation, sb);

    if (f == NULL || (formed && (!uuid_eq(&n->formation.cluster_id, &sb->cluster_id) || f->id != sb->broker_id)))
        return refuse(err, NODE_E_DATA, NODE_FORMATION_PATH ": it is of another node or cluster");
    if (formed)
        return 0;
    if (node_has_founded(&n->formation, sb)) {
        node_formation_adopt(&n->formation, sb);
        return 0;
    }
    meta_formation_fini(&n->formation);
    return n->forming.n_listed > 0 ? 0 : refuse_without_list(err);
}

/* Whose cluster a known data directory belongs to. One that waits for its cluster takes what was durable before a crash
 * kept the superblock from saying so. */
static int find_formation(struct node *n, struct env_disk *disk, struct error_text *err)
{
    struct superblock *sb = &n->superblock;
    bool formed = node_is_formed(n);
    int rc;

    if (formed && (sb->flags & SUPERBLOCK_CLUSTER) == 0)
        return 0;
    rc = node_formation_load(disk, &n->formation, err);
    if (rc == -ENOENT && formed)
        return refuse(err, NODE_E_DATA,
                      NODE_FORMATION_PATH
                      ": it is missing: without it this node doesn't know who belongs to its cluster");
    if (rc == -ENOENT && n->forming.n_listed == 0)
        return refuse_without_list(err);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return rc;
    return match_formation(n, formed, err);
}

int node_identify(struct node *n, const struct node_options *options, struct error_text *err)
{
    struct env_disk *disk = options->envs[0]->disk;
    int rc = disk_lock(disk, "lock");
    bool is_new;

    if (rc == -EBUSY) {
        error_setf(err, "the data directory is in use by another process");
        return NODE_E_BUSY;
    }
    if (rc < 0) {
        error_setf(err, "locking the data directory: %s", strerror(-rc));
        return rc;
    }
    rc = node_repair_check(disk, err);
    if (rc != 0)
        return rc;
    rc = superblock_read(disk, options->config->node_id, &n->superblock, err);
    is_new = rc == -ENOENT;
    if (is_new)
        superblock_fresh(n, options);
    else if (rc != 0)
        return rc > 0 ? NODE_E_DATA : rc;
    rc = is_new ? 0 : find_formation(n, disk, err);
    if (rc == 0 && node_is_formed(n))
        node_forming_forget(n); /* for good: who belongs to a cluster never forms one */
    if (rc == 0)
        rc = node_forming_check(n, err);
    if (rc != 0)
        return rc;
    n->n_shards = n->superblock.n_shards;
    n->superblock.boot_counter++;
    /* A crash of the first start may have kept the superblock and not the names that came before. */
    rc = (n->superblock.flags & SUPERBLOCK_JOURNALS_MADE) == 0 ? make_directories(disk, n->n_shards, err) : 0;
    if (rc == 0)
        rc = superblock_write(disk, &n->superblock, err);
    /* A full disk is no reason not to serve what is there; the boot is counted next time. */
    if (!is_new && disk_is_shortage(rc))
        rc = 0;
    return rc;
}

/* --- from then on a missing journal is a loss --- */

struct node_superblock_job {
    struct lane_work work;
    struct node *node;
    struct superblock superblock;
    int error;
};

static void superblock_run(struct lane_work *work)
{
    struct node_superblock_job *job = container_of(work, struct node_superblock_job, work);

    job->error = superblock_write(job->node->reactors[0].env->disk, &job->superblock, NULL);
}

static void superblock_done(struct lane_work *work)
{
    struct node_superblock_job *job = container_of(work, struct node_superblock_job, work);
    struct node *n = TAKE_PTR(job->node);

    n->superblock_job = NULL;
    if (job->error == 0)
        n->superblock.flags = job->superblock.flags;
    else if (!disk_is_shortage(job->error)) /* the next start tries again */
        node_fatal(n, job->error, "writing the superblock");
    free(job);
}

void node_identity_complete(struct node *n)
{
    struct node_superblock_job *job;

    if ((n->superblock.flags & SUPERBLOCK_JOURNALS_MADE) != 0 || n->superblock_job != NULL)
        return;
    job = n->superblock_job = xcalloc(1, sizeof(*job));
    job->node = n;
    job->superblock = n->superblock;
    job->superblock.flags |= SUPERBLOCK_JOURNALS_MADE;
    job->work.run = superblock_run;
    job->work.done = superblock_done;
    lane_submit(n->reactors[0].env->lane, LANE_POOL, 0, &job->work);
}
