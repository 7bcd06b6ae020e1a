/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Offline: what lies in one file of a segment, intact or damaged, as items of printable fields. Blocking. */

#include <stdbool.h>
#include <stdint.h>

#include "env/disk.h"

struct log_dump_field {
    const char *name;  /* snake_case */
    const char *value; /* printable ASCII without quotes or backslashes */
    bool is_number;    /* else text */
};

/* kind: "segment" (header of a table), "entry", "batch", "command", "snapshot", or "damage": what is wrong at this
 * position, in the field "what". Strings hold until the callback returns. */
struct log_dump_item {
    const char *kind;
    uint64_t position; /* in the file */
    const struct log_dump_field *fields;
    unsigned n_fields;
};

/* Return non-zero to end the walk with that value. */
typedef int (*log_dump_fn)(void *ctx, const struct log_dump_item *item);

/* Walks the file from its beginning; its kind is told by its suffix (.log, .entries, .aux, .snapshot). Goes on behind
 * damage where the next thing can be told from it. Returns 0, LOG_E_CORRUPT when there was damage, -EINVAL for another
 * suffix, another negative errno, or what fn returned. */
int log_dump(struct env_disk *disk, const char *path, log_dump_fn fn, void *ctx);
