/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/util.h"
#include "wire/frame.h"
#include "wire/sample.h"

/* A frame without its size, as a client may send it: whatever is taken for a request took no more memory than
 * promised, can be encoded again, and then means the same. */

#define ARENA_LIMIT ((size_t)1 << 26)
#define MAX_ENCODED_SIZE ((size_t)1 << 24)

/* Sets up the arena too. */
static int decode(const struct wire_message_info *info, void *m, struct rd *r, int16_t version, struct arena *a)
{
    size_t size = rd_left(r);

    arena_init(a, ARENA_LIMIT);
    info->decode(m, r, version, a);
    gq_assert(wire_decode_end(r) != 0 || a->total_bytes <= size * WIRE_DECODE_EXPANSION);
    return r->error;
}

static void encode_again(const struct wire_message_info *info, const void *m, int16_t version)
{
    const struct sample_functions *functions = &wire_samples[info - wire_messages];
    _cleanup_(freep) void *copy = xmalloc(info->struct_size);
    struct arena a;
    struct wr w;
    struct rd r;

    wr_init_growing(&w, 64, MAX_ENCODED_SIZE);
    info->encode(m, &w, version);
    gq_assert(w.error == 0);
    rd_init(&r, w.start, wr_size(&w));
    gq_assert(decode(info, copy, &r, version, &a) == 0);
    gq_assert(functions->equal(m, copy));
    arena_fini(&a);
    wr_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wire_message_info *info;
    _cleanup_(freep) void *m = NULL;
    struct wire_request request;
    struct arena a;
    struct rd r;

    rd_init(&r, data, size);
    if (wire_request_parse(&request, &r) != 0)
        return 0;
    info = request.api->request;
    m = xmalloc(info->struct_size);
    if (decode(info, m, &r, request.api_version, &a) == 0)
        encode_again(info, m, request.api_version);
    arena_fini(&a);
    return 0;
}
