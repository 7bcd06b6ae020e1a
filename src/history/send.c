/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sends, their values, and where those are. */
#include <inttypes.h>

#include "history/internal.h"

/* Enters the values into the map on the way, so that one that comes twice in a send is found too. */
int send_check(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column)
{
    size_t i;

    if (e->n_records == 0 || e->n_records > MAX_RECORDS - 1 - h->values.n) {
        error_setf(err, e->n_records == 0 ? "a send has at least one value" : "a history may have 2^31 records");
        return -EINVAL;
    }
    for (i = 0; i < e->n_records; i++) {
        uint32_t *found;
        bool is_new;

        found = map_add(&h->value_of, e->records[i].value, 0, (uint32_t)(h->values.n + i), &is_new);
        if (is_new)
            continue;
        if (*found < h->values.n)
            error_setf(err, "value %" PRIu64 " was sent already on line %" PRIu32, e->records[i].value,
                       h->sends.at[h->values.at[*found].send].line);
        else
            error_setf(err, "value %" PRIu64 " is twice in this send", e->records[i].value);
        *ret_column = e->records[i].column;
        while (i-- > 0)
            map_remove(&h->value_of, e->records[i].value, 0);
        return -EINVAL;
    }
    return 0;
}

static uint32_t producer_index(struct history *h, const struct history_event *e)
{
    uint64_t key = (uint64_t)e->place << 32 | e->epoch;
    uint32_t *found;
    bool is_new;

    if (!(e->has & HISTORY_HAS_PRODUCER))
        return NONE;
    found = map_add(&h->producer_of, key, e->producer_id, h->n_producers, &is_new);
    h->n_producers += is_new;
    return *found;
}

void send_invoke(struct history *h, struct open_op *op, const struct history_event *e)
{
    struct send *s = table_add(&h->sends);

    op->send = (uint32_t)h->sends.n - 1;
    s->place = e->place;
    s->line = h->line;
    s->first = (uint32_t)h->values.n;
    s->n = (uint32_t)e->n_records;
    s->txn = op->txn;
    s->producer = producer_index(h, e);
    s->sequence = e->sequence;
    s->may_repeat = e->may_repeat;
    for (uint32_t i = 0; i < s->n; i++) {
        struct value *v = table_add(&h->values);

        v->number = e->records[i].value;
        v->offset = -1;
        v->send = op->send;
    }
    if (op->txn != NONE)
        txn_touch(h, op->txn, e->place);
}

static void dispute(struct history *h, uint32_t *location, uint32_t value, uint32_t place, int64_t offset)
{
    const struct value *first = &h->values.at[*location & ~IS_DISPUTED];

    if (*location & IS_DISPUTED)
        return;
    *location |= IS_DISPUTED;
    report(h, HISTORY_TWO_VALUES, place, offset, LINES(first->located_line, h->line),
           "%s offset %" PRId64 ": value %" PRIu64 " (line %" PRIu32 ") and value %" PRIu64 " (line %" PRIu32 ")",
           place_name(h, place), offset, first->number, first->located_line, h->values.at[value].number, h->line);
}

bool value_locate(struct history *h, uint32_t value, uint32_t place, int64_t offset)
{
    struct value *v = &h->values.at[value];
    uint32_t *location;
    bool is_new;

    location = map_add(&h->located, place, (uint64_t)offset, value, &is_new);
    if (!is_new && (*location & ~IS_DISPUTED) != value) {
        dispute(h, location, value, place, offset);
        return false;
    }
    if (!is_new)
        return true;
    if (v->offset < 0) {
        v->offset = offset;
        v->located_line = h->line;
        return true;
    }
    if (h->sends.at[v->send].may_repeat)
        return true;
    report(h, HISTORY_DUPLICATE, place, offset, LINES(v->located_line, h->line),
           "%s: value %" PRIu64 " is at offset %" PRId64 " (line %" PRIu32 ") and again at offset %" PRId64
           " (line %" PRIu32 ")",
           place_name(h, place), v->number, v->offset, v->located_line, offset, h->line);
    return false;
}

static void acknowledge(struct history *h, const struct open_op *op, int64_t offset)
{
    const struct send *s = &h->sends.at[op->send];
    bool is_consistent = true;

    for (uint32_t i = 0; i < s->n; i++)
        is_consistent &= value_locate(h, s->first + i, s->place, offset + i);
    if (is_consistent && offset <= op->floor.top.offset)
        report(h, HISTORY_SEND_ORDER, s->place, offset, LINES(op->floor.top.line, s->line, h->line),
               "%s offset %" PRId64 ": value %" PRIu64 ", sent on line %" PRIu32 ", is not behind offset %" PRId64
               ", which was told before on line %" PRIu32,
               place_name(h, s->place), offset, h->values.at[s->first].number, s->line, op->floor.top.offset,
               op->floor.top.line);
    record_known(h, s->place, offset, offset + s->n - 1);
}

void send_end(struct history *h, const struct open_op *op, const struct history_event *e)
{
    struct send *s = &h->sends.at[op->send];

    s->done_line = h->line;
    if (e->kind == HISTORY_FAIL) {
        s->state = SEND_FAILED;
    } else if (e->kind == HISTORY_OK) {
        s->state = SEND_OK;
        place_known(h, s->place);
        if (e->has & HISTORY_HAS_OFFSET)
            acknowledge(h, op, e->offset);
    }
}
