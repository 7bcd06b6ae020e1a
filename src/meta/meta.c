/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

#include <ctype.h>

void meta_init(struct meta *m, uint64_t hash_seed)
{
    *m = (struct meta){ .hash_seed = hash_seed, .next_group = META_GROUP_ID_DEFAULT + 1 };
    hash_table_init(&m->topics_by_name);
    hash_table_init(&m->topics_by_id);
    list_init(&m->topics);
    list_init(&m->brokers);
}

void meta_fini(struct meta *m)
{
    struct meta_topic *t, *next_topic;
    struct meta_broker *b, *next_broker;

    list_foreach_safe (&m->topics, t, next_topic, link)
        meta_topic_free(t);
    list_foreach_safe (&m->brokers, b, next_broker, link)
        meta_broker_free(b);
    hash_table_fini(&m->topics_by_name);
    hash_table_fini(&m->topics_by_id);
}

struct meta_topic *meta_topic_new(void)
{
    struct meta_topic *t = xcalloc(1, sizeof(*t));

    list_init(&t->link);
    return t;
}

void meta_clear_configs(struct meta_topic *t)
{
    for (size_t i = 0; i < t->n_configs; i++) {
        free(t->configs[i].name);
        free(t->configs[i].value);
    }
    free(t->configs);
    t->configs = NULL;
    t->n_configs = 0;
}

void meta_topic_free(struct meta_topic *t)
{
    if (t == NULL)
        return;
    meta_clear_configs(t);
    for (int32_t p = 0; p < t->n_partitions; p++)
        free(t->partitions[p].move);
    free(t->partitions);
    free(t->replicas);
    free(t->name);
    free(t);
}

void meta_broker_free(struct meta_broker *b)
{
    if (b == NULL)
        return;
    free(b->node_id);
    free(b->host);
    free(b->rack);
    free(b->raft_addr);
    free(b->formers);
    free(b);
}

void meta_add_former(struct meta_broker *b, const struct uuid *incarnation, uint64_t end_group)
{
    b->formers = xrealloc(b->formers, (b->n_formers + 1) * sizeof(*b->formers));
    b->formers[b->n_formers++] = (struct meta_former){ *incarnation, end_group };
}

void meta_copy_formers(struct meta_broker *to, const struct meta_broker *from)
{
    for (uint32_t i = 0; i < from->n_formers; i++)
        meta_add_former(to, &from->formers[i].incarnation, from->formers[i].end_group);
}

void meta_link_topic(struct meta *m, struct meta_topic *t)
{
    hash_insert(&m->topics_by_name, &t->by_name, hash_bytes(t->name, strlen(t->name), m->hash_seed));
    hash_insert(&m->topics_by_id, &t->by_id, hash_bytes(&t->id, sizeof(t->id), m->hash_seed));
    list_append(&m->topics, &t->link);
    m->n_topics++;
    m->n_partitions += (size_t)t->n_partitions;
}

void meta_unlink_topic(struct meta *m, struct meta_topic *t)
{
    hash_remove(&m->topics_by_name, &t->by_name);
    hash_remove(&m->topics_by_id, &t->by_id);
    list_remove(&t->link);
    m->n_topics--;
    m->n_partitions -= (size_t)t->n_partitions;
}

const struct meta_topic *meta_topic_by_name(const struct meta *m, struct slice name)
{
    struct hash_node *n = hash_first(&m->topics_by_name, hash_bytes(name.data, name.size, m->hash_seed));

    for (; n != NULL; n = hash_next(n)) {
        const struct meta_topic *t = container_of(n, struct meta_topic, by_name);

        if (slice_eq_str(name, t->name))
            return t;
    }
    return NULL;
}

struct meta_topic *meta_find_topic(const struct meta *m, const struct uuid *id)
{
    struct hash_node *n = hash_first(&m->topics_by_id, hash_bytes(id, sizeof(*id), m->hash_seed));

    for (; n != NULL; n = hash_next(n)) {
        struct meta_topic *t = container_of(n, struct meta_topic, by_id);

        if (uuid_eq(&t->id, id))
            return t;
    }
    return NULL;
}

const struct meta_topic *meta_topic_by_id(const struct meta *m, const struct uuid *id)
{
    return meta_find_topic(m, id);
}

struct meta_broker *meta_find_broker(const struct meta *m, int32_t id)
{
    struct meta_broker *b;

    list_foreach (&m->brokers, b, link) {
        if (b->id == id)
            return b;
    }
    return NULL;
}

const struct meta_broker *meta_broker_by_id(const struct meta *m, int32_t id)
{
    return meta_find_broker(m, id);
}

const struct meta_broker *meta_broker_by_node(const struct meta *m, const char *node_id)
{
    const struct meta_broker *b;

    list_foreach (&m->brokers, b, link)
        if (strcmp(b->node_id, node_id) == 0)
            return b;
    return NULL;
}

const struct uuid *meta_broker_at(const struct meta_broker *b, uint64_t group)
{
    for (uint32_t i = 0; i < b->n_formers; i++)
        if (group < b->formers[i].end_group)
            return &b->formers[i].incarnation;
    return &b->incarnation;
}

bool meta_broker_was(const struct meta_broker *b, const struct uuid *incarnation)
{
    for (uint32_t i = 0; i < b->n_formers; i++)
        if (uuid_eq(&b->formers[i].incarnation, incarnation))
            return true;
    return false;
}

/* In order of the ids, so that equal states list them alike, whatever happened before. */
void meta_link_broker(struct meta *m, struct meta_broker *b)
{
    struct meta_broker *old, *next;
    struct list *before = &m->brokers;

    list_foreach_safe (&m->brokers, old, next, link) {
        if (old->id > b->id)
            break;
        if (old->id == b->id) {
            list_remove(&old->link);
            meta_broker_free(old);
        } else {
            before = &old->link;
        }
    }
    list_prepend(before, &b->link);
}

const char *meta_topic_config(const struct meta_topic *t, const char *name)
{
    for (size_t i = 0; i < t->n_configs; i++) {
        if (strcmp(t->configs[i].name, name) == 0)
            return t->configs[i].value;
    }
    return NULL;
}

void meta_set_config(struct meta_topic *t, const char *name, const char *value)
{
    size_t i = 0;

    while (i < t->n_configs && strcmp(t->configs[i].name, name) < 0)
        i++;
    if (i < t->n_configs && strcmp(t->configs[i].name, name) == 0) {
        free(t->configs[i].value);
        if (value != NULL) {
            t->configs[i].value = xstrdup(value);
            return;
        }
        free(t->configs[i].name);
        t->n_configs--;
        memmove(&t->configs[i], &t->configs[i + 1], (t->n_configs - i) * sizeof(t->configs[0]));
        return;
    }
    if (value == NULL)
        return;
    t->configs = xrealloc(t->configs, (t->n_configs + 1) * sizeof(t->configs[0]));
    memmove(&t->configs[i + 1], &t->configs[i], (t->n_configs - i) * sizeof(t->configs[0]));
    t->configs[i] = (struct meta_config_entry){ xstrdup(name), xstrdup(value) };
    t->n_configs++;
}

void meta_add_partitions(struct meta_topic *t, int32_t total, uint64_t first_group)
{
    size_t n_replicas = (size_t)total * t->n_replicas, n_before = (size_t)t->n_partitions * t->n_replicas;

    t->partitions = xrealloc(t->partitions, (size_t)total * sizeof(t->partitions[0]));
    for (int32_t p = t->n_partitions; p < total; p++)
        t->partitions[p] = (struct meta_partition){ .group = first_group++, .epoch = 1 };
    t->replicas = xrealloc(t->replicas, n_replicas * sizeof(t->replicas[0]));
    memset(t->replicas + n_before, 0, (n_replicas - n_before) * sizeof(t->replicas[0]));
    t->n_partitions = total;
}

void meta_settle_partitions(struct meta_topic *t, int32_t from)
{
    for (int32_t p = from; p < t->n_partitions; p++) {
        t->partitions[p].leader = meta_target(t, p).ids[0];
        meta_settle_in_sync(t, p);
    }
}

bool meta_is_cluster(const struct meta *m)
{
    const struct meta_broker *b;

    list_foreach (&m->brokers, b, link)
        if (b->raft_addr != NULL)
            return true;
    return false;
}

size_t meta_n_brokers(const struct meta *m)
{
    const struct meta_broker *b;
    size_t n = 0;

    list_foreach (&m->brokers, b, link)
        n++;
    return n;
}

const char *meta_topic_name_check(struct slice name)
{
    if (slice_is_null(name) || name.size == 0)
        return "the topic name is empty";
    if (name.size > META_TOPIC_NAME_MAX)
        return "the topic name is longer than 249 characters";
    if (slice_eq_str(name, ".") || slice_eq_str(name, ".."))
        return "the topic name can't be '.' or '..'";
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];

        if (c >= 0x80 || (!isalnum(c) && c != '.' && c != '_' && c != '-'))
            return "the topic name may only have ASCII letters, digits, '.', '_' and '-'";
    }
    return NULL;
}

void meta_set_broker(struct meta *m, const struct meta_broker *b)
{
    struct meta_broker *copy = xcalloc(1, sizeof(*copy));

    *copy = (struct meta_broker){ .id = b->id, .incarnation = b->incarnation, .port = b->port };
    copy->node_id = xstrdup(b->node_id);
    copy->host = xstrdup(b->host);
    copy->rack = b->rack != NULL ? xstrdup(b->rack) : NULL;
    copy->raft_addr = b->raft_addr != NULL ? xstrdup(b->raft_addr) : NULL;
    copy->votes = b->votes;
    list_init(&copy->link);
    meta_link_broker(m, copy);
}

void meta_note_leader(struct meta *m, const struct uuid *topic, int32_t partition, int32_t leader, int32_t epoch,
                      uint32_t in_sync)
{
    struct meta_topic *t = meta_find_topic(m, topic);

    if (t == NULL || partition < 0 || partition >= t->n_partitions)
        return;
    t->partitions[partition].leader = leader;
    t->partitions[partition].epoch = epoch;
    t->partitions[partition].in_sync = in_sync;
}
