/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The survey finds damage to any byte, and names the entries that it hits and no others. */

#include "log/fixture.h"
#include "log/format.h"
#include "log/repair.h"
#include "log/suites.h"
#include "support/rand.h"
#include "support/suite.h"

#include "base/util.h"

#define N_ENTRIES 60

static struct fx fx;
static struct sim_prng prng;
static unsigned n_rebuilt; /* entries so far whose table record was made again */

/* Some segments, everything synced. */
static void fill(uint64_t seed)
{
    sim_prng_init(&prng, seed);
    fx_init(&fx, &prng);
    fx_close(&fx);
    fx.config.segment_bytes = 4096;
    ck_assert_int_eq(fx_open(&fx, NULL), 0);
    for (int i = 0; i < N_ENTRIES; i++) {
        unsigned n = (unsigned)sim_prng_below(&prng, 4);

        fx_add(&fx, .term = 1 + (uint64_t)i / 20, .n_records = n, .value_size = sim_prng_below(&prng, 400),
               .commands_size = n == 0 ? 8 : 0, .append_ms = 1000 + i);
    }
    ck_assert_int_eq(fx_append(&fx, 0), 0);
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    fx_close(&fx);
}

static struct log_survey *survey(void)
{
    struct log_survey *s;

    ck_assert_int_eq(log_survey(sim_disk_env(fx.disk), FX_DIR, &s, NULL), 0);
    return s;
}

/* Returns how many entries are damaged; the others are the model's. */
static unsigned check(struct log_survey *s)
{
    unsigned n_bad = 0;

    for (uint64_t i = 1; i <= N_ENTRIES; i++) {
        struct log_survey_entry e;
        int r = log_survey_read(s, i, &e);

        if (r == 0 && e.rebuilt) {
            const struct fx_entry *was = &fx.entries[i - 1];

            n_rebuilt++;
            n_bad++;
            ck_assert(log_survey_bad(s, i) != NULL);
            ck_assert_uint_eq(e.term, was->term);
            ck_assert_int_eq(e.header.first_offset, was->parsed.header.first_offset);
            ck_assert_uint_eq(e.size, was->size);
            ck_assert_mem_eq(e.data + ENTRY_HEADER_SIZE, was->data + ENTRY_HEADER_SIZE, was->size - ENTRY_HEADER_SIZE);
            continue;
        }
        ck_assert_int_eq(r == 0, log_survey_bad(s, i) == NULL);
        if (r != 0) {
            ck_assert_int_eq(r, -EBADMSG);
            n_bad++;
            continue;
        }
        ck_assert_uint_eq(e.term, fx.entries[i - 1].term);
        ck_assert_uint_eq(e.checksum, fx.entries[i - 1].checksum);
        ck_assert_mem_eq(e.data, fx.entries[i - 1].data, fx.entries[i - 1].size);
    }
    return n_bad;
}

START_TEST(a_sound_log_has_no_damage)
{
    struct log_survey *s;

    fill(1);
    s = survey();
    ck_assert_uint_gt(s->n_segments, 2);
    ck_assert_uint_eq(s->n_bads, 0);
    ck_assert_uint_eq(check(s), 0);
    for (size_t i = 0; i < s->n_segments; i++)
        ck_assert(s->segments[i].header_good && s->segments[i].tidy);
    log_survey_free(s);
    fx_fini(&fx);
}
END_TEST

START_TEST(each_flipped_bit_is_found)
{
    struct rand rand;

    rand_init(&rand);
    for (int i = 0; i < 300; i++) {
        struct log_survey *s;
        enum segment_file kind = (enum segment_file)rand_below(&rand, SEGMENT_N_FILES);
        char name[SEGMENT_FILE_NAME_SIZE];
        _cleanup_(freep) char *path = NULL;
        uint64_t size, base, at;
        unsigned n_bad, n_snapshots = 0;

        fill(i % 10 + 1);
        s = survey();
        base = s->segments[rand_below(&rand, s->n_segments)].base_index;
        log_survey_free(s);
        segment_file_name(name, base, kind);
        path = xasprintf("%s/%s", FX_DIR, name);
        size = fx_file_size(&fx, name);
        if (size == 0 || size == UINT64_MAX) {
            fx_fini(&fx);
            continue;
        }
        at = rand_below(&rand, size);
        ck_assert_int_eq(sim_disk_flip(fx.disk, path, at, 1u << rand_below(&rand, 8)), 0);
        s = survey();
        n_bad = check(s);
        for (size_t k = 0; k < s->n_snapshots; k++)
            n_snapshots += !s->snapshots[k].good;
        if (kind == SEGMENT_SNAPSHOT)
            ck_assert_uint_eq(n_snapshots, 1);
        else if (kind == SEGMENT_ENTRIES && at < TABLE_RECORD_SIZE)
            ck_assert(n_bad == 0 && !log_survey_find(s, base)->header_good);
        else
            ck_assert_msg(n_bad == 1 && strcmp(s->bads[0].file, name) == 0, "%s at %d: %u, %s", name, (int)at, n_bad,
                          n_bad > 0 ? s->bads[0].file : "");
        log_survey_free(s);
        fx_fini(&fx);
    }
    ck_assert_uint_gt(n_rebuilt, 20);
}
END_TEST

static void compare(const char *a, const char *b)
{
    struct disk_file *f, *g;
    uint64_t size, other;
    uint8_t *x, *y;

    ck_assert_int_eq(disk_open(sim_disk_env(fx.disk), a, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_open(sim_disk_env(fx.disk), b, DISK_READ, &g), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    ck_assert_int_eq(disk_size(g, &other), 0);
    ck_assert_uint_eq(size, other);
    x = xmalloc(size);
    y = xmalloc(size);
    ck_assert_int_eq(disk_pread(f, x, size, 0), (ssize_t)size);
    ck_assert_int_eq(disk_pread(g, y, size, 0), (ssize_t)size);
    ck_assert_mem_eq(x, y, size);
    free(x);
    free(y);
    disk_close(f);
    disk_close(g);
}

/* Written again a segment is what it was, byte for byte, and durable. */
START_TEST(a_segment_is_written_again)
{
    const struct log_survey_segment *seg;
    struct log_position before;
    struct log_survey *s;
    struct log_rewrite *w;

    fill(3);
    s = survey();
    seg = &s->segments[1];
    before = fx_position(&fx, seg->base_index - 1);
    ck_assert_int_eq(log_rewrite_begin(sim_disk_env(fx.disk), "repair/0", &before, &w, NULL), 0);
    for (uint64_t i = seg->base_index; i < seg->base_index + seg->n; i++) {
        struct log_survey_entry e;

        ck_assert_int_eq(log_survey_read(s, i, &e), 0);
        ck_assert_int_eq(log_rewrite_add(w, i, e.term, e.checksum, e.data, e.size), 0);
    }
    ck_assert_int_eq(log_rewrite_end(w), 0);
    sim_disk_crash(fx.disk, SIM_CRASH_NOTHING, &prng);
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        char name[SEGMENT_FILE_NAME_SIZE];
        _cleanup_(freep) char *old = NULL, *new = NULL;

        segment_file_name(name, seg->base_index, part);
        old = xasprintf("%s/%s", FX_DIR, name);
        new = xasprintf("repair/0/%s", name);
        if ((seg->present & 1u << part) != 0)
            compare(old, new);
    }
    log_survey_free(s);
    fx_fini(&fx);
}
END_TEST

Suite *repair_suite(void)
{
    Suite *s = suite_create("repair");

    suite_add(s, a_sound_log_has_no_damage);
    suite_add(s, each_flipped_bit_is_found);
    suite_add(s, a_segment_is_written_again);
    return s;
}
