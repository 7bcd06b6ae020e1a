/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/exposition.h"
#include "admin/internal.h"

#define PREFIX "goqueue_"

/* X(member of struct node_report, help) */
#define NODE_COUNTERS(X) \
    X(produced_batches, "Record batches stored") \
    X(produced_records, "Records stored") \
    X(produced_bytes, "Bytes of record batches stored, as they were sent") \
    X(duplicate_batches, "Record batches that were sent again and had been stored before") \
    X(produce_waits, "Record batches that waited for room in write_cache_size") \
    X(fetched_bytes, "Bytes of record batches sent to consumers") \
    X(journal_flushes, "Flushes of the journals to disk") \
    X(journal_records, "Records written to the journals") \
    X(journal_bytes_written, "Bytes written to the journals") \
    X(scrub_bytes, "Bytes of segments that were read again to find damage") \
    X(scrub_segments, "Segments that were read again") \
    X(scrub_damaged, "Of these, segments that were damaged") \
    X(raft_messages_refused, "Raft messages of other nodes that were refused") \
    X(session_messages_refused, "Session messages of other nodes that were refused") \
    X(session_messages_stale, "Session messages of other nodes that came too late")

#define NODE_GAUGES(X) \
    X(journal_bytes_in_use, "Bytes of the journals that recovery would read") \
    X(journal_files, "Files of the journals") \
    X(pending_bytes, "Memory of what is not flushed, committed or in a segment yet") \
    X(read_cache_bytes, "Memory of messages that are kept for consumers near the end") \
    X(metadata_index, "Index of the last metadata entry that was applied") \
    X(ready, "1 when the node serves clients") \
    X(disk_free_bytes, "Bytes that are free on the disk of the data directory") \
    X(disk_reserve_bytes, "Bytes that are held back for what was acknowledged before the disk got full") \
    X(groups_changing, "Partitions led here whose replicas are being changed") \
    X(groups_to_change, "Partitions led here that wait for a change of their replicas") \
    X(groups_lost, "Partitions here of which too many replicas have lost their disks for one ever to lead") \
    X(disk_full, "1 when nothing can be stored until the disk has space")

/* X(member of struct node_partition_report, metric, help) */
#define PARTITION_GAUGES(X) \
    X(log_start, "log_start_offset", "First offset of a partition") \
    X(high_watermark, "high_watermark", "Offset behind the last committed record of a partition") \
    X(size_bytes, "size_bytes", "Bytes of a partition's segments") \
    X(damaged_segments, "damaged_segments", "Segments of a partition that were found damaged") \
    X(epoch, "leader_epoch", "Leader epoch of a partition")

static void put_node(struct exposition *e, const struct node_report *r)
{
    char id[16];
    const char *labels[] = { "version", PACKAGE_VERSION, "node",        r->node_id, "broker_id",
                             id,        "cluster_id",    r->cluster_id, NULL };

    snprintf(id, sizeof(id), "%d", r->broker_id);
    exposition_begin(e, PREFIX "node_info", "gauge", "Always 1; the labels tell which node this is");
    exposition_sample(e, labels, 1);
#define X(member, help) exposition_counter(e, PREFIX #member "_total", help, r->member);
    NODE_COUNTERS(X)
#undef X
#define X(member, help) exposition_gauge(e, PREFIX #member, help, r->member);
    NODE_GAUGES(X)
#undef X
    exposition_gauge(e, PREFIX "reactors", "Threads that serve connections", r->n_reactors);
    exposition_gauge(e, PREFIX "shards", "Journals that share the partitions", r->n_shards);
    exposition_gauge(e, PREFIX "topics", "Topics", r->n_topics);
    exposition_gauge(e, PREFIX "partitions", "Partitions of all topics", r->n_partitions);
}

static void put_requests_by_api(struct exposition *e, const struct broker_stats *s)
{
    exposition_begin(e, PREFIX "api_requests_total", "counter", "Requests received, by Kafka API");
    for (size_t i = 0; i < wire_n_apis; i++) {
        const char *labels[] = { "api", wire_apis[i].name, NULL };

        if (wire_apis[i].key < BROKER_API_KEYS)
            exposition_sample(e, labels, s->requests_by_api[wire_apis[i].key]);
    }
}

static void put_broker(struct exposition *e, const struct broker_stats *s)
{
    static const char *const produce[] = { "api", "Produce", NULL }, *const fetch[] = { "api", "Fetch", NULL };

#define X(name, help) exposition_counter(e, PREFIX #name "_total", help, s->name);
    BROKER_COUNTERS(X)
#undef X
#define X(name, help) exposition_gauge(e, PREFIX #name, help, s->name);
    BROKER_GAUGES(X)
#undef X
    put_requests_by_api(e, s);
    exposition_begin(e, PREFIX "request_duration_seconds", "histogram",
                     "Time from a whole request to its answer; waiting for new data isn't counted");
    exposition_histogram_ns(e, produce, &s->produce_ns);
    exposition_histogram_ns(e, fetch, &s->fetch_ns);
}

/* Of a node alone there is nothing to tell. */
static void put_links(struct exposition *e, const struct node_links_stats *s)
{
#define X(name, help) exposition_counter(e, PREFIX "links_" #name "_total", help, s->name);
    NODE_LINKS_COUNTERS(X)
#undef X
#define X(name, help) exposition_gauge(e, PREFIX "links_" #name, help, s->name);
    NODE_LINKS_GAUGES(X)
#undef X
}

static void put_http(struct exposition *e, const struct http_figures *h)
{
#define X(name, help) exposition_counter(e, PREFIX "http_" #name "_total", help, h->name);
    HTTP_COUNTERS(X)
#undef X
    exposition_gauge(e, PREFIX "http_connections_open", "Open HTTP connections", h->connections);
    exposition_begin(e, PREFIX "http_requests_total", "counter", "HTTP requests answered, by status code");
#define X(status) exposition_sample(e, (const char *const[]){ "code", #status, NULL }, h->answers_##status);
    HTTP_STATUSES(X)
#undef X
}

static void put_process(struct exposition *e, const struct process_figures *p)
{
    exposition_begin(e, "process_cpu_seconds_total", "counter", "Processor time used, in seconds");
    exposition_real(e, p->cpu_seconds);
    exposition_begin(e, "process_start_time_seconds", "gauge", "Start of the process, in seconds since 1970");
    exposition_real(e, p->start_time_seconds);
    exposition_gauge(e, "process_resident_memory_bytes", "Memory in use", p->resident_bytes);
    exposition_gauge(e, "process_virtual_memory_bytes", "Address space in use", p->virtual_bytes);
    exposition_gauge(e, "process_open_fds", "Open file descriptors", p->open_fds);
    exposition_gauge(e, "process_max_fds", "Most file descriptors that may be open", p->max_fds);
}

static void put_partition(struct exposition *e, const struct node_report *r, const struct node_partition_report *p,
                          int64_t value)
{
    char number[16];
    const char *labels[] = { "topic", r->topics[p->topic].name, "partition", number, NULL };

    snprintf(number, sizeof(number), "%d", p->partition);
    exposition_signed(e, labels, value);
}

/* So many series per partition that their number has a limit; what is missing is told. */
static void put_partitions(struct exposition *e, const struct node_report *r, size_t max)
{
    size_t n = MIN(r->n_partitions, max);

    exposition_gauge(e, PREFIX "partitions_not_shown", "Partitions left out below because there are too many",
                     r->n_partitions - n);
    if (n == 0)
        return;
#define X(member, metric, help) \
    exposition_begin(e, PREFIX "partition_" metric, "gauge", help); \
    for (size_t i = 0; i < n; i++) \
        put_partition(e, r, &r->partitions[i], (int64_t)r->partitions[i].member);
    PARTITION_GAUGES(X)
#undef X
}

char *metrics_text(const struct figures *f, unsigned *ret_status, size_t *ret_size)
{
    char *text = NULL;
    struct exposition e = { .to = open_memstream(&text, ret_size) };
    int rc;

    gq_assert(e.to != NULL);
    put_node(&e, f->report);
    put_broker(&e, &f->report->broker);
    if (f->report->has_links)
        put_links(&e, &f->report->links);
    put_http(&e, f->http);
    put_process(&e, f->process);
    put_partitions(&e, f->report, f->max_partitions);
    rc = fclose(e.to);
    gq_assert(rc == 0);
    *ret_status = 200;
    return text;
}
