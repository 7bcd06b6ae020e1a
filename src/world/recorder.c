/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "history/history.h"
#include "world/internal.h"

/* What clients did, for history/, which judges it at the end of a run. The order of calls is the order in which it
 * happened: an operation begins before its request is queued and ends when its answer is taken. */

/* Where a client's next poll begins, as far as it went on from its last one. */
struct reading {
    uint32_t place; /* HISTORY_NONE: nowhere */
    int64_t next;
    int64_t stable; /* as its last answer told */
};

struct recorder {
    struct world *world;
    struct history *history;
    uint64_t n_operations;
    struct reading readings[WORLD_MAX_CLIENTS];
    struct history_record *records; /* of the poll or send at hand */
    size_t n_records, capacity;
    struct wr line;
};

struct recorder *recorder_new(struct world *w)
{
    struct recorder *k = xcalloc(1, sizeof(*k));
    struct history_rules rules = { .max_findings = 1 };

    k->world = w;
    k->history = history_new(&rules);
    for (unsigned i = 0; i < WORLD_MAX_CLIENTS; i++)
        k->readings[i].place = HISTORY_NONE;
    wr_init_growing(&k->line, 256, HISTORY_MAX_LINE_BYTES);
    return k;
}

void recorder_free(struct recorder *k)
{
    if (k == NULL)
        return;
    history_free(k->history);
    wr_fini(&k->line);
    free(k->records);
    free(k);
}

uint32_t recorder_place(struct recorder *k, const char *topic, unsigned life, int32_t partition)
{
    char name[40];

    /* A topic that is made again is another one. */
    if (life == 1)
        snprintf(name, sizeof(name), "%s/%" PRId32, topic, partition);
    else
        snprintf(name, sizeof(name), "%s.%u/%" PRId32, topic, life, partition);
    return history_place(k->history, slice_str(name));
}

/* ---- Events ---- */

static void add(struct recorder *k, const struct history_event *e)
{
    struct error_text err;
    uint32_t column;

    if (k->world->options.history != NULL) {
        wr_reset(&k->line);
        history_format(k->history, e, &k->line);
        k->world->options.history(k->world->options.history_ctx, (const char *)k->line.start, wr_size(&k->line));
    }
    if (history_add(k->history, e, &err, &column) < 0)
        world_fail(k->world, "the history can be", "%s", err.text);
}

static uint64_t invoke(struct recorder *k, struct history_event *e)
{
    e->kind = HISTORY_INVOKE;
    e->id = ++k->n_operations;
    add(k, e);
    return e->id;
}

void recorder_end(struct recorder *k, uint64_t op, enum history_kind kind)
{
    add(k, &(struct history_event){ .kind = kind, .id = op });
}

static void note_record(struct recorder *k, const struct history_record *r)
{
    if (k->n_records == k->capacity) {
        k->capacity = MAX(k->capacity * 2, (size_t)64);
        k->records = xrealloc(k->records, k->capacity * sizeof(*k->records));
    }
    k->records[k->n_records++] = *r;
}

/* ---- Producers ---- */

uint64_t recorder_send(struct recorder *k, const struct recorder_send *send)
{
    struct history_event e = {
        .verb = HISTORY_SEND,
        .client = send->client,
        .place = send->partition->place,
        .may_repeat = send->producer_id < 0,
    };

    if (send->producer_id >= 0) {
        e.has = HISTORY_HAS_PRODUCER;
        e.producer_id = (uint64_t)send->producer_id;
        e.epoch = (uint32_t)send->epoch;
        e.sequence = (uint64_t)send->sequence;
    }
    k->n_records = 0;
    for (int32_t i = 0; i < send->count; i++)
        note_record(k, &(struct history_record){ .value = send->id + (uint64_t)i });
    e.records = k->records;
    e.n_records = k->n_records;
    return invoke(k, &e);
}

void recorder_sent(struct recorder *k, uint64_t op, int64_t offset)
{
    add(k, &(struct history_event){
               .kind = HISTORY_OK,
               .verb = HISTORY_SEND,
               .id = op,
               .has = offset >= 0 ? HISTORY_HAS_OFFSET : 0,
               .offset = offset,
           });
}

/* ---- Readers ---- */

static void seek(struct recorder *k, unsigned client, const struct partition *p, int64_t offset)
{
    struct history_record r = { .place = p->place, .offset = offset };
    uint64_t op =
        invoke(k, &(struct history_event){ .verb = HISTORY_SEEK, .client = client, .records = &r, .n_records = 1 });

    k->readings[client] = (struct reading){ p->place, offset, -1 };
    recorder_end(k, op, HISTORY_OK);
}

uint64_t recorder_poll(struct recorder *k, unsigned client, const struct partition *p, int64_t offset)
{
    const struct reading *at = &k->readings[client];

    if (at->place != p->place || at->next != offset)
        seek(k, client, p, offset);
    return invoke(k, &(struct history_event){ .verb = HISTORY_POLL, .client = client, .is_raw = true });
}

void recorder_begin_records(struct recorder *k)
{
    k->n_records = 0;
}

void recorder_note(struct recorder *k, const struct partition *p, int64_t offset, uint64_t value)
{
    note_record(k, &(struct history_record){ .place = p->place, .offset = offset, .value = value });
}

void recorder_polled(struct recorder *k, uint64_t op, unsigned client, int64_t next, int64_t stable)
{
    k->readings[client].next = next;
    k->readings[client].stable = stable;
    add(k, &(struct history_event){
               .kind = HISTORY_OK,
               .verb = HISTORY_POLL,
               .id = op,
               .records = k->records,
               .n_records = k->n_records,
           });
}

void recorder_not_polled(struct recorder *k, uint64_t op, unsigned client, enum history_kind kind)
{
    k->readings[client].place = HISTORY_NONE;
    recorder_end(k, op, kind);
}

uint64_t recorder_list(struct recorder *k, unsigned client, const struct partition *p)
{
    return invoke(k, &(struct history_event){ .verb = HISTORY_LIST, .client = client, .place = p->place });
}

static void listed(struct recorder *k, uint64_t op, enum history_verb verb, int64_t start, int64_t end, int64_t stable)
{
    struct history_event e = {
        .kind = HISTORY_OK, .verb = verb, .id = op, .start = start, .end = end, .stable = stable
    };

    e.has = (start >= 0 ? HISTORY_HAS_START : 0) | (end >= 0 ? HISTORY_HAS_END : 0) |
            (stable >= 0 ? HISTORY_HAS_STABLE : 0);
    add(k, &e);
}

void recorder_listed(struct recorder *k, uint64_t op, int64_t start, int64_t end, int64_t stable)
{
    listed(k, op, HISTORY_LIST, start, end, stable);
}

void recorder_drain(struct recorder *k, unsigned client, const struct partition *p, int64_t start, int64_t end)
{
    const struct reading *at = &k->readings[client];
    uint64_t op = invoke(k, &(struct history_event){ .verb = HISTORY_DRAIN, .client = client, .place = p->place });

    listed(k, op, HISTORY_DRAIN, start, end, at->place == p->place ? at->stable : -1);
}

/* ---- What else holds ---- */

void recorder_delete(struct recorder *k, unsigned client, const struct partition *p, int64_t offset)
{
    struct history_record r = { .place = p->place, .offset = offset };
    uint64_t op =
        invoke(k, &(struct history_event){ .verb = HISTORY_DELETE, .client = client, .records = &r, .n_records = 1 });

    /* What became of it doesn't matter: from now on they may be gone. */
    recorder_end(k, op, HISTORY_INFO);
}

void recorder_leader(struct recorder *k, unsigned client, const struct partition *p, int32_t epoch, uint32_t life)
{
    uint64_t op = invoke(k, &(struct history_event){ .verb = HISTORY_LEADER, .client = client, .place = p->place });

    add(k, &(struct history_event){
               .kind = HISTORY_OK,
               .verb = HISTORY_LEADER,
               .id = op,
               .node = life,
               .epoch = (uint32_t)epoch,
           });
}

void recorder_judge(struct recorder *k)
{
    const struct history_finding *f;
    size_t n;

    if (history_judge(k->history) == 0)
        return;
    f = history_findings(k->history, &n);
    world_fail(k->world, "the history holds", "%s: %s", history_anomaly_name(f[0].anomaly), f[0].text);
}
