/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a journal file starts and ends with, how much room that takes, and which file comes next. */

#include <string.h>

#include "base/util.h"
#include "journal/internal.h"

#define BLOCK_PAYLOAD ((uint64_t)JOURNAL_BLOCK_MAX - JOURNAL_BLOCK_HEADER_SIZE)

uint64_t journal_disk_need(uint64_t record_bytes)
{
    uint64_t n_blocks = record_bytes / BLOCK_PAYLOAD + 1;

    return ALIGN_UP(record_bytes + n_blocks * JOURNAL_BLOCK_HEADER_SIZE, (uint64_t)JOURNAL_BLOCK_ALIGN);
}

/* Bytes of records for so many rows in parts. */
static uint64_t rows_bytes(size_t n_rows, size_t row_size, size_t head_size)
{
    size_t parts = n_rows / JOURNAL_TABLE_ROWS_MAX + 1;

    return (uint64_t)n_rows * row_size + parts * journal_record_size(head_size);
}

static uint64_t table_bytes(size_t n_groups)
{
    return rows_bytes(n_groups, sizeof(struct journal_disk_state), sizeof(struct journal_disk_table));
}

static uint64_t list_bytes(size_t n_usages)
{
    return rows_bytes(n_usages, sizeof(struct journal_disk_usage), sizeof(struct journal_disk_list));
}

uint64_t journal_end_need(size_t n_usages)
{
    return journal_disk_need(list_bytes(n_usages)) + JOURNAL_BLOCK_ALIGN;
}

uint64_t journal_small_reserve(uint64_t file_size)
{
    return MIN((uint64_t)JOURNAL_SMALL_RESERVE_MAX, file_size / JOURNAL_SMALL_RESERVE_PART);
}

uint64_t journal_file_need(const struct journal *j, uint64_t record_bytes, size_t n_groups)
{
    const struct journal_file *last = list_last(&j->files, struct journal_file, link);
    uint64_t head = table_bytes(j->groups.count) + list_bytes(last != NULL ? last->n_usages : 0);
    uint64_t need = JOURNAL_FILE_HEADER_SIZE + journal_disk_need(head + record_bytes) + journal_end_need(n_groups);

    /* need + reserve(size) ≤ size */
    return need + MIN((uint64_t)JOURNAL_SMALL_RESERVE_MAX, need / (JOURNAL_SMALL_RESERVE_PART - 1) + 1);
}

static void table_write(struct journal *j, struct journal_bytes *to)
{
    struct journal_group *g = list_first(&j->groups.all, struct journal_group, link);
    size_t left = j->groups.count;
    uint32_t part = 0;

    do {
        uint32_t n = (uint32_t)MIN(left, (size_t)JOURNAL_TABLE_ROWS_MAX);
        struct journal_disk_table head = { .n_rows = n, .part = part++ };
        uint8_t *p = journal_bytes_record(to, JOURNAL_RECORD_STATE_TABLE, left > n ? JOURNAL_RECORD_MORE : 0,
                                          sizeof(head) + n * sizeof(struct journal_disk_state));

        journal_swap_table(&head);
        memcpy(p, &head, sizeof(head));
        p += sizeof(head);
        for (uint32_t i = 0; i < n; i++, p += sizeof(struct journal_disk_state)) {
            struct journal_disk_state row = journal_group_row(g);

            journal_swap_state(&row);
            memcpy(p, &row, sizeof(row));
            g = list_entry(g->link.next, struct journal_group, link);
        }
        left -= n;
    } while (left > 0);
}

void journal_list_write(struct journal_file *f, struct journal_bytes *to)
{
    struct journal_usage *u = list_first(&f->usages, struct journal_usage, in_file);
    size_t left = f->n_usages;
    uint32_t part = 0;

    do {
        uint32_t n = (uint32_t)MIN(left, (size_t)JOURNAL_TABLE_ROWS_MAX);
        struct journal_disk_list head = { .generation = f->header.generation, .n_rows = n, .part = part++ };
        uint8_t *p = journal_bytes_record(to, JOURNAL_RECORD_GROUP_LIST, left > n ? JOURNAL_RECORD_MORE : 0,
                                          sizeof(head) + n * sizeof(struct journal_disk_usage));

        journal_swap_list(&head);
        memcpy(p, &head, sizeof(head));
        p += sizeof(head);
        for (uint32_t i = 0; i < n; i++, p += sizeof(struct journal_disk_usage)) {
            struct journal_disk_usage row = journal_usage_row(u);

            journal_swap_usage(&row);
            memcpy(p, &row, sizeof(row));
            u = list_entry(u->in_file.next, struct journal_usage, in_file);
        }
        left -= n;
    } while (left > 0);
}

void journal_head_write(struct journal *j, struct journal_file *prev, struct journal_bytes *to)
{
    table_write(j, to);
    if (prev != NULL)
        journal_list_write(prev, to);
}

struct journal_file *journal_file_next(struct journal *j, uint64_t size, uint64_t prev_end_lsn)
{
    const struct journal_file *last = list_last(&j->files, struct journal_file, link);
    struct journal_file_header h = {
        .version = JOURNAL_FORMAT_VERSION,
        .shard = j->config.shard,
        .incarnation = j->config.incarnation,
        .generation = j->next_generation++,
        .base_lsn = j->config.first_lsn,
        .prev_end_lsn = prev_end_lsn,
        .file_size = size,
        .flushed_lsn = j->flushed_lsn,
        .salt = prng_u64(j->config.prng),
    };

    if (last != NULL) {
        h.prev_generation = last->header.generation;
        h.base_lsn = last->header.base_lsn + last->header.file_size;
    }
    return journal_file_new(&h);
}
