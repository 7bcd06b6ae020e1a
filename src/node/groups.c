/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "config/topic.h"
#include "node/internal.h"

/* After a change of a partition's brokers: what one copy of the metadata hears ahead of that, and another one behind
 * it, is told again. */
#define RETELLS 3

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
    list_init(&g->look_link);
    hash_insert(&s->by_id, &g->by_id, hash_u64(id, s->replicas.hash_seed));
    list_append(&s->groups, &g->link);
    return g;
}

void node_group_free(struct node_group *g)
{
    node_scrub_forget(g);
    node_reconcile_forget(g);
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

/* Where a broker lost its disk the metadata is newer than the group, whose first members are always these. */
void node_first_members(const struct meta *meta, const struct meta_topic *t, int32_t partition,
                        struct replica_members *ret)
{
    const int32_t *ids = meta_replicas(t, partition);

    *ret = (struct replica_members){ .n_members = t->n_replicas };
    for (uint16_t i = 0; i < t->n_replicas; i++) {
        const struct meta_broker *b = meta_broker_by_id(meta, ids[i]);

        ret->members[i] = (struct replica_member){ .id = ids[i], .roles = RAFT_VOTER };
        if (b != NULL)
            ret->members[i].incarnation = *meta_broker_at(b, t->partitions[partition].group);
    }
}

bool node_places_here(const struct node *n, const struct meta *meta, const struct meta_topic *t, int32_t partition,
                      struct replica_members *ret_members, struct replica_config *config)
{
    const struct replica_member *self;

    config->members = NULL;
    if (n->formation.n_founders == 0)
        return true;
    if (!node_has_place(n, t, partition))
        return false;
    node_first_members(meta, t, partition, ret_members);
    self = replica_member_find(ret_members, n->superblock.broker_id);
    if (self == NULL || !meta_has_kept(t, partition, n->superblock.broker_id) ||
        !uuid_eq(&self->incarnation, &n->superblock.incarnation))
        ret_members->n_members = 0; /* waits to be spoken to */
    else if (t->n_replicas == 1 && t->partitions[partition].move == NULL)
        return true;
    config->members = ret_members;
    return true;
}

bool node_has_place(const struct node *n, const struct meta_topic *t, int32_t partition)
{
    return n->formation.n_founders == 0 || meta_replica_of(t, partition, n->superblock.broker_id) >= 0;
}

void node_group_name(struct node_group *g, const struct meta_topic *t, int32_t partition)
{
    g->topic = t->id;
    g->partition = partition;
    g->in_sync = UINT32_MAX;
}

/* It was opened at the start, ahead of the metadata: see foresee.c. */
static bool is_there(struct node_shard *s, uint64_t group, const struct replica_limits *limits)
{
    struct node_group *g = node_group_find(s, group);

    if (g == NULL)
        return false;
    GQ_MARK(META_FORESEEN_GROUP);
    replica_set_limits(g->replica, limits);
    node_note_lead(g); /* what it said before was of a topic that nobody knew */
    node_group_look(g);
    return true;
}

/* In a cluster the end of the metadata's log may have been applied before a start, and some of it comes again behind
 * it. What it did is on the disk: only when all of it is here again is made what lacks, and destroyed what has no place
 * any more. */
static bool acts(const struct node_reactor *r)
{
    return !r->in_cluster || r->current;
}

static int create_group(struct node_reactor *r, struct node_shard *s, const struct meta_topic *t, int32_t p,
                        struct replica_config *config)
{
    _cleanup_(freep) char *dir = node_partition_dir(t, p);
    struct replica_members members;
    struct replica *replica;
    int rc;

    config->group = t->partitions[p].group;
    config->dir = dir;
    if (is_there(s, config->group, &config->limits) || !acts(r) || node_forgets(s, config->group) ||
        !node_places_here(r->node, &r->meta, t, p, &members, config))
        return 0;
    rc = replica_new(&s->replicas, config, &replica);
    if (rc != 0)
        return rc;
    node_group_name(node_group_add(s, config->group, replica), t, p);
    replica_lead(replica);
    if (r->closed || (r->phase >= NODE_CHECKPOINTING && replica_has_peers(replica)))
        replica_close(replica);
    return 0;
}

static void create_groups(struct node_reactor *r, struct meta_topic *t, int32_t from)
{
    struct node *n = r->node;
    struct replica_config config = { 0 };
    int rc = 0;

    node_topic_limits(r->backend.config, t, &config.limits);
    node_init_leads(r, t, from);
    for (int32_t p = from; rc == 0 && p < t->n_partitions; p++) {
        struct node_shard *s = node_shard_of(n, t->partitions[p].group);

        if (node_owns(r, s))
            rc = create_group(r, s, t, p, &config);
    }
    if (rc != 0)
        node_fatal(n, rc, "creating a partition");
}

static void create_again(struct node_reactor *r, const struct uuid *topic, int32_t partition);

/* It may have got a place here again meanwhile. */
static void group_destroyed(void *ctx)
{
    struct node_group *g = ctx;
    struct node_shard *s = g->shard;
    struct uuid topic = g->topic;
    int32_t partition = g->partition;

    s->n_destroying--;
    node_group_free(g);
    create_again(&s->node->reactors[s->index % s->node->n_reactors], &topic, partition);
}

void node_group_destroy(struct node_group *g)
{
    g->gone = true;
    g->shard->n_destroying++;
    replica_destroy(g->replica, group_destroyed, g);
}

static void destroy_groups(struct node_reactor *r, const struct meta_topic *t)
{
    for (int32_t p = 0; p < t->n_partitions; p++) {
        struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
        struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;

        if (g != NULL && !g->gone)
            node_group_destroy(g);
    }
}

/* ---- Partitions that go elsewhere ---- */

static void create_here(struct node_reactor *r, struct meta_topic *t, int32_t p)
{
    struct node *n = r->node;
    struct replica_config config = { 0 };
    int rc;

    node_topic_limits(r->backend.config, t, &config.limits);
    rc = create_group(r, node_shard_of(n, t->partitions[p].group), t, p, &config);
    if (rc != 0)
        node_fatal(n, rc, "creating a partition");
}

static void create_again(struct node_reactor *r, const struct uuid *topic, int32_t partition)
{
    struct meta_topic *t = (struct meta_topic *)(uintptr_t)meta_topic_by_id(&r->meta, topic);

    if (t != NULL && r->in_cluster && !r->node->recovering && partition < t->n_partitions)
        create_here(r, t, partition);
}

static void look_at_group(struct node_group *g)
{
    g->in_sync = UINT32_MAX;
    g->n_retells = RETELLS;
    node_group_look(g);
}

/* Who may have a replica has one until all are where they are to be. */
static void follow_move(struct node_reactor *r, struct meta_topic *t, int32_t p, bool settled)
{
    struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
    struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;
    bool here = node_has_place(r->node, t, p);

    if (node_owns(r, s) && here && g == NULL)
        create_here(r, t, p);
    else if (g != NULL && !g->gone && here)
        look_at_group(g);
    else if (g != NULL && !g->gone && settled && acts(r))
        node_group_destroy(g);
    if (r->index == 0 && !settled && node_has_place(r->node, t, p))
        node_tell_applied(r->node);
    if (settled && !meta_ids_have(meta_target(t, p), t->partitions[p].leader)) {
        t->partitions[p].leader = meta_target(t, p).ids[0];
        t->partitions[p].epoch = -1;
    }
}

void node_groups_settle(struct node_reactor *r)
{
    struct meta_topic *t;

    list_foreach (&r->meta.topics, t, link)
        for (int32_t p = 0; p < t->n_partitions; p++) {
            struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
            struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;

            if (node_owns(r, s) && g == NULL)
                create_here(r, t, p);
            else if (g != NULL && !g->gone && !node_has_place(r->node, t, p))
                node_group_destroy(g);
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

static void look_at_all(struct node_reactor *r)
{
    for (unsigned s = r->index; s < r->node->n_shards; s += r->node->n_reactors)
        node_shard_look(&r->node->shards[s]);
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
    case META_BROKER_CHANGED:
        if (r->index == 0 && r->in_cluster)
            node_know_brokers(r->node);
        break;
    case META_BROKER_READMITTED:
        if (r->index == 0)
            node_know_brokers(r->node);
        look_at_all(r);
        break;
    case META_REPLICAS_CHANGED:
    case META_REPLICAS_SETTLED:
        if (r->in_cluster)
            follow_move(r, e->topic, e->first_partition, e->kind == META_REPLICAS_SETTLED);
        break;
    case META_NOTHING:
    case META_FORMED:
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
