/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

#include "base/mark.h"

/* Entries above the checkpoint go to the journal once more, so that its old files can go although nothing was
 * checkpointed. Those in the tail are written from where they are, which a reference keeps there; what isn't in the
 * tail any more is read back from the segments. */

struct copy {
    struct journal_request request;
    struct replica_relocation *relocation;
    struct buf *buf; /* of the tail's entry; NULL: the envelope is in data */
    size_t at, size;
};

struct replica_relocation {
    struct lane_work work;
    struct log_load load;
    struct replica *replica;
    bool loading;
    int error;
    uint64_t charged; /* the shard's part of it while it loads */
    uint8_t *data;    /* envelopes from segments */
    size_t size, capacity;
    uint64_t first_index;
    uint32_t prev_checksum; /* of the entry before the first */
    uint32_t n, n_waiting;
    uint32_t n_live; /* of the n: a new leader may have overridden the others while a worker read */
    struct copy copies[];
};

static uint8_t *data_add(struct replica_relocation *m, size_t size)
{
    if (m->size + size > m->capacity) {
        m->capacity = MAX(m->capacity * 2, m->size + size);
        m->data = xrealloc(m->data, m->capacity);
    }
    m->size += size;
    return m->data + m->size - size;
}

static struct copy *copy_new(struct replica_relocation *m, uint64_t index, uint64_t term, uint32_t checksum)
{
    struct copy *c = &m->copies[index - m->first_index];

    gq_assert(index >= m->first_index && index - m->first_index < m->n);
    c->request.index = index;
    c->request.term = term;
    c->request.checksum = checksum;
    return c;
}

static void copy_from_tail(struct replica_relocation *m, const struct replica_entry *e)
{
    struct copy *c = copy_new(m, e->index, e->term, e->checksum);

    c->buf = buf_ref(e->buf);
    c->request.data[0] = e->head;
    c->request.data[1] = e->batches;
}

/* On the worker. Places are given when all are there: data may move. */
static int copy_from_segment(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct replica_relocation *m = ctx;
    struct copy *c = copy_new(m, index, term, checksum);

    c->at = m->size;
    c->size = size;
    memcpy(data_add(m, size), data, size);
    return 0;
}

static void relocation_end(struct replica *r)
{
    struct replica_relocation *m = TAKE_PTR(r->relocation);

    if (m->loading)
        r->shard->loading_size -= m->charged;
    r->shard->n_relocations--;
    r->shard->relocated_ns = r->shard->now_ns;
    for (uint32_t i = 0; i < m->n; i++)
        buf_unref(m->copies[i].buf);
    free(m->data);
    free(m);
}

void replica_relocation_forget(struct replica *r)
{
    if (r->relocation != NULL)
        relocation_end(r);
}

bool replica_is_loading(const struct replica *r)
{
    return r->relocation != NULL && r->relocation->loading;
}

static void copy_durable(struct journal_request *request)
{
    struct copy *c = container_of(request, struct copy, request);
    struct replica *r = c->relocation->replica;

    if (--c->relocation->n_waiting > 0)
        return;
    relocation_end(r);
    replica_settle(r);
}

/* A checkpoint may have come meanwhile: what it covers needs no copy. */
static void journal_copies(struct replica *r)
{
    struct replica_relocation *m = r->relocation;
    uint32_t prev_checksum = m->prev_checksum;

    for (uint32_t i = 0; i < m->n_live; i++)
        m->n_waiting += m->copies[i].request.index > r->checkpoint_index;
    for (uint32_t i = 0; i < m->n_live; i++) {
        struct copy *c = &m->copies[i];

        c->relocation = m;
        c->request.kind = JOURNAL_RELOCATED;
        c->request.group = r->group;
        c->request.prev_checksum = prev_checksum;
        if (c->buf == NULL)
            c->request.data[0] = slice_make(m->data + c->at, c->size);
        c->request.done = copy_durable;
        prev_checksum = c->request.checksum;
        if (c->request.index > r->checkpoint_index)
            journal_append(r->shard->journal, &c->request);
    }
    if (m->n_waiting == 0)
        relocation_end(r);
}

static void loaded(struct replica *r)
{
    struct replica_relocation *m = r->relocation;

    m->loading = false;
    r->shard->loading_size -= m->charged;
    if (disk_is_shortage(m->error)) /* another look at what pins the files tries again */
        GQ_MARK(REPLICA_RELOCATION_PUT_OFF);
    else if (m->error != 0)
        replica_fatal_text(r, m->error, m->load.err.text);
    if (m->error != 0 || r->destroyed || r->shard->dead)
        relocation_end(r);
    else
        journal_copies(r);
    replica_settle(r);
}

static void load_run(struct lane_work *work)
{
    struct replica_relocation *m = container_of(work, struct replica_relocation, work);

    log_load_run(&m->load);
}

static void load_done(struct lane_work *work)
{
    struct replica_relocation *m = container_of(work, struct replica_relocation, work);
    struct replica *r = m->replica;

    m->error = m->load.error;
    log_load_done(&m->load);
    loaded(r);
    if (!r->destroyed)
        replica_store_continue(r); /* files may have waited for this reader to go */
}

static void load(struct replica *r, uint64_t first, uint64_t last)
{
    struct replica_relocation *m = r->relocation;

    m->load.fn = copy_from_segment;
    m->load.ctx = m;
    log_load_prepare(r->log, &m->load, first, last);
    m->work.run = load_run;
    m->work.done = load_done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &m->work);
}

/* With several voters more is flushed than applied, and stays so for as long as they don't agree. */
static uint64_t last_flushed(const struct replica *r)
{
    uint32_t n = r->peers != NULL ? tail_count(&r->tail) : 0;

    while (n > 0 && !tail_at(&r->tail, n - 1)->flushed)
        n--;
    return n > 0 ? MAX(r->applied_index, tail_at(&r->tail, n - 1)->index) : r->applied_index;
}

bool replica_can_relocate(const struct replica *r)
{
    return r->relocation == NULL && !r->destroyed && !r->shard->dead && last_flushed(r) > r->checkpoint_index &&
           r->checkpoint_index + 1 >= log_first_index(r->log);
}

uint64_t replica_relocation_size(const struct replica *r)
{
    return journal_relocation_size(last_flushed(r) - r->checkpoint_index, replica_unstored_bytes(r));
}

void replica_relocation_cut(struct replica *r, uint64_t from)
{
    struct replica_relocation *m = r->relocation;

    if (m != NULL)
        m->n_live = (uint32_t)MIN((uint64_t)m->n_live, from - MIN(from, m->first_index));
}

void replica_relocate(struct replica *r)
{
    uint64_t first = r->checkpoint_index + 1, stored = log_end(r->log).index;
    uint64_t last = last_flushed(r);
    uint32_t n = (uint32_t)(last - r->checkpoint_index);
    struct replica_relocation *m = xcalloc(1, sizeof(*m) + n * sizeof(m->copies[0]));

    gq_assert(replica_can_relocate(r));
    GQ_MARK(REPLICA_RELOCATED);
    m->replica = r;
    m->first_index = first;
    m->prev_checksum = r->checkpoint_checksum;
    m->n = m->n_live = n;
    m->charged = replica_relocation_size(r);
    m->loading = true;
    r->relocation = m;
    if (r->shard->n_relocations == 0)
        r->shard->relocated_ns = r->shard->now_ns;
    r->shard->loading_size += m->charged;
    r->shard->n_relocations++;
    for (uint64_t i = MAX(first, stored + 1); i <= last; i++)
        copy_from_tail(m, tail_by_index(&r->tail, i));
    if (first <= stored)
        load(r, first, stored);
    else
        loaded(r);
}
