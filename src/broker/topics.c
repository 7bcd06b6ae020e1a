/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "broker/internal.h"

int16_t broker_find_partition(const struct broker_request *req, const struct meta_topic *topic, int32_t partition,
                              const struct meta_partition **ret)
{
    if (topic == NULL || partition < 0 || partition >= topic->n_partitions)
        return KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION;
    *ret = &topic->partitions[partition];
    return 0;
}

bool broker_is_registered(const struct meta_broker *b)
{
    return b->raft_addr == NULL || b->port != 0;
}

/* HOST:PORT or [HOST]:PORT. */
static struct slice host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon != NULL ? (size_t)(colon - address) : strlen(address);

    if (size >= 2 && address[0] == '[' && address[size - 1] == ']')
        return slice_make(address + 1, size - 2);
    return slice_make(address, size);
}

/* Without an advertised address a client is told the one that it reached us on, and of other brokers where this one
 * reaches them. */
void broker_advertised(const struct broker_request *req, const struct meta_broker *b, struct slice *ret_host,
                       int32_t *ret_port)
{
    *ret_host = slice_str(b->host);
    if (b->host[0] == '\0' && b->raft_addr != NULL && b->id != req->backend->broker_id)
        *ret_host = host_of(b->raft_addr);
    else if (b->host[0] == '\0' && req->conn != NULL)
        *ret_host = slice_str(req->conn->local->text);
    *ret_port = b->port;
}

int16_t broker_topic_config_check(struct broker_request *req, const struct topic_config *config,
                                  const char **ret_message)
{
    char text[160];

    if (config->max_message_bytes <= (int64_t)req->backend->max_batch_bytes)
        return 0;
    snprintf(text, sizeof(text), "max.message.bytes can be at most %u: larger messages need a larger journal_size",
             req->backend->max_batch_bytes);
    *ret_message = broker_text(req, text);
    return KAFKA_E_INVALID_CONFIG;
}

static int16_t check_configs(struct broker_request *req, const struct broker_new_topic *t, struct topic_config *config,
                             const char **ret_message)
{
    struct error_text err = { "" };

    topic_config_init(config, req->backend->config);
    for (int32_t i = 0; i < t->n_configs; i++) {
        if (topic_config_set(config, t->configs[i].name, t->configs[i].value, &err) == 0)
            continue;
        *ret_message = broker_text(req, err.text);
        return KAFKA_E_INVALID_CONFIG;
    }
    return broker_topic_config_check(req, config, ret_message);
}

static int16_t check_replication(struct broker_request *req, int32_t factor, const char **ret_message)
{
    size_t n = meta_n_brokers(req->backend->meta);
    char text[128];

    if (factor >= 1 && (size_t)factor <= n)
        return 0;
    if (factor < 1)
        snprintf(text, sizeof(text), "a replication factor of %d is not possible", factor);
    else if (n == 1)
        snprintf(text, sizeof(text), "there is one broker, so the replication factor can't be %d", factor);
    else
        snprintf(text, sizeof(text), "there are %zu brokers, so the replication factor can't be %d", n, factor);
    *ret_message = broker_text(req, text);
    return KAFKA_E_INVALID_REPLICATION_FACTOR;
}

int16_t broker_check_partitions(struct broker_request *req, int32_t n_new, int32_t n_total, const char **ret_message)
{
    size_t room = META_ALL_PARTITIONS_MAX - MIN(req->backend->meta->n_partitions, (size_t)META_ALL_PARTITIONS_MAX);
    char text[128];

    if (n_total < 1 || n_total > META_PARTITIONS_MAX)
        snprintf(text, sizeof(text), "a topic has 1 to %d partitions, not %d", META_PARTITIONS_MAX, n_total);
    else if ((size_t)n_new > room)
        snprintf(text, sizeof(text), "there is room for %zu more partitions, not for %d", room, n_new);
    else
        return 0;
    *ret_message = broker_text(req, text);
    return KAFKA_E_INVALID_PARTITIONS;
}

static int16_t check_name(const struct broker_request *req, struct slice name, const char **ret_message)
{
    *ret_message = meta_topic_name_check(name);
    if (*ret_message != NULL)
        return KAFKA_E_INVALID_TOPIC_EXCEPTION;
    if (meta_topic_by_name(req->backend->meta, name) == NULL)
        return 0;
    *ret_message = "a topic of this name exists";
    return KAFKA_E_TOPIC_ALREADY_EXISTS;
}

/* Values go into the log as the table writes them, not as they were sent. */
static void write_command(const struct broker_request *req, const struct broker_new_topic *topic,
                          const struct broker_topic_plan *plan, struct wr *w)
{
    char texts[TOPIC_N_CONFIGS][TOPIC_CONFIG_TEXT_SIZE];
    struct meta_config_entry configs[TOPIC_N_CONFIGS];
    struct meta_topic_create create = {
        .name = topic->name,
        .id = plan->id,
        .n_partitions = plan->n_partitions,
        .replication_factor = plan->replication_factor,
        .leader = req->backend->broker_id,
        .configs = configs,
    };

    for (unsigned id = 0; id < TOPIC_N_CONFIGS; id++) {
        if ((plan->config.set & (UINT32_C(1) << id)) == 0)
            continue;
        topic_config_format(&plan->config, (enum topic_config_id)id, texts[id]);
        configs[create.n_configs++] =
            (struct meta_config_entry){ (char *)(uintptr_t)topic_config_name((enum topic_config_id)id), texts[id] };
    }
    meta_write_topic_create(w, &create);
}

int16_t broker_topic_create(struct broker_request *req, const struct broker_new_topic *topic, struct wr *w,
                            struct broker_topic_plan *ret_plan, const char **ret_message)
{
    const struct config *config = req->backend->config;
    struct broker_topic_plan plan = {
        .n_partitions = topic->n_partitions == -1 ? (int32_t)config->num_partitions : topic->n_partitions,
        .replication_factor =
            topic->replication_factor == -1 ? (int16_t)config_replication_factor(config) : topic->replication_factor,
    };
    uint8_t random[16];
    int16_t error = check_name(req, topic->name, ret_message);

    if (error == 0 && req->backend->broker_id < 0) {
        *ret_message = "this broker doesn't belong to a cluster yet";
        error = KAFKA_E_NOT_CONTROLLER;
    }
    if (error == 0)
        error = broker_check_partitions(req, plan.n_partitions, plan.n_partitions, ret_message);
    if (error == 0)
        error = check_replication(req, plan.replication_factor, ret_message);
    if (error == 0)
        error = check_configs(req, topic, &plan.config, ret_message);
    if (error != 0)
        return error;
    prng_fill(req->backend->env->prng, random, sizeof(random));
    uuid_from_random(&plan.id, random);
    write_command(req, topic, &plan, w);
    *ret_plan = plan;
    return 0;
}
