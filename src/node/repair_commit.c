/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of a repair's renames, and carrying it out. docs/format/repair.md.
 *
 * First all damaged files are moved away and that is made durable, then the new ones get their places, then the list
 * goes. Each rename is skipped when it was done before, so it may be run any number of times. */

#include <stdio.h>

#include "base/crc32c.h"
#include "node/repair_internal.h"

#define COMMIT "repair.commit"
#define COMMIT_NEW "repair.commit.new"
#define STAGING "repair"

DEFINE_CLEANUP(struct disk_file *, disk_close)

static void add(char ***array, size_t n, char *text)
{
    *array = xrealloc(*array, (n + 1) * sizeof(**array));
    (*array)[n] = text;
}

void repair_list_move(struct repair_list *l, const char *path)
{
    for (size_t i = 0; i < l->n_moves; i++) {
        if (strcmp(l->moves[i], path) == 0)
            return;
    }
    add(&l->moves, l->n_moves++, xstrdup(path));
}

void repair_list_install(struct repair_list *l, const char *from, const char *to)
{
    add(&l->from, l->n_installs, xstrdup(from));
    add(&l->to, l->n_installs++, xstrdup(to));
}

void repair_list_fini(struct repair_list *l)
{
    for (size_t i = 0; i < l->n_moves; i++)
        free(l->moves[i]);
    for (size_t i = 0; i < l->n_installs; i++) {
        free(l->from[i]);
        free(l->to[i]);
    }
    free(l->moves);
    free(l->from);
    free(l->to);
    *l = (struct repair_list){ 0 };
}

/* ---- Names ---- */

struct names {
    char **items;
    bool *is_dir;
    size_t n;
};

static int note_name(void *ctx, const struct disk_dirent *ent)
{
    struct names *names = ctx;

    names->is_dir = xrealloc(names->is_dir, (names->n + 1) * sizeof(*names->is_dir));
    names->is_dir[names->n] = ent->is_dir;
    add(&names->items, names->n++, xstrdup(ent->name));
    return 0;
}

static void names_fini(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
    free(names->is_dir);
}

int repair_remove_tree(struct env_disk *disk, const char *path)
{
    struct names names = { 0 };
    int r = disk_list(disk, path, note_name, &names);

    if (r == -ENOENT)
        return 0;
    for (size_t i = 0; r == 0 && i < names.n; i++) {
        _cleanup_(freep) char *below = xasprintf("%s/%s", path, names.items[i]);

        r = names.is_dir[i] ? repair_remove_tree(disk, below) : disk_unlink(disk, below);
    }
    names_fini(&names);
    return r == 0 ? disk_unlink(disk, path) : r;
}

struct look {
    const char *name;
    bool found;
};

static int look_for(void *ctx, const struct disk_dirent *ent)
{
    struct look *l = ctx;

    l->found = l->found || strcmp(ent->name, l->name) == 0;
    return 0;
}

/* "." for a name without one. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
}

bool repair_exists(struct env_disk *disk, const char *path)
{
    _cleanup_(freep) char *parent = parent_of(path);
    const char *slash = strrchr(path, '/');
    struct look l = { .name = slash != NULL ? slash + 1 : path };

    return disk_list(disk, parent, look_for, &l) == 0 && l.found;
}

/* All directories on the way to path, durable. */
static int make_parents(struct env_disk *disk, const char *path)
{
    _cleanup_(freep) char *copy = xstrdup(path);

    for (char *p = strchr(copy, '/'); p != NULL; p = strchr(p + 1, '/')) {
        _cleanup_(freep) char *parent = NULL;
        int r;

        *p = '\0';
        parent = parent_of(copy);
        r = disk_mkdir(disk, copy);
        if (r == 0 || r == -EEXIST)
            r = disk_sync_dir(disk, parent);
        if (r < 0)
            return r;
        *p = '/';
    }
    return 0;
}

static int sync_parent(struct env_disk *disk, const char *path)
{
    _cleanup_(freep) char *parent = parent_of(path);
    int r = disk_sync_dir(disk, parent);

    return r == -ENOENT ? 0 : r; /* it moved as a whole */
}

/* ---- Carrying out ---- */

static int move_one(struct env_disk *disk, unsigned number, const char *path)
{
    _cleanup_(freep) char *to = xasprintf("damaged-%u/%s", number, path);
    int r;

    if (repair_exists(disk, to) || !repair_exists(disk, path))
        return 0;
    r = make_parents(disk, to);
    return r == 0 ? disk_rename(disk, path, to) : r;
}

static int sync_move(struct env_disk *disk, unsigned number, const char *path)
{
    _cleanup_(freep) char *to = xasprintf("damaged-%u/%s", number, path);
    int r = sync_parent(disk, to);

    return r == 0 ? sync_parent(disk, path) : r;
}

static int carry_out(struct env_disk *disk, const struct repair_list *l)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < l->n_moves; i++)
        r = move_one(disk, l->number, l->moves[i]);
    for (size_t i = 0; r == 0 && i < l->n_moves; i++)
        r = sync_move(disk, l->number, l->moves[i]);
    for (size_t i = 0; r == 0 && i < l->n_installs; i++) {
        if (!repair_exists(disk, l->from[i]))
            continue;
        r = make_parents(disk, l->to[i]);
        if (r == 0)
            r = disk_rename(disk, l->from[i], l->to[i]);
    }
    for (size_t i = 0; r == 0 && i < l->n_installs; i++)
        r = sync_parent(disk, l->to[i]);
    if (r == 0)
        r = disk_unlink(disk, COMMIT);
    if (r == 0)
        r = disk_sync_dir(disk, ".");
    return r == 0 ? repair_remove_tree(disk, STAGING) : r;
}

/* ---- The list on disk ---- */

static int write_list(struct env_disk *disk, const char *text, size_t size)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    int r = disk_open(disk, COMMIT_NEW, DISK_WRITE | DISK_CREATE, &f);

    if (r == 0)
        r = disk_truncate(f, 0);
    if (r == 0)
        r = disk_pwrite(f, text, size, 0);
    return r == 0 ? disk_sync_data(f) : r;
}

int repair_commit(struct env_disk *disk, const struct repair_list *l)
{
    struct wr w;
    char line[32];
    int r;

    wr_init_growing(&w, 4096, 64u << 20);
    wr_bytes(&w, line, (size_t)snprintf(line, sizeof(line), "repair 1 %u\n", l->number));
    for (size_t i = 0; i < l->n_moves; i++) {
        _cleanup_(freep) char *text = xasprintf("move %s\n", l->moves[i]);

        wr_bytes(&w, text, strlen(text));
    }
    for (size_t i = 0; i < l->n_installs; i++) {
        _cleanup_(freep) char *text = xasprintf("install %s %s\n", l->from[i], l->to[i]);

        wr_bytes(&w, text, strlen(text));
    }
    wr_bytes(&w, line, (size_t)snprintf(line, sizeof(line), "end %08x\n", crc32c(0, w.start, wr_size(&w))));
    r = w.error != 0 ? -ENOMEM : write_list(disk, (const char *)w.start, wr_size(&w));
    wr_fini(&w);
    if (r == 0)
        r = disk_rename(disk, COMMIT_NEW, COMMIT);
    return r == 0 ? disk_sync_dir(disk, ".") : r;
}

static int read_whole(struct env_disk *disk, char **ret)
{
    _cleanup_(disk_closep) struct disk_file *f = NULL;
    uint64_t size;
    int r = disk_open(disk, COMMIT, DISK_READ, &f);

    if (r == 0)
        r = disk_size(f, &size);
    if (r < 0)
        return r;
    *ret = xmalloc(size + 1);
    (*ret)[size] = '\0';
    return disk_pread(f, *ret, size, 0) == (ssize_t)size ? 0 : -EIO;
}

static int parse_list(char *text, struct repair_list *l)
{
    char *end = strstr(text, "\nend "), *line, *next;
    unsigned crc;

    if (end == NULL || sscanf(end + 1, "end %8x", &crc) != 1 || crc32c(0, text, (size_t)(end + 1 - text)) != crc ||
        sscanf(text, "repair 1 %u", &l->number) != 1)
        return -EBADMSG;
    end[1] = '\0';
    for (line = strchr(text, '\n') + 1; *line != '\0'; line = next + 1) {
        next = strchr(line, '\n');
        *next = '\0';
        if (strncmp(line, "move ", 5) == 0) {
            repair_list_move(l, line + 5);
        } else if (strncmp(line, "install ", 8) == 0 && strchr(line + 8, ' ') != NULL) {
            char *to = strchr(line + 8, ' ');

            *to = '\0';
            repair_list_install(l, line + 8, to + 1);
        } else {
            return -EBADMSG;
        }
    }
    return 0;
}

int repair_finish(struct env_disk *disk, struct error_text *err)
{
    _cleanup_(freep) char *text = NULL;
    struct repair_list l = { 0 };
    int r;

    if (!repair_exists(disk, COMMIT))
        return -ENOENT;
    r = read_whole(disk, &text);
    if (r == 0)
        r = parse_list(text, &l);
    if (r == 0)
        r = carry_out(disk, &l);
    repair_list_fini(&l);
    if (r == -EBADMSG)
        error_setf(err, "%s is damaged: what it had to move is in %s/ and damaged-*/", COMMIT, STAGING);
    else if (r < 0)
        error_setf(err, "carrying out the repair: %s (run it again: it goes on where it stopped)", error_text(r));
    return r;
}

int node_repair_check(struct env_disk *disk, struct error_text *err)
{
    if (!repair_exists(disk, COMMIT))
        return 0;
    error_setf(err, "a repair of the data directory was cut short: finish it with brokerd --repair=yes");
    return NODE_E_DATA;
}
