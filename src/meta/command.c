/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

#define NULL_STRING UINT32_MAX
#define CANCEL UINT16_MAX

void meta_put_slice(struct wr *w, struct slice s)
{
    wr_le32(w, slice_is_null(s) ? NULL_STRING : (uint32_t)s.size);
    wr_bytes(w, s.data, s.size);
}

void meta_put_string(struct wr *w, const char *s)
{
    meta_put_slice(w, slice_str(s));
}

char *meta_get_string(struct rd *r, size_t max)
{
    uint32_t size = rd_le32(r);
    const uint8_t *p;

    if (r->error != 0 || size == NULL_STRING)
        return NULL;
    if (size > max) {
        rd_fail(r, -EBADMSG);
        return NULL;
    }
    p = rd_bytes(r, size);
    if (p == NULL)
        return NULL;
    if (memchr(p, 0, size) != NULL) {
        rd_fail(r, -EBADMSG);
        return NULL;
    }
    return xstrndup((const char *)p, size);
}

void meta_put_uuid(struct wr *w, const struct uuid *u)
{
    wr_bytes(w, u->bytes, sizeof(u->bytes));
}

void meta_get_uuid(struct rd *r, struct uuid *ret)
{
    const uint8_t *p = rd_bytes(r, sizeof(ret->bytes));

    if (p != NULL)
        memcpy(ret->bytes, p, sizeof(ret->bytes));
}

void meta_put_broker(struct wr *w, const struct meta_broker *b)
{
    wr_le32(w, (uint32_t)b->id);
    meta_put_uuid(w, &b->incarnation);
    meta_put_string(w, b->node_id);
    meta_put_string(w, b->host);
    wr_le16(w, b->port);
    meta_put_string(w, b->rack);
}

void meta_write_form(struct wr *w, const struct uuid *cluster_id)
{
    wr_u8(w, META_OP_FORM);
    meta_put_uuid(w, cluster_id);
}

void meta_write_formation(struct wr *w, const struct meta_formation *f)
{
    wr_u8(w, META_OP_FORM_CLUSTER);
    meta_put_uuid(w, &f->cluster_id);
    wr_le64(w, (uint64_t)f->formed_ms);
    wr_le16(w, (uint16_t)f->n_founders);
    for (uint32_t i = 0; i < f->n_founders; i++) {
        const struct meta_founder *b = &f->founders[i];

        wr_le32(w, (uint32_t)b->id);
        meta_put_uuid(w, &b->incarnation);
        meta_put_string(w, b->node_id);
        meta_put_string(w, b->raft_addr);
        wr_u8(w, b->votes);
    }
}

void meta_write_broker(struct wr *w, const struct meta_broker *b)
{
    wr_u8(w, b->raft_addr != NULL ? META_OP_CLUSTER_BROKER : META_OP_BROKER);
    meta_put_broker(w, b);
    if (b->raft_addr != NULL)
        meta_put_string(w, b->raft_addr);
}

void meta_write_readmission(struct wr *w, int32_t id, const struct uuid *before, const struct uuid *incarnation)
{
    wr_u8(w, META_OP_READMIT);
    wr_le32(w, (uint32_t)id);
    meta_put_uuid(w, before);
    meta_put_uuid(w, incarnation);
}

void meta_write_topic_create(struct wr *w, const struct meta_topic_create *c)
{
    wr_u8(w, META_OP_TOPIC_CREATE);
    meta_put_slice(w, c->name);
    meta_put_uuid(w, &c->id);
    wr_le32(w, (uint32_t)c->n_partitions);
    wr_le16(w, (uint16_t)c->replication_factor);
    wr_le32(w, (uint32_t)c->leader);
    wr_le32(w, (uint32_t)c->n_configs);
    for (size_t i = 0; i < c->n_configs; i++) {
        meta_put_string(w, c->configs[i].name);
        meta_put_string(w, c->configs[i].value);
    }
}

void meta_write_topic_delete(struct wr *w, const struct uuid *id)
{
    wr_u8(w, META_OP_TOPIC_DELETE);
    meta_put_uuid(w, id);
}

void meta_write_partitions_add(struct wr *w, const struct uuid *id, int32_t total)
{
    wr_u8(w, META_OP_PARTITIONS_ADD);
    meta_put_uuid(w, id);
    wr_le32(w, (uint32_t)total);
}

void meta_write_topic_configs(struct wr *w, const struct uuid *id, bool replace, const struct meta_config_op *ops,
                              size_t n_ops)
{
    wr_u8(w, META_OP_TOPIC_CONFIGS);
    meta_put_uuid(w, id);
    wr_u8(w, replace);
    wr_le32(w, (uint32_t)n_ops);
    for (size_t i = 0; i < n_ops; i++) {
        meta_put_string(w, ops[i].name);
        meta_put_string(w, ops[i].value);
    }
}

void meta_write_replicas(struct wr *w, const struct uuid *topic, int32_t partition, const struct meta_ids *wanted)
{
    wr_u8(w, META_OP_REPLICAS);
    meta_put_uuid(w, topic);
    wr_le32(w, (uint32_t)partition);
    wr_le16(w, wanted != NULL ? wanted->n : CANCEL);
    for (uint16_t i = 0; wanted != NULL && i < wanted->n; i++)
        wr_le32(w, (uint32_t)wanted->ids[i]);
}

void meta_write_settled(struct wr *w, const struct uuid *topic, int32_t partition, uint64_t since)
{
    wr_u8(w, META_OP_SETTLED);
    meta_put_uuid(w, topic);
    wr_le32(w, (uint32_t)partition);
    wr_le64(w, since);
}

void meta_write_producer_ids(struct wr *w, int32_t count)
{
    wr_u8(w, META_OP_PRODUCER_IDS);
    wr_le32(w, (uint32_t)count);
}

/* --- reading --- */

static void read_configs(struct meta_command *c, struct rd *r, bool may_remove)
{
    uint32_t n = rd_le32(r);

    if (n > META_CONFIGS_MAX) {
        rd_fail(r, -EBADMSG);
        return;
    }
    c->configs = xcalloc(n + 1, sizeof(*c->configs));
    for (; c->n_configs < n && r->error == 0; c->n_configs++) {
        struct meta_config_entry *e = &c->configs[c->n_configs];

        e->name = meta_get_string(r, META_CONFIG_VALUE_MAX);
        e->value = meta_get_string(r, META_CONFIG_VALUE_MAX);
        if (e->name == NULL || (e->value == NULL && !may_remove))
            rd_fail(r, -EBADMSG);
    }
}

static void read_topic_create(struct meta_command *c, struct rd *r)
{
    struct meta_topic *t = c->topic = meta_topic_new();

    t->name = meta_get_string(r, META_TOPIC_NAME_MAX);
    meta_get_uuid(r, &t->id);
    c->count = (int32_t)rd_le32(r);
    t->replication_factor = (int16_t)rd_le16(r);
    c->leader = (int32_t)rd_le32(r);
    read_configs(c, r, false);
    if (t->name == NULL)
        rd_fail(r, -EBADMSG);
    for (size_t i = 0; i < c->n_configs && r->error == 0; i++)
        meta_set_config(t, c->configs[i].name, c->configs[i].value);
}

static void read_partitions_add(struct meta_command *c, struct rd *r)
{
    meta_get_uuid(r, &c->id);
    c->count = (int32_t)rd_le32(r);
}

static void read_topic_configs(struct meta_command *c, struct rd *r)
{
    uint8_t replace;

    meta_get_uuid(r, &c->id);
    replace = rd_u8(r);
    if (replace > 1)
        rd_fail(r, -EBADMSG);
    c->replace = replace != 0;
    read_configs(c, r, true);
}

static void read_founder(struct meta_founder *b, struct rd *r)
{
    uint8_t votes;

    b->id = (int32_t)rd_le32(r);
    meta_get_uuid(r, &b->incarnation);
    b->node_id = meta_get_string(r, META_BROKER_TEXT_MAX);
    b->raft_addr = meta_get_string(r, META_BROKER_TEXT_MAX);
    votes = rd_u8(r);
    b->votes = votes == 1;
    if (votes > 1 || b->id < 1 || uuid_is_zero(&b->incarnation) || b->node_id == NULL || b->raft_addr == NULL)
        rd_fail(r, -EBADMSG);
}

/* Ids and node ids are given once each, and somebody votes. */
static bool is_sound(const struct meta_formation *f)
{
    bool votes = false;

    for (uint32_t i = 0; i < f->n_founders; i++) {
        votes = votes || f->founders[i].votes;
        if (i > 0 && f->founders[i].id <= f->founders[i - 1].id)
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(f->founders[i].node_id, f->founders[k].node_id) == 0)
                return false;
    }
    return votes && !uuid_is_zero(&f->cluster_id);
}

static void read_formation(struct meta_formation *f, struct rd *r)
{
    uint16_t n;

    meta_get_uuid(r, &f->cluster_id);
    f->formed_ms = (int64_t)rd_le64(r);
    n = rd_le16(r);
    if (n > META_FOUNDERS_MAX)
        rd_fail(r, -EBADMSG);
    while (f->n_founders < n && r->error == 0)
        read_founder(&f->founders[f->n_founders++], r);
    if (r->error == 0 && !is_sound(f))
        rd_fail(r, -EBADMSG);
}

void meta_formation_fini(struct meta_formation *f)
{
    for (uint32_t i = 0; i < f->n_founders; i++) {
        free(f->founders[i].node_id);
        free(f->founders[i].raft_addr);
    }
    *f = (struct meta_formation){ 0 };
}

int meta_formation_read(struct slice command, struct meta_formation *ret)
{
    struct meta_command c;
    int rc = meta_command_read(&c, command);

    if (rc == 0 && c.formation == NULL)
        rc = -EBADMSG;
    if (rc == 0) {
        *ret = *c.formation;
        free(TAKE_PTR(c.formation));
    }
    meta_command_fini(&c);
    return rc;
}

static void read_cluster_broker(struct meta_command *c, struct rd *r)
{
    c->broker = meta_get_broker(r);
    if (c->broker == NULL)
        return;
    c->broker->raft_addr = meta_get_string(r, META_BROKER_TEXT_MAX);
    if (c->broker->raft_addr == NULL)
        rd_fail(r, -EBADMSG);
}

static void read_readmission(struct meta_command *c, struct rd *r)
{
    c->broker_id = (int32_t)rd_le32(r);
    meta_get_uuid(r, &c->before);
    meta_get_uuid(r, &c->incarnation);
    if (uuid_is_zero(&c->incarnation))
        rd_fail(r, -EBADMSG);
}

static void read_replicas(struct meta_command *c, struct rd *r)
{
    meta_get_uuid(r, &c->id);
    c->partition = (int32_t)rd_le32(r);
    c->n_ids = rd_le16(r);
    c->cancel = c->n_ids == CANCEL;
    if (c->cancel)
        c->n_ids = 0;
    if (c->n_ids > META_REPLICAS_MAX)
        rd_fail(r, -EBADMSG);
    for (uint16_t i = 0; i < c->n_ids && r->error == 0; i++)
        c->ids[i] = (int32_t)rd_le32(r);
}

static void read_settled(struct meta_command *c, struct rd *r)
{
    meta_get_uuid(r, &c->id);
    c->partition = (int32_t)rd_le32(r);
    c->since = rd_le64(r);
}

static void read_op(struct meta_command *c, struct rd *r)
{
    switch (c->op) {
    case META_OP_FORM:
    case META_OP_TOPIC_DELETE:
        meta_get_uuid(r, &c->id);
        break;
    case META_OP_BROKER:
        c->broker = meta_get_broker(r);
        break;
    case META_OP_TOPIC_CREATE:
        read_topic_create(c, r);
        break;
    case META_OP_PARTITIONS_ADD:
        read_partitions_add(c, r);
        break;
    case META_OP_TOPIC_CONFIGS:
        read_topic_configs(c, r);
        break;
    case META_OP_PRODUCER_IDS:
        c->count = (int32_t)rd_le32(r);
        break;
    case META_OP_FORM_CLUSTER:
        c->formation = xcalloc(1, sizeof(*c->formation));
        read_formation(c->formation, r);
        break;
    case META_OP_CLUSTER_BROKER:
        read_cluster_broker(c, r);
        break;
    case META_OP_READMIT:
        read_readmission(c, r);
        break;
    case META_OP_REPLICAS:
        read_replicas(c, r);
        break;
    case META_OP_SETTLED:
        read_settled(c, r);
        break;
    default:
        rd_fail(r, -EBADMSG);
    }
}

int meta_command_read(struct meta_command *c, struct slice body)
{
    struct rd r;

    *c = (struct meta_command){ 0 };
    rd_init(&r, body.data, body.size);
    c->op = (enum meta_op)rd_u8(&r);
    read_op(c, &r);
    if (r.error == 0 && rd_left(&r) == 0)
        return 0;
    meta_command_fini(c);
    return -EBADMSG;
}

void meta_command_fini(struct meta_command *c)
{
    meta_broker_free(TAKE_PTR(c->broker));
    meta_topic_free(TAKE_PTR(c->topic));
    if (c->formation != NULL)
        meta_formation_fini(c->formation);
    free(TAKE_PTR(c->formation));
    for (size_t i = 0; i < c->n_configs; i++) {
        free(c->configs[i].name);
        free(c->configs[i].value);
    }
    free(TAKE_PTR(c->configs));
    c->n_configs = 0;
}

int meta_check(struct slice command)
{
    struct meta_command c;
    int rc = meta_command_read(&c, command);

    if (rc == 0)
        meta_command_fini(&c);
    return rc;
}
