/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <err.h>
#include <stdio.h>

#include "base/endian.h"
#include "base/util.h"
#include "log/fixture.h"
#include "log/format.h"
#include "wire/batch.h"

/* make-log-corpus DIRECTORY: writes the corpus of fuzz-log, the same files each time: small logs of all kinds of
 * entries, intact, cut short, and with single bytes changed. */

static size_t put_part(uint8_t *to, const struct fx *fx, uint64_t base_index, enum segment_file kind)
{
    char name[SEGMENT_FILE_NAME_SIZE], path[128];
    struct disk_file *f;
    ssize_t n;

    segment_file_name(name, base_index, kind);
    snprintf(path, sizeof(path), FX_DIR "/%s", name);
    if (disk_open(fx->config.disk, path, DISK_READ, &f) < 0)
        return 0;
    n = disk_pread(f, to + 4, UINT16_MAX, 0);
    disk_close(f);
    to[0] = (uint8_t)kind;
    to[1] = (uint8_t)base_index;
    store_le16(to + 2, (uint16_t)n);
    return 4 + (size_t)n;
}

static void write_file(const char *directory, const char *name, unsigned number, const void *data, size_t size)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s-%u", directory, name, number);
    FILE *f = fopen(path, "wb");

    if (f == NULL || fwrite(data, size, 1, f) != 1 || fclose(f) != 0)
        err(1, "%s", path);
}

/* The last record of the last table is the checkpoint. */
static void write_log(const char *directory, const char *name, struct fx *fx)
{
    static uint8_t data[1 << 20];
    size_t size = 3;

    gq_assert(fx_append(fx, 0) == 0);
    gq_assert(fx_sync(fx, 0) == 0);
    data[0] = 0;
    data[2] = 0;
    for (uint64_t base = 1; base < 256; base++) {
        for (unsigned kind = 0; kind < SEGMENT_N_FILES; kind++) {
            size_t n = put_part(data + size, fx, base, kind);

            size += n;
            if (n > 0 && kind == SEGMENT_ENTRIES)
                data[1] = (uint8_t)(table_count(n - 4) - 1);
        }
    }
    write_file(directory, name, 0, data, size);
    write_file(directory, name, 1, data, size / 2);
    for (unsigned i = 2; i < 8; i++) {
        size_t at = size * (i - 1) / 7;

        data[0] = i % 2;
        data[2] = (uint8_t)(i / 2);
        data[at] ^= 0x21;
        write_file(directory, name, i, data, size);
        data[at] ^= 0x21;
    }
    fx_fini(fx);
}

static void init(struct fx *fx)
{
    fx_init(fx, NULL);
    log_set_limits(fx->log, 400, 0);
}

int main(int argc, char **argv)
{
    struct fx fx;

    if (argc != 2)
        errx(64, "usage: make-log-corpus DIRECTORY");
    init(&fx);
    fx_add(&fx, .term = 1);
    for (unsigned i = 0; i < 40; i++)
        fx_add(&fx, .commands_size = 1);
    write_log(argv[1], "commands", &fx);
    init(&fx);
    fx_add(&fx, .n_records = 2, .value_size = 9, .timestamp_ms = 1000);
    write_log(argv[1], "one", &fx);
    init(&fx);
    for (unsigned i = 0; i < 5; i++) {
        fx_add(&fx, .term = 1 + i);
        fx_add(&fx, .n_records = 1 + i, .n_batches = 2, .value_size = 20, .timestamp_ms = 990 + i, .commands_size = i);
    }
    write_log(argv[1], "mixed", &fx);
    return 0;
}
