/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event to a line of the text format, docs/history.md: what parse.c reads. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "history/internal.h"

static const char *const kinds[] = {
    [HISTORY_INVOKE] = "invoke",
    [HISTORY_OK] = "ok",
    [HISTORY_FAIL] = "fail",
    [HISTORY_INFO] = "info",
};

static const char *const verbs[] = {
#define X(id, name) name,
    HISTORY_VERBS(X)
#undef X
};

static _printf_(2, 3) void put(struct wr *out, const char *fmt, ...);

static void put(struct wr *out, const char *fmt, ...)
{
    char text[96];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    gq_assert(n >= 0 && (size_t)n < sizeof(text));
    wr_bytes(out, text, (size_t)n);
}

static void put_place(const struct history *h, uint32_t place, struct wr *out)
{
    struct slice name = h->places.at[place].name_slice;

    put(out, " ");
    wr_bytes(out, name.data, name.size);
}

static void put_positions(const struct history *h, const struct history_event *e, struct wr *out)
{
    for (size_t i = 0; i < e->n_records; i++) {
        put_place(h, e->records[i].place, out);
        if (e->records[i].offset >= 0)
            put(out, ":%" PRId64, e->records[i].offset);
    }
}

static void put_send(const struct history *h, const struct history_event *e, struct wr *out)
{
    put_place(h, e->place, out);
    for (size_t i = 0; i < e->n_records; i++)
        put(out, " %" PRIu64, e->records[i].value);
    if (e->has & HISTORY_HAS_PRODUCER)
        put(out, " pid=%" PRIu64 " epoch=%" PRIu32 " seq=%" PRIu64, e->producer_id, e->epoch, e->sequence);
    if (e->may_repeat)
        put(out, " repeats");
}

static void put_invoke(const struct history *h, const struct history_event *e, struct wr *out)
{
    put(out, " %" PRIu32 " %s", e->client, verbs[e->verb]);
    switch (e->verb) {
    case HISTORY_SEND:
        put_send(h, e, out);
        break;
    case HISTORY_LIST:
    case HISTORY_DRAIN:
    case HISTORY_LEADER:
        put_place(h, e->place, out);
        break;
    case HISTORY_COMMIT_TXN:
    case HISTORY_ABORT_TXN:
        put(out, " %" PRIu64, e->txn);
        return;
    case HISTORY_POLL:
        put(out, "%s", e->is_raw ? " raw" : "");
        break;
    default:
        put_positions(h, e, out);
        break;
    }
    if (e->txn != 0)
        put(out, " txn=%" PRIu64, e->txn);
}

/* Values at offsets one after the other are one word. */
static void put_records(const struct history *h, const struct history_event *e, struct wr *out)
{
    for (size_t i = 0; i < e->n_records; i++) {
        const struct history_record *r = &e->records[i];

        if (i > 0 && r->place == r[-1].place && r->offset == r[-1].offset + 1) {
            put(out, ",%" PRIu64, r->value);
        } else {
            put_place(h, r->place, out);
            put(out, ":%" PRId64 "=%" PRIu64, r->offset, r->value);
        }
    }
}

static void put_ok(const struct history *h, const struct history_event *e, struct wr *out)
{
    if (e->has & HISTORY_HAS_OFFSET)
        put(out, " offset=%" PRId64, e->offset);
    if (e->has & HISTORY_HAS_START)
        put(out, " start=%" PRId64, e->start);
    if (e->has & HISTORY_HAS_END)
        put(out, " end=%" PRId64, e->end);
    if (e->has & HISTORY_HAS_STABLE)
        put(out, " stable=%" PRId64, e->stable);
    if (e->is_unknown)
        put(out, " unknown");
    if (e->verb == HISTORY_LEADER)
        put(out, " node=%" PRIu32 " epoch=%" PRIu32, e->node, e->epoch);
    put_records(h, e, out);
}

void history_format(const struct history *h, const struct history_event *e, struct wr *out)
{
    put(out, "%s %" PRIu64, kinds[e->kind], e->id);
    if (e->kind == HISTORY_INVOKE)
        put_invoke(h, e, out);
    else if (e->kind == HISTORY_OK)
        put_ok(h, e, out);
    put(out, "\n");
}
