/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a history: what could not be known while it went on. */
#include <inttypes.h>

#include "history/internal.h"

bool value_is_there(const struct history *h, const struct value *v)
{
    const struct send *s = &h->sends.at[v->send];

    return s->state == SEND_OK || (s->state == SEND_OPEN && v->seen_line != 0);
}

bool value_is_committed(const struct history *h, const struct value *v)
{
    const struct send *s = &h->sends.at[v->send];

    return value_is_there(h, v) && (s->txn == NONE || txn_is_committed(&h->txns.at[s->txn]));
}

static int compare_locations(const void *a, const void *b)
{
    const struct location *x = a, *y = b;

    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void view_init(struct view *view, const struct history *h)
{
    size_t n = 0;

    view->at = xmalloc((h->located.count + 1) * sizeof(*view->at));
    for (size_t i = 0; i < h->located.n_slots; i++) {
        const struct map_slot *slot = &h->located.slots[i];

        if (slot->is_used)
            view->at[n++] = (struct location){ .place = (uint32_t)slot->a,
                                               .offset = (int64_t)slot->b,
                                               .value = slot->v & ~IS_DISPUTED };
    }
    view->n = n;
    qsort(view->at, n, sizeof(*view->at), compare_locations);
    view->seen_raw = xmalloc((n + 1) * sizeof(uint32_t));
    view->seen_committed = xmalloc((n + 1) * sizeof(uint32_t));
    view->there_committed = xmalloc((n + 1) * sizeof(uint32_t));
    view->seen_raw[n] = view->seen_committed[n] = view->there_committed[n] = (uint32_t)n;
    for (size_t i = n; i-- > 0;) {
        const struct value *v = &h->values.at[view->at[i].value];
        bool is_committed = value_is_committed(h, v), is_seen = v->seen_line != 0 && value_is_there(h, v);

        view->seen_raw[i] = is_seen ? (uint32_t)i : view->seen_raw[i + 1];
        view->seen_committed[i] = is_seen && is_committed ? (uint32_t)i : view->seen_committed[i + 1];
        view->there_committed[i] = is_committed ? (uint32_t)i : view->there_committed[i + 1];
    }
}

static void view_fini(struct view *view)
{
    free(view->at);
    free(view->seen_raw);
    free(view->seen_committed);
    free(view->there_committed);
}

static void aborted_read(struct history *h, const struct value *v, uint32_t line, const char *why, uint32_t why_line)
{
    uint32_t place = h->sends.at[v->send].place;

    report(h, HISTORY_ABORTED_READ, place, v->offset, LINES(why_line, line),
           "%s offset %" PRId64 ": value %" PRIu64 " was read on line %" PRIu32 ", and %s on line %" PRIu32,
           place_name(h, place), v->offset, v->number, line, why, why_line);
}

static void judge_txn_read(struct history *h, const struct value *v, const struct txn *t)
{
    uint32_t place = h->sends.at[v->send].place, line = v->committed_line;

    if (!txn_may_commit(t) && t->refused_line != 0)
        aborted_read(h, v, line, "the commit of its transaction failed", t->refused_line);
    else if (!txn_may_commit(t) && t->abort_line != 0)
        aborted_read(h, v, line, "its transaction was aborted", t->abort_line);
    else if (t->commit_line == 0)
        report(h, HISTORY_READ_BEFORE_COMMIT, place, v->offset, LINES(h->sends.at[v->send].line, line),
               "%s offset %" PRId64 ": value %" PRIu64 " of transaction %" PRIu64 ", which was never asked to commit, "
               "was read on line %" PRIu32,
               place_name(h, place), v->offset, v->number, t->number, line);
    else if (t->commit_line > line)
        report(h, HISTORY_READ_BEFORE_COMMIT, place, v->offset, LINES(line, t->commit_line),
               "%s offset %" PRId64 ": value %" PRIu64 " was read on line %" PRIu32 ", and transaction %" PRIu64
               " was first asked to commit on line %" PRIu32,
               place_name(h, place), v->offset, v->number, line, t->number, t->commit_line);
}

static void judge_reads(struct history *h)
{
    for (size_t i = 0; i < h->values.n; i++) {
        const struct value *v = &h->values.at[i];
        const struct send *s = &h->sends.at[v->send];

        if (v->seen_line != 0 && s->state == SEND_FAILED)
            aborted_read(h, v, v->seen_line, "its send failed", s->done_line);
        else if (v->committed_line != 0 && s->txn != NONE)
            judge_txn_read(h, v, &h->txns.at[s->txn]);
    }
}

struct sequenced {
    uint64_t sequence;
    uint32_t producer, value;
};

static int compare_sequenced(const void *a, const void *b)
{
    const struct sequenced *x = a, *y = b;

    if (x->producer != y->producer)
        return x->producer < y->producer ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

/* Sends that were under way together; those that came one after the other were judged when they ended. */
static void judge_pair(struct history *h, const struct value *a, const struct value *b)
{
    const struct send *x = &h->sends.at[a->send], *y = &h->sends.at[b->send];

    if (a->send == b->send || b->offset > a->offset || (x->state == SEND_OK && x->done_line < y->line))
        return;
    report(h, HISTORY_SEND_ORDER, y->place, b->offset, LINES(x->line, y->line, a->located_line, b->located_line),
           "%s offset %" PRId64 ": value %" PRIu64 ", sent on line %" PRIu32 ", should be behind value %" PRIu64
           " of the same producer, sent on line %" PRIu32 ", which is at offset %" PRId64,
           place_name(h, y->place), b->offset, b->number, y->line, a->number, x->line, a->offset);
}

static void judge_send_order(struct history *h)
{
    _cleanup_(freep) struct sequenced *all = NULL;
    size_t n = 0;

    if (h->n_producers == 0)
        return;
    all = xmalloc(h->values.n * sizeof(*all));
    for (uint32_t i = 0; i < h->values.n; i++) {
        const struct value *v = &h->values.at[i];
        const struct send *s = &h->sends.at[v->send];

        if (s->producer != NONE && v->offset >= 0)
            all[n++] =
                (struct sequenced){ .producer = s->producer, .sequence = s->sequence + (i - s->first), .value = i };
    }
    qsort(all, n, sizeof(*all), compare_sequenced);
    for (size_t i = 1; i < n; i++)
        if (all[i].producer == all[i - 1].producer)
            judge_pair(h, &h->values.at[all[i - 1].value], &h->values.at[all[i].value]);
}

static uint32_t last_line(const struct history_finding *f)
{
    uint32_t line = 0;

    for (uint32_t i = 0; i < f->n_lines; i++)
        line = MAX(line, f->lines[i]);
    return line;
}

static int compare_findings(const void *a, const void *b)
{
    const struct history_finding *x = a, *y = b;

    if (last_line(x) != last_line(y))
        return last_line(x) < last_line(y) ? -1 : 1;
    if (x->anomaly != y->anomaly)
        return x->anomaly < y->anomaly ? -1 : 1;
    return strcmp(x->text, y->text);
}

uint64_t history_judge(struct history *h)
{
    struct view view;
    uint64_t total = 0;

    gq_assert(!h->is_judged);
    h->is_judged = true;
    view_init(&view, h);
    judge_reads(h);
    judge_gaps(h, &view);
    judge_lost(h, &view);
    judge_send_order(h);
    judge_cycles(h, &view);
    view_fini(&view);
    if (h->findings.n > 0)
        qsort(h->findings.at, h->findings.n, sizeof(*h->findings.at), compare_findings);
    for (size_t i = 0; i < HISTORY_N_ANOMALIES; i++)
        total += h->counts[i];
    return total;
}
