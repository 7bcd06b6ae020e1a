/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the record batches of a Produce request lie in its frame, told from the first bytes of it, so that the rest can
 * be received to where it should lie in memory. No state. */

#include <stddef.h>
#include <stdint.h>

/* So many first bytes of a frame tell it, unless names are very long. */
#define WIRE_PRODUCE_LOOK 512

/* The offset of the first partition's records in the frame (without its size), of which the first `size` bytes are
 * here; 0 when it is no Produce request or they don't tell. A hint: the request isn't checked. */
size_t wire_produce_first_records(const uint8_t *frame, size_t size);
