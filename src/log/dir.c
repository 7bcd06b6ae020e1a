/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

int dir_make(struct env_disk *disk, const char *dir)
{
    char path[LOG_DIR_MAX];
    size_t n = 0;

    do {
        int r;

        n += strcspn(dir + n, "/");
        memcpy(path, dir, n);
        path[n] = '\0';
        r = disk_mkdir(disk, path);
        if (r < 0 && r != -EEXIST)
            return r;
    } while (dir[n++] == '/');
    return 0;
}

int dir_sync_path(struct env_disk *disk, const char *dir)
{
    char path[LOG_DIR_MAX], *slash;
    int r;

    strcpy(path, dir);
    while ((slash = strrchr(path, '/')) != NULL) {
        *slash = '\0';
        r = disk_sync_dir(disk, path);
        if (r < 0)
            return r;
    }
    return disk_sync_dir(disk, ".");
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), n_suffix = strlen(suffix);

    return n > n_suffix && n < LOG_PATH_SIZE - LOG_DIR_MAX && strcmp(name + n - n_suffix, suffix) == 0;
}

bool log_is_image_name(const char *name)
{
    return ends_with(name, IMAGE_SUFFIX);
}

bool log_is_passing_name(const char *name)
{
    return log_is_image_name(name) || ends_with(name, ".tmp");
}

bool log_has_name(const char *name)
{
    enum segment_file kind;
    uint64_t index;

    return log_is_passing_name(name) || segment_file_parse(name, &index, &kind);
}

struct names {
    char **items;
    size_t count;
};

/* Of those that are the log's. */
static int names_add(void *ctx, const struct disk_dirent *ent)
{
    struct names *n = ctx;

    if (ent->is_dir || !log_has_name(ent->name))
        return 0;
    n->items = xrealloc(n->items, (n->count + 1) * sizeof(*n->items));
    n->items[n->count++] = xstrdup(ent->name);
    return 0;
}

static int names_unlink(const struct names *n, struct env_disk *disk, const char *dir)
{
    for (size_t i = 0; i < n->count; i++) {
        char path[LOG_PATH_SIZE];
        int r;

        log_path(path, dir, n->items[i]);
        r = disk_unlink(disk, path);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int log_destroy(struct env_disk *disk, const char *dir)
{
    struct names names = { 0 };
    const char *slash = strrchr(dir, '/');
    char parent[LOG_DIR_MAX] = ".";
    int r;

    if (strlen(dir) >= LOG_DIR_MAX)
        return -ENAMETOOLONG;
    r = disk_list(disk, dir, names_add, &names);
    if (r == 0)
        r = names_unlink(&names, disk, dir);
    for (size_t i = 0; i < names.count; i++)
        free(names.items[i]);
    free(names.items);
    if (r == 0)
        r = disk_unlink(disk, dir);
    if (r == -ENOTEMPTY || r == -EEXIST || r == -EBUSY) {
        r = disk_sync_dir(disk, dir);
        return r < 0 ? r : LOG_E_KEPT;
    }
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (slash != NULL)
        strcpy(stpncpy(parent, dir, (size_t)(slash - dir)), "");
    return disk_sync_dir(disk, parent);
}
