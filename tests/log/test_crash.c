/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/crc32c.h"
#include "log/fixture.h"
#include "log/suites.h"

/* A drawn life of a log is run once to count its steps, then once for each step with a power failure there. What is
 * left of the disk is opened with the checkpoint that was journalled, or the one before (the failure came between the
 * sync and its journal record), and must hold exactly the model's entries. */

#define N_ENTRIES 70
#define N_ACTIONS 25

static void draw_entries(struct fx *fx, struct sim_prng *prng)
{
    bool no_records = sim_prng_chance(prng, 1, 5);
    uint64_t term = 1;

    fx->no_snapshots = no_records; /* as a group with its state elsewhere */

    for (unsigned i = 0; i < N_ENTRIES; i++) {
        unsigned kind = (unsigned)sim_prng_below(prng, 8);

        term += sim_prng_chance(prng, 1, 10);
        if (kind == 0)
            fx_add(fx, .term = term);
        else if (kind == 1 || no_records)
            fx_add(fx, .term = term, .commands_size = 1 + sim_prng_below(prng, 600));
        else
            fx_add(fx, .term = term, .n_records = 1 + (unsigned)sim_prng_below(prng, 3),
                   .n_batches = 1 + (unsigned)sim_prng_below(prng, 2), .value_size = sim_prng_below(prng, 700),
                   .commands_size = kind == 2 ? 40 : 0);
    }
}

static int act_append(struct fx *fx, struct sim_prng *prng)
{
    size_t left = fx->n - log_end(fx->log).index;

    if (sim_prng_chance(prng, 1, 8))
        log_roll(fx->log);
    return left > 0 ? fx_append(fx, 1 + sim_prng_below(prng, MIN(left, (size_t)9))) : 0;
}

static int act_sync(struct fx *fx, struct sim_prng *prng)
{
    size_t left = fx->n - log_end(fx->log).index;
    size_t ahead = sim_prng_below(prng, 3);

    return log_is_dirty(fx->log) ? fx_sync(fx, MIN(ahead, left)) : 0;
}

static int act_set_start(struct fx *fx, struct sim_prng *prng)
{
    int64_t end = log_end(fx->log).next_offset;

    if (end > fx->start)
        fx_set_start(fx, fx->start + (int64_t)sim_prng_below(prng, (uint64_t)(end - fx->start) + 1));
    return 0;
}

/* kill -9 and start again: what was written is still there, synced or not. */
static int act_restart(struct fx *fx)
{
    struct error_text err;

    fx_close(fx);
    return fx_open(fx, &err);
}

/* Returns 0 when the life came to its end. */
static int live(struct fx *fx, struct sim_prng *prng)
{
    int r = 0;

    for (unsigned i = 0; i < N_ACTIONS && r == 0; i++) {
        switch (sim_prng_below(prng, 11)) {
        case 0 ... 4:
            r = act_append(fx, prng);
            break;
        case 5 ... 6:
            r = act_sync(fx, prng);
            break;
        case 7:
            r = act_set_start(fx, prng);
            break;
        case 8:
            r = fx_cut(fx);
            break;
        case 9:
            r = act_restart(fx);
            break;
        case 10:
            sim_disk_writeback(fx->disk, prng);
            break;
        }
    }
    return r;
}

static int digest_file(void *ctx, const struct disk_dirent *ent)
{
    struct fx *fx = *(struct fx **)ctx;
    uint32_t *digest = ((uint32_t **)ctx)[1];
    uint8_t data[4096];
    char path[128];
    struct disk_file *f;
    uint64_t at = 0;
    ssize_t n;

    snprintf(path, sizeof(path), "%s/%s", FX_DIR, ent->name);
    *digest = crc32c(*digest, ent->name, strlen(ent->name) + 1);
    ck_assert_int_eq(disk_open(fx->config.disk, path, DISK_READ, &f), 0);
    while ((n = disk_pread(f, data, sizeof(data), at)) > 0) {
        *digest = crc32c(*digest, data, (size_t)n);
        at += (uint64_t)n;
    }
    disk_close(f);
    return 0;
}

/* Names and contents of all files; the disk lists them in a fixed order. */
static uint32_t digest_dir(struct fx *fx)
{
    uint32_t digest = 0;
    void *ctx[] = { fx, &digest };
    int r = disk_list(fx->config.disk, FX_DIR, digest_file, ctx);

    ck_assert(r == 0 || r == -ENOENT);
    return digest;
}

static int ignore_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    return 0;
}

/* State up to the checkpoint can be had from a snapshot and the entries behind it. */
static void check_state(struct fx *fx)
{
    struct error_text err = { "" };
    uint8_t *data;
    uint64_t index = 0;
    size_t size;
    char text[24];
    int r = log_load_snapshot(fx->log, UINT64_MAX, &index, &data, &size, NULL);

    ck_assert(r == 0 || r == -ENOENT);
    if (r == 0) {
        snprintf(text, sizeof(text), "state %llu", (unsigned long long)index);
        ck_assert(slice_eq_str(slice_make(data, size), text));
        free(data);
    }
    if (index < log_end(fx->log).index)
        ck_assert_msg(log_read_entries(fx->log, index, ignore_entry, NULL, &err) == 0, "%s", err.text);
}

static void recover_with_failures(struct fx *fx, const struct log_position *checkpoint, struct sim_prng *prng)
{
    for (int i = 0; i < 3; i++) {
        struct error_text err;

        sim_disk_crash_after(fx->disk, sim_prng_below(prng, 8));
        (void)fx_open_at(fx, checkpoint, &err);
        fx_close(fx);
        sim_disk_crash(fx->disk, SIM_CRASH_DRAW, prng);
    }
}

static void check_recovery(struct fx *fx, const struct log_position *checkpoint, struct sim_prng *prng)
{
    struct error_text err = { "" };
    uint32_t digest;
    int r;

    recover_with_failures(fx, checkpoint, prng);
    r = fx_open_at(fx, checkpoint, &err);
    ck_assert_msg(r == 0, "open: %d: %s", r, err.text);
    ck_assert_uint_eq(log_end(fx->log).index, checkpoint->index);
    fx_check(fx);
    check_state(fx);
    digest = digest_dir(fx);
    fx_close(fx);
    r = fx_open_at(fx, checkpoint, &err);
    ck_assert_msg(r == 0, "second open: %d: %s", r, err.text);
    ck_assert_uint_eq(digest_dir(fx), digest);

    while (log_end(fx->log).index < fx->n)
        ck_assert_int_eq(fx_append(fx, 1 + sim_prng_below(prng, fx->n - log_end(fx->log).index)), 0);
    fx_check(fx);
    if (log_is_dirty(fx->log))
        ck_assert_int_eq(fx_sync(fx, 0), 0);
    ck_assert_int_eq(fx_cut(fx), 0);
    fx_close(fx);
    sim_disk_crash(fx->disk, SIM_CRASH_NOTHING, NULL);
    fx->checkpoint = fx_position(fx, fx->n);
    fx_reopen(fx);
    fx_check(fx);
    check_state(fx);
}

/* One life that ends after so many steps; returns the steps when it didn't end. */
static uint64_t run(uint64_t seed, uint64_t steps)
{
    struct sim_prng prng, crash, disk_prng;
    struct sim_disk *image;
    struct log_position before;
    uint64_t n_steps = 0;
    struct fx fx;

    sim_prng_init(&prng, seed);
    sim_prng_init(&crash, seed * 1000003 + steps);
    sim_prng_init(&disk_prng, seed + 77);
    fx_init(&fx, &disk_prng);
    draw_entries(&fx, &prng);
    fx_close(&fx);
    fx.config.segment_bytes = 1000 + sim_prng_below(&prng, 3000);
    fx_reopen(&fx);
    sim_disk_crash_after(fx.disk, steps);
    if (live(&fx, &prng) == 0)
        n_steps = sim_disk_steps(fx.disk);
    fx_close(&fx);
    sim_disk_crash(fx.disk, SIM_CRASH_DRAW, &crash);
    before = fx.checkpoint_before;
    image = sim_disk_image(fx.disk, &disk_prng);
    check_recovery(&fx, &fx.checkpoint, &crash);

    fx_close(&fx);
    sim_disk_free(fx.disk);
    fx.disk = image;
    fx.config.disk = sim_disk_env(image);
    check_recovery(&fx, &before, &crash);
    fx_fini(&fx);
    return n_steps;
}

START_TEST(every_step_of_a_life_can_be_the_last)
{
    uint64_t n = run((uint64_t)_i, UINT64_MAX);

    ck_assert_uint_gt(n, 0);
    for (uint64_t step = 0; step < n; step++) {
        run((uint64_t)_i, step);
    }
}
END_TEST

Suite *crash_suite(void)
{
    Suite *s = suite_create("crash");
    TCase *tc = tcase_create("every_step_of_a_life_can_be_the_last");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_step_of_a_life_can_be_the_last, 0, 8);
    suite_add_tcase(s, tc);
    return s;
}
