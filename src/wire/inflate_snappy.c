/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* snappy as Kafka's clients write it: xerial's framing (snappy-java: a 16-byte header, then blocks with a big-endian
 * length before each), or one raw block (librdkafka). A block is inflated whole: the format can't be streamed. */
#include <snappy-c.h>

#include "base/endian.h"
#include "wire/inflate_codec.h"

#define XERIAL_HEADER_SIZE 16 /* magic, version i32, oldest compatible version i32 */

/* The densest element gives 64 bytes for 3: a block that claims more is lying, and nothing is allocated for it. */
#define SNAPPY_MAX_RATIO 22

static const uint8_t xerial_magic[8] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };

struct snappy_state {
    bool framed;
    uint8_t *block; /* inflated */
    size_t size, given;
};

static int snappy_open(struct inflater *i)
{
    struct snappy_state *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->framed = i->in.size >= XERIAL_HEADER_SIZE && memcmp(i->in.data, xerial_magic, sizeof(xerial_magic)) == 0;
    if (s->framed)
        inflate_take(i, XERIAL_HEADER_SIZE);
    i->ended = i->in.size == 0;
    i->state = s;
    return 0;
}

static int block_next(struct inflater *i, struct slice *ret_block)
{
    const struct snappy_state *s = i->state;
    size_t size = i->in.size;

    if (s->framed) {
        if (i->in.size < 4)
            return BATCH_E_INFLATE;
        size = load_be32(i->in.data);
        inflate_take(i, 4);
        if (size > i->in.size)
            return BATCH_E_INFLATE;
    }
    *ret_block = slice_make(i->in.data, size);
    inflate_take(i, size);
    return 0;
}

static int block_inflate(struct inflater *i, struct slice block)
{
    struct snappy_state *s = i->state;
    size_t size;

    if (snappy_uncompressed_length((const char *)block.data, block.size, &size) != SNAPPY_OK ||
        size / SNAPPY_MAX_RATIO > block.size)
        return BATCH_E_INFLATE;
    if (size > inflate_room(i))
        return BATCH_E_INFLATED_SIZE;
    free(s->block);
    s->given = s->size = 0;
    s->block = malloc(MAX(size, (size_t)1));
    if (s->block == NULL)
        return -ENOMEM;
    if (snappy_uncompress((const char *)block.data, block.size, (char *)s->block, &size) != SNAPPY_OK)
        return BATCH_E_INFLATE;
    s->size = size;
    return 0;
}

static int snappy_step(struct inflater *i, uint8_t *to, size_t size, size_t *ret_n)
{
    struct snappy_state *s = i->state;
    struct slice block;
    size_t n;

    if (s->given == s->size) {
        int r = block_next(i, &block);

        if (r == 0)
            r = block_inflate(i, block);
        if (r != 0)
            return r;
    }
    n = MIN(size, s->size - s->given);
    memcpy(to, s->block + s->given, n);
    s->given += n;
    *ret_n = n;
    i->ended = s->given == s->size && i->in.size == 0;
    return 0;
}

static void snappy_close(struct inflater *i)
{
    struct snappy_state *s = i->state;

    free(s->block);
    free(s);
}

const struct inflate_codec inflate_snappy = { snappy_open, snappy_step, snappy_close };
