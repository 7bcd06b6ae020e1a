/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "sys/log.h"
#include "sys/suites.h"

static const struct event {
    const char *name, *id, *subject;
} events[] = {
#define EVENT(name, level, id, subject) { #name, id, subject },
#include "sys/log_events.def"
#undef EVENT
};

#define N_EVENTS (sizeof(events) / sizeof(events[0]))

START_TEST(ids_are_valid_and_unique)
{
    for (size_t i = 0; i < N_EVENTS; i++) {
        ck_assert_uint_eq(strlen(events[i].id), 32);
        for (const char *p = events[i].id; *p != '\0'; p++)
            ck_assert_msg(isdigit(*p) || (*p >= 'a' && *p <= 'f'), "%s", events[i].name);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(events[i].id, events[j].id);
    }
}
END_TEST

START_TEST(events_have_their_level)
{
    ck_assert_int_eq(sys_log_event_level(LOG_EVENT_READY), LOG_LEVEL_INFO);
    ck_assert_int_eq(sys_log_event_level(LOG_EVENT_EXPOSED), LOG_LEVEL_WARN);
    ck_assert_int_eq(sys_log_event_level(LOG_EVENT_CORRUPT), LOG_LEVEL_ERROR);
    ck_assert_int_eq(LOG_N_EVENTS, N_EVENTS + 1);
}
END_TEST

static const struct event *find(const char *id)
{
    for (size_t i = 0; i < N_EVENTS; i++)
        if (strncmp(events[i].id, id, 32) == 0)
            return &events[i];
    return NULL;
}

/* Every entry "-- ID", "Subject: …", other headers, an empty line and a text; each event once, and nothing else. */
START_TEST(the_catalog_explains_every_event)
{
    FILE *f = fopen(GQ_SRCDIR "/systemd/goqueue.catalog", "r");
    const struct event *current = NULL;
    size_t n_seen = 0, n_subjects = 0, n_texts = 0;
    bool in_text = false;
    char line[512];

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        ck_assert_msg(strlen(line) <= 80 || line[0] == '#', "%s", line);
        if (strncmp(line, "-- ", 3) == 0) {
            current = find(line + 3);
            ck_assert_msg(current != NULL, "%s isn't in log_events.def", line);
            ck_assert_uint_eq(strlen(line), 3 + 32);
            in_text = false;
            n_seen++;
        } else if (strncmp(line, "Subject: ", 9) == 0) {
            ck_assert_str_eq(line + 9, current->subject);
            n_subjects++;
        } else if (line[0] == '\0') {
            in_text = true;
        } else if (current != NULL && in_text) {
            n_texts++;
            in_text = false;
        }
    }
    fclose(f);
    ck_assert_uint_eq(n_seen, N_EVENTS);
    ck_assert_uint_eq(n_subjects, N_EVENTS);
    ck_assert_uint_eq(n_texts, N_EVENTS);
}
END_TEST

Suite *log_events_suite(void)
{
    Suite *s = suite_create("log_events");

    suite_add(s, ids_are_valid_and_unique);
    suite_add(s, events_have_their_level);
    suite_add(s, the_catalog_explains_every_event);
    return s;
}
