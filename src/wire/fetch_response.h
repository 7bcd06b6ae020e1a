/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A Fetch response whose records are not copied: a frame in pieces, (bytes, records from elsewhere), (bytes, …), bytes.
 *
 *     partition->records = wire_records_elsewhere(n);          n bytes of a tail ring or segment
 *     gaps.list = arena_calloc(a, gaps.max = wire_fetch_response_max_gaps(m), sizeof(*gaps.list));
 *     wire_fetch_response_write(&w, request, m, &gaps);
 *     for (wire_pieces_init(&p, &w, at, &gaps); wire_pieces_next(&p, &piece);)
 *         send piece.bytes, then, unless piece.gap is NULL, the gap->size bytes of the partition
 *         container_of(piece.gap->records, struct wire_fetch_response_partition, records)
 *
 * Records of partitions that aren't marked so are copied as usual. All versions; no state. */

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "base/slice.h"
#include "wire/frame.h"
#include "wire/gaps.h"
#include "wire/wire_messages.h"

/* The partitions whose records are elsewhere. */
uint32_t wire_fetch_response_max_gaps(const struct wire_fetch_response *m);

/* Writes size, header and message; the size counts the bytes in the gaps too. Empties gaps first. Errors stick in w. */
void wire_fetch_response_write(struct wr *w, const struct wire_request *request, const struct wire_fetch_response *m,
                               struct wire_gaps *gaps);

struct wire_piece {
    struct slice bytes;         /* of the writer */
    const struct wire_gap *gap; /* what follows them; NULL behind the last */
};

/* Walks the pieces of what was written into w from the position at on. w and gaps must stay as they are meanwhile. */
struct wire_pieces {
    const uint8_t *start;
    size_t at, end;
    const struct wire_gaps *gaps;
    uint32_t next_gap;
};

void wire_pieces_init(struct wire_pieces *p, const struct wr *w, size_t at, const struct wire_gaps *gaps);
/* False behind the last piece. The bytes of a piece are never empty. */
bool wire_pieces_next(struct wire_pieces *p, struct wire_piece *ret);
