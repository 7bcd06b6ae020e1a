/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the dumpers share: the file, and the item being put together. */

#include <inttypes.h>

#include "base/util.h"
#include "log/dump.h"

#define DUMP_MAX_FIELDS 24
#define DUMP_TEXT_SIZE 1024

struct dump {
    struct disk_file *file;
    uint64_t size;
    log_dump_fn fn;
    void *ctx;
    bool damaged;
    struct log_dump_item item;
    struct log_dump_field fields[DUMP_MAX_FIELDS];
    char text[DUMP_TEXT_SIZE];
    size_t text_size;
};

void dump_begin(struct dump *d, const char *kind, uint64_t position);
void dump_number(struct dump *d, const char *name, int64_t value);
void dump_unsigned(struct dump *d, const char *name, uint64_t value);
_printf_(3, 4) void dump_text(struct dump *d, const char *name, const char *fmt, ...);
/* Hands the item over. */
int dump_end(struct dump *d);
/* A whole item of kind "damage". */
_printf_(3, 4) int dump_damage(struct dump *d, uint64_t position, const char *fmt, ...);
/* All of size, or -EIO. */
int dump_read(struct dump *d, void *to, size_t size, uint64_t position);

int dump_batches(struct dump *d);
