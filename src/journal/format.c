/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/format.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

#define SWAP32(field) ((field) = (typeof(field))htole32((uint32_t)(field)))
#define SWAP64(field) ((field) = (typeof(field))htole64((uint64_t)(field)))

static void swap_file(struct journal_disk_file *f)
{
    SWAP32(f->version);
    SWAP32(f->shard);
    SWAP64(f->generation);
    SWAP64(f->prev_generation);
    SWAP64(f->prev_end_lsn);
    SWAP64(f->base_lsn);
    SWAP64(f->file_size);
    SWAP64(f->flushed_lsn);
    SWAP64(f->salt);
}

void journal_file_header_write(const struct journal_file_header *h, struct journal_disk_file *to)
{
    *to = (struct journal_disk_file){
        .version = h->version,
        .shard = h->shard,
        .generation = h->generation,
        .prev_generation = h->prev_generation,
        .prev_end_lsn = h->prev_end_lsn,
        .base_lsn = h->base_lsn,
        .file_size = h->file_size,
        .flushed_lsn = h->flushed_lsn,
        .salt = h->salt,
    };
    memcpy(to->magic, JOURNAL_FILE_MAGIC, sizeof(to->magic));
    memcpy(to->incarnation, h->incarnation.bytes, sizeof(to->incarnation));
    swap_file(to);
    to->crc = htole32(crc32c(0, to, offsetof(struct journal_disk_file, crc)));
}

enum journal_header_verdict journal_file_header_read(const void *data, struct journal_file_header *ret)
{
    struct journal_disk_file d;
    bool good;

    memcpy(&d, data, sizeof(d));
    good = memcmp(d.magic, JOURNAL_FILE_MAGIC, sizeof(d.magic)) == 0 &&
           le32toh(d.crc) == crc32c(0, data, offsetof(struct journal_disk_file, crc));
    swap_file(&d);
    *ret = (struct journal_file_header){ .version = d.version };
    if (good && d.version > JOURNAL_FORMAT_VERSION)
        return JOURNAL_HEADER_NEWER;
    ret->shard = d.shard;
    memcpy(ret->incarnation.bytes, d.incarnation, sizeof(d.incarnation));
    ret->generation = d.generation;
    ret->prev_generation = d.prev_generation;
    ret->prev_end_lsn = d.prev_end_lsn;
    ret->base_lsn = d.base_lsn;
    ret->file_size = d.file_size;
    ret->flushed_lsn = d.flushed_lsn;
    ret->salt = d.salt;
    return good && d.version == JOURNAL_FORMAT_VERSION ? JOURNAL_HEADER_GOOD : JOURNAL_HEADER_DAMAGED;
}

size_t journal_block_size(const struct journal_block *b)
{
    return ALIGN_UP((size_t)b->payload_offset + b->payload_size, (size_t)JOURNAL_BLOCK_ALIGN);
}

void journal_block_write(const struct journal_block *b, void *to)
{
    struct journal_disk_block d = {
        .magic = htole32(JOURNAL_BLOCK_MAGIC),
        .payload_offset = htole16(b->payload_offset),
        .flags = htole16(b->flags),
        .generation = htole64(b->generation),
        .salt = htole64(b->salt),
        .lsn = htole64(b->lsn),
        .flushed_lsn = htole64(b->flushed_lsn),
        .payload_size = htole32(b->payload_size),
        .first_record = htole32(b->first_record),
        .payload_crc = htole32(b->payload_crc),
    };

    d.header_crc = htole32(crc32c(0, &d, offsetof(struct journal_disk_block, header_crc)));
    memcpy(to, &d, sizeof(d));
}

bool journal_block_read(const void *data, struct journal_block *ret)
{
    struct journal_disk_block d;

    memcpy(&d, data, sizeof(d));
    if (le32toh(d.magic) != JOURNAL_BLOCK_MAGIC ||
        le32toh(d.header_crc) != crc32c(0, data, offsetof(struct journal_disk_block, header_crc)))
        return false;
    *ret = (struct journal_block){
        .generation = le64toh(d.generation),
        .salt = le64toh(d.salt),
        .lsn = le64toh(d.lsn),
        .flushed_lsn = le64toh(d.flushed_lsn),
        .payload_offset = le16toh(d.payload_offset),
        .flags = le16toh(d.flags),
        .payload_size = le32toh(d.payload_size),
        .first_record = le32toh(d.first_record),
        .payload_crc = le32toh(d.payload_crc),
    };
    return ret->payload_offset >= JOURNAL_BLOCK_HEADER_SIZE && ret->payload_offset % JOURNAL_RECORD_ALIGN == 0 &&
           ret->payload_size > 0 && ret->payload_size % JOURNAL_RECORD_ALIGN == 0 &&
           (size_t)ret->payload_size + ret->payload_offset <= JOURNAL_BLOCK_MAX &&
           ret->first_record <= ret->payload_size && ret->first_record % JOURNAL_RECORD_ALIGN == 0 &&
           ret->flushed_lsn <= ret->lsn;
}

const char *journal_record_name(uint8_t kind)
{
    switch (kind) {
#define X(name, number, text) \
    case number: \
        return text;
        JOURNAL_RECORD_KINDS(X)
#undef X
    default:
        return NULL;
    }
}

void journal_swap_entry(struct journal_disk_entry *e)
{
    SWAP64(e->group);
    SWAP64(e->index);
    SWAP64(e->term);
    SWAP32(e->checksum);
    SWAP32(e->prev_checksum);
}

void journal_swap_hard_state(struct journal_disk_hard_state *h)
{
    SWAP64(h->group);
    SWAP64(h->term);
    SWAP32(h->vote);
}

void journal_swap_truncate(struct journal_disk_truncate *t)
{
    SWAP64(t->group);
    SWAP64(t->index);
    SWAP64(t->prev_term);
    SWAP32(t->prev_checksum);
}

void journal_swap_log_start(struct journal_disk_log_start *l)
{
    SWAP64(l->group);
    SWAP64(l->log_start);
}

void journal_swap_image(struct journal_disk_image *i)
{
    SWAP64(i->group);
    SWAP64(i->index);
    SWAP64(i->term);
    SWAP64(i->offset);
    SWAP64(i->log_start);
    SWAP32(i->checksum);
}

void journal_swap_forget(struct journal_disk_forget *f)
{
    SWAP64(f->group);
}

void journal_swap_table(struct journal_disk_table *t)
{
    SWAP32(t->n_rows);
    SWAP32(t->part);
}

void journal_swap_state(struct journal_disk_state *s)
{
    SWAP64(s->group);
    SWAP64(s->term);
    SWAP64(s->checkpoint_index);
    SWAP64(s->checkpoint_term);
    SWAP64(s->checkpoint_offset);
    SWAP64(s->log_start);
    SWAP64(s->last_index);
    SWAP64(s->last_term);
    SWAP32(s->vote);
    SWAP32(s->checkpoint_checksum);
    SWAP32(s->last_checksum);
}

void journal_swap_list(struct journal_disk_list *l)
{
    SWAP64(l->generation);
    SWAP32(l->n_rows);
    SWAP32(l->part);
}

void journal_swap_usage(struct journal_disk_usage *u)
{
    SWAP64(u->group);
    SWAP64(u->first_index);
    SWAP64(u->last_index);
    SWAP64(u->last_term);
    SWAP32(u->flags);
}

void journal_swap_checkpoints(struct journal_disk_checkpoints *c)
{
    SWAP32(c->n_rows);
}

void journal_swap_checkpoint(struct journal_disk_checkpoint *c)
{
    SWAP64(c->group);
    SWAP64(c->index);
    SWAP64(c->term);
    SWAP64(c->offset);
    SWAP32(c->checksum);
}

bool journal_record_entry(const struct journal_record *r, struct journal_disk_entry *ret, struct slice *ret_data)
{
    if (r->size < sizeof(*ret))
        return false;
    memcpy(ret, r->body, sizeof(*ret));
    journal_swap_entry(ret);
    *ret_data = slice_make(r->body + sizeof(*ret), r->size - sizeof(*ret));
    return true;
}

/* Bodies of one fixed struct. */
#define DEFINE_FIXED(name) \
    bool journal_record_##name(const struct journal_record *r, struct journal_disk_##name *ret) \
    { \
        if (r->size != sizeof(*ret)) \
            return false; \
        memcpy(ret, r->body, sizeof(*ret)); \
        journal_swap_##name(ret); \
        return true; \
    }

DEFINE_FIXED(hard_state)
DEFINE_FIXED(truncate)
DEFINE_FIXED(log_start)
DEFINE_FIXED(image)
DEFINE_FIXED(forget)

/* Bodies of a head that counts rows, and the rows. */
#define DEFINE_ROWS(name, head, row) \
    bool journal_record_##name(const struct journal_record *r, struct journal_disk_##head *ret) \
    { \
        if (r->size < sizeof(*ret)) \
            return false; \
        memcpy(ret, r->body, sizeof(*ret)); \
        journal_swap_##head(ret); \
        return ret->n_rows <= JOURNAL_TABLE_ROWS_MAX && \
               r->size == sizeof(*ret) + (size_t)ret->n_rows * sizeof(struct journal_disk_##row); \
    } \
    struct journal_disk_##row journal_record_##row##_row(const struct journal_record *r, uint32_t i) \
    { \
        struct journal_disk_##row v; \
        memcpy(&v, r->body + sizeof(struct journal_disk_##head) + (size_t)i * sizeof(v), sizeof(v)); \
        journal_swap_##row(&v); \
        return v; \
    }

DEFINE_ROWS(table, table, state)
DEFINE_ROWS(list, list, usage)
DEFINE_ROWS(checkpoints, checkpoints, checkpoint)
