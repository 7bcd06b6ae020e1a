/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records that are not copied into a message but sent from elsewhere (a tail ring by writev, a segment by sendfile).
 *
 * The sender sets a records field to wire_records_elsewhere(n) and gives the encoder a list of gaps. The encoder
 * writes the length as if the bytes were there, leaves them out and notes where they belong. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct wire_gap {
    size_t at;                   /* the bytes belong before this position of the written bytes */
    size_t size;                 /* how many they are, > 0 */
    const struct slice *records; /* the field of the message that was encoded */
};

/* The list belongs to the caller and has room for max gaps; a message needs at most one per records field. */
struct wire_gaps {
    struct wire_gap *list;
    uint32_t n, max;
    size_t bytes; /* in all gaps */
};

/* The mark of records that are elsewhere; it is never read. */
extern const uint8_t wire_elsewhere_mark[1];

static inline struct slice wire_records_elsewhere(size_t size)
{
    return (struct slice){ wire_elsewhere_mark, size };
}

static inline bool wire_records_are_elsewhere(struct slice records)
{
    return records.data == wire_elsewhere_mark;
}
