/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/topic.h"
#include "node/internal.h"

struct node_group *node_group_find(const struct node_shard *s, uint64_t id)
{
    struct hash_node *h = hash_first(&s->by_id, hash_u64(id, s->replicas.hash_seed));

    for (; h != NULL; h = hash_next(h)) {
        struct node_group *g = container_of(h, struct node_group, by_id);

        if (g->id == id)
            return g;
    }
    return NULL;
}

struct replica *node_find_replica(void *ctx, uint64_t group)
{
    const struct node_group *g = node_group_find(ctx, group);

    return g != NULL && !g->gone ? g->replica : NULL;
}

struct node_group *node_group_add(struct node_shard *s, uint64_t id, struct replica *replica)
{
    struct node_group *g = xcalloc(1, sizeof(*g));

    g->id = id;
    g->replica = replica;
    g->shard = s;
    hash_insert(&s->by_id, &g->by_id, hash_u64(id, s->replicas.hash_seed));
    list_append(&s->groups, &g->link);
    return g;
}

void node_group_free(struct node_group *g)
{
    node_scrub_forget(g);
    hash_remove(&g->shard->by_id, &g->by_id);
    list_remove(&g->link);
    free(g);
}

void node_topic_limits(const struct config *config, const struct meta_topic *t, struct replica_limits *ret)
{
    struct topic_config c;

    topic_config_init(&c, config);
    for (size_t i = 0; i < t->n_configs; i++)
        topic_config_set(&c, slice_str(t->configs[i].name), slice_str(t->configs[i].value), NULL);
    *ret = (struct replica_limits){
        .segment_bytes = (uint64_t)c.segment_bytes,
        .segment_ms = c.segment_ms,
        .retention_ms = c.retention_ms,
        .retention_bytes = c.retention_bytes,
        .max_message_bytes = (uint32_t)c.max_message_bytes,
        .log_append_time = c.message_timestamp_type == TOPIC_LOG_APPEND_TIME,
        .min_insync = (int16_t)c.min_insync_replicas,
    };
}

char *node_partition_dir(const struct meta_topic *t, int32_t partition)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&t->id, id);
    return xasprintf("topics/%s-%d", id, partition);
}

static void create_groups(struct node_reactor *r, const struct meta_topic *t, int32_t from)
{
    struct node *n = r->node;
    struct replica_config config = { 0 };

    node_topic_limits(r->backend.config, t, &config.limits);
    for (int32_t p = from; p < t->n_partitions; p++) {
        _cleanup_(freep) char *dir = NULL;
        struct node_shard *s = node_shard_of(n, t->partitions[p].group);
        struct replica *replica;
        int rc;

        if (!node_owns(r, s))
            continue;
        dir = node_partition_dir(t, p);
        config.group = t->partitions[p].group;
        config.dir = dir;
        rc = replica_new(&s->replicas, &config, &replica);
        if (rc != 0) {
            n->host.fatal(n->host.ctx, rc, "creating a partition");
            return;
        }
        node_group_add(s, config.group, replica);
        replica_lead(replica);
        if (r->closed)
            replica_close(replica);
    }
}

static void group_destroyed(void *ctx)
{
    struct node_group *g = ctx;

    g->shard->n_destroying--;
    node_group_free(g);
}

static void destroy_groups(struct node_reactor *r, const struct meta_topic *t)
{
    for (int32_t p = 0; p < t->n_partitions; p++) {
        struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
        struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;

        if (g == NULL || g->gone)
            continue;
        g->gone = true;
        s->n_destroying++;
        replica_destroy(g->replica, group_destroyed, g);
    }
}

static void limit_groups(struct node_reactor *r, const struct meta_topic *t)
{
    struct replica_limits limits;

    node_topic_limits(r->backend.config, t, &limits);
    for (int32_t p = 0; p < t->n_partitions; p++) {
        struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
        struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;

        if (g != NULL && !g->gone)
            replica_set_limits(g->replica, &limits);
    }
}

void node_follow(struct node_reactor *r, const struct meta_event *e)
{
    switch (e->kind) {
    case META_TOPIC_CREATED:
        create_groups(r, e->topic, 0);
        break;
    case META_PARTITIONS_ADDED:
        create_groups(r, e->topic, e->first_partition);
        break;
    case META_TOPIC_DELETED:
        destroy_groups(r, e->deleted);
        break;
    case META_TOPIC_CONFIGURED:
        limit_groups(r, e->topic);
        break;
    case META_NOTHING:
    case META_FORMED:
    case META_BROKER_CHANGED:
    case META_PRODUCER_IDS:
        break;
    }
}

void node_refresh_limits(struct node_reactor *r)
{
    struct meta_topic *t;

    list_foreach (&r->meta.topics, t, link)
        limit_groups(r, t);
}
