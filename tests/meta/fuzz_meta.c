/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as commands, then as image records. What the state took must have an image that gives it back.
 *
 * An input is a row of pieces: a kind (u8), a size (u16 little-endian), the bytes. Kind 0 is a command; any other is
 * an image record of that kind, the first byte being the size of its key. */
#include "meta/state.h"
#include "support/fuzz.h"

/* A block of its own, so that the address sanitizer sees a read past the end. */
static void apply(struct meta *m, struct slice body)
{
    _cleanup_(freep) uint8_t *copy = xmalloc(body.size + (body.size == 0));
    struct meta_event e;
    int known;

    memcpy(copy, body.data, body.size);
    known = meta_check(slice_make(copy, body.size));
    gq_assert(meta_apply(m, m->applied_index + 1, slice_make(copy, body.size), &e) == known);
    if (known != 0)
        return;
    gq_assert(e.error == 0 || e.kind == META_NOTHING);
    gq_assert((e.kind == META_NOTHING) == list_is_empty(&e.records));
    meta_event_fini(&e);
}

static void expect_an_image(const struct meta *m)
{
    _cleanup_(freep) char *before = meta_text(m), *after = NULL;
    struct meta copy;

    meta_copy(m, &copy);
    after = meta_text(&copy);
    gq_assert(strcmp(before, after) == 0);
    meta_fini(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct meta applied, loaded;
    int rc = 0;
    struct rd r;

    meta_init(&applied, 1);
    meta_init(&loaded, 1);
    rd_init(&r, data, size);
    while (rd_left(&r) > 0) {
        uint8_t kind = rd_u8(&r);
        uint16_t n = rd_le16(&r);
        const uint8_t *p = rd_bytes(&r, MIN(n, rd_left(&r)));

        if (r.error != 0)
            break;
        n = (uint16_t)(r.p - p);
        if (kind == 0)
            apply(&applied, slice_make(p, n));
        else if (n > 0 && rc == 0 && p[0] < n)
            rc = meta_load(&loaded, kind, slice_make(p + 1, p[0]), slice_make(p + 1 + p[0], n - 1u - p[0]));
    }
    expect_an_image(&applied);
    if (rc == 0 && meta_load_finish(&loaded, 1000) == 0)
        expect_an_image(&loaded);
    meta_fini(&loaded);
    meta_fini(&applied);
    return 0;
}
