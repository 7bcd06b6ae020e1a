/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/crc32c.h"
#include "log/internal.h"

static int write_file(struct env_disk *disk, const char *path, const struct iovec *iov, int n_iov, bool sync)
{
    struct disk_file *f;
    int r = disk_open(disk, path, DISK_WRITE | DISK_CREATE, &f);

    if (r < 0)
        return r;
    r = disk_truncate(f, 0);
    if (r == 0)
        r = disk_pwritev(f, iov, n_iov, 0);
    if (r == 0 && sync && !GQ_BUG(SNAPSHOT_NOT_SYNCED))
        r = disk_sync_data(f);
    disk_close(f);
    return r;
}

int snapshot_write_file(struct env_disk *disk, const char *path, const struct log_position *at, struct slice body,
                        bool sync)
{
    const struct snapshot_header h = {
        .index = at->index,
        .term = at->term,
        .next_offset = at->next_offset,
        .checksum = at->checksum,
        .body_size = body.size,
        .body_crc = crc32c(0, body.data, body.size),
    };
    uint8_t header[SNAPSHOT_HEADER_SIZE];
    const struct iovec iov[] = { { header, sizeof(header) }, { (void *)body.data, body.size } };

    snapshot_header_write(&h, header);
    return write_file(disk, path, iov, ARRAY_SIZE(iov), sync);
}

int snapshot_write(struct env_disk *disk, const char *dir, const char *tmp_suffix, const struct log_position *at,
                   struct slice body, bool sync)
{
    char path[LOG_PATH_SIZE], tmp[LOG_PATH_SIZE];
    int r;

    segment_path(path, dir, at->index + 1, SEGMENT_SNAPSHOT);
    gq_assert(strlen(path) + strlen(tmp_suffix) < sizeof(tmp));
    strcpy(stpcpy(tmp, path), tmp_suffix);
    r = snapshot_write_file(disk, tmp, at, body, sync);
    if (r == 0)
        r = disk_rename(disk, tmp, path);
    if (r < 0)
        disk_unlink(disk, tmp);
    return r;
}

static int read_whole(struct env_disk *disk, const char *path, uint8_t **ret_data, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *data = NULL;
    struct disk_file *f;
    uint64_t size;
    ssize_t n;
    int r = disk_open(disk, path, DISK_READ, &f);

    if (r < 0)
        return r;
    r = disk_size(f, &size);
    if (r == 0 && (data = malloc(size + 1)) == NULL)
        r = -ENOMEM;
    if (r == 0) {
        n = disk_pread(f, data, size, 0);
        r = n < 0 ? (int)n : (uint64_t)n == size ? 0 : -EBADMSG;
    }
    disk_close(f);
    if (r < 0)
        return r;
    *ret_data = TAKE_PTR(data);
    *ret_size = size;
    return 0;
}

int snapshot_read_file(struct env_disk *disk, const char *path, uint64_t index, struct log_position *ret_at,
                       uint8_t **ret_data, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *data = NULL;
    struct snapshot_header h;
    size_t size;
    int r = read_whole(disk, path, &data, &size);

    if (r < 0)
        return r;
    if (size < SNAPSHOT_HEADER_SIZE)
        return -EBADMSG;
    r = snapshot_header_read(data, &h);
    if (r != 0)
        return r == FORMAT_E_VERSION ? LOG_E_VERSION : r;
    size -= SNAPSHOT_HEADER_SIZE;
    if (h.index != index || h.body_size != size || h.body_crc != crc32c(0, data + SNAPSHOT_HEADER_SIZE, size))
        return -EBADMSG;
    memmove(data, data + SNAPSHOT_HEADER_SIZE, size);
    *ret_at = (struct log_position){ h.index, h.term, h.next_offset, h.checksum };
    *ret_data = TAKE_PTR(data);
    *ret_size = size;
    return 0;
}

int snapshot_read(struct env_disk *disk, const char *dir, uint64_t index, uint8_t **ret_data, size_t *ret_size)
{
    struct log_position at;
    char path[LOG_PATH_SIZE];

    segment_path(path, dir, index + 1, SEGMENT_SNAPSHOT);
    return snapshot_read_file(disk, path, index, &at, ret_data, ret_size);
}
