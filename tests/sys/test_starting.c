/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/disk.h"
#include "sys/runtime.h"
#include "sys/service_manager.h"
#include "sys/starting.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

#define INTERVAL_NS (10ull * 1000 * 1000)

struct fixture {
    struct temp_dir dir;
    struct env_disk *disk;
    struct sys_runtime *runtime;
    struct sys_starting *starting;
    int manager_fd; /* the service manager's end */
    _Atomic(int) signo;
};

static void note_stop(void *ctx, int signo)
{
    struct fixture *fx = ctx;

    atomic_store(&fx->signo, signo);
}

static void fixture_make(struct fixture *fx)
{
    struct sys_runtime_config config = { .n_reactors = 1, .n_shards = 1, .n_workers = 1 };
    struct sys_starting_options options = { .interval_ns = INTERVAL_NS, .extend_us = 5, .stop = note_stop, .ctx = fx };

    *fx = (struct fixture){ .manager_fd = service_manager_listen() };
    temp_dir_make(&fx->dir);
    ck_assert_int_eq(sys_disk_new(fx->dir.path, &fx->disk), 0);
    config.disk = options.disk = fx->disk;
    ck_assert_int_eq(sys_runtime_new(&config, &fx->runtime), 0);
    ck_assert_int_eq(sys_starting_new(&options, &fx->starting), 0);
}

static void fixture_remove(struct fixture *fx)
{
    sys_starting_free(fx->starting);
    sys_runtime_free(fx->runtime);
    sys_disk_free(fx->disk);
    temp_dir_remove(&fx->dir);
    unsetenv("NOTIFY_SOCKET");
    close(fx->manager_fd);
}

#define FIXTURE \
    _cleanup_(fixture_remove) struct fixture fx; \
    fixture_make(&fx)

static bool hears_extend(struct fixture *fx, int flags)
{
    char said[256];
    ssize_t n = recv(fx->manager_fd, said, sizeof(said) - 1, flags);

    if (n < 0)
        return false;
    said[n] = '\0';
    ck_assert_str_eq(said, "EXTEND_TIMEOUT_USEC=5\nSTATUS=Starting: reading");
    return true;
}

START_TEST(progress_gets_more_time)
{
    FIXTURE;

    sys_starting_say(fx.starting, "reading");
    ck_assert(hears_extend(&fx, 0));
    for (int n = 0; n < 3;) {
        struct disk_file *f;

        ck_assert_int_eq(disk_open(fx.disk, "f", DISK_WRITE | DISK_CREATE, &f), 0);
        disk_close(f);
        n += hears_extend(&fx, MSG_DONTWAIT);
        usleep(1000);
    }
}
END_TEST

START_TEST(none_gets_no_more)
{
    FIXTURE;

    sys_starting_say(fx.starting, "reading");
    ck_assert(hears_extend(&fx, 0));
    usleep(20 * INTERVAL_NS / 1000);
    ck_assert(!hears_extend(&fx, MSG_DONTWAIT));
}
END_TEST

START_TEST(hears_signals)
{
    static const int signals[] = { SIGTERM, SIGINT };
    FIXTURE;

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        atomic_store(&fx.signo, 0);
        ck_assert_int_eq(kill(getpid(), signals[i]), 0);
        while (atomic_load(&fx.signo) == 0)
            usleep(1000);
        ck_assert_int_eq(atomic_load(&fx.signo), signals[i]);
    }
}
END_TEST

Suite *starting_suite(void)
{
    Suite *s = suite_create("starting");

    suite_add(s, progress_gets_more_time);
    suite_add(s, none_gets_no_more);
    suite_add(s, hears_signals);
    return s;
}
