/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/say.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_FIRST_MS 1000
#define PROGRESS_EVERY_MS 200

/* --- log file --- */

static FILE *trace_file;

/* Makes the folders of a file's path. */
static int make_folders(const char *path)
{
    char *copy = xstrdup(path);
    int r = 0;

    for (char *slash = strchr(copy + 1, '/'); r == 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST)
            r = -errno;
        *slash = '/';
    }
    free(copy);
    return r;
}

int trace_open(const char *path, struct error_text *err)
{
    int r = make_folders(path);

    if (r == 0) {
        trace_file = fopen(path, "ae");
        if (trace_file == NULL)
            r = -errno;
    }
    if (r < 0)
        error_setf(err, "log file %s: %s", path, strerror(-r));
    return r;
}

void trace_close(void)
{
    if (trace_file != NULL)
        fclose(trace_file);
    trace_file = NULL;
}

/* One call of stdio for one line: librdkafka's threads write here too. */
static void trace_line(const char *level, const char *text)
{
    char when[32];
    struct timespec now;
    struct tm tm;

    if (trace_file == NULL)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(trace_file, "%s.%03ldZ gqctl[%d] %s: %s\n", when, now.tv_nsec / 1000000, (int)getpid(), level, text);
    fflush(trace_file);
}

void trace_from_client(void *ctx, int level, const char *text)
{
    static const char *const names[] = { "error", "error", "error", "error", "warn", "info", "info", "debug" };

    trace_line(names[MIN(MAX(level, 0), 7)], text);
}

void trace_say(const char *fmt, ...)
{
    struct error_text text;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text.text, sizeof(text.text), fmt, ap);
    va_end(ap);
    trace_line("info", text.text);
}

/* --- failures --- */

void say_error(const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "gqctl: %s\n", text);
    trace_line("error", text);
}

int exit_status_of(int result)
{
    if (result == 0)
        return EXIT_SUCCESS;
    return result == -ETIMEDOUT || result == -EHOSTUNREACH ? EX_TEMPFAIL : EXIT_FAILURE;
}

int say_failure(const char *what, int result, const struct gq_error *err)
{
    say_error("%s%s%s%s%s", what != NULL ? what : "", what != NULL ? ": " : "", err->name,
              err->name[0] != '\0' ? ": " : "", err->text);
    return exit_status_of(result);
}

/* --- output --- */

void print_json(json_t *value)
{
    gq_assert(value != NULL);
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

static char *base64(const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = xmalloc((size + 2) / 3 * 4 + 1), *out = text;

    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits =
            (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);

        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    *out = '\0';
    return text;
}

void json_set_bytes(json_t *object, const char *key, const void *data, size_t size)
{
    json_t *text = data != NULL ? json_stringn(data, size) : json_null();
    char *encoded, *name;

    if (text != NULL) {
        json_object_set_new(object, key, text);
        return;
    }
    encoded = base64(data, size);
    name = xasprintf("%s_base64", key);
    json_object_set_new(object, name, json_string(encoded));
    free(encoded);
    free(name);
}

int finish_output(int status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    say_error("standard output: %s", errno != 0 ? strerror(errno) : "it could not be written");
    return status != 0 ? status : EXIT_FAILURE;
}

/* --- progress --- */

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

void progress_init(struct progress *p)
{
    *p = (struct progress){ .is_on = isatty(STDERR_FILENO) == 1, .start_ms = now_ms() };
    p->next_ms = p->start_ms + PROGRESS_FIRST_MS;
}

void progress_show(struct progress *p, int64_t n, int64_t total, int64_t bytes)
{
    int64_t now, passed_ms;

    if (!p->is_on)
        return;
    now = now_ms();
    if (now < p->next_ms)
        return;
    passed_ms = MAX(now - p->start_ms, 1);
    p->next_ms = now + PROGRESS_EVERY_MS;
    p->is_shown = true;
    fprintf(stderr, "\r\033[K%lld", (long long)n);
    if (total >= 0)
        fprintf(stderr, " of %lld (%.0f %%)", (long long)total, total > 0 ? 100.0 * (double)n / (double)total : 100.0);
    fprintf(stderr, " messages, %.1f MB, %.1f MB/s", (double)bytes / 1e6, (double)bytes / 1e3 / (double)passed_ms);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->is_shown)
        fputs("\r\033[K", stderr);
    p->is_shown = false;
}
