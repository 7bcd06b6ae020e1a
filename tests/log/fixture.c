/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/fixture.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "wire/batch_builder.h"

/* ck_assert() writes a note each time, which is much in loops over crashes. */
#define REQUIRE(expr) \
    do { \
        if (!(expr)) \
            ck_abort_msg("%s", #expr); \
    } while (0)

void fx_init(struct fx *fx, struct sim_prng *prng)
{
    *fx = (struct fx){ .append_ms = 1000 };
    fx->disk = sim_disk_new(prng);
    fx->config = (struct log_config){
        .disk = sim_disk_env(fx->disk),
        .dir = FX_DIR,
        .segment_bytes = 4096,
        .segment_ms = 1000000,
    };
    fx_reopen(fx);
}

void fx_fini(struct fx *fx)
{
    fx_close(fx);
    sim_disk_free(fx->disk);
    for (size_t i = 0; i < fx->n; i++)
        free(fx->entries[i].data);
    free(fx->entries);
}

static int64_t model_end(const struct fx *fx)
{
    return fx->n > 0 ? fx->entries[fx->n - 1].next_offset : 0;
}

static void build_batch(struct wr *w, const struct fx_spec *spec, uint64_t term, int64_t base_offset,
                        int64_t timestamp_ms)
{
    struct batch_params params = BATCH_PARAMS_PLAIN;
    uint8_t *value = xmalloc(spec->value_size + 1), *data;
    struct batch_builder b;
    size_t size;

    params.base_offset = base_offset;
    params.leader_epoch = (int32_t)term;
    params.attributes = spec->attributes;
    batch_builder_init(&b, &params, 64u << 20);
    for (unsigned i = 0; i < spec->n_records; i++) {
        memset(value, (int)('a' + (base_offset + i) % 26), spec->value_size);
        REQUIRE(batch_builder_add(&b, timestamp_ms + i, SLICE_NULL, slice_make(value, spec->value_size), NULL, 0) == 0);
    }
    REQUIRE(batch_builder_finish(&b, &data, &size) == 0);
    wr_bytes(w, data, size);
    free(data);
    free(value);
}

static void build_envelope(struct fx_entry *e, const struct fx_spec *spec, struct entry_header *h)
{
    unsigned n = spec->n_records > 0 ? MAX(spec->n_batches, 1u) : 0;
    uint8_t command[ENTRY_COMMAND_HEADER_SIZE];
    struct wr w;

    wr_init_growing(&w, 0, SIZE_MAX);
    wr_reserve(&w, ENTRY_HEADER_SIZE);
    if (spec->commands_size > 0) {
        entry_command_header_write(command, COMMAND_METADATA, 1, (uint32_t)spec->commands_size);
        wr_bytes(&w, command, sizeof(command));
        memset(wr_reserve(&w, spec->commands_size), 'c', spec->commands_size);
        h->commands_size = (uint32_t)(sizeof(command) + spec->commands_size);
    }
    for (unsigned i = 0; i < n; i++)
        build_batch(&w, spec, e->term, h->first_offset + (int64_t)i * spec->n_records,
                    spec->timestamp_ms + (int64_t)i * spec->n_records);
    h->offset_count = n * spec->n_records;
    h->type = n > 0 ? ENTRY_DATA : spec->commands_size > 0 ? ENTRY_COMMAND : ENTRY_NOOP;
    h->batches_size = (uint32_t)(wr_size(&w) - ENTRY_HEADER_SIZE - h->commands_size);
    entry_header_write(h, w.start);
    e->data = wr_take(&w, &e->size);
}

uint64_t fx_commit(struct fx *fx, const struct fx_spec *spec)
{
    struct entry_header h = { .version = ENTRY_VERSION, .first_offset = model_end(fx) };
    struct fx_entry *e;

    if (spec->append_ms > 0)
        fx->append_ms = spec->append_ms;
    h.append_time_ms = fx->append_ms;
    if (fx->n == fx->capacity) {
        fx->capacity = MAX((size_t)16, fx->capacity * 2);
        fx->entries = xrealloc(fx->entries, fx->capacity * sizeof(*fx->entries));
    }
    e = &fx->entries[fx->n];
    *e = (struct fx_entry){ .index = fx->n + 1 };
    e->term = spec->term > 0 ? spec->term : fx->n > 0 ? fx->entries[fx->n - 1].term : 1;
    build_envelope(e, spec, &h);
    e->checksum = crc32c(0, e->data, e->size);
    REQUIRE(entry_parse(e->data, e->size, &e->parsed) == 0);
    e->next_offset = h.first_offset + h.offset_count;
    fx->n++;
    return e->index;
}

static void snapshot_text(char to[24], uint64_t index)
{
    snprintf(to, 24, "state %" PRIu64, index);
}

static void plan(struct fx *fx, struct fx_entry *e)
{
    if (e->planned)
        return;
    e->roll = log_plan(fx->log, e->parsed.batches.size, e->parsed.header.append_time_ms, true);
    e->planned = true;
    snapshot_text(e->snapshot, e->index - 1);
}

void fx_plan(struct fx *fx, uint64_t index)
{
    for (uint64_t i = log_end(fx->log).index + 1; i <= index; i++)
        plan(fx, &fx->entries[i - 1]);
}

void fx_append_prepare(struct fx *fx, struct log_append *job, size_t n)
{
    uint64_t next = log_end(fx->log).index + 1;
    struct log_append_entry *entries;

    if (n == 0)
        n = fx->n - (next - 1);
    REQUIRE(next - 1 + n <= fx->n);
    entries = xcalloc(n, sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        struct fx_entry *e = &fx->entries[next - 1 + i];

        plan(fx, e);
        entries[i] = (struct log_append_entry){ e->index, e->term, e->checksum, e->data, e->size, e->roll, { 0 } };
        if (e->roll && e->index > 1 && !fx->no_snapshots)
            entries[i].snapshot = slice_str(e->snapshot);
    }
    *job = (struct log_append){ .entries = entries, .n_entries = n };
    log_append_prepare(fx->log, job);
}

void fx_append_finish(struct log_append *job)
{
    log_append_done(job);
    free((void *)job->entries);
}

int fx_append(struct fx *fx, size_t n)
{
    struct log_append job;

    fx_append_prepare(fx, &job, n);
    log_append_run(&job);
    fx_append_finish(&job);
    return job.error;
}

struct log_position fx_position(const struct fx *fx, uint64_t index)
{
    const struct fx_entry *e;

    if (index == 0)
        return (struct log_position){ 0 };
    e = &fx->entries[index - 1];
    return (struct log_position){ e->index, e->term, e->next_offset, e->checksum };
}

int fx_sync(struct fx *fx, size_t ahead)
{
    uint64_t index = log_end(fx->log).index + ahead;
    struct log_sync job = { 0 };
    char text[24];

    snapshot_text(text, index);
    if (!fx->no_snapshots)
        job.snapshot = slice_str(text);
    job.snapshot_at = fx_position(fx, index);
    log_sync_prepare(fx->log, &job);
    log_sync_run(&job);
    log_sync_done(&job);
    if (job.error == 0) {
        fx->checkpoint_before = fx->checkpoint;
        fx->checkpoint = job.position;
        log_set_checkpoint(fx->log, fx->checkpoint.index);
    }
    return job.error;
}

int fx_cut(struct fx *fx)
{
    struct log_cut job = { 0 };

    if (!log_cut_prepare(fx->log, &job))
        return 0;
    log_cut_run(&job);
    log_cut_done(&job);
    return job.error;
}

void fx_set_start(struct fx *fx, int64_t offset)
{
    fx->start = offset;
    log_set_start(fx->log, offset);
}

int fx_read(struct fx *fx, int64_t offset, int64_t max_offset, size_t max_bytes, struct log_range *ret)
{
    int r;

    for (int i = 0; i < 3; i++) {
        struct log_warm warm = { 0 };

        r = log_read(fx->log, offset, max_offset, max_bytes, ret);
        if (r != -EAGAIN)
            return r;
        log_warm_prepare(fx->log, &warm, offset, max_bytes);
        log_warm_run(&warm, NULL);
        log_warm_done(&warm);
        free(warm.err);
        if (warm.error != 0)
            return warm.error;
    }
    return r;
}

void fx_close(struct fx *fx)
{
    log_free(TAKE_PTR(fx->log));
    for (size_t i = 0; i < fx->n; i++)
        fx->entries[i].planned = false;
}

int fx_open_at(struct fx *fx, const struct log_position *checkpoint, struct error_text *err)
{
    return log_open(&fx->config, checkpoint, fx->start, &fx->log, err);
}

int fx_open(struct fx *fx, struct error_text *err)
{
    return fx_open_at(fx, &fx->checkpoint, err);
}

void fx_reopen(struct fx *fx)
{
    struct error_text err = { "" };
    int r;

    fx_close(fx);
    r = fx_open(fx, &err);
    if (r != 0)
        ck_abort_msg("log_open: %d: %s", r, err.text);
}

/* The bytes of a range are those of the model's entries. */
static void check_range(struct fx *fx, const struct log_range *range, size_t *ret_entries)
{
    uint8_t *data = xmalloc(range->size);
    size_t at = 0, n = 0;

    REQUIRE(disk_pread(range->file, data, range->size, range->position) == (ssize_t)range->size);
    for (size_t i = 0; i < fx->n && at < range->size; i++) {
        const struct entry *e = &fx->entries[i].parsed;

        if (e->batches.size == 0 || e->header.first_offset < range->first_offset)
            continue;
        REQUIRE(e->batches.size <= range->size - at);
        REQUIRE(memcmp(data + at, e->batches.data, e->batches.size) == 0);
        at += e->batches.size;
        REQUIRE(fx->entries[i].next_offset <= range->next_offset);
        n++;
    }
    REQUIRE(at == range->size);
    free(data);
    *ret_entries = n;
}

static void check_reads(struct fx *fx, size_t max_bytes)
{
    int64_t end = log_end(fx->log).next_offset, offset = MAX(log_start_offset(fx->log), log_first_offset(fx->log));

    while (offset < end) {
        struct log_range range;
        size_t n;
        int r = fx_read(fx, offset, INT64_MAX, max_bytes, &range);

        if (r != 0)
            ck_abort_msg("log_read(%" PRId64 "): %d", offset, r);
        REQUIRE(range.first_offset <= offset);
        REQUIRE(range.next_offset > offset);
        check_range(fx, &range, &n);
        REQUIRE(n == 1 || range.size <= max_bytes);
        offset = range.next_offset;
        log_range_release(&range);
    }
    REQUIRE(offset == MAX(end, log_start_offset(fx->log)));
}

struct replay_check {
    struct fx *fx;
    uint64_t next;
};

static int check_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct replay_check *c = ctx;
    const struct fx_entry *e = &c->fx->entries[index - 1];

    REQUIRE(index == c->next++);
    REQUIRE(term == e->term);
    REQUIRE(checksum == e->checksum);
    REQUIRE(size == e->size);
    REQUIRE(memcmp(data, e->data, size) == 0);
    return 0;
}

static void check_replay(struct fx *fx, uint64_t after)
{
    struct replay_check c = { fx, after + 1 };
    struct error_text err = { "" };

    if (log_read_entries(fx->log, after, check_entry, &c, &err) != 0)
        ck_abort_msg("%s", err.text);
    REQUIRE(c.next == log_end(fx->log).index + 1);
}

/* Every entry has its term, and so has the one before the first. */
static void check_terms(struct fx *fx)
{
    uint64_t first = log_first_index(fx->log), term;

    for (uint64_t index = MAX(first - 1, UINT64_C(1)); index <= log_end(fx->log).index; index++)
        REQUIRE(log_term_at(fx->log, index, &term) == 0 && term == fx->entries[index - 1].term);
}

void fx_check(struct fx *fx)
{
    struct log_position end = log_end(fx->log), expected = fx_position(fx, end.index);
    uint64_t first;

    REQUIRE(end.term == expected.term);
    REQUIRE(end.next_offset == expected.next_offset);
    REQUIRE(end.checksum == expected.checksum);
    check_reads(fx, 1);
    check_reads(fx, 700);
    check_reads(fx, 1u << 20);
    if (log_segment_count(fx->log) == 0)
        return;
    first = log_first_index(fx->log);
    check_terms(fx);
    REQUIRE(log_first_offset(fx->log) == (first > 1 ? fx->entries[first - 2].next_offset : 0));
    check_replay(fx, first - 1);
    if (end.index > first + 1)
        check_replay(fx, first + (end.index - first) / 2);
    check_replay(fx, end.index);
}

struct count {
    const char *suffix;
    unsigned n;
};

static int count_file(void *ctx, const struct disk_dirent *ent)
{
    struct count *c = ctx;
    size_t n = strlen(ent->name), m = strlen(c->suffix);

    c->n += n >= m && strcmp(ent->name + n - m, c->suffix) == 0;
    return 0;
}

unsigned fx_count_files(const struct fx *fx, const char *suffix)
{
    struct count c = { suffix, 0 };
    int r = disk_list(fx->config.disk, FX_DIR, count_file, &c);

    REQUIRE(r == 0 || r == -ENOENT);
    return c.n;
}

uint64_t fx_file_size(const struct fx *fx, const char *name)
{
    struct disk_file *f;
    char path[128];
    uint64_t size;

    snprintf(path, sizeof(path), "%s/%s", FX_DIR, name);
    if (disk_open(fx->config.disk, path, DISK_READ, &f) < 0)
        return UINT64_MAX;
    REQUIRE(disk_size(f, &size) == 0);
    disk_close(f);
    return size;
}
