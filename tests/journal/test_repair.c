/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be read of a damaged journal is what was written, all but what the damage hit; and a journal that is written
 * again says the same. */

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/repair.h"
#include "journal/rig.h"
#include "journal/salvage.h"
#include "journal/suites.h"
#include "support/rand.h"

#define N_GROUPS 4

/* Entries of some groups, checkpoints behind them; all flushed and sealed. */
static struct rig *filled(uint64_t seed, int n)
{
    struct rig *r = rig_new(seed);

    ck_assert_int_eq(rig_start(r), 0);
    for (uint64_t id = 1; id <= N_GROUPS; id++) {
        rig_hard_state(r, id, 1, 1);
        rig_entry(r, id, 10);
    }
    for (int i = 0; i < n; i++) {
        uint64_t group = 1 + sim_prng_below(&r->prng, N_GROUPS);
        struct rig_group *g = rig_group(r, group);

        rig_entry(r, group, 10 + sim_prng_below(&r->prng, 9000));
        if (sim_prng_chance(&r->prng, 1, 2))
            continue; /* several in one block */
        rig_settle(r);
        if (sim_prng_chance(&r->prng, 1, 20) && g->sent.last_index > 2)
            rig_checkpoint(r, group, MAX(g->checkpoint_sent, g->sent.last_index - 2));
        if (sim_prng_chance(&r->prng, 1, 20))
            rig_hard_state(r, group, g->sent.term + 1, 1);
    }
    rig_settle(r);
    journal_seal(r->j);
    rig_settle(r);
    rig_stop(r);
    sim_disk_exit(r->disk);
    return r;
}

static struct journal_salvage *salvage(struct rig *r)
{
    struct journal_salvage *s;

    ck_assert_int_eq(journal_salvage(sim_disk_env(r->disk), r->config.dir, &r->config.incarnation, &s, &r->err), 0);
    return s;
}

/* Entries that are there are those of the model. Returns how many behind the checkpoints are missing. */
static size_t check(struct rig *r, struct journal_salvage *s)
{
    size_t n_missing = 0;

    for (uint64_t id = 1; id <= N_GROUPS; id++) {
        struct rig_state *model = &rig_group(r, id)->sent;
        struct journal_salvage_group *g = journal_salvage_find(s, id);

        ck_assert(g != NULL);
        ck_assert_uint_le(g->last_index, model->last_index);
        ck_assert_uint_le(g->state.term, model->term);
        for (uint64_t i = 1; i <= model->last_index; i++) {
            const struct journal_salvage_entry *e = journal_salvage_entry(g, i);
            uint8_t *data;
            size_t size;

            if (e == NULL || e->kind == JOURNAL_SALVAGE_DAMAGED) {
                n_missing += i > g->state.checkpoint_index;
                continue;
            }
            ck_assert_uint_eq(e->checksum, rig_state_entry(model, i)->checksum);
            ck_assert_int_eq(journal_salvage_read(s, id, e, &data, &size), 0);
            ck_assert_uint_eq(size, rig_state_entry(model, i)->size);
            ck_assert_uint_eq(crc32c(0, data, size), e->checksum);
            free(data);
        }
    }
    return n_missing;
}

START_TEST(a_sound_journal_is_read_as_it_is)
{
    struct rand rand;

    rand_init(&rand);
    for (int i = 0; i < 20; i++) {
        struct rig *r = filled(rand_u64(&rand), 60);
        struct journal_salvage *s = salvage(r);

        ck_assert_uint_eq(s->n_damages, 0);
        ck_assert_uint_eq(check(r, s), 0);
        for (uint64_t id = 1; id <= N_GROUPS; id++) {
            struct journal_salvage_group *g = journal_salvage_find(s, id);

            ck_assert_uint_eq(g->last_index, rig_group(r, id)->sent.last_index);
            ck_assert_uint_eq(g->state.term, rig_group(r, id)->sent.term);
            ck_assert_uint_eq(g->state.checkpoint_index, rig_group(r, id)->checkpoint_done);
            ck_assert(!g->uncertain);
        }
        journal_salvage_free(s);
        rig_free(r);
    }
}
END_TEST

static uint64_t used_size(struct rig *r, const char *path)
{
    struct disk_file *f;
    uint64_t size, used;
    uint8_t *data;

    ck_assert_int_eq(disk_open(sim_disk_env(r->disk), path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    data = xmalloc(size);
    ck_assert_int_eq(disk_pread(f, data, size, 0), (ssize_t)size);
    for (used = size; used > 0 && data[used - 1] == 0; used--)
        ;
    free(data);
    disk_close(f);
    return used;
}

/* One flipped bit hits one entry at most, or a block's header, and then what it had; it never makes another entry. */
START_TEST(a_flipped_bit_costs_what_it_hits)
{
    size_t n_found = 0, n_whole = 0;
    struct rand rand;

    rand_init(&rand);
    for (int i = 0; i < 300; i++) {
        struct rig *r = filled(rand_u64(&rand), 40);
        _cleanup_(freep) char *path = rig_live_file(r, 0);
        uint64_t at = rand_below(&rand, used_size(r, path));
        struct journal_salvage *s;
        size_t n_missing;
        bool uncertain = false;

        ck_assert_int_eq(sim_disk_flip(r->disk, path, at, 1u << rand_below(&rand, 8)), 0);
        s = salvage(r);
        n_missing = check(r, s);
        for (uint64_t id = 1; id <= N_GROUPS; id++) {
            struct journal_salvage_group *g = journal_salvage_find(s, id);

            uncertain |= g->uncertain;
            /* What is gone without a trace is told to be possible. */
            ck_assert_msg(g->uncertain || g->last_index == rig_group(r, id)->sent.last_index, "%s at %d", path,
                          (int)at);
        }
        n_found += s->n_damages > 0;
        n_whole += s->n_damages > 0 && n_missing <= 1 && !uncertain;
        journal_salvage_free(s);
        rig_free(r);
    }
    ck_assert_uint_gt(n_found, 200);
    ck_assert_uint_gt(n_whole * 10, n_found * 9);
}
END_TEST

/* A place that can't be read costs what is in it, and nothing of what lies before or behind. */
START_TEST(an_unreadable_place_costs_what_it_hits)
{
    size_t n_few = 0;
    struct rand rand;

    rand_init(&rand);
    for (int i = 0; i < 100; i++) {
        struct rig *r = filled(rand_u64(&rand), 40);
        _cleanup_(freep) char *path = rig_live_file(r, 0);
        uint64_t at = rand_below(&rand, used_size(r, path));
        struct journal_salvage *s;

        ck_assert_int_eq(sim_disk_damage_at(r->disk, path, at, SIM_DAMAGE_UNREADABLE, &r->prng), 0);
        s = salvage(r);
        ck_assert_uint_eq(s->n_damages, 1);
        ck_assert_uint_le(s->damages[0].position, at);
        ck_assert_uint_gt(s->damages[0].position + s->damages[0].size, at - at % 4096);
        ck_assert_ptr_nonnull(strstr(s->damages[0].what, "can't be read"));
        n_few += check(r, s) < 12; /* one that begins a block takes all of that along */
        for (uint64_t id = 1; id <= N_GROUPS; id++) {
            struct journal_salvage_group *g = journal_salvage_find(s, id);

            ck_assert(g->uncertain || g->last_index == rig_group(r, id)->sent.last_index);
        }
        journal_salvage_free(s);
        rig_free(r);
    }
    ck_assert_uint_gt(n_few, 90);
}
END_TEST

/* Where the journal would end it may have gone on, and no crash makes a place that can't be read. */
START_TEST(an_end_that_cannot_be_read_is_told)
{
    for (int behind = 0; behind < 2; behind++) {
        struct rig *r = filled(9, 4);
        _cleanup_(freep) char *path = rig_live_file(r, 0);
        uint64_t at = ALIGN_UP(used_size(r, path), UINT64_C(4096)) - (behind ? 0 : 4096);
        uint8_t junk[4096] = { 1 };
        struct journal_salvage *s;
        struct disk_file *f;
        struct journal *j;

        if (behind) {
            ck_assert_int_eq(disk_open(sim_disk_env(r->disk), path, DISK_WRITE, &f), 0);
            ck_assert_int_eq(disk_pwrite(f, junk, sizeof(junk), at), 0);
            ck_assert_int_eq(disk_sync_data(f), 0);
            disk_close(f);
        }
        ck_assert_int_eq(sim_disk_damage_at(r->disk, path, at, SIM_DAMAGE_UNREADABLE, &r->prng), 0);
        ck_assert_int_eq(journal_open(&r->config, &j, &r->err), -EIO);
        s = salvage(r);
        ck_assert_uint_eq(s->n_damages, 1);
        ck_assert_uint_eq(s->damages[0].position, at);
        ck_assert_uint_eq(check(r, s), 0); /* the last block is the seal */
        for (uint64_t id = 1; id <= N_GROUPS; id++)
            ck_assert(journal_salvage_find(s, id)->uncertain);
        journal_salvage_free(s);
        rig_free(r);
    }
}
END_TEST

static int note(void *ctx, const struct journal_replay_record *rec)
{
    uint64_t *n = ctx;

    (*n)++;
    return 0;
}

START_TEST(it_is_written_again)
{
    struct rig *r = filled(7, 120);
    struct journal_salvage *s = salvage(r);
    struct journal_config config = r->config;
    struct journal_salvage_group *g;
    struct journal_rewrite *w;
    struct journal *j;
    uint64_t n = 0, n_written = 0;

    config.dir = "repair/journal-0";
    config.first_generation = s->next_generation;
    config.first_lsn = ALIGN_UP(s->next_lsn, (uint64_t)DISK_ALIGN);
    ck_assert_int_eq(journal_rewrite_begin(&config, &w, &r->err), 0);
    list_foreach (&s->groups, g, link) {
        journal_rewrite_group(w, &g->state);
        for (uint64_t i = g->state.checkpoint_index + 1; i <= g->last_index; i++) {
            const struct journal_salvage_entry *e = journal_salvage_entry(g, i);
            struct journal_replay_record rec = { .group = g->state.group, .index = i, .term = e->term };
            uint8_t *data;
            size_t size;

            ck_assert_int_eq(journal_salvage_read(s, g->state.group, e, &data, &size), 0);
            rec.checksum = e->checksum;
            rec.prev_checksum = e->prev_checksum;
            rec.data = slice_make(data, size);
            ck_assert_int_eq(journal_rewrite_entry(w, &rec), 0);
            free(data);
            n_written++;
        }
    }
    ck_assert_int_eq(journal_rewrite_end(w), 0);
    sim_disk_crash(r->disk, SIM_CRASH_NOTHING, &r->prng); /* it is durable */
    ck_assert_int_eq(journal_open(&config, &j, &r->err), 0);
    ck_assert_int_eq(journal_replay(j, note, &n, &r->err), 0);
    ck_assert_uint_eq(n, n_written);
    journal_free(j);
    journal_salvage_free(s);
    s = NULL;
    ck_assert_int_eq(journal_salvage(config.disk, config.dir, &config.incarnation, &s, &r->err), 0);
    ck_assert_uint_eq(check(r, s), 0);
    journal_salvage_free(s);
    rig_free(r);
}
END_TEST

START_TEST(a_short_file_is_refused)
{
    struct rig *r = filled(8, 20);
    _cleanup_(freep) char *path = rig_live_file(r, -1);
    uint64_t used = ALIGN_UP(used_size(r, path), UINT64_C(4096));
    struct disk_file *f;
    struct journal *j;

    ck_assert_int_eq(disk_open(sim_disk_env(r->disk), path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, used), 0);
    disk_close(f);
    ck_assert_int_eq(journal_open(&r->config, &j, &r->err), JOURNAL_E_CORRUPT);
    ck_assert(strstr(r->err.text, "brokerd --repair") != NULL);
    rig_free(r);
}
END_TEST

Suite *repair_suite(void)
{
    Suite *s = suite_create("repair");

    suite_add(s, a_sound_journal_is_read_as_it_is);
    suite_add(s, a_flipped_bit_costs_what_it_hits);
    suite_add(s, an_unreadable_place_costs_what_it_hits);
    suite_add(s, an_end_that_cannot_be_read_is_told);
    suite_add(s, it_is_written_again);
    suite_add(s, a_short_file_is_refused);
    return s;
}
