/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

struct replica_destroy_job {
    struct lane_work work;
    struct journal_request request;
    struct replica *replica;
    void (*done)(void *ctx);
    void *ctx;
    char *dir;
    bool removing; /* a worker removes the files */
    int error;
};

void replica_peers_free(struct replica_peers *p)
{
    struct list *link;

    if (p == NULL)
        return;
    while ((link = list_pop(&p->voided)) != NULL)
        replica_entry_free(list_entry(link, struct replica_entry, kept_link));
    list_remove(&p->imaging_link);
    list_remove(&p->changing_link);
    log_beyond_fini(&p->beyond);
    replica_sent_forget(p);
    replica_acks_free(p);
    list_remove(&p->parking_link);
    replica_image_free(p);
    free(p->applied);
    free(p->last);
    free(p);
}

static struct replica *replica_alloc(struct replica_shard *shard, const struct replica_config *config)
{
    struct replica *r = xcalloc(1, sizeof(*r));

    r->shard = shard;
    r->group = config->group;
    r->limits = config->limits;
    if (config->apply != NULL) {
        r->machine = xcalloc(1, sizeof(*r->machine));
        *r->machine = (struct replica_machine){
            .apply = config->apply,
            .apply_ctx = config->apply_ctx,
            .apply_after = config->applied_index,
            .apply_after_term = config->applied_term,
            .apply_after_checksum = config->applied_checksum,
        };
    }
    if (config->members != NULL)
        r->peers = replica_peers_new(r, config->members);
    if (r->peers != NULL)
        r->peers->founded = config->founded;
    r->vote = RAFT_NONE;
    wait_init(r);
    list_init(&r->dirty_link);
    list_init(&r->round_link);
    return r;
}

int replica_alloc_open(struct replica_shard *shard, const struct replica_config *config,
                       const struct log_position *checkpoint, int64_t log_start, struct replica **ret,
                       struct error_text *err)
{
    struct replica *r = replica_alloc(shard, config);
    struct log_config log_config = {
        .disk = shard->env->disk,
        .dir = config->dir,
        .dir_absent = config->dir_absent,
        .segment_bytes = config->limits.segment_bytes,
        .segment_ms = config->limits.segment_ms,
        .cache = shard->log_cache,
        .owner = r,
        .beyond = r->peers != NULL ? &r->peers->beyond : NULL,
    };
    int rc = log_open(&log_config, checkpoint, log_start, &r->log, err);

    if (rc != 0) {
        replica_free(r);
        return rc;
    }
    r->last_index = r->applied_index = r->checkpoint_index = checkpoint->index;
    r->applied_term = checkpoint->term;
    r->last_checksum = r->applied_checksum = r->checkpoint_checksum = checkpoint->checksum;
    r->proposed_offset = r->applied_offset = checkpoint->next_offset;
    r->log_start = r->durable_start = r->start_proposed = log_start;
    *ret = r;
    return 0;
}

int replica_new(struct replica_shard *shard, const struct replica_config *config, struct replica **ret)
{
    struct replica_config fresh = *config;
    int rc;

    fresh.dir_absent = true;
    rc = replica_alloc_open(shard, &fresh, &(struct log_position){ 0 }, 0, ret, NULL);
    if (rc == 0 && !slice_is_null(config->first))
        replica_found(*ret, config->first, config->first_ms);
    if (rc == 0 && config->members != NULL)
        replica_core_start(*ret);
    if (rc == 0)
        replica_take_refusals(*ret);
    return rc;
}

void replica_free(struct replica *r)
{
    if (r == NULL)
        return;
    gq_assert(replica_is_quiet(r));
    if (!r->destroyed)
        replica_core_free(r);
    while (tail_count(&r->tail) > 0)
        replica_entry_free(tail_pop(&r->tail));
    replica_kept_drop_all(r);
    replica_requests_forget(r);
    wait_fini(r);
    replica_relocation_forget(r);
    replica_set_blocked(r, false);
    list_remove(&r->dirty_link);
    list_remove(&r->round_link);
    producer_state_free(r->producers);
    replica_peers_free(r->peers);
    log_free(r->log);
    if (r->destroyed) {
        free(r->destroy_job->dir);
        free(r->destroy_job);
    }
    free(r->machine);
    free(r);
}

static bool votes_alone(const struct replica *r)
{
    struct replica_members m;
    uint64_t index;

    replica_members(r, &m, &index);
    for (uint32_t i = 0; i < m.n_members; i++)
        if (m.members[i].id != r->shard->broker_id && (m.members[i].roles & (RAFT_VOTER | RAFT_OUTGOING)) != 0)
            return false;
    return m.n_members > 0;
}

void replica_lead(struct replica *r)
{
    if (r->peers != NULL) {
        if (votes_alone(r))
            replica_campaign(r);
        return;
    }
    r->term++;
    if (r->last_index > 0) {
        replica_propose_noop(r);
        if (journal_lacks_file(r->shard->journal)) /* readers needn't wait for room: with one voter all is committed */
            replica_opened(r);
    } else {
        replica_opened(r); /* an empty log has nothing of older terms to commit */
    }
}

void replica_opened(struct replica *r)
{
    struct list *link;

    r->open = true;
    if (r->log_start > r->durable_start && !r->start_in_flight)
        replica_journal_start(r);
    while ((link = list_pop(&r->waiters->parked)) != NULL)
        replica_submit(r, list_entry(link, struct replica_op, link));
}

void replica_fatal_text(struct replica *r, int err, const char *text)
{
    r->shard->dead = true;
    r->shard->fatal(r->shard->ctx, err, text);
}

void replica_fatal(struct replica *r, int err, const char *what)
{
    const char *dir = r->log != NULL ? log_dir(r->log) : r->destroy_job->dir;
    struct error_text text;

    error_setf(&text, "%s: %s: %s", dir, what, error_text(err));
    replica_fatal_text(r, err, text.text);
}

void replica_finish(struct replica *r, struct replica_op *op, int16_t error, const char *message)
{
    list_remove(&op->link);
    wait_over(r);
    op->error = error;
    op->error_message = message;
    r->shard->complete(r->shard->ctx, op);
}

int16_t replica_epoch_error(const struct replica *r, const struct replica_op *op)
{
    if (op->current_leader_epoch < 0 || op->current_leader_epoch == (int32_t)r->term)
        return 0;
    return op->current_leader_epoch < (int32_t)r->term ? KAFKA_E_FENCED_LEADER_EPOCH : KAFKA_E_UNKNOWN_LEADER_EPOCH;
}

static void submit_open(struct replica *r, struct replica_op *op)
{
    int16_t error = replica_epoch_error(r, op);

    if (error != 0) {
        replica_finish(r, op, error, NULL);
        return;
    }
    switch (op->kind) {
    case REPLICA_PRODUCE:
        replica_produce(r, op);
        break;
    case REPLICA_READ:
        replica_read(r, op);
        break;
    case REPLICA_WATCH:
        replica_watch(r, op);
        break;
    case REPLICA_LIST_OFFSETS:
        replica_list_offsets(r, op);
        break;
    case REPLICA_EPOCH_END:
        replica_epoch_end(r, op);
        break;
    case REPLICA_DELETE_RECORDS:
        replica_delete_records(r, op);
        break;
    case REPLICA_DESCRIBE_PRODUCERS:
        replica_describe_producers(r, op);
        break;
    case REPLICA_DESCRIBE_LOG:
        replica_describe_log(r, op);
        break;
    case REPLICA_RELEASE:
    case REPLICA_CANCEL:
        break; /* replica_submit() did them */
    }
}

/* The partition may get another replica here by and by. */
static void submit_late(struct replica *r, struct replica_op *op)
{
    replica_shard_note_refusal(r->shard, op);
    replica_finish(r, op, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION, NULL);
}

void replica_submit(struct replica *r, struct replica_op *op)
{
    list_init(&op->link);
    if (op->kind == REPLICA_PRODUCE && op->produce.has_refused && !r->destroyed)
        replica_take_refusal(r, op);
    if (op->kind == REPLICA_RELEASE)
        replica_release(r, op);
    else if (op->kind == REPLICA_CANCEL)
        replica_cancel(r, op);
    else if (r->destroyed)
        submit_late(r, op);
    else if (r->closing)
        replica_finish(r, op, KAFKA_E_NOT_LEADER_OR_FOLLOWER, NULL);
    else if (!r->open)
        replica_submit_early(r, op);
    else
        submit_open(r, op);
}

void replica_set_limits(struct replica *r, const struct replica_limits *limits)
{
    r->limits = *limits;
    log_set_limits(r->log, limits->segment_bytes, limits->segment_ms);
}

/* --- the end of a group --- */

void replica_fail_list(struct replica *r, struct list *ops, int16_t error)
{
    struct list *link;

    while ((link = list_pop(ops)) != NULL)
        replica_finish(r, list_entry(link, struct replica_op, link), error, NULL);
}

static void fail_proposers(struct replica *r, int16_t error)
{
    for (uint32_t i = 0; i < tail_count(&r->tail); i++) {
        struct replica_entry *e = tail_at(&r->tail, i);
        struct replica_op *op = TAKE_PTR(e->op);
        struct replica_command *command = TAKE_PTR(e->command);

        if (op != NULL)
            replica_finish(r, op, error, NULL);
        replica_fail_list(r, &e->duplicates, error);
        if (command != NULL)
            command->done(command, error);
    }
}

void replica_fail_all(struct replica *r, int16_t error)
{
    replica_fail_list(r, &r->waiters->watchers, error);
    replica_fail_list(r, &r->waiters->parked, error);
    replica_fail_list(r, &r->waiters->queries, error);
    replica_fail_list(r, &r->waiters->deletes, error);
    if (r->peers != NULL) {
        replica_fail_list(r, &r->peers->reads, error);
        replica_fail_list(r, &r->peers->acks, error);
    }
    fail_proposers(r, error);
}

void replica_close(struct replica *r)
{
    r->closing = true;
    if (r->destroyed)
        return;
    replica_core_leave(r);
    replica_unhold_all(r, KAFKA_E_NOT_LEADER_OR_FOLLOWER);
    replica_fail_all(r, KAFKA_E_REQUEST_TIMED_OUT);
    replica_image_drop(r);
}

static bool is_removing(const struct replica *r)
{
    return r->destroyed && r->destroy_job->removing;
}

bool replica_is_quiet(const struct replica *r)
{
    return r->job == NULL && r->sync == NULL && list_is_empty(&r->waiters->cold) && !r->scrubbing &&
           !replica_is_loading(r) && !is_removing(r) && !replica_image_is_busy(r) &&
           (r->peers == NULL || list_is_empty(&r->peers->loads));
}

bool replica_is_idle(const struct replica *r)
{
    if (!replica_is_quiet(r) || !list_is_empty(&r->waiters->requests) || r->relocation != NULL || r->n_reads > 0)
        return false;
    if (r->peers != NULL && (!list_is_empty(&r->peers->voided) || r->peers->image != NULL))
        return false;
    return tail_count(&r->tail) == 0 || tail_at(&r->tail, tail_count(&r->tail) - 1)->flushed;
}

static void destroy_finished(struct lane_work *work)
{
    struct replica_destroy_job *d = container_of(work, struct replica_destroy_job, work);
    struct replica *r = d->replica;

    /* What can't be removed for lack of descriptors is removed by the next start. */
    if (d->error == LOG_E_KEPT && r->shard->dir_kept != NULL)
        r->shard->dir_kept(r->shard->ctx, d->dir);
    else if (d->error < 0 && !disk_is_shortage(d->error))
        replica_fatal(r, d->error, "removing a deleted partition");
    GQ_MARK(REPLICA_DESTROYED);
    d->removing = false;
    d->done(d->ctx);
    replica_free(r);
}

static void destroy_run(struct lane_work *work)
{
    struct replica_destroy_job *d = container_of(work, struct replica_destroy_job, work);

    d->error = log_destroy(d->replica->shard->env->disk, d->dir);
}

/* The journal has forgotten the group, or never heard of it: nothing can bring it back, so its files may go. */
static void forgotten(struct journal_request *request)
{
    struct replica_destroy_job *d = container_of(request, struct replica_destroy_job, request);
    struct replica_shard *shard = d->replica->shard;

    d->removing = true;
    d->work.run = destroy_run;
    d->work.done = destroy_finished;
    lane_submit(shard->env->lane, LANE_POOL, shard->shard, &d->work);
}

void replica_settle(struct replica *r)
{
    struct replica_destroy_job *d = r->destroy_job;

    if (!r->destroyed || r->log == NULL || !replica_is_idle(r))
        return;
    d->dir = xstrdup(log_dir(r->log));
    log_free(TAKE_PTR(r->log));
    if (GQ_BUG(FILES_BEFORE_FORGET))
        (void)log_destroy(r->shard->env->disk, d->dir);
    if (!r->known) {
        forgotten(&d->request);
        return;
    }
    d->request.kind = JOURNAL_FORGET;
    d->request.group = r->group;
    d->request.done = forgotten;
    journal_append(r->shard->journal, &d->request);
}

void replica_destroy(struct replica *r, void (*done)(void *ctx), void *ctx)
{
    struct list none = LIST_INIT(none);

    replica_core_free(r);
    r->shard->n_steps++;
    r->destroyed = true;
    r->destroy_job = xcalloc(1, sizeof(*r->destroy_job));
    r->destroy_job->replica = r;
    r->destroy_job->done = done;
    r->destroy_job->ctx = ctx;
    replica_set_blocked(r, false);
    replica_kept_drop_all(r);
    replica_unhold_all(r, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    replica_round_leave(r);
    replica_fail_all(r, KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    replica_cut_waiting(r, &none);
    if (r->peers != NULL)
        replica_change_lost(r);
    replica_image_drop(r);
    journal_withdraw(r->shard->journal, r->group);
    replica_settle(r);
}

bool replica_has_peers(const struct replica *r)
{
    return r->peers != NULL;
}

bool replica_is_caught_up(const struct replica *r)
{
    return r->applied_index == r->last_index;
}

bool replica_is_open(const struct replica *r)
{
    return r->open;
}

uint64_t replica_group(const struct replica *r)
{
    return r->group;
}

uint64_t replica_term(const struct replica *r)
{
    return r->term;
}

int64_t replica_log_start(const struct replica *r)
{
    return r->durable_start;
}

int64_t replica_high_watermark(const struct replica *r)
{
    return r->applied_offset;
}

uint64_t replica_size_bytes(const struct replica *r)
{
    uint64_t size = log_size_bytes(r->log);

    for (uint32_t i = 0; i < tail_count(&r->tail); i++)
        size += tail_at(&r->tail, i)->header.batches_size;
    return size;
}

static_assert(sizeof(struct replica_standing) == sizeof(struct raft_standing) + 32, "no padding");

/* All of its log that counts is flushed and committed. It leads in a term when something of that is there. */
static void stand_alone(const struct replica *r, struct raft_standing *to)
{
    *to = (struct raft_standing){
        .term = r->term,
        .durable_term = r->applied_term,
        .start = log_first_index(r->log) - 1,
        .last = r->last_index,
        .flushed = r->applied_index,
        .commit = r->applied_index,
        .vote = r->shard->broker_id,
        .durable_vote = r->shard->broker_id,
        .leader = r->shard->broker_id,
        .transferee = RAFT_NONE,
        .role = r->led && r->applied_term == r->term ? RAFT_LEADER : RAFT_FOLLOWER,
    };
}

/* A founded group's first entry is made alike by all, at each start that doesn't find it: nobody has to keep it. */
static bool counts_early(const struct replica *r, uint64_t flushed)
{
    const struct replica_entry *e = tail_by_index(&r->tail, flushed);

    return e != NULL && !e->flushed && !(flushed == 1 && r->peers != NULL && r->peers->founded);
}

bool replica_is_destroyed(const struct replica *r)
{
    return r->destroyed;
}

bool replica_has_closed(const struct replica *r)
{
    return r->closing && !r->destroyed;
}

uint64_t replica_term_at(const struct replica *r, uint64_t index)
{
    const struct replica_entry *e = tail_by_index(&r->tail, index);
    uint64_t term = 0;

    if (e != NULL)
        return e->term;
    return log_term_at(r->log, index, &term) == 0 ? term : 0;
}

uint64_t replica_now_ns(const struct replica *r)
{
    return r->shard->now_ns;
}

bool replica_stands(const struct replica *r, struct replica_standing *ret, const struct raft **ret_core)
{
    if (r->destroyed || r->closing || (r->peers != NULL && r->raft == NULL))
        return false;
    if (r->peers != NULL)
        raft_stands(r->raft, &ret->raft);
    else
        stand_alone(r, &ret->raft);
    ret->applied = r->applied_index;
    ret->log_start = r->durable_start;
    ret->next_log_start = r->log_start;
    ret->checksum = r->applied_checksum;
    ret->open = r->open;
    ret->ahead = counts_early(r, ret->raft.flushed);
    ret->alone = r->peers == NULL;
    *ret_core = r->peers != NULL ? r->raft : NULL;
    return true;
}
