/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of admin/ share. All of it belongs to the admin's thread, but for a collection that is out. */

#include "admin/admin.h"
#include "base/list.h"

/* --- pages: what is sent, and how it is made --- */

/* Counted, so that all who asked for the same at the same time get the same bytes. */
struct page {
    unsigned refs;
    unsigned status;
    const char *content_type;
    uint64_t *budget; /* bytes of all pages; NULL: not counted */
    size_t size;
    char body[];
};

/* Copies the text; the page is counted in *budget until it is freed. */
struct page *page_new(unsigned status, const char *content_type, const char *text, size_t size, uint64_t *budget);
struct page *page_ref(struct page *p);
void page_unref(struct page *p); /* takes NULL */

#define TYPE_JSON "application/json"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

/* X(name, path): what can be asked for. */
#define PAGES(X) \
    X(HEALTH, "/health") \
    X(LIVE, "/health/live") \
    X(READY, "/health/ready") \
    X(STATUS, "/cluster/status") \
    X(METRICS, "/metrics")

enum page_id {
#define X(name, path) PAGE_##name,
    PAGES(X)
#undef X
        N_PAGES,
};

/* {"status": …, "error": "…"} and, with the 404, what there is. */
struct page *page_error(unsigned status, const char *what);

/* --- figures --- */

struct process_figures {
    double cpu_seconds, start_time_seconds;
    uint64_t resident_bytes, virtual_bytes, open_fds, max_fds;
};

/* All but the start time. What can't be read is 0. */
void process_read(struct process_figures *ret);
/* Unix time. To be asked once: it is worked out from clocks, and a start that moves would look like a restart. */
double process_start_seconds(void);

/* X(name, help): of HTTP itself, since start */
#define HTTP_COUNTERS(X) \
    X(connections_refused, "HTTP connections closed at once because a limit was reached") \
    X(connections_evicted, "HTTP connections closed to make room because they were slow") \
    X(connections_timed_out, "HTTP connections closed because the client took too long") \
    X(connections_wasted, "HTTP connections that ended without a request that could be understood") \
    X(collects_timed_out, "HTTP requests that got no figures in time")

/* X(status): all that is answered by us; what libmicrohttpd refuses by itself (400, 431) counts as wasted. */
#define HTTP_STATUSES(X) X(200) X(400) X(404) X(405) X(411) X(413) X(503)

struct http_figures {
#define X(name, help) uint64_t name;
    HTTP_COUNTERS(X)
#undef X
#define X(status) uint64_t answers_##status;
    HTTP_STATUSES(X)
#undef X
    uint64_t connections; /* open */
};

/* Of the configuration, copied where it is safe to read. */
struct facts {
    char *bind_addr;
    char *host; /* what clients are told; NULL: the address that they came in on */
    uint16_t port;
    struct config_report warnings; /* no errors */
};

void facts_fini(struct facts *f);

/* All that a page is made of. */
struct figures {
    const struct node_report *report;
    const struct facts *facts;
    const struct process_figures *process;
    const struct http_figures *http;
    unsigned max_partitions;
};

/* A page's text, malloc'd. */
typedef char *(*page_fn)(const struct figures *f, unsigned *ret_status, size_t *ret_size);

char *health_text(const struct figures *f, unsigned *ret_status, size_t *ret_size);
char *live_text(const struct figures *f, unsigned *ret_status, size_t *ret_size);
char *ready_text(const struct figures *f, unsigned *ret_status, size_t *ret_size);
char *status_text(const struct figures *f, unsigned *ret_status, size_t *ret_size);
char *metrics_text(const struct figures *f, unsigned *ret_status, size_t *ret_size);

/* Partitions in the order of topics and numbers; the reactors added theirs one after the other. */
void sort_partitions(struct node_report *report);

/* --- what a request head gets: request.c --- */

struct request_head {
    const char *method, *path; /* path without the query */
    unsigned n_content_lengths, n_transfer_encodings;
    const char *content_length; /* the first, or NULL */
};

/* 0 and the page, or the status of the refusal and why. */
unsigned request_judge(const struct request_head *head, uint32_t max_body_bytes, enum page_id *ret_page,
                       const char **ret_why);

/* --- the desk: who waits for which page --- */

/* One who asks. */
struct asker {
    struct list link; /* the desk's; not linked: not waiting */
    enum page_id page;
    uint64_t deadline_ns;
    /* Called once; the page is the asker's to page_unref(). */
    void (*answer)(struct asker *asker, struct page *page);
};

/* A request for figures, and what came back. From collect() until the eventfd tells it belongs to the others. */
struct collection {
    struct admin_request request;
    struct node_report report;
    struct facts facts;
    bool want_warnings;
    int reply_fd; /* of the desk */
};

struct desk {
    const struct admin_config *config;
    struct http_figures *http;
    struct collection collection;
    bool is_out;
    int reply_fd;        /* eventfd: the collection is home */
    struct list asking;  /* get what the collection that is out brings */
    struct list waiting; /* came later, get the next */
    uint64_t page_bytes; /* of pages that are alive */
    double start_time_seconds;
};

int desk_init(struct desk *d, const struct admin_config *config, struct http_figures *http);
/* Nobody waits any more, and the collection is home or will never come. */
void desk_fini(struct desk *d);

void desk_ask(struct desk *d, struct asker *asker, uint64_t now_ns);
/* Answers whom the figures have come for, or who has waited too long. */
void desk_turn(struct desk *d, uint64_t now_ns);
uint64_t desk_deadline(const struct desk *d); /* UINT64_MAX: none */

/* Frees what it brought; it is ready for the next way. */
void collection_fini(struct collection *c);
/* On the thread that has it: gives it back to the admin's. */
void collection_return(struct collection *c);

/* --- libmicrohttpd: server.c --- */

struct server;

/* Loads the library. Returns 0, or a negative errno and why. */
int server_new(const struct admin_config *config, struct desk *desk, struct http_figures *http, struct server **ret,
               struct error_text *err);
/* Closes all connections. Takes NULL. */
void server_free(struct server *s);
/* Readable when there is something to do. */
int server_fd(const struct server *s);
/* Takes the descriptor in any case. */
void server_add(struct server *s, int fd, uint64_t now_ns);
/* Does what there is to do, and closes who took too long. Returns the next deadline, UINT64_MAX none. */
uint64_t server_turn(struct server *s, uint64_t now_ns);
