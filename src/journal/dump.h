/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What lies in one journal file, for a human (gqctl log dump FILE). Works offline and changes nothing. Where something
 * can't be read it says so and goes on with what can. Blocking. */

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/textbuf.h"
#include "env/disk.h"

enum journal_dump_kind {
    JOURNAL_DUMP_FILE,   /* the file header; comes first */
    JOURNAL_DUMP_BLOCK,  /* a block header; the records that end in the block follow */
    JOURNAL_DUMP_RECORD, /* one record */
    JOURNAL_DUMP_ROW,    /* a row of the record before */
    JOURNAL_DUMP_DAMAGE, /* something here can't be right; the field "reason" says what */
    JOURNAL_DUMP_END,    /* no more blocks of this generation; comes last */
};

struct journal_dump_field {
    const char *name;
    const char *value;
    bool is_number; /* else a text: to be quoted in JSON */
};

struct journal_dump_item {
    enum journal_dump_kind kind;
    const char *name;  /* "file", "block", "entry", "hard-state", …, "damage", "end" */
    uint64_t position; /* byte in the file: of the block, for a record of the block in which it starts */
    const struct journal_dump_field *fields;
    size_t n_fields;
    struct slice data; /* the envelope of an entry, else the null slice */
};

/* What an item points to holds until the function returns. Returns non-zero to end the walk with that value. */
typedef int (*journal_dump_fn)(void *ctx, const struct journal_dump_item *item);

/* Returns 0, what fn returned, a negative errno, JOURNAL_E_VERSION, or JOURNAL_E_CORRUPT when it is no journal file at
 * all; err says more. */
int journal_dump(struct env_disk *disk, const char *path, journal_dump_fn fn, void *ctx, struct error_text *err);
