/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/dump.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "log/dump_item.h"
#include "log/format.h"
#include "log/log.h"

void dump_begin(struct dump *d, const char *kind, uint64_t position)
{
    d->item = (struct log_dump_item){ .kind = kind, .position = position, .fields = d->fields };
    d->text_size = 0;
}

static void add_field(struct dump *d, const char *name, bool is_number, const char *fmt, va_list ap)
{
    struct log_dump_field *f = &d->fields[d->item.n_fields++];
    char *at = d->text + d->text_size;
    int n;

    gq_assert(d->item.n_fields <= DUMP_MAX_FIELDS);
    n = vsnprintf(at, sizeof(d->text) - d->text_size, fmt, ap);
    gq_assert(n >= 0 && (size_t)n < sizeof(d->text) - d->text_size);
    d->text_size += (size_t)n + 1;
    *f = (struct log_dump_field){ name, at, is_number };
}

_printf_(4, 5) static void add_fieldf(struct dump *d, const char *name, bool is_number, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add_field(d, name, is_number, fmt, ap);
    va_end(ap);
}

void dump_number(struct dump *d, const char *name, int64_t value)
{
    add_fieldf(d, name, true, "%" PRId64, value);
}

void dump_unsigned(struct dump *d, const char *name, uint64_t value)
{
    add_fieldf(d, name, true, "%" PRIu64, value);
}

void dump_text(struct dump *d, const char *name, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add_field(d, name, false, fmt, ap);
    va_end(ap);
}

int dump_end(struct dump *d)
{
    return d->fn(d->ctx, &d->item);
}

int dump_damage(struct dump *d, uint64_t position, const char *fmt, ...)
{
    va_list ap;

    d->damaged = true;
    dump_begin(d, "damage", position);
    va_start(ap, fmt);
    add_field(d, "what", false, fmt, ap);
    va_end(ap);
    return dump_end(d);
}

int dump_read(struct dump *d, void *to, size_t size, uint64_t position)
{
    ssize_t n = disk_pread(d->file, to, size, position);

    return n < 0 ? (int)n : (size_t)n == size ? 0 : -EIO;
}

static int dump_table_header(struct dump *d, struct table_header *ret, bool *ret_known)
{
    uint8_t data[TABLE_RECORD_SIZE];
    int r = dump_read(d, data, sizeof(data), 0);

    *ret_known = false;
    if (r < 0)
        return r;
    r = table_header_read(data, ret);
    if (r == FORMAT_E_VERSION)
        return dump_damage(d, 0, "the file is of a newer version");
    if (r < 0)
        return dump_damage(d, 0, "the header is wrong");
    *ret_known = true;
    dump_begin(d, "segment", 0);
    dump_unsigned(d, "base_index", ret->base_index);
    dump_number(d, "base_offset", ret->base_offset);
    dump_unsigned(d, "prev_term", ret->prev_term);
    dump_text(d, "prev_checksum", "%08" PRIx32, ret->prev_checksum);
    return dump_end(d);
}

static const char *entry_type_text(uint8_t type)
{
    static const char *const names[] = { "noop", "data", "command", "config" };

    return type < ARRAY_SIZE(names) ? names[type] : "unknown";
}

static int dump_table_record(struct dump *d, uint64_t position, const struct table_record *r)
{
    const struct entry_header *h = &r->header;

    dump_begin(d, "entry", position);
    dump_unsigned(d, "index", r->index);
    dump_unsigned(d, "term", r->term);
    dump_text(d, "type", "%s", entry_type_text(h->type));
    dump_unsigned(d, "version", h->version);
    dump_unsigned(d, "feature_level", h->feature_level);
    dump_number(d, "append_time_ms", h->append_time_ms);
    dump_number(d, "first_offset", h->first_offset);
    dump_unsigned(d, "offset_count", h->offset_count);
    dump_unsigned(d, "log_position", r->log_position);
    dump_unsigned(d, "log_size", h->batches_size);
    dump_text(d, "log_crc", "%08" PRIx32, r->log_crc);
    dump_unsigned(d, "aux_position", r->aux_position);
    dump_unsigned(d, "aux_size", h->commands_size);
    dump_text(d, "checksum", "%08" PRIx32, r->checksum);
    if (r->max_timestamp != TABLE_NO_TIMESTAMP)
        dump_number(d, "max_timestamp", r->max_timestamp);
    if (r->running_max_timestamp != TABLE_NO_TIMESTAMP) {
        dump_number(d, "running_max_timestamp", r->running_max_timestamp);
        dump_number(d, "running_max_offset", r->running_max_offset);
    }
    return dump_end(d);
}

/* A record that is wrong hides nothing: the next one is where it must be. */
static int dump_table(struct dump *d)
{
    struct table_record rec, prev;
    struct table_header h = { 0 };
    bool header_known, prev_known = false;
    uint64_t n = table_count(d->size);
    int r;

    if (d->size < TABLE_RECORD_SIZE)
        return dump_damage(d, 0, "the file is shorter than a header");
    r = dump_table_header(d, &h, &header_known);
    for (uint64_t i = 0; r == 0 && i < n; i++) {
        uint8_t data[TABLE_RECORD_SIZE];
        const char *wrong = NULL;

        r = dump_read(d, data, sizeof(data), table_position(i));
        if (r < 0)
            return r;
        if (table_record_read(data, &rec) < 0) {
            r = dump_damage(d, table_position(i), "the record is wrong");
            prev_known = false;
            continue;
        }
        r = dump_table_record(d, table_position(i), &rec);
        if (prev_known || (i == 0 && header_known))
            wrong = table_record_follows(&h, i > 0 ? &prev : NULL, &rec);
        if (r == 0 && wrong != NULL)
            r = dump_damage(d, table_position(i), "%s", wrong);
        prev = rec;
        prev_known = true;
    }
    if (r == 0 && d->size % TABLE_RECORD_SIZE != 0)
        r = dump_damage(d, table_position(n), "%" PRIu64 " bytes at the end are no whole record",
                        d->size % TABLE_RECORD_SIZE);
    return r;
}

/* Commands have no checksum of their own: that of the entry is in the table. */
static int dump_commands(struct dump *d)
{
    uint64_t position = 0;

    while (position < d->size) {
        uint8_t header[ENTRY_COMMAND_HEADER_SIZE];
        struct entry_command c;
        uint32_t size;
        int r;

        if (d->size - position < sizeof(header))
            return dump_damage(d, position, "%" PRIu64 " bytes at the end are no whole command", d->size - position);
        r = dump_read(d, header, sizeof(header), position);
        if (r < 0)
            return r;
        entry_command_header_read(header, &c.kind, &c.version, &size);
        if (size > d->size - position - sizeof(header))
            return dump_damage(d, position, "the command would end behind the file, at byte %" PRIu64,
                               position + sizeof(header) + size);
        dump_begin(d, "command", position);
        dump_unsigned(d, "kind", c.kind);
        dump_unsigned(d, "version", c.version);
        dump_unsigned(d, "size", size);
        r = dump_end(d);
        if (r != 0)
            return r;
        position += sizeof(header) + size;
    }
    return 0;
}

static int check_snapshot_body(struct dump *d, const struct snapshot_header *h)
{
    uint64_t left = d->size - SNAPSHOT_HEADER_SIZE;
    uint8_t data[16384];
    uint32_t crc = 0;

    if (left != h->body_size)
        return dump_damage(d, SNAPSHOT_HEADER_SIZE, "the body has %" PRIu64 " bytes, the header says %" PRIu64, left,
                           h->body_size);
    while (left > 0) {
        size_t n = (size_t)MIN(left, (uint64_t)sizeof(data));
        int r = dump_read(d, data, n, d->size - left);

        if (r < 0)
            return r;
        crc = crc32c(crc, data, n);
        left -= n;
    }
    return crc == h->body_crc ? 0 : dump_damage(d, SNAPSHOT_HEADER_SIZE, "the checksum of the body is wrong");
}

static int dump_snapshot(struct dump *d)
{
    uint8_t data[SNAPSHOT_HEADER_SIZE];
    struct snapshot_header h;
    int r;

    if (d->size < sizeof(data))
        return dump_damage(d, 0, "the file is shorter than a header");
    r = dump_read(d, data, sizeof(data), 0);
    if (r < 0)
        return r;
    r = snapshot_header_read(data, &h);
    if (r != 0)
        return dump_damage(d, 0, r == FORMAT_E_VERSION ? "the file is of a newer version" : "the header is wrong");
    dump_begin(d, "snapshot", 0);
    dump_unsigned(d, "index", h.index);
    dump_unsigned(d, "term", h.term);
    dump_number(d, "next_offset", h.next_offset);
    dump_text(d, "checksum", "%08" PRIx32, h.checksum);
    dump_unsigned(d, "body_size", h.body_size);
    r = dump_end(d);
    return r != 0 ? r : check_snapshot_body(d, &h);
}

static int dump_of_kind(struct dump *d, enum segment_file kind)
{
    switch (kind) {
    case SEGMENT_LOG:
        return dump_batches(d);
    case SEGMENT_ENTRIES:
        return dump_table(d);
    case SEGMENT_AUX:
        return dump_commands(d);
    case SEGMENT_SNAPSHOT:
        return dump_snapshot(d);
    default:
        return -EINVAL;
    }
}

static enum segment_file kind_of_path(const char *path)
{
    const char *suffix = strrchr(path, '.');
    unsigned kind = 0;

    while (kind < SEGMENT_N_FILES && (suffix == NULL || strcmp(suffix, segment_suffix(kind)) != 0))
        kind++;
    return kind;
}

int log_dump(struct env_disk *disk, const char *path, log_dump_fn fn, void *ctx)
{
    enum segment_file kind = kind_of_path(path);
    struct dump d = { .fn = fn, .ctx = ctx };
    int r;

    if (kind == SEGMENT_N_FILES)
        return -EINVAL;
    r = disk_open(disk, path, DISK_READ, &d.file);
    if (r < 0)
        return r;
    r = disk_size(d.file, &d.size);
    if (r == 0)
        r = dump_of_kind(&d, kind);
    disk_close(d.file);
    return r != 0 ? r : d.damaged ? LOG_E_CORRUPT : 0;
}
