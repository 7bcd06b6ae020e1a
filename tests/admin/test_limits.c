/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that are wrong, slow, or too many. No test looks at a clock: they wait for what must happen. */
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/rig.h"
#include "admin/suites.h"

#define REQUEST "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
#define WITH(headers) "GET /health HTTP/1.1\r\nHost: x\r\n" headers "\r\n"

static void setup(void)
{
    rig_init();
    rig_start();
}

static void expect_alive(void)
{
    struct answer a;

    client_get("GET /health", &a);
    ck_assert_uint_eq(a.status, 200);
    answer_fini(&a);
}

/* 0: closed without an answer. After a refusal the connection ends, so that nothing behind it is taken as a request. */
static void expect_refusal(const char *text, unsigned status)
{
    int fd = rig_connect();
    struct answer a;

    client_send(fd, text);
    shutdown(fd, SHUT_WR);
    client_read(fd, false, &a);
    ck_assert_msg(a.status == status, "%u instead of %u for: %.100s", a.status, status, text);
    if (status != 0)
        client_expect_end(fd);
    else
        close(fd);
    answer_fini(&a);
}

/* All others are closed on both sides sooner or later. */
static void expect_alone(void)
{
    while (client_metric("goqueue_http_connections_open") > 1)
        usleep(1000);
}

START_TEST(ambiguous_lengths)
{
    expect_refusal(WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n" REQUEST, 400);
    expect_refusal(WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n" REQUEST, 400);
    expect_refusal(WITH("Content-Length: 5\r\nContent-Length: 6\r\n") "hello" REQUEST, 400);
    expect_refusal(WITH("Content-Length: 5\r\nContent-Length: 5\r\n") "hello" REQUEST, 400);
    expect_refusal(WITH("Transfer-Encoding: chunked\r\n") "0\r\n\r\n" REQUEST, 411);
    expect_refusal(WITH("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n" REQUEST, 411);
    expect_refusal(WITH("Transfer-Encoding: xchunked\r\n") REQUEST, 411);
    expect_refusal(WITH("Transfer-Encoding: chunked\r\n") "ffffffffffffffffff\r\n", 411);
    expect_refusal(WITH("Content-Length: 1000000000\r\n") "hello", 413);
    expect_refusal(WITH("Content-Length: -1\r\n"), 400);
    expect_refusal(WITH("Content-Length: 99999999999999999999\r\n"), 413);
    expect_alive();
}
END_TEST

START_TEST(malformed)
{
    static const char *const texts[] = {
        "GET\r\n\r\n",
        "GET  \r\n\r\n",
        "GET /health\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n", /* no Host */
        "GET /health HTTP/1.1\r\n: x\r\n\r\n",
        "GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
        "GET /\xff\xfe%00%zz HTTP/1.1\r\nHost: x\r\nA: \x01\xff\r\n\r\n",
        "HEAD",
        "PUT ",
        "OPTIONS * HTTP/1.1\r\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int fd = rig_connect_with(texts[i]);

        shutdown(fd, SHUT_WR);
        client_expect_end(fd);
    }
    expect_alive();
    ck_assert_uint_ge(client_metric("goqueue_http_connections_wasted_total"), 3);
}
END_TEST

START_TEST(head_is_too_large)
{
    char *long_path = xcalloc(1, 100001), *text;
    int fd = rig_connect();
    bool is_open = true;

    memset(long_path, 'a', 100000);
    text = xasprintf("GET /%s HTTP/1.1\r\n", long_path);
    if (client_try_send(fd, text))
        client_expect_end(fd);
    else
        close(fd);
    fd = rig_connect();
    client_send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n");
    for (unsigned i = 0; is_open && i < 1000000; i++) /* headers without end */
        is_open = client_try_send(fd, "X-Header: some value or other\r\n");
    ck_assert(!is_open);
    close(fd);
    expect_alive();
    free(text);
    free(long_path);
}
END_TEST

static void setup_impatient(void)
{
    rig_init();
    rig.config.request_ms = 50;
    rig.config.collect_ms = 50;
    rig.config.reply_ms = 50;
    rig_start();
}

START_TEST(silent_clients_are_closed)
{
    int silent = rig_connect(), half = rig_connect(), body = rig_connect(), kept = rig_connect();

    client_try_send(half, "GET /health HTTP/1.1\r\nHost:");
    client_try_send(body, WITH("Content-Length: 5\r\n") "hel");
    client_try_send(kept, REQUEST);
    client_expect_end(silent);
    client_expect_end(half);
    client_expect_end(body);
    client_expect_end(kept);
    ck_assert_uint_eq(client_metric("goqueue_http_connections_timed_out_total"), 4);
}
END_TEST

/* Each byte is activity, and buys no time. */
START_TEST(dripping_client_is_closed)
{
    int fd = rig_connect();

    client_try_send(fd, "GET /health HTTP/1.1\r\nA: ");
    while (client_try_send(fd, "x"))
        usleep(1000);
    close(fd);
    ck_assert_uint_eq(client_metric("goqueue_http_connections_timed_out_total"), 1);
    expect_alone();
}
END_TEST

/* Answers to requests that were sent at once, until both sockets' buffers are full. */
START_TEST(client_that_does_not_read)
{
    int fd = rig_connect();

    while (client_try_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"))
        ;
    close(fd);
    ck_assert_uint_eq(client_metric("goqueue_http_connections_timed_out_total"), 1);
    expect_alone();
}
END_TEST

START_TEST(figures_do_not_come)
{
    struct answer a;

    rig.node = RIG_HOLDS;
    client_get("GET /health/live", &a);
    ck_assert_uint_eq(a.status, 503);
    ck_assert_ptr_nonnull(strstr(a.body, "stuck"));
    answer_fini(&a);
    rig.node = RIG_ANSWERS;
    rig_release();
    expect_alive();
}
END_TEST

static void setup_crowded(void)
{
    rig_init();
    rig.config.max_connections = 4;
    rig_start();
}

START_TEST(slowest_makes_room)
{
    int slow[4];

    for (unsigned i = 0; i < 4; i++)
        slow[i] = rig_connect();
    client_send(slow[0], "GET /health HTTP/1.1\r\n");
    for (unsigned i = 0; i < 8; i++) /* the first takes the place of one, the others take each other's */
        expect_alive();
    client_expect_end(slow[0]);
    for (unsigned i = 1; i < 4; i++)
        close(slow[i]);
    ck_assert_uint_ge(client_metric("goqueue_http_connections_evicted_total"), 1);
    expect_alone();
}
END_TEST

static void setup_single(void)
{
    rig_init();
    rig.config.max_connections = 1;
    rig_start();
}

START_TEST(who_waits_for_us_keeps_the_place)
{
    int waiting, refused;
    struct answer a;

    rig.node = RIG_HOLDS;
    waiting = rig_connect();
    client_send(waiting, REQUEST);
    rig_wait_held();
    refused = rig_connect();
    client_expect_end(refused);
    rig.node = RIG_ANSWERS;
    rig_release();
    client_read(waiting, false, &a);
    ck_assert_uint_eq(a.status, 200);
    answer_fini(&a);
    close(waiting);
    ck_assert_uint_eq(client_metric("goqueue_http_connections_refused_total"), 1);
    expect_alone();
}
END_TEST

static void *ask_often(void *arg)
{
    int *fds = arg;

    for (unsigned i = 0; i < 20; i++) {
        for (unsigned n = 0; n < 10; n++)
            client_send(fds[n], REQUEST);
        for (unsigned n = 0; n < 10; n++) {
            struct answer a;

            client_read(fds[n], false, &a);
            ck_assert_uint_eq(a.status, 200);
            answer_fini(&a);
        }
    }
    return NULL;
}

START_TEST(many_at_once)
{
    pthread_t threads[4];
    int fds[4][10];

    for (unsigned t = 0; t < 4; t++) {
        for (unsigned n = 0; n < 10; n++)
            fds[t][n] = rig_connect();
        ck_assert_int_eq(pthread_create(&threads[t], NULL, ask_often, fds[t]), 0);
    }
    for (unsigned t = 0; t < 4; t++)
        pthread_join(threads[t], NULL);
    for (unsigned i = 0; i < 40; i++)
        close(fds[i / 10][i % 10]);
    ck_assert_uint_eq(client_metric("goqueue_http_requests_total{code=\"200\"}"), 800);
    expect_alone();
}
END_TEST

Suite *limits_suite(void)
{
    Suite *s = suite_create("limits");

    suite_add_with(s, ambiguous_lengths, setup, rig_stop);
    suite_add_with(s, malformed, setup_impatient, rig_stop);
    suite_add_with(s, head_is_too_large, setup, rig_stop);
    suite_add_with(s, silent_clients_are_closed, setup_impatient, rig_stop);
    suite_add_with(s, dripping_client_is_closed, setup_impatient, rig_stop);
    suite_add_with(s, client_that_does_not_read, setup_impatient, rig_stop);
    suite_add_with(s, figures_do_not_come, setup_impatient, rig_stop);
    suite_add_with(s, slowest_makes_room, setup_crowded, rig_stop);
    suite_add_with(s, who_waits_for_us_keeps_the_place, setup_single, rig_stop);
    suite_add_with(s, many_at_once, setup, rig_stop);
    return s;
}
