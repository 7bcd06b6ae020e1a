/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A new journal, written on one thread: what the journal submits is run at once, when its turn is over. */

#include "journal/repair.h"

#include "base/util.h"
#include "env/lane.h"

#define PENDING_MAX ((size_t)4 * 1024 * 1024) /* bytes that wait for a flush */

struct journal_rewrite {
    struct env_lane lane;
    struct list work;
    struct list requests; /* struct rewrite_request: those that aren't done */
    struct journal *j;
    size_t pending_bytes;
    int error;
};

struct rewrite_request {
    struct journal_request request;
    struct list link;
    struct journal_rewrite *rewrite;
    uint8_t data[];
};

static void lane_take(struct env_lane *l, enum lane_kind kind, unsigned shard, struct lane_work *w)
{
    list_append(&container_of(l, struct journal_rewrite, lane)->work, &w->link);
}

static void failed(void *ctx, int err, const char *what)
{
    struct journal_rewrite *w = ctx;

    w->error = err;
}

/* Flushes until nothing moves any more. What then still waits found no space. */
static void run(struct journal_rewrite *w)
{
    struct list *link;

    do {
        journal_poll(w->j, 0);
        while ((link = list_pop(&w->work)) != NULL) {
            struct lane_work *work = list_entry(link, struct lane_work, link);

            work->run(work);
            work->done(work);
        }
        if (w->error == 0)
            w->error = journal_space_error(w->j);
        journal_poll(w->j, 0);
    } while (!list_is_empty(&w->work));
}

int journal_rewrite_begin(const struct journal_config *config, struct journal_rewrite **ret, struct error_text *err)
{
    static const struct env_lane_ops ops = { .submit = lane_take };
    struct journal_config roomy = *config;
    struct journal_rewrite *w = xcalloc(1, sizeof(*w));
    int r;

    roomy.size_bytes = UINT64_MAX / 2; /* never full: nothing in it is in a segment, so nothing can make room */

    w->lane.ops = &ops;
    list_init(&w->work);
    list_init(&w->requests);
    r = journal_open(&roomy, &w->j, err);
    if (r == 0) {
        journal_set_fatal(w->j, failed, w);
        r = journal_start(w->j, &w->lane, err);
    }
    if (r != 0) {
        journal_free(w->j);
        free(w);
        return r;
    }
    *ret = w;
    return 0;
}

static void request_done(struct journal_request *request)
{
    struct rewrite_request *q = container_of(request, struct rewrite_request, request);

    q->rewrite->pending_bytes -= request->data[0].size;
    list_remove(&q->link);
    free(q);
}

static void append(struct journal_rewrite *w, struct rewrite_request *q)
{
    q->rewrite = w;
    q->request.done = request_done;
    w->pending_bytes += q->request.data[0].size;
    list_append(&w->requests, &q->link);
    journal_append(w->j, &q->request);
    if (w->pending_bytes > PENDING_MAX)
        run(w);
}

static void append_state(struct journal_rewrite *w, enum journal_request_kind kind,
                         const struct journal_group_state *st)
{
    struct rewrite_request *q = xcalloc(1, sizeof(*q));

    q->request.kind = kind;
    q->request.group = st->group;
    q->request.state = *st;
    append(w, q);
}

void journal_rewrite_group(struct journal_rewrite *w, const struct journal_group_state *st)
{
    if (w->error != 0)
        return;
    append_state(w, JOURNAL_HARD_STATE, st);
    if (st->checkpoint_index > 0)
        append_state(w, JOURNAL_IMAGE_INSTALLED, st);
    else if (st->log_start > 0)
        append_state(w, JOURNAL_LOG_START, st);
}

int journal_rewrite_entry(struct journal_rewrite *w, const struct journal_replay_record *rec)
{
    struct rewrite_request *q;

    if (w->error != 0)
        return w->error;
    if (rec->data.size > journal_max_entry(w->j))
        return -EFBIG;
    q = xcalloc(1, sizeof(*q) + rec->data.size);
    memcpy(q->data, rec->data.data, rec->data.size);
    q->request.kind = JOURNAL_ENTRY;
    q->request.group = rec->group;
    q->request.index = rec->index;
    q->request.term = rec->term;
    q->request.checksum = rec->checksum;
    q->request.prev_checksum = rec->prev_checksum;
    q->request.data[0] = slice_make(q->data, rec->data.size);
    append(w, q);
    return w->error;
}

int journal_rewrite_end(struct journal_rewrite *w)
{
    struct list *link;
    int r;

    if (w->error == 0)
        run(w);
    if (w->error == 0) {
        journal_seal(w->j);
        run(w);
    }
    r = w->error;
    if (r == 0 && !journal_is_idle(w->j))
        r = -EIO;
    journal_free(w->j);
    while ((link = list_pop(&w->requests)) != NULL)
        free(list_entry(link, struct rewrite_request, link));
    free(w);
    return r;
}
