/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* LEB128 varints as Kafka and protobuf write them, and zigzag. */

#include <stddef.h>
#include <stdint.h>

#define VARINT32_MAX_SIZE 5
#define VARINT64_MAX_SIZE 10

static inline uint64_t zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t zigzag_decode(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* Writes v, returns the bytes written (≤ VARINT64_MAX_SIZE). */
size_t varint_put(uint8_t *to, uint64_t v);
size_t varint_size(uint64_t v);

/* Reads from [p, end). Returns the bytes read, or 0 when it is cut short or longer than the type. */
size_t varint_get64(const uint8_t *p, const uint8_t *end, uint64_t *ret);
size_t varint_get32(const uint8_t *p, const uint8_t *end, uint32_t *ret);
