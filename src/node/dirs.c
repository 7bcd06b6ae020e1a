/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/log.h"
#include "node/internal.h"

/* The directories of partitions, seen with one listing: most partitions have none before their first record, and are
 * not looked for one by one. Those of topics that were deleted just before the end are removed, and those of partitions
 * that went to other brokers; the metadata, which is whole by then, doesn't know them, or not here. */

struct scan {
    struct node *node;
    struct node_dirs *dirs;
    char **strays;
    size_t n_strays;
};

/* False when it is not a name of ours. */
static bool parse_name(const char *name, struct uuid *ret_topic, long *ret_partition)
{
    char text[UUID_TEXT_SIZE];
    char *end;

    if (strlen(name) < UUID_TEXT_SIZE + 1 || name[UUID_TEXT_SIZE - 1] != '-')
        return false;
    memcpy(text, name, UUID_TEXT_SIZE - 1);
    text[UUID_TEXT_SIZE - 1] = '\0';
    *ret_partition = strtol(name + UUID_TEXT_SIZE, &end, 10);
    return *end == '\0' && uuid_parse(text, ret_topic) == 0;
}

static void note_group(struct node_dirs *d, uint64_t group)
{
    if (d->count == d->capacity) {
        d->capacity = MAX(d->capacity * 2, (size_t)64);
        d->groups = xrealloc(d->groups, d->capacity * sizeof(*d->groups));
    }
    d->groups[d->count++] = group;
}

static int note_dir(void *ctx, const struct disk_dirent *ent)
{
    struct scan *s = ctx;
    const struct meta_topic *t;
    struct uuid topic;
    uint64_t group;
    long partition;

    if (!ent->is_dir || !parse_name(ent->name, &topic, &partition))
        return 0;
    t = meta_topic_by_id(&s->node->reactors[0].meta, &topic);
    if (t != NULL && partition >= 0 && partition < t->n_partitions && node_has_place(s->node, t, (int32_t)partition)) {
        note_group(s->dirs, t->partitions[partition].group);
        return 0;
    }
    if (node_foresees(s->node, &topic, partition, &group)) {
        note_group(s->dirs, group);
        return 0;
    }
    s->strays = xrealloc(s->strays, (s->n_strays + 1) * sizeof(*s->strays));
    s->strays[s->n_strays++] = xasprintf("topics/%s", ent->name);
    return 0;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void tell_kept(struct node *n, const char *dir)
{
    node_notice(n, true,
                "%s: its partition is gone, but something is in it that isn't the partition's, or mounted on it: it "
                "stays (remove it by hand)",
                dir);
}

void node_dir_kept(void *ctx, const char *dir)
{
    const struct node_shard *s = ctx;

    tell_kept(s->node, dir);
}

int node_remove_dir(struct node *n, struct env_disk *disk, const char *dir)
{
    int rc = log_destroy(disk, dir);

    if (rc != LOG_E_KEPT)
        return rc;
    tell_kept(n, dir);
    return 0;
}

int node_dirs_scan(struct node *n, struct env_disk *disk, struct node_dirs *ret)
{
    struct scan scan = { .node = n, .dirs = ret };
    int rc = disk_list(disk, "topics", note_dir, &scan);

    if (rc == -ENOENT)
        rc = 0;
    for (size_t i = 0; i < scan.n_strays; i++) {
        if (rc == 0)
            rc = node_remove_dir(n, disk, scan.strays[i]);
        free(scan.strays[i]);
    }
    free(scan.strays);
    if (ret->count > 0)
        qsort(ret->groups, ret->count, sizeof(*ret->groups), compare_u64);
    return rc;
}

bool node_dirs_has(const struct node_dirs *d, uint64_t group)
{
    return d->count > 0 && bsearch(&group, d->groups, d->count, sizeof(*d->groups), compare_u64) != NULL;
}

void node_dirs_fini(struct node_dirs *d)
{
    free(d->groups);
    *d = (struct node_dirs){ 0 };
}
