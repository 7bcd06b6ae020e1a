/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A log that begins with another one's state. */

#include <errno.h>

#include "base/util.h"
#include "log/fixture.h"
#include "log/suites.h"

static struct fx fx;
static struct log_image image;

/* Two segments and a snapshot of their own, and an image that is written beside them. */
static void setup(void)
{
    fx_init(&fx, NULL);
    for (unsigned i = 0; i < 6; i++) {
        if (i == 3)
            log_roll(fx.log);
        fx_add(&fx, .term = 1, .n_records = 2);
        ck_assert_int_eq(fx_append(&fx, 1), 0);
    }
    ck_assert_int_eq(fx_sync(&fx, 0), 0);
    image = (struct log_image){
        .at = { .index = 50, .term = 9, .next_offset = 100, .checksum = 77 },
        .data = (uint8_t *)"state",
        .size = 5,
    };
    log_image_prepare(fx.log, &image);
    log_image_write(&image);
    ck_assert_int_eq(image.error, 0);
    log_image_written(fx.log, &image);
    ck_assert_uint_eq(fx_count_files(&fx, ".image"), 1);
}

static void teardown(void)
{
    fx_fini(&fx);
}

static void assert_position(void)
{
    uint64_t term;

    ck_assert_uint_eq(log_end(fx.log).index, 50);
    ck_assert_uint_eq(log_first_index(fx.log), 51);
    ck_assert_int_eq(log_end(fx.log).next_offset, 100);
    ck_assert_int_eq(log_term_at(fx.log, 50, &term), 0);
    ck_assert_uint_eq(term, 9);
    ck_assert_int_eq(log_term_at(fx.log, 49, &term), -ENOENT);
    ck_assert_uint_eq(log_segment_count(fx.log), 0);
}

/* As of which index the newest snapshot is; of an image what is in it. */
static void assert_snapshot(uint64_t expected)
{
    uint8_t *data = NULL;
    uint64_t index;
    size_t size;

    ck_assert_int_eq(log_load_snapshot(fx.log, UINT64_MAX, &index, &data, &size, NULL), 0);
    ck_assert_uint_eq(index, expected);
    if (expected == 50) {
        ck_assert_uint_eq(size, 5);
        ck_assert_mem_eq(data, "state", 5);
    }
    free(data);
}

/* The journal says that the log begins with the image. */
static void open_behind(void)
{
    fx.checkpoint = image.at;
    fx.start = 120;
    fx_reopen(&fx);
    ck_assert_uint_eq(fx_count_files(&fx, ".image"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 0);
}

START_TEST(an_image_that_does_not_count_goes)
{
    fx_check(&fx);
    fx_reopen(&fx);
    ck_assert_uint_eq(fx_count_files(&fx, ".image"), 0);
    ck_assert_uint_eq(log_end(fx.log).index, 6);
    fx_check(&fx);
}
END_TEST

START_TEST(an_image_that_counts_is_adopted)
{
    for (int i = 0; i < 3; i++) {
        open_behind();
        assert_position();
        assert_snapshot(50);
        ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 1);
    }
}
END_TEST

START_TEST(a_torn_image_is_not_adopted)
{
    ck_assert_int_eq(sim_disk_flip(fx.disk, FX_DIR "/00000000000000000051.snapshot.image", 66, 1), 0);
    open_behind();
    assert_position();
    assert_snapshot(6);
}
END_TEST

START_TEST(an_image_of_another_log_is_not_adopted)
{
    image.at.checksum++;
    open_behind();
    assert_position();
    assert_snapshot(6);
}
END_TEST

static void install(void)
{
    log_reset(fx.log, &image.at, 120);
    assert_position();
    log_image_prepare(fx.log, &image);
    log_image_finish(&image);
    ck_assert_int_eq(image.error, 0);
    log_image_finished(fx.log, &image);
}

START_TEST(a_log_goes_for_an_image)
{
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 2);
    install();
    assert_snapshot(50);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".entries"), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".snapshot"), 1);
    open_behind();
    assert_position();
    assert_snapshot(50);
}
END_TEST

/* Who reads meanwhile reads what there was. */
START_TEST(a_reader_keeps_what_it_reads)
{
    struct log_range range;
    uint8_t byte;

    ck_assert_int_eq(fx_read(&fx, 0, 12, 1, &range), 0);
    install();
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 1);
    ck_assert_int_eq(disk_pread(range.file, &byte, 1, range.position), 1);
    log_range_release(&range);
    ck_assert_int_eq(fx_cut(&fx), 0);
    ck_assert_uint_eq(fx_count_files(&fx, ".log"), 0);
    assert_snapshot(50);
}
END_TEST

/* A try that was cut short is gone on with. */
START_TEST(an_image_is_named_again)
{
    log_reset(fx.log, &image.at, 120);
    for (int i = 0; i < 3; i++) {
        log_image_prepare(fx.log, &image);
        if (i < 2)
            sim_disk_fail(fx.disk, i == 0 ? SIM_DISK_RENAME : SIM_DISK_UNLINK, 0, 1, -ENOSPC);
        log_image_finish(&image);
        ck_assert_int_eq(image.error, i < 2 ? -ENOSPC : 0);
        log_image_finished(fx.log, &image);
    }
    assert_snapshot(50);
}
END_TEST

Suite *image_suite(void)
{
    Suite *s = suite_create("image");

    suite_add_with(s, an_image_that_does_not_count_goes, setup, teardown);
    suite_add_with(s, an_image_that_counts_is_adopted, setup, teardown);
    suite_add_with(s, a_torn_image_is_not_adopted, setup, teardown);
    suite_add_with(s, an_image_of_another_log_is_not_adopted, setup, teardown);
    suite_add_with(s, a_log_goes_for_an_image, setup, teardown);
    suite_add_with(s, a_reader_keeps_what_it_reads, setup, teardown);
    suite_add_with(s, an_image_is_named_again, setup, teardown);
    return s;
}
