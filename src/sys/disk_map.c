/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "sys/disk_file.h"

/* Mapped files. A page that can't be read raises SIGBUS in the thread that touches it. The handler knows the mappings:
 * it puts a page of zeros there, notes the failure, and the thread goes on; disk_unmap() then says -EIO. Nothing is
 * jumped over, so whoever walks the bytes needs no care but for what zeros look like. Any other SIGBUS ends the
 * process as it would without the handler. */

#define MAX_MAPS 64
#define CLAIMED 1 /* start of a slot that isn't filled in yet */

struct slot {
    atomic_uintptr_t start; /* 0: free */
    atomic_size_t size;     /* whole pages */
    atomic_bool failed;
};

struct sys_map {
    struct disk_map base;
    struct slot *slot; /* NULL: the file is empty */
};

static struct slot slots[MAX_MAPS];
static struct sigaction action_before;
static size_t page_size;

static struct slot *slot_of(uintptr_t address)
{
    for (size_t i = 0; i < MAX_MAPS; i++) {
        uintptr_t start = atomic_load_explicit(&slots[i].start, memory_order_acquire);

        if (start > CLAIMED && address >= start && address - start < atomic_load(&slots[i].size))
            return &slots[i];
    }
    return NULL;
}

/* mmap(2) is a plain system call: it takes no lock that the thread could hold. */
static void on_bus_error(int signo, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct slot *slot = info->si_code > 0 ? slot_of(address) : NULL;
    int error = errno;

    if (slot != NULL && mmap((void *)(address & ~(page_size - 1)), page_size, PROT_READ,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
        atomic_store(&slot->failed, true);
        errno = error;
        return;
    }
    sigaction(SIGBUS, &action_before, NULL);
    raise(SIGBUS); /* comes when this returns */
}

static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
    int r;

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    r = sigaction(SIGBUS, &action, &action_before);
    gq_assert(r == 0);
}

static struct slot *slot_claim(void)
{
    for (size_t i = 0; i < MAX_MAPS; i++) {
        uintptr_t expected = 0;

        if (atomic_compare_exchange_strong(&slots[i].start, &expected, CLAIMED))
            return &slots[i];
    }
    return NULL;
}

static int map_bytes(struct sys_map *m, int fd, size_t size)
{
    size_t whole = ALIGN_UP(size, page_size);
    void *data;

    m->slot = slot_claim();
    if (m->slot == NULL)
        return -ENFILE;
    data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        atomic_store(&m->slot->start, 0);
        return -errno;
    }
    atomic_store(&m->slot->failed, false);
    atomic_store(&m->slot->size, whole);
    atomic_store_explicit(&m->slot->start, (uintptr_t)data, memory_order_release);
    m->base.data = data;
    return 0;
}

int sys_file_map(struct disk_file *f, struct disk_map **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sys_map *m;
    struct stat st;
    int r = 0;

    pthread_once(&once, install);
    if (fstat(to_sys_file(f)->fd, &st) < 0)
        return -errno;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return -ENOMEM;
    m->base.disk = f->disk;
    m->base.size = (size_t)st.st_size;
    if (st.st_size > 0)
        r = map_bytes(m, to_sys_file(f)->fd, (size_t)st.st_size);
    if (r < 0) {
        free(m);
        return r;
    }
    *ret = &m->base;
    return 0;
}

int sys_file_unmap(struct disk_map *map)
{
    struct sys_map *m = container_of(map, struct sys_map, base);
    bool failed = false;

    if (m->slot != NULL) {
        failed = atomic_load(&m->slot->failed);
        atomic_store(&m->slot->start, 0); /* before others can be given the addresses */
        munmap((void *)map->data, map->size);
    }
    free(m);
    return failed ? -EIO : 0;
}
