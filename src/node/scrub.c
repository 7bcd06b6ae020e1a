/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/internal.h"

/* Reads the sealed segments of a shard again, group by group and a small piece at a time, to find damage while there
 * still is a copy somewhere. A pass begins at a drawn place, so that a node which restarts often doesn't look at the
 * same ones only, and the next one comes a week later. */

#define START_DELAY_NS (5000ull * 1000 * 1000)
#define PASS_INTERVAL_NS (7ull * 24 * 3600 * 1000 * 1000 * 1000)
#define RETRY_NS (1000ull * 1000 * 1000) /* when descriptors or memory were short */
#define PIECE_BYTES (256u << 10)
#define GROUPS_AT_ONCE 256 /* groups without sealed segments, in one turn */

static struct node_group *next_group(const struct node_shard *s, const struct node_group *g)
{
    if (list_is_empty(&s->groups))
        return NULL;
    if (g == NULL || g->link.next == &s->groups)
        return list_first(&s->groups, struct node_group, link);
    return list_entry(g->link.next, struct node_group, link);
}

void node_scrub_forget(struct node_group *g)
{
    struct node_scrub *scrub = &g->shard->scrub;

    if (scrub->at != g)
        return;
    scrub->at = next_group(g->shard, g);
    if (scrub->at == g)
        scrub->at = NULL;
    scrub->replica.job = (struct log_scrub){ 0 };
}

/* The group that a pass begins in comes once more at its end, for what lies before the drawn segment. */
static void enter_group(struct node_scrub *scrub, struct node_group *g)
{
    scrub->at = g;
    scrub->replica.job = (struct log_scrub){ 0 };
    if (scrub->n_left == 1)
        scrub->replica.job.end_index = scrub->begin_index;
    else if (g != NULL)
        g->n_found = 0;
}

static void pass_begin(struct node_shard *s, struct env_prng *prng, uint64_t now_ns)
{
    struct node_scrub *scrub = &s->scrub;
    struct node_group *g;

    scrub->pass_ns = now_ns;
    scrub->n_left = 1;
    scrub->begin_index = 1;
    list_foreach (&s->groups, g, link)
        scrub->n_left++;
    enter_group(scrub, next_group(s, NULL));
    for (uint64_t skip = prng_u64(prng) % scrub->n_left; skip > 0; skip--)
        enter_group(scrub, next_group(s, scrub->at));
    if (scrub->at == NULL)
        return;
    scrub->begin_index = 1 + prng_u64(prng) % (replica_last_index(scrub->at->replica) + 1);
    scrub->replica.job.base_index = scrub->begin_index;
}

static const struct meta_topic *topic_of(const struct node_reactor *r, uint64_t group, int32_t *ret_partition)
{
    const struct meta_topic *t;

    list_foreach (&r->meta.topics, t, link) {
        for (int32_t p = 0; p < t->n_partitions; p++) {
            if (t->partitions[p].group == group) {
                *ret_partition = p;
                return t;
            }
        }
    }
    return NULL;
}

static void tell(const struct node_shard *s, const struct node_group *g, const char *text)
{
    struct node *n = s->node;
    int32_t partition = -1;
    const struct meta_topic *t = topic_of(&n->reactors[s->index % n->n_reactors], g->id, &partition);

    if (n->host.damaged != NULL)
        n->host.damaged(n->host.ctx, t != NULL ? t->name : NULL, partition, text);
}

static void tell_damage(struct node_shard *s, struct node_group *g)
{
    struct error_text text;

    GQ_MARK(SCRUB_DAMAGE);
    g->n_found++;
    g->n_damaged = MAX(g->n_damaged, g->n_found);
    s->scrub.n_damaged++;
    replica_describe_damage(g->replica, &s->scrub.replica.job.damage, &text);
    tell(s, g, text.text);
}

/* A pass that is under way counts it anew. */
void node_group_damaged(void *ctx, struct replica *replica, const char *text)
{
    struct node_shard *s = ctx;
    struct node_group *g = node_group_find(s, replica_group(replica));

    if (g == NULL || g->gone)
        return;
    g->n_damaged = MAX(g->n_damaged, 1u);
    tell(s, g, text);
}

static void piece_done(struct replica_scrub *job, struct replica *replica)
{
    struct node_scrub *scrub = container_of(job, struct node_scrub, replica);
    struct node_shard *s = scrub->shard;
    struct node_group *g = node_group_find(s, replica_group(replica));

    scrub->n_bytes += job->job.n_bytes;
    if (job->job.error != 0)
        scrub->due_ns += RETRY_NS;
    if (!job->job.segment_done)
        return;
    scrub->n_segments++;
    if (g != NULL && !g->gone && job->job.damage.n_entries > 0)
        tell_damage(s, g);
}

/* On to the next group. False: the pass is over. */
static bool group_done(struct node_shard *s)
{
    struct node_group *g = s->scrub.at;

    if (g != NULL)
        g->n_damaged = g->n_found;
    if (--s->scrub.n_left == 0)
        return false;
    enter_group(&s->scrub, next_group(s, g));
    return s->scrub.at != NULL;
}

static void work_on(struct node_reactor *r, struct node_shard *s, uint64_t rate)
{
    struct node_scrub *scrub = &s->scrub;

    if (scrub->n_left == 0)
        pass_begin(s, r->env->prng, r->now_ns);
    for (unsigned i = 0; i < GROUPS_AT_ONCE; i++) {
        if (scrub->at != NULL && !scrub->at->gone && replica_scrub(scrub->at->replica, &scrub->replica, PIECE_BYTES)) {
            scrub->due_ns = r->now_ns + (uint64_t)PIECE_BYTES * 1000000000 / rate;
            return;
        }
        if (!group_done(s)) {
            scrub->n_left = 0;
            scrub->due_ns = scrub->pass_ns + PASS_INTERVAL_NS;
            return;
        }
    }
    scrub->due_ns = r->now_ns;
}

void node_scrub_init(struct node_shard *s, uint64_t now_ns)
{
    s->scrub = (struct node_scrub){ .shard = s, .due_ns = now_ns + START_DELAY_NS, .replica.done = piece_done };
}

uint64_t node_scrub_poll(struct node_reactor *r)
{
    struct node *n = r->node;
    int64_t rate = r->backend.config->scrub_rate_bytes / n->n_shards;
    uint64_t deadline = UINT64_MAX;

    if (rate <= 0 || r->phase != NODE_RUNNING)
        return deadline;
    for (unsigned i = r->index; i < n->n_shards; i += n->n_reactors) {
        struct node_scrub *scrub = &n->shards[i].scrub;

        if (scrub->replica.replica == NULL && r->now_ns >= scrub->due_ns)
            work_on(r, &n->shards[i], (uint64_t)rate);
        if (scrub->replica.replica == NULL)
            deadline = MIN(deadline, scrub->due_ns);
    }
    return deadline;
}
