/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

#define NULL_STRING UINT32_MAX

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

void meta_write_broker(struct wr *w, const struct meta_broker *b)
{
    wr_u8(w, META_OP_BROKER);
    meta_put_broker(w, b);
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
