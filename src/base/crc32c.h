/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), by ISA-L where the machine has it. */

#include <stddef.h>
#include <stdint.h>

/* CRC of the bytes; crc is that of what came before, 0 at the start:
 * crc32c(crc32c(0, a, n), b, m) is the CRC of a and b joined. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same by table lookup, for any machine; tests hold the two against each other. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

/* CRC of A and B joined from crc(A), crc(B) and the length of B. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);
uint32_t crc32c_combine_portable(uint32_t crc_a, uint32_t crc_b, uint64_t size_b);

/* CRC of B from crc(A and B joined), crc(A) and the length of B: combine() the other way round. */
static inline uint32_t crc32c_behind(uint32_t crc_ab, uint32_t crc_a, uint64_t size_b)
{
    return crc_ab ^ crc32c_combine(crc_a, 0, size_b);
}
