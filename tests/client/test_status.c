/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "client/suites.h"

/* Answers one connection with a text, in a process of its own. */
struct server {
    pid_t pid;
    char addr[32];
};

static void serve(int listener, const char *answer)
{
    char request[4096];
    int fd = accept(listener, NULL, NULL);

    if (fd < 0 || read(fd, request, sizeof(request)) < 0 || write(fd, answer, strlen(answer)) < 0)
        _exit(1);
    close(fd);
    _exit(strncmp(request, "GET /cluster/status HTTP/1.1\r\n", 30) == 0 ? 0 : 1);
}

static void start(struct server *s, const char *answer)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &size), 0);
    snprintf(s->addr, sizeof(s->addr), "127.0.0.1:%d", ntohs(sin.sin_port));
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0)
        serve(fd, answer);
    close(fd);
}

static void finish(const struct server *s)
{
    int status;

    ck_assert_int_eq(waitpid(s->pid, &status, 0), s->pid);
    ck_assert_int_eq(status, 0);
}

static int ask(const char *const *addrs, size_t n, char **ret, struct gq_error *err)
{
    struct gq_client_config config = { .broker_addrs = addrs, .n_broker_addrs = n };
    struct gq_client *client;
    int r;

    ck_assert_int_eq(gq_client_new(&config, &client, NULL), 0);
    r = gq_client_cluster_status(client, ret, err);
    gq_client_free(client);
    return r;
}

START_TEST(the_first_that_answers_counts)
{
    struct server s;
    const char *addrs[2] = { "127.0.0.1:1", s.addr };
    struct gq_error err;
    char *text;

    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{\"a\": 1}");
    ck_assert_int_eq(ask(addrs, 2, &text, &err), 0);
    ck_assert_str_eq(text, "{\"a\": 1}");
    free(text);
    finish(&s);
}
END_TEST

START_TEST(bad_answers_are_named)
{
    static const struct {
        const char *answer, *error;
    } cases[] = {
        { "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "with status 404" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "is empty" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{", "does not speak HTTP" },
        { "hello\r\n", "does not speak HTTP" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct server s;
        const char *addr = s.addr;
        struct gq_error err;
        char *text;

        start(&s, cases[i].answer);
        ck_assert_int_eq(ask(&addr, 1, &text, &err), -EREMOTEIO);
        ck_assert_ptr_nonnull(strstr(err.text, cases[i].error));
        finish(&s);
    }
}
END_TEST

START_TEST(nobody_there)
{
    const char *addr = "127.0.0.1:1";
    struct gq_error err;
    char *text;

    ck_assert_int_eq(ask(&addr, 1, &text, &err), -EHOSTUNREACH);
    ck_assert_ptr_nonnull(strstr(err.text, "127.0.0.1:1"));
}
END_TEST

Suite *status_suite(void)
{
    Suite *s = suite_create("status");

    suite_add(s, the_first_that_answers_counts);
    suite_add(s, bad_answers_are_named);
    suite_add(s, nobody_there);
    return s;
}
