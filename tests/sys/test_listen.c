/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/addr.h"
#include "sys/listen.h"
#include "sys/suites.h"

static struct sys_listen_spec spec(const char *host, uint16_t port)
{
    return (struct sys_listen_spec){ .name = "client", .host = host, .port = port, .backlog = 16 };
}

static struct sys_listener must_listen(const char *host, uint16_t port)
{
    struct sys_listen_spec s = spec(host, port);
    struct error_text err = { "" };
    struct sys_listener l;

    ck_assert_msg(sys_listen(&s, NULL, &l, &err) == 0, "%s", err.text);
    return l;
}

START_TEST(port_0_picks_one)
{
    struct sys_listener l = must_listen("127.0.0.1", 0);
    int on = 0;
    socklen_t size = sizeof(on);

    ck_assert_str_eq(l.addr.text, "127.0.0.1");
    ck_assert_uint_ne(l.addr.port, 0);
    ck_assert(!l.was_passed);
    ck_assert((fcntl(l.fd, F_GETFL) & O_NONBLOCK) != 0);
    ck_assert((fcntl(l.fd, F_GETFD) & FD_CLOEXEC) != 0);
    ck_assert_int_eq(getsockopt(l.fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    ck_assert_int_ne(on, 0);
    close(l.fd);
}
END_TEST

static void get_option(int fd, int option, void *to, socklen_t size)
{
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, option, to, &size), 0);
}

/* Options of the listener are those of its connections. */
START_TEST(connections_inherit_options)
{
    struct sys_listen_spec s = spec("127.0.0.1", 0);
    struct sys_listener l;
    struct error_text err = { "" };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    char name[16] = "";
    int client, conn, value = 0;

    s.congestion_control = "reno"; /* every kernel has it */
    ck_assert_msg(sys_listen(&s, NULL, &l, &err) == 0, "%s", err.text);
    ck_assert_str_eq(l.congestion_control, "reno");
    to.sin_port = htons(l.addr.port);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    conn = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(conn, 0);
    get_option(conn, TCP_CONGESTION, name, sizeof(name));
    ck_assert_str_eq(name, "reno");
    get_option(conn, TCP_NODELAY, &value, sizeof(value));
    ck_assert_int_ne(value, 0);
    get_option(conn, TCP_NOTSENT_LOWAT, &value, sizeof(value));
    ck_assert_int_eq(value, 128 * 1024);
    close(conn);
    close(client);
    close(l.fd);
}
END_TEST

START_TEST(unknown_congestion_control_is_refused)
{
    struct sys_listen_spec s = spec("127.0.0.1", 0);
    struct sys_listener l = { .fd = -2 };
    struct error_text err = { "" };

    s.congestion_control = "nosuch";
    ck_assert_int_eq(sys_listen(&s, NULL, &l, &err), -EINVAL);
    ck_assert_int_eq(l.fd, -2);
    ck_assert_ptr_nonnull(strstr(err.text, "congestion_control: the kernel doesn't have \"nosuch\"; available are: "));
    ck_assert_ptr_nonnull(strstr(err.text, "reno"));
}
END_TEST

START_TEST(localhost_is_ipv4)
{
    struct sys_listener l = must_listen("localhost", 0);

    ck_assert_str_eq(l.addr.text, "127.0.0.1");
    close(l.fd);
}
END_TEST

START_TEST(errors_name_listener_and_address)
{
    struct sys_listener l = must_listen("127.0.0.1", 0), second = { .fd = -2 };
    struct sys_listen_spec s = spec("127.0.0.1", l.addr.port);
    struct error_text err = { "" };
    char expect[128];

    ck_assert_int_eq(sys_listen(&s, NULL, &second, &err), -EADDRINUSE);
    snprintf(expect, sizeof(expect), "client listener: can't listen on 127.0.0.1:%u: Address already in use",
             l.addr.port);
    ck_assert_str_eq(err.text, expect);
    ck_assert_int_eq(second.fd, -2);
    s = spec("not a host", 0);
    ck_assert_int_eq(sys_listen(&s, NULL, &second, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "client listener: can't resolve \"not a host\""));
    close(l.fd);
}
END_TEST

/* As systemd would have passed it. */
static struct sys_passed pass(int fd, const char *name)
{
    struct sys_passed p = { .n = 1, .fds = xcalloc(1, sizeof(*p.fds)) };

    p.fds[0] = (struct sys_passed_fd){ .fd = fd, .name = xstrdup(name) };
    return p;
}

static void check_taken(const char *name, const char *bound, const char *configured, uint16_t configured_port)
{
    struct sys_listener own = must_listen(bound, 0), l;
    struct sys_passed p = pass(own.fd, name);
    struct error_text err = { "" };
    struct sys_listen_spec s = spec(configured, configured_port == 1 ? own.addr.port : configured_port);

    ck_assert_int_eq(fcntl(own.fd, F_SETFL, 0), 0); /* systemd's block */
    ck_assert_msg(sys_listen(&s, &p, &l, &err) == 0, "%s", err.text);
    ck_assert(l.was_passed);
    ck_assert_int_eq(l.fd, own.fd);
    ck_assert_uint_eq(l.addr.port, own.addr.port);
    ck_assert((fcntl(l.fd, F_GETFL) & O_NONBLOCK) != 0);
    ck_assert_int_eq(sys_passed_check(&p, &err), 0);
    sys_passed_fini(&p);
    close(l.fd);
}

START_TEST(takes_the_passed_socket)
{
    check_taken("client", "127.0.0.1", "127.0.0.1", 1);
    check_taken("client", "127.0.0.1", "127.0.0.1", 0); /* any port is asked for */
    check_taken("goqueue@b1.socket", "127.0.0.1", "127.0.0.1", 1);
    check_taken("unknown", "127.0.0.1", "127.0.0.1", 1);
    check_taken("client", "::", "0.0.0.0", 1);
}
END_TEST

START_TEST(refuses_a_passed_socket_elsewhere)
{
    struct sys_listener own = must_listen("127.0.0.1", 0), l;
    struct sys_passed p = pass(own.fd, "client");
    struct sys_listen_spec s = spec("127.0.0.2", own.addr.port);
    struct error_text err = { "" };
    char expect[128];

    ck_assert_int_eq(sys_listen(&s, &p, &l, &err), -EINVAL);
    snprintf(expect, sizeof(expect), "systemd passed the socket \"client\" on 127.0.0.1:%u, but the configuration says",
             own.addr.port);
    ck_assert_int_eq(strncmp(err.text, expect, strlen(expect)), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "127.0.0.2"));
    s = spec("127.0.0.1", (uint16_t)(own.addr.port ^ 1));
    ck_assert_int_eq(sys_listen(&s, &p, &l, &err), -EINVAL);
    sys_passed_fini(&p);
}
END_TEST

START_TEST(refuses_what_does_not_listen)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sys_passed p = pass(fd, "client");
    struct sys_listen_spec s = spec("127.0.0.1", 0);
    struct error_text err = { "" };
    struct sys_listener l;

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(sys_listen(&s, &p, &l, &err), -EINVAL);
    sys_passed_fini(&p);
}
END_TEST

START_TEST(a_socket_for_nobody_is_an_error)
{
    struct sys_listener own = must_listen("127.0.0.1", 0), l;
    struct sys_passed p = pass(own.fd, "peer");
    struct sys_listen_spec s = spec("127.0.0.1", 0);
    struct error_text err = { "" };

    ck_assert_int_eq(sys_listen(&s, &p, &l, &err), 0); /* binds its own */
    ck_assert(!l.was_passed);
    ck_assert_int_eq(sys_passed_check(&p, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "\"peer\" on 127.0.0.1:"));
    sys_passed_fini(&p);
    close(l.fd);
}
END_TEST

static int take_from_environment(struct sys_listener *own)
{
    struct sys_listen_spec s = spec("127.0.0.1", own->addr.port);
    struct sys_passed p;
    struct sys_listener l;
    char pid[16];

    if (dup2(own->fd, 3) != 3)
        return 1;
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "client", 1);
    if (sys_passed_init(&p, NULL) != 0 || p.n != 1)
        return 2;
    if (getenv("LISTEN_FDS") != NULL || getenv("LISTEN_FDNAMES") != NULL)
        return 3;
    if (sys_listen(&s, &p, &l, NULL) != 0 || l.fd != 3 || !l.was_passed)
        return 4;
    sys_passed_fini(&p);
    return 0;
}

/* In a process of its own, where descriptor 3 is free to be taken. */
START_TEST(reads_what_systemd_says)
{
    struct sys_listener own = must_listen("127.0.0.1", 0);
    pid_t pid = fork();
    int status;

    if (pid == 0)
        _exit(take_from_environment(&own));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    close(own.fd);
}
END_TEST

START_TEST(nothing_passed_is_nothing)
{
    struct sys_passed p;

    unsetenv("LISTEN_FDS");
    ck_assert_int_eq(sys_passed_init(&p, NULL), 0);
    ck_assert_uint_eq(p.n, 0);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_PID", "1", 1); /* meant for another process */
    ck_assert_int_eq(sys_passed_init(&p, NULL), 0);
    ck_assert_uint_eq(p.n, 0);
    sys_passed_fini(&p);
}
END_TEST

Suite *listen_suite(void)
{
    Suite *s = suite_create("listen");

    suite_add(s, port_0_picks_one);
    suite_add(s, connections_inherit_options);
    suite_add(s, unknown_congestion_control_is_refused);
    suite_add(s, localhost_is_ipv4);
    suite_add(s, errors_name_listener_and_address);
    suite_add(s, takes_the_passed_socket);
    suite_add(s, refuses_a_passed_socket_elsewhere);
    suite_add(s, refuses_what_does_not_listen);
    suite_add(s, a_socket_for_nobody_is_an_error);
    suite_add(s, reads_what_systemd_says);
    suite_add(s, nothing_passed_is_nothing);
    return s;
}
