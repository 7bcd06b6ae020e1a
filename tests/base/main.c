/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/suites.h"

TEST_MAIN("base", arena_suite, buf_suite, crc32c_suite, cursor_suite, dl_suite, endian_suite, error_suite, hash_suite,
          heap_suite, histogram_suite, list_suite, mem_pool_suite, ring_suite, slab_suite, slice_suite, textbuf_suite,
          util_suite, uuid_suite, varint_suite)
