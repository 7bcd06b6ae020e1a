/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/varint.h"

size_t varint_put(uint8_t *to, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        to[n++] = (uint8_t)v | 0x80;
    to[n++] = (uint8_t)v;
    return n;
}

size_t varint_size(uint64_t v)
{
    int bits = 64 - __builtin_clzll(v | 1);

    return ((size_t)bits + 6) / 7;
}

size_t varint_get64(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t n = 0; n < VARINT64_MAX_SIZE && p + n < end; n++) {
        uint64_t bits = p[n] & 0x7f;

        if (n == VARINT64_MAX_SIZE - 1 && bits > 1)
            return 0;
        v |= bits << (7 * n);
        if (p[n] < 0x80) {
            *ret = v;
            return n + 1;
        }
    }
    return 0;
}

size_t varint_get32(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    uint32_t v = 0;

    for (size_t n = 0; n < VARINT32_MAX_SIZE && p + n < end; n++) {
        uint32_t bits = p[n] & 0x7f;

        if (n == VARINT32_MAX_SIZE - 1 && bits > 0x0f)
            return 0;
        v |= bits << (7 * n);
        if (p[n] < 0x80) {
            *ret = v;
            return n + 1;
        }
    }
    return 0;
}
