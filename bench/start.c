/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "bench.h"

#define RETRY_NS 100000
#define LIMIT_NS 120000000000ull

static pid_t start_broker(const struct bench_options *o)
{
    int log = open(o->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    pid_t child = fork();

    if (log < 0 || child < 0)
        bench_die(o->file);
    if (child == 0) {
        cpu_set_t set;

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* where it doesn't come up in time, it ends with us */
        CPU_ZERO(&set);
        CPU_SET((size_t)MAX(o->server_core, 0), &set);
        if (o->server_core >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
            bench_die("sched_setaffinity");
        if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
            bench_die("dup2");
        execv(o->command[0], o->command);
        bench_die(o->command[0]);
    }
    close(log);
    return child;
}

static void sleep_a_little(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = RETRY_NS }, NULL);
}

static int dial_until(const struct bench_options *o, uint64_t limit_ns, pid_t child)
{
    for (;;) {
        int fd = bench_try_dial(o->broker);

        if (fd >= 0)
            return fd;
        if (bench_now_ns() > limit_ns || waitpid(child, NULL, WNOHANG) != 0)
            bench_refuse("the broker didn't start");
        sleep_a_little();
    }
}

/* Asks until a message is acknowledged; where the topic is missing, metadata makes it. */
static void produce_until(const struct bench_options *o, int fd, uint64_t limit_ns)
{
    _cleanup_(freep) uint8_t *answer = NULL;
    size_t capacity = 0;
    struct wr w;

    wr_init_growing(&w, 4096, BENCH_FRAME_MAX);
    ask_write_produce(o, 0, &w);
    for (;;) {
        size_t size;

        bench_send(fd, w.start, wr_size(&w));
        size = ask_recv_frame(fd, &answer, &capacity);
        if (ask_produce_error(answer, size) == 0)
            break;
        if (bench_now_ns() > limit_ns)
            bench_refuse("no message was acknowledged");
        ask_metadata(fd, o->topic);
    }
    wr_fini(&w);
}

int bench_start(const struct bench_options *o)
{
    uint64_t start = bench_now_ns(), limit = start + LIMIT_NS, connected, end;
    pid_t child;
    char byte;
    int fd;

    if (o->command == NULL || o->command[0] == NULL)
        bench_refuse("start needs -- and a command");
    child = start_broker(o);
    fd = dial_until(o, limit, child);
    connected = bench_now_ns();
    if (o->peer != NULL)
        peer_produce_one(o, fd);
    else
        produce_until(o, fd, limit);
    end = bench_now_ns();
    printf("{\"pid\": %d, \"connected_ms\": %.3f, \"first_ms\": %.3f}\n", (int)child, (double)(connected - start) / 1e6,
           (double)(end - start) / 1e6);
    fflush(stdout);
    close(fd);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
    return 0;
}
