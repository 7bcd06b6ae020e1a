/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads the vector files of tests/golden/. They are trusted: what is malformed ends the test. */

#include <stddef.h>

#include "base/slice.h"

#define GOLDEN_MAX_WORDS 16

struct golden_line {
    unsigned number;
    size_t n_words;
    const char *words[GOLDEN_MAX_WORDS]; /* NUL-terminated */
};

struct golden_file {
    const char *name;
    char *text, *next;
    unsigned number;
};

/* From tests/golden/. */
void golden_open(struct golden_file *f, const char *name);
void golden_close(struct golden_file *f);
/* The next line that isn't a comment; its words hold until the file is closed. */
bool golden_next(struct golden_file *f, struct golden_line *ret_line);

/* "-" is null, "." empty, "N*hex" N times the same, else hex digits. Memory of exactly that size, which the caller
 * frees by golden_free(), so that reading past its end shows. */
struct slice golden_bytes(const char *word);
void golden_free(struct slice s);
