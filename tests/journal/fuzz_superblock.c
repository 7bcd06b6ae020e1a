/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "journal/superblock.h"
#include "sim/disk.h"

/* Any bytes as a superblock: refused with a sentence and untouched, or taken; what is taken is written again and read
 * as the same.
 *
 *   input = flags u8 | bytes of the file, both copies
 *   flags: 1 put the checksum of the first copy right, 2 of the second, 4 there is data beside it, 8 no file at all */

static void put_right(uint8_t *copy)
{
    store_le32(copy + SUPERBLOCK_COPY_SIZE - 4, crc32c(0, copy, SUPERBLOCK_COPY_SIZE - 4));
}

static void write_file(struct env_disk *disk, const char *path, const void *data, size_t size)
{
    struct disk_file *f;

    gq_assert(disk_open(disk, path, DISK_WRITE | DISK_CREATE, &f) == 0);
    gq_assert(size == 0 || disk_pwrite(f, data, size, 0) == 0);
    disk_close(f);
}

static void lay_out(struct env_disk *disk, uint8_t flags, const uint8_t *data, size_t size)
{
    _cleanup_(freep) uint8_t *copy = memcpy(xmalloc(size + 1), data, size);

    for (unsigned i = 0; i < SUPERBLOCK_COPIES; i++)
        if ((flags & 1u << i) != 0 && size >= (i + 1) * (size_t)SUPERBLOCK_COPY_SIZE)
            put_right(copy + i * (size_t)SUPERBLOCK_COPY_SIZE);
    if ((flags & 8) == 0)
        write_file(disk, "superblock", copy, size);
    if ((flags & 4) != 0) {
        gq_assert(disk_mkdir(disk, "journal") == 0);
        write_file(disk, "journal/x", "x", 1);
    }
}

static void expect_same(const struct superblock *a, const struct superblock *b)
{
    gq_assert(strcmp(a->node_id, b->node_id) == 0 && a->broker_id == b->broker_id && a->n_shards == b->n_shards);
    gq_assert(a->flags == b->flags && a->boot_counter == b->boot_counter && a->created_ms == b->created_ms);
    gq_assert(uuid_eq(&a->cluster_id, &b->cluster_id) && uuid_eq(&a->incarnation, &b->incarnation));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_disk *disk;
    struct superblock sb, again;
    struct error_text err = { "" };
    uint64_t steps;
    int r;

    if (size == 0)
        return 0;
    disk = sim_disk_new(NULL);
    lay_out(sim_disk_env(disk), data[0], data + 1, size - 1);
    steps = sim_disk_steps(disk);
    r = superblock_read(sim_disk_env(disk), "n1", &sb, &err);
    gq_assert(sim_disk_steps(disk) == steps);
    gq_assert(r == 0 || r == -ENOENT || (r >= SUPERBLOCK_E_VERSION && r <= SUPERBLOCK_E_MISSING));
    gq_assert((err.text[0] != '\0') == (r != 0 && r != -ENOENT));
    if (r == 0) {
        gq_assert(strcmp(sb.node_id, "n1") == 0 && sb.n_shards > 0);
        gq_assert(superblock_write(sim_disk_env(disk), &sb, &err) == 0);
        sim_disk_crash(disk, SIM_CRASH_NOTHING, NULL);
        gq_assert(superblock_read(sim_disk_env(disk), "n1", &again, &err) == 0);
        expect_same(&sb, &again);
    }
    sim_disk_free(disk);
    return 0;
}
