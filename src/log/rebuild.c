/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/util.h"
#include "log/survey.h"
#include "wire/batch.h"

/* Table records that are damaged while the bytes that they were about are whole. The neighbours' records tell where
 * those lie and which offsets they have, a batch has a checksum of its own and the epoch that it was written in. What
 * nothing else tells is the entry's append time, and so its checksum: it gets the time of the entry before. So this is
 * only for entries that no other checksum names: those before the last one of a segment. */

#define REBUILD_MAX (UINT64_C(64) << 20) /* bytes of a run */

/* Where a run of entries lies. */
struct gap {
    uint64_t first, n;
    uint64_t log_from, log_to, aux_from, aux_to;
    int64_t offset_from, offset_to;
    uint64_t term_from, term_to;
    int64_t append_time_ms;
    uint16_t feature_level;
};

static bool find_gap(struct log_survey *s, const struct log_survey_segment *g, const struct log_survey_bad *b,
                     struct gap *ret)
{
    struct table_record prev, next;
    struct survey_verdict v;

    if (b->last + 1 >= g->base_index + g->n || log_survey_bad(s, b->last + 1) != NULL ||
        survey_read_record(s, b->last + 1, &next, &v) < 0)
        return false;
    *ret = (struct gap){
        .first = b->first,
        .n = b->last - b->first + 1,
        .log_to = next.log_position,
        .aux_to = next.aux_position,
        .offset_from = g->base_offset,
        .offset_to = next.header.first_offset,
        .term_from = g->prev_term,
        .term_to = next.term,
        .append_time_ms = next.header.append_time_ms,
        .feature_level = next.header.feature_level,
    };
    if (b->first == g->base_index)
        return g->header_good;
    if (log_survey_bad(s, b->first - 1) != NULL || survey_read_record(s, b->first - 1, &prev, &v) < 0)
        return false;
    ret->log_from = table_record_log_end(&prev);
    ret->aux_from = table_record_aux_end(&prev);
    ret->offset_from = table_record_next_offset(&prev);
    ret->term_from = prev.term;
    ret->append_time_ms = prev.header.append_time_ms;
    return true;
}

static void add_entry(struct log_survey *s, const struct gap *gap, uint64_t index, uint64_t term, int64_t first_offset,
                      uint32_t count, struct slice commands, struct slice batches)
{
    struct survey_rebuilt *e;
    struct entry_header h = {
        .version = ENTRY_VERSION,
        .type = batches.size > 0    ? ENTRY_DATA
                : commands.size > 0 ? ENTRY_COMMAND
                                    : ENTRY_NOOP,
        .feature_level = gap->feature_level,
        .commands_size = (uint32_t)commands.size,
        .append_time_ms = gap->append_time_ms,
        .first_offset = first_offset,
        .offset_count = count,
        .batches_size = (uint32_t)batches.size,
    };

    s->rebuilt = xrealloc(s->rebuilt, (s->n_rebuilt + 1) * sizeof(*s->rebuilt));
    e = &s->rebuilt[s->n_rebuilt++];
    *e = (struct survey_rebuilt){ .index = index, .term = term, .header = h };
    e->size = ENTRY_HEADER_SIZE + commands.size + batches.size;
    e->data = xmalloc(e->size);
    entry_header_write(&h, e->data);
    if (commands.size > 0)
        memcpy(e->data + ENTRY_HEADER_SIZE, commands.data, commands.size);
    if (batches.size > 0)
        memcpy(e->data + ENTRY_HEADER_SIZE + commands.size, batches.data, batches.size);
    e->checksum = crc32c(0, e->data, e->size);
}

static bool batch_is_whole(const struct batch_view *v)
{
    return crc32c(0, v->data + BATCH_CRC_START, v->size - BATCH_CRC_START) == v->crc && v->leader_epoch >= 0 &&
           v->last_offset_delta >= 0;
}

/* Counts the batches and checks that they fill the gap. */
static bool check_batches(const struct gap *gap, struct slice batches, uint64_t *ret_n)
{
    int64_t offset = gap->offset_from;
    uint64_t term = gap->term_from;
    struct batch_iter it;
    struct batch_view v;

    *ret_n = 0;
    batch_iter_init(&it, batches.data, batches.size);
    while (batch_next(&it, &v)) {
        if (!batch_is_whole(&v) || v.base_offset != offset || (uint64_t)v.leader_epoch < term ||
            (uint64_t)v.leader_epoch > gap->term_to)
            return false;
        term = (uint64_t)v.leader_epoch;
        offset = batch_last_offset(&v) + 1;
        (*ret_n)++;
    }
    return it.error == BATCH_OK && offset == gap->offset_to;
}

static bool check_commands(struct slice commands)
{
    struct entry_command c;
    size_t pos = 0;
    int r;

    while ((r = entry_command_next(commands, &pos, &c)) == 1) {
        if (c.kind == COMMAND_GROUP_CONFIG)
            return false;
    }
    return r == 0;
}

/* One entry takes it all; several take a batch each. */
static void add_entries(struct log_survey *s, const struct gap *gap, struct slice commands, struct slice batches)
{
    uint64_t index = gap->first, term = MAX(gap->term_from, UINT64_C(1));
    struct batch_iter it;
    struct batch_view v;

    batch_iter_init(&it, batches.data, batches.size);
    while (batch_next(&it, &v)) {
        term = (uint64_t)v.leader_epoch;
        if (gap->n > 1)
            add_entry(s, gap, index++, term, v.base_offset, (uint32_t)(v.last_offset_delta + 1), slice_make(NULL, 0),
                      slice_make(v.data, v.size));
    }
    if (gap->n == 1)
        add_entry(s, gap, index, term, gap->offset_from, (uint32_t)(gap->offset_to - gap->offset_from), commands,
                  batches);
}

static void rebuild_gap(struct log_survey *s, const struct gap *gap)
{
    _cleanup_(freep) uint8_t *data = NULL;
    struct slice batches, commands;
    struct survey_verdict v;
    uint64_t n;

    if (gap->log_to < gap->log_from || gap->aux_to < gap->aux_from || gap->offset_to < gap->offset_from ||
        gap->log_to - gap->log_from > REBUILD_MAX || gap->aux_to - gap->aux_from > REBUILD_MAX)
        return;
    batches.size = gap->log_to - gap->log_from;
    commands.size = gap->aux_to - gap->aux_from;
    data = xmalloc(batches.size + commands.size + 1);
    batches.data = data;
    commands.data = data + batches.size;
    if (survey_read_part(s, SEGMENT_LOG, data, gap->log_from, batches.size, &v) < 0 ||
        survey_read_part(s, SEGMENT_AUX, data + batches.size, gap->aux_from, commands.size, &v) < 0)
        return;
    if (!check_batches(gap, batches, &n) || !check_commands(commands) ||
        (gap->n > 1 && (n != gap->n || commands.size > 0)))
        return;
    add_entries(s, gap, commands, batches);
}

void survey_rebuild(struct log_survey *s, const struct log_survey_segment *g, size_t first_bad)
{
    for (size_t i = first_bad; i < s->n_bads; i++) {
        struct gap gap;

        if (s->bads[i].what == survey_record_is_wrong && find_gap(s, g, &s->bads[i], &gap))
            rebuild_gap(s, &gap);
    }
}
