/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "admin/internal.h"

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double clock_seconds(clockid_t id)
{
    struct timespec t = { 0 };

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Field 22 of proc(5)'s stat, in ticks since boot; fields are counted after the name, which may hold anything. */
static double started_since_boot(void)
{
    _cleanup_(freep) char *line = NULL;
    unsigned long long ticks = 0;
    size_t capacity = 0;
    const char *p = NULL;
    FILE *f = fopen("/proc/self/stat", "re");

    if (f != NULL && getline(&line, &capacity, f) > 0)
        p = strrchr(line, ')');
    if (f != NULL)
        fclose(f);
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p != NULL)
        sscanf(p, "%llu", &ticks);
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void read_memory(struct process_figures *ret)
{
    unsigned long long size = 0, resident = 0, page = (unsigned long long)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return;
    if (fscanf(f, "%llu %llu", &size, &resident) == 2) {
        ret->virtual_bytes = size * page;
        ret->resident_bytes = resident * page;
    }
    fclose(f);
}

/* Without ".", ".." and the descriptor that reads the directory. */
static uint64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - MIN(n, 3u);
}

double process_start_seconds(void)
{
    return clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME) + started_since_boot();
}

void process_read(struct process_figures *ret)
{
    struct rusage usage = { 0 };
    struct rlimit limit = { 0 };

    *ret = (struct process_figures){ 0 };
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    ret->cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    ret->open_fds = count_fds();
    ret->max_fds = limit.rlim_cur;
    read_memory(ret);
}
