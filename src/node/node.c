/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/links.h"

#define MAX_PRODUCER_IDS 10000

/* What jobs and tails of a reactor have given back and nobody has asked for since. */
#define MAX_SPARE_BLOCK_BYTES (256u << 10)

/* What isn't committed is relocated each time that the journal turns over, for which a full one keeps a file of a
 * sixteenth of its size: half of that, so that it surely fits, with metadata beside it. A part of it is for what this
 * node leads. */
#define UNCOMMITTED_PART 32

void node_fatal(const struct node *n, int err, const char *what)
{
    struct error_text text;

    error_setf(&text, "%s: %s", what, error_text(err));
    n->host.fatal(n->host.ctx, err, text.text);
}

static void replica_failed(void *ctx, int err, const char *text)
{
    struct node_shard *s = ctx;

    s->node->host.fatal(s->node->host.ctx, err, text);
}

static void journal_failed(void *ctx, int err, const char *what)
{
    struct node_shard *s = ctx;
    struct error_text text;

    error_setf(&text, "journal/%u: %s", s->index, what);
    node_fatal(s->node, err, text.text);
}

void node_make_fleet(struct node_shard *s)
{
    struct node *n = s->node;
    const struct config *c = n->config;
    struct journal_config journal;
    uint64_t uncommitted;

    node_journal_sizes(c, n->journal_file_bytes, &journal);
    uncommitted = journal.size_bytes / UNCOMMITTED_PART;
    s->replicas.broker_id = n->superblock.broker_id;
    s->replicas.election_timeout_ns = (uint64_t)(c->raft.election_rtt * c->raft.rtt_ns);
    s->replicas.heartbeat_ns = (uint64_t)(c->raft.heartbeat_rtt * c->raft.rtt_ns);
    s->replicas.append_entries = (uint64_t)c->performance.max_batch_size;
    s->replicas.append_bytes = (uint64_t)c->performance.max_batch_bytes;
    replica_shard_make_fleet(&s->replicas, n->n_shards, (uint32_t)n->superblock.boot_counter,
                             &(struct replica_uncommitted){
                                 .led_bytes = uncommitted / 2,
                                 .group_bytes = (uint64_t)c->raft.max_in_mem_log_size_bytes,
                                 .all_bytes = uncommitted,
                             });
}

static void shard_init(struct node *n, unsigned index, uint64_t hash_seed, const struct node_files *files)
{
    struct node_shard *s = &n->shards[index];
    struct node_reactor *r = &n->reactors[index % n->n_reactors];

    *s = (struct node_shard){ .node = n, .index = index };
    hash_table_init(&s->by_id);
    list_init(&s->groups);
    list_init(&s->looks);
    list_init(&s->settlings);
    list_init(&s->forgets);
    s->replicas = (struct replica_shard){
        .env = r->env,
        .shard = index,
        .log_cache = log_cache_new(files->idle_segments + files->dirty_segments, files->idle_segments / 2, &r->blocks),
        .max_dirty_segments = files->dirty_segments,
        .broker_id = n->superblock.broker_id,
        .incarnation = n->superblock.incarnation,
        .hash_seed = hash_seed,
        .pool = &r->pool,
        .blocks = &r->blocks,
        .complete = node_complete,
        .fatal = replica_failed,
        .send = node_send,
        .send_session = node_send_session,
        .led = node_group_led,
        .damaged = node_group_damaged,
        .dir_kept = node_dir_kept,
        .find = node_find_replica,
        .ctx = s,
        .max_producer_ids = MAX_PRODUCER_IDS,
        .lag_ns = (uint64_t)n->config->replica_lag_time_ns,
        .now_ns = clock_mono_ns(r->env->clock),
        .now_real_ms = clock_real_ms(r->env->clock),
    };
    list_init(&s->replicas.dirty);
    list_init(&s->replicas.no_file);
    list_init(&s->replicas.held);
    list_init(&s->replicas.kept);
    replica_shard_set_read_budget(&s->replicas, (uint64_t)n->config->performance.read_cache_size_bytes, n->n_shards);
    replica_shard_set_budget(&s->replicas, (uint64_t)n->config->performance.write_cache_size_bytes, n->n_shards);
    list_init(&s->replicas.rested);
    list_init(&s->replicas.checkpoints);
    list_init(&s->replicas.imaging);
    list_init(&s->replicas.acks);
    list_init(&s->replicas.parking);
    list_init(&s->replicas.round.members);
    if (node_is_formed(n))
        node_make_fleet(s);
    node_scrub_init(s, s->replicas.now_ns);
}

/* Frames, entries that wait for their segment, and those kept for readers: each has a budget, and buffers within all of
 * them are kept for reuse. That of frames counts what came, and a buffer may be a quarter larger. */
static size_t pool_bytes(const struct node *n)
{
    const struct config *c = n->config;

    return (size_t)(c->request_memory_bytes / 4 * 5 + c->performance.write_cache_size_bytes +
                    c->performance.read_cache_size_bytes) /
           n->n_reactors;
}

static void reactor_init(struct node *n, unsigned index, const struct node_options *options, uint64_t hash_seed)
{
    struct node_reactor *r = &n->reactors[index];

    r->node = n;
    r->index = index;
    r->env = options->envs[index];
    meta_init(&r->meta, hash_seed);
    buf_pool_init(&r->pool, pool_bytes(n));
    mem_pool_init(&r->blocks, MAX_SPARE_BLOCK_BYTES);
    r->backend = (struct broker_backend){
        .ops = &node_backend_ops,
        .env = r->env,
        .pool = &r->pool,
        .meta = &r->meta,
        .config = options->config,
        .reactor = index,
    };
}

int node_open(const struct node_options *options, struct node **ret, struct error_text *err)
{
    struct node *n = xcalloc(1, sizeof(*n));
    uint64_t hash_seed = prng_u64(options->envs[0]->prng);
    struct node_files files;
    int rc;

    n->config = options->config;
    n->host = options->host;
    n->links = options->links;
    n->journal_file_bytes = options->journal_file_bytes;
    n->n_reactors = options->n_reactors;
    n->reactors = xcalloc(n->n_reactors, sizeof(*n->reactors));
    node_image_init(n);
    for (unsigned i = 0; i < n->n_reactors; i++)
        reactor_init(n, i, options, hash_seed);
    list_init(&n->asks.all);
    list_init(&n->asks.served);
    n->asks.last_id = hash_seed; /* as random as it has to be */
    node_forming_init(n, options);
    rc = node_identify(n, options, err);
    if (rc == 0) {
        node_files_plan(options->config, n->n_reactors, n->n_shards, options->max_files, &files);
        n->shards = xcalloc(n->n_shards, sizeof(*n->shards));
        for (unsigned i = 0; i < n->n_reactors; i++) {
            n->reactors[i].backend.connection_files = files.connections_max;
            n->reactors[i].in_cluster = n->formation.n_founders > 0;
        }
        for (unsigned i = 0; i < n->n_shards; i++)
            shard_init(n, i, hash_seed, &files);
        rc = node_space_open(n, options->envs[0]->disk, err);
        if (rc == 0)
            rc = node_recover(n, options, err);
    }
    if (rc != 0) {
        node_free(n);
        return rc;
    }
    for (unsigned i = 0; n->links == &node_links && i < n->n_reactors; i++)
        node_links_init(&n->reactors[i]);
    *ret = n;
    return 0;
}

static void shard_fini(struct node_shard *s)
{
    struct node_group *g, *tmp;

    s->replicas.ended = true;
    list_foreach_safe (&s->groups, g, tmp, link) {
        replica_free(g->replica);
        node_group_free(g);
    }
    node_forgets_fini(s);
    node_reconcile_fini(s);
    hash_table_fini(&s->by_id);
    fleet_free(s->replicas.fleet);
    log_cache_free(s->replicas.log_cache);
    journal_free(s->journal);
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    for (unsigned i = 0; i < n->n_reactors; i++) {
        broker_free(n->reactors[i].broker);
        node_links_fini(&n->reactors[i]);
    }
    for (unsigned i = 0; n->shards != NULL && i < n->n_shards; i++)
        shard_fini(&n->shards[i]);
    for (unsigned i = 0; i < n->n_reactors; i++) {
        free(n->reactors[i].leads.all);
        node_applied_fini(&n->reactors[i]);
        meta_fini(&n->reactors[i].meta);
        buf_pool_fini(&n->reactors[i].pool);
        mem_pool_fini(&n->reactors[i].blocks);
    }
    node_asks_fini(n);
    node_forming_fini(n);
    node_foreseen_fini(n);
    node_image_forget(n);
    state_close(n->image.db);
    free(n->shards);
    free(n->reactors);
    free(n);
}

/* Epochs that clients hear: each group leads in the term after the one it was found in, if this node is its only voter.
 * Of others it isn't known yet. */
static void note_epochs(struct node *n)
{
    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct meta_topic *t;

        list_foreach (&n->reactors[i].meta.topics, t, link) {
            node_init_leads(&n->reactors[i], t, 0);
            for (int32_t p = 0; p < t->n_partitions; p++) {
                const struct node_group *g =
                    node_group_find(node_shard_of(n, t->partitions[p].group), t->partitions[p].group);

                if (g != NULL && !replica_has_peers(g->replica))
                    t->partitions[p].epoch = (int32_t)replica_term(g->replica) + 1;
            }
        }
    }
}

void node_set_port(struct node *n, uint16_t port)
{
    n->port = port;
    note_epochs(n);
    node_metadata_note_self(n);
}

int64_t node_max_message_bytes(const struct node *n)
{
    return (int64_t)(journal_max_entry(n->shards[0].journal) - ENTRY_HEADER_SIZE);
}

void node_start(struct node *n, unsigned reactor)
{
    struct node_reactor *r = &n->reactors[reactor];

    r->now_ns = clock_mono_ns(r->env->clock);
    r->backend.broker_id = n->superblock.broker_id;
    r->backend.controller_id = node_has_peers(n) ? -1 : n->superblock.broker_id;
    r->backend.max_batch_bytes = (uint32_t)node_max_message_bytes(n);
    r->broker = broker_new(&r->backend, n->n_reactors);
    broker_set_http(r->broker, n->host.http, n->host.ctx);
    for (unsigned s = reactor; s < n->n_shards; s += n->n_reactors) {
        struct node_shard *shard = &n->shards[s];
        struct node_group *g;

        journal_set_fatal(shard->journal, journal_failed, shard);
        list_foreach (&shard->groups, g, link) {
            if (g->replica != n->metadata)
                replica_lead(g->replica);
        }
        node_forget_orphans(shard);
    }
    if (reactor != 0)
        return;
    if (node_has_peers(n)) {
        node_forming_start(n);
        return;
    }
    node_metadata_start(n);
    if (n->n_starting == 0) /* else with the image, when start-up is over */
        node_identity_complete(n);
}

static uint64_t turn_shards(struct node_reactor *r)
{
    struct node *n = r->node;
    uint64_t deadline = UINT64_MAX;

    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        uint64_t looks = node_reconcile_poll(&n->shards[s]), due = replica_shard_poll(&n->shards[s].replicas);

        due = MIN(due, journal_poll(n->shards[s].journal, r->now_ns));
        due = MIN(due, looks);
        deadline = MIN(deadline, due);
    }
    return deadline;
}

/* Every shard of this reactor leads all its groups that have no other voters, and its copy of the metadata knows this
 * node as it is now. */
static void look_for_readiness(struct node_reactor *r)
{
    struct node *n = r->node;

    if (r->backend.broker_id < 0 || (r->in_cluster && !r->current))
        return;
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        struct node_group *g;

        list_foreach (&n->shards[s].groups, g, link) {
            if (!g->gone && !replica_has_peers(g->replica) && !replica_is_open(g->replica))
                return;
        }
    }
    if (r->index == 0 && n->n_starting > 0 && !node_metadata_waits(n))
        return;
    r->ready = node_is_registered(n, &r->meta);
}

static uint64_t poll_cluster(struct node *n)
{
    uint64_t deadline = node_forming_poll(n);

    deadline = MIN(deadline, node_readmit_poll(n));
    deadline = MIN(deadline, node_cluster_poll(n));
    return MIN(deadline, node_asks_poll(n));
}

uint64_t node_turn(struct node *n, unsigned reactor, uint64_t now_ns)
{
    struct node_reactor *r = &n->reactors[reactor];
    int64_t real_ms = clock_real_ms(r->env->clock);
    uint64_t deadline;

    r->now_ns = now_ns;
    for (unsigned s = reactor; s < n->n_shards; s += n->n_reactors)
        replica_shard_begin_turn(&n->shards[s].replicas, now_ns, real_ms);
    if (node_is_at_rest(r))
        return now_ns + NODE_STOP_POLL_NS;
    if (!r->ready && r->phase == NODE_RUNNING)
        look_for_readiness(r);
    if (r->links != NULL)
        node_links_turn(r);
    deadline = broker_turn(r->broker, now_ns);
    deadline = MIN(deadline, node_housekeep(r));
    deadline = MIN(deadline, node_space_poll(r));
    deadline = MIN(deadline, node_scrub_poll(r));
    if (reactor == 0) {
        node_image_poll(n, false);
        if (n->image.dirty)
            deadline = MIN(deadline, MAX(n->image.due_ns, now_ns + 1000000));
        if (node_has_peers(n))
            deadline = MIN(deadline, poll_cluster(n));
    }
    if (r->phase != NODE_RUNNING) {
        node_stop_poll(r);
        deadline = MIN(deadline, now_ns + NODE_STOP_POLL_NS);
        if (node_is_at_rest(r))
            return deadline;
    }
    deadline = MIN(deadline, turn_shards(r));
    node_tell_leads(r);
    if (r->links != NULL)
        deadline = MIN(deadline, node_links_flush(r));
    return reactor == 0 && n->asks.look ? now_ns : deadline;
}

bool node_is_ready(const struct node *n, unsigned reactor)
{
    return n->reactors[reactor].ready;
}

uint64_t node_request_memory(const struct node *n, unsigned reactor)
{
    return broker_request_memory(n->reactors[reactor].broker);
}

void node_reload(struct node *n, unsigned reactor, const struct config *config)
{
    struct node_reactor *r = &n->reactors[reactor];

    if (reactor == 0)
        n->config = config;
    r->backend.config = config;
    buf_pool_set_max(&r->pool, pool_bytes(n));
    broker_reload(r->broker);
    node_refresh_limits(r);
}
