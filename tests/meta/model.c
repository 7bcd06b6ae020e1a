/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/model.h"

#include <stdio.h>

#include "meta/state.h"

struct model_topic *model_by_name(struct model *m, const char *name)
{
    for (size_t i = 0; i < m->n_topics; i++) {
        if (strcmp(m->topics[i].name, name) == 0)
            return &m->topics[i];
    }
    return NULL;
}

struct model_topic *model_by_id(struct model *m, uint8_t id)
{
    for (size_t i = 0; i < m->n_topics; i++) {
        if (m->topics[i].id == id)
            return &m->topics[i];
    }
    return NULL;
}

/* The first by turns, the others behind it, shifted by one with each turn. */
static void place(int n_brokers, uint64_t group, int32_t *to, int n_replicas)
{
    int first = (int)(group % (uint64_t)n_brokers), shift = (int)(group / (uint64_t)n_brokers);

    to[0] = first + 1;
    for (int i = 1; i < n_replicas; i++)
        to[i] = (first + 1 + (shift + i - 1) % (n_brokers - 1)) % n_brokers + 1;
}

static void grow(struct model *m, struct model_topic *t, int32_t total)
{
    for (; t->n_partitions < total; t->n_partitions++) {
        uint64_t g = m->next_group++;
        int32_t *replicas = t->replicas[t->n_partitions];

        t->groups[t->n_partitions] = g;
        if (m->n_brokers == 0)
            replicas[0] = 1;
        else
            place(m->n_brokers, g, replicas, t->n_replicas);
    }
}

int16_t model_create(struct model *m, uint64_t index, const char *name, uint8_t id, int32_t n_partitions,
                     int n_replicas)
{
    struct model_topic *t = &m->topics[m->n_topics];

    if (model_by_name(m, name) != NULL)
        return 36;
    if (n_partitions < 1)
        return 37;
    if (n_replicas < 1 || (m->n_brokers > 0 && n_replicas > m->n_brokers))
        return 38;
    if (id == 0 || model_by_id(m, id) != NULL)
        return 42;
    *t = (struct model_topic){ .id = id, .created = index, .n_replicas = m->n_brokers > 0 ? n_replicas : 1 };
    snprintf(t->name, sizeof(t->name), "%s", name);
    for (int i = 0; i < MODEL_CONFIGS; i++)
        t->configs[i] = -1;
    grow(m, t, n_partitions);
    m->n_topics++;
    return 0;
}

int16_t model_delete(struct model *m, uint8_t id)
{
    struct model_topic *t = model_by_id(m, id);

    if (t == NULL)
        return 100;
    m->n_topics--;
    memmove(t, t + 1, (size_t)(&m->topics[m->n_topics] - t) * sizeof(*t));
    return 0;
}

int16_t model_add(struct model *m, uint8_t id, int32_t total)
{
    struct model_topic *t = model_by_id(m, id);

    if (t == NULL)
        return 100;
    if (total <= t->n_partitions)
        return 37;
    grow(m, t, total);
    return 0;
}

int16_t model_configure(struct model *m, uint8_t id, bool replace, const int values[MODEL_CONFIGS])
{
    struct model_topic *t = model_by_id(m, id);

    if (t == NULL)
        return 100;
    for (int i = 0; i < MODEL_CONFIGS; i++) {
        if (values[i] != -2)
            t->configs[i] = values[i];
        else if (replace)
            t->configs[i] = -1;
    }
    return 0;
}

int16_t model_producer_ids(struct model *m, int32_t count)
{
    if (count < 1)
        return 42;
    m->next_producer_id += count;
    return 0;
}

/* --- comparing --- */

static const char *compare_configs(const struct model_topic *t, const struct meta_topic *real)
{
    size_t n = 0;
    char name[16], value[16];

    for (int i = 0; i < MODEL_CONFIGS; i++) {
        const char *is;

        snprintf(name, sizeof(name), "c%d", i);
        snprintf(value, sizeof(value), "%d", t->configs[i]);
        is = meta_topic_config(real, name);
        if ((is != NULL) != (t->configs[i] != -1) || (is != NULL && strcmp(is, value) != 0))
            return "a config";
        n += is != NULL;
    }
    return n != real->n_configs ? "the number of configs" : NULL;
}

static const char *compare_topic(const struct model_topic *t, const struct meta_topic *real)
{
    struct uuid id = state_id(t->id);

    if (strcmp(real->name, t->name) != 0 || !uuid_eq(&real->id, &id))
        return "the order of topics";
    if (real->created_index != t->created)
        return "a created index";
    if (real->n_partitions != t->n_partitions || real->n_replicas != t->n_replicas)
        return "the partitions of a topic";
    for (int32_t p = 0; p < t->n_partitions; p++) {
        if (real->partitions[p].group != t->groups[p] || real->partitions[p].leader != t->replicas[p][0])
            return "a partition";
        for (int i = 0; i < t->n_replicas; i++)
            if (meta_replicas(real, p)[i] != t->replicas[p][i])
                return "a replica";
    }
    return compare_configs(t, real);
}

const char *model_compare(struct model *model, const struct meta *meta)
{
    const struct meta_topic *real;
    size_t i = 0, n_partitions = 0;

    if (meta->n_topics != model->n_topics)
        return "the number of topics";
    list_foreach (&meta->topics, real, link) {
        const char *what = compare_topic(&model->topics[i++], real);

        if (what != NULL)
            return what;
        if (meta_topic_by_name(meta, slice_str(real->name)) != real || meta_topic_by_id(meta, &real->id) != real)
            return "a look-up";
        n_partitions += (size_t)real->n_partitions;
    }
    if (i != model->n_topics || n_partitions != meta->n_partitions)
        return "a count";
    if (meta->next_group != model->next_group || meta->next_producer_id != model->next_producer_id)
        return "what is given next";
    return NULL;
}

/* --- the store --- */

void model_store_init(struct model_store *s)
{
    list_init(&s->records);
}

void model_store_fini(struct model_store *s)
{
    meta_records_fini(&s->records);
}

static void forget(struct model_store *s, const struct meta_record *changed)
{
    struct meta_record *rec, *next;

    list_foreach_safe (&s->records, rec, next, link) {
        if (rec->kind == changed->kind && slice_eq(rec->key, changed->key)) {
            list_remove(&rec->link);
            free(rec);
        }
    }
}

static void keep(struct model_store *s, const struct meta_record *changed)
{
    struct meta_record *copy = xmalloc(sizeof(*copy) + changed->key.size + changed->value.size);
    uint8_t *p = (uint8_t *)(copy + 1);

    *copy = *changed;
    list_init(&copy->link);
    memcpy(p, changed->key.data, changed->key.size);
    memcpy(p + changed->key.size, changed->value.data, changed->value.size);
    copy->key.data = p;
    copy->value.data = p + changed->key.size;
    list_append(&s->records, &copy->link);
}

void model_store_take(struct model_store *s, const struct list *changes)
{
    const struct meta_record *rec;

    list_foreach (changes, rec, link) {
        forget(s, rec);
        if (!slice_is_null(rec->value))
            keep(s, rec);
    }
}
