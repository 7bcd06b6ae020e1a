/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/sample.h"

#include <stdio.h>

static void add_topic(struct node_report *r, const char *name, const char *id, int32_t n_partitions)
{
    r->topics[r->n_topics++] =
        (struct node_topic_report){ .name = xstrdup(name), .n_partitions = n_partitions, .replication_factor = 1 };
    snprintf(r->topics[r->n_topics - 1].id, UUID_TEXT_SIZE, "%s", id);
}

static void add_partition(struct node_report *r, uint32_t topic, int32_t partition, int64_t start, int64_t end)
{
    r->partitions[r->n_partitions++] = (struct node_partition_report){
        .topic = topic,
        .partition = partition,
        .epoch = 3,
        .log_start = start,
        .high_watermark = end,
        .size_bytes = (uint64_t)(end - start) * 100,
    };
}

static void fill_broker(struct broker_stats *s)
{
    uint64_t n = 1;

#define X(name, help) s->name = n++;
    BROKER_COUNTERS(X)
    BROKER_GAUGES(X)
#undef X
    s->requests_by_api[0] = 40;
    s->requests_by_api[1] = 50;
    for (uint64_t ns = 1000; ns < 20000000000; ns *= 3)
        histogram_add(&s->produce_ns, ns);
    histogram_add(&s->fetch_ns, 300000);
}

static void fill_links(struct node_links_stats *s)
{
    uint64_t n = 1;

#define X(name, help) s->name = n++;
    NODE_LINKS_COUNTERS(X)
    NODE_LINKS_GAUGES(X)
#undef X
}

void sample_report(struct node_report *r)
{
    bool want_partitions = r->want_partitions;

    *r = (struct node_report){
        .want_partitions = want_partitions,
        .ready = true,
        .node_id = "b1",
        .broker_id = 1,
        .cluster_id = "MkU3OEVBNTcwNTJENDM2Qg",
        .n_reactors = 2,
        .n_shards = 2,
        .metadata_index = 7,
        .journal_flushes = 11,
        .journal_records = 12,
        .journal_bytes_written = 13,
        .journal_bytes_in_use = 14,
        .journal_files = 2,
        .produced_batches = 21,
        .produced_records = 101,
        .produced_bytes = 10240,
        .duplicate_batches = 2,
        .produce_waits = 3,
        .scrub_bytes = 5000,
        .scrub_segments = 6,
        .scrub_damaged = 1,
        .raft_messages_refused = 4,
        .session_messages_refused = 2,
        .session_messages_stale = 7,
        .fetched_bytes = 20480,
        .pending_bytes = 64,
        .read_cache_bytes = 65,
        .disk_free_bytes = 1000000,
        .disk_reserve_bytes = 4096,
        .groups_changing = 3,
        .groups_to_change = 5,
        .groups_lost = 1,
    };
    r->topics = xcalloc(2, sizeof(*r->topics));
    add_topic(r, "orders", "AAAAAAAAAAAAAAAAAAAAAQ", 2);
    add_topic(r, "a.b-c", "AAAAAAAAAAAAAAAAAAAAAg", 1);
    r->has_links = true;
    fill_links(&r->links);
    fill_broker(&r->broker);
    r->partitions_capacity = 3;
    r->partitions = xcalloc(r->partitions_capacity, sizeof(*r->partitions));
    if (!want_partitions)
        return;
    add_partition(r, 1, 0, 0, 7);
    add_partition(r, 0, 1, 5, 61);
    add_partition(r, 0, 0, 0, 40);
}

void sample_facts(struct facts *f)
{
    *f = (struct facts){ .bind_addr = xstrdup("127.0.0.1"), .host = xstrdup("mq.example"), .port = 9092 };
    config_report_init(&f->warnings);
    config_report_warning(&f->warnings, "bind_addr: \"it\" can be reached");
}

void sample_init(struct sample *s)
{
    *s = (struct sample){ .report = { .want_partitions = true } };
    sample_report(&s->report);
    sort_partitions(&s->report);
    sample_facts(&s->facts);
    s->process = (struct process_figures){
        .cpu_seconds = 1.25,
        .start_time_seconds = 1700000000.5,
        .resident_bytes = 8 << 20,
        .virtual_bytes = 64 << 20,
        .open_fds = 30,
        .max_fds = 1024,
    };
    s->http = (struct http_figures){ .connections_refused = 1, .answers_200 = 5, .answers_404 = 2, .connections = 3 };
    s->figures = (struct figures){
        .report = &s->report,
        .facts = &s->facts,
        .process = &s->process,
        .http = &s->http,
        .max_partitions = 100,
    };
}

void sample_fini(struct sample *s)
{
    node_report_fini(&s->report);
    facts_fini(&s->facts);
}
