/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Walks the records of a batch whatever its codec, and time look-ups inside a batch. In libwireinflate.
 *
 * A compressed batch is inflated piece by piece: memory is bound by the largest record and one chunk, not by the
 * batch, and a walk that stops early leaves the rest compressed. */

#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"
#include "wire/inflate.h"
#include "wire/records.h"

/* Memory and limits that a worker keeps between walks; one walk at a time. */
struct record_scratch {
    struct inflate_limits limits;
    uint8_t *data;
    size_t capacity;
};

void record_scratch_init(struct record_scratch *s, const struct inflate_limits *limits);
void record_scratch_fini(struct record_scratch *s);

/*     r = record_stream_init(&s, &view, &scratch);
 *     while (r == 0 && record_stream_next(&s, &record)) …
 *     record_stream_fini(&s)
 * A record's slices hold until the next call. After the last one s.error is 0, -ENOMEM or a BATCH_E_*. */
struct record_stream {
    struct records_iter plain; /* where the batch isn't compressed */
    struct inflater *inflater;
    struct record_scratch *scratch;
    size_t start, end; /* inflated bytes in the scratch that no record was made of yet */
    bool ended;        /* everything is inflated */
    int32_t index, count;
    int error;
};

/* Returns 0, -ENOMEM or a BATCH_E_*; then there is nothing to fini. The batch must outlive the stream. */
int record_stream_init(struct record_stream *s, const struct batch_view *v, struct record_scratch *scratch);
void record_stream_fini(struct record_stream *s);
bool record_stream_next(struct record_stream *s, struct record *ret_record);

/* The first record of the batch whose timestamp is at or after target_ms; offset and timestamp −1, as in a ListOffsets
 * response, when there is none. Returns 0, -ENOMEM or a BATCH_E_*. */
int batch_find_timestamp(const struct batch_view *v, int64_t target_ms, struct record_scratch *scratch,
                         int64_t *ret_offset, int64_t *ret_timestamp_ms);

/* The first record with the largest timestamp. */
int batch_max_timestamp_offset(const struct batch_view *v, struct record_scratch *scratch, int64_t *ret_offset,
                               int64_t *ret_timestamp_ms);
