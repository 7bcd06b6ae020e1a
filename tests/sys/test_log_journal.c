/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/suites.h"

/* libsystemd sends to one fixed path. So these tests run in a mount namespace where another socket is there; where the
 * system doesn't let us have one, there is nothing to see. */

#define STATUS_NO_NAMESPACE 77

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return good;
}

/* Without root it takes a user namespace in which we are root. */
static bool become_root(void)
{
    unsigned uid = geteuid(), gid = getegid();
    char uid_map[64], gid_map[64];

    if (uid == 0)
        return true;
    snprintf(uid_map, sizeof(uid_map), "0 %u 1", uid);
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", gid);
    return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uid_map) && write_file("/proc/self/gid_map", gid_map);
}

static bool enter_namespace(void)
{
    if (!become_root() || unshare(CLONE_NEWNS) < 0)
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 && mount("none", "/run", "tmpfs", 0, NULL) == 0;
}

static int open_journal(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket" };
    int fd;

    if (!enter_namespace())
        _exit(STATUS_NO_NAMESPACE);
    if (mkdir("/run/systemd", 0755) < 0 || mkdir("/run/systemd/journal", 0755) < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0 ? fd : -1;
}

/* The value of a field in the journal's native protocol, or NULL: "NAME=value\n", or, for values with line ends,
 * "NAME\n", 8 bytes of length, value, "\n". */
static const char *field(char *message, size_t size, const char *name)
{
    static char value[4096];
    char *p = message, *end = message + size;

    while (p < end) {
        char *line_end = memchr(p, '\n', (size_t)(end - p)), *equals = memchr(p, '=', (size_t)(line_end - p));
        size_t n_name = (size_t)((equals != NULL ? equals : line_end) - p), n = 0;
        char *data = equals != NULL ? equals + 1 : line_end + 1 + sizeof(uint64_t);
        uint64_t le;

        if (equals != NULL) {
            n = (size_t)(line_end - data);
        } else {
            memcpy(&le, line_end + 1, sizeof(le));
            n = (size_t)le64toh(le);
        }
        if (n_name == strlen(name) && strncmp(p, name, n_name) == 0) {
            snprintf(value, sizeof(value), "%.*s", (int)n, data);
            return value;
        }
        p = data + n + 1;
    }
    return NULL;
}

static bool has(char *message, size_t size, const char *name, const char *expect)
{
    const char *value = field(message, size, name);

    if (expect == NULL ? value == NULL : value != NULL && strcmp(value, expect) == 0)
        return true;
    fprintf(stderr, "%s is %s, expected %s\n", name, value != NULL ? value : "(none)",
            expect != NULL ? expect : "none");
    return false;
}

static size_t receive(int fd, char *message, size_t size)
{
    ssize_t n = recv(fd, message, size, 0);

    return n > 0 ? (size_t)n : 0;
}

static int log_to_journal(void)
{
    struct sys_log_options o = { .level = LOG_LEVEL_INFO, .node = "b1" };
    char message[8192], stream[64];
    int fd = open_journal();
    struct stat st;
    bool good;
    size_t n;

    if (fd < 0 || fstat(STDERR_FILENO, &st) < 0)
        return 2;
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    if (sys_log_open(&o, NULL) != 0)
        return 3;
    log_event_on(CORRUPT, "orders", 7, "line one\nline two");
    n = receive(fd, message, sizeof(message));
    good = has(message, n, "MESSAGE", "line one\nline two") && has(message, n, "PRIORITY", "3") &&
           has(message, n, "MESSAGE_ID", "91075f56560a475b9148dde5710e6552") && has(message, n, "GOQUEUE_NODE", "b1") &&
           has(message, n, "GOQUEUE_TOPIC", "orders") && has(message, n, "GOQUEUE_PARTITION", "7") &&
           has(message, n, "SYSLOG_IDENTIFIER", program_invocation_short_name);
    log_info("plain");
    n = receive(fd, message, sizeof(message));
    good = good && has(message, n, "MESSAGE", "plain") && has(message, n, "PRIORITY", "6") &&
           has(message, n, "MESSAGE_ID", NULL) && has(message, n, "GOQUEUE_TOPIC", NULL) &&
           has(message, n, "GOQUEUE_PARTITION", NULL);
    sys_log_close();
    return good ? 0 : 4;
}

START_TEST(sends_fields)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(log_to_journal());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == STATUS_NO_NAMESPACE)
        return;
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

Suite *log_journal_suite(void)
{
    Suite *s = suite_create("log_journal");

    suite_add(s, sends_fields);
    return s;
}
