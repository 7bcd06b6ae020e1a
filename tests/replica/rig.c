/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/rig.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/util.h"
#include "wire/batch_builder.h"

#define MS UINT64_C(1000000)
#define TICK_NS (1000 * MS)

static void complete(void *ctx, struct replica_op *op);

static void fatal(void *ctx, int err, const char *text)
{
    struct rig *r = ctx;

    if (r->fatal_error != 0)
        return;
    r->fatal_error = err;
    snprintf(r->fatal_text, sizeof(r->fatal_text), "%s", text);
}

static void damaged(void *ctx, struct replica *replica, const char *text)
{
    struct rig *r = ctx;

    r->n_damaged++;
    error_setf(&r->damage, "%s", text);
}

struct rig *rig_new(uint64_t seed, unsigned n_groups)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    sim_prng_init(&r->prng, seed);
    sim_clock_init(&r->clock, 1000 * MS, 1700000000000);
    r->disk = sim_disk_new(&r->prng);
    r->n_groups = n_groups;
    r->broker_id = 1;
    for (unsigned i = 0; i < n_groups; i++)
        r->groups[i].id = i + 1;
    r->journal_config = (struct journal_config){
        .disk = sim_disk_env(r->disk),
        .prng = &r->prng.env,
        .clock = &r->clock.env,
        .dir = "journal/0",
        .size_bytes = 1024 * 1024,
        .file_size_bytes = 128 * 1024,
        .first_file_size_bytes = 64 * 1024,
    };
    r->write_budget = 16 << 20;
    r->limits = (struct replica_limits){
        .segment_bytes = 8192,
        .segment_ms = INT64_MAX,
        .retention_ms = -1,
        .retention_bytes = -1,
        .max_message_bytes = 1024 * 1024,
        .min_insync = 1,
    };
    return r;
}

static void group_copy(struct rig_group *g, const struct rig_group *of)
{
    *g = *of;
    g->replica = NULL;
    g->capacity = g->n;
    g->batches = xcalloc(g->n + 1, sizeof(*g->batches));
    for (size_t i = 0; i < g->n; i++)
        g->batches[i] = of->batches[i];
}

struct rig *rig_twin(const struct rig *of, struct sim_disk *disk, uint64_t seed)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    sim_prng_init(&r->prng, seed);
    r->clock = of->clock;
    r->disk = disk;
    r->n_groups = of->n_groups;
    r->broker_id = of->broker_id;
    r->journal_config = of->journal_config;
    r->journal_config.disk = sim_disk_env(disk);
    r->journal_config.prng = &r->prng.env;
    r->journal_config.clock = &r->clock.env;
    r->limits = of->limits;
    r->next_id = of->next_id;
    r->next_tick_ns = of->next_tick_ns;
    for (unsigned i = 0; i < r->n_groups; i++)
        group_copy(&r->groups[i], &of->groups[i]);
    return r;
}

static void op_free(struct rig_op *op)
{
    if (op->op.kind == REPLICA_DESCRIBE_PRODUCERS && op->done && op->op.error == 0)
        free(op->op.describe_producers.ret_producers);
    free(op->data);
    free(op);
}

static void free_ops(struct rig *r, bool all)
{
    struct rig_op **at = &r->ops, *op;

    while ((op = *at) != NULL) {
        if (!all && !op->done) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        op_free(op);
    }
}

void rig_forget_done(struct rig *r)
{
    free_ops(r, false);
}

void rig_free(struct rig *r)
{
    rig_stop(r);
    free_ops(r, true);
    for (unsigned i = 0; i < r->n_groups; i++)
        free(r->groups[i].batches);
    sim_disk_exit(r->disk);
    sim_disk_free(r->disk);
    free(r);
}

/* ---- Life ---- */

static char *group_dir(unsigned i)
{
    return xasprintf("topics/g-%u", i);
}

static struct replica *find(void *ctx, uint64_t group)
{
    struct rig *r = ctx;
    struct rig_group *g = &r->groups[group - 1];

    return g->destroying ? NULL : g->replica;
}

static void shard_init(struct rig *r)
{
    const struct replica_uncommitted uncommitted = {
        .led_bytes = r->uncommitted_bytes > 0 ? r->uncommitted_bytes : UINT64_MAX,
        .group_bytes = r->uncommitted_group_bytes > 0 ? r->uncommitted_group_bytes : UINT64_MAX,
        .all_bytes = r->unapplied_bytes,
    };

    r->lane = sim_lane_new(2, 1); /* the second one only sends */
    r->env = (struct env){
        .clock = &r->clock.env,
        .disk = sim_disk_env(r->disk),
        .prng = &r->prng.env,
        .lane = sim_lane_env(r->lane, 0),
    };
    buf_pool_init(&r->pool, 1 << 20);
    mem_pool_init(&r->blocks, 1 << 16);
    r->shard = (struct replica_shard){
        .env = &r->env,
        .log_cache = log_cache_new(r->max_segments > 0 ? r->max_segments : 64, r->max_lent_segments, &r->blocks),
        .max_dirty_segments = r->max_dirty_segments,
        .broker_id = r->broker_id,
        .send = r->send,
        .send_session = r->send_session,
        .hash_seed = 7,
        .incarnation = r->incarnation,
        .pool = &r->pool,
        .blocks = &r->blocks,
        .complete = complete,
        .fatal = fatal,
        .damaged = damaged,
        .find = find,
        .ctx = r,
        .max_producer_ids = 6,
        .lag_ns = r->lag_ns,
        .append_entries = r->append_entries,
        .append_bytes = r->append_bytes,
        .now_ns = r->clock.mono_ns,
        .now_real_ms = clock_real_ms(&r->clock.env),
    };
    list_init(&r->shard.dirty);
    list_init(&r->shard.no_file);
    list_init(&r->shard.held);
    list_init(&r->shard.kept);
    replica_shard_set_read_budget(&r->shard, r->read_budget, 1);
    replica_shard_set_budget(&r->shard, r->write_budget, 1);
    list_init(&r->shard.rested);
    list_init(&r->shard.checkpoints);
    list_init(&r->shard.round.members);
    replica_shard_make_fleet(&r->shard, 1, ++r->boot, &uncommitted);
    r->fatal_error = 0;
}

struct found {
    struct journal_group_state states[RIG_MAX_GROUPS];
    bool known[RIG_MAX_GROUPS];
};

static int note_state(void *ctx, const struct journal_group_state *st)
{
    struct found *f = ctx;

    ck_quick(st->group >= 1);
    ck_quick(st->group <= RIG_MAX_GROUPS);
    f->states[st->group - 1] = *st;
    f->known[st->group - 1] = true;
    return 0;
}

static int replay(void *ctx, const struct journal_replay_record *rec)
{
    struct rig *r = ctx;
    struct rig_group *g = &r->groups[rec->group - 1];

    int rc = g->destroyed ? 0 : replica_replay(g->replica, rec, &r->err);

    r->n_replayed_copies += rec->relocated;
    r->max_replay_bytes = MAX(r->max_replay_bytes, r->shard.pending_bytes);
    return rc;
}

/* What the journal still knows is all there; of the rest files may be left. */
static int end_destroying(struct rig_group *g, bool known, struct env_disk *disk, const char *dir)
{
    g->destroyed = !known;
    g->destroying = false;
    return known ? 0 : log_destroy(disk, dir);
}

static int open_groups(struct rig *r)
{
    struct found found = { 0 };
    int rc = 0;

    for (unsigned i = 0; i < RIG_MAX_GROUPS; i++)
        found.states[i] = (struct journal_group_state){ .group = i + 1, .vote = -1 };
    journal_groups(r->journal, note_state, &found);
    for (unsigned i = 0; rc == 0 && i < r->n_groups; i++) {
        _cleanup_(freep) char *dir = group_dir(i);
        struct replica_config config = {
            .group = i + 1, .dir = dir, .limits = r->limits, .members = i == 1 ? NULL : r->members
        };

        if (r->members != NULL && i == 1)
            config.limits.min_insync = 1;

        ck_quick(!r->groups[i].destroyed || !found.known[i]);
        if (r->groups[i].destroying && !r->groups[i].destroyed)
            rc = end_destroying(&r->groups[i], found.known[i], r->env.disk, dir);
        if (rc == 0 && !r->groups[i].destroyed)
            rc = replica_open(&r->shard, &config, &found.states[i], &r->groups[i].replica, &r->err);
    }
    return rc;
}

int rig_start(struct rig *r)
{
    int rc;

    shard_init(r);
    rc = journal_open(&r->journal_config, &r->journal, &r->err);
    r->shard.journal = r->journal;
    if (rc == 0)
        rc = journal_settle(r->journal, &r->err);
    if (rc == 0)
        rc = open_groups(r);
    if (rc == 0)
        rc = journal_replay(r->journal, replay, r, &r->err);
    for (unsigned i = 0; rc == 0 && i < r->n_groups; i++)
        if (r->groups[i].replica != NULL)
            rc = replica_replay_end(r->groups[i].replica, &r->err);
    if (rc == 0)
        rc = journal_start(r->journal, r->env.lane, &r->err);
    ck_quick(sim_lane_pending(r->lane) == 0); /* a start that fails frees everything at once */
    if (rc != 0) {
        rig_stop(r);
        return rc;
    }
    journal_set_fatal(r->journal, fatal, r);
    for (unsigned i = 0; i < r->n_groups; i++)
        if (r->groups[i].replica != NULL)
            replica_lead(r->groups[i].replica);
    return 0;
}

static bool all_open(const struct rig *r)
{
    for (unsigned i = 0; i < r->n_groups; i++)
        if (r->groups[i].replica != NULL && !replica_is_open(r->groups[i].replica))
            return false;
    return true;
}

void rig_wait_open(struct rig *r)
{
    for (int i = 0; i < 10000 && !all_open(r); i++) {
        if (!rig_step(r))
            sim_clock_advance(&r->clock, 10 * MS);
    }
    ck_quick(all_open(r));
}

void rig_start_ok(struct rig *r)
{
    int rc = rig_start(r);

    if (rc != 0)
        ck_abort_msg("start: %d %s", rc, r->err.text);
    rig_wait_open(r);
}

/* What readers hold when their node ends. */
static void release_reads(struct rig *r)
{
    for (struct rig_op *o = r->ops; o != NULL; o = o->next)
        if (o->holds && o->group->replica != NULL)
            rig_submit(r, (unsigned)(o->op.group - 1),
                       &(struct replica_op){ .kind = REPLICA_RELEASE, .release.target = &o->op });
    sim_lane_run_all(r->lane, &r->prng);
}

void rig_stop(struct rig *r)
{
    if (r->lane == NULL)
        return;
    r->shard.dead = true; /* what comes home starts nothing new */
    sim_lane_run_all(r->lane, &r->prng);
    release_reads(r);
    r->shard.ended = true;
    for (unsigned i = 0; i < r->n_groups; i++) {
        replica_free(r->groups[i].replica);
        r->groups[i].replica = NULL;
    }
    fleet_free(r->shard.fleet);
    journal_free(r->journal);
    r->journal = NULL;
    log_cache_free(r->shard.log_cache);
    buf_pool_fini(&r->pool);
    mem_pool_fini(&r->blocks);
    sim_lane_free(r->lane);
    r->lane = NULL;
    free_ops(r, true);
}

void rig_kill(struct rig *r)
{
    rig_stop(r);
    sim_disk_exit(r->disk);
}

void rig_crash(struct rig *r, enum sim_disk_crash how)
{
    rig_stop(r);
    sim_disk_crash(r->disk, how, &r->prng);
}

/* ---- Turns ---- */

static size_t batch_note(struct rig_group *g, const struct rig_batch *b)
{
    if (g->n == g->capacity) {
        g->capacity = MAX(g->capacity * 2, (size_t)16);
        g->batches = xrealloc(g->batches, g->capacity * sizeof(*g->batches));
    }
    g->batches[g->n] = *b;
    return g->n++;
}

/* Ops that waited for room are in the log from here on. */
static void note_admitted(struct rig *r)
{
    for (unsigned g = 0; g < r->n_groups; g++) {
        const struct replica *replica = r->groups[g].replica;

        for (uint32_t i = 0; replica != NULL && i < tail_count(&replica->tail); i++) {
            const struct replica_entry *e = tail_at(&replica->tail, i);
            struct rig_op *o = e->op != NULL ? container_of(e->op, struct rig_op, op) : NULL;

            if (o == NULL || !o->held)
                continue;
            o->held = false;
            o->proposal.index = e->index;
            o->proposal.append_ms = e->header.append_time_ms;
            o->proposal.base_offset = e->header.first_offset;
            o->proposal.term = e->term;
            o->batch = batch_note(&r->groups[g], &o->proposal);
        }
    }
}

static uint64_t turn(struct rig *r)
{
    uint64_t due;

    replica_shard_begin_turn(&r->shard, r->clock.mono_ns, clock_real_ms(&r->clock.env));
    if (r->shard.now_ns >= r->next_tick_ns) {
        r->next_tick_ns = r->shard.now_ns + TICK_NS;
        journal_tick(r->journal);
        replica_shard_recycle(&r->shard);
    }
    due = replica_shard_poll(&r->shard);
    note_admitted(r);
    journal_poll(r->journal, r->shard.now_ns);
    return journal_needs_tick(r->journal) ? MIN(due, r->next_tick_ns) : due;
}

bool rig_step(struct rig *r)
{
    turn(r);
    return sim_lane_step(r->lane, &r->prng);
}

void rig_run(struct rig *r, uint64_t ns)
{
    uint64_t end = r->clock.mono_ns + ns;

    for (;;) {
        uint64_t due;

        while (rig_step(r))
            ;
        due = turn(r);
        if (sim_lane_step(r->lane, &r->prng))
            continue;
        if (due > end)
            break;
        sim_clock_advance_to(&r->clock, MAX(due, r->clock.mono_ns + MS));
    }
    sim_clock_advance_to(&r->clock, end);
}

void rig_settle(struct rig *r)
{
    rig_run(r, 5000 * MS);
    ck_quick(r->fatal_error == 0);
    ck_quick(journal_is_idle(r->journal));
}

/* ---- Asking ---- */

static void op_done(struct replica_op *op)
{
    struct rig_op *o = container_of(op, struct rig_op, op);
    struct rig_batch *b;

    ck_quick(!o->done);
    o->done = true;
    o->holds = op->kind == REPLICA_READ && op->error == 0;
    if (op->kind == REPLICA_DELETE_RECORDS && op->error == 0)
        o->group->acked_start = MAX(o->group->acked_start, op->delete_records.ret_low_watermark);
    if (op->kind != REPLICA_PRODUCE || o->batch == SIZE_MAX)
        return;
    b = &o->group->batches[o->batch];
    if (op->error == 0) {
        ck_quick(op->produce.ret_base_offset == b->base_offset);
        b->state = RIG_ACKED;
    }
}

static void deliver(struct lane_mail *m)
{
    struct replica_op *op = container_of(m, struct replica_op, mail);

    op->done(op);
}

static void complete(void *ctx, struct replica_op *op)
{
    struct rig *r = ctx;

    op->mail.deliver = deliver;
    lane_post(r->env.lane, 0, &op->mail);
}

static struct rig_op *op_new(struct rig *r, unsigned group, const struct replica_op *op)
{
    struct rig_op *o = xcalloc(1, sizeof(*o));

    o->op = *op;
    o->op.group = group + 1;
    o->op.done = op_done;
    if (op->current_leader_epoch == 0)
        o->op.current_leader_epoch = -1;
    o->rig = r;
    o->group = &r->groups[group];
    o->batch = SIZE_MAX;
    o->next = r->ops;
    r->ops = o;
    return o;
}

struct rig_op *rig_submit(struct rig *r, unsigned group, const struct replica_op *op)
{
    struct rig_op *o = op_new(r, group, op);

    if (op->kind == REPLICA_RELEASE)
        container_of(op->release.target, struct rig_op, op)->holds = false;
    replica_submit(o->group->replica, &o->op);
    return o;
}

static uint8_t *make_batch(struct rig *r, const struct rig_batch *b, size_t value_size, size_t *ret_size)
{
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct batch_builder builder;
    _cleanup_(freep) uint8_t *value = xcalloc(1, value_size + 12);
    uint8_t *data;

    if (b->producer_id >= 0) {
        params.producer_id = b->producer_id;
        params.producer_epoch = b->epoch;
        params.base_sequence = b->sequence;
    }
    batch_builder_init(&builder, &params, 1 << 24);
    memset(value, 'a' + (int)(b->id % 26), value_size + 12); /* no sector looks as if it were empty */
    for (int32_t i = 0; i < b->count; i++) {
        memcpy(value, &b->id, 8);
        memcpy(value + 8, &i, 4);
        ck_quick(batch_builder_add(&builder, b->timestamp + i, SLICE_NULL, slice_make(value, value_size + 12), NULL,
                                   0) == 0);
    }
    ck_quick(batch_builder_finish(&builder, &data, ret_size) == 0);
    return data;
}

struct rig_op *rig_prepare_as(struct rig *r, unsigned group, int64_t producer_id, int16_t epoch, int32_t sequence,
                              int32_t count, size_t value_size)
{
    struct rig_op *o = op_new(r, group, &(struct replica_op){ .kind = REPLICA_PRODUCE });
    struct rig_batch b = {
        .id = ++r->next_id,
        .timestamp = clock_real_ms(&r->clock.env) - (int64_t)sim_prng_below(&r->prng, 1000),
        .producer_id = producer_id,
        .epoch = epoch,
        .sequence = sequence,
        .count = count,
    };
    size_t size;

    o->data = make_batch(r, &b, value_size, &size);
    ck_quick(batch_parse_only(slice_make(o->data, size), &o->op.produce.batch) == BATCH_OK);
    o->op.produce.acks = REPLICA_ACKS_ALL;
    o->proposal = b;
    return o;
}

struct rig_op *rig_prepare(struct rig *r, unsigned group, int32_t count, size_t value_size)
{
    return rig_prepare_as(r, group, -1, -1, -1, count, value_size);
}

void rig_send(struct rig *r, struct rig_op *o)
{
    const struct replica *replica = o->group->replica;
    uint64_t before = replica->last_index;
    struct rig_batch *b = &o->proposal;

    replica_submit(o->group->replica, &o->op);
    o->held = o->op.produce.held;
    if (replica->last_index == before)
        return; /* held, parked, refused or a duplicate */
    b->index = replica->last_index;
    b->append_ms = replica->last_append_time;
    b->base_offset = replica->proposed_offset - b->count;
    b->term = replica->term;
    o->batch = batch_note(o->group, b);
}

struct rig_op *rig_produce_as(struct rig *r, unsigned group, int64_t producer_id, int16_t epoch, int32_t sequence,
                              int32_t count, size_t value_size)
{
    struct rig_op *o = rig_prepare_as(r, group, producer_id, epoch, sequence, count, value_size);

    rig_send(r, o);
    return o;
}

struct rig_op *rig_produce(struct rig *r, unsigned group, int32_t count, size_t value_size)
{
    return rig_produce_as(r, group, -1, -1, -1, count, value_size);
}

void rig_wait(struct rig *r, struct rig_op *op)
{
    for (int i = 0; i < 10000 && !op->done; i++) {
        if (rig_step(r))
            continue;
        sim_clock_advance(&r->clock, 10 * MS);
    }
    ck_quick(op->done);
}

struct rig_op *rig_ask(struct rig *r, unsigned group, const struct replica_op *op)
{
    struct rig_op *o = rig_submit(r, group, op);

    rig_wait(r, o);
    return o;
}

void rig_release(struct rig *r, struct rig_op *read)
{
    rig_ask(r, (unsigned)(read->op.group - 1),
            &(struct replica_op){ .kind = REPLICA_RELEASE, .release.target = &read->op });
}

void rig_delete_records(struct rig *r, unsigned group, int64_t offset)
{
    r->groups[group].sent_start = MAX(r->groups[group].sent_start, offset);
    rig_submit(r, group, &(struct replica_op){ .kind = REPLICA_DELETE_RECORDS, .delete_records.offset = offset });
}

static void destroyed(void *ctx)
{
    struct rig_group *g = ctx;

    ck_quick(!g->destroyed);
    g->replica = NULL;
    g->destroyed = true;
}

void rig_destroy(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];

    g->destroying = true;
    replica_destroy(g->replica, destroyed, g);
}

struct rig_op *rig_read_here(struct rig *r, unsigned group, int64_t offset)
{
    struct rig_op *o =
        op_new(r, group,
               &(struct replica_op){
                   .kind = REPLICA_READ,
                   .read = { .offset = offset, .max_bytes = 10000, .min_one = true, .last_fetched_epoch = -1 } });

    list_init(&o->op.link);
    replica_read(o->group->replica, &o->op);
    rig_wait(r, o);
    return o;
}

uint8_t *rig_read_bytes(struct rig *r, const struct rig_op *read, size_t *ret_size)
{
    const struct replica_op *op = &read->op;
    uint8_t *data = xmalloc(op->read.ret_size + 1);
    size_t at = 0;

    *ret_size = op->read.ret_size;
    if (op->read.has_range) {
        ck_quick(disk_pread(op->read.range.file, data, op->read.ret_size, op->read.range.position) ==
                 (ssize_t)op->read.ret_size);
        return data;
    }
    for (uint32_t i = 0; i < op->read.chain.n; i++) {
        const struct buf_link *link = &op->read.chain.links[i];

        memcpy(data + at, link->data, link->size);
        at += link->size;
    }
    ck_quick(at == *ret_size);
    return data;
}

uint64_t rig_journal_bytes(struct rig *r)
{
    struct journal_stats s;

    journal_stats(r->journal, &s);
    return s.bytes_in_use + s.bytes_spare;
}
