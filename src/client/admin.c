/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "client/internal.h"

#define POLL_MS 100

struct gq_admin {
    struct session session;
    rd_kafka_queue_t *answers;
};

/* A consumer's handle: unlike a producer's it never creates the topics that it asks about. */
int gq_admin_new(struct gq_client *client, struct gq_admin **ret_admin, struct gq_error *err)
{
    struct gq_admin *admin = xcalloc(1, sizeof(*admin));
    int r = session_open(&admin->session, client, RD_KAFKA_CONSUMER, NULL, 0, NULL, err);

    if (r < 0) {
        free(admin);
        return r;
    }
    admin->answers = rd_kafka_queue_new(admin->session.kafka);
    *ret_admin = admin;
    return 0;
}

void gq_admin_free(struct gq_admin *admin)
{
    if (admin == NULL)
        return;
    rd_kafka_queue_destroy(admin->answers);
    session_close(&admin->session);
    free(admin);
}

static rd_kafka_AdminOptions_t *new_options(struct gq_admin *admin, rd_kafka_admin_op_t op)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(admin->session.kafka, op);
    int32_t timeout_ms = client_timeout_ms(admin->session.client);

    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    if (op != RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS)
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, NULL, 0);
    return options;
}

/* Waits for the one answer that is due; librdkafka lets it come after the timeout at the latest. */
static int wait_answer(struct gq_admin *admin, rd_kafka_event_t **ret_event, struct gq_error *err)
{
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t code;
    int r;

    do {
        event = rd_kafka_queue_poll(admin->answers, POLL_MS);
        rd_kafka_poll(admin->session.kafka, 0);
    } while (event == NULL);
    code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *ret_event = event;
        return 0;
    }
    if (code == RD_KAFKA_RESP_ERR__TIMED_OUT)
        r = session_timed_out(&admin->session, err);
    else
        r = error_from_kafka(err, code, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return r;
}

/* Notices early that no broker is there, and counts them. */
static int count_brokers(struct gq_admin *admin, int *ret_n, struct gq_error *err)
{
    const struct rd_kafka_metadata *md;
    int64_t deadline_ms = clock_ms() + client_timeout_ms(admin->session.client);
    int r = session_metadata(&admin->session, METADATA_BROKERS, NULL, deadline_ms, &md, err);

    if (r < 0)
        return r;
    *ret_n = md->broker_cnt;
    rd_kafka_metadata_destroy(md);
    return 0;
}

static int result_of_topic(const rd_kafka_topic_result_t **results, size_t n, struct gq_error *err)
{
    if (n != 1)
        return error_set(err, -EREMOTEIO, "", "the broker answered for %zu topics instead of one", n);
    if (rd_kafka_topic_result_error(results[0]) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return error_from_kafka(err, rd_kafka_topic_result_error(results[0]),
                            rd_kafka_topic_result_error_string(results[0]));
}

/* --- create --- */

static int build_topic(const struct gq_new_topic *t, rd_kafka_NewTopic_t **ret, struct gq_error *err)
{
    char text[256];
    rd_kafka_NewTopic_t *new = rd_kafka_NewTopic_new(t->name, t->partitions, t->replicas, text, sizeof(text));
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (new == NULL)
        return error_set(err, -EINVAL, "", "%s", text);
    for (size_t i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < t->n_configs; i++)
        code = rd_kafka_NewTopic_set_config(new, t->configs[i].name, t->configs[i].value);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_NewTopic_destroy(new);
        return error_from_kafka(err, code, NULL);
    }
    *ret = new;
    return 0;
}

/* The code alone doesn't tell what would be possible. */
static void explain_replicas(struct gq_error *err, int32_t replicas, int n_brokers)
{
    if (err == NULL || err->code != RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR || replicas <= n_brokers)
        return;
    if (n_brokers == 1)
        snprintf(err->text, sizeof(err->text), "there is one broker, so a partition can have 1 replica, not %d",
                 (int)replicas);
    else
        snprintf(err->text, sizeof(err->text),
                 "there are %d brokers, so a partition can have up to %d replicas, not %d", n_brokers, n_brokers,
                 (int)replicas);
}

int gq_admin_create_topic(struct gq_admin *admin, const struct gq_new_topic *topic, struct gq_error *err)
{
    rd_kafka_AdminOptions_t *options;
    rd_kafka_NewTopic_t *new;
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event;
    int n_brokers, r;
    size_t n;

    r = count_brokers(admin, &n_brokers, err);
    if (r == 0)
        r = build_topic(topic, &new, err);
    if (r < 0)
        return r;
    options = new_options(admin, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(admin->session.kafka, &new, 1, options, admin->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(new);
    r = wait_answer(admin, &event, err);
    if (r < 0)
        return r;
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    r = result_of_topic(results, n, err);
    rd_kafka_event_destroy(event);
    if (r < 0)
        explain_replicas(err, topic->replicas, n_brokers);
    return r;
}

/* --- delete --- */

int gq_admin_delete_topic(struct gq_admin *admin, const char *name, struct gq_error *err)
{
    rd_kafka_AdminOptions_t *options;
    rd_kafka_DeleteTopic_t *topic;
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event;
    int n_brokers, r;
    size_t n;

    r = count_brokers(admin, &n_brokers, err);
    if (r < 0)
        return r;
    topic = rd_kafka_DeleteTopic_new(name);
    options = new_options(admin, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopics(admin->session.kafka, &topic, 1, options, admin->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_DeleteTopic_destroy(topic);
    r = wait_answer(admin, &event, err);
    if (r < 0)
        return r;
    results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
    r = result_of_topic(results, n, err);
    rd_kafka_event_destroy(event);
    return r;
}

/* --- topics --- */

static int32_t *copy_ids(const int32_t *ids, int n)
{
    int32_t *copy = xcalloc((size_t)n + 1, sizeof(*copy));

    memcpy(copy, ids, (size_t)n * sizeof(*copy));
    return copy;
}

static int compare_partitions(const void *a, const void *b)
{
    const struct gq_partition_info *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static void take_topic(struct gq_topic_info *t, const struct rd_kafka_metadata_topic *md)
{
    t->name = xstrdup(md->topic);
    t->n_partitions = (size_t)md->partition_cnt;
    t->partitions = xcalloc(t->n_partitions + 1, sizeof(*t->partitions));
    for (size_t i = 0; i < t->n_partitions; i++) {
        const struct rd_kafka_metadata_partition *from = &md->partitions[i];

        t->partitions[i] = (struct gq_partition_info){
            .id = from->id,
            .leader = from->leader,
            .replicas = copy_ids(from->replicas, from->replica_cnt),
            .n_replicas = (size_t)from->replica_cnt,
            .in_sync = copy_ids(from->isrs, from->isr_cnt),
            .n_in_sync = (size_t)from->isr_cnt,
            .start_offset = -1,
            .end_offset = -1,
        };
    }
    qsort(t->partitions, t->n_partitions, sizeof(*t->partitions), compare_partitions);
}

static void drop_topic(struct gq_topic_info *t)
{
    for (size_t i = 0; i < t->n_partitions; i++) {
        free(t->partitions[i].replicas);
        free(t->partitions[i].in_sync);
    }
    free(t->partitions);
    free(t->name);
}

void gq_topic_info_free(struct gq_topic_info *topic)
{
    if (topic == NULL)
        return;
    drop_topic(topic);
    free(topic);
}

void gq_topic_list_free(struct gq_topic_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->n_topics; i++)
        drop_topic(&list->topics[i]);
    free(list->topics);
    free(list);
}

static int compare_topics(const void *a, const void *b)
{
    return strcmp(((const struct gq_topic_info *)a)->name, ((const struct gq_topic_info *)b)->name);
}

int gq_admin_list_topics(struct gq_admin *admin, struct gq_topic_list **ret_list, struct gq_error *err)
{
    int64_t deadline_ms = clock_ms() + client_timeout_ms(admin->session.client);
    const struct rd_kafka_metadata *md;
    struct gq_topic_list *list;
    int r = session_metadata(&admin->session, METADATA_ALL_TOPICS, NULL, deadline_ms, &md, err);

    if (r < 0)
        return r;
    list = xcalloc(1, sizeof(*list));
    list->n_topics = (size_t)md->topic_cnt;
    list->topics = xcalloc(list->n_topics + 1, sizeof(*list->topics));
    for (size_t i = 0; i < list->n_topics; i++)
        take_topic(&list->topics[i], &md->topics[i]);
    qsort(list->topics, list->n_topics, sizeof(*list->topics), compare_topics);
    rd_kafka_metadata_destroy(md);
    *ret_list = list;
    return 0;
}

static int ask_offsets(struct gq_admin *admin, struct gq_topic_info *t, struct gq_error *err)
{
    for (size_t i = 0; i < t->n_partitions; i++) {
        struct gq_partition_info *p = &t->partitions[i];
        int r;

        if (p->leader < 0)
            continue;
        r = session_offsets(&admin->session, t->name, p->id, &p->start_offset, &p->end_offset, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int gq_admin_describe_topic(struct gq_admin *admin, const char *name, struct gq_topic_info **ret_topic,
                            struct gq_error *err)
{
    rd_kafka_topic_t *topic = session_open_topic(&admin->session, name, NULL, err);
    const struct rd_kafka_metadata *md;
    struct gq_topic_info *info;
    int r;

    if (topic == NULL)
        return -EINVAL;
    r = session_topic_metadata(&admin->session, topic, 0, &md, err);
    rd_kafka_topic_destroy(topic);
    if (r < 0)
        return r;
    info = xcalloc(1, sizeof(*info));
    take_topic(info, &md->topics[0]);
    rd_kafka_metadata_destroy(md);
    r = ask_offsets(admin, info, err);
    if (r < 0) {
        gq_topic_info_free(info);
        return r;
    }
    *ret_topic = info;
    return 0;
}

/* --- configs --- */

void gq_config_list_free(struct gq_config_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->n_configs; i++) {
        free(list->configs[i].name);
        free(list->configs[i].value);
    }
    free(list->configs);
    free(list);
}

static int compare_configs(const void *a, const void *b)
{
    return strcmp(((const struct gq_config_info *)a)->name, ((const struct gq_config_info *)b)->name);
}

static int take_configs(const rd_kafka_event_t *event, struct gq_config_list **ret, struct gq_error *err)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)event);
    const rd_kafka_ConfigResource_t **resources;
    const rd_kafka_ConfigEntry_t **entries;
    struct gq_config_list *list;
    size_t n;

    resources = rd_kafka_DescribeConfigs_result_resources(result, &n);
    if (n != 1)
        return error_set(err, -EREMOTEIO, "", "the broker answered for %zu topics instead of one", n);
    if (rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_from_kafka(err, rd_kafka_ConfigResource_error(resources[0]),
                                rd_kafka_ConfigResource_error_string(resources[0]));
    entries = rd_kafka_ConfigResource_configs(resources[0], &n);
    list = xcalloc(1, sizeof(*list));
    list->n_configs = n;
    list->configs = xcalloc(n + 1, sizeof(*list->configs));
    for (size_t i = 0; i < n; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);

        list->configs[i].name = xstrdup(rd_kafka_ConfigEntry_name(entries[i]));
        list->configs[i].value = value != NULL ? xstrdup(value) : NULL;
        list->configs[i].is_default =
            rd_kafka_ConfigEntry_source(entries[i]) != RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
        list->configs[i].is_read_only = rd_kafka_ConfigEntry_is_read_only(entries[i]) != 0;
    }
    qsort(list->configs, n, sizeof(*list->configs), compare_configs);
    *ret = list;
    return 0;
}

int gq_admin_topic_configs(struct gq_admin *admin, const char *name, struct gq_config_list **ret_configs,
                           struct gq_error *err)
{
    rd_kafka_AdminOptions_t *options;
    rd_kafka_ConfigResource_t *resource;
    rd_kafka_event_t *event = NULL;
    int r;

    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    options = new_options(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(admin->session.kafka, &resource, 1, options, admin->answers);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    r = wait_answer(admin, &event, err);
    if (r < 0)
        return r;
    r = take_configs(event, ret_configs, err);
    rd_kafka_event_destroy(event);
    return r;
}
