/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damage to any file of a data directory, against what clients were told: what the repair says is lost is what is lost,
 * all else is there, and nothing else appears. */

#include <stdio.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "node/repair.h"
#include "node/rig.h"
#include "node/suites.h"
#include "support/rand.h"
#include "wire/error.h"

#define N_PARTITIONS 4
#define MAX_ACKS 400
#define KAFKA_OFFSET_OUT_OF_RANGE (-1)

struct known {
    struct {
        uint64_t id;
        int64_t offset;
        int32_t count;
    } acked[N_PARTITIONS][MAX_ACKS];
    int n[N_PARTITIONS];
};

static int64_t known_end(const struct known *k, int p)
{
    int n = k->n[p];

    return n > 0 ? k->acked[p][n - 1].offset + k->acked[p][n - 1].count : 0;
}

static void produce(struct rig *r, struct known *k, int n)
{
    struct client *c = rig_connect(r, 0);

    for (int i = 0; i < n; i++) {
        int32_t p = (int32_t)sim_prng_below(&r->prng, N_PARTITIONS);
        int32_t count = 1 + (int32_t)sim_prng_below(&r->prng, 3);
        int at = k->n[p]++;

        ck_assert_int_lt(at, MAX_ACKS);
        k->acked[p][at].id = ++r->next_id;
        k->acked[p][at].count = count;
        ck_assert_int_eq(ask_produce(c, "t", p, r->next_id, count, &k->acked[p][at].offset), 0);
        if (sim_prng_chance(&r->prng, 1, 10))
            rig_run(r, sim_prng_below(&r->prng, 300) * MS);
    }
}

/* A directory with some starts behind it, segments and a journal with entries; how it ended is drawn. */
static struct rig *used(uint64_t seed, struct known *k)
{
    struct rig *r = rig_new(seed, 2);

    *k = (struct known){ 0 };
    r->config.segment_size_bytes = 8192;
    rig_start_ok(r);
    ck_assert_int_eq(ask_create(rig_connect(r, 0), "t", N_PARTITIONS), 0);
    for (uint64_t starts = 1 + sim_prng_below(&r->prng, 3); starts > 0; starts--) {
        produce(r, k, 10 + (int)sim_prng_below(&r->prng, 60));
        /* The last flush could be torn, for all that anyone can tell, until the tail is sealed. */
        if (starts == 1 || sim_prng_chance(&r->prng, 1, 2))
            rig_run(r, 3000 * MS);
        if (sim_prng_chance(&r->prng, 1, 2))
            ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        else if (sim_prng_chance(&r->prng, 1, 2))
            rig_kill(r);
        else
            rig_crash(r, SIM_CRASH_DRAW);
        if (starts > 1)
            rig_start_ok(r);
    }
    return r;
}

/* ---- Names and bytes ---- */

struct walk {
    struct env_disk *disk;
    const char *dir;
    char **files;
    size_t n;
};

static int note_file(void *ctx, const struct disk_dirent *ent)
{
    struct walk *w = ctx;
    char *path = w->dir[0] != '\0' ? xasprintf("%s/%s", w->dir, ent->name) : xstrdup(ent->name);

    if (ent->is_dir) {
        struct walk below = *w;

        below.dir = path;
        disk_list(w->disk, path, note_file, &below);
        w->files = below.files;
        w->n = below.n;
        free(path);
        return 0;
    }
    w->files = xrealloc(w->files, (w->n + 1) * sizeof(*w->files));
    w->files[w->n++] = path;
    return 0;
}

static struct walk all_files(struct rig *r)
{
    struct walk w = { .disk = sim_disk_env(r->disk), .dir = "" };

    disk_list(w.disk, ".", note_file, &w);
    return w;
}

static void walk_fini(struct walk *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->files[i]);
    free(w->files);
}

static uint32_t file_crc(struct env_disk *disk, const char *path)
{
    struct disk_file *f;
    uint64_t size;
    uint8_t *data;
    uint32_t crc;

    ck_assert_int_eq(disk_open(disk, path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    data = xmalloc(size + 1);
    crc = crc32c(0, path, strlen(path));
    if (disk_pread(f, data, size, 0) == (ssize_t)size) /* else some of it is unreadable */
        crc = crc32c(crc, data, size);
    free(data);
    disk_close(f);
    return crc;
}

static uint32_t fingerprint(struct rig *r)
{
    struct walk w = all_files(r);
    uint32_t sum = 0;

    for (size_t i = 0; i < w.n; i++) {
        if (strcmp(w.files[i], "lock") != 0)
            sum += file_crc(w.disk, w.files[i]);
    }
    walk_fini(&w);
    return sum;
}

/* ---- Damage ---- */

static bool is_target(const char *path)
{
    return strncmp(path, "topics/", 7) == 0 || strncmp(path, "state/", 6) == 0 || strcmp(path, "superblock") == 0 ||
           (strncmp(path, "journal/", 8) == 0 && strstr(path, ".journal") != NULL);
}

/* Most bytes of a journal file were never written: the places are drawn among those that were. */
static uint64_t used_size(struct env_disk *disk, const char *path)
{
    struct disk_file *f;
    uint64_t size, used;
    uint8_t *data;

    ck_assert_int_eq(disk_open(disk, path, DISK_READ, &f), 0);
    ck_assert_int_eq(disk_size(f, &size), 0);
    data = xmalloc(size + 1);
    ck_assert_int_eq(disk_pread(f, data, size, 0), (ssize_t)size);
    for (used = size; used > 0 && data[used - 1] == 0; used--)
        ;
    free(data);
    disk_close(f);
    return used;
}

static void overwrite(struct env_disk *disk, const char *path, uint64_t at, size_t size)
{
    static const uint8_t zeros[4096] __attribute__((aligned(4096)));
    struct disk_file *f;

    ck_assert_int_eq(disk_open(disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_pwrite(f, zeros, MIN(size, sizeof(zeros)), at - at % 4096), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    disk_close(f);
}

/* What a killed process hasn't synced is written by then. Where it is in memory alone nothing happens. */
static void make_unreadable(struct rig *r, const char *path, uint64_t at)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(sim_disk_env(r->disk), path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    disk_close(f);
    (void)sim_disk_damage_at(r->disk, path, at, SIM_DAMAGE_UNREADABLE, &r->prng);
}

static void cut(struct env_disk *disk, const char *path, uint64_t at)
{
    struct disk_file *f;

    ck_assert_int_eq(disk_open(disk, path, DISK_WRITE, &f), 0);
    ck_assert_int_eq(disk_truncate(f, at), 0);
    ck_assert_int_eq(disk_sync_data(f), 0);
    disk_close(f);
}

/* Nothing tells that a newest journal file is gone: the one before may have been the last. */
static bool is_newest_journal(const struct walk *w, const char *path)
{
    if (strstr(path, ".journal") == NULL)
        return false;
    for (size_t i = 0; i < w->n; i++) {
        if (strstr(w->files[i], ".journal") != NULL && strncmp(w->files[i], path, strlen("journal/0/")) == 0 &&
            strcmp(w->files[i], path) > 0)
            return false;
    }
    return true;
}

static char *damage(struct rig *r)
{
    struct walk w = all_files(r);
    char *path, *text;
    uint64_t at, size, kind;

    do
        path = w.files[sim_prng_below(&r->prng, w.n)];
    while (!is_target(path));
    size = used_size(w.disk, path);
    at = size > 0 ? sim_prng_below(&r->prng, size) : 0;
    kind = size > 0 ? sim_prng_below(&r->prng, 8) : 7;
    switch (kind == 0 && is_newest_journal(&w, path) ? 7 : kind) {
    case 0:
        text = xasprintf("%s gone", path);
        ck_assert_int_eq(disk_unlink(w.disk, path), 0);
        break;
    case 1:
        text = xasprintf("%s cut at %d", path, (int)at);
        cut(w.disk, path, at);
        break;
    case 2:
        text = xasprintf("%s zeros at %d", path, (int)at);
        overwrite(w.disk, path, at, (size_t)MIN(size - (at - at % 4096), UINT64_C(4096)));
        break;
    case 3:
        text = xasprintf("%s unreadable at %d", path, (int)at);
        make_unreadable(r, path, at);
        break;
    case 7:
        text = xasprintf("%s nothing", path);
        break;
    default:
        text = xasprintf("%s flip at %d", path, (int)at);
        ck_assert_int_eq(sim_disk_flip(r->disk, path, at, 1u << sim_prng_below(&r->prng, 8)), 0);
    }
    walk_fini(&w);
    return text;
}

/* ---- Repair ---- */

struct outcome {
    enum node_repair_verdict verdict;
    int rc;
    struct error_text err;
    bool told[N_PARTITIONS];
    struct node_repair_partition partitions[N_PARTITIONS];
    char text[8192];
    size_t size;
};

static void say(void *ctx, const char *line)
{
    struct outcome *o = ctx;

    o->size += (size_t)snprintf(o->text + o->size, sizeof(o->text) - o->size, "%s\n", line);
    o->size = MIN(o->size, sizeof(o->text) - 1);
}

static void tell(void *ctx, const struct node_repair_partition *p)
{
    struct outcome *o = ctx;

    o->told[p->partition] = true;
    o->partitions[p->partition] = *p;
}

static void repair(struct rig *r, enum node_repair_mode mode, struct outcome *o)
{
    struct node_repair_options options = {
        .config = &r->config,
        .disk = sim_disk_env(r->disk),
        .prng = &r->prng.env,
        .clock = &r->clock.env,
        .mode = mode,
        .command = "brokerd --repair=yes",
        .say = say,
        .partition = tell,
        .ctx = o,
    };

    *o = (struct outcome){ 0 };
    o->rc = node_repair(&options, &o->verdict, &o->err);
    sim_disk_exit(r->disk);
}

/* Records of [from, to) are those that were acknowledged, all of them; others may only be what nobody was told of. */
static void check_partition(struct rig *r, const struct known *k, int p, int64_t from, int64_t to, const char *what)
{
    struct client *c = rig_connect(r, 1);
    uint64_t ids[64];
    int64_t offsets[64], next = from;
    int at = 0, n;

    while (at < k->n[p] && k->acked[p][at].offset < from)
        at++;
    while ((n = ask_fetch(c, "t", p, next, ids, offsets, 64, &next)) > 0) {
        for (int i = 0; i < n; i++) {
            if (offsets[i] < from)
                continue;
            if (offsets[i] >= known_end(k, p))
                return;
            ck_assert_msg(at < k->n[p] && offsets[i] == k->acked[p][at].offset && ids[i] == k->acked[p][at].id,
                          "%s: partition %d: batch %d at %d, expected %d at %d", what, p, (int)ids[i], (int)offsets[i],
                          (int)k->acked[p][at].id, (int)k->acked[p][at].offset);
            at++;
        }
    }
    ck_assert_msg(n == 0, "%s: partition %d: fetch gives %d at %d", what, p, n, (int)next);
    ck_assert_msg(at == k->n[p] || k->acked[p][at].offset >= to, "%s: partition %d ends at %d, not %d", what, p,
                  (int)next, (int)to);
}

static void check_all(struct rig *r, const struct known *k, const struct outcome *o, const char *what)
{
    bool may_be_unknown = o != NULL && strstr(o->text, "lost: changes behind number") != NULL;

    int32_t n;

    if (may_be_unknown && ask_metadata(rig_connect(r, 1), "t", false, &n) == KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION)
        return;
    for (int p = 0; p < N_PARTITIONS; p++) {
        int64_t from = 0, to = known_end(k, p);

        if (o != NULL && o->told[p]) {
            const struct node_repair_partition *t = &o->partitions[p];

            from = t->kept_start;
            to = t->kept_end;
            /* What was lost was said: it ends where clients know that it ended, or the end is told to be unknown. */
            ck_assert_msg(t->is_lossy || (from == 0 && to >= known_end(k, p)),
                          "%s: partition %d: %d..%d without a loss", what, p, (int)from, (int)to);
            ck_assert_msg(t->end_unknown || t->end >= known_end(k, p), "%s: partition %d: the end was %d, not %d", what,
                          p, (int)known_end(k, p), (int)t->end);
        }
        check_partition(r, k, p, from, to, what);
    }
}

static bool try_start(struct rig *r)
{
    int rc = rig_start(r);

    if (rc != 0) {
        sim_disk_exit(r->disk);
        return false;
    }
    rig_kill(r);
    return true;
}

/* Crashes on the way, some times, then as a whole. */
static void repair_through_crashes(struct rig *r, enum node_repair_mode mode, struct outcome *o, const char *what)
{
    struct outcome again;

    for (int i = 0; i < 6; i++) {
        sim_disk_crash_after(r->disk, sim_prng_below(&r->prng, UINT64_C(1) << (1 + sim_prng_below(&r->prng, 9))));
        repair(r, mode, &again);
        if (again.rc == 0)
            break;
        sim_disk_crash(r->disk, SIM_CRASH_DRAW, &r->prng);
    }
    repair(r, mode, &again);
    ck_assert_msg(again.rc == 0, "%s: repair: %d %s\n%s", what, again.rc, again.err.text, o->text);
}

static void one_round(uint64_t seed)
{
    static const enum node_repair_mode modes[] = { NODE_REPAIR_KEEP_MOST, NODE_REPAIR_KEEP_OLDEST,
                                                   NODE_REPAIR_KEEP_NEWEST };
    enum node_repair_mode mode = modes[seed % 3];
    struct known k;
    struct rig *r = used(seed, &k);
    struct outcome look, done, after;
    _cleanup_(freep) char *hit = damage(r), *what = xasprintf("seed %d, %s", (int)seed, hit);
    uint32_t before = fingerprint(r);

    repair(r, NODE_REPAIR_LOOK, &look);
    ck_assert_msg(fingerprint(r) == before, "%s: the dry run changed something", what);
    ck_assert_msg(look.rc == 0, "%s: dry run: %d %s", what, look.rc, look.err.text);
    if (getenv("GQ_REPAIR_SHOW") != NULL)
        fprintf(stderr, "== %s\n%s", what, look.text);
    if (look.verdict == NODE_REPAIR_SOUND) {
        ck_assert_msg(try_start(r), "%s: refused, but the repair finds nothing: %s", what, r->err.text);
        rig_start_ok(r);
        check_all(r, &k, NULL, what);
        rig_free(r);
        return;
    }
    repair(r, mode, &done);
    ck_assert_msg(done.rc == 0, "%s: repair: %d %s\n%s", what, done.rc, done.err.text, look.text);
    repair(r, NODE_REPAIR_LOOK, &after);
    ck_assert_msg(after.rc == 0 && after.verdict == NODE_REPAIR_SOUND, "%s: still wrong: %s\n%s\nwas:\n%s", what,
                  after.err.text, after.text, look.text);
    ck_assert_msg(rig_start(r) == 0, "%s: refused after the repair: %s\n%s", what, r->err.text, look.text);
    rig_kill(r);
    rig_start_ok(r);
    check_all(r, &k, &done, what);
    rig_free(r);
}

START_TEST(any_damage_is_repaired_as_it_is_told)
{
    struct rand rand;

    rand_init(&rand);
    if (getenv("GQ_REPAIR_SEED") != NULL) {
        one_round((uint64_t)atoll(getenv("GQ_REPAIR_SEED")));
        return;
    }
    for (int i = 0; i < 150; i++)
        one_round(rand_u64(&rand) % 1000000);
}
END_TEST

/* The same, but the repair itself is cut short by power losses. */
START_TEST(a_repair_may_be_cut_short)
{
    struct rand rand;

    rand_init(&rand);
    for (int i = 0; i < 60; i++) {
        struct known k;
        uint64_t seed = rand_u64(&rand) % 1000000;
        struct rig *r = used(seed, &k);
        struct outcome look, after;
        _cleanup_(freep) char *hit = damage(r), *what = xasprintf("seed %d, %s", (int)seed, hit);

        /* A killed process's unsynced bytes are on the disk by now: else the first power loss takes what the plan
         * still saw. */
        sim_disk_crash(r->disk, SIM_CRASH_ALL, &r->prng);
        repair(r, NODE_REPAIR_LOOK, &look);
        ck_assert_msg(look.rc == 0, "%s: dry run: %d %s", what, look.rc, look.err.text);
        repair_through_crashes(r, NODE_REPAIR_KEEP_MOST, &look, what);
        repair(r, NODE_REPAIR_LOOK, &after);
        ck_assert_msg(after.rc == 0 && after.verdict == NODE_REPAIR_SOUND, "%s: still wrong: %s\n%s", what,
                      after.err.text, after.text);
        rig_start_ok(r);
        check_all(r, &k, look.verdict == NODE_REPAIR_SOUND ? NULL : &look, what);
        rig_free(r);
    }
}
END_TEST

/* Behind the journal's last block: what tells that nothing was there is gone, but nothing else. */
START_TEST(an_unreadable_place_in_unused_room_costs_nothing)
{
    unsigned n_refused = 0;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        static const uint8_t junk[4096] __attribute__((aligned(4096))) = { 1 };
        _cleanup_(freep) char *what = xasprintf("seed %d", (int)seed);
        struct known k;
        struct rig *r = used(seed, &k);
        struct walk w = all_files(r);
        struct outcome look, done;
        const char *path = NULL;
        struct disk_file *f;
        uint64_t at;

        for (size_t i = 0; i < w.n; i++) {
            if (strncmp(w.files[i], "journal/0/", 10) == 0 && is_target(w.files[i]) &&
                used_size(w.disk, w.files[i]) > 4096 && (path == NULL || strcmp(w.files[i], path) > 0))
                path = w.files[i];
        }
        at = ALIGN_UP(used_size(w.disk, path), UINT64_C(4096)) + 4096;
        ck_assert_int_eq(disk_open(w.disk, path, DISK_WRITE, &f), 0);
        ck_assert_int_eq(disk_pwrite(f, junk, sizeof(junk), at), 0);
        disk_close(f);
        make_unreadable(r, path, at);
        walk_fini(&w);
        repair(r, NODE_REPAIR_LOOK, &look);
        ck_assert_msg(look.rc == 0, "%s: %d %s", what, look.rc, look.err.text);
        if (look.verdict != NODE_REPAIR_SOUND) {
            n_refused++;
            ck_assert(!try_start(r));
            ck_assert_msg(strstr(look.text, "This loses nothing.") != NULL, "%s: %s", what, look.text);
            repair(r, NODE_REPAIR_KEEP_MOST, &done);
            ck_assert_int_eq(done.rc, 0);
        }
        rig_start_ok(r);
        check_all(r, &k, NULL, what);
        rig_free(r);
    }
    ck_assert_uint_gt(n_refused, 0);
}
END_TEST

static void must_do(struct rig *r, enum node_repair_mode mode, struct outcome *o)
{
    repair(r, mode, o);
    ck_assert_msg(o->rc == 0 && o->verdict == NODE_REPAIR_DONE, "%d %s\n%s", o->rc, o->err.text, o->text);
}

/* Both copies: the journals and the metadata know all that was in it. */
START_TEST(a_superblock_is_made_again)
{
    struct outcome o;
    struct known k;
    struct rig *r = used(11, &k);

    for (uint64_t copy = 0; copy < 2; copy++)
        ck_assert_int_eq(sim_disk_flip(r->disk, "superblock", copy * 4096 + 100, 4), 0);
    ck_assert_int_eq(rig_start(r), NODE_E_DATA);
    ck_assert(strstr(r->err.text, "brokerd --repair") != NULL);
    sim_disk_exit(r->disk);
    free(r->config.node_id);
    r->config.node_id = xstrdup("n2");
    repair(r, NODE_REPAIR_KEEP_MOST, &o);
    ck_assert_int_eq(o.rc, NODE_E_DATA); /* another node's */
    free(r->config.node_id);
    r->config.node_id = xstrdup("n1");
    must_do(r, NODE_REPAIR_KEEP_MOST, &o);
    ck_assert(strstr(o.text, "nothing is lost") != NULL);
    rig_start_ok(r);
    check_all(r, &k, NULL, "superblock");
    rig_free(r);
}
END_TEST

/* The image has what the metadata's log lost, wherever that is. */
START_TEST(the_image_stands_in_for_the_metadata_log)
{
    for (int entry = 0; entry < 3; entry++) {
        struct outcome o;
        struct known k;
        struct rig *r = used(12, &k);
        struct env_disk *disk = sim_disk_env(r->disk);

        for (int i = 0; i < 3; i++) { /* until the journal has forgotten them */
            rig_start_ok(r);
            rig_run(r, 3000 * MS);
            ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
        }
        if (entry == 2)
            ck_assert_int_eq(disk_unlink(disk, "state/metadata/00000000000000000001.entries"), 0);
        else
            overwrite(disk, "state/metadata/00000000000000000001.aux", 0, 40u << entry);
        must_do(r, NODE_REPAIR_KEEP_MOST, &o);
        /* Without a table nothing tells that the entries behind the image only began a term. */
        ck_assert_msg(entry == 2 || strstr(o.text, "nothing is lost: the image has what the log lacks") != NULL, "%s",
                      o.text);
        rig_start_ok(r);
        check_all(r, &k, NULL, "image");
        ck_assert_int_eq(ask_create(rig_connect(r, 0), "u", 2), 0);
        rig_kill(r);
        rig_start_ok(r); /* the image alone has it, and it is written on */
        check_all(r, &k, NULL, "image, later");
        rig_free(r);
    }
}
END_TEST

/* Neither log nor image: topics are unknown then, and their directories are kept. */
START_TEST(directories_of_unknown_topics_are_kept)
{
    struct outcome o;
    struct known k;
    struct rig *r = used(13, &k);
    struct env_disk *disk = sim_disk_env(r->disk);
    struct walk w;
    size_t n_before = 0, n_kept = 0;

    for (int i = 0; i < 2; i++) { /* what the journal still knew of the topics goes out of use */
        rig_start_ok(r);
        ck_assert(rig_stop(r, 1000 * MS, 5000 * MS));
    }
    w = all_files(r);
    for (size_t i = 0; i < w.n; i++) {
        n_before += strncmp(w.files[i], "topics/", 7) == 0;
        if (strncmp(w.files[i], "state/", 6) == 0)
            ck_assert_int_eq(disk_unlink(disk, w.files[i]), 0);
    }
    walk_fini(&w);
    must_do(r, NODE_REPAIR_KEEP_MOST, &o);
    ck_assert_msg(strstr(o.text, "lost: changes behind number 0") != NULL, "%s", o.text);
    rig_start_ok(r);
    w = all_files(r);
    for (size_t i = 0; i < w.n; i++)
        n_kept += strncmp(w.files[i], "damaged-1/topics/", strlen("damaged-1/topics/")) == 0;
    walk_fini(&w);
    ck_assert_uint_gt(n_before, 0);
    ck_assert_uint_eq(n_kept, n_before);
    ck_assert_int_eq(ask_create(rig_connect(r, 0), "t", N_PARTITIONS), 0);
    k = (struct known){ 0 };
    produce(r, &k, 20);
    check_all(r, &k, NULL, "after");
    rig_free(r);
}
END_TEST

/* A repair that is decided is finished before anything starts. */
START_TEST(a_start_waits_for_the_end_of_a_repair)
{
    bool seen = false;

    for (uint64_t steps = 1; !seen && steps < 400; steps++) {
        struct outcome o;
        struct known k;
        struct rig *r = used(14, &k);

        ck_assert_int_eq(sim_disk_flip(r->disk, "superblock", 100, 4), 0);
        sim_disk_crash_after(r->disk, steps);
        repair(r, NODE_REPAIR_KEEP_MOST, &o);
        if (o.rc != 0 && node_repair_check(sim_disk_env(r->disk), &r->err) != 0) {
            seen = true;
            ck_assert_int_eq(rig_start(r), NODE_E_DATA);
            ck_assert(strstr(r->err.text, "--repair=yes") != NULL);
            sim_disk_exit(r->disk);
            repair(r, NODE_REPAIR_LOOK, &o);
            ck_assert(o.rc == 0 && o.verdict == NODE_REPAIR_NEEDED);
            repair(r, NODE_REPAIR_KEEP_MOST, &o);
            ck_assert_int_eq(o.rc, 0);
            rig_start_ok(r);
            check_all(r, &k, NULL, "finished");
        }
        rig_free(r);
    }
    ck_assert(seen);
}
END_TEST

static uint32_t content_crc(struct env_disk *disk, const char *path)
{
    uint8_t bytes[8192];
    struct disk_file *f;

    ck_assert_msg(disk_open(disk, path, DISK_READ, &f) == 0, "%s is gone", path);
    ck_assert_int_eq(disk_pread(f, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
    disk_close(f);
    return crc32c(0, bytes, sizeof(bytes));
}

/* Power loss at each step of a repair, with whatever part of the unsynced names: what is replaced is kept. */
START_TEST(no_original_is_lost)
{
    bool done = false;

    for (uint64_t steps = 1; !done; steps++) {
        for (int draw = 0; draw < 4; draw++) {
            struct outcome o;
            struct rig *r = rig_new(steps * 4 + (uint64_t)draw, 1);
            struct env_disk *disk = sim_disk_env(r->disk);
            uint32_t was;

            rig_start_ok(r);
            rig_kill(r);
            sim_disk_crash(r->disk, SIM_CRASH_ALL, &r->prng);
            ck_assert_int_eq(sim_disk_flip(r->disk, "superblock", 100, 4), 0);
            was = content_crc(disk, "superblock");
            sim_disk_crash_after(r->disk, steps);
            repair(r, NODE_REPAIR_KEEP_MOST, &o);
            done |= o.rc == 0;
            sim_disk_crash(r->disk, SIM_CRASH_DRAW, &r->prng);
            repair(r, NODE_REPAIR_KEEP_MOST, &o);
            ck_assert_msg(o.rc == 0, "step %d: %s", (int)steps, o.err.text);
            ck_assert_msg(content_crc(disk, "damaged-1/superblock") == was, "step %d", (int)steps);
            rig_start_ok(r);
            rig_free(r);
        }
    }
}
END_TEST

Suite *repair_suite(void)
{
    Suite *s = suite_create("repair");

    suite_add(s, any_damage_is_repaired_as_it_is_told);
    suite_add(s, a_repair_may_be_cut_short);
    suite_add(s, an_unreadable_place_in_unused_room_costs_nothing);
    suite_add(s, a_superblock_is_made_again);
    suite_add(s, the_image_stands_in_for_the_metadata_log);
    suite_add(s, directories_of_unknown_topics_are_kept);
    suite_add(s, no_original_is_lost);
    suite_add(s, a_start_waits_for_the_end_of_a_repair);
    return s;
}
