/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What clients get, over real sockets. */
#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/rig.h"
#include "admin/suites.h"

static void setup(void)
{
    rig_init();
    rig_start();
}

static void expect_json(const struct answer *a)
{
    char *type = answer_header(a, "Content-Type");
    json_t *doc = json_loadb(a->body, a->size, 0, NULL);

    ck_assert_str_eq(type, "application/json");
    ck_assert_msg(json_is_object(doc), "%s", a->body);
    json_decref(doc);
    free(type);
}

static void expect(const char *request, unsigned status)
{
    struct answer a;

    client_get(request, &a);
    ck_assert_msg(a.status == status, "%s: %u %s", request, a.status, a.body);
    expect_json(&a);
    answer_fini(&a);
}

START_TEST(documents)
{
    expect("GET /health", 200);
    expect("GET /health/live", 200);
    expect("GET /health/ready", 200);
    expect("GET /cluster/status", 200);
    expect("GET /health?verbose=1&x", 200);
}
END_TEST

START_TEST(metrics)
{
    struct answer a;
    char *type;

    client_get("GET /metrics", &a);
    type = answer_header(&a, "Content-Type");
    ck_assert_uint_eq(a.status, 200);
    ck_assert_str_eq(type, "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(a.body, "\ngoqueue_produced_records_total 101\n"));
    ck_assert_uint_eq(strlen(a.body), a.size);
    answer_fini(&a);
    free(type);
}
END_TEST

START_TEST(not_ready)
{
    rig.is_ready = false;
    expect("GET /health", 503);
    expect("GET /health/ready", 503);
    expect("GET /health/live", 200);
}
END_TEST

START_TEST(refusals)
{
    struct answer a;
    char *allow;

    expect("GET /", 404);
    expect("GET /nothing", 404);
    expect("POST /nothing", 404);
    expect("POST /health", 405);
    client_get("DELETE /metrics", &a);
    allow = answer_header(&a, "Allow");
    ck_assert_uint_eq(a.status, 405);
    ck_assert_str_eq(allow, "GET, HEAD");
    answer_fini(&a);
    free(allow);
    ck_assert_uint_eq(client_metric("goqueue_http_requests_total{code=\"404\"}"), 3);
    ck_assert_uint_eq(client_metric("goqueue_http_requests_total{code=\"405\"}"), 2);
}
END_TEST

START_TEST(head)
{
    struct answer whole, only_head;
    char *a, *b;

    client_get("GET /cluster/status", &whole);
    client_get("HEAD /cluster/status", &only_head);
    a = answer_header(&whole, "Content-Length");
    b = answer_header(&only_head, "Content-Length");
    ck_assert_uint_eq(only_head.status, 200);
    ck_assert_str_eq(a, b);
    answer_fini(&whole);
    answer_fini(&only_head);
    free(a);
    free(b);
}
END_TEST

/* After HEAD the next answer begins at once: no body was sent. */
START_TEST(connection_is_kept)
{
    static const char *const paths[] = { "HEAD /metrics", "GET /health", "GET /nothing", "GET /metrics" };
    int fd = rig_connect();
    struct answer a;
    char text[100];

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        client_send(fd, text);
        client_read(fd, i == 0, &a);
        ck_assert_uint_eq(a.status, i == 2 ? 404 : 200);
        answer_fini(&a);
    }
    close(fd);
}
END_TEST

START_TEST(pipelined)
{
    int fd = rig_connect();
    struct answer a;

    client_send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 3; i++) {
        client_read(fd, false, &a);
        ck_assert_uint_eq(a.status, i == 2 ? 404 : 200);
        answer_fini(&a);
    }
    close(fd);
}
END_TEST

START_TEST(old_clients)
{
    int fd = rig_connect();

    client_send(fd, "GET /health HTTP/1.0\r\n\r\n");
    client_expect_end(fd);
    ck_assert_uint_eq(client_metric("goqueue_http_requests_total{code=\"200\"}"), 1);
}
END_TEST

START_TEST(byte_by_byte)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = rig_connect();
    struct answer a;

    for (const char *p = request; *p != '\0'; p++)
        client_send(fd, (const char[]){ *p, '\0' });
    client_read(fd, false, &a);
    ck_assert_uint_eq(a.status, 200);
    answer_fini(&a);
    close(fd);
}
END_TEST

START_TEST(small_body_is_ignored)
{
    int fd = rig_connect();
    struct answer a;

    client_send(fd, "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                    "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 2; i++) {
        client_read(fd, false, &a);
        ck_assert_uint_eq(a.status, 200);
        answer_fini(&a);
    }
    close(fd);
}
END_TEST

START_TEST(client_goes_while_it_waits)
{
    int fd;

    rig.node = RIG_HOLDS;
    fd = rig_connect();
    client_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_wait_held();
    close(fd);
    rig.node = RIG_ANSWERS;
    rig_release();
    expect("GET /health", 200);
}
END_TEST

START_TEST(stopped_while_somebody_waits)
{
    int waiting, idle;

    rig_init();
    rig.node = RIG_HOLDS;
    rig_start();
    idle = rig_connect();
    waiting = rig_connect();
    client_send(waiting, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_wait_held();
    rig_stop();
    client_expect_end(waiting);
    client_expect_end(idle);
}
END_TEST

START_TEST(never_run)
{
    struct admin *admin;
    int fds[2];
    char byte;

    rig_init();
    ck_assert_int_eq(admin_new(&rig.config, &admin), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    ck_assert_int_eq(admin_add(admin, fds[0]), 0);
    admin_stop(admin);
    admin_free(admin);
    ck_assert_int_eq(read(fds[1], &byte, 1), 0);
    close(fds[1]);
    admin_free(NULL);
}
END_TEST

static char failure[200];

static void failed(void *ctx, const char *why)
{
    ck_assert_str_eq(failure, "");
    snprintf(failure, sizeof(failure), "%s", why);
}

START_TEST(library_is_missing)
{
    rig_init();
    rig.config.library = "libgoqueue-none.so.9";
    rig.config.failed = failed;
    rig_start();
    for (unsigned i = 0; i < 2; i++) {
        int fd = rig_connect();

        client_send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        client_expect_end(fd);
    }
    rig_stop();
    ck_assert_ptr_nonnull(strstr(failure, "libgoqueue-none.so.9"));
}
END_TEST

Suite *http_suite(void)
{
    Suite *s = suite_create("http");

    suite_add_with(s, documents, setup, rig_stop);
    suite_add_with(s, metrics, setup, rig_stop);
    suite_add_with(s, not_ready, setup, rig_stop);
    suite_add_with(s, refusals, setup, rig_stop);
    suite_add_with(s, head, setup, rig_stop);
    suite_add_with(s, connection_is_kept, setup, rig_stop);
    suite_add_with(s, pipelined, setup, rig_stop);
    suite_add_with(s, old_clients, setup, rig_stop);
    suite_add_with(s, byte_by_byte, setup, rig_stop);
    suite_add_with(s, small_body_is_ignored, setup, rig_stop);
    suite_add_with(s, client_goes_while_it_waits, setup, rig_stop);
    suite_add(s, stopped_while_somebody_waits);
    suite_add(s, never_run);
    suite_add(s, library_is_missing);
    return s;
}
