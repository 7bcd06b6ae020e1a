/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is crashed: each operation of journal, log and replica in as few steps as show it, then runs of everything. */

#include <errno.h>

#include "base/util.h"
#include "crash/crash.h"

#define MS UINT64_C(1000000)
#define N_PRODUCERS 5 /* fewer than the shard remembers: none is ever forgotten */

/* ---- Parts ---- */

/* Long enough for flushes, not for a segment or a seal. */
static void pause_ms(struct rig *r, uint64_t ms)
{
    if (r->fatal_error == 0)
        rig_run(r, ms * MS);
}

static bool takes(const struct rig *r, unsigned group)
{
    return r->fatal_error == 0 && r->groups[group].replica != NULL && !r->groups[group].destroying;
}

static int32_t next_sequence(const struct rig_group *g, int64_t pid)
{
    for (size_t i = g->n; i > 0; i--) {
        const struct rig_batch *b = &g->batches[i - 1];

        if (b->producer_id == pid && b->state != RIG_FAILED)
            return b->sequence + b->count;
    }
    return 0;
}

static void produce(struct rig *r, unsigned group, size_t size)
{
    if (takes(r, group))
        rig_produce(r, group, 1, size);
}

static void produce_idempotent(struct rig *r, unsigned group, int64_t pid, size_t size)
{
    if (takes(r, group))
        rig_produce_as(r, group, pid, 0, next_sequence(&r->groups[group], pid), 1, size);
}

static void fill(struct rig *r, int n, size_t size)
{
    for (int i = 0; i < n; i++) {
        produce_idempotent(r, 0, i % N_PRODUCERS, size);
        pause_ms(r, 1);
    }
}

static void checkpoint(struct rig *r, unsigned group)
{
    if (takes(r, group))
        replica_checkpoint(r->groups[group].replica, UINT64_MAX);
}

static void nothing(struct rig *r)
{
}

/* ---- The journal ---- */

static void append_run(struct rig *r)
{
    produce(r, 0, 100);
    pause_ms(r, 1);
    produce_idempotent(r, 0, 1, 1500);
    pause_ms(r, 1);
}

static void group_commit_run(struct rig *r)
{
    for (int round = 0; round < 2; round++) {
        for (unsigned g = 0; g < r->n_groups; g++) {
            produce(r, g, 100);
            produce_idempotent(r, g, 2, 300);
        }
        pause_ms(r, 1);
    }
}

static void large_configure(struct rig *r)
{
    r->journal_config.size_bytes = 32 << 20;
    r->journal_config.file_size_bytes = r->journal_config.first_file_size_bytes = 8 << 20;
    r->limits.max_message_bytes = 4 << 20;
    r->limits.segment_bytes = 16 << 20;
}

/* More than a block holds: the second one goes on with what the first began. */
static void span_run(struct rig *r)
{
    produce(r, 0, 1200000);
    pause_ms(r, 1);
    produce(r, 0, 10);
    pause_ms(r, 1);
}

static void before_switch(struct rig *r)
{
    fill(r, 8, 3000);
}

static void switch_run(struct rig *r)
{
    fill(r, 7, 3000);
}

/* Files go out of use as soon as they can, often while the next one's first flush is on its way. */
static void recycle_configure(struct rig *r)
{
    r->limits.segment_bytes = 16 << 10;
    r->journal_config.size_bytes = 512 << 10;
}

static void recycle_run(struct rig *r)
{
    for (int i = 0; i < 10; i++) {
        produce_idempotent(r, 0, i % N_PRODUCERS, 6000);
        pause_ms(r, 1);
        checkpoint(r, 0);
        pause_ms(r, 1);
    }
}

static void recycle_before(struct rig *r)
{
    recycle_run(r);
}

/* Another group's few old entries keep files from going out of use until the journal asks for it. */
static void slow_group_configure(struct rig *r)
{
    r->limits.segment_bytes = 64 << 10;
    r->journal_config.size_bytes = 320 << 10;
}

static void slow_group_before(struct rig *r)
{
    for (int i = 0; i < 3; i++)
        produce_idempotent(r, 1, i, 300);
    pause_ms(r, 1);
    fill(r, 24, 6000);
    checkpoint(r, 0);
    fill(r, 4, 6000);
}

static void slow_group_run(struct rig *r)
{
    pause_ms(r, 2100); /* ticks */
    checkpoint(r, 0);
    produce_idempotent(r, 1, 0, 100);
    fill(r, 2, 6000);
    pause_ms(r, 1100);
}

static uint64_t relocated_bytes(const struct rig *r)
{
    struct journal_stats s;

    journal_stats(r->journal, &s);
    return s.relocated_bytes;
}

/* Four files, and the last has room for one more entry and a part of the copies of those in the first. */
static void relocation_configure(struct rig *r)
{
    r->limits.segment_bytes = 64 << 10;
    r->journal_config.size_bytes = 448 << 10;
    r->journal_config.file_size_bytes = 64 << 10;
}

static void relocation_before(struct rig *r)
{
    for (int i = 0; i < 3; i++)
        produce_idempotent(r, 1, i, 5000);
    pause_ms(r, 1);
    fill(r, 19, 6000);
    pause_ms(r, 200);
    checkpoint(r, 0);
    pause_ms(r, 200);
    ck_assert_uint_eq(relocated_bytes(r), 0);
}

/* The entries are read back from their segment, and one that comes meanwhile goes ahead of the copies. */
static void relocation_run(struct rig *r)
{
    replica_shard_recycle(&r->shard);
    ck_assert(replica_is_loading(r->groups[1].replica));
    produce_idempotent(r, 1, 0, 100);
    pause_ms(r, 1);
    ck_assert_uint_gt(relocated_bytes(r), 0);
    produce_idempotent(r, 1, 1, 100);
    pause_ms(r, 1);
    checkpoint(r, 1);
    pause_ms(r, 1);
}

static void hard_state_run(struct rig *r)
{
    for (int life = 0; life < 3; life++) {
        rig_kill(r);
        rig_start_ok(r);
        produce(r, life % 2, 100);
        pause_ms(r, 1);
    }
}

/* ---- The log ---- */

static void segments_configure(struct rig *r)
{
    r->limits.segment_bytes = 4096;
}

static void segments_before(struct rig *r)
{
    fill(r, 6, 1500);
    rig_settle(r);
    checkpoint(r, 0);
    rig_settle(r);
}

static void checkpoint_before(struct rig *r)
{
    fill(r, 2, 600);
    produce(r, 1, 300);
    pause_ms(r, 200);
}

static void checkpoint_run(struct rig *r)
{
    for (unsigned g = 0; g < r->n_groups; g++)
        checkpoint(r, g);
    pause_ms(r, 1);
    produce_idempotent(r, 0, 0, 200);
    pause_ms(r, 100);
    checkpoint(r, 0);
    pause_ms(r, 1);
}

static void roll_run(struct rig *r)
{
    fill(r, 5, 1500);
    pause_ms(r, 100);
    checkpoint(r, 0);
    pause_ms(r, 1);
    fill(r, 1, 100);
    checkpoint(r, 0);
    pause_ms(r, 1);
}

static void retention_run(struct rig *r)
{
    r->limits.retention_bytes = 3000;
    if (takes(r, 0))
        replica_housekeep(r->groups[0].replica);
    pause_ms(r, 100);
    fill(r, 2, 100);
    checkpoint(r, 0);
    pause_ms(r, 1);
    fill(r, 1, 100);
    checkpoint(r, 0);
    pause_ms(r, 1);
}

static void delete_records_run(struct rig *r)
{
    rig_delete_records(r, 0, 3);
    pause_ms(r, 100);
    rig_delete_records(r, 0, replica_high_watermark(r->groups[0].replica));
    pause_ms(r, 100);
    produce_idempotent(r, 0, 0, 10);
    checkpoint(r, 0);
    pause_ms(r, 100);
}

/* After the crash segments are smaller, so what comes again from the journal is rolled elsewhere. */
static void shrunk_run(struct rig *r)
{
    fill(r, 4, 1500);
    pause_ms(r, 200);
}

static void shrunk_configure(struct rig *r)
{
    r->limits.segment_bytes = 12000;
}

static void shrunk_restart(struct rig *twin)
{
    twin->limits.segment_bytes = 2000;
}

static void destroy_before(struct rig *r)
{
    segments_before(r);
    produce(r, 1, 500);
    fill(r, 1, 1000);
}

static void destroy_run(struct rig *r)
{
    rig_destroy(r, 0);
    pause_ms(r, 1);
    produce(r, 1, 100);
    pause_ms(r, 100);
}

/* ---- Recovery and faults ---- */

static void recovery_before(struct rig *r)
{
    segments_before(r);
    fill(r, 5, 2000);
    produce(r, 1, 1000);
    pause_ms(r, 100);
    fill(r, 1, 100);
}

static void recovery_run(struct rig *r)
{
    rig_crash(r, SIM_CRASH_ALL);
    rig_start_ok(r);
    pause_ms(r, 200);
}

/* The last sync fails, and the page cache outlives the process with bytes that the medium doesn't have: once they are
 * served they must stay. */
static void kill_before(struct rig *r)
{
    fill(r, 2, 300);
    sim_disk_fail(r->disk, SIM_DISK_SYNC_DATA, 0, 1, -EIO);
    fill(r, 1, 3000);
    rig_kill(r);
    rig_start_ok(r);
    rig_check(r);
}

/* A sync that failed ends everything; which one is drawn. */
static void sync_error_run(struct rig *r)
{
    sim_disk_fail(r->disk, SIM_DISK_SYNC_DATA, sim_prng_below(&r->prng, 10), 1, -EIO);
    for (int i = 0; i < 6; i++) {
        produce_idempotent(r, 0, i % N_PRODUCERS, 700);
        pause_ms(r, 1);
        if (i % 2 == 0)
            checkpoint(r, 0);
        pause_ms(r, 1);
    }
}

static void rot_before(struct rig *r)
{
    fill(r, 4, 3000);
    rig_settle(r); /* the tail is sealed: what comes before is known to be flushed */
}

/* One bit of what was flushed long ago. */
static void rot_spoil(struct rig *twin)
{
    uint64_t offset = 4096 + sim_prng_below(&twin->prng, UINT64_C(4) * 4096);

    sim_disk_flip(twin->disk, "journal/0/00000000000000000001.journal", offset,
                  (uint8_t)(1u << sim_prng_below(&twin->prng, 8)));
}

static void rot_run(struct rig *r)
{
    produce(r, 0, 100);
    pause_ms(r, 1);
}

/* ---- Everything ---- */

static void act(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];
    int64_t high = replica_high_watermark(g->replica);

    switch (sim_prng_below(&r->prng, 16)) {
    case 0:
    case 1:
        checkpoint(r, group);
        break;
    case 2:
        if (high > 0)
            rig_delete_records(r, group, (int64_t)sim_prng_below(&r->prng, (uint64_t)high) / 2);
        break;
    case 3:
        replica_housekeep(g->replica);
        break;
    case 4:
    case 5:
    case 6:
        rig_produce(r, group, 1 + (int32_t)sim_prng_below(&r->prng, 3), sim_prng_below(&r->prng, 3000));
        break;
    default:
        produce_idempotent(r, group, (int64_t)sim_prng_below(&r->prng, N_PRODUCERS), sim_prng_below(&r->prng, 900));
        break;
    }
}

static void mix_configure(struct rig *r)
{
    r->limits.segment_bytes = 4096;
    r->limits.retention_bytes = 30000;
    r->journal_config.size_bytes = 512 << 10;
}

static void mix_run(struct rig *r)
{
    for (int i = 0; i < 150; i++) {
        for (unsigned g = 0; g < r->n_groups; g++)
            if (takes(r, g))
                act(r, g);
        for (uint64_t k = sim_prng_below(&r->prng, 8); k > 0; k--)
            rig_step(r);
        if (sim_prng_chance(&r->prng, 1, 3))
            pause_ms(r, sim_prng_below(&r->prng, 120));
        if (sim_prng_chance(&r->prng, 1, 8))
            sim_disk_writeback(r->disk, &r->prng);
        if (sim_prng_chance(&r->prng, 1, 40)) {
            rig_kill(r);
            rig_start_ok(r);
            rig_check(r); /* drops from the model what was proposed in vain */
        }
    }
}

const struct crash_workload crash_workloads[] = {
    { .name = "append", .n_groups = 1, .before = nothing, .run = append_run, .n_seeds = 4 },
    { .name = "group-commit", .n_groups = 3, .before = nothing, .run = group_commit_run, .n_seeds = 4 },
    { .name = "kill", .n_groups = 1, .before = kill_before, .run = append_run, .n_seeds = 4 },
    { .name = "sync-error", .n_groups = 1, .before = append_run, .run = sync_error_run, .n_seeds = 12 },
    { .name = "rot", .n_groups = 1, .before = rot_before, .run = rot_run, .spoil = rot_spoil, .n_seeds = 12 },
    { .name = "span", .n_groups = 1, .configure = large_configure, .before = append_run, .run = span_run },
    { .name = "switch", .n_groups = 2, .before = before_switch, .run = switch_run, .n_seeds = 2 },
    { .name = "slow-group",
      .n_groups = 2,
      .configure = slow_group_configure,
      .before = slow_group_before,
      .run = slow_group_run,
      .copies = true },
    { .name = "relocation",
      .n_groups = 2,
      .configure = relocation_configure,
      .before = relocation_before,
      .run = relocation_run,
      .copies = true },
    { .name = "recycle", .n_groups = 2, .configure = recycle_configure, .before = recycle_before, .run = recycle_run },
    { .name = "hard-state", .n_groups = 2, .before = append_run, .run = hard_state_run },
    { .name = "checkpoint", .n_groups = 2, .before = checkpoint_before, .run = checkpoint_run },
    { .name = "roll", .n_groups = 1, .configure = segments_configure, .before = append_run, .run = roll_run },
    { .name = "retention",
      .n_groups = 1,
      .configure = segments_configure,
      .before = segments_before,
      .run = retention_run },
    { .name = "delete-records",
      .n_groups = 1,
      .configure = segments_configure,
      .before = segments_before,
      .run = delete_records_run },
    { .name = "shrunk-segments",
      .n_groups = 1,
      .configure = shrunk_configure,
      .before = segments_before,
      .run = shrunk_run,
      .restart = shrunk_restart },
    { .name = "destroy", .n_groups = 2, .configure = segments_configure, .before = destroy_before, .run = destroy_run },
    { .name = "recovery",
      .n_groups = 2,
      .configure = segments_configure,
      .before = recovery_before,
      .run = recovery_run },
    { .name = "mix", .n_groups = 2, .configure = mix_configure, .before = nothing, .run = mix_run, .one_in = 32 },
};

const unsigned crash_n_workloads = ARRAY_SIZE(crash_workloads);
