/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "node/internal.h"

/* The file that says who formed the cluster (docs/format/formation.md). It is durable before the superblock says that
 * the node belongs to one, and is never changed. */

#define MAGIC "GQFORMED"
#define MAGIC_SIZE 8
#define FILE_VERSION 1
#define HEADER_SIZE (MAGIC_SIZE + 4 + 4 + 4)
#define FILE_MAX (64u << 10)
#define PATH_NEW NODE_FORMATION_PATH ".new"

DEFINE_CLEANUP(struct disk_file *, disk_close)

static int damaged(struct error_text *err, const char *why)
{
    error_setf(err, NODE_FORMATION_PATH ": %s", why);
    return NODE_E_DATA;
}

static int parse(const uint8_t *data, size_t size, struct meta_formation *ret, struct error_text *err)
{
    struct slice command;
    struct rd r;

    rd_init(&r, data, size);
    if (size < HEADER_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
        return damaged(err, "it is damaged");
    rd_skip(&r, MAGIC_SIZE);
    if (rd_le32(&r) != FILE_VERSION)
        return damaged(err, "it was written by a newer version");
    command = slice_make(data + HEADER_SIZE, size - HEADER_SIZE);
    if (rd_le32(&r) != command.size ||
        rd_le32(&r) != crc32c(crc32c(0, data, HEADER_SIZE - 4), command.data, command.size))
        return damaged(err, "it is damaged");
    return meta_formation_read(command, ret) == 0 ? 0 : damaged(err, "it is damaged");
}

int node_formation_load(struct env_disk *disk, struct meta_formation *ret, struct error_text *err)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    _cleanup_(freep) uint8_t *data = NULL;
    uint64_t size;
    ssize_t n;
    int rc = disk_open(disk, NODE_FORMATION_PATH, DISK_READ, &f);

    if (rc == -ENOENT)
        return rc;
    if (rc == 0)
        rc = disk_size(f, &size);
    if (rc < 0) {
        error_setf(err, NODE_FORMATION_PATH ": %s", strerror(-rc));
        return rc;
    }
    if (size > FILE_MAX)
        return damaged(err, "it is damaged");
    data = xmalloc((size_t)size + 1);
    n = disk_pread(f, data, (size_t)size, 0);
    if (n < 0) {
        error_setf(err, NODE_FORMATION_PATH ": %s", strerror((int)-n));
        return (int)n;
    }
    return parse(data, (size_t)n, ret, err);
}

static void write_file(struct wr *w, const struct meta_formation *f)
{
    size_t size;
    uint32_t crc;

    wr_init_growing(w, 512, FILE_MAX);
    wr_bytes(w, MAGIC, MAGIC_SIZE);
    wr_le32(w, FILE_VERSION);
    wr_le32(w, 0);
    wr_le32(w, 0);
    meta_write_formation(w, f);
    gq_assert(w->error == 0);
    size = wr_size(w) - HEADER_SIZE;
    store_le32(w->start + MAGIC_SIZE + 4, (uint32_t)size);
    crc = crc32c(crc32c(0, w->start, HEADER_SIZE - 4), w->start + HEADER_SIZE, size);
    store_le32(w->start + MAGIC_SIZE + 8, crc);
}

static int write_new(struct env_disk *disk, const struct wr *w)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    int rc = disk_open(disk, PATH_NEW, DISK_WRITE | DISK_CREATE, &f);

    if (rc == 0)
        rc = disk_truncate(f, 0); /* whatever an interrupted forming left */
    if (rc == 0)
        rc = disk_pwrite(f, w->start, wr_size(w), 0);
    return rc < 0 ? rc : disk_sync_data(f);
}

int node_formation_store(struct env_disk *disk, const struct meta_formation *f)
{
    struct wr w;
    int rc;

    write_file(&w, f);
    rc = write_new(disk, &w);
    wr_fini(&w);
    if (rc == 0)
        rc = disk_rename(disk, PATH_NEW, NODE_FORMATION_PATH);
    return rc == 0 ? disk_sync_dir(disk, ".") : rc;
}

const struct meta_founder *node_founder(const struct meta_formation *f, const struct superblock *sb)
{
    for (uint32_t i = 0; i < f->n_founders; i++)
        if (strcmp(f->founders[i].node_id, sb->node_id) == 0)
            return &f->founders[i];
    return NULL;
}

bool node_has_founded(const struct meta_formation *f, const struct superblock *sb)
{
    const struct meta_founder *founder = node_founder(f, sb);

    return founder != NULL && uuid_eq(&founder->incarnation, &sb->incarnation);
}

void node_formation_adopt(const struct meta_formation *f, struct superblock *sb)
{
    const struct meta_founder *self = node_founder(f, sb);

    gq_assert(self != NULL);
    sb->cluster_id = f->cluster_id;
    sb->broker_id = self->id;
    sb->flags |= SUPERBLOCK_CLUSTER;
}

void node_formation_members(const struct meta_formation *f, struct replica_members *ret)
{
    *ret = (struct replica_members){ .n_members = f->n_founders };
    for (uint32_t i = 0; i < f->n_founders; i++)
        ret->members[i] = (struct replica_member){
            .id = f->founders[i].id,
            .roles = f->founders[i].votes ? RAFT_VOTER : RAFT_LEARNER,
            .incarnation = f->founders[i].incarnation,
        };
}
