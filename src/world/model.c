/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "world/faults.h"

static struct sent_record *record_of(struct model *m, uint64_t id)
{
    return id > 0 && id <= m->n_records ? &m->records[id - 1] : NULL;
}

static _printf_(3, 4) void fail_in(struct model *m, const struct partition *p, const char *fmt, ...);

static void fail_in(struct model *m, const struct partition *p, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    world_fail(m->world, "history", "%s-%d: %s", m->topics[p->topic].name, p->index, text);
}

static unsigned machine_of_life(uint32_t life)
{
    return life >> 24;
}

static void fail_elsewhere(struct model *m, const struct partition *p, uint64_t id, int64_t offset)
{
    fail_in(m, p, "record %" PRIu64 " was acknowledged at offset %" PRId64 ", and is elsewhere", id, offset);
}

/* ---- What clients send ---- */

bool model_is_replicated(const struct model *m, const struct partition *p)
{
    return m->topics[p->topic].n_replicas > 1 || p->moved;
}

struct partition *model_partition(struct model *m, unsigned topic, int32_t partition)
{
    return m->topics[topic].partitions[partition];
}

static void new_partitions(struct model *m, struct topic *t)
{
    t->n_lives++;
    for (int32_t i = 0; i < t->n_partitions; i++) {
        struct partition *p = xcalloc(1, sizeof(*p));

        p->topic = (unsigned)(t - m->topics);
        p->index = i;
        p->place = recorder_place(m->world->recorder, t->name, t->n_lives, i);
        p->start_asked = t->has_retention || t->may_retain ? INT64_MAX : 0;
        list_init(&p->link);
        list_append(&m->partitions, &p->link);
        t->partitions[i] = p;
        if (p->start_asked == INT64_MAX)
            recorder_delete(m->world->recorder, 0, p, -1);
    }
}

void model_delete_topic(struct model *m, struct topic *t)
{
    t->state = TOPIC_DELETING;
    for (int32_t i = 0; i < t->n_partitions; i++)
        if (!t->partitions[i]->gone) {
            recorder_delete(m->world->recorder, 0, t->partitions[i], -1);
            t->partitions[i]->gone = true;
        }
}

void model_begin_topic(struct model *m, struct topic *t)
{
    t->state = TOPIC_LIVE;
    if (t->partitions[0]->gone)
        new_partitions(m, t);
}

uint64_t model_add(struct model *m, struct partition *p, unsigned producer, bool once)
{
    if (m->n_records == m->records_capacity) {
        m->records_capacity = MAX(m->records_capacity * 2, (size_t)256);
        m->records = xrealloc(m->records, m->records_capacity * sizeof(*m->records));
    }
    m->records[m->n_records++] = (struct sent_record){
        .partition = p,
        .acked_offset = -1,
        .once = once,
        .producer = (uint8_t)producer,
    };
    return m->n_records;
}

void model_sent(struct model *m, uint64_t id, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        record_of(m, id + (uint64_t)i)->tries++;
}

void model_fenced(struct model *m, uint64_t id)
{
    record_of(m, id)->fenced = true;
}

void model_refused(struct model *m, uint64_t id, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct sent_record *r = record_of(m, id + (uint64_t)i);

        if (--r->tries < r->copies)
            fail_in(m, r->partition, "record %" PRIu64 " is in the log, and its producer was told that it isn't",
                    id + (uint64_t)i);
    }
}

void model_acked(struct model *m, uint64_t id, int32_t count, int64_t offset, uint32_t life)
{
    struct partition *p = record_of(m, id)->partition;

    world_step(m->world, WORLD_STEP_ACKED, record_of(m, id)->producer, (int64_t)id, offset);
    for (int32_t i = 0; i < count; i++) {
        struct sent_record *r = record_of(m, id + (uint64_t)i);

        r->acked = true;
        r->life = life;
        if (offset >= 0) {
            r->acked_offset = offset + i;
            model_saw(m, p, offset + i, id + (uint64_t)i, false);
        }
    }
    if (offset >= 0)
        p->high_watermark = MAX(p->high_watermark, offset + count);
}

void model_acked_alone(struct model *m, uint64_t id, int32_t count, int64_t offset, int32_t epoch)
{
    world_step(m->world, WORLD_STEP_ACKED, record_of(m, id)->producer, (int64_t)id, offset);
    for (int32_t i = 0; i < count; i++) {
        struct sent_record *r = record_of(m, id + (uint64_t)i);
        const struct partition *p = r->partition;
        int64_t at = offset + i;

        r->acked_alone = true;
        r->alone_epoch = epoch;
        r->acked_offset = at;
        if (r->tries == 1 && r->copies > 0 && (at >= (int64_t)p->n_log || p->log[at] != id + (uint64_t)i))
            fail_elsewhere(m, p, id + (uint64_t)i, at);
    }
}

/* ---- What they see ---- */

static void grow_log(struct partition *p, size_t n)
{
    if (n > p->log_capacity) {
        size_t capacity = MAX(n, MAX(p->log_capacity * 2, (size_t)256));

        capacity = ALIGN_UP(capacity, 64);
        p->log = xrealloc(p->log, capacity * sizeof(*p->log));
        p->read = xrealloc(p->read, capacity / 8);
        memset(p->log + p->log_capacity, 0, (capacity - p->log_capacity) * sizeof(*p->log));
        memset(p->read + p->log_capacity / 64, 0, (capacity - p->log_capacity) / 8);
        p->log_capacity = capacity;
    }
    p->n_log = MAX(p->n_log, n);
}

/* It was sent once, so there is no second one. */
static bool is_elsewhere(const struct sent_record *r, int64_t offset)
{
    return r->acked_alone && r->tries == 1 && r->acked_offset != offset;
}

static void note_copy(struct model *m, struct partition *p, int64_t offset, uint64_t id, struct sent_record *r)
{
    p->log[offset] = id;
    r->copies++;
    if (r->copies > r->tries)
        fail_in(m, p, "record %" PRIu64 " is at offset %" PRId64 ", which makes %u copies of %u tries", id, offset,
                r->copies, r->tries);
    else if (r->once && r->copies > 1)
        fail_in(m, p, "duplicate: record %" PRIu64 " of an idempotent producer is at offset %" PRId64 " too", id,
                offset);
    else if (is_elsewhere(r, offset))
        fail_elsewhere(m, p, id, r->acked_offset);
}

/* A request that was on its way when its topic was deleted may reach the next topic of that name. */
static bool is_late(const struct partition *p, const struct sent_record *r)
{
    return r->partition->gone && r->partition->topic == p->topic && r->partition->index == p->index;
}

bool model_knows(const struct partition *p, int64_t offset, uint64_t id)
{
    return offset >= 0 && offset < (int64_t)p->n_log && p->log[offset] == id;
}

void model_saw(struct model *m, struct partition *p, int64_t offset, uint64_t id, bool in_audit)
{
    struct sent_record *r = record_of(m, id);

    if (p->gone)
        return;
    if (r != NULL && r->partition != p && is_late(p, r)) {
        r->partition = p;
        r->copies = 0;
        r->tries += r->fenced; /* the next topic knows of no producer */
        r->once = r->acked = false;
        r->late = true;
    }
    if (r == NULL || r->partition != p) {
        fail_in(m, p, "offset %" PRId64 " has record %" PRIu64 ", which nobody sent here", offset, id);
        return;
    }
    grow_log(p, (size_t)offset + 1);
    if (p->log[offset] == 0)
        note_copy(m, p, offset, id, r);
    else if (p->log[offset] != id)
        fail_in(m, p, "offset %" PRId64 " had record %" PRIu64 ", now it has %" PRIu64, offset, p->log[offset], id);
    if (in_audit)
        p->read[offset / 64] |= UINT64_C(1) << (offset % 64);
}

bool model_is_late(const struct model *m, uint64_t id)
{
    return id > 0 && id <= m->n_records && m->records[id - 1].late;
}

bool model_is_refused(const struct model *m, uint64_t id)
{
    return id > 0 && id <= m->n_records && m->records[id - 1].tries == 0;
}

/* Nobody else leads in an epoch. Only a record that was sent once tells who wrote it. */
void model_saw_epoch(struct model *m, struct partition *p, int64_t offset, int32_t epoch)
{
    const struct sent_record *r = offset < (int64_t)p->n_log ? record_of(m, p->log[offset]) : NULL;
    uint32_t *life;

    if (p->gone || r == NULL || !r->acked || r->tries != 1 || epoch < 0 || epoch >= MODEL_EPOCHS)
        return;
    life = &p->epoch_lives[epoch];
    if (*life != r->life)
        recorder_leader(m->world->recorder, r->producer, p, epoch, r->life);
    if (*life == 0)
        *life = r->life;
    else if (*life != r->life)
        fail_in(m, p, "two lives, %u and %u, wrote in epoch %d", *life, r->life, epoch);
}

struct floor model_floor(const struct model *m, const struct partition *p, uint32_t life)
{
    const struct told *t = &p->told[machine_of_life(life)];

    if (!model_is_replicated(m, p))
        return (struct floor){ p->high_watermark, p->log_start, life };
    return t->life == life ? (struct floor){ t->high_watermark, t->log_start, life } : (struct floor){ 0, 0, life };
}

/* What is committed, whether anybody was told or not: somebody has applied it. */
static int64_t committed_end(const struct model *m, const struct partition *p)
{
    const struct world *w = m->world;
    int64_t end = 0;

    for (unsigned i = 0; i < w->n_machines; i++)
        if (machine_is_up(w->machines[i]))
            end = MAX(end, node_high_watermark(w->machines[i]->node, &m->topics[p->topic].id, p->index));
    return end;
}

struct floor model_floor_of_end(const struct model *m, const struct partition *p, uint32_t life)
{
    struct floor floor = model_floor(m, p, life);

    floor.high_watermark = MAX(p->high_watermark, committed_end(m, p));
    return floor;
}

static void note_told(struct partition *p, uint32_t life, int64_t high_watermark, int64_t log_start)
{
    struct told *t = &p->told[machine_of_life(life)];

    if (t->life != life)
        *t = (struct told){ .life = life };
    t->high_watermark = MAX(t->high_watermark, high_watermark);
    t->log_start = MAX(t->log_start, log_start);
}

void model_told(struct model *m, struct partition *p, const struct floor *floor, int64_t high_watermark,
                int64_t log_start)
{
    if (p->gone)
        return;
    if (high_watermark >= 0 && high_watermark < floor->high_watermark)
        fail_in(m, p, "the high watermark went back from %" PRId64 " to %" PRId64, floor->high_watermark,
                high_watermark);
    if (log_start >= 0 && log_start < floor->log_start)
        fail_in(m, p, "the log start went back from %" PRId64 " to %" PRId64, floor->log_start, log_start);
    if (log_start > p->start_asked)
        fail_in(m, p, "the log start is %" PRId64 ", nobody asked for more than %" PRId64, log_start, p->start_asked);
    p->high_watermark = MAX(p->high_watermark, high_watermark);
    p->log_start = MAX(p->log_start, log_start);
    note_told(p, floor->life, high_watermark, log_start);
}

/* ---- Audit ---- */

void model_begin_audit(struct model *m)
{
    for (unsigned t = 0; t < m->n_topics; t++)
        for (int32_t i = 0; i < m->topics[t].n_partitions; i++) {
            struct partition *p = m->topics[t].partitions[i];

            if (p->read != NULL)
                memset(p->read, 0, p->log_capacity / 8);
        }
}

/* Records of one producer stand in the order in which it sent them. */
static void check_order(struct model *m, struct partition *p, int64_t start, int64_t end)
{
    uint64_t last[WORLD_MAX_CLIENTS] = { 0 };

    for (int64_t o = start; o < end; o++) {
        const struct sent_record *r = record_of(m, p->log[o]);

        if (r == NULL || !r->once)
            continue;
        if (p->log[o] < last[r->producer])
            fail_in(m, p, "record %" PRIu64 " at offset %" PRId64 " stands behind %" PRIu64 " of the same producer",
                    p->log[o], o, last[r->producer]);
        last[r->producer] = p->log[o];
    }
}

static void check_acked(struct model *m, struct partition *p)
{
    for (uint64_t id = 1; id <= m->n_records; id++) {
        const struct sent_record *r = &m->records[id - 1];

        if (r->partition == p && r->acked && r->copies == 0)
            fail_in(m, p, "lost write: record %" PRIu64 " was acknowledged and is nowhere", id);
    }
}

/* Who leads still has what it acknowledged by itself. Returns a record that it hasn't; 0: there is none. */
uint64_t model_find_unseen(const struct model *m, const struct partition *p)
{
    for (uint64_t id = 1; p->start_asked == 0 && id <= m->n_records; id++) {
        const struct sent_record *r = &m->records[id - 1];

        if (r->partition == p && r->acked_alone && r->copies == 0 && p->leader_epoch <= r->alone_epoch)
            return id;
    }
    return 0;
}

static void check_acked_alone(struct model *m, struct partition *p)
{
    uint64_t id = model_find_unseen(m, p);

    if (id != 0)
        fail_in(m, p, "lost write: record %" PRIu64 " was acknowledged by who leads still, and is nowhere", id);
}

void model_end_audit(struct model *m, struct partition *p, int64_t start, int64_t end)
{
    for (int64_t o = start; o < (int64_t)p->n_log; o++) {
        bool read = (p->read[o / 64] >> (o % 64) & 1) != 0;

        if (p->log[o] != 0 && !read)
            fail_in(m, p,
                    "lost write: record %" PRIu64 " was at offset %" PRId64 ", the log has %" PRId64 " to %" PRId64,
                    p->log[o], o, start, end);
        else if (o < end && !read)
            fail_in(m, p, "hole: offset %" PRId64 " between %" PRId64 " and %" PRId64 " can't be read", o, start, end);
    }
    if (end > MAX((int64_t)p->n_log, start)) /* what nobody saw may be gone again */
        fail_in(m, p, "the log ends at %" PRId64 ", records end at %zu", end, p->n_log);
    else if (!world_has_failed(m->world))
        check_order(m, p, start, end);
    if (p->start_asked == 0)
        check_acked(m, p);
    check_acked_alone(m, p);
}

/* ---- Life ---- */

struct model *model_new(struct world *w)
{
    struct model *m = xcalloc(1, sizeof(*m));

    m->world = w;
    list_init(&m->partitions);
    m->n_topics = 1 + (unsigned)sim_prng_below(&w->prng, 3);
    for (unsigned t = 0; t < m->n_topics; t++) {
        struct topic *topic = &m->topics[t];

        snprintf(topic->name, sizeof(topic->name), "t%u", t);
        topic->n_replicas = topic->min_insync = 1;
        topic->n_partitions = 1 + (int32_t)sim_prng_below(&w->prng, WORLD_MAX_PARTITIONS);
        topic->has_retention = sim_prng_chance(&w->prng, 1, 2) && world_has_fault(w, WORLD_FAULT_RETENTION);
        new_partitions(m, topic);
    }
    return m;
}

void model_draw_replicas(struct model *m, struct sim_prng *prng)
{
    for (unsigned t = 0; t < m->n_topics; t++) {
        struct topic *topic = &m->topics[t];

        if (sim_prng_chance(prng, 1, 5) && !wipe_may_come(m->world)) /* it would be gone */
            continue;
        topic->n_replicas = (int16_t)MIN(m->world->n_machines, 3u);
        topic->min_insync = (int16_t)(1 + sim_prng_below(prng, 8));
        if (topic->min_insync > topic->n_replicas)
            topic->min_insync = 2;
    }
}

void model_rename_topic(struct model *m, struct topic *t)
{
    if (m->world->n_machines > 1)
        snprintf(t->name, sizeof(t->name), "t%u.%u", (unsigned)(t - m->topics), t->n_lives + 1);
}

void model_free(struct model *m)
{
    struct partition *p, *tmp;

    if (m == NULL)
        return;
    list_foreach_safe (&m->partitions, p, tmp, link) {
        free(p->log);
        free(p->read);
        free(p);
    }
    free(m->records);
    free(m);
}
