/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the cluster tells about its partitions: log start, end, last stable offset, leaders. */
#include <inttypes.h>

#include "history/internal.h"

void mark_up(struct mark *m, int64_t offset, uint32_t line)
{
    if (offset > m->offset)
        *m = (struct mark){ .offset = offset, .line = line };
}

void place_known(struct history *h, uint32_t place)
{
    if (h->places.at[place].known_line == 0)
        h->places.at[place].known_line = h->line;
}

void record_known(struct history *h, uint32_t place, int64_t first, int64_t last)
{
    struct place *p = &h->places.at[place];

    if (p->lowest.line == 0 || first < p->lowest.offset)
        p->lowest = (struct mark){ .offset = first, .line = h->line };
    mark_up(&p->marks.top, last, h->line);
}

void delete_invoke(struct history *h, const struct history_event *e)
{
    for (size_t i = 0; i < e->n_records; i++) {
        struct place *p = &h->places.at[e->records[i].place];
        int64_t offset = e->records[i].offset;

        p->deletable = MAX(p->deletable, offset < 0 ? INT64_MAX : offset);
    }
}

static void check_not_back(struct history *h, uint32_t place, const char *what, int64_t offset,
                           const struct mark *floor)
{
    if (offset < floor->offset)
        report(h, HISTORY_OFFSET_BACK, place, offset, LINES(floor->line, h->line),
               "%s: %s is %" PRId64 " on line %" PRIu32 " and was at least %" PRId64 " on line %" PRIu32,
               place_name(h, place), what, offset, h->line, floor->offset, floor->line);
}

static void forgotten(struct history *h, uint32_t place, const char *how, uint32_t known_line)
{
    if (h->places.at[place].deletable < INT64_MAX)
        report(h, HISTORY_STREAM_FORGOTTEN, place, 0, LINES(known_line, h->line),
               "%s: %s on line %" PRIu32 ", and was there on line %" PRIu32, place_name(h, place), how, h->line,
               known_line);
}

static void take_start(struct history *h, const struct open_op *op, int64_t start)
{
    struct place *p = &h->places.at[op->place];
    const struct mark *before = &op->floor.start;
    const struct mark *proof = p->lowest.line != 0 && p->lowest.offset < start ? &p->lowest : before;

    check_not_back(h, op->place, "the log start", start, before);
    if (start > MAX(p->deletable, before->offset) && proof->offset >= 0)
        report(h, HISTORY_START_AHEAD, op->place, start, LINES(proof->line, h->line),
               "%s: the log start is %" PRId64 " on line %" PRIu32 "; offset %" PRId64 " was there on line %" PRIu32
               ", and records below %" PRId64 " could be deleted",
               place_name(h, op->place), start, h->line, proof->offset, proof->line, p->deletable);
    mark_up(&p->marks.start, start, h->line);
}

static void take_end(struct history *h, const struct open_op *op, int64_t end)
{
    struct place *p = &h->places.at[op->place];
    struct mark floor = op->floor.end;

    if (op->floor.top.offset >= 0)
        mark_up(&floor, op->floor.top.offset + 1, op->floor.top.line);
    if (end == 0 && floor.offset > 0)
        forgotten(h, op->place, "it is empty and begins at offset 0", floor.line);
    else
        check_not_back(h, op->place, "the end", end, &floor);
    mark_up(&p->marks.end, end, h->line);
}

static void take_drain(struct history *h, const struct open_op *op, const struct history_event *e)
{
    struct place *p = &h->places.at[op->place];

    if (op->line > p->drain_invoke) {
        p->drain_invoke = op->line;
        p->drain_line = h->line;
    }
    if ((e->has & HISTORY_HAS_END) && (e->has & HISTORY_HAS_STABLE) && e->stable < e->end && p->n_open_txns == 0)
        report(h, HISTORY_STUCK_STABLE, op->place, e->stable, LINES(op->line, h->line),
               "%s: the last stable offset is %" PRId64 " and the end %" PRId64 " at the drain of line %" PRIu32
               ", and every transaction was asked to end",
               place_name(h, op->place), e->stable, e->end, h->line);
}

void list_end(struct history *h, const struct open_op *op, const struct history_event *e)
{
    struct place *p = &h->places.at[op->place];

    if (e->is_unknown) {
        if (p->known_line != 0 && p->known_line < op->line)
            forgotten(h, op->place, "it is unknown", p->known_line);
        return;
    }
    place_known(h, op->place);
    if (e->has & HISTORY_HAS_START)
        take_start(h, op, e->start);
    if (e->has & HISTORY_HAS_END)
        take_end(h, op, e->end);
    if (e->has & HISTORY_HAS_STABLE) {
        check_not_back(h, op->place, "the last stable offset", e->stable, &op->floor.stable);
        mark_up(&p->marks.stable, e->stable, h->line);
    }
    if (op->verb == HISTORY_DRAIN)
        take_drain(h, op, e);
}

void leader_end(struct history *h, const struct open_op *op, const struct history_event *e)
{
    uint32_t *node, *line;
    bool is_new;

    node = map_add(&h->leader_of, op->place, e->epoch, e->node, &is_new);
    line = map_add(&h->leader_line_of, op->place, e->epoch, h->line, &is_new);
    if (*node != e->node)
        report(h, HISTORY_TWO_LEADERS, op->place, -1, LINES(*line, h->line),
               "%s: leader epoch %" PRIu32 " belongs to node %" PRIu32 " (line %" PRIu32 ") and to node %" PRIu32
               " (line %" PRIu32 ")",
               place_name(h, op->place), e->epoch, *node, *line, e->node, h->line);
    place_known(h, op->place);
}
