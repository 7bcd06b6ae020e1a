/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Recovery from any bytes: it ends with what it found or with a sentence, never with a crash; what it accepts it
 * accepts again, also after a start. The dump of the same bytes must come to an end too.
 *
 * The low bits of an input's first byte say what the rest is: 0 a whole file; 1 all but its header, which is made; 2
 * records, for which header and blocks are made; 3 records for two files, half of them for each. Of made files bit 4
 * flags the last block as such, bit 5 says in the header that all of it was flushed. */

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "journal/dump.h"
#include "journal/files.h"
#include "journal/journal.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "support/fuzz.h"

#define FILE_SIZE ((size_t)64 * 1024)
#define INPUT_MAX ((size_t)40 * 1024)

struct seen {
    uint32_t crc;
};

static struct sim_disk *disk;
static struct sim_prng prng;
static uint8_t image[FILE_SIZE];

static void write_image(uint64_t generation)
{
    struct journal_dir d = { sim_disk_env(disk), "journal/0" };
    _cleanup_(freep) char *path = journal_path(&d, generation, JOURNAL_NAME_LIVE);
    struct disk_file *f;

    gq_assert(journal_dir_make(&d) == 0);
    gq_assert(disk_open(d.disk, path, DISK_WRITE | DISK_CREATE, &f) == 0);
    gq_assert(disk_pwrite(f, image, sizeof(image), 0) == 0);
    gq_assert(disk_sync_data(f) == 0 && disk_sync_dir(d.disk, d.path) == 0);
    disk_close(f);
}

static struct journal_file_header make_header(uint64_t generation, uint64_t flushed_lsn)
{
    struct journal_file_header h = {
        .version = JOURNAL_FORMAT_VERSION,
        .generation = generation,
        .prev_generation = generation - 1,
        .base_lsn = (generation - 1) * FILE_SIZE,
        .file_size = FILE_SIZE,
        .flushed_lsn = flushed_lsn,
        .salt = 0x5a17,
    };

    journal_file_header_write(&h, (struct journal_disk_file *)image);
    return h;
}

/* Entries whose checksums are wrong would hide everything behind them. */
static void fix_entries(uint8_t *records, size_t size)
{
    size_t total;

    for (size_t at = 0; at + 8 <= size; at += total) {
        size_t body = load_le32(records + at), fixed = sizeof(struct journal_disk_entry);
        uint8_t kind = records[at + 4];

        total = journal_record_size(body);
        if (total > size - at)
            break;
        if ((kind == JOURNAL_RECORD_ENTRY || kind == JOURNAL_RECORD_RELOCATED) && body >= fixed)
            store_le32(records + at + 8 + 24, crc32c(0, records + at + 8 + fixed, body - fixed));
    }
}

/* Where the first record of the second block starts, if the sizes make sense. */
static uint32_t first_record(const uint8_t *records, size_t first, size_t n)
{
    size_t at = 0;

    while (at < first)
        at += journal_record_size(load_le32(records + at));
    return (uint32_t)MIN(at - first, n);
}

/* A file of two blocks that together hold the records. */
static void make_file(uint64_t generation, uint8_t what, uint8_t *records, size_t size)
{
    struct journal_file_header h = make_header(generation, 0);
    size_t at = JOURNAL_FILE_HEADER_SIZE, first = size / 2 - size / 2 % 8;

    for (int i = 0; i < 2; i++) {
        size_t n = i == 0 ? first : (size - first) - (size - first) % 8;
        struct journal_block b = {
            .generation = generation,
            .salt = h.salt,
            .lsn = h.base_lsn + at,
            .payload_offset = JOURNAL_BLOCK_HEADER_SIZE,
            .payload_size = (uint32_t)n,
        };

        if (n == 0)
            continue;
        b.first_record = i == 0 ? 0 : first_record(records, first, n);
        b.flags = i == 1 && (what & 0x10) != 0 ? JOURNAL_BLOCK_LAST : 0;
        memcpy(image + at + JOURNAL_BLOCK_HEADER_SIZE, records + (i == 0 ? 0 : first), n);
        b.payload_crc = crc32c(0, image + at + JOURNAL_BLOCK_HEADER_SIZE, n);
        journal_block_write(&b, image + at);
        at += journal_block_size(&b);
    }
    if ((what & 0x20) != 0)
        make_header(generation, h.base_lsn + at);
}

static void make_images(uint8_t what, const uint8_t *data, size_t size)
{
    _cleanup_(freep) uint8_t *records = memcpy(xmalloc(size + 8), data, size);
    size_t half = size / 2 - size / 2 % 8;

    fix_entries(records, size);
    memset(image, 0, sizeof(image));
    switch (what % 4) {
    case 0:
        memcpy(image, data, size);
        write_image(1);
        break;
    case 1:
        memcpy(image + JOURNAL_FILE_HEADER_SIZE, data, size);
        make_header(1, 0);
        write_image(1);
        break;
    case 2:
        make_file(1, what, records, size);
        write_image(1);
        break;
    case 3:
        make_file(1, what, records, half);
        write_image(1);
        memset(image, 0, sizeof(image));
        make_file(2, what & 0xef, records + half, size - half);
        write_image(2);
        break;
    }
}

static int see_group(void *ctx, const struct journal_group_state *st)
{
    struct seen *seen = ctx;
    uint64_t all[] = { st->group,
                       st->term,
                       (uint64_t)st->vote,
                       st->checkpoint_index,
                       st->checkpoint_term,
                       (uint64_t)st->checkpoint_offset,
                       st->checkpoint_checksum,
                       (uint64_t)st->log_start };

    seen->crc = crc32c(seen->crc, all, sizeof(all));
    return 0;
}

static int see_record(void *ctx, const struct journal_replay_record *rec)
{
    struct seen *seen = ctx;
    uint64_t all[] = { rec->group, rec->index, rec->term, rec->checksum, rec->prev_checksum };

    gq_assert(crc32c(0, rec->data.data, rec->data.size) == rec->checksum);
    seen->crc = crc32c(seen->crc, all, sizeof(all));
    return 0;
}

/* Returns 0 or JOURNAL_E_*. */
static int recover(bool start, struct seen *seen)
{
    struct journal_config config = {
        .disk = sim_disk_env(disk),
        .prng = &prng.env,
        .dir = "journal/0",
        .size_bytes = 16 * FILE_SIZE,
        .file_size_bytes = FILE_SIZE,
        .first_file_size_bytes = FILE_SIZE,
    };
    struct sim_lane *lane = sim_lane_new(1, 1);
    struct error_text err;
    struct journal *j;
    int r = journal_open(&config, &j, &err);

    *seen = (struct seen){ 0 };
    if (r == 0) {
        gq_assert(journal_groups(j, see_group, seen) == 0);
        r = journal_replay(j, see_record, seen, &err);
        if (r == 0 && start) {
            gq_assert(journal_start(j, sim_lane_env(lane, 0), &err) == 0);
            journal_tick(j);
            while (sim_lane_step(lane, NULL))
                ;
        }
        journal_free(j);
    }
    gq_assert(r == 0 || ((r == JOURNAL_E_CORRUPT || r == JOURNAL_E_VERSION) && err.text[0] != '\0'));
    sim_lane_free(lane);
    sim_disk_exit(disk);
    return r;
}

static int count_item(void *ctx, const struct journal_dump_item *item)
{
    size_t *n = ctx;

    gq_assert(item->name != NULL);
    for (size_t i = 0; i < item->n_fields; i++)
        gq_assert(item->fields[i].name != NULL && item->fields[i].value != NULL);
    return ++*n > 1000000;
}

static void dump(void)
{
    struct journal_dir d = { sim_disk_env(disk), "journal/0" };
    _cleanup_(freep) char *path = journal_path(&d, 1, JOURNAL_NAME_LIVE);
    size_t n = 0;
    int r = journal_dump(d.disk, path, count_item, &n, NULL);

    gq_assert(r == 0 || r == JOURNAL_E_CORRUPT || r == JOURNAL_E_VERSION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen first, again, later;
    int r;

    if (size == 0 || size - 1 > INPUT_MAX)
        return 0;
    sim_prng_init(&prng, 1);
    disk = sim_disk_new(&prng);
    make_images(data[0], data + 1, size - 1);
    dump();
    r = recover(false, &first);
    gq_assert(recover(true, &again) == r && again.crc == first.crc);
    if (r == 0) {
        gq_assert(recover(true, &later) == 0 && later.crc == first.crc);
        sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
        gq_assert(recover(true, &later) == 0 && later.crc == first.crc);
    }
    sim_disk_free(disk);
    return 0;
}
