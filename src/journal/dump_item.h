/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Items of a dump with room for their texts. Internal to journal/. */

#include "base/uuid.h"
#include "journal/dump.h"
#include "journal/format.h"

#define DUMP_FIELDS_MAX 12
#define DUMP_TEXT_MAX 128

struct journal_item {
    struct journal_dump_item item;
    struct journal_dump_field fields[DUMP_FIELDS_MAX];
    char texts[DUMP_FIELDS_MAX][DUMP_TEXT_MAX];
};

void journal_item_init(struct journal_item *d, enum journal_dump_kind kind, const char *name, uint64_t position);
void journal_item_u64(struct journal_item *d, const char *name, uint64_t v);
void journal_item_i64(struct journal_item *d, const char *name, int64_t v);
/* Checksums: eight hexadecimal digits. */
void journal_item_hex(struct journal_item *d, const char *name, uint32_t v);
_printf_(3, 4) void journal_item_text(struct journal_item *d, const char *name, const char *fmt, ...);

void journal_item_file(struct journal_item *d, const struct journal_file_header *h);
void journal_item_block(struct journal_item *d, uint64_t position, const struct journal_block *b);
/* False when the body is malformed. *ret_rows: rows that follow. */
bool journal_item_record(struct journal_item *d, uint64_t position, const struct journal_record *r, uint32_t *ret_rows);
void journal_item_row(struct journal_item *d, uint64_t position, const struct journal_record *r, uint32_t i);
