/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/batch_builder.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

void batch_builder_init(struct batch_builder *b, const struct batch_params *params, size_t max_size)
{
    *b = (struct batch_builder){ .params = *params };
    wr_init_growing(&b->w, 0, MIN(max_size, (size_t)INT32_MAX));
    wr_reserve(&b->w, BATCH_HEADER_SIZE);
}

void batch_builder_fini(struct batch_builder *b)
{
    wr_fini(&b->w);
}

static size_t var_bytes_size(struct slice s)
{
    return slice_is_null(s) ? varint_size(zigzag_encode(-1)) : varint_size(zigzag_encode((int64_t)s.size)) + s.size;
}

static void wr_var_bytes(struct wr *w, struct slice s)
{
    wr_varint(w, slice_is_null(s) ? -1 : (int64_t)s.size);
    wr_bytes(w, s.data, s.size);
}

/* Bytes of a record behind its length. */
static size_t record_body_size(const struct record *rec, const struct record_header *headers)
{
    size_t size = 1 + varint_size(zigzag_encode(rec->timestamp_delta)) + varint_size(zigzag_encode(rec->offset_delta)) +
                  var_bytes_size(rec->key) + var_bytes_size(rec->value) + varint_size(zigzag_encode(rec->n_headers));

    for (int32_t i = 0; i < rec->n_headers; i++)
        size += var_bytes_size(headers[i].key) + var_bytes_size(headers[i].value);
    return size;
}

static void record_write(struct wr *w, size_t body_size, const struct record *rec, const struct record_header *headers)
{
    wr_varint(w, (int64_t)body_size);
    wr_u8(w, 0);
    wr_varint(w, rec->timestamp_delta);
    wr_varint(w, rec->offset_delta);
    wr_var_bytes(w, rec->key);
    wr_var_bytes(w, rec->value);
    wr_varint(w, rec->n_headers);
    for (int32_t i = 0; i < rec->n_headers; i++) {
        wr_var_bytes(w, headers[i].key);
        wr_var_bytes(w, headers[i].value);
    }
}

int batch_builder_add(struct batch_builder *b, int64_t timestamp_ms, struct slice key, struct slice value,
                      const struct record_header *headers, size_t n_headers)
{
    struct record rec = { .offset_delta = b->count, .key = key, .value = value, .n_headers = (int32_t)n_headers };
    size_t body_size;

    if (b->w.error != 0)
        return b->w.error;
    for (size_t i = 0; i < n_headers; i++)
        if (slice_is_null(headers[i].key))
            return -EINVAL;
    if (b->count == 0)
        b->base_timestamp = b->max_timestamp = timestamp_ms;
    if (__builtin_sub_overflow(timestamp_ms, b->base_timestamp, &rec.timestamp_delta))
        return -EINVAL;
    body_size = record_body_size(&rec, headers);
    if (body_size + VARINT32_MAX_SIZE > b->w.limit - wr_size(&b->w))
        return -ENOBUFS;
    record_write(&b->w, body_size, &rec, headers);
    if (b->w.error != 0)
        return b->w.error;
    b->max_timestamp = MAX(b->max_timestamp, timestamp_ms);
    b->count++;
    return 0;
}

static void header_write(const struct batch_builder *b, uint8_t *data, size_t size)
{
    const struct batch_params *p = &b->params;
    struct batch_header *h = (struct batch_header *)data;

    store_be64(h->base_offset, (uint64_t)p->base_offset);
    store_be32(h->length, (uint32_t)(size - BATCH_LENGTH_END));
    store_be32(h->leader_epoch, (uint32_t)p->leader_epoch);
    h->magic[0] = BATCH_MAGIC;
    store_be16(h->attributes, p->attributes);
    store_be32(h->last_offset_delta, (uint32_t)(b->count - 1));
    store_be64(h->base_timestamp, (uint64_t)b->base_timestamp);
    store_be64(h->max_timestamp, (uint64_t)b->max_timestamp);
    store_be64(h->producer_id, (uint64_t)p->producer_id);
    store_be16(h->producer_epoch, (uint16_t)p->producer_epoch);
    store_be32(h->base_sequence, (uint32_t)p->base_sequence);
    store_be32(h->count, (uint32_t)b->count);
    store_be32(h->crc, crc32c(0, data + BATCH_CRC_START, size - BATCH_CRC_START));
}

int batch_builder_finish(struct batch_builder *b, uint8_t **ret_data, size_t *ret_size)
{
    uint8_t *data;
    size_t size;

    if (b->w.error != 0 || b->count == 0) {
        int r = b->w.error != 0 ? b->w.error : -ENODATA;

        batch_builder_fini(b);
        return r;
    }
    data = wr_take(&b->w, &size);
    if (data == NULL)
        return -ENOMEM;
    header_write(b, data, size);
    *ret_data = data;
    *ret_size = size;
    return 0;
}
