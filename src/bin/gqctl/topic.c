/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"

static int open_admin(struct run *run, struct gq_admin **ret_admin)
{
    struct gq_error err;
    int r = gq_admin_new(run->client, ret_admin, &err);

    return r < 0 ? say_failure(NULL, r, &err) : EXIT_SUCCESS;
}

int run_topic_create(struct run *run)
{
    const struct settings *s = run->settings;
    struct gq_new_topic topic = {
        .name = s->topic,
        .partitions = s->partitions,
        .replicas = s->replicas,
        .configs = s->configs,
        .n_configs = s->n_configs,
    };
    struct gq_admin *admin;
    struct gq_error err;
    int r, status = open_admin(run, &admin);

    if (status != EXIT_SUCCESS)
        return status;
    r = gq_admin_create_topic(admin, &topic, &err);
    if (r < 0)
        status = say_failure(s->topic, r, &err);
    else if (s->json)
        print_json(json_pack("{s:s, s:i, s:i}", "created", s->topic, "partitions", (int)s->partitions, "replicas",
                             (int)s->replicas));
    else
        printf("Created topic %s: partitions %d, replicas %d\n", s->topic, (int)s->partitions, (int)s->replicas);
    gq_admin_free(admin);
    return status;
}

int run_topic_delete(struct run *run)
{
    const struct settings *s = run->settings;
    struct gq_admin *admin;
    struct gq_error err;
    int r, status = open_admin(run, &admin);

    if (status != EXIT_SUCCESS)
        return status;
    r = gq_admin_delete_topic(admin, s->topic, &err);
    if (r < 0)
        status = say_failure(s->topic, r, &err);
    else if (s->json)
        print_json(json_pack("{s:s}", "deleted", s->topic));
    else
        printf("Deleted topic %s\n", s->topic);
    gq_admin_free(admin);
    return status;
}

/* --- list --- */

static int n_replicas(const struct gq_topic_info *t)
{
    return t->n_partitions > 0 ? (int)t->partitions[0].n_replicas : 0;
}

static int name_width(const struct gq_topic_list *list)
{
    size_t width = strlen("TOPIC");

    for (size_t i = 0; i < list->n_topics; i++)
        width = MAX(width, strlen(list->topics[i].name));
    return (int)width;
}

static void print_list(const struct gq_topic_list *list, bool json)
{
    int width = name_width(list);

    if (!json && list->n_topics > 0)
        printf("%-*s  PARTITIONS  REPLICAS\n", width, "TOPIC");
    for (size_t i = 0; i < list->n_topics; i++) {
        const struct gq_topic_info *t = &list->topics[i];

        if (json)
            print_json(json_pack("{s:s, s:i, s:i}", "topic", t->name, "partitions", (int)t->n_partitions, "replicas",
                                 n_replicas(t)));
        else
            printf("%-*s  %10zu  %8d\n", width, t->name, t->n_partitions, n_replicas(t));
    }
}

int run_topic_list(struct run *run)
{
    struct gq_topic_list *list;
    struct gq_admin *admin;
    struct gq_error err;
    int r, status = open_admin(run, &admin);

    if (status != EXIT_SUCCESS)
        return status;
    r = gq_admin_list_topics(admin, &list, &err);
    if (r < 0) {
        status = say_failure(NULL, r, &err);
    } else {
        print_list(list, run->settings->json);
        gq_topic_list_free(list);
    }
    gq_admin_free(admin);
    return status;
}

/* --- describe --- */

static json_t *json_of_ids(const int32_t *ids, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer(ids[i]));
    return array;
}

static json_t *json_of_partitions(const struct gq_topic_info *t)
{
    json_t *array = json_array();

    for (size_t i = 0; i < t->n_partitions; i++) {
        const struct gq_partition_info *p = &t->partitions[i];

        json_array_append_new(array, json_pack("{s:i, s:i, s:o, s:o, s:I, s:I}", "partition", (int)p->id, "leader",
                                               (int)p->leader, "replicas", json_of_ids(p->replicas, p->n_replicas),
                                               "in_sync", json_of_ids(p->in_sync, p->n_in_sync), "start_offset",
                                               (json_int_t)p->start_offset, "end_offset", (json_int_t)p->end_offset));
    }
    return array;
}

static json_t *json_of_configs(const struct gq_config_list *configs)
{
    json_t *object = json_object();

    for (size_t i = 0; i < configs->n_configs; i++) {
        const struct gq_config_info *c = &configs->configs[i];

        json_object_set_new(object, c->name, json_pack("{s:s?, s:b}", "value", c->value, "default", c->is_default));
    }
    return object;
}

static void print_ids(const int32_t *ids, size_t n, int width)
{
    char text[256] = "-";
    size_t size = 0;

    for (size_t i = 0; i < n && size + 16 < sizeof(text); i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%d", i > 0 ? "," : "", (int)ids[i]);
    printf("  %-*s", width, text);
}

static void print_partitions(const struct gq_topic_info *t)
{
    printf("\nPARTITION  LEADER  REPLICAS  IN SYNC        FIRST         NEXT     MESSAGES\n");
    for (size_t i = 0; i < t->n_partitions; i++) {
        const struct gq_partition_info *p = &t->partitions[i];

        printf("%9d  ", (int)p->id);
        if (p->leader < 0)
            printf("%6s", "none");
        else
            printf("%6d", (int)p->leader);
        print_ids(p->replicas, p->n_replicas, 8);
        print_ids(p->in_sync, p->n_in_sync, 7);
        if (p->leader < 0)
            printf("  %11s  %11s  %11s\n", "-", "-", "-");
        else
            printf("  %11lld  %11lld  %11lld\n", (long long)p->start_offset, (long long)p->end_offset,
                   (long long)(p->end_offset - p->start_offset));
    }
}

static void print_topic(const struct gq_topic_info *t, const struct gq_config_list *configs)
{
    printf("Topic:       %s\nPartitions:  %zu\nReplicas:    %d\n", t->name, t->n_partitions, n_replicas(t));
    for (size_t i = 0; configs != NULL && i < configs->n_configs; i++) {
        const struct gq_config_info *c = &configs->configs[i];

        if (!c->is_default)
            printf("Config:      %s=%s\n", c->name, c->value != NULL ? c->value : "");
    }
    print_partitions(t);
}

static void print_topic_json(const struct gq_topic_info *t, const struct gq_config_list *configs)
{
    json_t *object =
        json_pack("{s:s, s:i, s:o}", "topic", t->name, "replicas", n_replicas(t), "partitions", json_of_partitions(t));

    if (configs != NULL)
        json_object_set_new(object, "configs", json_of_configs(configs));
    print_json(object);
}

/* topic-info is the same without the configs. */
static int describe(struct gq_admin *admin, const struct settings *s)
{
    struct gq_config_list *configs = NULL;
    struct gq_topic_info *t;
    struct gq_error err;
    int r = gq_admin_describe_topic(admin, s->topic, &t, &err);

    if (r < 0)
        return say_failure(s->topic, r, &err);
    if (s->command == COMMAND_TOPIC_DESCRIBE)
        r = gq_admin_topic_configs(admin, s->topic, &configs, &err);
    if (r == 0) {
        if (s->json)
            print_topic_json(t, configs);
        else
            print_topic(t, configs);
    }
    gq_config_list_free(configs);
    gq_topic_info_free(t);
    return r < 0 ? say_failure(s->topic, r, &err) : EXIT_SUCCESS;
}

int run_topic_describe(struct run *run)
{
    struct gq_admin *admin;
    int status = open_admin(run, &admin);

    if (status != EXIT_SUCCESS)
        return status;
    status = describe(admin, run->settings);
    gq_admin_free(admin);
    return status;
}
