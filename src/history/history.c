/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life of a history, its tables of names and numbers, and the list of findings. */
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "history/internal.h"

#define DEFAULT_MAX_FINDINGS 100

static const char *const names[] = {
#define X(id, name, meaning) name,
    HISTORY_ANOMALIES(X)
#undef X
};

static const char *const meanings[] = {
#define X(id, name, meaning) meaning,
    HISTORY_ANOMALIES(X)
#undef X
};

const char *history_anomaly_name(enum history_anomaly a)
{
    return names[a];
}

const char *history_anomaly_meaning(enum history_anomaly a)
{
    return meanings[a];
}

void *table_grow_(void **at, size_t *n, size_t *capacity, size_t size)
{
    char *element;

    if (*n == *capacity) {
        *capacity = *capacity > 0 ? *capacity * 2 : 16;
        *at = xrealloc(*at, *capacity * size);
    }
    element = (char *)*at + (*n)++ * size;
    memset(element, 0, size);
    return element;
}

struct history *history_new(const struct history_rules *rules)
{
    struct history *h = xcalloc(1, sizeof(*h));

    h->rules = *rules;
    if (h->rules.max_findings == 0)
        h->rules.max_findings = DEFAULT_MAX_FINDINGS;
    return h;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->places.n; i++)
        free(h->places.at[i].name);
    for (size_t i = 0; i < h->findings.n; i++)
        free(h->findings.at[i].text);
    free(h->places.at);
    free(h->sends.at);
    free(h->values.at);
    free(h->txns.at);
    free(h->open.at);
    free(h->clients.at);
    free(h->positions.at);
    free(h->gaps.at);
    free(h->reads.at);
    free(h->txn_places.at);
    free(h->findings.at);
    map_fini(&h->place_of);
    map_fini(&h->open_of);
    map_fini(&h->value_of);
    map_fini(&h->located);
    map_fini(&h->txn_of);
    map_fini(&h->client_of);
    map_fini(&h->position_of);
    map_fini(&h->producer_of);
    map_fini(&h->txn_place_of);
    map_fini(&h->leader_of);
    map_fini(&h->leader_line_of);
    free(h);
}

static uint32_t place_add(struct history *h, struct slice name)
{
    struct place *p = table_add(&h->places);

    p->name = xstrndup((const char *)name.data, name.size);
    p->name_slice = slice_make(p->name, name.size);
    p->marks.top.offset = p->marks.start.offset = p->marks.end.offset = p->marks.stable.offset = -1;
    p->seen.offset = -1;
    return (uint32_t)h->places.n - 1;
}

uint32_t history_place(struct history *h, struct slice name)
{
    uint64_t hash = hash_bytes(name.data, name.size, 0);

    for (uint64_t turn = 0;; turn++) {
        bool is_new;
        uint32_t *found = map_add(&h->place_of, hash, turn, (uint32_t)h->places.n, &is_new);

        if (is_new)
            return place_add(h, name);
        if (slice_eq(h->places.at[*found].name_slice, name))
            return *found;
    }
}

const char *place_name(const struct history *h, uint32_t place)
{
    return h->places.at[place].name;
}

void report(struct history *h, enum history_anomaly anomaly, uint32_t place, int64_t offset, const uint32_t *lines,
            const char *fmt, ...)
{
    struct history_finding *f;
    va_list args;
    int r;

    if (h->counts[anomaly]++ >= h->rules.max_findings)
        return;
    f = table_add(&h->findings);
    f->anomaly = anomaly;
    f->place = place;
    f->offset = offset;
    while (f->n_lines < HISTORY_MAX_LINES && lines[f->n_lines] != 0) {
        f->lines[f->n_lines] = lines[f->n_lines];
        f->n_lines++;
    }
    va_start(args, fmt);
    r = vasprintf(&f->text, fmt, args);
    va_end(args);
    gq_assert(r >= 0);
}

const struct history_finding *history_findings(const struct history *h, size_t *ret_n)
{
    *ret_n = h->findings.n;
    return h->findings.at;
}

uint64_t history_count(const struct history *h, enum history_anomaly a)
{
    return h->counts[a];
}

uint64_t history_operations(const struct history *h)
{
    return h->n_operations;
}

static size_t map_bytes(const struct map *m)
{
    return m->n_slots * sizeof(*m->slots);
}

#define TABLE_BYTES(t) ((t).capacity * sizeof(*(t).at))

size_t history_memory_bytes(const struct history *h)
{
    return sizeof(*h) + TABLE_BYTES(h->places) + TABLE_BYTES(h->sends) + TABLE_BYTES(h->values) + TABLE_BYTES(h->txns) +
           TABLE_BYTES(h->open) + TABLE_BYTES(h->clients) + TABLE_BYTES(h->positions) + TABLE_BYTES(h->gaps) +
           TABLE_BYTES(h->reads) + TABLE_BYTES(h->txn_places) + TABLE_BYTES(h->findings) + map_bytes(&h->place_of) +
           map_bytes(&h->open_of) + map_bytes(&h->value_of) + map_bytes(&h->located) + map_bytes(&h->txn_of) +
           map_bytes(&h->client_of) + map_bytes(&h->position_of) + map_bytes(&h->producer_of) +
           map_bytes(&h->txn_place_of) + map_bytes(&h->leader_of) + map_bytes(&h->leader_line_of);
}
