/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/dump_item.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"

void journal_item_init(struct journal_item *d, enum journal_dump_kind kind, const char *name, uint64_t position)
{
    d->item = (struct journal_dump_item){
        .kind = kind,
        .name = name,
        .position = position,
        .fields = d->fields,
        .data = SLICE_NULL,
    };
}

_printf_(4, 0) static void add(struct journal_item *d, const char *name, bool is_number, const char *fmt, va_list ap)
{
    size_t i = d->item.n_fields++;

    gq_assert(i < DUMP_FIELDS_MAX);
    vsnprintf(d->texts[i], DUMP_TEXT_MAX, fmt, ap);
    d->fields[i] = (struct journal_dump_field){ name, d->texts[i], is_number };
}

_printf_(3, 4) static void add_number(struct journal_item *d, const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, name, true, fmt, ap);
    va_end(ap);
}

void journal_item_text(struct journal_item *d, const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, name, false, fmt, ap);
    va_end(ap);
}

void journal_item_u64(struct journal_item *d, const char *name, uint64_t v)
{
    add_number(d, name, "%" PRIu64, v);
}

void journal_item_i64(struct journal_item *d, const char *name, int64_t v)
{
    add_number(d, name, "%" PRId64, v);
}

void journal_item_hex(struct journal_item *d, const char *name, uint32_t v)
{
    journal_item_text(d, name, "%08" PRIx32, v);
}

void journal_item_file(struct journal_item *d, const struct journal_file_header *h)
{
    char incarnation[UUID_TEXT_SIZE];

    uuid_format(&h->incarnation, incarnation);
    journal_item_init(d, JOURNAL_DUMP_FILE, "file", 0);
    journal_item_u64(d, "version", h->version);
    journal_item_u64(d, "shard", h->shard);
    journal_item_text(d, "incarnation", "%s", incarnation);
    journal_item_u64(d, "generation", h->generation);
    journal_item_u64(d, "prev_generation", h->prev_generation);
    journal_item_u64(d, "prev_end_lsn", h->prev_end_lsn);
    journal_item_u64(d, "base_lsn", h->base_lsn);
    journal_item_u64(d, "file_size", h->file_size);
    journal_item_u64(d, "flushed_lsn", h->flushed_lsn);
    journal_item_text(d, "salt", "%016" PRIx64, h->salt);
}

void journal_item_block(struct journal_item *d, uint64_t position, const struct journal_block *b)
{
    journal_item_init(d, JOURNAL_DUMP_BLOCK, "block", position);
    journal_item_u64(d, "lsn", b->lsn);
    journal_item_u64(d, "flushed_lsn", b->flushed_lsn);
    journal_item_u64(d, "size", journal_block_size(b));
    journal_item_u64(d, "payload_size", b->payload_size);
    journal_item_u64(d, "first_record", b->first_record);
    journal_item_hex(d, "payload_crc", b->payload_crc);
    journal_item_u64(d, "last", (b->flags & JOURNAL_BLOCK_LAST) != 0);
}

static bool add_entry(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_entry e;
    struct slice data;

    if (!journal_record_entry(r, &e, &data))
        return false;
    journal_item_u64(d, "group", e.group);
    journal_item_u64(d, "index", e.index);
    journal_item_u64(d, "term", e.term);
    journal_item_hex(d, "checksum", e.checksum);
    journal_item_hex(d, "prev_checksum", e.prev_checksum);
    journal_item_u64(d, "size", data.size);
    d->item.data = data;
    return true;
}

static bool add_hard_state(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_hard_state h;

    if (!journal_record_hard_state(r, &h))
        return false;
    journal_item_u64(d, "group", h.group);
    journal_item_u64(d, "term", h.term);
    journal_item_i64(d, "vote", h.vote);
    return true;
}

static bool add_truncate(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_truncate t;

    if (!journal_record_truncate(r, &t))
        return false;
    journal_item_u64(d, "group", t.group);
    journal_item_u64(d, "index", t.index);
    journal_item_u64(d, "prev_term", t.prev_term);
    journal_item_hex(d, "prev_checksum", t.prev_checksum);
    return true;
}

static bool add_log_start(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_log_start l;

    if (!journal_record_log_start(r, &l))
        return false;
    journal_item_u64(d, "group", l.group);
    journal_item_i64(d, "log_start", l.log_start);
    return true;
}

static bool add_image(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_image i;

    if (!journal_record_image(r, &i))
        return false;
    journal_item_u64(d, "group", i.group);
    journal_item_u64(d, "index", i.index);
    journal_item_u64(d, "term", i.term);
    journal_item_i64(d, "offset", i.offset);
    journal_item_i64(d, "log_start", i.log_start);
    journal_item_hex(d, "checksum", i.checksum);
    return true;
}

static bool add_forget(struct journal_item *d, const struct journal_record *r)
{
    struct journal_disk_forget f;

    if (!journal_record_forget(r, &f))
        return false;
    journal_item_u64(d, "group", f.group);
    return true;
}

static bool add_table(struct journal_item *d, const struct journal_record *r, uint32_t *ret_rows)
{
    struct journal_disk_table t;

    if (!journal_record_table(r, &t))
        return false;
    journal_item_u64(d, "part", t.part);
    journal_item_u64(d, "rows", t.n_rows);
    journal_item_u64(d, "more", (r->flags & JOURNAL_RECORD_MORE) != 0);
    *ret_rows = t.n_rows;
    return true;
}

static bool add_list(struct journal_item *d, const struct journal_record *r, uint32_t *ret_rows)
{
    struct journal_disk_list l;

    if (!journal_record_list(r, &l))
        return false;
    journal_item_u64(d, "generation", l.generation);
    journal_item_u64(d, "part", l.part);
    journal_item_u64(d, "rows", l.n_rows);
    journal_item_u64(d, "more", (r->flags & JOURNAL_RECORD_MORE) != 0);
    *ret_rows = l.n_rows;
    return true;
}

static bool add_checkpoints(struct journal_item *d, const struct journal_record *r, uint32_t *ret_rows)
{
    struct journal_disk_checkpoints c;

    if (!journal_record_checkpoints(r, &c))
        return false;
    journal_item_u64(d, "rows", c.n_rows);
    *ret_rows = c.n_rows;
    return true;
}

bool journal_item_record(struct journal_item *d, uint64_t position, const struct journal_record *r, uint32_t *ret_rows)
{
    *ret_rows = 0;
    journal_item_init(d, JOURNAL_DUMP_RECORD, journal_record_name(r->kind), position);
    switch (r->kind) {
    case JOURNAL_RECORD_ENTRY:
    case JOURNAL_RECORD_RELOCATED:
        return add_entry(d, r);
    case JOURNAL_RECORD_HARD_STATE:
        return add_hard_state(d, r);
    case JOURNAL_RECORD_TRUNCATE:
        return add_truncate(d, r);
    case JOURNAL_RECORD_LOG_START:
        return add_log_start(d, r);
    case JOURNAL_RECORD_IMAGE_INSTALLED:
        return add_image(d, r);
    case JOURNAL_RECORD_FORGET:
        return add_forget(d, r);
    case JOURNAL_RECORD_STATE_TABLE:
        return add_table(d, r, ret_rows);
    case JOURNAL_RECORD_GROUP_LIST:
        return add_list(d, r, ret_rows);
    case JOURNAL_RECORD_CHECKPOINT:
        return add_checkpoints(d, r, ret_rows);
    case JOURNAL_RECORD_SEAL:
        return true;
    case JOURNAL_RECORD_FILLER:
        journal_item_u64(d, "size", r->size);
        return true;
    default:
        return false;
    }
}

static void add_state_row(struct journal_item *d, const struct journal_record *r, uint32_t i)
{
    struct journal_disk_state s = journal_record_state_row(r, i);

    journal_item_u64(d, "group", s.group);
    journal_item_u64(d, "term", s.term);
    journal_item_i64(d, "vote", s.vote);
    journal_item_u64(d, "checkpoint_index", s.checkpoint_index);
    journal_item_u64(d, "checkpoint_term", s.checkpoint_term);
    journal_item_i64(d, "checkpoint_offset", s.checkpoint_offset);
    journal_item_hex(d, "checkpoint_checksum", s.checkpoint_checksum);
    journal_item_i64(d, "log_start", s.log_start);
    journal_item_u64(d, "last_index", s.last_index);
    journal_item_u64(d, "last_term", s.last_term);
    journal_item_hex(d, "last_checksum", s.last_checksum);
}

static void add_usage_row(struct journal_item *d, const struct journal_record *r, uint32_t i)
{
    struct journal_disk_usage u = journal_record_usage_row(r, i);

    journal_item_u64(d, "group", u.group);
    journal_item_u64(d, "first_index", u.first_index);
    journal_item_u64(d, "last_index", u.last_index);
    journal_item_u64(d, "last_term", u.last_term);
    journal_item_u64(d, "flags", u.flags);
}

static void add_checkpoint_row(struct journal_item *d, const struct journal_record *r, uint32_t i)
{
    struct journal_disk_checkpoint c = journal_record_checkpoint_row(r, i);

    journal_item_u64(d, "group", c.group);
    journal_item_u64(d, "index", c.index);
    journal_item_u64(d, "term", c.term);
    journal_item_i64(d, "offset", c.offset);
    journal_item_hex(d, "checksum", c.checksum);
}

void journal_item_row(struct journal_item *d, uint64_t position, const struct journal_record *r, uint32_t i)
{
    journal_item_init(d, JOURNAL_DUMP_ROW, journal_record_name(r->kind), position);
    if (r->kind == JOURNAL_RECORD_STATE_TABLE)
        add_state_row(d, r, i);
    else if (r->kind == JOURNAL_RECORD_GROUP_LIST)
        add_usage_row(d, r, i);
    else
        add_checkpoint_row(d, r, i);
}
