/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/disk.h"
#include "sys/net_server.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

START_TEST(echoes_words)
{
    struct server sv;
    char got[5];
    int fd;

    server_start(&sv, 2, session_echo);
    fd = server_dial(&sv);
    for (int i = 0; i < 100; i++) {
        client_send(fd, "hello", 5);
        client_recv(fd, got, 5);
        ck_assert_mem_eq(got, "hello", 5);
    }
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

#define BULK_SIZE (8 << 20)

static char bulk[BULK_SIZE];

static void *send_bulk(void *fd)
{
    client_send(*(int *)fd, bulk, BULK_SIZE);
    return NULL;
}

/* More than the sockets hold, so both directions block and go on many times. */
START_TEST(echoes_more_than_fits)
{
    static char got[BULK_SIZE];
    struct server sv;
    pthread_t t;
    int fd;

    for (int i = 0; i < BULK_SIZE; i++)
        bulk[i] = (char)(i * 13 + i / 1009);
    server_start(&sv, 1, session_echo);
    fd = server_dial(&sv);
    ck_assert_int_eq(pthread_create(&t, NULL, send_bulk, &fd), 0);
    client_recv(fd, got, sizeof(got));
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_mem_eq(got, bulk, sizeof(got));
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

START_TEST(connections_spread_evenly)
{
    struct server sv;
    int fds[12];
    char byte;

    server_start(&sv, 3, session_echo);
    for (int i = 0; i < 12; i++)
        fds[i] = server_dial(&sv);
    for (int i = 0; i < 12; i++) { /* an answer tells that it has arrived on its reactor */
        client_send(fds[i], "x", 1);
        client_recv(fds[i], &byte, 1);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sv.seats[i].n_open, 4);
    for (int i = 0; i < 12; i++)
        close(fds[i]);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* Takes one byte per call, and answers it: all else must come in later turns. */
static void sip(struct session *s, unsigned events)
{
    struct iovec iov = { s->pending, 1 };

    if (net_recv(s->c, s->pending, 1) <= 0)
        session_end(s);
    else
        ck_assert_int_eq(net_sendv(s->c, &iov, 1, false), 1);
}

START_TEST(each_is_called_once_per_turn)
{
    char text[1000], got[1000];
    struct server sv;
    int a, b;

    memset(text, 'a', sizeof(text));
    server_start(&sv, 1, sip);
    a = server_dial(&sv);
    b = server_dial(&sv);
    client_send(a, text, sizeof(text));
    client_send(b, text, 1);
    client_recv(b, got, 1);
    client_recv(a, got, sizeof(got)); /* level-triggered: nothing is forgotten */
    ck_assert_mem_eq(got, text, sizeof(got));
    close(a);
    close(b);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* The first byte mutes the connection. */
struct muted {
    struct lane_mail probe, open;
    struct session *s;
    atomic_int n_calls, n_probes;
};

static void mute(struct session *s, unsigned events)
{
    struct muted *m = s->seat->server->test;

    m->s = s;
    net_want(s->c, 0);
    atomic_fetch_add(&m->n_calls, 1);
}

static void probe(struct lane_mail *mail)
{
    atomic_fetch_add(&container_of(mail, struct muted, probe)->n_probes, 1);
}

static void unmute(struct lane_mail *mail)
{
    struct muted *m = container_of(mail, struct muted, open);

    m->s->seat->server->ready = session_echo;
    net_want(m->s->c, NET_READ);
}

START_TEST(what_nobody_wants_is_not_told)
{
    struct muted m = { .open.deliver = unmute, .probe.deliver = probe };
    struct server sv;
    char got[6];
    int fd;

    server_start(&sv, 1, mute);
    sv.test = &m;
    fd = server_dial(&sv);
    client_send(fd, "abc", 3);
    while (atomic_load(&m.n_calls) == 0)
        usleep(1000);
    client_send(fd, "def", 3);
    for (int i = 1; i <= 20; i++) { /* each is a turn */
        sys_runtime_post(sv.rt, 0, &m.probe);
        while (atomic_load(&m.n_probes) < i)
            usleep(100);
    }
    ck_assert_int_eq(atomic_load(&m.n_calls), 1);
    sys_runtime_post(sv.rt, 0, &m.open);
    client_recv(fd, got, 6);
    ck_assert_mem_eq(got, "abcdef", 6);
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* Both became ready in the same turn (the reactor was held meanwhile); the first decides about both. */
struct pair {
    struct lane_mail hold;
    struct session *sessions[2], *muted;
    void (*decide)(struct pair *p, struct session *s);
    atomic_int n_ready, n_decided;
    atomic_bool held, go_on, second_round;
};

static void hold(struct lane_mail *m)
{
    struct pair *p = container_of(m, struct pair, hold);

    atomic_store(&p->held, true);
    while (!atomic_load(&p->go_on))
        usleep(100);
}

static void pair_ready(struct session *s, unsigned events)
{
    struct pair *p = s->seat->server->test;
    char byte;

    ck_assert_int_eq(net_recv(s->c, &byte, 1), 1);
    if (atomic_load(&p->second_round)) {
        p->decide(p, s);
        return;
    }
    p->sessions[atomic_load(&p->n_ready)] = s;
    atomic_fetch_add(&p->n_ready, 1);
}

static void pair_start(struct pair *p, struct server *sv, int fds[2], void (*decide)(struct pair *p, struct session *s))
{
    *p = (struct pair){ .hold.deliver = hold, .decide = decide };
    server_start(sv, 1, pair_ready);
    sv->test = p;
    for (int i = 0; i < 2; i++) {
        fds[i] = server_dial(sv);
        client_send(fds[i], "1", 1);
    }
    while (atomic_load(&p->n_ready) < 2)
        usleep(1000);
    sys_runtime_post(sv->rt, 0, &p->hold);
    while (!atomic_load(&p->held))
        usleep(1000);
    atomic_store(&p->second_round, true);
    client_send(fds[0], "2", 1);
    client_send(fds[1], "2", 1);
    atomic_store(&p->go_on, true);
}

static void end_both(struct pair *p, struct session *s)
{
    session_end(p->sessions[0]);
    session_end(p->sessions[1]);
}

START_TEST(may_close_another_ready_connection)
{
    struct server sv;
    struct pair p;
    int fds[2];

    pair_start(&p, &sv, fds, end_both);
    client_expect_end(fds[0]);
    client_expect_end(fds[1]);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

static void mute_the_other(struct pair *p, struct session *s)
{
    atomic_fetch_add(&p->n_decided, 1);
    p->muted = p->sessions[s == p->sessions[0]];
    net_want(p->muted->c, 0);
    session_end(s);
}

START_TEST(may_mute_another_ready_connection)
{
    struct server sv;
    struct pair p;
    int fds[2];

    pair_start(&p, &sv, fds, mute_the_other);
    server_wait_for_connections(&sv, 1);
    server_stop(&sv);
    ck_assert_int_eq(atomic_load(&p.n_decided), 1);
    free(p.muted);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
}
END_TEST

START_TEST(refused_connections_are_closed)
{
    struct server sv;

    server_start(&sv, 2, session_echo);
    sv.refuses = true;
    for (int i = 0; i < 5; i++)
        client_expect_end(server_dial(&sv));
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* What admin/ does with an HTTP request: look, then take the socket out of the net. */
struct detached {
    atomic_int fd;
};

static void peek_and_detach(struct session *s, unsigned events)
{
    struct detached *d = s->seat->server->test;
    char first[3] = "";
    int fd;

    ck_assert_int_eq(net_peek(s->c, first, sizeof(first)), 3);
    ck_assert_mem_eq(first, "GET", 3);
    atomic_fetch_sub(&s->seat->n_open, 1);
    fd = net_detach(s->c);
    free(s);
    atomic_store(&d->fd, fd);
}

START_TEST(peeks_and_detaches)
{
    struct detached d = { .fd = -1 };
    struct server sv;
    char got[8];
    int fd, taken;

    server_start(&sv, 2, peek_and_detach);
    sv.test = &d;
    fd = server_dial(&sv);
    client_send(fd, "GET / H", 7);
    while ((taken = atomic_load(&d.fd)) < 0)
        usleep(1000);
    ck_assert((fcntl(taken, F_GETFL) & O_NONBLOCK) != 0);
    ck_assert_int_eq(read(taken, got, 7), 7);
    ck_assert_mem_eq(got, "GET / H", 7);
    server_wait_for_connections(&sv, 0);
    client_send(fd, "more", 4); /* ready in an epoll set that has forgotten it: must not be told to anyone */
    close(fd);
    server_stop(&sv);
    close(taken);
}
END_TEST

/* Answers any byte with a part of a file, and what lies behind its end with "end". */
struct file_server {
    struct disk_file *file;
};

static void send_part(struct session *s, unsigned events)
{
    struct file_server *f = s->seat->server->test;
    struct iovec iov = { (void *)"end", 3 };
    char byte;

    if (net_recv(s->c, &byte, 1) <= 0) {
        session_end(s);
        return;
    }
    ck_assert_int_eq(net_sendfile(s->c, f->file, 3, 4, false), 4);
    ck_assert_int_eq(net_sendfile(s->c, f->file, 10, 4, true), 0);
    ck_assert_int_eq(net_sendv(s->c, &iov, 1, false), 3);
}

START_TEST(sends_from_a_file)
{
    struct file_server f = { NULL };
    struct env_disk *disk = NULL;
    struct temp_dir dir;
    struct server sv;
    char got[7];
    int fd;

    temp_dir_make(&dir);
    ck_assert_int_eq(sys_disk_new(dir.path, &disk), 0);
    ck_assert_int_eq(disk_open(disk, "f", DISK_WRITE | DISK_CREATE, &f.file), 0);
    ck_assert_int_eq(disk_pwrite(f.file, "0123456789", 10, 0), 0);
    server_start(&sv, 1, send_part);
    sv.test = &f;
    fd = server_dial(&sv);
    client_send(fd, "x", 1);
    client_recv(fd, got, 7);
    ck_assert_mem_eq(got, "3456end", 7);
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
    disk_close(f.file);
    sys_disk_free(disk);
    temp_dir_remove(&dir);
}
END_TEST

/* Sends for ever: the end must come as an error code and not as a signal. */
static void shout(struct session *s, unsigned events)
{
    struct file_server *f = s->seat->server->test;
    struct iovec iov = { s->pending, sizeof(s->pending) };
    ssize_t n;

    net_want(s->c, NET_WRITE);
    do
        n = f != NULL ? net_sendfile(s->c, f->file, 0, 10, false) : net_sendv(s->c, &iov, 1, false);
    while (n > 0);
    if (n == -EAGAIN)
        return;
    ck_assert(n == -EPIPE || n == -ECONNRESET);
    session_end(s);
}

static void check_gone_peer(struct file_server *f)
{
    struct server sv;
    int fd;

    server_start(&sv, 1, shout);
    sv.test = f;
    fd = server_dial(&sv);
    client_send(fd, "x", 1);
    client_recv(fd, &(char){ 0 }, 1);
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}

START_TEST(a_gone_peer_is_an_error_code)
{
    struct file_server f = { NULL };
    struct env_disk *disk = NULL;
    struct temp_dir dir;

    temp_dir_make(&dir);
    ck_assert_int_eq(sys_disk_new(dir.path, &disk), 0);
    ck_assert_int_eq(disk_open(disk, "f", DISK_WRITE | DISK_CREATE, &f.file), 0);
    ck_assert_int_eq(disk_pwrite(f.file, "0123456789", 10, 0), 0);
    check_gone_peer(NULL);
    check_gone_peer(&f);
    disk_close(f.file);
    sys_disk_free(disk);
    temp_dir_remove(&dir);
}
END_TEST

#define N_EXCESS 20

/* No descriptor is left: each client that comes is told so by a closed connection, and later ones are served again. */
START_TEST(sheds_at_the_descriptor_limit)
{
    struct sys_runtime_stats stats;
    struct rlimit old, none;
    int fds[N_EXCESS], fd;
    struct server sv;
    char got;

    server_start(&sv, 2, session_echo);
    for (int i = 0; i < N_EXCESS; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest that is free */
    close(fd);
    none = (struct rlimit){ (rlim_t)fd, old.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < N_EXCESS; i++)
        ck_assert_int_eq(server_connect(&sv, fds[i]), 0);
    for (int i = 0; i < N_EXCESS; i++)
        ck_assert_int_le(recv(fds[i], &got, 1, 0), 0);
    sys_runtime_stats(sv.rt, &stats);
    ck_assert_uint_eq(stats.n_shed, N_EXCESS);
    ck_assert_uint_eq(stats.n_connections, 0);

    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < N_EXCESS; i++)
        close(fds[i]);
    fd = server_dial(&sv);
    client_send(fd, "x", 1);
    client_recv(fd, &got, 1);
    close(fd);
    server_wait_for_connections(&sv, 0);
    server_stop(&sv);
}
END_TEST

/* A connected client is served to the end, while new ones are refused. */
struct farewell {
    struct lane_mail leave;
    struct server sv;
    atomic_bool stopping;
};

static void farewell_stop(void *ctx)
{
    atomic_store(&container_of(((struct seat *)ctx)->server, struct farewell, sv)->stopping, true);
}

static void farewell_leave(struct lane_mail *m)
{
    sys_runtime_stopped(container_of(m, struct farewell, leave)->sv.rt, 0);
}

static uint64_t farewell_turn(void *ctx, uint64_t now_ns)
{
    ((struct seat *)ctx)->n_turns++;
    return UINT64_MAX;
}

static void *run_main(void *rt)
{
    static const struct sys_runtime_hooks no_hooks;

    ck_assert_int_eq(sys_runtime_run(rt, &no_hooks), 0);
    return NULL;
}

START_TEST(a_stopping_server_lets_nobody_in)
{
    struct farewell f = { .leave.deliver = farewell_leave };
    pthread_t main_thread;
    int fd, other;
    char got;

    server_prepare(&f.sv, 1, session_echo);
    sys_runtime_set_handler(
        f.sv.rt, 0,
        &(struct sys_reactor_handler){ .turn = farewell_turn, .stop = farewell_stop, .ctx = &f.sv.seats[0] });
    ck_assert_int_eq(sys_runtime_start(f.sv.rt), 0);
    fd = server_dial(&f.sv);
    client_send(fd, "a", 1);
    client_recv(fd, &got, 1);
    ck_assert_int_eq(pthread_create(&main_thread, NULL, run_main, f.sv.rt), 0);
    sys_runtime_request_stop(f.sv.rt);
    while (!atomic_load(&f.stopping))
        usleep(1000);
    other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(server_connect(&f.sv, other), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(other);
    client_send(fd, "b", 1);
    client_recv(fd, &got, 1);
    close(fd);
    server_wait_for_connections(&f.sv, 0);
    sys_runtime_post(f.sv.rt, 0, &f.leave);
    ck_assert_int_eq(pthread_join(main_thread, NULL), 0);
    sys_runtime_free(f.sv.rt);
}
END_TEST

Suite *net_suite(void)
{
    Suite *s = suite_create("net");

    suite_add(s, echoes_words);
    suite_add(s, echoes_more_than_fits);
    suite_add(s, connections_spread_evenly);
    suite_add(s, each_is_called_once_per_turn);
    suite_add(s, what_nobody_wants_is_not_told);
    suite_add(s, may_close_another_ready_connection);
    suite_add(s, may_mute_another_ready_connection);
    suite_add(s, refused_connections_are_closed);
    suite_add(s, peeks_and_detaches);
    suite_add(s, sends_from_a_file);
    suite_add(s, a_gone_peer_is_an_error_code);
    suite_add(s, sheds_at_the_descriptor_limit);
    suite_add(s, a_stopping_server_lets_nobody_in);
    return s;
}
