/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

static int apply_form(struct meta *m, struct rd *r, struct meta_event *e)
{
    struct uuid id;

    meta_get_uuid(r, &id);
    if (r->error != 0)
        return r->error;
    if (!uuid_is_zero(&m->cluster_id)) {
        e->error = META_INVALID_REQUEST; /* a cluster is formed once */
        return 0;
    }
    m->cluster_id = id;
    e->kind = META_FORMED;
    meta_note_cluster(m, &e->records);
    return 0;
}

static int apply_broker(struct meta *m, struct rd *r, struct meta_event *e)
{
    struct meta_broker *b = meta_get_broker(r);

    if (b == NULL)
        return r->error;
    meta_link_broker(m, b);
    e->kind = META_BROKER_CHANGED;
    meta_note_broker(b, &e->records);
    return 0;
}

/* What of a topic-create command can be told from the command alone is the proposer's to check; what depends on the
 * state is decided here. */
static struct meta_topic *read_topic(struct rd *r, int32_t *ret_partitions, int32_t *ret_leader)
{
    struct meta_topic *t = meta_topic_new();
    uint32_t n_configs;

    t->name = meta_get_string(r, META_TOPIC_NAME_MAX);
    meta_get_uuid(r, &t->id);
    *ret_partitions = (int32_t)rd_le32(r);
    t->replication_factor = (int16_t)rd_le16(r);
    *ret_leader = (int32_t)rd_le32(r);
    n_configs = rd_le32(r);
    for (uint32_t i = 0; i < n_configs && r->error == 0; i++) {
        _cleanup_(freep) char *name = meta_get_string(r, META_CONFIG_VALUE_MAX);
        _cleanup_(freep) char *value = meta_get_string(r, META_CONFIG_VALUE_MAX);

        if (name == NULL || value == NULL)
            rd_fail(r, -EBADMSG);
        else
            meta_set_config(t, name, value);
    }
    if (t->name == NULL)
        rd_fail(r, -EBADMSG);
    if (r->error == 0)
        return t;
    meta_topic_free(t);
    return NULL;
}

static int apply_topic_create(struct meta *m, uint64_t index, struct rd *r, struct meta_event *e)
{
    int32_t n_partitions, leader;
    struct meta_topic *t = read_topic(r, &n_partitions, &leader);

    if (t == NULL)
        return r->error;
    if (meta_topic_by_name(m, slice_str(t->name)) != NULL)
        e->error = META_TOPIC_EXISTS;
    else if (n_partitions < 1 || n_partitions > META_PARTITIONS_MAX)
        e->error = META_INVALID_PARTITIONS;
    else if (uuid_is_zero(&t->id) || meta_find_topic(m, &t->id) != NULL)
        e->error = META_INVALID_REQUEST;
    if (e->error != 0) {
        meta_topic_free(t);
        return 0;
    }
    t->created_index = index;
    meta_add_partitions(t, n_partitions, m->next_group, leader);
    m->next_group += (uint64_t)n_partitions;
    meta_link_topic(m, t);
    e->kind = META_TOPIC_CREATED;
    e->topic = t;
    meta_note_topic(t, false, &e->records);
    meta_note_cluster(m, &e->records);
    return 0;
}

/* The topic that the command names, or NULL with the event's or the reader's error set. */
static struct meta_topic *read_known_topic(const struct meta *m, struct rd *r, struct meta_event *e)
{
    struct meta_topic *t;
    struct uuid id;

    meta_get_uuid(r, &id);
    if (r->error != 0)
        return NULL;
    t = meta_find_topic(m, &id);
    if (t == NULL)
        e->error = META_UNKNOWN_TOPIC_ID;
    return t;
}

static int apply_topic_delete(struct meta *m, struct rd *r, struct meta_event *e)
{
    struct meta_topic *t = read_known_topic(m, r, e);

    if (t == NULL)
        return r->error;
    meta_unlink_topic(m, t);
    e->kind = META_TOPIC_DELETED;
    e->deleted = t;
    meta_note_topic(t, true, &e->records);
    return 0;
}

static int apply_partitions_add(struct meta *m, struct rd *r, struct meta_event *e)
{
    struct meta_topic *t = read_known_topic(m, r, e);
    int32_t total = (int32_t)rd_le32(r);
    int32_t before;

    if (r->error != 0 || t == NULL)
        return r->error;
    if (total <= t->n_partitions || total > META_PARTITIONS_MAX) {
        e->error = META_INVALID_PARTITIONS;
        return 0;
    }
    before = t->n_partitions;
    meta_add_partitions(t, total, m->next_group, t->partitions[0].leader);
    m->next_group += (uint64_t)(total - before);
    m->n_partitions += (size_t)(total - before);
    e->kind = META_PARTITIONS_ADDED;
    e->topic = t;
    e->first_partition = before;
    meta_note_topic(t, false, &e->records);
    meta_note_cluster(m, &e->records);
    return 0;
}

static int apply_topic_configs(struct meta *m, struct rd *r, struct meta_event *e)
{
    struct meta_topic *t = read_known_topic(m, r, e);
    bool replace = rd_u8(r) != 0;
    uint32_t n = rd_le32(r);

    if (r->error != 0 || t == NULL)
        return r->error;
    if (replace)
        meta_clear_configs(t);
    for (uint32_t i = 0; i < n && r->error == 0; i++) {
        _cleanup_(freep) char *name = meta_get_string(r, META_CONFIG_VALUE_MAX);
        _cleanup_(freep) char *value = meta_get_string(r, META_CONFIG_VALUE_MAX);

        if (name == NULL)
            rd_fail(r, -EBADMSG);
        else
            meta_set_config(t, name, value);
    }
    e->kind = META_TOPIC_CONFIGURED;
    e->topic = t;
    meta_note_topic(t, false, &e->records);
    return r->error;
}

static int apply_producer_ids(struct meta *m, struct rd *r, struct meta_event *e)
{
    int32_t count = (int32_t)rd_le32(r);

    if (r->error != 0)
        return r->error;
    if (count < 1 || m->next_producer_id > INT64_MAX - count) {
        e->error = META_INVALID_REQUEST;
        return 0;
    }
    e->kind = META_PRODUCER_IDS;
    e->producer_id_first = m->next_producer_id;
    e->producer_id_count = count;
    m->next_producer_id += count;
    meta_note_cluster(m, &e->records);
    return 0;
}

static int apply_op(struct meta *m, uint64_t index, struct rd *r, struct meta_event *e)
{
    switch (rd_u8(r)) {
    case META_OP_FORM:
        return apply_form(m, r, e);
    case META_OP_BROKER:
        return apply_broker(m, r, e);
    case META_OP_TOPIC_CREATE:
        return apply_topic_create(m, index, r, e);
    case META_OP_TOPIC_DELETE:
        return apply_topic_delete(m, r, e);
    case META_OP_PARTITIONS_ADD:
        return apply_partitions_add(m, r, e);
    case META_OP_TOPIC_CONFIGS:
        return apply_topic_configs(m, r, e);
    case META_OP_PRODUCER_IDS:
        return apply_producer_ids(m, r, e);
    default:
        return -EBADMSG;
    }
}

int meta_apply(struct meta *m, uint64_t index, struct slice command, struct meta_event *ret_event)
{
    struct meta_event e = { .kind = META_NOTHING };
    struct rd r;
    int rc;

    gq_assert(index > m->applied_index);
    list_init(&e.records);
    rd_init(&r, command.data, command.size);
    rc = apply_op(m, index, &r, &e);
    if (rc < 0) {
        meta_records_fini(&e.records);
        meta_topic_free(e.deleted);
        return rc;
    }
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
