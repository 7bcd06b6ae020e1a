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
