/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/state.h"

#include <inttypes.h>
#include <stdio.h>

void state_init(struct state *s, uint64_t hash_seed)
{
    *s = (struct state){ 0 };
    meta_init(&s->meta, hash_seed);
    wr_init_growing(&s->command, 0, STATE_COMMAND_MAX);
    list_init(&s->event.records);
}

void state_fini(struct state *s)
{
    meta_event_fini(&s->event);
    wr_fini(&s->command);
    meta_fini(&s->meta);
}

static void fill(const struct meta *m, struct list *records)
{
    struct list from;
    struct list *link;

    list_init(&from);
    list_splice(&from, records);
    while ((link = list_pop(&from)) != NULL) {
        struct meta_record *rec = list_entry(link, struct meta_record, link);

        if (rec->is_late) {
            list_append(records, &meta_record_now(m, rec)->link);
            free(rec);
        } else {
            list_append(records, &rec->link);
        }
    }
}

int16_t state_apply(struct state *s)
{
    struct slice body = slice_make(s->command.start, wr_size(&s->command));
    struct meta_event event;

    gq_assert(s->command.error == 0);
    gq_assert(meta_check(body) == 0);
    gq_assert(meta_apply(&s->meta, s->meta.applied_index + 1, body, &event) == 0);
    wr_reset(&s->command);
    meta_event_fini(&s->event);
    s->event = event;
    list_init(&s->event.records);
    list_splice(&s->event.records, &event.records);
    fill(&s->meta, &s->event.records);
    return event.error;
}

struct uuid state_id(uint8_t byte)
{
    struct uuid id;

    memset(id.bytes, byte, sizeof(id.bytes));
    return id;
}

int16_t state_create(struct state *s, const char *name, uint8_t id, int32_t n_partitions)
{
    return state_create_of(s, name, id, n_partitions, 1);
}

int16_t state_create_of(struct state *s, const char *name, uint8_t id, int32_t n_partitions, int16_t n_replicas)
{
    struct meta_topic_create create = {
        .name = slice_str(name),
        .id = state_id(id),
        .n_partitions = n_partitions,
        .replication_factor = n_replicas,
        .leader = 1,
    };

    meta_write_topic_create(&s->command, &create);
    return state_apply(s);
}

void state_founders(struct meta_formation *f, uint32_t n)
{
    static char names[META_FOUNDERS_MAX][2][24];

    *f = (struct meta_formation){ .cluster_id = state_id(1), .formed_ms = 1700000000000, .n_founders = n };
    for (uint32_t i = 0; i < n; i++) {
        snprintf(names[i][0], sizeof(names[i][0]), "n%u", i + 1);
        snprintf(names[i][1], sizeof(names[i][1]), "host%u:9093", i + 1);
        f->founders[i] = (struct meta_founder){
            .id = (int32_t)i + 1,
            .incarnation = state_id((uint8_t)(100 + i)),
            .node_id = names[i][0],
            .raft_addr = names[i][1],
            .votes = i < 3,
        };
    }
}

int16_t state_form(struct state *s, uint32_t n_founders)
{
    struct meta_formation f;

    state_founders(&f, n_founders);
    meta_write_formation(&s->command, &f);
    return state_apply(s);
}

int16_t state_register(struct state *s, int32_t id, const char *rack)
{
    struct meta_formation f;
    struct meta_broker b = { .id = id, .host = (char *)"h", .port = 9092, .rack = (char *)rack };

    state_founders(&f, META_FOUNDERS_MAX);
    b.node_id = f.founders[id - 1].node_id;
    b.raft_addr = f.founders[id - 1].raft_addr;
    b.incarnation = f.founders[id - 1].incarnation;
    meta_write_broker(&s->command, &b);
    return state_apply(s);
}

/* --- text --- */

static void print_move(FILE *f, const struct meta_move *m)
{
    if (m == NULL)
        return;
    fprintf(f, " moves since %" PRIu64 " kept %x to %d of", m->since, m->kept, m->n_target);
    for (int i = 0; i < m->n_all; i++)
        fprintf(f, " %d", m->ids[i]);
    fprintf(f, " from");
    for (int i = 0; i < m->n_before; i++)
        fprintf(f, " %d", m->ids[m->n_all + i]);
}

static void print_topic(FILE *f, const struct meta_topic *t)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&t->id, id);
    fprintf(f, "topic %s %s created %" PRIu64 " factor %d\n", t->name, id, t->created_index, t->replication_factor);
    for (int32_t p = 0; p < t->n_partitions; p++) {
        fprintf(f, "  %d: group %" PRIu64 " leader %d epoch %d in sync %x replicas", p, t->partitions[p].group,
                t->partitions[p].move == NULL ? t->partitions[p].leader : 0, t->partitions[p].epoch,
                t->partitions[p].in_sync);
        for (uint16_t i = 0; i < t->n_replicas; i++)
            fprintf(f, " %d", meta_replicas(t, p)[i]);
        print_move(f, t->partitions[p].move);
        fprintf(f, "\n");
    }
    for (size_t i = 0; i < t->n_configs; i++)
        fprintf(f, "  %s=%s\n", t->configs[i].name, t->configs[i].value);
}

static void print_broker(FILE *f, const struct meta_broker *b)
{
    char incarnation[UUID_TEXT_SIZE];

    uuid_format(&b->incarnation, incarnation);
    fprintf(f, "broker %d %s %s at %s:%u rack %s raft %s%s\n", b->id, b->node_id, incarnation, b->host, b->port,
            b->rack != NULL ? b->rack : "(none)", b->raft_addr != NULL ? b->raft_addr : "(none)",
            b->votes ? " votes" : "");
    for (uint32_t i = 0; i < b->n_formers; i++) {
        uuid_format(&b->formers[i].incarnation, incarnation);
        fprintf(f, "  was %s below group %" PRIu64 "\n", incarnation, b->formers[i].end_group);
    }
}

char *meta_text(const struct meta *m)
{
    const struct meta_broker *b;
    const struct meta_topic *t;
    char cluster[UUID_TEXT_SIZE];
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    gq_assert(f != NULL);
    uuid_format(&m->cluster_id, cluster);
    fprintf(f, "applied %" PRIu64 " cluster %s level %u next group %" PRIu64 " next producer id %" PRId64 "\n",
            m->applied_index, cluster, m->feature_level, m->next_group, m->next_producer_id);
    fprintf(f, "%zu topics, %zu partitions\n", m->n_topics, m->n_partitions);
    list_foreach (&m->brokers, b, link)
        print_broker(f, b);
    list_foreach (&m->topics, t, link)
        print_topic(f, t);
    gq_assert(fclose(f) == 0);
    return text;
}

/* --- images --- */

int load_records(struct meta *m, const struct list *records, bool backwards, uint64_t applied_index)
{
    const struct list *link = backwards ? records->prev : records->next;

    for (; link != records; link = backwards ? link->prev : link->next) {
        const struct meta_record *rec = list_entry(link, struct meta_record, link);
        int rc = meta_load(m, rec->kind, rec->key, rec->value);

        if (rc < 0)
            return rc;
    }
    return meta_load_finish(m, applied_index);
}

void meta_copy(const struct meta *m, struct meta *ret)
{
    struct list records;

    list_init(&records);
    meta_dump(m, &records);
    meta_init(ret, m->hash_seed + 1);
    gq_assert(load_records(ret, &records, true, m->applied_index) == 0);
    meta_records_fini(&records);
}
