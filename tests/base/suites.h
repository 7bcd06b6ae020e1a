/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *arena_suite(void);
Suite *buf_suite(void);
Suite *crc32c_suite(void);
Suite *cursor_suite(void);
Suite *dl_suite(void);
Suite *endian_suite(void);
Suite *error_suite(void);
Suite *hash_suite(void);
Suite *heap_suite(void);
Suite *histogram_suite(void);
Suite *list_suite(void);
Suite *mem_pool_suite(void);
Suite *ring_suite(void);
Suite *slab_suite(void);
Suite *slice_suite(void);
Suite *textbuf_suite(void);
Suite *util_suite(void);
Suite *uuid_suite(void);
Suite *varint_suite(void);
