/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* Room on the disk. What is acknowledged lies in the journal and goes to its segment later, so a full disk has to show
 * before an acknowledgement: Produce closes at a low-water mark. What was let in by then finds its room by the reserve,
 * a file that holds as much as may wait: it goes when a segment or a journal meets a full disk, and is made again when
 * there is space. Reactor 0 has the state; the others nudge it and are told. */

#define MIB (UINT64_C(1) << 20)
#define LOOK_INTERVAL_NS (1000ull * 1000 * 1000)
#define LOOK_BYTES (8 * MIB) /* so much produced asks for a look, too */
#define NUDGE_INTERVAL_NS (50ull * 1000 * 1000)
#define SLACK_BYTES (16 * MIB)

/* Blocks that each partition's files may begin although little is written to them. */
#define PARTITION_BYTES (UINT64_C(16) << 10)
#define PARTITIONS_BYTES_MAX (256 * MIB)

#define RESERVE_PATH "reserve"
#define ZEROS_SIZE (64u << 10)

/* A small disk isn't kept for emergencies alone. */
#define RESERVE_DIVISOR 8
#define LOW_DIVISOR 16

/* All that may wait for a segment, and half as much for the tables, which take more than small entries do. */
static uint64_t reserve_bytes(const struct node *n)
{
    uint64_t cache = (uint64_t)n->config->performance.write_cache_size_bytes;

    return ALIGN_UP(MIN(cache + cache / 2 + SLACK_BYTES, n->space.total_bytes / RESERVE_DIVISOR), (uint64_t)DISK_ALIGN);
}

static uint64_t low_bytes(const struct node *n)
{
    uint64_t partitions = MIN(n->reactors[0].meta.n_partitions * PARTITION_BYTES, (uint64_t)PARTITIONS_BYTES_MAX);

    return MIN(SLACK_BYTES + partitions, n->space.total_bytes / LOW_DIVISOR);
}

/* --- the reserve; blocking --- */

static int fill_with_zeros(struct disk_file *f, uint64_t size)
{
    _cleanup_(freep) uint8_t *zeros = calloc(1, ZEROS_SIZE);
    int rc = zeros != NULL ? 0 : -ENOMEM;

    for (uint64_t at = 0; rc == 0 && at < size; at += ZEROS_SIZE)
        rc = disk_pwrite(f, zeros, (size_t)MIN(size - at, (uint64_t)ZEROS_SIZE), at);
    return rc;
}

/* The size is set last, so that it tells how much is really held. */
static int reserve_fill(struct disk_file *f, uint64_t size)
{
    int rc = disk_allocate(f, 0, size);

    if (rc == -EOPNOTSUPP)
        return fill_with_zeros(f, size);
    return rc == 0 ? disk_truncate(f, size) : rc;
}

static int reserve_drop(struct env_disk *disk)
{
    int rc = disk_unlink(disk, RESERVE_PATH);

    return rc == -ENOENT ? 0 : rc;
}

static int reserve_make(struct env_disk *disk, uint64_t size)
{
    struct disk_file *f;
    int rc = disk_open(disk, RESERVE_PATH, DISK_WRITE | DISK_CREATE, &f);

    if (rc < 0)
        return rc;
    rc = reserve_fill(f, size);
    disk_close(f);
    if (disk_is_shortage(rc))
        (void)reserve_drop(disk); /* half of one is of no use to anybody */
    return rc;
}

static uint64_t reserve_size(struct env_disk *disk)
{
    struct disk_file *f;
    uint64_t size = 0;

    if (disk_open(disk, RESERVE_PATH, DISK_READ, &f) < 0)
        return 0;
    if (disk_size(f, &size) < 0)
        size = 0;
    disk_close(f);
    return size;
}

int node_space_open(struct node *n, struct env_disk *disk, struct error_text *err)
{
    struct node_space *s = &n->space;
    struct disk_space space;
    int rc = disk_space(disk, &space);

    s->total_bytes = rc == 0 ? space.total_bytes : 0;
    if (rc == 0 && space.free_bytes < low_bytes(n) && reserve_size(disk) > 0) {
        rc = reserve_drop(disk);
        if (rc == 0)
            rc = disk_space(disk, &space);
    }
    if (rc < 0) {
        error_setf(err, "looking for room on the disk: %s", strerror(-rc));
        return rc;
    }
    s->free_bytes = space.free_bytes;
    s->needed_bytes = low_bytes(n);
    s->closed = space.free_bytes < s->needed_bytes;
    for (unsigned i = 0; i < n->n_reactors; i++)
        n->reactors[i].space = (struct node_space_view){ s->closed, s->free_bytes, s->needed_bytes };
    for (unsigned i = 0; i < n->n_shards; i++)
        n->shards[i].replicas.low_space = s->closed;
    return 0;
}

/* --- a look, on a worker --- */

/* The worker's copy of what it needs, and what it found. */
struct node_space_job {
    struct lane_work work;
    struct node *node;
    struct env_disk *disk;
    uint64_t reserve_bytes, high_bytes;
    bool release, held;
    struct disk_space space;
    int error;
};

/* What a reserve of an earlier start holds already needn't be free. */
static int reserve_restore(struct node_space_job *job)
{
    uint64_t there = reserve_size(job->disk);
    int rc;

    if (there < job->reserve_bytes && job->space.free_bytes + there < job->reserve_bytes + job->high_bytes)
        return 0;
    rc = reserve_make(job->disk, job->reserve_bytes);
    job->held = rc == 0;
    return disk_is_shortage(rc) ? 0 : rc;
}

static void look_run(struct lane_work *work)
{
    struct node_space_job *job = container_of(work, struct node_space_job, work);
    int rc = 0;

    if (job->release) {
        rc = reserve_drop(job->disk);
        job->held = false;
    }
    if (rc == 0)
        rc = disk_space(job->disk, &job->space);
    if (rc == 0 && !job->held && !job->release) {
        rc = reserve_restore(job);
        if (rc == 0 && job->held)
            rc = disk_space(job->disk, &job->space);
    }
    job->error = rc;
}

/* --- everybody hears of it --- */

struct space_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    struct node_space_view view;
};

static void view_arrived(struct lane_mail *mail)
{
    struct space_mail *m = container_of(mail, struct space_mail, mail);
    struct node_reactor *r = m->to;

    r->space = m->view;
    for (unsigned s = r->index; s < r->node->n_shards; s += r->node->n_reactors)
        r->node->shards[s].replicas.low_space = m->view.closed;
    free(m);
}

static void tell_all(struct node *n)
{
    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct space_mail *m = xcalloc(1, sizeof(*m));

        m->to = &n->reactors[i];
        m->view = (struct node_space_view){ n->space.closed, n->space.free_bytes, n->space.needed_bytes };
        m->mail.deliver = view_arrived;
        lane_post(n->reactors[0].env->lane, i, &m->mail);
    }
}

/* Open above the low-water mark, closed until half as much again is free. */
static void look_done(struct lane_work *work)
{
    struct node_space_job *job = container_of(work, struct node_space_job, work);
    struct node *n = job->node;
    struct node_space *s = &n->space;
    bool closed;

    s->job = NULL;
    s->held = job->held;
    if (job->error != 0) {
        if (!disk_is_shortage(job->error))
            node_fatal(n, job->error, RESERVE_PATH ": keeping room on the disk");
        free(job);
        return;
    }
    s->free_bytes = job->space.free_bytes;
    s->total_bytes = job->space.total_bytes;
    s->reserve_bytes = job->reserve_bytes;
    s->needed_bytes = job->high_bytes + (s->held ? 0 : job->reserve_bytes);
    closed = !s->held || s->free_bytes < (s->closed ? job->high_bytes : low_bytes(n));
    if (closed || s->closed) {
        s->closed = closed;
        tell_all(n);
    }
    free(job);
}

static void look(struct node *n)
{
    struct node_space *s = &n->space;
    struct node_space_job *job = xcalloc(1, sizeof(*job));

    job->node = n;
    job->disk = n->reactors[0].env->disk;
    job->reserve_bytes = reserve_bytes(n);
    job->high_bytes = low_bytes(n) + low_bytes(n) / 2;
    job->held = s->held;
    job->release = s->wanted;
    job->work.run = look_run;
    job->work.done = look_done;
    s->wanted = s->nudged = false;
    s->due_ns = n->reactors[0].now_ns + LOOK_INTERVAL_NS;
    s->job = job;
    lane_submit(n->reactors[0].env->lane, LANE_POOL, 0, &job->work);
}

/* --- nudges --- */

struct nudge_mail {
    struct lane_mail mail;
    struct node *node;
    bool wanted;
};

static void nudge_arrived(struct lane_mail *mail)
{
    struct nudge_mail *m = container_of(mail, struct nudge_mail, mail);

    m->node->space.nudged = true;
    m->node->space.wanted |= m->wanted;
    free(m);
}

static bool is_full(const struct node_shard *s)
{
    int err = journal_space_error(s->journal);

    return disk_lacks_room(err) || replica_shard_wants_space(&s->replicas);
}

/* Tells reactor 0 of a shard that met a full disk, and of much that was produced. */
static void nudge(struct node_reactor *r)
{
    struct node *n = r->node;
    struct nudge_mail *m;
    uint64_t produced = 0;
    bool wanted = false;

    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors) {
        wanted = wanted || is_full(&n->shards[s]);
        produced += n->shards[s].replicas.n_produced_bytes;
    }
    if (r->now_ns < r->next_nudge_ns || (!wanted && produced - r->looked_bytes < LOOK_BYTES))
        return;
    r->next_nudge_ns = r->now_ns + NUDGE_INTERVAL_NS;
    r->looked_bytes = produced;
    m = xcalloc(1, sizeof(*m));
    m->node = n;
    m->wanted = wanted;
    m->mail.deliver = nudge_arrived;
    lane_post(r->env->lane, 0, &m->mail);
}

uint64_t node_space_poll(struct node_reactor *r)
{
    struct node_space *s = &r->node->space;

    if (r->phase >= NODE_CHECKPOINTING)
        return UINT64_MAX;
    nudge(r);
    if (r->index != 0 || s->job != NULL)
        return UINT64_MAX;
    if (s->nudged || r->now_ns >= s->due_ns)
        look(r->node);
    return s->closed ? s->due_ns : UINT64_MAX; /* who produces nothing needs no look */
}

bool node_space_is_idle(const struct node *n)
{
    return n->space.job == NULL;
}

void node_disk_state(const struct node *n, unsigned reactor, struct node_disk_state *ret)
{
    const struct node_reactor *r = &n->reactors[reactor];

    *ret = (struct node_disk_state){ .free_bytes = r->space.free_bytes, .needed_bytes = r->space.needed_bytes };
    for (unsigned s = reactor; s < n->n_shards; s += n->n_reactors) {
        const struct replica_shard *shard = &n->shards[s].replicas;
        int err = replica_shard_shortage(shard);

        ret->full = ret->full || err != 0;
        ret->lacks_files = ret->lacks_files || err == -EMFILE || err == -ENFILE;
    }
}
