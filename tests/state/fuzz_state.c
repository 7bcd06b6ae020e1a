/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "sim/disk.h"
#include "state/state.h"
#include "state/vfs.h"

/* A database with damaged bytes, or with any bytes at all: it is refused with a sentence, or gives what was written.
 * With checksums put right SQLite itself sees the damage: then it may give something else, but comes to an end.
 *
 *   input = flags u8 | edits, or the whole file, or the rollback journal
 *   flags: 1 the rest is the whole file, 2 put the pages' checksums right, 4 the rest is the rollback journal
 *   edit = offset u16, in units of 2 bytes | value u16 that is added by exclusive or, all little-endian */

#define PATH "state/0.db"
#define GROUP 7
#define N_RECORDS 20
#define FILE_MAX (1u << 18)

struct seen {
    uint32_t crc;
    unsigned n;
};

static uint8_t *original;
static size_t original_size;
static struct seen expected;

static int see_record(void *ctx, const struct state_record *rec)
{
    struct seen *s = ctx;

    s->crc = crc32c(s->crc, &rec->kind, sizeof(rec->kind));
    s->crc = crc32c(s->crc, rec->key.data, rec->key.size);
    s->crc = crc32c(s->crc, rec->value.data, rec->value.size);
    return ++s->n > 100000;
}

static struct sim_disk *disk_new(void)
{
    struct sim_disk *disk = sim_disk_new(NULL);

    gq_assert(disk_mkdir(sim_disk_env(disk), "state") == 0);
    return disk;
}

static void write_file(struct sim_disk *disk, const char *path, const uint8_t *data, size_t size)
{
    struct disk_file *f;

    gq_assert(disk_open(sim_disk_env(disk), path, DISK_WRITE | DISK_CREATE, &f) == 0);
    gq_assert(size == 0 || disk_pwrite(f, data, size, 0) == 0);
    disk_close(f);
}

static void read_file(struct sim_disk *disk, const char *path, uint8_t **ret_data, size_t *ret_size)
{
    struct disk_file *f;
    uint64_t size;

    gq_assert(disk_open(sim_disk_env(disk), path, DISK_READ, &f) == 0 && disk_size(f, &size) == 0);
    *ret_data = xmalloc(size);
    *ret_size = size;
    gq_assert(disk_pread(f, *ret_data, size, 0) == (ssize_t)size);
    disk_close(f);
}

/* Opens and reads all. */
static int load(struct sim_disk *disk, struct seen *seen, struct state_db **ret)
{
    struct error_text err = { "" };
    struct state_applied applied;
    struct sim_prng prng;
    int rc;

    sim_prng_init(&prng, 1);
    *ret = NULL;
    *seen = (struct seen){ 0 };
    rc = state_open(sim_disk_env(disk), &prng.env, PATH, ret, &err);
    gq_assert(rc == 0 || err.text[0] != '\0');
    if (rc == 0)
        rc = state_applied(*ret, GROUP, &applied);
    if (rc == 0) {
        seen->crc = crc32c(0, &applied.index, sizeof(applied.index));
        rc = state_load(*ret, GROUP, see_record, seen);
    }
    return rc;
}

static void make_original(void)
{
    static uint8_t value[N_RECORDS * 300];
    struct sim_disk *disk = disk_new();
    struct state_db *db;
    struct seen seen;

    gq_assert(load(disk, &seen, &db) == 0);
    for (uint16_t i = 0; i < N_RECORDS; i++) {
        struct state_applied applied = { .index = i + 1u, .term = 1 };
        struct state_record rec = { i % 5, slice_make(&i, sizeof(i)), slice_make(value, i * 300u) };

        memset(value, i + 1, sizeof(value));
        gq_assert(state_write(db, GROUP, &applied, &rec, 1) == 0);
    }
    state_close(db);
    read_file(disk, PATH, &original, &original_size);
    gq_assert(load(disk, &expected, &db) == 0 && expected.n == N_RECORDS);
    state_close(db);
    sim_disk_exit(disk);
    sim_disk_free(disk);
}

static void edit(uint8_t *file, const uint8_t *p, size_t size)
{
    for (; size >= 4; p += 4, size -= 4) {
        size_t at = (size_t)load_le16(p) * 2;

        if (at + 2 <= original_size)
            store_le16(file + at, load_le16(file + at) ^ load_le16(p + 2));
    }
}

static void put_right(uint8_t *file, size_t size)
{
    for (uint32_t page = 0; (page + 1) * (size_t)STATE_PAGE_SIZE <= size; page++) {
        uint8_t *p = file + page * (size_t)STATE_PAGE_SIZE;
        uint8_t number[4];

        store_le32(number, page + 1);
        store_le32(p + STATE_PAGE_SIZE - STATE_PAGE_RESERVED,
                   crc32c(crc32c(0, number, sizeof(number)), p, STATE_PAGE_SIZE - STATE_PAGE_RESERVED));
    }
}

/* Returns whether what is read must be what was written. */
static bool lay_out(struct sim_disk *disk, uint8_t flags, const uint8_t *data, size_t size)
{
    bool whole = (flags & 1) != 0, journal = !whole && (flags & 4) != 0;
    size_t file_size = whole ? size : original_size;
    _cleanup_(freep) uint8_t *file = memcpy(xmalloc(file_size + 1), whole ? data : original, file_size);

    if (!whole && !journal)
        edit(file, data, size);
    if ((flags & 2) != 0)
        put_right(file, file_size);
    write_file(disk, PATH, file, file_size);
    if (journal)
        write_file(disk, PATH "-journal", data, size);
    return !whole && !journal && (flags & 2) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state_applied applied = { .index = 1000, .term = 1 };
    struct state_record rec = { 1, slice_str("k"), slice_str("v") };
    struct sim_disk *disk;
    struct state_db *db;
    struct seen seen;
    bool is_sealed;
    int rc;

    if (original == NULL)
        make_original();
    if (size == 0 || size > FILE_MAX)
        return 0;
    disk = disk_new();
    is_sealed = lay_out(disk, data[0], data + 1, size - 1);
    rc = load(disk, &seen, &db);
    gq_assert(rc == 0 || rc == STATE_E_DAMAGED || rc == STATE_E_VERSION || rc == 1 || (rc < 0 && !is_sealed));
    if (is_sealed && rc == 0)
        gq_assert(seen.n == expected.n && seen.crc == expected.crc);
    if (rc == 0) {
        rc = state_write(db, GROUP, &applied, &rec, 1);
        gq_assert(rc == 0 || rc == STATE_E_DAMAGED || !is_sealed);
    }
    state_close(db);
    sim_disk_exit(disk);
    sim_disk_free(disk);
    return 0;
}
