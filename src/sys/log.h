/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's log. Libraries return what there is to say; the daemon's edges (bin/, admin/, sys/ itself) say it here.
 *
 *     log_info("listening on %s", where);
 *     log_event(READY, "ready on %s", where);                        // level and MESSAGE_ID from log_events.def
 *     log_event_on(CORRUPT, topic, partition, "%s", err.text);       // and GOQUEUE_TOPIC, GOQUEUE_PARTITION
 *
 * Where it goes: to the file, if one is named, and errors to the other place as well; else to the journal with fields,
 * when standard error is the journal; else to standard error, with times.
 *
 * From any thread, and without blocking it: a message is formatted and handed to the log's own thread. Of more than
 * SYS_LOG_QUEUE_MAX waiting messages the rest is dropped, counted, and the count is logged. Before sys_log_open() and
 * after sys_log_close() messages are written by the caller's thread, to the journal or standard error. */

#include "base/textbuf.h"

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
};

enum log_event {
    LOG_EVENT_NONE,
#define EVENT(name, level, id, subject) LOG_EVENT_##name,
#include "sys/log_events.def"
#undef EVENT
    LOG_N_EVENTS,
};

#define SYS_LOG_QUEUE_MAX 1024
#define SYS_LOG_TEXT_MAX 2048 /* bytes of one message; the rest is cut */

struct sys_log_options {
    enum log_level level; /* the least that is logged */
    const char *node;     /* GOQUEUE_NODE; NULL none */
    const char *file;     /* NULL: the journal or standard error */
    /* The rest is for the file. When a message would make it larger than max_size_bytes it is put aside as
     * NAME-2026-11-24T13-17-52.123.EXT (UTC), and a new one begun. */
    uint64_t max_size_bytes;
    int64_t max_backups; /* old files that are kept; -1 all */
    int64_t max_age_ns;  /* how long; -1 for ever */
    bool compress;       /* old files with gzip */
};

/* Opens the file, whose directory is made where it is missing, and starts the thread. Main thread, once. Returns 0 or a
 * negative errno and a text; the log then goes on as before. */
int sys_log_open(const struct sys_log_options *options, struct error_text *err);

/* Takes over all but node and file. Any thread, while the log is open. */
void sys_log_set_options(const struct sys_log_options *options);

/* Closes and opens the file by its name, for those who move it away themselves. Any thread, while the log is open. */
void sys_log_reopen(void);

/* Waits until all that was said before is written, a second at most; for processes that are about to _exit(). */
void sys_log_flush(void);

/* Writes what waits and ends the thread. Main thread, when no other thread logs any more. Harmless when not open. */
void sys_log_close(void);

bool sys_log_wants(enum log_level level);

/* topic may be NULL, partition -1 for none. Lines and control characters in the text don't break the output. */
_printf_(5, 6) void sys_log_write(enum log_level level, enum log_event event, const char *topic, int32_t partition,
                                  const char *fmt, ...);
enum log_level sys_log_event_level(enum log_event event);

#define log_at_(level, ...) \
    do { \
        if (sys_log_wants(level)) \
            sys_log_write(level, LOG_EVENT_NONE, NULL, -1, __VA_ARGS__); \
    } while (0)
#define log_debug(...) log_at_(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_at_(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_at_(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_at_(LOG_LEVEL_ERROR, __VA_ARGS__)

#define log_event_on(event, topic, partition, ...) \
    do { \
        enum log_level log_level_ = sys_log_event_level(LOG_EVENT_##event); \
        if (sys_log_wants(log_level_)) \
            sys_log_write(log_level_, LOG_EVENT_##event, topic, partition, __VA_ARGS__); \
    } while (0)
#define log_event(event, ...) log_event_on(event, NULL, -1, __VA_ARGS__)
