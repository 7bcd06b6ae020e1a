/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>

#include "base/mark.h"
#include "replica/internal.h"

/* The core's messages on their way out. Entries of an APPEND come from memory where they are there, with a reference
 * on their buffers; older ones are read back from the segments by a worker first. */

/* What a message waits for. */
struct reading {
    struct lane_work work;
    struct list link; /* peers->loads */
    struct replica *replica;
    struct replica_message *message;
};

struct replica_load {
    struct reading reading;
    struct log_load load;
    uint32_t n;            /* entries that are here */
    size_t size, capacity; /* of the message's data */
};

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

static void reading_begin(struct reading *d, struct replica *r, struct replica_message *m,
                          void (*run)(struct lane_work *work), void (*done)(struct lane_work *work))
{
    d->replica = r;
    d->message = m;
    list_append(&r->peers->loads, &d->link);
    d->work.run = run;
    d->work.done = done;
    lane_submit(r->shard->env->lane, LANE_POOL, r->shard->shard, &d->work);
}

/* The message is the caller's. */
static struct replica_message *reading_end(struct reading *d)
{
    list_remove(&d->link);
    return TAKE_PTR(d->message);
}

static void goes_on(struct replica *r)
{
    if (r->destroyed)
        replica_settle(r);
    else
        replica_store_continue(r); /* files may have waited for this reader to go */
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

/* The core says how many entries a message has by an average, and there may be large ones behind many small ones. Then
 * they leave as several messages. So much is read at most; what is beyond isn't sent: the follower refuses the next
 * one, and tells where it is. */
#define LOAD_MAX_BYTES REPLICA_APPEND_MAX_BYTES
#define LOADED_ENOUGH 1

static size_t entry_size(const struct replica_message_entry *e)
{
    return e->head.size + e->batches.size;
}

/* On the worker. Places are given when all are there: data may move. */
static int load_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct replica_load *l = ctx;
    struct replica_message *m = l->reading.message;

    gq_assert(index == m->raft.index + 1 + l->n);
    if (l->n > 0 && l->size + size > LOAD_MAX_BYTES)
        return LOADED_ENOUGH;
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
    log_load_run(&container_of(work, struct replica_load, reading.work)->load);
}

static void cut_message(struct replica_message *m, uint32_t n)
{
    for (uint32_t i = n; i < m->raft.n_entries; i++)
        buf_unref(TAKE_PTR(m->entries[i].buf));
    m->raft.n_entries = n;
}

/* How many entries from `first` on go into one message. */
static uint32_t fitting(const struct replica_message *m, uint32_t first, uint32_t limit)
{
    size_t bytes = 0;
    uint32_t n = 0;

    while (first + n < m->raft.n_entries) {
        bytes += entry_size(&m->entries[first + n]);
        if (n > 0 && bytes > limit)
            break;
        n++;
    }
    return n;
}

/* These entries of m as a message of their own, with a copy of those that lie in m's data. */
static struct replica_message *message_of(const struct replica *r, const struct replica_message *m, uint32_t first,
                                          uint32_t n)
{
    struct raft_message raft = m->raft;
    struct replica_message *part;
    size_t size = 0;

    raft.index += first;
    raft.log_term = first > 0 ? m->entries[first - 1].term : raft.log_term;
    raft.n_entries = n;
    part = message_new(r, &raft);
    memcpy(part->entries, m->entries + first, n * sizeof(part->entries[0]));
    for (uint32_t i = 0; i < n; i++)
        size += part->entries[i].buf == NULL ? part->entries[i].head.size : 0;
    part->data = size > 0 ? xmalloc(size) : NULL;
    size = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct replica_message_entry *e = &part->entries[i];

        if (e->buf != NULL) {
            buf_ref(e->buf);
            continue;
        }
        memcpy(part->data + size, e->head.data, e->head.size);
        e->head.data = part->data + size;
        size += e->head.size;
    }
    return part;
}

static void send_all(struct replica *r, struct replica_message *m)
{
    uint32_t limit = replica_append_bytes(r->shard), n = fitting(m, 0, limit);

    if (n == m->raft.n_entries) {
        r->shard->send(r->shard->ctx, m);
        return;
    }
    for (uint32_t first = 0; first < m->raft.n_entries; first += n) {
        n = fitting(m, first, limit);
        r->shard->send(r->shard->ctx, message_of(r, m, first, n));
    }
    replica_message_free(m);
}

static void load_done(struct lane_work *work)
{
    struct replica_load *l = container_of(work, struct replica_load, reading.work);
    struct replica_message *m = reading_end(&l->reading);
    struct replica *r = l->reading.replica;
    int err = l->load.error;
    size_t at = 0;

    log_load_done(&l->load);
    for (uint32_t i = 0; i < l->n; i++) {
        m->entries[i].head.data = m->data + at;
        at += m->entries[i].head.size;
    }
    if (err != 0 && l->n > 0) { /* enough; or what the next message begins with can't be read */
        cut_message(m, l->n);
        err = 0;
    }
    /* Else it is lost, as messages may be. */
    if (err != 0 && !disk_is_shortage(err) && replica_has_core(r) && !r->shard->dead)
        replica_lead_unreadable(r, m->raft.index + 1, l->load.err.text);
    free(l);
    if (err != 0 || !replica_has_core(r) || r->shard->dead)
        replica_message_free(m);
    else
        send_all(r, m);
    goes_on(r);
}

/* The core takes a message for lost when it hears nothing of it for long, but it may only wait for a worker: what it
 * sends again would wait behind that, and again, for as long as a slow disk takes. */
static bool is_loading(const struct replica *r, const struct replica_message *m)
{
    const struct reading *d;
    unsigned n = 0;

    list_foreach (&r->peers->loads, d, link)
        if (d->message->raft.to == m->raft.to && (d->message->raft.index == m->raft.index || ++n == RAFT_WINDOW))
            return true;
    return false;
}

static void load(struct replica *r, struct replica_message *m, uint64_t last)
{
    struct replica_load *l;

    if (is_loading(r, m) || replica_is_unreadable(r, m->raft.index + 1)) {
        replica_message_free(m);
        return;
    }
    GQ_MARK(REPLICA_READ_BACK);
    l = xcalloc(1, sizeof(*l));
    l->load.fn = load_entry;
    l->load.ctx = l;
    log_load_prepare(r->log, &l->load, m->raft.index + 1, last);
    reading_begin(&l->reading, r, m, load_run, load_done);
}

/* ---- From memory ---- */

void replica_send_append(struct replica *r, const struct raft_message *from)
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

/* ---- Images ---- */

#define MS 1000000ull

/* So long one may be on its way, and a millisecond more for each KiB. */
#define IMAGE_MS 3000u

struct image_load {
    struct reading reading;
    struct log_image image;
};

struct image_sent {
    struct list link;
    int32_t peer;
    uint64_t deadline_ns;
};

static void note_sent(struct replica *r, const struct replica_message *m, size_t size)
{
    struct image_sent *s = xcalloc(1, sizeof(*s));

    s->peer = m->raft.to;
    s->deadline_ns = r->shard->now_ns + (IMAGE_MS + size / 1024) * MS;
    list_append(&r->peers->sent, &s->link);
    replica_note_imaging(r);
}

/* One that did arrive is of no interest to the core any more. */
uint64_t replica_sent_poll(struct replica *r)
{
    struct image_sent *s, *tmp;
    uint64_t next = UINT64_MAX;

    list_foreach_safe (&r->peers->sent, s, tmp, link) {
        int32_t peer = s->peer;

        if (s->deadline_ns > r->shard->now_ns) {
            next = MIN(next, s->deadline_ns);
            continue;
        }
        list_remove(&s->link);
        free(s);
        replica_image_lost(r, peer);
    }
    return next;
}

void replica_sent_forget(struct replica_peers *peers)
{
    struct list *link;

    while ((link = list_pop(&peers->sent)) != NULL)
        free(list_entry(link, struct image_sent, link));
}

static void image_run(struct lane_work *work)
{
    log_image_read(&container_of(work, struct image_load, reading.work)->image);
}

static void send_loaded(struct replica *r, struct replica_message *m, const struct log_image *image, size_t size)
{
    m->image = xcalloc(1, sizeof(*m->image));
    m->image->next_offset = image->at.next_offset;
    m->image->checksum = image->at.checksum;
    m->image->log_start = r->durable_start;
    m->image->size = size;
    note_sent(r, m, size);
    r->shard->send(r->shard->ctx, m);
}

/* What isn't as of the very index can't be where a log begins: a start writes such one, with newer producers, where the
 * disk was full and the segment of the checkpoint had to go (log_set_no_room()). */
static bool is_sound(const struct replica *r, const struct replica_message *m, const struct log_image *image)
{
    return image->error == 0 && image->at.term == m->raft.log_term &&
           replica_snapshot_index(m->data, image->size) == m->raft.index && r->durable_start >= image->at.next_offset;
}

/* False: retention was faster, and the log begins elsewhere by now. */
static bool is_damaged(const struct replica *r, const struct replica_message *m, int err)
{
    return err != 0 && !disk_is_shortage(err) && (err != -ENOENT || log_first_index(r->log) == m->raft.index + 1);
}

static const char *why_unreadable(int err)
{
    return err == -EBADMSG        ? "its bytes are damaged"
           : err == LOG_E_VERSION ? "it was written by a newer version"
                                  : error_text(err);
}

static void tell_damaged(struct replica *r, const struct replica_message *m, int err)
{
    struct error_text text;

    error_setf(&text,
               "%s: the partition snapshot as of entry %" PRIu64 " can't be read: %s. A follower needs it. Check the "
               "disk, and put the .snapshot file of the first segment back from a backup",
               log_dir(r->log), m->raft.index, why_unreadable(err));
    replica_lead_unreadable(r, m->raft.index, text.text);
}

static void image_done(struct lane_work *work)
{
    struct image_load *l = container_of(work, struct image_load, reading.work);
    struct replica_message *m = reading_end(&l->reading);
    struct replica *r = l->reading.replica;
    size_t size = l->image.size;

    m->data = l->image.data;
    if (!replica_has_core(r) || r->shard->dead) {
        replica_message_free(m);
    } else if (is_sound(r, m, &l->image) && replica_snapshot_add_members(r, &m->data, &size)) {
        send_loaded(r, m, &l->image, size);
    } else {
        if (is_damaged(r, m, l->image.error))
            tell_damaged(r, m, l->image.error);
        note_sent(r, m, 0); /* so it isn't read again at once */
        replica_message_free(m);
    }
    free(l);
    goes_on(r);
}

static void send_image(struct replica *r, const struct raft_message *from)
{
    struct image_load *l = xcalloc(1, sizeof(*l));

    log_image_prepare(r->log, &l->image);
    l->image.at.index = from->index;
    reading_begin(&l->reading, r, message_new(r, from), image_run, image_done);
}

void replica_send(struct replica *r, const struct raft_update *u)
{
    for (uint32_t i = 0; i < u->n_messages; i++) {
        const struct raft_message *m = &u->messages[i];

        if (m->kind == RAFT_APPEND)
            replica_send_append(r, m);
        else if (m->kind == RAFT_SNAPSHOT)
            send_image(r, m);
        else
            r->shard->send(r->shard->ctx, message_new(r, m));
    }
}
