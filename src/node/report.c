/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* A report goes from reactor to reactor by mail; each adds what it owns, reactor 0 starts and ends it. */

static void add_topics(const struct node_reactor *r, struct node_report *report)
{
    const struct meta *m = &r->meta;
    const struct meta_topic *t;

    report->topics = xcalloc(m->n_topics + 1, sizeof(*report->topics));
    list_foreach (&m->topics, t, link) {
        struct node_topic_report *tr = &report->topics[report->n_topics++];

        tr->name = xstrdup(t->name);
        uuid_format(&t->id, tr->id);
        tr->n_partitions = t->n_partitions;
        tr->replication_factor = t->replication_factor;
    }
    report->metadata_index = m->applied_index;
    uuid_format(&m->cluster_id, report->cluster_id);
}

static void add_partition(struct node_report *report, uint32_t topic, const struct meta_topic *t, int32_t p,
                          const struct node_group *g)
{
    const struct replica *replica = g->replica;

    if (report->n_partitions == report->partitions_capacity) {
        report->partitions_capacity = MAX(report->partitions_capacity * 2, (size_t)64);
        report->partitions = xrealloc(report->partitions, report->partitions_capacity * sizeof(*report->partitions));
    }
    report->partitions[report->n_partitions++] = (struct node_partition_report){
        .topic = topic,
        .partition = p,
        .epoch = t->partitions[p].epoch,
        .log_start = replica_log_start(replica),
        .high_watermark = replica_high_watermark(replica),
        .size_bytes = replica_size_bytes(replica),
        .damaged_segments = g->n_damaged,
    };
}

/* Topics may have come or gone on this reactor since reactor 0 listed them; those are left out. */
static void add_partitions(const struct node_reactor *r, struct node_report *report)
{
    for (uint32_t i = 0; i < report->n_topics; i++) {
        const struct meta_topic *t = meta_topic_by_name(&r->meta, slice_str(report->topics[i].name));

        for (int32_t p = 0; t != NULL && p < t->n_partitions; p++) {
            const struct node_shard *s = node_shard_of(r->node, t->partitions[p].group);
            const struct node_group *g = node_owns(r, s) ? node_group_find(s, t->partitions[p].group) : NULL;

            if (g != NULL && !g->gone)
                add_partition(report, i, t, p, g);
        }
    }
}

static void add_shard(const struct node_shard *s, struct node_report *report)
{
    const struct replica_shard *rs = &s->replicas;
    const struct node_group *g;
    struct fleet_stats fs = { 0 };
    struct journal_stats js;

    journal_stats(s->journal, &js);
    if (rs->fleet != NULL)
        fleet_stats(rs->fleet, &fs);
    report->journal_flushes += js.n_flushes;
    report->journal_records += js.n_records;
    report->journal_bytes_written += js.bytes_written;
    report->journal_bytes_in_use += js.bytes_in_use;
    report->journal_files += js.n_files;
    report->produced_batches += rs->n_produced_batches;
    report->produced_records += rs->n_produced_records;
    report->produced_bytes += rs->n_produced_bytes;
    report->duplicate_batches += rs->n_duplicates;
    report->produce_waits += rs->n_waits;
    report->fetched_bytes += rs->n_fetched_bytes;
    report->scrub_bytes += s->scrub.n_bytes;
    report->scrub_segments += s->scrub.n_segments;
    report->scrub_damaged += s->scrub.n_damaged;
    report->raft_messages_refused += s->n_refused;
    report->session_messages_refused += fs.n_refused;
    report->session_messages_stale += fs.n_stale;
    report->pending_bytes += rs->pending_bytes;
    report->read_cache_bytes += rs->kept_bytes;
    report->groups_changing += s->n_changing;
    list_foreach (&s->looks, g, look_link)
        report->groups_to_change++;
    report->groups_lost += s->n_lost;
    report->disk_full = report->disk_full || replica_shard_shortage(rs) != 0;
}

static void report_arrived(struct lane_mail *mail)
{
    struct node_report *report = container_of(mail, struct node_report, mail);
    struct node *n = report->node;
    struct node_reactor *r;

    if (report->next_reactor == n->n_reactors) {
        report->done(report);
        return;
    }
    r = &n->reactors[report->next_reactor++];
    if (r->index == 0)
        add_topics(r, report);
    if (report->want_partitions)
        add_partitions(r, report);
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors)
        add_shard(&n->shards[s], report);
    if (r->index == 0) {
        report->disk_free_bytes = n->space.free_bytes;
        report->disk_reserve_bytes = n->space.held ? n->space.reserve_bytes : 0;
    }
    broker_add_stats(r->broker, &report->broker);
    if (r->links != NULL)
        node_links_add_stats(r, report);
    report->ready = report->ready && r->ready;
    lane_post(r->env->lane, report->next_reactor % n->n_reactors, &report->mail);
}

void node_collect(struct node *n, struct node_report *report)
{
    report->node = n;
    report->ready = true;
    report->broker_id = n->superblock.broker_id;
    memcpy(report->node_id, n->superblock.node_id, sizeof(report->node_id));
    report->n_reactors = n->n_reactors;
    report->n_shards = n->n_shards;
    report->mail.deliver = report_arrived;
    lane_post(n->reactors[0].env->lane, 0, &report->mail);
}

void node_report_fini(struct node_report *report)
{
    for (size_t i = 0; i < report->n_topics; i++)
        free(report->topics[i].name);
    free(report->topics);
    free(report->partitions);
}

/* ---- Watched from outside ---- */

int32_t node_broker_id(const struct node *n)
{
    return n->superblock.broker_id;
}

struct uuid node_cluster_id(const struct node *n)
{
    return n->superblock.cluster_id;
}

struct uuid node_incarnation(const struct node *n)
{
    return n->superblock.incarnation;
}

uint64_t node_n_starts(const struct node *n)
{
    return n->superblock.boot_counter;
}

bool node_is_metadata(uint64_t group)
{
    return group == META_GROUP_ID_DEFAULT;
}

uint64_t node_shard_steps(const struct node *n, unsigned shard)
{
    const struct replica_shard *s = &n->shards[shard].replicas;
    struct fleet_stats stats = { 0 };

    if (s->fleet != NULL)
        fleet_stats(s->fleet, &stats);
    return s->n_steps + stats.n_steps;
}

void node_each_replica(const struct node *n, unsigned shard, void (*fn)(void *ctx, const struct replica *r), void *ctx)
{
    const struct node_group *g;

    list_foreach (&n->shards[shard].groups, g, link)
        fn(ctx, g->replica);
}

bool node_knows_topic_of(const struct node *n, unsigned shard, uint64_t group)
{
    const struct node_group *g = node_group_find(&n->shards[shard], group);

    return g != NULL && meta_topic_by_id(&n->reactors[shard % n->n_reactors].meta, &g->topic) != NULL;
}

int64_t node_high_watermark(const struct node *n, const struct uuid *topic, int32_t partition)
{
    const struct node_group *g;

    for (unsigned s = 0; s < n->n_shards; s++)
        list_foreach (&n->shards[s].groups, g, link)
            if (!g->gone && g->partition == partition && uuid_eq(&g->topic, topic))
                return replica_high_watermark(g->replica);
    return -1;
}
