/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/superblock.h"

#include <inttypes.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/endian.h"

#define NAME "superblock"
#define NAME_NEW "superblock.new"

DEFINE_CLEANUP(struct disk_file *, disk_close)

enum copy_verdict {
    COPY_GOOD,
    COPY_NEWER,
    COPY_DAMAGED,
};

static void copy_write(const struct superblock *sb, struct superblock_disk *to)
{
    size_t n = strlen(sb->node_id);

    gq_assert(n > 0 && n <= SUPERBLOCK_NODE_ID_MAX && sb->n_shards > 0);
    *to = (struct superblock_disk){
        .version = htole32(SUPERBLOCK_FORMAT_VERSION),
        .flags = htole32(sb->flags),
        .boot_counter = htole64(sb->boot_counter),
        .created_ms = (int64_t)htole64((uint64_t)sb->created_ms),
        .broker_id = (int32_t)htole32((uint32_t)sb->broker_id),
        .n_shards = htole32(sb->n_shards),
        .node_id_size = htole32((uint32_t)n),
    };
    memcpy(to->magic, SUPERBLOCK_MAGIC, sizeof(to->magic));
    memcpy(to->incarnation, sb->incarnation.bytes, sizeof(to->incarnation));
    memcpy(to->cluster_id, sb->cluster_id.bytes, sizeof(to->cluster_id));
    memcpy(to->node_id, sb->node_id, n);
    to->crc = htole32(crc32c(0, to, offsetof(struct superblock_disk, crc)));
}

static enum copy_verdict copy_read(const struct superblock_disk *d, struct superblock *ret)
{
    uint32_t n = le32toh(d->node_id_size);

    if (memcmp(d->magic, SUPERBLOCK_MAGIC, sizeof(d->magic)) != 0 ||
        le32toh(d->crc) != crc32c(0, d, offsetof(struct superblock_disk, crc)))
        return COPY_DAMAGED;
    if (le32toh(d->version) > SUPERBLOCK_FORMAT_VERSION)
        return COPY_NEWER;
    if (le32toh(d->version) != SUPERBLOCK_FORMAT_VERSION || n == 0 || n > SUPERBLOCK_NODE_ID_MAX || d->n_shards == 0 ||
        memchr(d->node_id, '\0', n) != NULL)
        return COPY_DAMAGED;
    *ret = (struct superblock){
        .broker_id = (int32_t)le32toh((uint32_t)d->broker_id),
        .n_shards = le32toh(d->n_shards),
        .flags = le32toh(d->flags),
        .boot_counter = le64toh(d->boot_counter),
        .created_ms = (int64_t)le64toh((uint64_t)d->created_ms),
    };
    memcpy(ret->node_id, d->node_id, n);
    memcpy(ret->incarnation.bytes, d->incarnation, sizeof(d->incarnation));
    memcpy(ret->cluster_id.bytes, d->cluster_id, sizeof(d->cluster_id));
    return COPY_GOOD;
}

/* A file system has one of its own, for root alone, wherever it is mounted. */
static bool is_of_file_system(const struct disk_dirent *ent)
{
    return ent->is_dir && strcmp(ent->name, "lost+found") == 0;
}

struct file_search {
    struct env_disk *disk;
    const char *path;
    unsigned depth; /* below the data directory */
};

#define DATA_DEPTH 3

static int find_file(void *ctx, const struct disk_dirent *ent)
{
    const struct file_search *s = ctx;
    _cleanup_(freep) char *path = xasprintf("%s/%s", s->path, ent->name);
    struct file_search below = { s->disk, path, s->depth + 1 };

    if (is_of_file_system(ent))
        return 0;
    return ent->is_dir && below.depth < DATA_DEPTH ? disk_list(s->disk, path, find_file, &below) : 1;
}

/* 1, with its name, when one of our directories has a file. */
static int find_data(struct env_disk *disk, const char **ret_name)
{
    static const char *const names[] = { "journal", "topics", "state" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct file_search s = { disk, names[i], 1 };
        int r = disk_list(disk, names[i], find_file, &s);

        *ret_name = names[i];
        if (r != 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

static int no_superblock(struct env_disk *disk, struct error_text *err)
{
    const char *name = NULL;
    int r = find_data(disk, &name);

    if (r < 0) {
        error_setf(err, "listing the data directory: %s", error_text(r));
        return r;
    }
    if (r == 0)
        return -ENOENT;
    error_setf(err,
               "the data directory has '%s' but no superblock: put its superblock back, or use an empty directory, or "
               "repair it: brokerd --repair shows what would be lost (nothing was changed)",
               name);
    return SUPERBLOCK_E_MISSING;
}

/* Each by itself: one that can't be read, or isn't there, is as bad as one with wrong bytes. */
static int read_copies(struct disk_file *f, struct superblock_disk copies[SUPERBLOCK_COPIES])
{
    for (size_t i = 0; i < SUPERBLOCK_COPIES; i++) {
        ssize_t n = disk_pread(f, &copies[i], sizeof(copies[i]), i * sizeof(copies[i]));

        if (n < 0 && n != -EIO)
            return (int)n;
        if (n != (ssize_t)sizeof(copies[i]))
            memset(&copies[i], 0, sizeof(copies[i]));
    }
    return 0;
}

/* The newest of the good copies; an update replaces both at once, so they differ only when one is damaged. */
static int pick(const struct superblock_disk copies[SUPERBLOCK_COPIES], struct superblock *ret, struct error_text *err)
{
    bool newer = false;
    uint32_t version = 0;

    for (size_t i = 0; i < SUPERBLOCK_COPIES; i++) {
        switch (copy_read(&copies[i], ret)) {
        case COPY_GOOD:
            return 0;
        case COPY_NEWER:
            newer = true;
            version = le32toh(copies[i].version);
            break;
        case COPY_DAMAGED:
            break;
        }
    }
    if (newer) {
        error_setf(err,
                   "superblock: format version %" PRIu32 ", this program knows up to %d: start the newer program again "
                   "(nothing was changed)",
                   version, SUPERBLOCK_FORMAT_VERSION);
        return SUPERBLOCK_E_VERSION;
    }
    error_setf(err,
               "superblock: both copies are damaged: put it back from a copy of the disk, or repair the directory: "
               "brokerd --repair shows what would be lost (nothing was changed)");
    return SUPERBLOCK_E_DAMAGED;
}

int superblock_read(struct env_disk *disk, const char *node_id, struct superblock *ret, struct error_text *err)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    struct superblock_disk copies[SUPERBLOCK_COPIES];
    struct superblock sb;
    int r = disk_open(disk, NAME, DISK_READ, &f);

    if (r == -ENOENT)
        return no_superblock(disk, err);
    if (r < 0) {
        error_setf(err, "opening the superblock: %s", error_text(r));
        return r;
    }
    r = read_copies(f, copies);
    if (r < 0) {
        error_setf(err, "reading the superblock: %s", error_text(r));
        return r;
    }
    r = pick(copies, &sb, err);
    if (r != 0)
        return r;
    if (strcmp(sb.node_id, node_id) != 0) {
        error_setf(err,
                   "the data directory belongs to node '%s', not to '%s': give the right data-dir or node-id "
                   "(nothing was changed)",
                   sb.node_id, node_id);
        return SUPERBLOCK_E_NODE;
    }
    *ret = sb;
    return 0;
}

int superblock_write_at(struct env_disk *disk, const char *path, const struct superblock *sb)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    struct superblock_disk copies[SUPERBLOCK_COPIES];
    int r = disk_open(disk, path, DISK_WRITE | DISK_CREATE, &f);

    if (r < 0)
        return r;
    for (int i = 0; i < SUPERBLOCK_COPIES; i++)
        copy_write(sb, &copies[i]);
    r = disk_truncate(f, 0); /* whatever an interrupted update left */
    if (r == 0)
        r = disk_pwrite(f, copies, sizeof(copies), 0);
    return r < 0 ? r : disk_sync_data(f);
}

int superblock_write(struct env_disk *disk, const struct superblock *sb, struct error_text *err)
{
    int r = superblock_write_at(disk, NAME_NEW, sb);

    if (r == 0)
        r = disk_rename(disk, NAME_NEW, NAME);
    if (r == 0)
        r = disk_sync_dir(disk, ".");
    if (r < 0)
        error_setf(err, "writing the superblock: %s", error_text(r));
    return r;
}

bool superblock_is_worn(struct env_disk *disk)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    struct superblock_disk copies[SUPERBLOCK_COPIES];
    struct superblock sb;

    if (disk_open(disk, NAME, DISK_READ, &f) < 0)
        return true;
    return read_copies(f, copies) < 0 || copy_read(&copies[0], &sb) == COPY_DAMAGED ||
           copy_read(&copies[1], &sb) == COPY_DAMAGED;
}
