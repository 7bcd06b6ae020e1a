/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Unaligned loads and stores in a stated byte order. Disk formats are little-endian, Kafka's wire is big-endian. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_ENDIAN_(bits, order) \
    static inline uint##bits##_t load_##order##bits(const void *p) \
    { \
        uint##bits##_t v; \
        memcpy(&v, p, sizeof(v)); \
        return order##bits##toh(v); \
    } \
    static inline void store_##order##bits(void *p, uint##bits##_t v) \
    { \
        v = hto##order##bits(v); \
        memcpy(p, &v, sizeof(v)); \
    }

DEFINE_ENDIAN_(16, le)
DEFINE_ENDIAN_(32, le)
DEFINE_ENDIAN_(64, le)
DEFINE_ENDIAN_(16, be)
DEFINE_ENDIAN_(32, be)
DEFINE_ENDIAN_(64, be)
