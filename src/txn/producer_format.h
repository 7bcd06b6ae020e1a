/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bytes of a partition's applied producer state. Format page: docs/format/producer-state.md.
 *
 *   header | per producer, ascending by id: producer | its batches, oldest first
 *
 * All integers are little-endian. */

#include <assert.h>
#include <stdint.h>

#define PRODUCER_FORMAT_MAGIC 0x50505147u /* "GQPP" */
#define PRODUCER_FORMAT_VERSION 1

struct producer_format_header {
    uint8_t magic[4];
    uint8_t version[2];
    uint8_t reserved[2]; /* 0 */
    uint8_t n_producers[4];
    uint8_t crc[4];           /* CRC-32C of all other bytes */
    uint8_t next_position[8]; /* log position that the next batch gets */
};

struct producer_format_producer {
    uint8_t id[8];
    uint8_t position[8];       /* counts batches of all producers: orders ids by their last one */
    uint8_t last_timestamp[8]; /* max timestamp of the last batch, ms */
    uint8_t run[4];            /* sequences up to the last that are in the log without a gap, at most 2^30 */
    uint8_t epoch[2];
    uint8_t n_batches[1];
    uint8_t reserved[1]; /* 0 */
};

struct producer_format_batch {
    uint8_t base_offset[8];
    uint8_t append_time[8]; /* ms */
    uint8_t first_sequence[4];
    uint8_t last_sequence[4];
};

static_assert(sizeof(struct producer_format_header) == 24, "producer state header");
static_assert(sizeof(struct producer_format_producer) == 32, "producer state: producer");
static_assert(sizeof(struct producer_format_batch) == 24, "producer state: batch");
