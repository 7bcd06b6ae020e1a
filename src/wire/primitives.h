/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kafka's primitive types on the wire, for the generated decoders and encoders. Nobody else needs this header.
 *
 * "compact" is the form of flexible versions: lengths and counts are unsigned varints of the value plus one, 0 is null.
 * The other form has a big-endian int16 (strings) or int32 (bytes, records, arrays), -1 is null.
 *
 * Decoding errors stick in the cursor: -EBADMSG for malformed input, -ENOMEM when the arena's limit is reached.
 * Encoding errors stick in the writer: -EPROTO when the message can't be said in that version. */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "wire/gaps.h"

#define WIRE_STRING_MAX_SIZE INT16_MAX
#define WIRE_EMPTY ((struct slice){ (const uint8_t *)"", 0 })

struct slice wire_get_string(struct rd *r, bool compact, bool nullable);
/* Bytes and records. */
struct slice wire_get_bytes(struct rd *r, bool compact, bool nullable);
double wire_get_float64(struct rd *r);
struct uuid wire_get_uuid(struct rd *r);

/* The count of an array, -1 for null, 0 after an error. A count whose elements can't fit into what is left, at
 * min_size > 0 bytes each, is an error. */
int32_t wire_get_count(struct rd *r, bool compact, bool nullable, size_t min_size);

/* Memory for n elements, not zeroed; NULL when n ≤ 0 or after an error. */
void *wire_get_array(struct rd *r, struct arena *a, int32_t n, size_t element_size);

/* True when a nullable struct follows, false when it is null. */
bool wire_get_presence(struct rd *r);

/* Walks the tagged fields of a struct:
 *     for (wire_tags_begin(&t, r); wire_tags_next(&t);)
 *         switch (t.tag) { case 0: … read from t.value …; wire_tag_end(&t); break; }
 * Tags ascend; each value is bounded by its declared size and must be read to its end; a value that isn't read at all
 * is skipped. Nothing is allocated for the count, and each tag takes two bytes at least, so it needs no check. */
struct wire_tags {
    struct rd *from;
    struct rd value;
    uint32_t n_left;
    uint32_t tag;
    bool is_first;
};

void wire_tags_begin(struct wire_tags *t, struct rd *r);
bool wire_tags_next(struct wire_tags *t);
void wire_tag_end(struct wire_tags *t);
/* For structs without known tags. */
void wire_skip_tags(struct rd *r);

void wire_put_string(struct wr *w, struct slice s, bool compact, bool nullable);
void wire_put_bytes(struct wr *w, struct slice s, bool compact, bool nullable);
/* gaps may be NULL: then records that are elsewhere are an error. */
void wire_put_records(struct wr *w, const struct slice *s, bool compact, bool nullable, struct wire_gaps *gaps);
void wire_put_float64(struct wr *w, double v);
void wire_put_uuid(struct wr *w, const struct uuid *u);
/* n < 0 is null. */
void wire_put_count(struct wr *w, int32_t n, bool compact, bool nullable);
/* Of a struct that can be null in some versions. Returns is_present. */
bool wire_put_presence(struct wr *w, bool is_present, bool nullable);

/* Around the value of a tagged field; begin returns what end needs. */
size_t wire_put_tag_begin(struct wr *w, uint32_t tag);
void wire_put_tag_end(struct wr *w, size_t at);
