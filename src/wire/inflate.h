/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bounded decompression of a batch's records section: gzip, snappy (xerial's framing and raw), lz4 frames, zstd.
 *
 * In a library of its own (libwireinflate), so that what never looks into compressed batches doesn't load the codecs.
 * An inflater belongs to one thread at a time and reads the input in place.
 *
 * Calls return 0, -ENOMEM, or a positive BATCH_E_*: CODEC, INFLATE (malformed, cut short, or bytes left over),
 * INFLATED_SIZE, INFLATE_RATIO.
 *
 * Memory: what the codec needs to stream (at most 8 MiB and a little), or, for what can't be streamed (a snappy block,
 * zstd frames with larger windows), its inflated size, which the limits bind. */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/slice.h"
#include "base/util.h"
#include "wire/batch.h"

/* The ratio counts only above this much output: small batches of equal bytes shrink without being an attack. */
#define INFLATE_RATIO_FREE_BYTES (1024 * 1024)

struct inflate_limits {
    size_t max_output; /* bytes */
    size_t max_ratio;  /* output to input */
};

struct inflater;

/* BATCH_CODEC_NONE is BATCH_E_CODEC: there's nothing to inflate. */
int inflater_new(unsigned codec, struct slice in, const struct inflate_limits *limits, struct inflater **ret_inflater);
void inflater_free(struct inflater *i);
DEFINE_CLEANUP(struct inflater *, inflater_free)

/* Gives the next bytes; *ret_size < size only at the end. After an error the inflater is of no more use. */
int inflater_read(struct inflater *i, void *to, size_t size, size_t *ret_size);

/* Appends everything to out. */
int inflate_all(unsigned codec, struct slice in, const struct inflate_limits *limits, struct wr *out);
