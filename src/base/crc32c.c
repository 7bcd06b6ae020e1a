/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"

#include "base/endian.h"
#include "base/util.h"

/* Where ISA-L has carry-less multiplication at hand; elsewhere its own fallback goes byte by byte. */
#if defined(__x86_64__) || defined(__aarch64__)
#define HAVE_ISAL_CRC 1
#include <isa-l/crc.h>
#else
#define HAVE_ISAL_CRC 0
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Polynomials are reflected throughout: bit 31 is x^0, bit 0 is x^31. */
#define POLYNOMIAL 0x82f63b78u

/* tables[k][b] is the remainder of byte b with k zero bytes behind it. CRC is linear, so the compiler makes each table
 * of the remainders of the eight single bits. */
#define BIT(i, n, remainder) (-((uint32_t)(i) >> (n)&1u) & (remainder))
#define ENTRY(i, a, b, c, d, e, f, g, h) \
    (BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^ \
     BIT(i, 7, h))
#define ENTRIES4(i, ...) \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__), ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ENTRIES16(i, ...) \
    ENTRIES4(i, __VA_ARGS__), ENTRIES4((i) + 4, __VA_ARGS__), ENTRIES4((i) + 8, __VA_ARGS__), \
        ENTRIES4((i) + 12, __VA_ARGS__)
#define ENTRIES64(i, ...) \
    ENTRIES16(i, __VA_ARGS__), ENTRIES16((i) + 16, __VA_ARGS__), ENTRIES16((i) + 32, __VA_ARGS__), \
        ENTRIES16((i) + 48, __VA_ARGS__)
#define TABLE(...) \
    { \
        ENTRIES64(0, __VA_ARGS__), ENTRIES64(64, __VA_ARGS__), ENTRIES64(128, __VA_ARGS__), \
            ENTRIES64(192, __VA_ARGS__) \
    }

static const uint32_t tables[8][256] = {
    TABLE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
    TABLE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
    TABLE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
    TABLE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
    TABLE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
    TABLE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
    TABLE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
    TABLE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};

static inline uint32_t byte_of(uint64_t word, int n)
{
    return (uint32_t)(word >> (8 * n)) & 0xff;
}

/* Slicing by 8 (Kounavis, Berry: "A systematic approach to building high performance software-based CRC generators").
 */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t w = load_le64(p) ^ crc;

        crc = tables[7][byte_of(w, 0)] ^ tables[6][byte_of(w, 1)] ^ tables[5][byte_of(w, 2)] ^
              tables[4][byte_of(w, 3)] ^ tables[3][byte_of(w, 4)] ^ tables[2][byte_of(w, 5)] ^
              tables[1][byte_of(w, 6)] ^ tables[0][byte_of(w, 7)];
    }
    for (; size > 0; size--, p++)
        crc = crc >> 8 ^ tables[0][(crc ^ *p) & 0xff];
    return ~crc;
}

#if HAVE_ISAL_CRC
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;

    crc = ~crc; /* ISA-L neither inverts at the start nor at the end, and counts in int */
    while (size > 0) {
        int part = (int)MIN(size, (size_t)1 << 30);

        crc = crc32_iscsi((unsigned char *)p, part, crc);
        p += part;
        size -= (size_t)part;
    }
    return ~crc;
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return crc32c_portable(crc, data, size);
}
#endif

/* powers[k] is x^(2^k) mod P. P is (x + 1) times a primitive polynomial of degree 31, so x^(2^31 - 1) = 1 and
 * x^(2^31) = x: the list goes round. */
static const uint32_t powers[31] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18,
    0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62,
    0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b, 0x3c204f8f, 0x538586e3, 0x59726915,
    0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe, 0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
};

static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (int i = 31; i >= 0; i--) {
        product ^= -(a >> i & 1u) & b;
        b = b >> 1 ^ (-(b & 1u) & POLYNOMIAL);
    }
    return product;
}

typedef uint32_t (*multiply_fn)(uint32_t a, uint32_t b);

/* Bytes behind A multiply its remainder by x^8 each. The inversions at both ends cancel out. */
static inline uint32_t combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b, multiply_fn mul)
{
    for (unsigned k = 3; size_b > 0; size_b >>= 1, k++)
        if ((size_b & 1) != 0)
            crc_a = mul(powers[k % ARRAY_SIZE(powers)], crc_a);
    return crc_a ^ crc_b;
}

uint32_t crc32c_combine_portable(uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    return combine(crc_a, crc_b, size_b, multiply);
}

#if defined(__x86_64__)
/* The carry-less product of two reflected words is the reflected product, one bit too far right. Its low half is what
 * has to be reduced, and the CRC instruction does just that to a word: it multiplies by x^32 and divides by P. */
__attribute__((target("pclmul,sse4.2"))) static uint32_t multiply_clmul(uint32_t a, uint32_t b)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)a), _mm_cvtsi32_si128((int)b), 0);
    uint64_t p = (uint64_t)_mm_cvtsi128_si64(product) << 1;

    return _mm_crc32_u32(0, (uint32_t)p) ^ (uint32_t)(p >> 32);
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2"))
        return combine(crc_a, crc_b, size_b, multiply_clmul);
    return crc32c_combine_portable(crc_a, crc_b, size_b);
}
#else
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b)
{
    return crc32c_combine_portable(crc_a, crc_b, size_b);
}
#endif
