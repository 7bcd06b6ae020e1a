/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random messages. The functions for each message are made by src/wire/generate.py; those here give the values. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "support/rand.h"
#include "wire/api.h"

struct sample {
    struct rand rand;
    struct arena arena; /* holds what the messages point to */
    bool is_small;      /* no long strings and arrays */
};

void sample_init(struct sample *s, uint64_t seed);
void sample_fini(struct sample *s);

bool sample_bool(struct sample *s);
double sample_float64(struct sample *s);
struct uuid sample_uuid(struct sample *s);
struct slice sample_string(struct sample *s, bool nullable);
struct slice sample_bytes(struct sample *s, bool nullable);
/* -1 is null. */
int32_t sample_count(struct sample *s, bool nullable);
bool sample_is_null(struct sample *s, bool nullable);
/* NULL when n ≤ 0. */
void *sample_array(struct sample *s, int32_t n, size_t element_size);

/* fill() sets all fields that the version has; equal() compares all fields. */
struct sample_functions {
    void (*fill)(void *m, struct sample *s, int16_t version);
    bool (*equal)(const void *a, const void *b);
};

/* In the order of wire_messages[] and of every_messages[]. */
extern const struct sample_functions wire_samples[];
extern const struct sample_functions every_samples[];

/* Of tests/wire/every_type.def. */
extern const struct wire_message_info every_messages[];
extern const size_t every_n_messages;
