/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/files.h"

#include <inttypes.h>
#include <string.h>

#include "base/bug.h"
#include "base/util.h"
#include "journal/groups.h"

#define GENERATION_DIGITS 20
#define ZEROS_SIZE ((size_t)64 * 1024)
#define ZEROS_PER_WRITE 16

static const char *const suffixes[] = {
    [JOURNAL_NAME_LIVE] = JOURNAL_SUFFIX_LIVE,
    [JOURNAL_NAME_SPARE] = JOURNAL_SUFFIX_SPARE,
    [JOURNAL_NAME_NEW] = JOURNAL_SUFFIX_NEW,
};

struct journal_file *journal_file_new(const struct journal_file_header *h)
{
    struct journal_file *f = xcalloc(1, sizeof(*f));

    f->header = *h;
    f->end = JOURNAL_FILE_HEADER_SIZE;
    f->table_lsn = UINT64_MAX;
    list_init(&f->link);
    list_init(&f->usages);
    arena_init(&f->usage_memory, SIZE_MAX);
    return f;
}

void journal_file_free(struct journal_file *f)
{
    struct journal_usage *u, *tmp;

    if (f == NULL)
        return;
    list_foreach_safe (&f->usages, u, tmp, in_file)
        journal_usage_drop(u);
    arena_fini(&f->usage_memory);
    list_remove(&f->link);
    disk_close(f->io);
    free(f);
}

char *journal_path(const struct journal_dir *d, uint64_t generation, enum journal_name_kind kind)
{
    return xasprintf("%s/%0*" PRIu64 "%s", d->path, GENERATION_DIGITS, generation, suffixes[kind]);
}

bool journal_name_parse(const char *name, uint64_t *ret_generation, enum journal_name_kind *ret_kind)
{
    uint64_t generation = 0;

    for (int i = 0; i < GENERATION_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9' || mul_overflows(generation, 10, &generation) ||
            add_overflows(generation, (uint64_t)(name[i] - '0'), &generation))
            return false;
    }
    for (size_t kind = 0; kind < ARRAY_SIZE(suffixes); kind++) {
        if (strcmp(name + GENERATION_DIGITS, suffixes[kind]) == 0 && generation > 0) {
            *ret_generation = generation;
            *ret_kind = (enum journal_name_kind)kind;
            return true;
        }
    }
    return false;
}

/* Makes path and syncs the directory that holds it. */
static int make_one(struct env_disk *disk, char *path)
{
    char *slash = strrchr(path, '/');
    int r = disk_mkdir(disk, path);

    if (r == -EEXIST)
        return 0;
    if (r < 0)
        return r;
    if (slash == NULL)
        return disk_sync_dir(disk, ".");
    *slash = '\0';
    r = disk_sync_dir(disk, path);
    *slash = '/';
    return r;
}

int journal_dir_make(const struct journal_dir *d)
{
    _cleanup_(freep) char *path = xstrdup(d->path);

    for (char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/')) {
        int r;

        *p = '\0';
        r = make_one(d->disk, path);
        *p = '/';
        if (r < 0)
            return r;
    }
    return make_one(d->disk, path);
}

static int allocate(struct disk_file *io, uint64_t size)
{
    int r = disk_allocate(io, 0, size);

    return r == -EOPNOTSUPP ? 0 : r;
}

static int write_zeros(struct disk_file *io, uint64_t at, uint64_t to)
{
    static const uint8_t zeros[ZEROS_SIZE] __attribute__((aligned(DISK_ALIGN)));

    while (at < to) {
        struct iovec iov[ZEROS_PER_WRITE];
        uint64_t n = 0;
        int i, r;

        for (i = 0; i < ZEROS_PER_WRITE && at + n < to; i++) {
            iov[i] = (struct iovec){ (void *)zeros, MIN(ZEROS_SIZE, to - at - n) };
            n += iov[i].iov_len;
        }
        r = disk_pwritev(io, iov, i, at);
        if (r == -EINTR)
            continue;
        if (r < 0)
            return r;
        at += n;
    }
    return 0;
}

static int fill_with_zeros(struct disk_file *io, uint64_t size)
{
    int r = allocate(io, size);

    return r < 0 ? r : write_zeros(io, 0, size);
}

static int start_blank(const struct journal_dir *d, struct journal_blank *b)
{
    _cleanup_(freep) char *path = journal_path(d, b->generation, JOURNAL_NAME_NEW);
    int r = disk_open(d->disk, path, DISK_WRITE | DISK_DIRECT | DISK_CREATE, &b->io);

    return r < 0 ? r : allocate(b->io, b->size);
}

int journal_blank_fill(const struct journal_dir *d, struct journal_blank *b, uint64_t to, const char **what)
{
    int r = 0;

    *what = "filling a journal file with zeros";
    if (b->io == NULL)
        r = start_blank(d, b);
    if (r == 0)
        r = write_zeros(b->io, b->filled, to);
    if (r == 0)
        b->filled = to;
    else
        journal_blank_drop(d, b);
    return r;
}

void journal_blank_drop(const struct journal_dir *d, struct journal_blank *b)
{
    _cleanup_(freep) char *path = journal_path(d, b->generation, JOURNAL_NAME_NEW);

    disk_close(TAKE_PTR(b->io));
    (void)disk_unlink(d->disk, path);
}

static int write_header(struct disk_file *io, const struct journal_file_header *h)
{
    struct journal_disk_file *d = aligned_alloc(DISK_ALIGN, sizeof(*d));
    int r;

    gq_assert(d != NULL);
    journal_file_header_write(h, d);
    do
        r = disk_pwrite(io, d, sizeof(*d), 0);
    while (r == -EINTR);
    free(d);
    return r;
}

static int write_contents(struct journal_make *m, const char **what)
{
    struct journal_file_header *h = &m->header;
    int r = 0;

    m->end = JOURNAL_FILE_HEADER_SIZE;
    *what = "filling a journal file with zeros";
    if (m->spare == 0 && m->blank == 0)
        r = fill_with_zeros(m->io, h->file_size);
    if (r == 0 && m->head.size > 0) {
        struct journal_block_writer w;

        *what = "writing the start of a journal file";
        journal_staging_grow(m->staging, m->head.size);
        journal_block_writer_init(&w, m->io, m->staging, h, m->end, h->flushed_lsn);
        journal_block_writer_records(&w, m->head);
        r = journal_block_writer_finish(&w, 0, &m->end);
        h->flushed_lsn = h->base_lsn + m->end;
    }
    if (r == 0) {
        *what = "writing a journal file's header";
        r = write_header(m->io, h);
    }
    if (r == 0) {
        *what = "syncing a new journal file";
        r = disk_sync_data(m->io);
    }
    return r;
}

int journal_file_make(const struct journal_dir *d, struct journal_make *m, const char **what)
{
    uint64_t from_generation = m->spare != 0 ? m->spare : m->blank != 0 ? m->blank : m->header.generation;
    _cleanup_(freep) char *from =
        journal_path(d, from_generation, m->spare != 0 ? JOURNAL_NAME_SPARE : JOURNAL_NAME_NEW);
    _cleanup_(freep) char *to = journal_path(d, m->header.generation, JOURNAL_NAME_LIVE);
    int r = 0;

    *what = "opening a new journal file";
    if (m->blank == 0)
        r = disk_open(d->disk, from, DISK_WRITE | DISK_DIRECT | (m->spare == 0 ? DISK_CREATE : 0), &m->io);
    if (r < 0)
        return r;
    r = write_contents(m, what);
    if (r < 0) {
        disk_close(m->io);
        m->io = NULL;
        if (m->spare == 0)
            (void)disk_unlink(d->disk, from);
        return r;
    }
    *what = "renaming a new journal file";
    r = disk_rename(d->disk, from, to);
    if (r < 0 && m->spare == 0)
        (void)disk_unlink(d->disk, from);
    if (r == 0 && !GQ_BUG(FILE_NAME_NOT_SYNCED))
        r = disk_sync_dir(d->disk, d->path);
    if (r < 0) {
        disk_close(m->io);
        m->io = NULL;
    }
    return r;
}

int journal_file_reserve(const struct journal_dir *d, uint64_t generation, uint64_t size, const char **what)
{
    _cleanup_(freep) char *from = journal_path(d, generation, JOURNAL_NAME_NEW);
    _cleanup_(freep) char *to = journal_path(d, generation, JOURNAL_NAME_SPARE);
    struct disk_file *io = NULL;
    int r = disk_open(d->disk, from, DISK_WRITE | DISK_DIRECT | DISK_CREATE, &io);

    *what = "making a reserve file for the journal";
    if (r < 0)
        return r;
    r = fill_with_zeros(io, size);
    if (r == 0)
        r = disk_sync_data(io);
    disk_close(io);
    if (r == 0)
        r = disk_rename(d->disk, from, to);
    if (r < 0) {
        (void)disk_unlink(d->disk, from);
        return r;
    }
    return disk_sync_dir(d->disk, d->path);
}

int journal_file_retire(const struct journal_dir *d, uint64_t generation, bool keep, const char **what)
{
    _cleanup_(freep) char *from = journal_path(d, generation, JOURNAL_NAME_LIVE);
    _cleanup_(freep) char *to = journal_path(d, generation, JOURNAL_NAME_SPARE);
    int r = keep ? disk_rename(d->disk, from, to) : disk_unlink(d->disk, from);

    *what = "taking a journal file out of use";
    return r < 0 ? r : disk_sync_dir(d->disk, d->path);
}

int journal_file_drop(const struct journal_dir *d, uint64_t generation, enum journal_name_kind kind, const char **what)
{
    _cleanup_(freep) char *path = journal_path(d, generation, kind);
    int r = disk_unlink(d->disk, path);

    gq_assert(kind != JOURNAL_NAME_LIVE);
    *what = "removing an unused journal file";
    return r < 0 ? r : disk_sync_dir(d->disk, d->path);
}
