/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "support/suite.h"

#define PATIENCE_MS 20000

struct rig rig;

static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t was_held = PTHREAD_COND_INITIALIZER;
static struct collection *held;

static void *run(void *admin)
{
    admin_run(admin);
    return NULL;
}

static void answer_collection(struct collection *c)
{
    sample_report(&c->report);
    c->report.ready = rig.is_ready;
    sample_facts(&c->facts);
    collection_return(c);
}

static void collect(void *ctx, struct admin_request *request)
{
    struct collection *c = container_of(request, struct collection, request);

    if (rig.node == RIG_ANSWERS) {
        answer_collection(c);
        return;
    }
    pthread_mutex_lock(&lock);
    held = c;
    pthread_cond_signal(&was_held);
    pthread_mutex_unlock(&lock);
}

void rig_wait_held(void)
{
    pthread_mutex_lock(&lock);
    while (held == NULL)
        pthread_cond_wait(&was_held, &lock);
    pthread_mutex_unlock(&lock);
}

void rig_release(void)
{
    struct collection *c;

    rig_wait_held();
    pthread_mutex_lock(&lock);
    c = TAKE_PTR(held);
    pthread_mutex_unlock(&lock);
    answer_collection(c);
}

void rig_init(void)
{
    rig = (struct rig){ .is_ready = true };
    admin_config_init(&rig.config);
    rig.config.collect = collect;
}

static void open_listener(void)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof(addr);

    rig.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(rig.listen_fd, 0);
    ck_assert_int_eq(bind(rig.listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    ck_assert_int_eq(listen(rig.listen_fd, 100), 0);
    ck_assert_int_eq(getsockname(rig.listen_fd, (struct sockaddr *)&addr, &size), 0);
    rig.port = ntohs(addr.sin_port);
}

void rig_start(void)
{
    open_listener();
    ck_assert_int_eq(admin_new(&rig.config, &rig.admin), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run, rig.admin), 0);
}

void rig_stop(void)
{
    admin_stop(rig.admin);
    pthread_join(thread, NULL);
    admin_free(rig.admin);
    held = NULL;
    close(rig.listen_fd);
}

int rig_connect_with(const char *first)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons((uint16_t)rig.port),
                                .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    if (first != NULL)
        client_send(fd, first);
    accepted = accept4(rig.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(accepted, 0);
    ck_assert_int_eq(admin_add(rig.admin, accepted), 0);
    return fd;
}

int rig_connect(void)
{
    return rig_connect_with(NULL);
}

bool client_try_send(int fd, const char *text)
{
    size_t size = strlen(text);

    return send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

void client_send(int fd, const char *text)
{
    ck_assert_msg(client_try_send(fd, text), "sending: %s", strerror(errno));
}

/* 0 at the end, however it came. */
static size_t receive(int fd, char *to, size_t size)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t n;

    ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "nothing comes");
    n = recv(fd, to, size, 0);
    return n > 0 ? (size_t)n : 0;
}

char *answer_header(const struct answer *a, const char *name)
{
    size_t size = strlen(name);

    for (const char *line = a->head; line != NULL; line = strstr(line, "\r\n")) {
        line += *line == '\r' ? 2 : 0;
        if (strncasecmp(line, name, size) == 0 && strncmp(line + size, ": ", 2) == 0)
            return xstrndup(line + size + 2, strcspn(line + size + 2, "\r"));
        if (*line == '\0')
            break;
    }
    return NULL;
}

static void read_head(int fd, struct answer *ret)
{
    size_t size = 0;

    ret->head = xcalloc(1, 16384);
    while (strstr(ret->head, "\r\n\r\n") == NULL) {
        ck_assert_uint_lt(size, 16000);
        if (receive(fd, ret->head + size, 1) == 0)
            return;
        size++;
    }
    ck_assert_int_eq(sscanf(ret->head, "HTTP/1.1 %u ", &ret->status), 1);
}

void client_read(int fd, bool head_only, struct answer *ret)
{
    char *length;
    size_t n;

    *ret = (struct answer){ .body = xcalloc(1, 1) };
    read_head(fd, ret);
    if (ret->status == 0 || head_only)
        return;
    length = answer_header(ret, "Content-Length");
    ck_assert_ptr_nonnull(length);
    ret->size = strtoul(length, NULL, 10);
    ret->body = xrealloc(ret->body, ret->size + 1);
    ret->body[ret->size] = '\0';
    for (size_t got = 0; got < ret->size; got += n) {
        n = receive(fd, ret->body + got, ret->size - got);
        ck_assert_uint_gt(n, 0);
    }
    free(length);
}

void answer_fini(struct answer *a)
{
    free(a->head);
    free(a->body);
}

void client_expect_end(int fd)
{
    char bytes[4096];

    while (receive(fd, bytes, sizeof(bytes)) > 0)
        ;
    close(fd);
}

void client_get(const char *request, struct answer *ret)
{
    char *text = xasprintf("%s HTTP/1.1\r\nHost: x\r\n\r\n", request);
    int fd = rig_connect_with(text);

    client_read(fd, strncmp(request, "HEAD", 4) == 0, ret);
    close(fd);
    free(text);
}

unsigned long long client_metric(const char *name)
{
    char *line = xasprintf("\n%s ", name);
    unsigned long long value;
    struct answer a;
    char *p;

    client_get("GET /metrics", &a);
    p = strstr(a.body, line);
    ck_assert_msg(p != NULL, "there is no %s in %u %s", name, a.status, a.body);
    value = strtoull(p + strlen(line), NULL, 10);
    answer_fini(&a);
    free(line);
    return value;
}
