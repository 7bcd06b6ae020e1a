/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A disk that fails: each call of a node's whole life meets an error, or each from there on. The node goes on where it
 * may, else it refuses to start or ends, and says where it was; and when the disk is well again, what was acknowledged
 * is there, in order, once. */

#include <stdio.h>

#include "base/util.h"
#include "node/rig.h"
#include "node/suites.h"
#include "wire/error.h"

#define N_PARTITIONS 3
#define MAX_ACKS 128
#define MAX_IDS 512
#define N_ROUNDS 24
#define MAX_STARTS 8
#define N_ERAS 2
#define N_FIRST 4
#define N_OTHERS 16
#define KEPT_BYTES 24000 /* by retention, of a partition */

/* What clients know of topic "t". Each id is sent once, over a connection of its own: what wasn't answered may be
 * stored behind what was sent later. */
struct known {
    bool topic;
    struct {
        uint64_t id;
        int64_t offset;
        size_t size;
    } acked[N_PARTITIONS][MAX_ACKS];
    int n_acked[N_PARTITIONS];
};

struct fault {
    int era;
    enum sim_disk_call call;
    uint64_t nth;
    bool is_last; /* of its kind in that era */
    int err;      /* -EROFS stays, as on a file system that was mounted anew, others come once */
};

/* How a life went. */
struct outcome {
    bool refused, ended; /* the start; while it ran. Neither: it went on */
    int err;
    char text[512];
    uint64_t calls[N_ERAS][SIM_DISK_N_CALLS];
};

static bool lives(const struct rig *r)
{
    return r->node != NULL && r->fatal_error == 0;
}

static void produce_round(struct rig *r, struct known *k)
{
    uint64_t ids[N_PARTITIONS];
    size_t sizes[N_PARTITIONS];

    for (int32_t p = 0; p < N_PARTITIONS; p++) {
        ids[p] = ++r->next_id;
        sizes[p] = 500 + sim_prng_below(&r->prng, 6000);
        send_produce(rig_connect(r, (unsigned)p + 1), "t", p, ids[p], 1, sizes[p]);
    }
    rig_run(r, 120 * MS);
    for (int32_t p = 0; p < N_PARTITIONS; p++) {
        int n = k->n_acked[p];
        int64_t offset;
        int16_t error;

        bool got = recv_produce(&r->clients[p + 1], &error, &offset);
        if (getenv("DBG2"))
            fprintf(stderr, "id %d: %s %d at %d, fatal %d dead %d size %zu\n", (int)ids[p], got ? "answer" : "none",
                    got ? error : 0, got ? (int)offset : 0, r->fatal_error, r->clients[p + 1].dead, sizes[p]);
        if (!got || error != 0)
            continue;
        ck_assert_int_lt(n, MAX_ACKS);
        ck_assert(n == 0 || offset > k->acked[p][n - 1].offset);
        k->acked[p][n].id = ids[p];
        k->acked[p][n].offset = offset;
        k->acked[p][n].size = sizes[p];
        k->n_acked[p]++;
    }
}

static void read_old(struct rig *r, const struct known *k)
{
    uint64_t ids[8];
    int64_t offsets[8], next;

    for (int32_t p = 0; p < N_PARTITIONS && lives(r); p++)
        (void)ask_fetch(rig_connect(r, 0), "t", p, k->n_acked[p] / 2, ids, offsets, 8, &next);
}

static void start(struct rig *r, struct outcome *o)
{
    int rc = rig_start(r);

    if (rc != 0) {
        o->refused = true;
        o->err = rc;
        snprintf(o->text, sizeof(o->text), "%s", r->err.text);
        return;
    }
    for (int i = 0; i < 1000 && lives(r) && !rig_is_ready(r); i++)
        rig_run(r, 10 * MS);
    ck_assert(rig_is_ready(r) || r->fatal_error != 0);
}

static void work(struct rig *r, struct known *k)
{
    if (!k->topic && lives(r))
        k->topic = ask_create(rig_connect(r, 0), "t", N_PARTITIONS) == 0;
    if (lives(r))
        (void)ask_create(rig_connect(r, 0), "gone", 2);
    for (int i = 0; i < N_ROUNDS && lives(r); i++) {
        int64_t offset;

        produce_round(r, k);
        if (i == N_ROUNDS / 2)
            (void)ask_produce(rig_connect(r, 0), "gone", 0, 1, 1, &offset);
        if (i % 8 == 7)
            read_old(r, k);
    }
    if (lives(r))
        rig_run(r, 6000 * MS); /* retention */
    if (lives(r))
        (void)ask_delete(rig_connect(r, 0), "gone");
    if (lives(r))
        rig_run(r, 1000 * MS);
}

static void stop(struct rig *r)
{
    if (lives(r) && !rig_stop(r, 1000 * MS, 20000 * MS))
        ck_assert_msg(r->fatal_error != 0, "it doesn't stop");
}

static void note_calls(struct rig *r, struct outcome *o, int era)
{
    for (unsigned c = 0; c < SIM_DISK_N_CALLS; c++) {
        o->calls[era][c] = sim_disk_calls(r->disk, c);
        for (int i = 0; i < era; i++)
            o->calls[era][c] -= o->calls[i][c];
    }
}

/* Two starts, work after each, and an orderly stop behind it. */
static void live(struct rig *r, struct known *k, const struct fault *f, struct outcome *o)
{
    for (int era = 0; era < N_ERAS && !o->ended; era++) {
        if (f != NULL && f->era == era)
            sim_disk_fail(r->disk, f->call, f->nth, f->err == -EROFS ? UINT64_MAX : 1, f->err);
        start(r, o);
        if (o->refused)
            return;
        work(r, k);
        stop(r);
        note_calls(r, o, era);
        o->ended = r->fatal_error != 0;
        o->err = r->fatal_error;
        snprintf(o->text, sizeof(o->text), "%s", r->fatal_text);
    }
}

static void check_partition(struct rig *r, const struct known *k, int32_t p)
{
    bool seen[MAX_IDS] = { false };
    uint64_t ids[64], bytes = 0;
    int64_t offsets[64], next = 0;
    int i = 0, n;

    while ((n = ask_fetch(&r->clients[0], "t", p, next, ids, offsets, 64, &next)) == -KAFKA_E_OFFSET_OUT_OF_RANGE)
        ck_assert_int_lt(next++, MAX_ACKS); /* what retention has left */
    while (i < k->n_acked[p] && k->acked[p][i].offset < next && n > 0 && k->acked[p][i].offset < offsets[0])
        i++;
    for (int j = i; j < k->n_acked[p]; j++)
        bytes += k->acked[p][j].size;
    ck_assert(i == 0 || bytes > KEPT_BYTES / 2);
    for (; n > 0; n = ask_fetch(&r->clients[0], "t", p, next, ids, offsets, 64, &next)) {
        for (int j = 0; j < n; j++) {
            ck_assert_uint_lt(ids[j], MAX_IDS);
            ck_assert(!seen[ids[j]]);
            seen[ids[j]] = true;
            if (i < k->n_acked[p] && k->acked[p][i].offset == offsets[j])
                ck_assert_uint_eq(k->acked[p][i++].id, ids[j]);
        }
    }
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(i, k->n_acked[p]);
}

/* What a sync of the whole file system has lost the system tells once more, at each file's own next sync, to another
 * process if need be. */
static void check(struct rig *r, const struct known *k)
{
    struct outcome o = { .refused = true };

    for (int i = 0; i < MAX_STARTS && (o.refused || !lives(r)); i++) {
        if (i > 0)
            rig_kill(r);
        o.refused = false;
        start(r, &o);
    }
    ck_assert_msg(!o.refused && lives(r), "it doesn't start: %s", o.text);
    rig_connect(r, 0);
    for (int32_t p = 0; k->topic && p < N_PARTITIONS; p++)
        check_partition(r, k, p);
    ck_assert_int_eq(r->fatal_error, 0);
}

static struct rig *disk_errors_rig(void)
{
    struct rig *r = rig_new(70, 1);

    sim_disk_set_sync_fs(r->disk, true);
    r->config.max_message_size_bytes = 8000;
    r->config.segment_size_bytes = 8192;
    r->config.retention_size_bytes = KEPT_BYTES;
    r->journal_file_bytes = 64 << 10;
    return r;
}

static const char *const call_names[] = {
#define X(name) #name,
    SIM_DISK_CALLS(X)
#undef X
};

/* A path, or what the data directory has one of. */
static bool says_where(const char *text)
{
    static const char *const places[] = { "journal", "topics", "state",          "superblock",
                                          "reserve", "lock",   "data directory", "looking for room on the disk" };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (strstr(text, places[i]) != NULL)
            return true;
    return false;
}

/* It changes something: who goes on without it may acknowledge what isn't on disk, or find another state than he left.
 */
static bool must_end(enum sim_disk_call call)
{
    switch (call) {
    case SIM_DISK_WRITE:
    case SIM_DISK_SYNC_DATA:
    case SIM_DISK_SYNC_FS:
    case SIM_DISK_ALLOCATE:
    case SIM_DISK_TRUNCATE:
    case SIM_DISK_RENAME:
    case SIM_DISK_UNLINK:
    case SIM_DISK_MKDIR:
    case SIM_DISK_SYNC_DIR:
        return true;
    default:
        return false;
    }
}

/* A stop's last sync is of the image's own journal, when all that was to be written to the image is in it. */
static bool closes_image(const struct fault *f)
{
    return f->call == SIM_DISK_SYNC_DATA && f->is_last;
}

static void check_outcome(const struct fault *f, const struct outcome *o)
{
    _cleanup_(freep) char *what =
        xasprintf("era %d, %s %d, error %d: %s%s: %d, \"%s\"", f->era, call_names[f->call], (int)f->nth, f->err,
                  o->refused ? "refused" : "", o->ended ? "ended" : "", o->err, o->text);

    ck_assert_msg(o->refused || o->ended || !must_end(f->call) || closes_image(f), "%s", what);
    if (!o->refused && !o->ended)
        return;
    ck_assert_msg(says_where(o->text), "it isn't said where: %s", what);
    ck_assert_msg(o->refused || o->err == f->err || o->err == -EIO, "%s", what);
}

static void one_life(const struct fault *f)
{
    struct known *k = xcalloc(1, sizeof(*k));
    struct rig *r = disk_errors_rig();
    struct outcome o = { .refused = false };

    live(r, k, f, &o);
    check_outcome(f, &o);
    if (f->nth % 3 == 0)
        rig_kill(r);
    else
        rig_crash(r, f->nth % 3 == 1 ? SIM_CRASH_NOTHING : SIM_CRASH_DRAW);
    check(r, k);
    rig_free(r);
    free(k);
}

/* The first calls, which a start makes, and some of the others; all of them in a long run. */
static uint64_t next_call(uint64_t nth, uint64_t n_calls)
{
    if (nth < N_FIRST || getenv("CRASH_LONG") != NULL)
        return nth + 1;
    return nth + MAX(n_calls / N_OTHERS, UINT64_C(1));
}

START_TEST(any_call_may_fail)
{
    static const int errors[] = { -EIO, -EROFS };
    struct known *k = xcalloc(1, sizeof(*k));
    struct rig *r = disk_errors_rig();
    struct outcome o = { .refused = false };

    live(r, k, NULL, &o);
    ck_assert(!o.refused && !o.ended);
    for (int32_t p = 0; p < N_PARTITIONS; p++)
        ck_assert_int_gt(k->n_acked[p], N_ERAS * N_ROUNDS * 3 / 4); /* some wait for room */
    check(r, k);
    ck_assert(o.calls[1][_i] > 0 || !must_end((enum sim_disk_call)_i));
    rig_free(r);
    free(k);
    if (getenv("DBG2")) {
        fprintf(stderr, "---- HERE\n");
        one_life(&(struct fault){ 1, SIM_DISK_READ, 97, false, -EROFS });
    }
    for (int era = 0; era < N_ERAS; era++) {
        uint64_t n = o.calls[era][_i];

        for (uint64_t nth = 0; nth < n; nth = next_call(nth, n))
            for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
                one_life(&(struct fault){ era, (enum sim_disk_call)_i, nth, nth + 1 == n, errors[e] });
    }
}
END_TEST

Suite *disk_errors_suite(void)
{
    Suite *s = suite_create("disk_errors");
    TCase *tc = tcase_create("any_call_may_fail");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, any_call_may_fail, 0, SIM_DISK_N_CALLS);
    suite_add_tcase(s, tc);
    return s;
}
