/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/entry.h"

#include <errno.h>

#include "base/endian.h"
#include "base/util.h"

void entry_header_write(const struct entry_header *h, uint8_t to[ENTRY_HEADER_SIZE])
{
    to[ENTRY_AT_VERSION] = h->version;
    to[ENTRY_AT_TYPE] = h->type;
    store_le16(to + ENTRY_AT_FEATURE_LEVEL, h->feature_level);
    store_le32(to + ENTRY_AT_COMMANDS_SIZE, h->commands_size);
    store_le64(to + ENTRY_AT_APPEND_TIME, (uint64_t)h->append_time_ms);
    store_le64(to + ENTRY_AT_FIRST_OFFSET, (uint64_t)h->first_offset);
    store_le32(to + ENTRY_AT_OFFSET_COUNT, h->offset_count);
    store_le32(to + ENTRY_AT_BATCHES_SIZE, h->batches_size);
}

static void entry_header_read(const uint8_t *from, struct entry_header *ret)
{
    ret->version = from[ENTRY_AT_VERSION];
    ret->type = from[ENTRY_AT_TYPE];
    ret->feature_level = load_le16(from + ENTRY_AT_FEATURE_LEVEL);
    ret->commands_size = load_le32(from + ENTRY_AT_COMMANDS_SIZE);
    ret->append_time_ms = (int64_t)load_le64(from + ENTRY_AT_APPEND_TIME);
    ret->first_offset = (int64_t)load_le64(from + ENTRY_AT_FIRST_OFFSET);
    ret->offset_count = load_le32(from + ENTRY_AT_OFFSET_COUNT);
    ret->batches_size = load_le32(from + ENTRY_AT_BATCHES_SIZE);
}

/* Only data entries hold batches, and batches always take offsets. */
static bool entry_header_is_sound(const struct entry_header *h)
{
    int64_t next_offset;

    if (h->version != ENTRY_VERSION || h->type > ENTRY_CONFIG || h->first_offset < 0)
        return false;
    if (add_overflows(h->first_offset, (int64_t)h->offset_count, &next_offset))
        return false;
    if ((h->batches_size == 0) != (h->offset_count == 0))
        return false;
    return h->batches_size == 0 || h->type == ENTRY_DATA;
}

static int parse_head(const void *data, size_t size, struct entry *e)
{
    if (size < ENTRY_HEADER_SIZE)
        return -EBADMSG;
    entry_header_read(data, &e->header);
    if (!entry_header_is_sound(&e->header) || e->header.commands_size > size - ENTRY_HEADER_SIZE)
        return -EBADMSG;
    e->commands = slice_make((const uint8_t *)data + ENTRY_HEADER_SIZE, e->header.commands_size);
    return 0;
}

int entry_parse(const void *data, size_t size, struct entry *ret)
{
    struct entry e;

    if (parse_head(data, size, &e) < 0 || e.header.batches_size != size - ENTRY_HEADER_SIZE - e.commands.size)
        return -EBADMSG;
    e.batches = slice_make(e.commands.data + e.commands.size, e.header.batches_size);
    *ret = e;
    return 0;
}

int entry_parse_apart(const void *head, size_t head_size, struct slice batches, struct entry *ret)
{
    struct entry e;

    if (parse_head(head, head_size, &e) < 0 || head_size != ENTRY_HEADER_SIZE + e.commands.size ||
        batches.size != e.header.batches_size)
        return -EBADMSG;
    e.batches = batches;
    *ret = e;
    return 0;
}

void entry_command_header_read(const uint8_t from[ENTRY_COMMAND_HEADER_SIZE], uint16_t *ret_kind, uint16_t *ret_version,
                               uint32_t *ret_body_size)
{
    *ret_kind = load_le16(from);
    *ret_version = load_le16(from + 2);
    *ret_body_size = load_le32(from + 4);
}

int entry_command_next(struct slice commands, size_t *pos, struct entry_command *ret)
{
    const uint8_t *p = commands.data + *pos;
    size_t left = commands.size - *pos;
    uint32_t body_size;

    if (left == 0)
        return 0;
    if (left < ENTRY_COMMAND_HEADER_SIZE)
        return -EBADMSG;
    entry_command_header_read(p, &ret->kind, &ret->version, &body_size);
    if (body_size > left - ENTRY_COMMAND_HEADER_SIZE)
        return -EBADMSG;
    ret->body = slice_make(p + ENTRY_COMMAND_HEADER_SIZE, body_size);
    *pos += ENTRY_COMMAND_HEADER_SIZE + body_size;
    return 1;
}

void entry_command_header_write(uint8_t to[ENTRY_COMMAND_HEADER_SIZE], uint16_t kind, uint16_t version,
                                uint32_t body_size)
{
    store_le16(to, kind);
    store_le16(to + 2, version);
    store_le32(to + 4, body_size);
}
