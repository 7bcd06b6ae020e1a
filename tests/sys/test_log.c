/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/log_record.h"
#include "sys/suites.h"
#include "sys/temp_dir.h"

static struct sys_log_record *record(const char *text, const char *topic, int32_t partition)
{
    struct sys_log_record *r = xcalloc(1, sizeof(*r) + strlen(text) + 1);

    r->level = LOG_LEVEL_WARN;
    r->real_ms = 1795526272123; /* 2026-11-24T13:17:52.123Z */
    r->partition = partition;
    r->size = strlen(text);
    strcpy(r->text, text);
    strcpy(r->topic, topic);
    return r;
}

static void check_line(const char *text, const char *topic, int32_t partition, const char *expect)
{
    _cleanup_(freep) struct sys_log_record *r = record(text, topic, partition);
    char line[RECORD_LINE_MAX + 1];

    line[sys_log_line_format(r, line)] = '\0';
    ck_assert_str_eq(line, expect);
}

START_TEST(lines)
{
    char text[SYS_LOG_TEXT_MAX], line[RECORD_LINE_MAX];

    check_line("hello", "", -1, "2026-11-24T13:17:52.123Z warn  hello\n");
    check_line("hello", "t", 0, "2026-11-24T13:17:52.123Z warn  hello topic=t partition=0\n");
    /* Nobody forges a second line or moves the terminal's cursor. */
    check_line("a\nb\r\x1b[2J\x7f", "t\n", -1,
               "2026-11-24T13:17:52.123Z warn  a\\x0ab\\x0d\\x1b[2J\\x7f topic=t\\x0a\n");
    check_line("Größe 隊列 🐇", "", -1, "2026-11-24T13:17:52.123Z warn  Größe 隊列 🐇\n");
    check_line("\xff\xc3 \xc2\x85 \xed\xa0\x80 \xe9\x9a", "", -1,
               "2026-11-24T13:17:52.123Z warn  \\xff\\xc3 \\xc2\\x85 \\xed\\xa0\\x80 \\xe9\\x9a\n");
    memset(text, 1, sizeof(text) - 1); /* the longest line there is fits */
    text[sizeof(text) - 1] = '\0';
    {
        _cleanup_(freep) struct sys_log_record *r = record(text, "", INT32_MAX);

        memset(r->topic, 1, sizeof(r->topic) - 1);
        ck_assert_uint_gt(sys_log_line_format(r, line), 4 * (SYS_LOG_TEXT_MAX - 1));
    }
}
END_TEST

/* Standard error of this process, as somebody else reads it. */
struct captured {
    int fd;
};

static struct captured capture_stderr(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    close(fds[1]);
    return (struct captured){ fds[0] };
}

/* All that was written; ends the capture. */
static char *captured_text(struct captured *c)
{
    char *text = xcalloc(1, 1 << 20);
    size_t size = 0;
    ssize_t n;
    int null = open("/dev/null", O_WRONLY);

    dup2(null, STDERR_FILENO);
    close(null);
    while ((n = read(c->fd, text + size, (1 << 20) - 1 - size)) > 0)
        size += (size_t)n;
    close(c->fd);
    return text;
}

static char *file_text(const char *path)
{
    char *text = xcalloc(1, 1 << 20);
    int fd = open(path, O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ge(read(fd, text, (1 << 20) - 1), 0);
    close(fd);
    return text;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        n++;
    }
    return n;
}

static struct sys_log_options options(const char *file)
{
    return (struct sys_log_options){ .level = LOG_LEVEL_INFO,
                                     .node = "b1",
                                     .file = file,
                                     .max_size_bytes = 1 << 30,
                                     .max_backups = -1,
                                     .max_age_ns = -1 };
}

START_TEST(goes_to_standard_error)
{
    struct captured c = capture_stderr();
    struct sys_log_options o = options(NULL);
    _cleanup_(freep) char *text = NULL;

    unsetenv("JOURNAL_STREAM");
    log_info("before %d", 1);
    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    log_debug("not wanted");
    log_event(READY, "ready on %s", "x:1");
    log_event_on(CORRUPT, "orders", 7, "bad block");
    o.level = LOG_LEVEL_ERROR;
    sys_log_set_options(&o);
    log_warn("not wanted either");
    log_error("wanted");
    sys_log_close();
    log_error("after");
    text = captured_text(&c);
    ck_assert_uint_eq(count(text, "\n"), 5);
    ck_assert_uint_eq(count(text, "not wanted"), 0);
    ck_assert_ptr_nonnull(strstr(text, "Z info  before 1\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z info  ready on x:1\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z error bad block topic=orders partition=7\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z error wanted\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z error after\n"));
}
END_TEST

START_TEST(goes_to_a_file)
{
    struct captured c = capture_stderr();
    struct sys_log_options o;
    _cleanup_(freep) char *text = NULL, *err_text = NULL;
    struct temp_dir dir;
    struct stat st;

    temp_dir_make(&dir);
    o = options(temp_dir_path(&dir, "sub/dir/b1.log"));
    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    log_info("one");
    log_error("two");
    sys_log_flush();
    text = file_text(temp_dir_path(&dir, "sub/dir/b1.log"));
    ck_assert_ptr_nonnull(strstr(text, "Z info  one\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z error two\n"));
    sys_log_close();
    err_text = captured_text(&c);
    ck_assert_ptr_nonnull(strstr(err_text, "Z error two\n")); /* errors are told there too */
    ck_assert_uint_eq(count(err_text, "\n"), 1);
    ck_assert_int_eq(stat(temp_dir_path(&dir, "sub/dir/b1.log"), &st), 0);
    ck_assert_int_eq(st.st_mode & 0137, 0);
    temp_dir_remove(&dir);
}
END_TEST

START_TEST(reopens_its_file)
{
    _cleanup_(freep) char *old = NULL, *new = NULL;
    struct sys_log_options o;
    struct temp_dir dir;
    char path[sizeof(dir.path) + 8];

    temp_dir_make(&dir);
    snprintf(path, sizeof(path), "%s/b1.log", dir.path);
    o = options(path);
    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    log_info("one");
    sys_log_flush();
    ck_assert_int_eq(rename(path, temp_dir_path(&dir, "moved")), 0);
    log_info("two"); /* still goes to the file that was moved */
    sys_log_reopen();
    log_info("three");
    sys_log_close();
    old = file_text(temp_dir_path(&dir, "moved"));
    new = file_text(path);
    ck_assert_uint_eq(count(old, "\n"), 2);
    ck_assert_ptr_nonnull(strstr(old, "two\n"));
    ck_assert_uint_eq(count(new, "\n"), 1);
    ck_assert_ptr_nonnull(strstr(new, "three\n"));
    temp_dir_remove(&dir);
}
END_TEST

START_TEST(an_unusable_file_is_an_error)
{
    struct error_text err = { "" };
    struct sys_log_options o;
    struct temp_dir dir;

    temp_dir_make(&dir);
    o = options(dir.path);
    ck_assert_int_eq(sys_log_open(&o, &err), -EISDIR);
    ck_assert_ptr_nonnull(strstr(err.text, dir.path));
    temp_dir_remove(&dir);
}
END_TEST

START_TEST(a_full_disk_goes_to_standard_error)
{
    struct captured c = capture_stderr();
    struct sys_log_options o = options("/dev/full");
    _cleanup_(freep) char *text = NULL;

    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    log_info("one");
    log_info("two");
    sys_log_close();
    text = captured_text(&c);
    ck_assert_uint_eq(count(text, "error log file /dev/full: No space left on device\n"), 1);
    ck_assert_uint_eq(count(text, "info  one\n"), 1);
    ck_assert_uint_eq(count(text, "info  two\n"), 1);
}
END_TEST

#define N_THREADS 4
#define N_MESSAGES 150 /* all of them fit in the queue */

static void *log_some(void *arg)
{
    for (int i = 0; i < N_MESSAGES; i++)
        log_info("thread %d message %d.", *(int *)arg, i);
    return NULL;
}

START_TEST(threads_keep_their_order)
{
    int numbers[N_THREADS], next[N_THREADS] = { 0 };
    _cleanup_(freep) char *text = NULL;
    pthread_t threads[N_THREADS];
    struct sys_log_options o;
    struct temp_dir dir;

    temp_dir_make(&dir);
    o = options(temp_dir_path(&dir, "b1.log"));
    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    for (int i = 0; i < N_THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_some, &numbers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    sys_log_close();
    text = file_text(temp_dir_path(&dir, "b1.log"));
    for (const char *p = text; (p = strstr(p, "thread ")) != NULL; p++) {
        int thread, message;

        ck_assert_int_eq(sscanf(p, "thread %d message %d.", &thread, &message), 2);
        ck_assert_int_eq(message, next[thread]++);
    }
    for (int i = 0; i < N_THREADS; i++)
        ck_assert_int_eq(next[i], N_MESSAGES);
    temp_dir_remove(&dir);
}
END_TEST

static void *read_all(void *arg)
{
    struct captured *c = arg;
    char *text = xcalloc(1, 1 << 20);
    size_t size = 0;
    ssize_t n;

    while ((n = read(c->fd, text + size, (1 << 20) - 1 - size)) > 0)
        size += (size_t)n;
    return text;
}

static unsigned count_told(const char *text)
{
    unsigned total = 0, n;

    for (const char *p = text; (p = strstr(p, "Z warn  ")) != NULL; p++)
        if (sscanf(p, "Z warn  %u messages were dropped", &n) == 1)
            total += n;
    return total;
}

/* Nobody reads the pipe until the flood is over, so nothing moves: the caller isn't held up, and what doesn't fit into
 * pipe and queue is counted. */
START_TEST(a_flood_is_dropped_and_counted)
{
    struct captured c = capture_stderr();
    struct sys_log_options o = options(NULL);
    pthread_t reader;
    void *text;

    unsetenv("JOURNAL_STREAM");
    ck_assert_int_eq(sys_log_open(&o, NULL), 0);
    for (int i = 0; i < 4 * SYS_LOG_QUEUE_MAX; i++)
        log_info("flood %04d ........................................................................", i);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &c), 0);
    sys_log_close();
    ck_assert_int_eq(close(STDERR_FILENO), 0); /* the pipe's end */
    ck_assert_int_eq(pthread_join(reader, &text), 0);
    ck_assert_uint_gt(count_told(text), 0); /* how much depends on what the pipe and the thread have taken */
    ck_assert_uint_eq(count_told(text) + count(text, "flood "), 4 * SYS_LOG_QUEUE_MAX);
    free(text);
    close(c.fd);
}
END_TEST

START_TEST(the_journal_is_recognized)
{
    char stream[64];
    struct stat st;

    unsetenv("JOURNAL_STREAM");
    ck_assert(!sys_log_journal_is_stderr());
    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    ck_assert(sys_log_journal_is_stderr());
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited from a service that we aren't */
    ck_assert(!sys_log_journal_is_stderr());
    setenv("JOURNAL_STREAM", "nonsense", 1);
    ck_assert(!sys_log_journal_is_stderr());
}
END_TEST

Suite *log_suite(void)
{
    Suite *s = suite_create("log");

    suite_add(s, lines);
    suite_add(s, goes_to_standard_error);
    suite_add(s, goes_to_a_file);
    suite_add(s, reopens_its_file);
    suite_add(s, an_unusable_file_is_an_error);
    suite_add(s, a_full_disk_goes_to_standard_error);
    suite_add(s, threads_keep_their_order);
    suite_add(s, a_flood_is_dropped_and_counted);
    suite_add(s, the_journal_is_recognized);
    return s;
}
