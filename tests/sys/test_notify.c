/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/notify.h"
#include "sys/runtime.h"
#include "sys/service_manager.h"
#include "sys/suites.h"

struct manager {
    int fd;
    char said[2048];
};

static void manager_make(struct manager *m)
{
    m->fd = service_manager_listen();
}

static const char *manager_hear(struct manager *m)
{
    ssize_t n = recv(m->fd, m->said, sizeof(m->said) - 1, 0);

    ck_assert_int_gt(n, 0);
    m->said[n] = '\0';
    return m->said;
}

START_TEST(says_what_systemd_reads)
{
    struct manager m;
    unsigned long long usec;

    manager_make(&m);
    sys_notify_status("%d partitions", 3);
    ck_assert_str_eq(manager_hear(&m), "STATUS=3 partitions");
    sys_notify_ready("on %s", "127.0.0.1:9092");
    ck_assert_str_eq(manager_hear(&m), "READY=1\nSTATUS=on 127.0.0.1:9092");
    sys_notify_stopping("Stopping");
    ck_assert_str_eq(manager_hear(&m), "STOPPING=1\nSTATUS=Stopping");
    sys_notify_reloading("Reloading");
    ck_assert_int_eq(sscanf(manager_hear(&m), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading", &usec), 1);
    ck_assert_uint_gt(usec, 0);
    sys_notify_extend(30000000, "Replaying");
    ck_assert_str_eq(manager_hear(&m), "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=Replaying");
    sys_notify_failed(74, -EIO, "fsync failed");
    ck_assert_str_eq(manager_hear(&m), "EXIT_STATUS=74\nERRNO=5\nSTATUS=fsync failed");
    sys_notify_failed(78, 0, "bad key");
    ck_assert_str_eq(manager_hear(&m), "EXIT_STATUS=78\nSTATUS=bad key");
    sys_notify_alive();
    ck_assert_str_eq(manager_hear(&m), "WATCHDOG=1");
    close(m.fd);
}
END_TEST

/* What a file or a topic is called must not become a command to the service manager. */
START_TEST(a_status_stays_one_line)
{
    struct manager m;
    char text[4096];

    manager_make(&m);
    sys_notify_status("topic %s", "a\nREADY=1\r\n");
    ck_assert_str_eq(manager_hear(&m), "STATUS=topic a READY=1  ");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    sys_notify_status("%s", text);
    ck_assert_uint_lt(strlen(manager_hear(&m)), 1024);
    close(m.fd);
}
END_TEST

START_TEST(nobody_there_is_no_trouble)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    sys_notify_ready("x");
    sys_notify_alive();
    ck_assert_uint_eq(sys_notify_watchdog_ns(), 0);
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    sys_notify_ready("x");
}
END_TEST

static void set_watchdog(unsigned usec)
{
    char text[32];

    snprintf(text, sizeof(text), "%u", usec);
    setenv("WATCHDOG_USEC", text, 1);
    snprintf(text, sizeof(text), "%d", getpid());
    setenv("WATCHDOG_PID", text, 1);
}

START_TEST(the_watchdogs_time)
{
    set_watchdog(10000000);
    ck_assert_uint_eq(sys_notify_watchdog_ns(), 10000000000);
    setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    ck_assert_uint_eq(sys_notify_watchdog_ns(), 0);
}
END_TEST

/* The daemon pings while its reactor turns, not while that hangs, and again when it goes on. */
struct patient {
    struct sys_runtime *rt;
    struct manager manager;
    struct lane_mail hang;
    atomic_bool hangs, go_on;
};

static uint64_t idle_turn(void *ctx, uint64_t now_ns)
{
    return UINT64_MAX;
}

static void deliver_hang(struct lane_mail *m)
{
    struct patient *p = container_of(m, struct patient, hang);

    atomic_store(&p->hangs, true);
    while (!atomic_load(&p->go_on))
        usleep(1000);
}

/* Pings that were sent before the hang, and one that was earned before it, may still come; then there is silence. */
static void expect_silence(struct patient *p)
{
    struct timeval patience = { .tv_usec = 200000 }; /* twenty times as long as between two pings */
    int n = 0;

    ck_assert_int_eq(setsockopt(p->manager.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    while (recv(p->manager.fd, p->manager.said, sizeof(p->manager.said), 0) > 0)
        ck_assert_int_lt(n++, 1000);
    patience.tv_usec = 0;
    ck_assert_int_eq(setsockopt(p->manager.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
}

static void *watch(void *arg)
{
    struct patient *p = arg;

    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(manager_hear(&p->manager), "WATCHDOG=1");
    sys_runtime_post(p->rt, 0, &p->hang);
    while (!atomic_load(&p->hangs))
        usleep(1000);
    expect_silence(p);
    atomic_store(&p->go_on, true);
    ck_assert_str_eq(manager_hear(&p->manager), "WATCHDOG=1");
    sys_runtime_request_stop(p->rt);
    return NULL;
}

START_TEST(the_watchdog_hears_of_progress_only)
{
    struct sys_runtime_config config = { .n_reactors = 1, .n_shards = 1, .n_workers = 1 };
    struct patient p = { .hang.deliver = deliver_hang };
    static const struct sys_runtime_hooks no_hooks;
    pthread_t watcher;

    manager_make(&p.manager);
    set_watchdog(20000); /* pings every 10 ms */
    ck_assert_int_eq(sys_runtime_new(&config, &p.rt), 0);
    sys_runtime_set_handler(p.rt, 0, &(struct sys_reactor_handler){ .turn = idle_turn });
    ck_assert_int_eq(sys_runtime_start(p.rt), 0);
    ck_assert_int_eq(pthread_create(&watcher, NULL, watch, &p), 0);
    ck_assert_int_eq(sys_runtime_run(p.rt, &no_hooks), 0);
    ck_assert_int_eq(pthread_join(watcher, NULL), 0);
    sys_runtime_free(p.rt);
    close(p.manager.fd);
}
END_TEST

Suite *notify_suite(void)
{
    Suite *s = suite_create("notify");

    suite_add(s, says_what_systemd_reads);
    suite_add(s, a_status_stays_one_line);
    suite_add(s, nobody_there_is_no_trouble);
    suite_add(s, the_watchdogs_time);
    suite_add(s, the_watchdog_hears_of_progress_only);
    return s;
}
