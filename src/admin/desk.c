/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/internal.h"

struct page_kind {
    page_fn text;
    const char *content_type;
    bool want_partitions, want_warnings;
};

static const struct page_kind kinds[N_PAGES] = {
    [PAGE_HEALTH] = { health_text, TYPE_JSON, false, false },
    [PAGE_LIVE] = { live_text, TYPE_JSON, false, false },
    [PAGE_READY] = { ready_text, TYPE_JSON, false, false },
    [PAGE_STATUS] = { status_text, TYPE_JSON, true, true },
    [PAGE_METRICS] = { metrics_text, TYPE_METRICS, true, false },
};

int desk_init(struct desk *d, const struct admin_config *config, struct http_figures *http)
{
    *d = (struct desk){ .config = config, .http = http, .start_time_seconds = process_start_seconds() };
    list_init(&d->asking);
    list_init(&d->waiting);
    d->reply_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return d->reply_fd < 0 ? -errno : 0;
}

void desk_fini(struct desk *d)
{
    gq_assert(list_is_empty(&d->asking) && list_is_empty(&d->waiting));
    collection_fini(&d->collection);
    if (d->reply_fd >= 0)
        close(d->reply_fd);
}

void facts_fini(struct facts *f)
{
    free(f->bind_addr);
    free(f->host);
    config_report_fini(&f->warnings);
}

void collection_fini(struct collection *c)
{
    node_report_fini(&c->report);
    facts_fini(&c->facts);
    *c = (struct collection){ .reply_fd = c->reply_fd };
}

/* Sends for figures for all who wait, unless somebody is on the way already. */
static void send_out(struct desk *d)
{
    struct collection *c = &d->collection;
    struct asker *a;

    if (d->is_out || list_is_empty(&d->waiting))
        return;
    list_splice(&d->asking, &d->waiting);
    c->request.ctx = d->config->ctx;
    c->reply_fd = d->reply_fd;
    list_foreach (&d->asking, a, link) {
        c->report.want_partitions = c->report.want_partitions || kinds[a->page].want_partitions;
        c->want_warnings = c->want_warnings || kinds[a->page].want_warnings;
    }
    d->is_out = true;
    d->config->collect(d->config->ctx, &c->request);
}

void desk_ask(struct desk *d, struct asker *asker, uint64_t now_ns)
{
    asker->deadline_ns = now_ns + (uint64_t)d->config->collect_ms * 1000000;
    list_append(&d->waiting, &asker->link);
    send_out(d);
}

static struct page *make_page(struct desk *d, enum page_id id, const struct process_figures *process)
{
    struct figures f = {
        .report = &d->collection.report,
        .facts = &d->collection.facts,
        .process = process,
        .http = d->http,
        .max_partitions = d->config->max_partitions,
    };
    unsigned status = 200;
    struct page *page;
    size_t size;
    char *text;

    if (kinds[id].want_partitions && d->page_bytes >= d->config->max_reply_bytes) /* the others are small */
        return page_error(503, "too many answers are on their way to slow clients");
    text = kinds[id].text(&f, &status, &size);
    page = page_new(status, kinds[id].content_type, text, size, &d->page_bytes);
    free(text);
    return page;
}

static void answer_all(struct desk *d)
{
    struct page *pages[N_PAGES] = { NULL };
    struct process_figures process;
    struct list *node;

    process_read(&process);
    process.start_time_seconds = d->start_time_seconds;
    sort_partitions(&d->collection.report);
    while ((node = list_pop(&d->asking)) != NULL) {
        struct asker *a = list_entry(node, struct asker, link);

        if (pages[a->page] == NULL)
            pages[a->page] = make_page(d, a->page, &process);
        a->answer(a, page_ref(pages[a->page]));
    }
    for (size_t i = 0; i < N_PAGES; i++)
        page_unref(pages[i]);
}

/* A list is in the order of its deadlines. */
static void give_up(struct desk *d, struct list *askers, uint64_t now_ns)
{
    struct asker *a;

    while ((a = list_first(askers, struct asker, link)) != NULL && a->deadline_ns <= now_ns) {
        list_remove(&a->link);
        d->http->collects_timed_out++;
        a->answer(a, page_error(503, "stuck: the broker's threads don't answer in time"));
    }
}

void desk_turn(struct desk *d, uint64_t now_ns)
{
    uint64_t n;

    if (d->is_out && read(d->reply_fd, &n, sizeof(n)) == sizeof(n)) {
        d->is_out = false;
        answer_all(d);
        collection_fini(&d->collection);
    }
    give_up(d, &d->asking, now_ns);
    give_up(d, &d->waiting, now_ns);
    send_out(d);
}

uint64_t desk_deadline(const struct desk *d)
{
    const struct asker *asking = list_first(&d->asking, struct asker, link);
    const struct asker *waiting = list_first(&d->waiting, struct asker, link);
    uint64_t deadline = UINT64_MAX;

    if (asking != NULL)
        deadline = asking->deadline_ns;
    if (waiting != NULL)
        deadline = MIN(deadline, waiting->deadline_ns);
    return deadline;
}
