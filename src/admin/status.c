/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>

#include "admin/internal.h"

static int compare_partitions(const void *a, const void *b)
{
    const struct node_partition_report *x = a, *y = b;

    if (x->topic != y->topic)
        return x->topic < y->topic ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

void sort_partitions(struct node_report *report)
{
    if (report->n_partitions > 1)
        qsort(report->partitions, report->n_partitions, sizeof(*report->partitions), compare_partitions);
}

static void put(json_t *object, const char *key, json_t *value)
{
    int rc = json_object_set_new(object, key, value);

    gq_assert(rc == 0);
}

static void add(json_t *array, json_t *value)
{
    int rc = json_array_append_new(array, value);

    gq_assert(rc == 0);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *text_or_null(const char *s)
{
    return s != NULL ? json_string(s) : json_null();
}

static json_t *node_of(const struct node_report *r)
{
    json_t *o = json_object();

    put(o, "id", json_string(r->node_id));
    put(o, "broker_id", json_integer(r->broker_id));
    put(o, "version", json_string(PACKAGE_VERSION));
    put(o, "ready", json_boolean(r->ready));
    put(o, "disk_full", json_boolean(r->disk_full));
    put(o, "reactors", number(r->n_reactors));
    put(o, "shards", number(r->n_shards));
    put(o, "metadata_index", number(r->metadata_index));
    return o;
}

static json_t *brokers_of(const struct node_report *r, const struct facts *f)
{
    json_t *list = json_array(), *o = json_object();

    put(o, "id", json_integer(r->broker_id));
    put(o, "node", json_string(r->node_id));
    put(o, "listen", text_or_null(f->bind_addr));
    put(o, "host", text_or_null(f->host));
    put(o, "port", number(f->port));
    add(list, o);
    return list;
}

static json_t *journal_of(const struct node_report *r)
{
    json_t *o = json_object();

    put(o, "files", number(r->journal_files));
    put(o, "bytes_in_use", number(r->journal_bytes_in_use));
    put(o, "bytes_written", number(r->journal_bytes_written));
    put(o, "records", number(r->journal_records));
    put(o, "flushes", number(r->journal_flushes));
    return o;
}

static json_t *partition_of(const struct node_partition_report *p, int32_t leader)
{
    json_t *o = json_object();

    put(o, "partition", json_integer(p->partition));
    put(o, "leader", json_integer(leader));
    put(o, "epoch", json_integer(p->epoch));
    put(o, "log_start", json_integer(p->log_start));
    put(o, "high_watermark", json_integer(p->high_watermark));
    put(o, "size_bytes", number(p->size_bytes));
    put(o, "damaged_segments", number(p->damaged_segments));
    return o;
}

/* The topic's partitions begin at *next and are in order; what is beyond the limit is counted in the size only. */
static json_t *topic_of(const struct figures *f, uint32_t topic, size_t *next)
{
    const struct node_report *r = f->report;
    const struct node_topic_report *t = &r->topics[topic];
    json_t *o = json_object(), *list = json_array();
    uint64_t size_bytes = 0;

    for (; *next < r->n_partitions && r->partitions[*next].topic == topic; ++*next) {
        size_bytes += r->partitions[*next].size_bytes;
        if (*next < f->max_partitions)
            add(list, partition_of(&r->partitions[*next], r->broker_id));
    }
    put(o, "name", json_string(t->name));
    put(o, "id", json_string(t->id));
    put(o, "partition_count", json_integer(t->n_partitions));
    put(o, "replication_factor", json_integer(t->replication_factor));
    put(o, "size_bytes", number(size_bytes));
    put(o, "partitions", list);
    return o;
}

static json_t *topics_of(const struct figures *f)
{
    json_t *list = json_array();
    size_t next = 0;

    for (size_t i = 0; i < MIN(f->report->n_topics, (size_t)f->max_partitions); i++)
        add(list, topic_of(f, (uint32_t)i, &next));
    return list;
}

static json_t *omitted(const struct figures *f)
{
    json_t *o = json_object();

    put(o, "topics", number(f->report->n_topics - MIN(f->report->n_topics, (size_t)f->max_partitions)));
    put(o, "partitions", number(f->report->n_partitions - MIN(f->report->n_partitions, (size_t)f->max_partitions)));
    return o;
}

#define MAX_DAMAGE_WARNINGS 100

static void add_damage(json_t *list, const struct node_report *r)
{
    unsigned n = 0;

    for (size_t i = 0; i < r->n_partitions && n < MAX_DAMAGE_WARNINGS; i++) {
        const struct node_partition_report *p = &r->partitions[i];
        _cleanup_(freep) char *text = NULL;

        if (p->damaged_segments == 0)
            continue;
        text = xasprintf("%s-%d: %llu damaged segments, see the log of the node", r->topics[p->topic].name,
                         p->partition, (unsigned long long)p->damaged_segments);
        add(list, json_string(text));
        n++;
    }
}

static json_t *warnings_of(const struct figures *f)
{
    json_t *list = json_array();

    if (f->report->disk_full)
        add(list, json_string("the disk is full: nothing can be stored until there is space"));
    add_damage(list, f->report);
    for (size_t i = 0; i < f->facts->warnings.n_warnings; i++)
        add(list, json_string(f->facts->warnings.warnings[i]));
    return list;
}

char *status_text(const struct figures *f, unsigned *ret_status, size_t *ret_size)
{
    json_t *doc = json_object();
    char *text;

    put(doc, "cluster_id", json_string(f->report->cluster_id));
    put(doc, "node", node_of(f->report));
    put(doc, "brokers", brokers_of(f->report, f->facts));
    put(doc, "journal", journal_of(f->report));
    put(doc, "topics", topics_of(f));
    put(doc, "omitted", omitted(f));
    put(doc, "warnings", warnings_of(f));
    text = json_dumps(doc, JSON_INDENT(2));
    gq_assert(text != NULL);
    json_decref(doc);
    *ret_status = 200;
    *ret_size = strlen(text);
    return text;
}
