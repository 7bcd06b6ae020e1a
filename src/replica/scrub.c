/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

static void scrub_run(struct lane_work *work)
{
    log_scrub_run(&container_of(work, struct replica_scrub, work)->job);
}

static void scrub_done(struct lane_work *work)
{
    struct replica_scrub *s = container_of(work, struct replica_scrub, work);
    struct replica *r = TAKE_PTR(s->replica);

    log_scrub_done(&s->job);
    r->scrubbing = false;
    s->done(s, r);
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r); /* files may have waited for this reader to go */
}

bool replica_scrub(struct replica *r, struct replica_scrub *s, size_t max_bytes)
{
    gq_assert(s->replica == NULL && !r->scrubbing);
    if (r->destroyed || r->closing || r->shard->dead || !log_scrub_prepare(r->log, &s->job, max_bytes))
        return false;
    r->scrubbing = true;
    s->replica = r;
    s->work.run = scrub_run;
    s->work.done = scrub_done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &s->work);
    return true;
}

void replica_describe_damage(const struct replica *r, const struct log_scrub_damage *d, struct error_text *ret)
{
    log_scrub_describe(r->log, d, ret);
}

uint64_t replica_last_index(const struct replica *r)
{
    return r->last_index;
}
