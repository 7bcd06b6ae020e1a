/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <err.h>
#include <stdio.h>

#include "base/util.h"
#include "wire/frame.h"
#include "wire/sample.h"

/* make-corpus DIRECTORY: writes the corpus of fuzz-request, the same files each time: for every API a random request in
 * its first, first flexible and last version, and some malformed ones, all without the frame's size. */

#define HEADER_V2(key, version) 0, (key), 0, (version), 0, 0, 0, 1, 0, 0, 0
#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static const struct {
    const char *name;
    const uint8_t *data;
    size_t size;
} malformed[] = {
    { "bad-short-header", BYTES(0, 3, 0, 9, 0, 0) },
    { "bad-unknown-api", BYTES(0, 99, 0, 0, 0, 0, 0, 1, 0, 0) },
    { "bad-version-of-the-future", BYTES(0, 18, 0, 99, 0, 0, 0, 1) },
    { "bad-client-id", BYTES(0, 3, 0, 8, 0, 0, 0, 1, 0x7f, 0xff, 'x') },
    { "bad-huge-count", BYTES(HEADER_V2(3, 12), 0xff, 0xff, 0xff, 0xff, 0x07, 1, 0, 0) },
    { "bad-null-array", BYTES(HEADER_V2(1, 12), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) },
    { "bad-descending-tags", BYTES(HEADER_V2(18, 3), 2, 'a', 2, 'b', 2, 5, 1, 1, 4, 0) },
    { "bad-tag-size", BYTES(HEADER_V2(18, 3), 2, 'a', 2, 'b', 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1) },
    { "bad-trailing-byte", BYTES(HEADER_V2(18, 3), 2, 'a', 2, 'b', 0, 0) },
};

static void write_file(const char *directory, const char *name, const void *data, size_t size)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", directory, name);
    FILE *f = fopen(path, "wb");

    if (f == NULL || fwrite(data, size, 1, f) != 1 || fclose(f) != 0)
        err(1, "%s", path);
}

static void write_request(const char *directory, const struct wire_api *api, int16_t version)
{
    const size_t index = (size_t)(api->request - wire_messages);
    _cleanup_(freep) void *m = xmalloc(api->request->struct_size);
    _cleanup_(freep) char *name = xasprintf("%s-%d", api->request->name, version);
    struct sample s;
    struct wr w;

    sample_init(&s, (uint64_t)(api->key * 100 + version));
    s.is_small = true;
    wire_samples[index].fill(m, &s, version);
    wr_init_growing(&w, 64, 1 << 20);
    wire_request_begin(&w, api, version, 1, slice_str("fuzz"));
    api->request->encode(m, &w, version);
    gq_assert(w.error == 0);
    write_file(directory, name, w.start + WIRE_FRAME_PREFIX_SIZE, wr_size(&w) - WIRE_FRAME_PREFIX_SIZE);
    wr_fini(&w);
    sample_fini(&s);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        errx(1, "usage: make-corpus DIRECTORY");
    for (size_t i = 0; i < wire_n_apis; i++) {
        const struct wire_api *api = &wire_apis[i];

        write_request(argv[1], api, api->min_version);
        if (api->first_flexible > api->min_version && api->first_flexible < api->max_version)
            write_request(argv[1], api, api->first_flexible);
        write_request(argv[1], api, api->max_version);
    }
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++)
        write_file(argv[1], malformed[i].name, malformed[i].data, malformed[i].size);
    return 0;
}
