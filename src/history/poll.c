/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What consumers read, and how their positions move. */
#include <inttypes.h>

#include "history/internal.h"

uint32_t client_index(struct history *h, uint32_t number)
{
    uint32_t *found;
    bool is_new;

    found = map_add(&h->client_of, number, 0, (uint32_t)h->clients.n, &is_new);
    if (is_new)
        table_add(&h->clients)->number = number;
    return *found;
}

/* The position of this assignment; one of an earlier assignment is forgotten. */
static struct position *position_of(struct history *h, uint32_t client, uint32_t place)
{
    uint32_t assignment = h->clients.at[client].assignment;
    struct position *pos;
    uint32_t *found;
    bool is_new;

    found = map_add(&h->position_of, client, place, (uint32_t)h->positions.n, &is_new);
    pos = is_new ? table_add(&h->positions) : &h->positions.at[*found];
    if (is_new || pos->assignment != assignment)
        *pos = (struct position){ .next = -1, .assignment = assignment };
    return pos;
}

static void set_position(struct history *h, struct position *pos, int64_t next)
{
    pos->next = next;
    pos->line = h->line;
}

/* What was assigned before and is again keeps its position, unless it is given another. */
void assign(struct history *h, uint32_t client, const struct history_event *e)
{
    uint32_t next = h->clients.at[client].assignment + 1;

    for (size_t i = 0; i < e->n_records; i++) {
        struct position *pos = position_of(h, client, e->records[i].place);

        if (e->records[i].offset >= 0)
            set_position(h, pos, e->records[i].offset);
    }
    for (size_t i = 0; i < e->n_records; i++) {
        uint32_t *found = map_find(&h->position_of, client, e->records[i].place);

        h->positions.at[*found].assignment = next;
    }
    h->clients.at[client].assignment = next;
}

void seek(struct history *h, uint32_t client, const struct history_event *e)
{
    for (size_t i = 0; i < e->n_records; i++)
        set_position(h, position_of(h, client, e->records[i].place), e->records[i].offset);
}

/* Between pos and high the client read nothing. What may have been deleted doesn't count. */
static struct gap *gap_add(struct history *h, uint32_t client, uint32_t place, const struct position *pos, int64_t high)
{
    int64_t low = MAX(pos->next, h->places.at[place].deletable);
    struct gap *gap;

    if (low >= high)
        return NULL;
    gap = table_add(&h->gaps);
    gap->place = place;
    gap->client = client;
    gap->low = low;
    gap->high = high;
    gap->line = h->line;
    gap->before_line = pos->line;
    return gap;
}

void commit_offsets(struct history *h, uint32_t client, const struct history_event *e)
{
    for (size_t i = 0; i < e->n_records; i++) {
        uint32_t place = e->records[i].place;
        struct position *pos = position_of(h, client, place);
        struct gap *gap;

        if (pos->next < 0)
            continue;
        gap = gap_add(h, client, place, pos, e->records[i].offset);
        if (gap != NULL)
            gap->is_commit = true;
    }
}

static void move(struct history *h, const struct open_op *op, uint32_t place, int64_t offset)
{
    struct position *pos = position_of(h, op->client, place);
    bool is_inside = pos->line == h->line;

    if (pos->next >= 0 && offset < pos->next && is_inside) {
        report(h, HISTORY_POLL_BACK_INSIDE, place, offset, LINES(h->line),
               "%s offset %" PRId64 ": client %" PRIu32 " got it behind offset %" PRId64
               " in the poll of line %" PRIu32,
               place_name(h, place), offset, h->clients.at[op->client].number, pos->next - 1, h->line);
    } else if (pos->next >= 0 && offset < pos->next) {
        report(h, HISTORY_POLL_BACK, place, offset, LINES(pos->line, h->line),
               "%s offset %" PRId64 ": client %" PRIu32 " got it on line %" PRIu32 ", and was at offset %" PRId64
               " since line %" PRIu32,
               place_name(h, place), offset, h->clients.at[op->client].number, h->line, pos->next, pos->line);
    } else if (pos->next >= 0 && offset > pos->next) {
        struct gap *gap = gap_add(h, op->client, place, pos, offset);

        if (gap != NULL) {
            gap->is_inside = is_inside;
            gap->is_raw = op->is_raw;
        }
    }
    set_position(h, pos, offset + 1);
}

static void see(struct history *h, const struct open_op *op, const struct history_record *r, uint32_t value)
{
    struct value *v = &h->values.at[value];
    struct txn *t;

    value_locate(h, value, r->place, r->offset);
    if (v->seen_line == 0)
        v->seen_line = h->line;
    if (op->is_raw)
        return;
    if (v->committed_line == 0)
        v->committed_line = h->line;
    if (h->sends.at[v->send].txn == NONE)
        return;
    t = &h->txns.at[h->sends.at[v->send].txn];
    if (t->seen_line == 0)
        t->seen_line = h->line;
    if (op->txn != NONE)
        *table_add(&h->reads) = (struct txn_read){ .txn = op->txn, .value = value, .line = h->line };
}

static void take_record(struct history *h, const struct open_op *op, const struct history_record *r)
{
    uint32_t *value = map_find(&h->value_of, r->value, 0);
    const struct send *s = value != NULL ? &h->sends.at[h->values.at[*value].send] : NULL;

    move(h, op, r->place, r->offset);
    if (s == NULL)
        report(h, HISTORY_FROM_NOWHERE, r->place, r->offset, LINES(h->line),
               "%s offset %" PRId64 ": value %" PRIu64 " was read on line %" PRIu32 " and nobody sent it before",
               place_name(h, r->place), r->offset, r->value, h->line);
    else if (s->place != r->place)
        report(h, HISTORY_FROM_NOWHERE, r->place, r->offset, LINES(s->line, h->line),
               "%s offset %" PRId64 ": value %" PRIu64 " was read on line %" PRIu32 " and was sent to %s (line %" PRIu32
               ")",
               place_name(h, r->place), r->offset, r->value, h->line, place_name(h, s->place), s->line);
    else
        see(h, op, r, *value);
    place_known(h, r->place);
    record_known(h, r->place, r->offset, r->offset);
    mark_up(&h->places.at[r->place].seen, r->offset, h->line);
}

void poll_end(struct history *h, const struct open_op *op, const struct history_event *e)
{
    if (e->kind == HISTORY_INFO)
        h->clients.at[op->client].assignment++;
    for (size_t i = 0; e->kind == HISTORY_OK && i < e->n_records; i++)
        take_record(h, op, &e->records[i]);
}
