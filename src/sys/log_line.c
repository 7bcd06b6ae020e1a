/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <time.h>

#include "sys/log_record.h"

void sys_log_time_format(int64_t real_ms, bool for_file, char text[SYS_LOG_TIME_SIZE])
{
    time_t seconds = (time_t)(real_ms / 1000);
    char day[SYS_LOG_TIME_SIZE] = "";
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), for_file ? "%Y-%m-%dT%H-%M-%S" : "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, SYS_LOG_TIME_SIZE, "%.19s.%03u", day, (unsigned)(real_ms % 1000) % 1000);
}

/* Length of the valid UTF-8 character at p that may stand in a line as it is, or 0. */
static size_t printable(const unsigned char *p, const unsigned char *end)
{
    size_t n = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;

    if (n == 0 || n > (size_t)(end - p) || *p < ' ' || *p == 0x7f)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* C1 controls, overlong forms, surrogates and what lies beyond Unicode */
    if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return n;
}

static char *append_escaped(char *to, const char *from, size_t size)
{
    const unsigned char *p = (const unsigned char *)from, *end = p + size;

    while (p < end) {
        size_t n = printable(p, end);

        if (n == 0)
            to += sprintf(to, "\\x%02x", *p++);
        for (; n > 0; n--)
            *to++ = (char)*p++;
    }
    return to;
}

size_t sys_log_line_format(const struct sys_log_record *r, char line[RECORD_LINE_MAX])
{
    static const char *const names[] = { "debug", "info ", "warn ", "error" };
    char time[SYS_LOG_TIME_SIZE], *p = line;

    sys_log_time_format(r->real_ms, false, time);
    p += sprintf(p, "%sZ %s ", time, names[r->level]);
    p = append_escaped(p, r->text, r->size);
    if (r->topic[0] != '\0') {
        p += sprintf(p, " topic=");
        p = append_escaped(p, r->topic, strlen(r->topic));
    }
    if (r->partition >= 0)
        p += sprintf(p, " partition=%d", r->partition);
    *p++ = '\n';
    gq_assert(p <= line + RECORD_LINE_MAX);
    return (size_t)(p - line);
}
