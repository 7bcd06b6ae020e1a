/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/file_system.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/util.h"

#define READ_ONLY 0x0001 /* ST_RDONLY of f_flags */

#define IN_MEMORY "is in memory: what was acknowledged is lost when the machine stops"
#define REMOTE \
    "is on a network file system: whether fsync and locks keep their promise depends on the server; use a local disk"
#define FOREIGN "is on a file system of a user program (FUSE): whether fsync keeps its promise depends on that program"
#define JOURNALLED "is on ext4 with data=journal: all data are written twice, and O_DIRECT goes without effect"
#define NO_BARRIERS "is mounted without barriers: what was acknowledged may be lost when the power fails"
#define NO_JOURNAL \
    "is on ext4 without a journal: when the power fails, files and what was acknowledged in them may be lost"

static const struct {
    long magic;
    const char *concern;
} concerns[] = {
    { 0x01021994, IN_MEMORY }, /* tmpfs */
    { 0x858458f6, IN_MEMORY }, /* ramfs */
    { 0x6969, REMOTE },        /* nfs */
    { 0x517b, REMOTE },        /* smb */
    { 0xff534d42, REMOTE },    /* cifs */
    { 0xfe534d42, REMOTE },    /* smb2 */
    { 0x01021997, REMOTE },    /* 9p */
    { 0x00c36400, REMOTE },    /* ceph */
    { 0x5346414f, REMOTE },    /* afs */
    { 0x6b414653, REMOTE },    /* kafs */
    { 0x73757245, REMOTE },    /* coda */
    { 0x0bd00bd0, REMOTE },    /* lustre */
    { 0x65735546, FOREIGN },   /* fuse */
};

const char *sys_file_system_concern(const struct sys_file_system *fs)
{
    for (size_t i = 0; i < ARRAY_SIZE(concerns); i++) {
        if (concerns[i].magic == fs->magic)
            return concerns[i].concern;
    }
    if (fs->no_barriers)
        return NO_BARRIERS;
    if (fs->no_journal)
        return NO_JOURNAL;
    return fs->journals_data ? JOURNALLED : NULL;
}

/* Else it has the process id of the journal's thread. */
bool sys_ext4_lacks_journal(const char *journal_task)
{
    return strncmp(journal_task, "<none>", strlen("<none>")) == 0;
}

/* id, parent, major:minor, root, mount point, options, optional fields, "-", type, source, options of the file system
 */
bool sys_mountinfo_has(const char *line, dev_t device, const char *option)
{
    const char *end = strstr(line, " - "), *options;
    size_t n = strlen(option);
    unsigned major_, minor_;

    if (end == NULL || sscanf(line, "%*u %*u %u:%u ", &major_, &minor_) != 2 || makedev(major_, minor_) != device)
        return false;
    options = strchr(end + 3, ' ');
    if (options != NULL)
        options = strchr(options + 1, ' ');
    while (options != NULL) {
        options++;
        if (strncmp(options, option, n) == 0 && strchr(",\n", options[n]) != NULL)
            return true;
        options = strchr(options, ',');
    }
    return false;
}

/* The root is told as a path within the file system, with blanks written as escapes: "/" alone is its own. */
bool sys_mountinfo_is_whole(const char *line, int mount_id)
{
    int id, end = 0;

    return sscanf(line, "%d %*u %*u:%*u /%n", &id, &end) == 1 && id == mount_id && end > 0 && line[end] == ' ';
}

/* Whether some line of /proc/self/mountinfo is what is looked for; lines are whole, however long they are. */
static bool some_mount(bool (*is_it)(const char *line, const void *what), const void *what)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    bool found = false;
    size_t size = 0;

    while (f != NULL && !found && getline(&line, &size, f) >= 0)
        found = is_it(line, what);
    if (f != NULL)
        fclose(f);
    free(line);
    return found;
}

struct mounted_with {
    dev_t device;
    const char *option;
};

static bool is_mounted_with(const char *line, const void *what)
{
    const struct mounted_with *w = what;

    return sys_mountinfo_has(line, w->device, w->option);
}

static bool mounted_with(dev_t device, const char *option)
{
    return some_mount(is_mounted_with, &(struct mounted_with){ device, option });
}

static bool is_whole(const char *line, const void *what)
{
    return sys_mountinfo_is_whole(line, *(const int *)what);
}

bool sys_mount_is_whole(int mount_id)
{
    return some_mount(is_whole, &mount_id);
}

/* The mount options say nothing of the journal, and the superblock is for root to read. Where sysfs doesn't tell,
 * nothing is known. */
static bool ext4_lacks_journal(dev_t device)
{
    char link[64], target[PATH_MAX], path[PATH_MAX + 64], text[32] = "";
    const char *name;
    ssize_t n;
    FILE *f;

    snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
    n = readlink(link, target, sizeof(target) - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    name = strrchr(target, '/');
    snprintf(path, sizeof(path), "/sys/fs/ext4/%s/journal_task", name != NULL ? name + 1 : target);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    if (fgets(text, sizeof(text), f) == NULL)
        text[0] = '\0';
    fclose(f);
    return sys_ext4_lacks_journal(text);
}

int sys_file_system_look(const char *dir, struct sys_file_system *ret)
{
    struct statfs fs;
    struct stat st;

    if (statfs(dir, &fs) < 0 || stat(dir, &st) < 0)
        return -errno;
    *ret = (struct sys_file_system){
        .magic = (long)(fs.f_type & 0xffffffff),
        .read_only = (fs.f_flags & READ_ONLY) != 0,
        .journals_data = mounted_with(st.st_dev, "data=journal"),
        .no_barriers = mounted_with(st.st_dev, "nobarrier") || mounted_with(st.st_dev, "barrier=0"),
        .no_journal = ext4_lacks_journal(st.st_dev),
    };
    return 0;
}
