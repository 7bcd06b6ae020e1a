/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "log/dump_item.h"
#include "wire/batch.h"

/* Batches of a .log file. A damaged one is skipped by searching for the next place where a batch with a right checksum
 * begins. */

#define SEARCH_BYTES 16384

struct place {
    struct batch_header h;
    uint64_t position, size;
    uint32_t crc; /* as computed */
};

static bool header_is_sound(const struct batch_header *h, uint64_t left)
{
    uint32_t length = load_be32(h->length), count = load_be32(h->count);

    return h->magic[0] == BATCH_MAGIC && (uint64_t)length + BATCH_LENGTH_END <= left &&
           length >= BATCH_HEADER_SIZE - BATCH_LENGTH_END && count > 0 && count <= INT32_MAX &&
           (int64_t)load_be64(h->base_offset) >= 0;
}

/* Computes the checksum of the batch at a place whose header is known. */
static int sum_batch(struct dump *d, struct place *p)
{
    uint64_t at = p->position + BATCH_CRC_START, end = p->position + p->size;
    uint8_t data[16384];

    p->crc = 0;
    while (at < end) {
        size_t n = (size_t)MIN(end - at, (uint64_t)sizeof(data));
        int r = dump_read(d, data, n, at);

        if (r < 0)
            return r;
        p->crc = crc32c(p->crc, data, n);
        at += n;
    }
    return 0;
}

/* Returns 1 when a batch begins there, 0 when not. */
static int look_at(struct dump *d, struct place *p)
{
    int r;

    if (d->size - p->position < sizeof(p->h))
        return 0;
    r = dump_read(d, &p->h, sizeof(p->h), p->position);
    if (r < 0)
        return r;
    if (!header_is_sound(&p->h, d->size - p->position))
        return 0;
    p->size = BATCH_LENGTH_END + (uint64_t)load_be32(p->h.length);
    r = sum_batch(d, p);
    return r < 0 ? r : 1;
}

static bool crc_is_right(const struct place *p)
{
    return p->crc == load_be32(p->h.crc);
}

/* The next intact batch behind a bad place: *p; position = size of the file when there is none. */
static int search_next(struct dump *d, struct place *p)
{
    uint8_t data[SEARCH_BYTES + sizeof(struct batch_header)];
    uint64_t at = p->position + 1;

    while (at < d->size && d->size - at >= sizeof(struct batch_header)) {
        size_t n = (size_t)MIN(d->size - at, (uint64_t)sizeof(data));
        int r = dump_read(d, data, n, at);

        for (size_t i = 0; r == 0 && i + sizeof(struct batch_header) <= n; i++) {
            const struct batch_header *h = (const struct batch_header *)(data + i);

            if (!header_is_sound(h, d->size - at - i) || load_be32(h->last_offset_delta) + 1 != load_be32(h->count))
                continue;
            p->position = at + i;
            r = look_at(d, p);
            if (r == 1 && crc_is_right(p))
                return 0;
            r = MIN(r, 0);
        }
        if (r < 0)
            return r;
        at += n - sizeof(struct batch_header) + 1;
    }
    p->position = d->size;
    return 0;
}

static const char *codec_text(uint16_t attributes)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    unsigned codec = attributes & BATCH_ATTR_CODEC;

    return codec < ARRAY_SIZE(names) ? names[codec] : "unknown";
}

static int dump_batch(struct dump *d, const struct place *p)
{
    const struct batch_header *h = &p->h;
    uint16_t attributes = load_be16(h->attributes);
    int64_t base = (int64_t)load_be64(h->base_offset);

    dump_begin(d, "batch", p->position);
    dump_unsigned(d, "size", p->size);
    dump_number(d, "base_offset", base);
    dump_number(d, "last_offset", (int64_t)((uint64_t)base + load_be32(h->last_offset_delta)));
    dump_unsigned(d, "count", load_be32(h->count));
    dump_number(d, "leader_epoch", (int32_t)load_be32(h->leader_epoch));
    dump_text(d, "codec", "%s", codec_text(attributes));
    dump_text(d, "timestamp_type", "%s", attributes & BATCH_ATTR_APPEND_TIME ? "append" : "create");
    dump_number(d, "base_timestamp", (int64_t)load_be64(h->base_timestamp));
    dump_number(d, "max_timestamp", (int64_t)load_be64(h->max_timestamp));
    dump_number(d, "producer_id", (int64_t)load_be64(h->producer_id));
    dump_number(d, "producer_epoch", (int16_t)load_be16(h->producer_epoch));
    dump_number(d, "base_sequence", (int32_t)load_be32(h->base_sequence));
    dump_text(d, "transactional", "%s", attributes & BATCH_ATTR_TRANSACTIONAL ? "yes" : "no");
    dump_text(d, "control", "%s", attributes & BATCH_ATTR_CONTROL ? "yes" : "no");
    dump_text(d, "crc", "%08" PRIx32, load_be32(h->crc));
    return dump_end(d);
}

static int skip_damage(struct dump *d, struct place *p, const char *what)
{
    uint64_t from = p->position;
    int r = search_next(d, p);

    if (r < 0)
        return r;
    if (p->position == d->size)
        return dump_damage(d, from, "%s, and no intact batch follows", what);
    return dump_damage(d, from, "%s; the next intact one is %" PRIu64 " bytes on", what, p->position - from);
}

int dump_batches(struct dump *d)
{
    struct place p = { 0 };

    while (p.position < d->size) {
        int r = look_at(d, &p);

        if (r < 0)
            return r;
        if (r == 0)
            r = skip_damage(d, &p, "no record batch begins here");
        else if (!crc_is_right(&p))
            r = skip_damage(d, &p, "the checksum of the record batch is wrong");
        else {
            r = dump_batch(d, &p);
            p.position += p.size;
        }
        if (r != 0)
            return r;
    }
    return 0;
}
