/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations open and end here; what they mean is in send.c, poll.c and offsets.c. */
#include <inttypes.h>

#include "history/internal.h"

static struct open_op *find_open(const struct history *h, uint64_t id)
{
    uint32_t *found = map_find(&h->open_of, id, 0);

    return found != NULL ? &h->open.at[*found] : NULL;
}

bool history_open_verb(const struct history *h, uint64_t id, enum history_verb *ret_verb)
{
    struct open_op *op = find_open(h, id);

    if (op == NULL)
        return false;
    *ret_verb = op->verb;
    return true;
}

static struct open_op *op_add(struct history *h, const struct history_event *e)
{
    struct open_op *op;
    bool is_new;

    map_add(&h->open_of, e->id, 0, (uint32_t)h->open.n, &is_new);
    op = table_add(&h->open);
    op->id = e->id;
    op->verb = (uint8_t)e->verb;
    op->line = h->line;
    op->is_raw = e->is_raw;
    op->client = client_index(h, e->client);
    op->send = NONE;
    op->txn = txn_index(h, e->txn);
    op->place = NONE;
    if (e->verb == HISTORY_SEND || e->verb == HISTORY_LIST || e->verb == HISTORY_DRAIN || e->verb == HISTORY_LEADER) {
        op->place = e->place;
        op->floor = h->places.at[e->place].marks;
    }
    return op;
}

/* The last one takes its place. */
static void op_remove(struct history *h, struct open_op *op)
{
    struct open_op *last = &h->open.at[h->open.n - 1];

    map_remove(&h->open_of, op->id, 0);
    if (op != last) {
        *op = *last;
        *map_find(&h->open_of, op->id, 0) = (uint32_t)(op - h->open.at);
    }
    h->open.n--;
}

static void invoke(struct history *h, const struct history_event *e)
{
    struct open_op *op = op_add(h, e);

    h->n_operations++;
    switch (e->verb) {
    case HISTORY_SEND:
        send_invoke(h, op, e);
        break;
    case HISTORY_ASSIGN:
        assign(h, op->client, e);
        break;
    case HISTORY_SEEK:
        seek(h, op->client, e);
        break;
    case HISTORY_COMMIT:
        commit_offsets(h, op->client, e);
        break;
    case HISTORY_DELETE:
        delete_invoke(h, e);
        break;
    case HISTORY_COMMIT_TXN:
    case HISTORY_ABORT_TXN:
        txn_end_invoke(h, op->txn, e->verb == HISTORY_COMMIT_TXN);
        break;
    default:
        break;
    }
}

static void end(struct history *h, struct open_op *op, const struct history_event *e)
{
    switch (op->verb) {
    case HISTORY_SEND:
        send_end(h, op, e);
        break;
    case HISTORY_POLL:
        poll_end(h, op, e);
        break;
    case HISTORY_LIST:
    case HISTORY_DRAIN:
        if (e->kind == HISTORY_OK)
            list_end(h, op, e);
        break;
    case HISTORY_LEADER:
        if (e->kind == HISTORY_OK)
            leader_end(h, op, e);
        break;
    case HISTORY_COMMIT_TXN:
        txn_commit_end(h, op->txn, e->kind);
        break;
    default:
        break;
    }
    op_remove(h, op);
}

static int check_invoke(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column)
{
    struct open_op *op = find_open(h, e->id);

    if (op != NULL) {
        error_setf(err, "operation %" PRIu64 " is open since line %" PRIu32, e->id, op->line);
        return -EINVAL;
    }
    if ((e->verb == HISTORY_COMMIT_TXN || e->verb == HISTORY_ABORT_TXN) && e->txn == 0) {
        error_setf(err, "transactions are numbered from 1");
        return -EINVAL;
    }
    return e->verb == HISTORY_SEND ? send_check(h, e, err, ret_column) : 0;
}

static int check_end(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column)
{
    struct open_op *op = find_open(h, e->id);

    if (op == NULL) {
        error_setf(err, "no operation %" PRIu64 " is open", e->id);
        return -EINVAL;
    }
    if (op->verb == HISTORY_SEND && (e->has & HISTORY_HAS_OFFSET) &&
        (e->offset < 0 || e->offset >= INT64_MAX - (int64_t)h->sends.at[op->send].n)) {
        error_setf(err, "offset %" PRId64 " can't be that of %" PRIu32 " records", e->offset, h->sends.at[op->send].n);
        return -EINVAL;
    }
    for (size_t i = 0; op->verb == HISTORY_POLL && i < e->n_records; i++) {
        if (e->records[i].offset < 0 || e->records[i].offset == INT64_MAX) {
            error_setf(err, "%" PRId64 " can't be the offset of a record", e->records[i].offset);
            *ret_column = e->records[i].column;
            return -EINVAL;
        }
    }
    return 0;
}

int history_add(struct history *h, const struct history_event *e, struct error_text *err, uint32_t *ret_column)
{
    int r;

    gq_assert(!h->is_judged);
    *ret_column = 0;
    if (h->n_events >= UINT32_MAX - 1) {
        error_setf(err, "a history may have %" PRIu32 " events", UINT32_MAX - 1);
        return -EINVAL;
    }
    r = e->kind == HISTORY_INVOKE ? check_invoke(h, e, err, ret_column) : check_end(h, e, err, ret_column);
    if (r < 0)
        return r;
    h->n_events++;
    h->line = e->line > 0 ? e->line : h->n_events;
    if (e->kind == HISTORY_INVOKE)
        invoke(h, e);
    else
        end(h, find_open(h, e->id), e);
    return 0;
}
