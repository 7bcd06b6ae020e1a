/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/mark.h"
#include "replica/internal.h"

/* A follower whose log ends below the leader's first segment gets an image: the state that this segment begins with.
 *
 * A worker writes it to a file that doesn't count yet, and only then the core hears of the message: until that is done
 * the log goes on as it was. When the core takes the image, and no worker has anything of the log, all of the log goes
 * from memory, and IMAGE_INSTALLED to the journal, with the new leader's entries behind it. When that is durable the
 * file takes its place; the files of the old log go after that. A crash leaves either log. */

enum phase {
    IMAGE_WRITING,    /* a worker has it */
    IMAGE_WRITTEN,    /* waits until no worker has anything of the log */
    IMAGE_INSTALLING, /* the journal has it */
    IMAGE_INSTALLED,  /* durable; its file has to get its name */
    IMAGE_NAMING,     /* a worker has it */
};

struct replica_image_job {
    struct lane_work work;
    struct log_image file;
    struct journal_request request;
    struct replica *replica;
    struct raft_message message; /* as it came */
    struct raft_config config;
    struct replica_state state;
    int64_t log_start;
    uint32_t epoch;    /* the core's, of the installation */
    uint64_t retry_ns; /* INSTALLED */
    enum phase phase;
};

#define RETRY_NS UINT64_C(100000000)

static struct replica_image_job *image_of(const struct replica *r)
{
    return r->peers != NULL ? r->peers->image : NULL;
}

bool replica_image_is_busy(const struct replica *r)
{
    const struct replica_image_job *job = image_of(r);

    return job != NULL && (job->phase == IMAGE_WRITING || job->phase == IMAGE_NAMING);
}

bool replica_awaits_image(const struct replica *r)
{
    const struct replica_image_job *job = image_of(r);

    return job != NULL && job->phase != IMAGE_WRITING;
}

void replica_image_free(struct replica_peers *peers)
{
    struct replica_image_job *job = TAKE_PTR(peers->image);

    if (job == NULL)
        return;
    producer_state_free(job->state.producers);
    free(job->file.data);
    free(job);
}

void replica_image_drop(struct replica *r)
{
    if (image_of(r) != NULL && r->peers->image->phase == IMAGE_WRITTEN)
        replica_image_free(r->peers);
}

/* ---- Installed ---- */

static void name_run(struct lane_work *work)
{
    log_image_finish(&container_of(work, struct replica_image_job, work)->file);
}

static void name_done(struct lane_work *work)
{
    struct replica_image_job *job = container_of(work, struct replica_image_job, work);
    struct replica *r = job->replica;
    int err = job->file.error;

    log_image_finished(r->log, &job->file);
    if (err != 0 && disk_is_shortage(err) && !r->destroyed) { /* the poll tries again */
        job->phase = IMAGE_INSTALLED;
        job->retry_ns = r->shard->now_ns + RETRY_NS;
        return;
    }
    replica_image_free(r->peers);
    if (err != 0 && !disk_is_shortage(err))
        replica_fatal(r, err, "renaming an image");
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r);
}

static void give_name(struct replica *r)
{
    struct replica_image_job *job = image_of(r);

    job->phase = IMAGE_NAMING;
    log_image_prepare(r->log, &job->file);
    job->work.run = name_run;
    job->work.done = name_done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &job->work);
}

static void image_durable(struct journal_request *request)
{
    struct replica_image_job *job = container_of(request, struct replica_image_job, request);
    struct replica *r = job->replica;
    uint32_t epoch = job->epoch;

    if (r->destroyed) {
        replica_image_free(r->peers);
        replica_settle(r);
        return;
    }
    give_name(r);
    replica_core_image_flushed(r, job->file.at.index, job->file.at.term, epoch);
}

static void journal_image(struct replica *r, struct replica_image_job *job)
{
    const struct log_position *at = &job->file.at;

    job->phase = IMAGE_INSTALLING;
    job->request.kind = JOURNAL_IMAGE_INSTALLED;
    job->request.group = r->group;
    job->request.done = image_durable;
    job->request.state = (struct journal_group_state){
        .group = r->group,
        .checkpoint_index = at->index,
        .checkpoint_term = at->term,
        .checkpoint_offset = at->next_offset,
        .checkpoint_checksum = at->checksum,
        .log_start = job->log_start,
    };
    r->known = true;
    journal_withdraw_entries(r->shard->journal, r->group, 1);
    journal_append(r->shard->journal, &job->request);
}

/* Where the log stands now, in memory. */
static void take_position(struct replica *r, struct replica_image_job *job)
{
    const struct log_position *at = &job->file.at;

    r->last_index = r->applied_index = r->checkpoint_index = at->index;
    r->applied_term = at->term;
    r->last_checksum = r->applied_checksum = r->checkpoint_checksum = at->checksum;
    r->proposed_offset = r->applied_offset = at->next_offset;
    job->log_start = MAX(job->log_start, r->durable_start);
    r->log_start = r->durable_start = r->start_proposed = job->log_start;
    r->last_append_time = job->state.append_time;
    producer_state_free(r->producers);
    r->producers = GQ_BUG(IMAGE_WITHOUT_PRODUCERS) ? NULL : TAKE_PTR(job->state.producers);
    replica_config_replaced(r, job->state.members_index, &job->state.members);
    r->checkpoint_bytes = r->stored_bytes = r->proposed_bytes;
    r->checkpoint_wanted = 0;
    r->unstored_bytes = 0;
    r->retry_ns = 0;
}

void replica_image_install(struct replica *r, uint32_t epoch, struct list *lost)
{
    struct replica_image_job *job = image_of(r);

    GQ_MARK(REPLICA_IMAGE_INSTALLED);
    gq_assert(job != NULL && job->phase == IMAGE_WRITTEN && replica_is_quiet(r));
    job->epoch = epoch;
    replica_drop_tail(r, lost);
    replica_kept_drop_all(r);
    replica_relocation_cut(r, 1);
    replica_round_leave(r);
    replica_set_blocked(r, false);
    list_remove(&r->dirty_link);
    r->no_file = false;
    take_position(r, job);
    log_reset(r->log, &job->file.at, job->log_start);
    journal_image(r, job);
}

/* ---- Received ---- */

uint64_t replica_image_poll(struct replica *r)
{
    struct replica_image_job *job = image_of(r);

    if (job == NULL || r->shard->dead || r->shard->at_rest)
        return UINT64_MAX;
    if (job->phase == IMAGE_INSTALLED) {
        if (job->retry_ns > r->shard->now_ns)
            return job->retry_ns;
        give_name(r);
    } else if (job->phase == IMAGE_WRITTEN && replica_is_quiet(r)) {
        (void)replica_core_image(r, &job->message);
        replica_image_drop(r); /* others were faster: the core doesn't take it any more */
    }
    return UINT64_MAX;
}

void replica_note_imaging(struct replica *r)
{
    if (!list_is_linked(&r->peers->imaging_link))
        list_append(&r->shard->imaging, &r->peers->imaging_link);
}

/* What comes of one may end others. */
uint64_t replica_images_poll(struct replica_shard *shard)
{
    struct list all = LIST_INIT(all), *link;
    uint64_t next = UINT64_MAX;

    list_splice(&all, &shard->imaging);
    while ((link = list_pop(&all)) != NULL) {
        struct replica *r = list_entry(link, struct replica_peers, imaging_link)->replica;
        uint64_t sent = replica_has_core(r) ? replica_sent_poll(r) : UINT64_MAX, came = replica_image_poll(r);

        next = MIN(next, MIN(sent, came));
        if (sent != UINT64_MAX || r->peers->image != NULL)
            replica_note_imaging(r);
    }
    return next;
}

static void write_run(struct lane_work *work)
{
    log_image_write(&container_of(work, struct replica_image_job, work)->file);
}

static void write_done(struct lane_work *work)
{
    struct replica_image_job *job = container_of(work, struct replica_image_job, work);
    struct replica *r = job->replica;
    int err = job->file.error;

    log_image_written(r->log, &job->file);
    job->phase = IMAGE_WRITTEN;
    if (err != 0 || r->destroyed || r->closing || r->shard->dead)
        replica_image_drop(r); /* the leader sends it again, where it still is needed */
    if (err != 0 && !disk_is_shortage(err))
        replica_fatal(r, err, "writing an image");
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r);
}

/* What the core would refuse, or has, it is asked at once. */
static bool is_wanted(const struct replica *r, const struct raft_message *m)
{
    return m->term >= raft_term(r->raft) && m->index > raft_commit_index(r->raft) &&
           raft_term_at(r->raft, m->index) != m->log_term;
}

static void begin(struct replica *r, const struct replica_message *m, struct replica_state *state)
{
    struct replica_image_job *job = xcalloc(1, sizeof(*job));

    job->replica = r;
    job->message = m->raft;
    job->state = *state;
    state->producers = NULL;
    replica_members_config(&state->members, &job->config);
    job->message.config = &job->config;
    job->log_start = m->image->log_start;
    job->file.at = (struct log_position){
        .index = m->raft.index,
        .term = m->raft.log_term,
        .next_offset = m->image->next_offset,
        .checksum = m->image->checksum,
    };
    job->file.size = m->image->size;
    job->file.data = xmalloc(job->file.size);
    memcpy(job->file.data, m->data, job->file.size);
    log_image_prepare(r->log, &job->file);
    r->peers->image = job;
    replica_note_imaging(r);
    job->work.run = write_run;
    job->work.done = write_done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &job->work);
}

int replica_image_receive(struct replica *r, const struct replica_message *m)
{
    struct raft_message message = m->raft;
    struct raft_config config;
    struct replica_state state;
    int rc = replica_check_image(r, m, &state);

    if (rc != 0)
        return rc;
    message.entries = NULL;
    replica_members_config(&state.members, &config);
    message.config = &config;
    if (!is_wanted(r, &message))
        rc = replica_core_image(r, &message);
    else if (r->peers->image == NULL)
        begin(r, m, &state);
    producer_state_free(state.producers);
    return rc;
}
