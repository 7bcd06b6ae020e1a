/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* Committed entries go to their segment lazily, so that one write takes many: when so much waits, or the oldest has
 * waited so long, or the shard's budget is half used up. */
#define STORE_BATCH_BYTES (256u << 10)
#define STORE_DELAY_NS (50ull * 1000 * 1000)
#define STORE_RETRY_NS (100ull * 1000 * 1000)
#define STORE_JOB_ENTRIES 1024

enum job_kind {
    JOB_APPEND,
    JOB_CUT,
};

struct replica_job {
    struct lane_work work;
    struct replica *replica;
    enum job_kind kind;
    union {
        struct log_append append;
        struct log_cut cut;
    };
    uint64_t first_index;
    uint32_t n_entries;
    struct log_append_entry entries[];
};

static size_t job_size(uint32_t n_entries)
{
    return sizeof(struct replica_job) + n_entries * sizeof(struct log_append_entry);
}

static void job_free(struct replica *r, struct replica_job *job)
{
    mem_pool_free(r->shard->blocks, job, job_size(job->n_entries));
}

struct state_request {
    struct journal_request request;
    struct replica *replica;
    struct list link; /* replica->requests */
};

static void job_run(struct lane_work *work)
{
    struct replica_job *job = container_of(work, struct replica_job, work);

    switch (job->kind) {
    case JOB_APPEND:
        log_append_run(&job->append);
        break;
    case JOB_CUT:
        log_cut_run(&job->cut);
        break;
    }
}

/* Segments below the log start wait for it. */
static void want_checkpoint(struct replica *r)
{
    if (log_awaits_checkpoint(r->log) && !r->destroyed)
        replica_checkpoint(r, r->applied_index);
}

static void checkpoint_durable(struct replica *r, uint64_t index)
{
    log_set_checkpoint(r->log, index);
    want_checkpoint(r);
    replica_core_compact(r);
    replica_store_kick(r);
}

static void state_request_done(struct journal_request *request)
{
    struct state_request *s = container_of(request, struct state_request, request);
    struct replica *r = s->replica;

    list_remove(&s->link);
    if (request->kind == JOURNAL_LOG_START) {
        r->start_in_flight = false;
        replica_start_durable(r, request->state.log_start);
    } else if (request->kind == JOURNAL_HARD_STATE) {
        replica_core_state_flushed(r, &request->state);
    } else if (request->kind == JOURNAL_CHECKPOINT) {
        checkpoint_durable(r, request->state.checkpoint_index);
    }
    mem_pool_free(r->shard->blocks, s, sizeof(*s));
    wait_over(r);
    replica_settle(r);
}

static struct state_request *state_request_new(struct replica *r, enum journal_request_kind kind)
{
    struct state_request *s = mem_pool_calloc(r->shard->blocks, sizeof(*s));

    s->replica = r;
    s->request.kind = kind;
    s->request.group = r->group;
    s->request.done = state_request_done;
    list_append(&wait_on(r)->requests, &s->link);
    return s;
}

void replica_journal_state(struct replica *r, enum journal_request_kind kind, const struct journal_group_state *state)
{
    struct state_request *s = state_request_new(r, kind);

    s->request.state = *state;
    s->request.state.group = r->group;
    journal_append(r->shard->journal, &s->request);
}

void replica_journal_truncate(struct replica *r, uint64_t index, uint64_t prev_term, uint32_t prev_checksum)
{
    struct state_request *s = state_request_new(r, JOURNAL_TRUNCATE);

    s->request.index = index;
    s->request.term = prev_term;
    s->request.prev_checksum = prev_checksum;
    journal_append(r->shard->journal, &s->request);
}

void replica_requests_forget(struct replica *r)
{
    struct list *link;

    while ((link = list_pop(&r->waiters->requests)) != NULL)
        mem_pool_free(r->shard->blocks, list_entry(link, struct state_request, link), sizeof(struct state_request));
}

void replica_journal_start(struct replica *r)
{
    r->start_in_flight = true;
    replica_journal_state(r, JOURNAL_LOG_START, &(struct journal_group_state){ .log_start = r->log_start });
    if (GQ_BUG(START_NOT_DURABLE)) {
        log_set_start(r->log, r->log_start);
        replica_store_kick(r);
    }
}

void replica_start_durable(struct replica *r, int64_t offset)
{
    struct replica_op *op, *tmp;

    r->durable_start = MAX(r->durable_start, offset);
    log_set_start(r->log, r->durable_start);
    want_checkpoint(r);
    replica_kept_drop_below(r, r->durable_start);
    replica_core_compact(r);
    list_foreach_safe (&r->waiters->deletes, op, tmp, link) {
        if (op->delete_records.offset <= r->durable_start) {
            op->delete_records.ret_low_watermark = r->durable_start;
            replica_finish(r, op, 0, NULL);
        }
    }
    if (r->log_start > r->durable_start && !r->destroyed)
        replica_journal_start(r);
    replica_store_kick(r);
}

/* Entries that are in a segment now leave the tail. */
static void appended(struct replica *r, struct replica_job *job)
{
    uint64_t last = job->first_index + job->append.n_entries - 1;

    while (tail_count(&r->tail) > 0 && tail_at(&r->tail, 0)->index <= last) {
        r->stored_bytes += replica_entry_size(tail_at(&r->tail, 0));
        replica_keep(r, tail_pop(&r->tail));
    }
}

void replica_set_blocked(struct replica *r, bool blocked)
{
    if (r->blocked == blocked)
        return;
    if (blocked)
        GQ_MARK(REPLICA_BLOCKED);
    r->blocked = blocked;
    r->shard->n_blocked += blocked ? 1 : -1u;
    log_set_no_room(r->log, blocked);
    replica_core_compact(r);
}

/* Tried again by the poll. A look-up that waits for the segment isn't kept for as long as that takes. */
void replica_store_failed(struct replica *r, int err)
{
    struct list *link;

    if (!disk_is_shortage(err)) {
        replica_fatal(r, err, "writing a segment");
        return;
    }
    if (r->destroyed)
        return;
    replica_set_blocked(r, true);
    r->shard->blocked_error = err;
    r->retry_ns = r->shard->now_ns + STORE_RETRY_NS;
    while ((link = list_pop(&r->waiters->queries)) != NULL)
        replica_finish(r, list_entry(link, struct replica_op, link), KAFKA_E_KAFKA_STORAGE_ERROR, NULL);
}

static void job_done(struct lane_work *work)
{
    struct replica_job *job = container_of(work, struct replica_job, work);
    struct replica *r = job->replica;
    int err = 0;

    r->job = NULL;
    r->retry_ns = 0;
    switch (job->kind) {
    case JOB_APPEND:
        err = job->append.error;
        log_append_done(&job->append);
        if (err == 0) {
            appended(r, job);
            want_checkpoint(r);
        }
        replica_core_compact(r); /* a new segment lets one go that lies below the log start */
        break;
    case JOB_CUT:
        err = job->cut.error;
        log_cut_done(&job->cut);
        break;
    }
    job_free(r, job);
    if (err != 0)
        replica_store_failed(r, err);
    else
        replica_set_blocked(r, false);
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r);
}

static void job_submit(struct replica *r, struct replica_job *job)
{
    job->replica = r;
    job->work.run = job_run;
    job->work.done = job_done;
    r->job = job;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &job->work);
}

/* Up to the next entry that begins a segment, so that whoever opens one is asked for room first. */
static uint32_t job_entries(const struct replica *r)
{
    uint32_t n = MIN(replica_n_unstored(r), STORE_JOB_ENTRIES), i = 1;

    while (i < n && !tail_at(&r->tail, i)->roll)
        i++;
    return i;
}

static struct replica_job *append_job_new(struct replica *r)
{
    uint32_t n = job_entries(r);
    struct replica_job *job = mem_pool_alloc(r->shard->blocks, job_size(n));

    *job = (struct replica_job){
        .n_entries = n,
        .kind = JOB_APPEND,
        .append = { .log = r->log, .entries = job->entries, .n_entries = n },
    };
    for (uint32_t i = 0; i < n; i++) {
        const struct replica_entry *e = tail_at(&r->tail, i);

        job->entries[i] = (struct log_append_entry){
            .index = e->index,
            .term = e->term,
            .checksum = e->checksum,
            .data = e->head.data,
            .size = e->head.size,
            .batches = e->batches,
            .roll = e->roll,
            .snapshot = slice_make(e->snapshot, e->snapshot_size),
        };
    }
    job->first_index = job->entries[0].index;
    log_append_prepare(r->log, &job->append);
    return job;
}

int replica_store_blocking(struct replica *r)
{
    struct replica_job *job = append_job_new(r);
    int err;

    r->unstored_bytes = 0;
    log_append_run(&job->append);
    err = job->append.error;
    log_append_done(&job->append);
    if (err == 0)
        appended(r, job);
    job_free(r, job);
    return err;
}

static void submit_append(struct replica *r)
{
    struct replica_job *job = append_job_new(r);

    /* What it leaves is due as well. */
    r->unstored_bytes = job->n_entries < replica_n_unstored(r) ? STORE_BATCH_BYTES : 0;
    job_submit(r, job);
}

static bool submit_cut(struct replica *r)
{
    struct log_cut cut = { .log = r->log };
    struct replica_job *job;

    if (!log_cut_prepare(r->log, &cut))
        return false;
    job = mem_pool_alloc(r->shard->blocks, job_size(0));
    *job = (struct replica_job){ .kind = JOB_CUT, .cut = cut };
    job_submit(r, job);
    return true;
}

/* One job of these at a time: files to remove first, since that makes room for entries, and a partition that is always
 * written to has some of these all the time. Syncs go beside them. */
void replica_store_kick(struct replica *r)
{
    if (r->job != NULL || r->destroyed || r->shard->dead || r->shard->at_rest || r->retry_ns > r->shard->now_ns ||
        replica_awaits_image(r))
        return;
    if (!submit_cut(r) && replica_n_unstored(r) > 0 && replica_take_files(r))
        submit_append(r);
}

static bool store_is_urgent(const struct replica *r)
{
    return r->unstored_bytes >= STORE_BATCH_BYTES || r->checkpoint_wanted > log_end(r->log).index ||
           !list_is_empty(&r->waiters->queries) || replica_shard_is_pressed(r->shard);
}

static void list_dirty(struct replica *r)
{
    if (list_is_linked(&r->dirty_link))
        return;
    r->dirty_since_ns = r->shard->now_ns;
    r->no_file = false;
    list_append(&r->shard->dirty, &r->dirty_link);
}

/* After a job: goes on at once with what can't wait, leaves the rest to the poll. */
void replica_store_continue(struct replica *r)
{
    replica_image_poll(r);
    replica_queries_run(r);
    if (replica_n_unstored(r) > 0 || r->blocked)
        list_dirty(r);
    if (replica_n_unstored(r) == 0 || store_is_urgent(r))
        replica_store_kick(r);
    replica_round_poll(r->shard);
}

void replica_mark_dirty(struct replica *r, size_t bytes)
{
    r->unstored_bytes += bytes;
    if (r->replaying)
        return;
    list_dirty(r);
    if (store_is_urgent(r))
        replica_store_kick(r);
}

/* The list is in order of dirty_since, so the walk ends at the first that is not due. A replica whose job is in flight
 * or waits for a retry goes to the end. */
static uint64_t poll_dirty(struct replica_shard *shard)
{
    bool pressure = replica_shard_is_pressed(shard);
    uint64_t next = replica_shard_limit_files(shard);
    struct replica *r, *tmp;

    list_foreach_safe (&shard->dirty, r, tmp, dirty_link) {
        if (!pressure && r->dirty_since_ns + STORE_DELAY_NS > shard->now_ns)
            return MIN(next, r->dirty_since_ns + STORE_DELAY_NS);
        if (r->job == NULL && r->retry_ns > shard->now_ns) {
            next = MIN(next, r->retry_ns);
            continue;
        }
        list_remove(&r->dirty_link); /* job_done() puts it back when something is left */
        replica_store_kick(r);
    }
    return next;
}

/* What the journal told makes room, and who is let in for it proposes. */
static uint64_t poll_cores(struct replica_shard *shard)
{
    uint64_t next = replica_images_poll(shard), due;

    replica_cores_run(shard);
    due = replica_acks_poll(shard);
    next = MIN(next, due);
    due = replica_parked_poll(shard);
    next = MIN(next, due);
    due = replica_lead_poll(shard);
    next = MIN(next, due);
    replica_admit_held(shard);
    due = replica_cores_end(shard);
    return MIN(next, due);
}

uint64_t replica_shard_poll(struct replica_shard *shard)
{
    uint64_t next = UINT64_MAX, due;

    if (shard->n_cores > 0 || !list_is_empty(&shard->imaging))
        next = poll_cores(shard);
    else
        replica_admit_held(shard);
    due = replica_recycle_poll(shard);
    next = MIN(next, due);
    due = poll_dirty(shard);
    replica_round_poll(shard);
    wait_poll(shard);
    return MIN(next, due);
}

bool replica_is_stored(const struct replica *r)
{
    return replica_is_idle(r) && replica_n_unstored(r) == 0 && r->checkpoint_index == log_end(r->log).index;
}

bool replica_is_blocked(const struct replica *r)
{
    return r->blocked;
}

/* All records lie below the log start, and as long as no entry starts the next segment their bytes stay. */
static bool only_holds_garbage(const struct replica *r)
{
    return r->durable_start == r->proposed_offset && log_size_bytes(r->log) > 0 &&
           log_needs_roll(r->log, r->shard->now_real_ms) && r->applied_index == r->last_index;
}

void replica_housekeep(struct replica *r)
{
    int64_t start;

    if (!r->open || r->destroyed || r->closing)
        return;
    replica_core_rest(r);
    if (!replica_takes_proposals(r))
        return;
    start = log_retention_start(r->log, r->shard->now_real_ms, r->limits.retention_ms, r->limits.retention_bytes);
    if (start > r->log_start && start > r->start_proposed) {
        GQ_MARK(REPLICA_RETENTION);
        replica_propose_log_start(r, start);
    } else if (only_holds_garbage(r)) {
        replica_propose_noop(r);
    }
}
