/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

/* Commands are read whole before anything changes. A refused one sets e->error and changes nothing. */

static void apply_form(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    if (!uuid_is_zero(&m->cluster_id) || uuid_is_zero(&c->id)) {
        e->error = META_INVALID_REQUEST; /* a cluster is formed once */
        return;
    }
    m->cluster_id = c->id;
    e->kind = META_FORMED;
    meta_note_cluster(m, &e->records);
}

static struct meta_broker *broker_of(const struct meta_founder *f)
{
    struct meta_broker *b = xcalloc(1, sizeof(*b));

    list_init(&b->link);
    b->id = f->id;
    b->incarnation = f->incarnation;
    b->node_id = xstrdup(f->node_id);
    b->raft_addr = xstrdup(f->raft_addr);
    b->host = xstrdup("");
    b->votes = f->votes;
    return b;
}

static void apply_form_cluster(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    const struct meta_formation *f = c->formation;

    if (!uuid_is_zero(&m->cluster_id) || !list_is_empty(&m->brokers)) {
        e->error = META_INVALID_REQUEST;
        return;
    }
    m->cluster_id = f->cluster_id;
    e->kind = META_FORMED;
    meta_note_cluster(m, &e->records);
    for (uint32_t i = 0; i < f->n_founders; i++) {
        struct meta_broker *b = broker_of(&f->founders[i]);

        meta_link_broker(m, b);
        meta_note_broker(b, &e->records);
    }
}

/* In a cluster who has an id keeps node id and incarnation: an emptied disk isn't the broker any more. */
static int16_t check_broker(const struct meta *m, const struct meta_broker *b)
{
    const struct meta_broker *known = meta_broker_by_id(m, b->id);

    if (!meta_is_cluster(m) && b->raft_addr == NULL)
        return 0;
    if (known == NULL || strcmp(known->node_id, b->node_id) != 0 || !uuid_eq(&known->incarnation, &b->incarnation))
        return META_DUPLICATE_BROKER;
    return 0;
}

static void apply_broker(struct meta *m, struct meta_command *c, struct meta_event *e)
{
    const struct meta_broker *known = meta_broker_by_id(m, c->broker->id);
    struct meta_broker *b;

    e->error = check_broker(m, c->broker);
    if (e->error != 0)
        return;
    b = TAKE_PTR(c->broker);
    if (known != NULL && b->raft_addr == NULL && known->raft_addr != NULL)
        b->raft_addr = xstrdup(known->raft_addr);
    b->votes = known != NULL && known->votes;
    if (known != NULL)
        meta_copy_formers(b, known);
    meta_link_broker(m, b);
    e->kind = META_BROKER_CHANGED;
    meta_note_broker(b, &e->records);
}

/* A data directory is one broker's, once. */
static bool was_ever(const struct meta *m, const struct uuid *incarnation)
{
    const struct meta_broker *b;

    list_foreach (&m->brokers, b, link)
        if (uuid_eq(&b->incarnation, incarnation) || meta_broker_was(b, incarnation))
            return true;
    return false;
}

/* What the broker had is gone for good. Several may ask for the same, and whoever was late doesn't get in the way of
 * who came after: so the command says what it takes the place of. */
static void apply_readmit(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_broker *b = meta_find_broker(m, c->broker_id);

    if (b == NULL || b->raft_addr == NULL || !uuid_eq(&b->incarnation, &c->before))
        e->error = META_DUPLICATE_BROKER;
    else if (was_ever(m, &c->incarnation) || b->n_formers == META_FORMERS_MAX)
        e->error = META_INVALID_REQUEST;
    if (e->error != 0)
        return;
    meta_add_former(b, &b->incarnation, m->next_group);
    b->incarnation = c->incarnation;
    e->kind = META_BROKER_READMITTED;
    e->broker_id = b->id;
    meta_note_broker(b, &e->records);
}

/* Groups for partitions that are new; the sum is checked so that no client can make the state grow without end. */
static int16_t check_room(const struct meta *m, int32_t n_new)
{
    return m->n_partitions + (size_t)n_new > META_ALL_PARTITIONS_MAX ? META_INVALID_PARTITIONS : 0;
}

/* Replicas of a partition are on different brokers. Who is alone keeps one of each, whatever was asked for. */
static int16_t check_replicas(const struct meta *m, int32_t n_replicas)
{
    if (n_replicas < 1)
        return META_INVALID_REPLICATION_FACTOR;
    if (meta_is_cluster(m) && (n_replicas > META_REPLICAS_MAX || (size_t)n_replicas > meta_n_brokers(m)))
        return META_INVALID_REPLICATION_FACTOR;
    return 0;
}

static int16_t check_topic(const struct meta *m, const struct meta_topic *t, int32_t n_partitions)
{
    if (meta_topic_name_check(slice_str(t->name)) != NULL)
        return META_INVALID_TOPIC;
    if (meta_topic_by_name(m, slice_str(t->name)) != NULL)
        return META_TOPIC_EXISTS;
    if (n_partitions < 1 || n_partitions > META_PARTITIONS_MAX)
        return META_INVALID_PARTITIONS;
    if (check_replicas(m, t->replication_factor) != 0)
        return META_INVALID_REPLICATION_FACTOR;
    if (uuid_is_zero(&t->id) || meta_find_topic(m, &t->id) != NULL)
        return META_INVALID_REQUEST;
    return check_room(m, n_partitions);
}

static void add_partitions(struct meta *m, struct meta_topic *t, int32_t total, int32_t leader)
{
    int32_t before = t->n_partitions;

    meta_add_partitions(t, total, m->next_group);
    m->next_group += (uint64_t)(total - before);
    if (meta_is_cluster(m)) {
        meta_place(m, t, before);
    } else {
        for (size_t i = (size_t)before * t->n_replicas; i < (size_t)total * t->n_replicas; i++)
            t->replicas[i] = leader;
    }
    meta_settle_partitions(t, before);
}

static void apply_topic_create(struct meta *m, uint64_t index, struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t;

    e->error = check_topic(m, c->topic, c->count);
    if (e->error != 0)
        return;
    t = TAKE_PTR(c->topic);
    t->created_index = index;
    t->n_replicas = meta_is_cluster(m) ? (uint16_t)t->replication_factor : 1;
    add_partitions(m, t, c->count, c->leader);
    meta_link_topic(m, t);
    e->kind = META_TOPIC_CREATED;
    e->topic = t;
    meta_note_topic(t, false, &e->records);
    meta_note_cluster(m, &e->records);
}

/* The topic that the command names, or NULL with the event's error set. */
static struct meta_topic *known_topic(const struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = meta_find_topic(m, &c->id);

    if (t == NULL)
        e->error = META_UNKNOWN_TOPIC_ID;
    return t;
}

static void apply_topic_delete(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = known_topic(m, c, e);

    if (t == NULL)
        return;
    meta_unlink_topic(m, t);
    e->kind = META_TOPIC_DELETED;
    e->deleted = t;
    meta_note_topic(t, true, &e->records);
}

static void apply_partitions_add(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = known_topic(m, c, e);
    int32_t before;

    if (t == NULL)
        return;
    before = t->n_partitions;
    if (c->count <= before || c->count > META_PARTITIONS_MAX || check_room(m, c->count - before) != 0) {
        e->error = META_INVALID_PARTITIONS;
        return;
    }
    e->error = check_replicas(m, t->n_replicas);
    if (e->error != 0)
        return;
    add_partitions(m, t, c->count, meta_replicas(t, 0)[0]);
    m->n_partitions += (size_t)(c->count - before);
    e->kind = META_PARTITIONS_ADDED;
    e->topic = t;
    e->first_partition = before;
    meta_note_topic(t, false, &e->records);
    meta_note_cluster(m, &e->records);
}

/* What the command takes back doesn't make room for what it sets. */
static bool have_configs_room(const struct meta_topic *t, const struct meta_command *c)
{
    size_t n = c->replace ? 0 : t->n_configs;

    for (size_t i = 0; i < c->n_configs; i++)
        n += c->configs[i].value != NULL && (c->replace || meta_topic_config(t, c->configs[i].name) == NULL);
    return n <= META_CONFIGS_MAX;
}

static void apply_topic_configs(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = known_topic(m, c, e);

    if (t == NULL)
        return;
    if (!have_configs_room(t, c)) {
        e->error = META_INVALID_REQUEST;
        return;
    }
    if (c->replace)
        meta_clear_configs(t);
    for (size_t i = 0; i < c->n_configs; i++)
        meta_set_config(t, c->configs[i].name, c->configs[i].value);
    e->kind = META_TOPIC_CONFIGURED;
    e->topic = t;
    meta_note_topic(t, false, &e->records);
}

static void apply_producer_ids(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    if (c->count < 1 || m->next_producer_id > INT64_MAX - c->count) {
        e->error = META_INVALID_REQUEST;
        return;
    }
    e->kind = META_PRODUCER_IDS;
    e->producer_id_first = m->next_producer_id;
    e->producer_id_count = c->count;
    m->next_producer_id += c->count;
    meta_note_cluster(m, &e->records);
}

static void apply_op(struct meta *m, uint64_t index, struct meta_command *c, struct meta_event *e)
{
    switch (c->op) {
    case META_OP_FORM:
        apply_form(m, c, e);
        break;
    case META_OP_FORM_CLUSTER:
        apply_form_cluster(m, c, e);
        break;
    case META_OP_BROKER:
    case META_OP_CLUSTER_BROKER:
        apply_broker(m, c, e);
        break;
    case META_OP_READMIT:
        apply_readmit(m, c, e);
        break;
    case META_OP_REPLICAS:
        meta_apply_replicas(m, index, c, e);
        break;
    case META_OP_SETTLED:
        meta_apply_settled(m, c, e);
        break;
    case META_OP_TOPIC_CREATE:
        apply_topic_create(m, index, c, e);
        break;
    case META_OP_TOPIC_DELETE:
        apply_topic_delete(m, c, e);
        break;
    case META_OP_PARTITIONS_ADD:
        apply_partitions_add(m, c, e);
        break;
    case META_OP_TOPIC_CONFIGS:
        apply_topic_configs(m, c, e);
        break;
    case META_OP_PRODUCER_IDS:
        apply_producer_ids(m, c, e);
        break;
    }
}

int meta_apply(struct meta *m, uint64_t index, struct slice command, struct meta_event *ret_event)
{
    struct meta_event e = { .kind = META_NOTHING };
    struct meta_command c;
    int rc;

    gq_assert(index > m->applied_index);
    rc = meta_command_read(&c, command);
    if (rc < 0)
        return rc;
    list_init(&e.records);
    apply_op(m, index, &c, &e);
    meta_command_fini(&c);
    m->applied_index = index;
    *ret_event = e;
    list_init(&ret_event->records);
    list_splice(&ret_event->records, &e.records);
    return 0;
}

void meta_event_fini(struct meta_event *e)
{
    meta_records_fini(&e->records);
    meta_topic_free(e->deleted);
    e->deleted = NULL;
}
