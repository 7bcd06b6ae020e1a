/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was passed by: records that somebody skipped, and those that nobody ever saw. */
#include <inttypes.h>

#include "history/internal.h"

static size_t lower_bound(const struct view *view, uint32_t place, int64_t offset)
{
    size_t low = 0, high = view->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct location *l = &view->at[middle];

        if (l->place < place || (l->place == place && l->offset < offset))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void judge_gap(struct history *h, const struct view *view, const struct gap *gap)
{
    const uint32_t *next = gap->is_commit ? view->there_committed : gap->is_raw ? view->seen_raw : view->seen_committed;
    size_t i = next[lower_bound(view, gap->place, gap->low)];
    const struct location *l = &view->at[i];

    if (i == view->n || l->place != gap->place || l->offset >= gap->high)
        return;
    if (gap->is_commit)
        report(h, HISTORY_COMMIT_BEYOND, gap->place, l->offset, LINES(gap->before_line, gap->line),
               "%s offset %" PRId64 ": value %" PRIu64 " wasn't polled by client %" PRIu32
               ", which was at offset %" PRId64 " since line %" PRIu32 " and committed offset %" PRId64
               " on line %" PRIu32,
               place_name(h, gap->place), l->offset, h->values.at[l->value].number, h->clients.at[gap->client].number,
               gap->low, gap->before_line, gap->high, gap->line);
    else if (gap->is_inside)
        report(h, HISTORY_POLL_SKIP_INSIDE, gap->place, l->offset, LINES(gap->line),
               "%s offset %" PRId64 ": value %" PRIu64 " was left out for client %" PRIu32
               " by the poll of line %" PRIu32 ", between offsets %" PRId64 " and %" PRId64,
               place_name(h, gap->place), l->offset, h->values.at[l->value].number, h->clients.at[gap->client].number,
               gap->line, gap->low - 1, gap->high);
    else
        report(h, HISTORY_POLL_SKIP, gap->place, l->offset, LINES(gap->before_line, gap->line),
               "%s offset %" PRId64 ": value %" PRIu64 " was left out for client %" PRIu32
               ", which was at offset %" PRId64 " since line %" PRIu32 " and got offset %" PRId64 " on line %" PRIu32,
               place_name(h, gap->place), l->offset, h->values.at[l->value].number, h->clients.at[gap->client].number,
               gap->low, gap->before_line, gap->high, gap->line);
}

static int compare_gaps(const void *a, const void *b)
{
    const struct gap *x = a, *y = b;

    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* One finding for each gap, about the first record in it that somebody else saw; those that nobody saw are lost. */
void judge_gaps(struct history *h, const struct view *view)
{
    if (h->gaps.n > 0)
        qsort(h->gaps.at, h->gaps.n, sizeof(*h->gaps.at), compare_gaps);
    for (size_t i = 0; i < h->gaps.n; i++)
        judge_gap(h, view, &h->gaps.at[i]);
}

static void torn(struct history *h, const struct value *v, const struct txn *t, const char *how, uint32_t line)
{
    const struct send *s = &h->sends.at[v->send];

    report(h, HISTORY_TORN_TRANSACTION, s->place, v->offset, LINES(s->done_line, t->seen_line, line),
           "%s offset %" PRId64 ": value %" PRIu64 " of transaction %" PRIu64 ", acknowledged on line %" PRIu32
           ", %s of line %" PRIu32 ", and another part was read on line %" PRIu32,
           place_name(h, s->place), v->offset, v->number, t->number, s->done_line, how, line, t->seen_line);
}

static void not_seen(struct history *h, const struct value *v, enum history_anomaly anomaly, const char *how,
                     uint32_t line)
{
    const struct send *s = &h->sends.at[v->send];

    if (s->txn != NONE && h->txns.at[s->txn].seen_line != 0)
        torn(h, v, &h->txns.at[s->txn], how, line);
    else if (v->offset < 0)
        report(h, anomaly, s->place, -1, LINES(s->done_line, line),
               "%s: value %" PRIu64 ", acknowledged on line %" PRIu32 ", %s of line %" PRIu32, place_name(h, s->place),
               v->number, s->done_line, how, line);
    else
        report(h, anomaly, s->place, v->offset, LINES(s->done_line, line),
               "%s offset %" PRId64 ": value %" PRIu64 ", acknowledged on line %" PRIu32 ", %s of line %" PRIu32,
               place_name(h, s->place), v->offset, v->number, s->done_line, how, line);
}

/* It must be there, nothing may have deleted it, and nobody saw it. */
static bool is_missing(const struct history *h, const struct value *v)
{
    int64_t deletable = h->places.at[h->sends.at[v->send].place].deletable;

    if (v->seen_line != 0 || h->sends.at[v->send].state != SEND_OK || !value_is_committed(h, v))
        return false;
    return v->offset >= 0 ? v->offset >= deletable : deletable == 0;
}

/* passed_line: of the poll that went past it, or 0. */
static void judge_missing(struct history *h, const struct value *v, uint32_t passed_line)
{
    const struct send *s = &h->sends.at[v->send];
    const struct place *p = &h->places.at[s->place];

    if (passed_line != 0)
        not_seen(h, v, HISTORY_LOST_WRITE, "was seen by nobody and passed by the poll", passed_line);
    else if (p->drain_invoke > s->done_line && v->offset >= 0 && p->seen.offset > v->offset)
        not_seen(h, v, HISTORY_LOST_WRITE, "was seen by nobody, and offsets behind it were, before the drain",
                 p->drain_line);
    else if (p->drain_invoke > s->done_line)
        not_seen(h, v, HISTORY_UNSEEN, "was seen by nobody until the drain", p->drain_line);
}

/* Walks the gaps, which are sorted, beside the locations, and keeps the one that reaches farthest. */
void judge_lost(struct history *h, const struct view *view)
{
    const struct gap *farthest = NULL;
    size_t n = 0;

    for (size_t i = 0; i < view->n; i++) {
        const struct location *l = &view->at[i];
        const struct value *v = &h->values.at[l->value];

        for (; n < h->gaps.n; n++) {
            const struct gap *gap = &h->gaps.at[n];

            if (gap->place > l->place || (gap->place == l->place && gap->low > l->offset))
                break;
            if (!gap->is_commit && (farthest == NULL || farthest->place != gap->place || gap->high > farthest->high))
                farthest = gap;
        }
        if (v->offset == l->offset && is_missing(h, v))
            judge_missing(h, v,
                          farthest != NULL && farthest->place == l->place && farthest->high > l->offset ? farthest->line
                                                                                                        : 0);
    }
    for (size_t i = 0; i < h->values.n; i++)
        if (h->values.at[i].offset < 0 && is_missing(h, &h->values.at[i]))
            judge_missing(h, &h->values.at[i], 0);
}
