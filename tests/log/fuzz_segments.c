/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include <errno.h>
#include <stdio.h>

#include "base/endian.h"
#include "base/util.h"
#include "log/fixture.h"

/* A log that was really written, and then damaged: opening it says where it is damaged and changes nothing, or the log
 * stands exactly at its checkpoint, begins no later than it has to, and gives its entries byte for byte as they were
 * written, up to its end or to a place that it names.
 *
 *   input = number of steps u8 | steps… | damage…
 *   step = u8: bits 0–2 what: 0–2 an entry with records, 3 one with a command, 4 one of a new term, 5 all are appended,
 *          6 and a checkpoint is made, 7 of bits 3–7: the log starts later, or the process ends and starts again. Bits
 *          3–7 are the size otherwise
 *   damage = kind u8 | file u8 | offset u16 | value u8 */

#define MAX_STEPS 96
#define MAX_DAMAGES 8
#define SEGMENT_BYTES 600

static void start_later(struct fx *fx, unsigned by)
{
    int64_t end = fx->checkpoint.next_offset, start = fx->start + by;

    fx_set_start(fx, MIN(start, end));
    gq_assert(fx_cut(fx) == 0);
}

/* Entries behind the checkpoint come again, as a journal would give them. */
static void start_again(struct fx *fx)
{
    fx_reopen(fx);
    gq_assert(log_end(fx->log).index == fx->checkpoint.index);
    log_set_start(fx->log, fx->start);
}

static void append(struct fx *fx)
{
    if (log_end(fx->log).index < fx->n)
        gq_assert(fx_append(fx, 0) == 0);
}

static void step(struct fx *fx, uint8_t code)
{
    unsigned size = code / 8;

    switch (code % 8) {
    case 3:
        fx_add(fx, .commands_size = 1 + size * 4);
        break;
    case 4:
        fx_add(fx, .term = (fx->n > 0 ? fx->entries[fx->n - 1].term : 0) + 1 + size);
        break;
    case 5:
        append(fx);
        break;
    case 6:
        append(fx);
        gq_assert(fx_sync(fx, 0) == 0);
        break;
    case 7:
        if (size < 24)
            start_later(fx, size);
        else
            start_again(fx);
        break;
    default:
        fx_add(fx, .n_records = 1 + code % 8, .n_batches = 1 + size % 2, .value_size = size * 9,
               .timestamp_ms = 1000 + size);
    }
}

struct names {
    unsigned n, wanted;
    char path[128];
};

static int look_at_name(void *ctx, const struct disk_dirent *ent)
{
    struct names *names = ctx;

    if (names->n++ == names->wanted)
        snprintf(names->path, sizeof(names->path), FX_DIR "/%s", ent->name);
    return 0;
}

/* 0: there is none. */
static unsigned n_files(struct fx *fx)
{
    struct names names = { .wanted = UINT32_MAX };

    return disk_list(fx->config.disk, FX_DIR, look_at_name, &names) == 0 ? names.n : 0;
}

static void change_file(struct disk_file *f, const uint8_t p[5], uint64_t size)
{
    uint64_t offset = size > 0 ? load_le16(p + 2) % size : 0, n = MIN((uint64_t)64, size - offset), from;
    uint8_t bytes[64] = { 0 };

    switch (p[0] % 8) {
    case 0: /* bytes that never were written */
        gq_assert(disk_pwrite(f, bytes, (size_t)n, offset) == 0);
        break;
    case 1: /* a file that ends early */
        gq_assert(disk_truncate(f, offset) == 0);
        break;
    case 2: /* others where they should be, one record of a table or some */
        offset = offset / sizeof(bytes) * sizeof(bytes);
        from = p[4] * sizeof(bytes) % (size + 1) / sizeof(bytes) * sizeof(bytes);
        n = MIN((uint64_t)64, size - MAX(from, offset));
        gq_assert(disk_pread(f, bytes, (size_t)n, from) == (ssize_t)n);
        gq_assert(disk_pwrite(f, bytes, (size_t)n, offset) == 0);
        break;
    default: /* more than there should be */
        memset(bytes, p[4], sizeof(bytes));
        gq_assert(disk_pwrite(f, bytes, 1 + p[2] % sizeof(bytes), size) == 0);
    }
}

static void damage(struct fx *fx, const uint8_t p[5])
{
    struct env_disk *disk = fx->config.disk;
    struct names names = { .wanted = p[1] % n_files(fx) };
    struct disk_file *f;
    uint64_t size;

    gq_assert(disk_list(disk, FX_DIR, look_at_name, &names) == 0);
    if (p[0] % 8 == 7) {
        gq_assert(disk_unlink(disk, names.path) == 0);
        return;
    }
    gq_assert(disk_open(disk, names.path, DISK_WRITE, &f) == 0 && disk_size(f, &size) == 0);
    if (p[0] % 8 > 3 && size > 0)
        gq_assert(sim_disk_flip(fx->disk, names.path, load_le16(p + 2) % size, p[4]) == 0);
    else
        change_file(f, p, size);
    disk_close(f);
}

static void says_where(const struct error_text *err)
{
    gq_assert(strstr(err->text, FX_DIR) != NULL);
}

struct walk {
    const struct fx *fx;
    uint64_t next;
};

static int check_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct walk *w = ctx;
    const struct fx_entry *e = &w->fx->entries[index - 1];

    gq_assert(index == w->next++ && index <= w->fx->n);
    gq_assert(term == e->term && checksum == e->checksum);
    gq_assert(size == e->size && memcmp(data, e->data, size) == 0);
    return 0;
}

static void check_entries(struct fx *fx, bool damaged)
{
    uint64_t first = log_first_index(fx->log);
    struct walk w = { fx, first };
    struct error_text err = { "" };
    int r = log_read_entries(fx->log, first - 1, check_entry, &w, &err);

    gq_assert(r == 0 || (damaged && (r == LOG_E_CORRUPT || r < 0)));
    gq_assert(r != 0 || w.next == fx->checkpoint.index + 1);
    if (r != 0)
        says_where(&err);
}

/* As of some index, and what it was then. */
static void check_snapshot(struct fx *fx)
{
    struct error_text err = { "" };
    char text[40];
    uint64_t index;
    uint8_t *data;
    size_t size;
    int r = log_load_snapshot(fx->log, UINT64_MAX, &index, &data, &size, &err);

    if (r != 0) {
        gq_assert(r == -ENOENT || err.text[0] != '\0');
        return;
    }
    snprintf(text, sizeof(text), "state %llu", (unsigned long long)index);
    gq_assert(slice_eq_str(slice_make(data, size), text));
    free(data);
}

static void check_terms(struct fx *fx)
{
    uint64_t term;

    for (uint64_t i = log_first_index(fx->log); i <= fx->checkpoint.index; i++)
        gq_assert(log_term_at(fx->log, i, &term) == 0 && term == fx->entries[i - 1].term);
}

static void check(struct fx *fx, bool damaged)
{
    uint64_t steps = sim_disk_steps(fx->disk);
    struct error_text err = { "" };
    struct log_position end;
    int r = fx_open(fx, &err);

    if (r != 0) {
        gq_assert(damaged && (r < 0 || r == LOG_E_CORRUPT || r == LOG_E_VERSION));
        gq_assert(sim_disk_steps(fx->disk) == steps);
        says_where(&err);
        return;
    }
    end = log_end(fx->log);
    gq_assert(end.index == fx->checkpoint.index && end.term == fx->checkpoint.term);
    gq_assert(end.next_offset == fx->checkpoint.next_offset && end.checksum == fx->checkpoint.checksum);
    gq_assert(log_first_offset(fx->log) <= fx->start);
    check_terms(fx);
    check_entries(fx, damaged);
    check_snapshot(fx);
    if (!damaged)
        fx_check(fx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size > 0 ? MIN(MIN((size_t)data[0], (size_t)MAX_STEPS), size - 1) : 0, at = 1 + n;
    bool damaged = false;
    struct fx fx;

    if (size == 0)
        return 0;
    fx_init(&fx, NULL);
    log_set_limits(fx.log, SEGMENT_BYTES, 1000000);
    fx.config.segment_bytes = SEGMENT_BYTES;
    for (size_t i = 0; i < n; i++)
        step(&fx, data[1 + i]);
    fx_close(&fx);
    sim_disk_exit(fx.disk);
    for (unsigned i = 0; i < MAX_DAMAGES && size - at >= 5 && n_files(&fx) > 0; i++, at += 5) {
        damage(&fx, data + at);
        damaged = true;
    }
    check(&fx, damaged);
    fx_fini(&fx);
    return 0;
}
