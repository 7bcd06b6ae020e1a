/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "journal/journal.h"
#include "sim/disk.h"
#include "sim/lane.h"

/* A journal that was really written, and then damaged: recovery says that it is corrupt and changes nothing, or gives
 * for each group an exact prefix of what was acknowledged. Without damage it gives all, and of damage in one place only
 * the last flush may be the victim: blocks behind a place tell that it was flushed.
 *
 *   input = number of steps u8 | steps… | damage…
 *   step = u8: bits 0–1 the group, bits 2–7 what: below 48 an entry that grows with it; 48–55 a checkpoint; 56–59 a
 *          truncation of the last entry; 60–61 a tick, which seals; 62–63 the process ends and starts again
 *   damage = kind u8 | file u8 | offset u16, in units of 8 bytes | value u8 */

#define N_GROUPS 4
#define MAX_STEPS 96
#define MAX_ENTRIES 256
#define MAX_DAMAGES 8
#define FILE_SIZE ((uint64_t)64 * 1024)
#define MAX_FILES 1024

struct group {
    uint64_t n; /* entries: index 1 … n */
    uint64_t checkpoint;
    uint32_t checksums[MAX_ENTRIES + 1]; /* by index; 0 before the first */
    size_t sizes[MAX_ENTRIES + 1];
    uint64_t lsns[MAX_ENTRIES + 1]; /* ends of the flushes that hold them */
    uint64_t next;                  /* that replay must give */
};

struct run {
    struct sim_disk *disk;
    struct sim_lane *lane;
    struct sim_prng prng;
    struct journal *journal;
    struct group groups[N_GROUPS];
    unsigned n_out; /* requests that aren't done */
    uint64_t last_lsn;
    bool truncated;
    bool any_past; /* a record of a truncation may be lost, so entries may be those from before it */
};

struct request {
    struct journal_request request; /* first */
    struct run *run;
    uint8_t *data;
};

static int open_journal(struct run *r, struct error_text *err)
{
    struct journal_config config = {
        .disk = sim_disk_env(r->disk),
        .prng = &r->prng.env,
        .dir = "journal/0",
        .size_bytes = MAX_FILES * FILE_SIZE, /* never full: nobody here makes room for what waits */
        .file_size_bytes = FILE_SIZE,
        .first_file_size_bytes = FILE_SIZE,
    };

    return journal_open(&config, &r->journal, err);
}

static int see_record(void *ctx, const struct journal_replay_record *rec)
{
    struct run *r = ctx;
    struct group *g = &r->groups[rec->group - 1];

    gq_assert(rec->group >= 1 && rec->group <= N_GROUPS);
    gq_assert(crc32c(0, rec->data.data, rec->data.size) == rec->checksum);
    gq_assert(rec->index == g->next++);
    if (r->any_past)
        return 0;
    gq_assert(rec->index <= g->n);
    gq_assert(rec->data.size == g->sizes[rec->index] && rec->checksum == g->checksums[rec->index]);
    gq_assert(rec->prev_checksum == g->checksums[rec->index - 1]);
    return 0;
}

/* What is known of a group is what was acknowledged, or was before. */
static int see_group(void *ctx, const struct journal_group_state *st)
{
    struct run *r = ctx;
    struct group *g = &r->groups[st->group - 1];

    gq_assert(st->group >= 1 && st->group <= N_GROUPS);
    gq_assert(st->checkpoint_index <= g->checkpoint);
    gq_assert(st->checkpoint_checksum == g->checksums[st->checkpoint_index]);
    g->next = st->checkpoint_index + 1;
    return 0;
}

static int replay(struct run *r, struct error_text *err)
{
    for (unsigned i = 0; i < N_GROUPS; i++)
        r->groups[i].next = 1;
    gq_assert(journal_groups(r->journal, see_group, r) == 0);
    return journal_replay(r->journal, see_record, r, err);
}

static void expect_all(const struct run *r)
{
    for (unsigned i = 0; i < N_GROUPS; i++)
        gq_assert(r->groups[i].next == r->groups[i].n + 1);
}

static void expect_all_but_last_flush(const struct run *r)
{
    for (unsigned i = 0; i < N_GROUPS; i++) {
        const struct group *g = &r->groups[i];

        gq_assert(g->next > g->n || g->lsns[g->next] == r->last_lsn);
    }
}

static void end(struct run *r)
{
    journal_free(TAKE_PTR(r->journal));
    sim_lane_free(TAKE_PTR(r->lane));
    sim_disk_exit(r->disk);
}

static void start(struct run *r)
{
    struct error_text err;

    r->lane = sim_lane_new(1, 1);
    gq_assert(open_journal(r, &err) == 0 && replay(r, &err) == 0);
    expect_all(r);
    gq_assert(journal_start(r->journal, sim_lane_env(r->lane, 0), &err) == 0);
}

static void settle(struct run *r)
{
    do
        journal_poll(r->journal, 0); /* nothing is told to wait for more */
    while (sim_lane_step(r->lane, NULL) || r->n_out > 0);
}

static void done(struct journal_request *request)
{
    struct request *q = container_of(request, struct request, request);
    struct run *r = q->run;

    if (request->kind == JOURNAL_ENTRY)
        r->groups[request->group - 1].lsns[request->index] = request->lsn;
    r->last_lsn = MAX(r->last_lsn, request->lsn);
    r->n_out--;
    free(q->data);
    free(q);
}

static struct request *request_new(struct run *r, enum journal_request_kind kind, unsigned group)
{
    struct request *q = xcalloc(1, sizeof(*q));

    q->run = r;
    q->request.kind = kind;
    q->request.group = group + 1;
    q->request.done = done;
    r->n_out++;
    return q;
}

static void add_entry(struct run *r, unsigned group, unsigned what)
{
    struct group *g = &r->groups[group];
    struct request *q;
    size_t size = what * what * 7;

    if (g->n == MAX_ENTRIES)
        return;
    q = request_new(r, JOURNAL_ENTRY, group);
    q->data = xmalloc(size + 1);
    for (size_t i = 0; i < size; i++)
        q->data[i] = (uint8_t)(i * 31 + g->n * 7 + group);
    g->n++;
    g->sizes[g->n] = size;
    g->checksums[g->n] = crc32c(0, q->data, size);
    q->request.index = g->n;
    q->request.term = 1;
    q->request.checksum = g->checksums[g->n];
    q->request.prev_checksum = g->checksums[g->n - 1];
    q->request.data[0] = slice_make(q->data, size);
    journal_append(r->journal, &q->request);
}

static void checkpoint(struct run *r, unsigned group)
{
    struct group *g = &r->groups[group];
    struct request *q;

    settle(r);
    if (g->n == g->checkpoint)
        return;
    g->checkpoint = g->n;
    q = request_new(r, JOURNAL_CHECKPOINT, group);
    q->request.state.checkpoint_index = g->n;
    q->request.state.checkpoint_term = 1;
    q->request.state.checkpoint_checksum = g->checksums[g->n];
    journal_append(r->journal, &q->request);
}

static void truncate_last(struct run *r, unsigned group)
{
    struct group *g = &r->groups[group];
    struct request *q;

    if (g->n == g->checkpoint)
        return;
    q = request_new(r, JOURNAL_TRUNCATE, group);
    q->request.index = g->n;
    q->request.term = g->n > 1 ? 1 : 0;
    q->request.prev_checksum = g->checksums[g->n - 1];
    g->n--;
    r->truncated = true;
    journal_append(r->journal, &q->request);
}

static void step(struct run *r, uint8_t code)
{
    unsigned group = code % N_GROUPS, what = code / 4;

    if (what < 48) {
        add_entry(r, group, what);
    } else if (what < 56) {
        checkpoint(r, group);
    } else if (what < 60) {
        truncate_last(r, group);
    } else if (what < 62) {
        settle(r);
        journal_tick(r->journal);
    } else {
        settle(r);
        end(r);
        start(r);
    }
}

struct names {
    unsigned wanted;
    char *path;
};

static int pick_name(void *ctx, const struct disk_dirent *ent)
{
    struct names *n = ctx;

    if (n->wanted-- > 0)
        return 0;
    n->path = xasprintf("journal/0/%s", ent->name);
    return 1;
}

static int count_name(void *ctx, const struct disk_dirent *ent)
{
    ++*(unsigned *)ctx;
    return 0;
}

static void damage(struct run *r, const uint8_t p[5])
{
    struct env_disk *disk = sim_disk_env(r->disk);
    uint64_t offset = (uint64_t)load_le16(p + 2) * 8 + p[0] / 32;
    uint8_t zeros[SIM_DISK_SECTOR] = { 0 };
    unsigned n = 0;
    struct names names;
    struct disk_file *f;

    gq_assert(disk_list(disk, "journal/0", count_name, &n) == 0);
    names = (struct names){ .wanted = p[1] % n };
    gq_assert(disk_list(disk, "journal/0", pick_name, &names) == 1);
    gq_assert(disk_open(disk, names.path, DISK_WRITE, &f) == 0);
    switch (p[0] % 4) {
    case 0: /* bits */
        sim_disk_flip(r->disk, names.path, offset, p[4]);
        break;
    case 1: /* a sector that never was written */
        gq_assert(disk_pwrite(f, zeros, sizeof(zeros), offset / SIM_DISK_SECTOR * SIM_DISK_SECTOR) == 0);
        break;
    case 2: /* a file that ends early */
        gq_assert(disk_truncate(f, offset) == 0);
        break;
    case 3: /* a file that is gone */
        gq_assert(disk_unlink(disk, names.path) == 0);
        break;
    }
    disk_close(f);
    free(names.path);
}

static bool is_whole_damage(const struct run *r)
{
    unsigned n = 0;

    return disk_list(sim_disk_env(r->disk), "journal/0", count_name, &n) != 0 || n == 0;
}

static void damage_all(struct run *r, const uint8_t *p, size_t size)
{
    for (unsigned i = 0; i < MAX_DAMAGES && size >= 5 && !is_whole_damage(r); i++, p += 5, size -= 5)
        damage(r, p);
}

/* Bits or one sector. */
static bool is_small_damage(const uint8_t *p, size_t size)
{
    return size < 10 && p[0] % 4 <= 1;
}

static void check(struct run *r, const uint8_t *damages, size_t size)
{
    struct error_text err = { "" };
    uint64_t steps = sim_disk_steps(r->disk);
    bool damaged = size >= 5;
    int rc = open_journal(r, &err);

    r->any_past = damaged && r->truncated;
    if (rc == 0)
        rc = replay(r, &err);
    gq_assert(sim_disk_steps(r->disk) == steps);
    gq_assert(rc == 0 || (damaged && rc == JOURNAL_E_CORRUPT && err.text[0] != '\0'));
    if (rc == 0 && !damaged)
        expect_all(r);
    else if (rc == 0 && !r->any_past && is_small_damage(damages, size))
        expect_all_but_last_flush(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = { .disk = NULL };
    size_t n = size > 0 ? MIN(MIN((size_t)data[0], (size_t)MAX_STEPS), size - 1) : 0;

    if (size == 0)
        return 0;
    sim_prng_init(&r.prng, 1);
    r.disk = sim_disk_new(&r.prng);
    start(&r);
    for (size_t i = 0; i < n; i++)
        step(&r, data[1 + i]);
    settle(&r);
    end(&r);
    damage_all(&r, data + 1 + n, size - 1 - n);
    check(&r, data + 1 + n, size - 1 - n);
    journal_free(r.journal);
    sim_disk_exit(r.disk);
    sim_disk_free(r.disk);
    return 0;
}
