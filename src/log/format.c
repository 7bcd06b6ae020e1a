/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

const char *segment_suffix(enum segment_file kind)
{
    static const char *const suffixes[SEGMENT_N_FILES] = {
#define X_(name, suffix) [SEGMENT_##name] = suffix,
        SEGMENT_FILES(X_)
#undef X_
    };

    return suffixes[kind];
}

void segment_file_name(char to[SEGMENT_FILE_NAME_SIZE], uint64_t index, enum segment_file kind)
{
    snprintf(to, SEGMENT_FILE_NAME_SIZE, "%020" PRIu64 "%s", index, segment_suffix(kind));
}

bool segment_file_parse(const char *name, uint64_t *ret_index, enum segment_file *ret_kind)
{
    uint64_t index = 0;

    for (size_t i = 0; i < SEGMENT_NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || mul_overflows(index, UINT64_C(10), &index) ||
            add_overflows(index, (uint64_t)(name[i] - '0'), &index))
            return false;
    }
    for (unsigned kind = 0; kind < SEGMENT_N_FILES; kind++) {
        if (strcmp(name + SEGMENT_NAME_DIGITS, segment_suffix(kind)) == 0) {
            *ret_index = index;
            *ret_kind = kind;
            return index > 0;
        }
    }
    return false;
}

void table_header_write(const struct table_header *h, uint8_t to[TABLE_RECORD_SIZE])
{
    struct table_header_disk d = {
        .magic = TABLE_MAGIC,
        .version = htole16(TABLE_VERSION),
        .header_size = htole16(TABLE_RECORD_SIZE),
        .record_size = htole16(TABLE_RECORD_SIZE),
        .base_index = htole64(h->base_index),
        .prev_term = htole64(h->prev_term),
        .base_offset = (int64_t)htole64((uint64_t)h->base_offset),
        .prev_checksum = htole32(h->prev_checksum),
    };

    d.crc = htole32(crc32c(0, &d, offsetof(struct table_header_disk, crc)));
    memcpy(to, &d, sizeof(d));
}

int table_header_read(const uint8_t from[TABLE_RECORD_SIZE], struct table_header *ret)
{
    struct table_header_disk d;

    memcpy(&d, from, sizeof(d));
    if (memcmp(d.magic, TABLE_MAGIC, sizeof(d.magic)) != 0 ||
        le32toh(d.crc) != crc32c(0, &d, offsetof(struct table_header_disk, crc)))
        return -EBADMSG;
    if (le16toh(d.version) != TABLE_VERSION)
        return FORMAT_E_VERSION;
    if (le16toh(d.header_size) != TABLE_RECORD_SIZE || le16toh(d.record_size) != TABLE_RECORD_SIZE)
        return -EBADMSG;
    ret->base_index = le64toh(d.base_index);
    ret->prev_term = le64toh(d.prev_term);
    ret->base_offset = (int64_t)le64toh((uint64_t)d.base_offset);
    ret->prev_checksum = le32toh(d.prev_checksum);
    return ret->base_index > 0 && ret->base_offset >= 0 ? 0 : -EBADMSG;
}

void table_record_write(const struct table_record *r, uint8_t to[TABLE_RECORD_SIZE])
{
    const struct entry_header *h = &r->header;
    struct table_record_disk d = {
        .index = htole64(r->index),
        .term = htole64(r->term),
        .append_time_ms = (int64_t)htole64((uint64_t)h->append_time_ms),
        .first_offset = (int64_t)htole64((uint64_t)h->first_offset),
        .offset_count = htole32(h->offset_count),
        .type = h->type,
        .version = h->version,
        .feature_level = htole16(h->feature_level),
        .log_position = htole64(r->log_position),
        .aux_position = htole64(r->aux_position),
        .log_size = htole32(h->batches_size),
        .aux_size = htole32(h->commands_size),
        .log_crc = htole32(r->log_crc),
        .checksum = htole32(r->checksum),
        .max_timestamp = (int64_t)htole64((uint64_t)r->max_timestamp),
        .running_max_timestamp = (int64_t)htole64((uint64_t)r->running_max_timestamp),
        .running_max_offset = (int64_t)htole64((uint64_t)r->running_max_offset),
    };

    d.crc = htole32(crc32c(0, &d, offsetof(struct table_record_disk, crc)));
    memcpy(to, &d, sizeof(d));
}

static bool table_record_is_sound(const struct table_record *r)
{
    const struct entry_header *h = &r->header;
    int64_t next_offset;
    uint64_t end;

    return r->index > 0 && h->version == ENTRY_VERSION && h->type <= ENTRY_CONFIG && h->first_offset >= 0 &&
           !add_overflows(h->first_offset, (int64_t)h->offset_count, &next_offset) &&
           !add_overflows(r->log_position, (uint64_t)h->batches_size, &end) && end <= INT64_MAX &&
           !add_overflows(r->aux_position, (uint64_t)h->commands_size, &end) && end <= INT64_MAX;
}

int table_record_read(const uint8_t from[TABLE_RECORD_SIZE], struct table_record *ret)
{
    struct table_record_disk d;

    memcpy(&d, from, sizeof(d));
    if (le32toh(d.crc) != crc32c(0, &d, offsetof(struct table_record_disk, crc)))
        return -EBADMSG;
    *ret = (struct table_record){
        .index = le64toh(d.index),
        .term = le64toh(d.term),
        .header = {
            .version = d.version,
            .type = d.type,
            .feature_level = le16toh(d.feature_level),
            .commands_size = le32toh(d.aux_size),
            .append_time_ms = (int64_t)le64toh((uint64_t)d.append_time_ms),
            .first_offset = (int64_t)le64toh((uint64_t)d.first_offset),
            .offset_count = le32toh(d.offset_count),
            .batches_size = le32toh(d.log_size),
        },
        .log_position = le64toh(d.log_position),
        .aux_position = le64toh(d.aux_position),
        .log_crc = le32toh(d.log_crc),
        .checksum = le32toh(d.checksum),
        .max_timestamp = (int64_t)le64toh((uint64_t)d.max_timestamp),
        .running_max_timestamp = (int64_t)le64toh((uint64_t)d.running_max_timestamp),
        .running_max_offset = (int64_t)le64toh((uint64_t)d.running_max_offset),
    };
    return table_record_is_sound(ret) ? 0 : -EBADMSG;
}

static const char *first_record_follows(const struct table_header *h, const struct table_record *r)
{
    if (r->index != h->base_index)
        return "the first record's index isn't the segment's";
    if (r->header.first_offset != h->base_offset)
        return "the first record's offset isn't the segment's";
    if (r->term < h->prev_term)
        return "the term goes back";
    if (r->log_position != 0 || r->aux_position != 0)
        return "the first record's bytes don't start the files";
    return NULL;
}

const char *table_record_follows(const struct table_header *h, const struct table_record *prev,
                                 const struct table_record *r)
{
    int64_t running = prev != NULL ? prev->running_max_timestamp : TABLE_NO_TIMESTAMP;

    if (r->running_max_timestamp != MAX(running, r->max_timestamp))
        return "the running maximum timestamp is wrong";
    if (prev == NULL)
        return first_record_follows(h, r);
    if (r->index != prev->index + 1)
        return "the index doesn't follow";
    if (r->term < prev->term)
        return "the term goes back";
    if (r->header.first_offset != table_record_next_offset(prev))
        return "the offset doesn't follow";
    if (r->log_position != table_record_log_end(prev) || r->aux_position != table_record_aux_end(prev))
        return "the position doesn't follow";
    if (r->header.append_time_ms < prev->header.append_time_ms)
        return "the append time goes back";
    return NULL;
}

void snapshot_header_write(const struct snapshot_header *h, uint8_t to[SNAPSHOT_HEADER_SIZE])
{
    struct snapshot_header_disk d = {
        .magic = SNAPSHOT_MAGIC,
        .version = htole16(SNAPSHOT_VERSION),
        .header_size = htole16(SNAPSHOT_HEADER_SIZE),
        .body_crc = htole32(h->body_crc),
        .index = htole64(h->index),
        .term = htole64(h->term),
        .next_offset = (int64_t)htole64((uint64_t)h->next_offset),
        .body_size = htole64(h->body_size),
        .checksum = htole32(h->checksum),
    };

    d.crc = htole32(crc32c(0, &d, offsetof(struct snapshot_header_disk, crc)));
    memcpy(to, &d, sizeof(d));
}

int snapshot_header_read(const uint8_t from[SNAPSHOT_HEADER_SIZE], struct snapshot_header *ret)
{
    struct snapshot_header_disk d;

    memcpy(&d, from, sizeof(d));
    if (memcmp(d.magic, SNAPSHOT_MAGIC, sizeof(d.magic)) != 0 ||
        le32toh(d.crc) != crc32c(0, &d, offsetof(struct snapshot_header_disk, crc)))
        return -EBADMSG;
    if (le16toh(d.version) != SNAPSHOT_VERSION)
        return FORMAT_E_VERSION;
    if (le16toh(d.header_size) != SNAPSHOT_HEADER_SIZE)
        return -EBADMSG;
    ret->index = le64toh(d.index);
    ret->term = le64toh(d.term);
    ret->next_offset = (int64_t)le64toh((uint64_t)d.next_offset);
    ret->body_size = le64toh(d.body_size);
    ret->checksum = le32toh(d.checksum);
    ret->body_crc = le32toh(d.body_crc);
    return 0;
}
