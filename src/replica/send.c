/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

/* The core's messages on their way out. Entries of an APPEND come from memory where they are there, with a reference
 * on their buffers; older ones are read back from the segments by a worker first. */

struct replica_load {
    struct lane_work work;
    struct list link; /* peers->loads */
    struct log_load load;
    struct replica *replica;
    struct replica_message *message;
    uint32_t n;            /* entries that are here */
    size_t size, capacity; /* of the message's data */
};

void replica_message_free(struct replica_message *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        buf_unref(m->entries[i].buf);
    free(m->data);
    free(m);
}

static const struct replica_entry *in_memory(const struct replica *r, uint64_t index)
{
    const struct replica_entry *e = tail_by_index(&r->tail, index);

    return e != NULL ? e : tail_by_index(&r->kept, index);
}

/* The core counts what is on its way to a follower by this: an average does where nobody looks closer. */
uint32_t replica_size_of(const struct replica *r, uint64_t index)
{
    const struct replica_entry *e = in_memory(r, index);
    uint64_t n;

    if (e != NULL)
        return (uint32_t)replica_entry_size(e);
    n = log_end(r->log).index + 1 - log_first_index(r->log);
    return (uint32_t)MIN(log_size_bytes(r->log) / MAX(n, 1u) + ENTRY_HEADER_SIZE, (uint64_t)UINT32_MAX);
}

static struct replica_message *message_new(const struct replica *r, const struct raft_message *from)
{
    struct replica_message *m = xcalloc(1, sizeof(*m) + from->n_entries * sizeof(m->entries[0]));

    m->group = r->group;
    m->raft = *from;
    m->raft.entries = NULL;
    m->raft.config = NULL;
    return m;
}

/* ---- From segments ---- */

/* On the worker. Places are given when all are there: data may move. */
static int load_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct replica_load *l = ctx;
    struct replica_message *m = l->message;

    gq_assert(index == m->raft.index + 1 + l->n);
    if (l->size + size > l->capacity) {
        l->capacity = MAX(l->capacity * 2, l->size + size);
        m->data = xrealloc(m->data, l->capacity);
    }
    memcpy(m->data + l->size, data, size);
    l->size += size;
    m->entries[l->n++] = (struct replica_message_entry){ .term = term, .checksum = checksum, .head.size = size };
    return 0;
}

static void load_run(struct lane_work *work)
{
    struct replica_load *l = container_of(work, struct replica_load, work);

    log_load_run(&l->load);
}

static void load_done(struct lane_work *work)
{
    struct replica_load *l = container_of(work, struct replica_load, work);
    struct replica_message *m = TAKE_PTR(l->message);
    struct replica *r = l->replica;
    int err = l->load.error;
    size_t at = 0;

    log_load_done(&l->load);
    list_remove(&l->link);
    for (uint32_t i = 0; i < l->n; i++) {
        m->entries[i].head.data = m->data + at;
        at += m->entries[i].head.size;
    }
    free(l);
    if (err != 0 && !disk_is_shortage(err)) /* else it is lost, as messages may be */
        replica_fatal(r, err, "reading entries back for a follower");
    if (err != 0 || r->destroyed || r->shard->dead)
        replica_message_free(m);
    else
        r->shard->send(r->shard->ctx, m);
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r); /* files may have waited for this reader to go */
}

static void load(struct replica *r, struct replica_message *m, uint64_t last)
{
    struct replica_load *l = xcalloc(1, sizeof(*l));

    l->replica = r;
    l->message = m;
    l->load.fn = load_entry;
    l->load.ctx = l;
    log_load_prepare(r->log, &l->load, m->raft.index + 1, last);
    list_append(&r->peers->loads, &l->link);
    l->work.run = load_run;
    l->work.done = load_done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &l->work);
}

/* ---- From memory ---- */

static void send_append(struct replica *r, const struct raft_message *from)
{
    struct replica_message *m = message_new(r, from);
    uint64_t first = from->index + 1, last = from->index + from->n_entries, at = last;

    for (const struct replica_entry *e; at >= first && (e = in_memory(r, at)) != NULL; at--)
        m->entries[at - first] = (struct replica_message_entry){
            .term = e->term,
            .checksum = e->checksum,
            .head = e->head,
            .batches = e->batches,
            .buf = buf_ref(e->buf),
        };
    if (at < first)
        r->shard->send(r->shard->ctx, m);
    else
        load(r, m, at);
}

void replica_send(struct replica *r, const struct raft_update *u)
{
    for (uint32_t i = 0; i < u->n_messages; i++) {
        const struct raft_message *m = &u->messages[i];

        if (m->kind == RAFT_APPEND)
            send_append(r, m);
        else
            r->shard->send(r->shard->ctx, message_new(r, m));
    }
}
