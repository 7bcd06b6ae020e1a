/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fuzz target is a program fuzz-NAME of one file tests/MODULE/fuzz_NAME.c that defines this function. Linked with
 * $(FUZZ_MAIN) it replays the files of tests/corpus/NAME in "make check"; "./dev fuzz NAME" links libFuzzer instead. */

#include <stddef.h>
#include <stdint.h>

/* One input of any bytes. Returns 0; what must not happen ends the process (assertion, sanitizer). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
