/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of the log: one message, and its two outward forms. */

#include <sys/types.h>

#include "base/list.h"
#include "sys/log.h"

enum record_kind {
    RECORD_TEXT,
    RECORD_OPTIONS, /* options to take over */
    RECORD_REOPEN,
    RECORD_FLUSH, /* tells that all before it is written */
    RECORD_END,   /* the thread ends */
};

#define RECORD_TOPIC_MAX 250 /* Kafka allows 249 bytes */

struct sys_log_record {
    struct list link; /* in the mailbox */
    enum record_kind kind;
    enum log_level level;
    enum log_event event;
    int64_t real_ms; /* Unix time */
    int32_t partition;
    char topic[RECORD_TOPIC_MAX]; /* empty for none */
    struct sys_log_options options;
    size_t size;
    char text[]; /* size bytes and a NUL */
};

#define RECORD_LINE_MAX (4 * (SYS_LOG_TEXT_MAX + RECORD_TOPIC_MAX) + 128)

/* "2026-11-24T13:17:52.123Z info  text topic=t partition=3\n"; returns the length. Control characters and invalid
 * UTF-8 come as \xNN. */
size_t sys_log_line_format(const struct sys_log_record *r, char line[RECORD_LINE_MAX]);

/* "2026-11-24T13:17:52.123", with '-' for ':' when it is for a file name. */
#define SYS_LOG_TIME_SIZE 24
void sys_log_time_format(int64_t real_ms, bool for_file, char text[SYS_LOG_TIME_SIZE]);

/* Whether standard error leads to the journal, as $JOURNAL_STREAM tells. */
bool sys_log_journal_is_stderr(void);
/* Returns 0 or a negative errno. */
int sys_log_journal_send(const struct sys_log_record *r, const char *node);
