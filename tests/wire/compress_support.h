/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compressed bytes for tests, by the libraries' own compressors. */

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum test_format {
    TEST_GZIP,
    TEST_GZIP_TWO_MEMBERS,
    TEST_SNAPPY_RAW,
    TEST_SNAPPY_XERIAL,
    TEST_LZ4,
    TEST_ZSTD,
    TEST_ZSTD_TWO_FRAMES,
    TEST_N_FORMATS,
};

unsigned test_format_codec(enum test_format f);

/* malloc'd. */
uint8_t *test_compress(enum test_format f, struct slice in, size_t *ret_size);

/* A zstd frame whose header asks for a window of 2^window_log bytes. */
uint8_t *test_zstd_window(int window_log, struct slice in, size_t *ret_size);
