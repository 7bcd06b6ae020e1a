/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/produce_layout.h"

#include "wire/api.h"
#include "wire/frame.h"
#include "wire/primitives.h"
#include "wire/wire_messages.h"

#define FIRST_WITH_TRANSACTIONS 3
#define FIRST_COMPACT 9

static void skip_count(struct rd *r, bool compact)
{
    if (compact)
        rd_uvarint32(r);
    else
        rd_skip(r, 4);
}

size_t wire_produce_first_records(const uint8_t *frame, size_t size)
{
    struct wire_request request;
    struct rd r;
    bool compact;

    rd_init(&r, frame, size);
    if (wire_request_parse(&request, &r) != 0 || request.api_key != WIRE_API_PRODUCE)
        return 0;
    compact = request.api_version >= FIRST_COMPACT;
    if (request.api_version >= FIRST_WITH_TRANSACTIONS)
        wire_get_string(&r, compact, true);
    rd_skip(&r, 2 + 4);      /* acks, timeout */
    skip_count(&r, compact); /* topics */
    wire_get_string(&r, compact, false);
    skip_count(&r, compact); /* partitions */
    rd_skip(&r, 4);          /* index */
    skip_count(&r, compact); /* bytes of records */
    return r.error == 0 ? rd_offset(&r) : 0;
}
