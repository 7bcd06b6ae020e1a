/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/log.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "sys/clock.h"
#include "sys/log_file.h"
#include "sys/log_record.h"
#include "sys/mailbox.h"

#define STDERR_PATIENCE_MS 1000 /* how long the log's thread waits for a full pipe */

static struct {
    atomic_int level;
    atomic_bool is_open;
    atomic_uint n_waiting;
    atomic_uint n_dropped; /* since the last time it was told */
    pthread_once_t once;
    bool to_journal; /* standard error is the journal */
    char *node;
    struct mailbox mailbox;
    struct sys_thread thread;
    /* The thread's, while it runs. */
    bool has_file, ended;
    struct sys_log_file file;
    int file_error;   /* of the last write, told already */
    bool stderr_full; /* it was waited for in vain */
} the_log = { .level = LOG_LEVEL_INFO, .once = PTHREAD_ONCE_INIT };

struct flush_request {
    struct sys_log_record record;
    sem_t done;
};

static void find_journal(void)
{
    the_log.to_journal = sys_log_journal_is_stderr();
}

static void count_dropped(void)
{
    atomic_fetch_add_explicit(&the_log.n_dropped, 1, memory_order_relaxed);
}

/* A pipe that nobody empties costs the patience once, and the messages. */
static bool stderr_has_room(void)
{
    struct pollfd fd = { STDERR_FILENO, POLLOUT, 0 };

    the_log.stderr_full = poll(&fd, 1, the_log.stderr_full ? 0 : STDERR_PATIENCE_MS) <= 0;
    return !the_log.stderr_full;
}

static void write_stderr(const struct sys_log_record *r)
{
    char line[RECORD_LINE_MAX];
    size_t size = sys_log_line_format(r, line), done = 0;

    while (done < size && stderr_has_room()) {
        ssize_t n = write(STDERR_FILENO, line + done, size - done);

        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return; /* nobody is left to tell */
        done += n > 0 ? (size_t)n : 0;
    }
    if (done < size)
        count_dropped();
}

static void write_outside(const struct sys_log_record *r)
{
    pthread_once(&the_log.once, find_journal);
    if (!the_log.to_journal || sys_log_journal_send(r, the_log.node) < 0)
        write_stderr(r);
}

static struct sys_log_record *record_new(enum record_kind kind, size_t text_size)
{
    struct sys_log_record *r = calloc(1, sizeof(*r) + text_size + 1);

    if (r == NULL)
        return NULL;
    r->kind = kind;
    r->level = LOG_LEVEL_INFO;
    r->partition = -1;
    r->real_ms = clock_real_ms(sys_clock());
    r->size = text_size;
    return r;
}

/* A message of the log's own, about the log itself. It is written at once, by the log's thread: in the queue it would
 * be lost behind the end. */
_printf_(3, 4) static void tell(void (*write)(const struct sys_log_record *r), enum log_event event, const char *fmt,
                                ...)
{
    struct error_text text;
    struct sys_log_record *r;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text.text, sizeof(text.text), fmt, args);
    va_end(args);
    r = record_new(RECORD_TEXT, strlen(text.text));
    if (r == NULL)
        return;
    r->event = event;
    r->level = sys_log_event_level(event);
    memcpy(r->text, text.text, r->size);
    write(r);
    free(r);
}

static void tell_file_error(int err)
{
    if (err < 0 && err != the_log.file_error)
        tell(write_outside, LOG_EVENT_LOG_FILE_FAILED, "log file %s: %s", the_log.file.path, error_text(err));
    the_log.file_error = err;
}

static void write_text(const struct sys_log_record *r)
{
    char line[RECORD_LINE_MAX];
    int err;

    if (!the_log.has_file) {
        write_outside(r);
        return;
    }
    err = sys_log_file_write(&the_log.file, line, sys_log_line_format(r, line), r->real_ms);
    tell_file_error(err);
    if (err < 0 || r->level >= LOG_LEVEL_ERROR)
        write_outside(r);
}

static void handle(struct sys_log_record *r)
{
    switch (r->kind) {
    case RECORD_TEXT:
        write_text(r);
        atomic_fetch_sub_explicit(&the_log.n_waiting, 1, memory_order_relaxed);
        break;
    case RECORD_OPTIONS:
        if (the_log.has_file)
            sys_log_file_set_options(&the_log.file, &r->options);
        break;
    case RECORD_REOPEN:
        if (the_log.has_file)
            tell_file_error(sys_log_file_reopen(&the_log.file));
        break;
    case RECORD_FLUSH:
        sem_post(&((struct flush_request *)r)->done);
        return; /* the waiter frees it */
    case RECORD_END:
        the_log.ended = true;
        break;
    }
    free(r);
}

static void log_main(void *ctx)
{
    while (!the_log.ended) {
        struct list *chain = mailbox_wait(&the_log.mailbox, NULL);
        unsigned n_dropped;

        while (chain != NULL) {
            struct sys_log_record *r = list_entry(chain, struct sys_log_record, link);

            chain = chain->next;
            handle(r);
        }
        n_dropped = atomic_exchange_explicit(&the_log.n_dropped, 0, memory_order_relaxed);
        if (n_dropped > 0 && sys_log_wants(LOG_LEVEL_WARN))
            tell(write_text, LOG_EVENT_LOG_DROPPED,
                 "%u messages were dropped: they came faster than they could be written", n_dropped);
    }
}

static void push(struct sys_log_record *r)
{
    mailbox_push(&the_log.mailbox, &r->link);
}

static void submit_text(struct sys_log_record *r)
{
    if (!atomic_load_explicit(&the_log.is_open, memory_order_acquire)) {
        write_outside(r);
        free(r);
        return;
    }
    if (atomic_fetch_add_explicit(&the_log.n_waiting, 1, memory_order_relaxed) < SYS_LOG_QUEUE_MAX) {
        push(r);
        return;
    }
    atomic_fetch_sub_explicit(&the_log.n_waiting, 1, memory_order_relaxed);
    count_dropped();
    free(r);
}

bool sys_log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

enum log_level sys_log_event_level(enum log_event event)
{
    static const uint8_t levels[] = {
        [LOG_EVENT_NONE] = LOG_LEVEL_INFO,
#define EVENT(name, level, id, subject) [LOG_EVENT_##name] = LOG_LEVEL_##level,
#include "sys/log_events.def"
#undef EVENT
    };

    return (enum log_level)levels[event];
}

void sys_log_write(enum log_level level, enum log_event event, const char *topic, int32_t partition, const char *fmt,
                   ...)
{
    char text[SYS_LOG_TEXT_MAX];
    struct sys_log_record *r;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r = n < 0 ? NULL : record_new(RECORD_TEXT, MIN((size_t)n, sizeof(text) - 1));
    if (r == NULL) {
        count_dropped();
        return;
    }
    r->level = level;
    r->event = event;
    r->partition = partition;
    if (topic != NULL)
        snprintf(r->topic, sizeof(r->topic), "%s", topic);
    memcpy(r->text, text, r->size);
    submit_text(r);
}

int sys_log_open(const struct sys_log_options *options, struct error_text *err)
{
    int r = 0;

    gq_assert(!atomic_load(&the_log.is_open));
    the_log.has_file = false;
    the_log.ended = false;
    the_log.file_error = 0;
    if (options->file != NULL)
        r = sys_log_file_open(&the_log.file, options, err);
    if (r < 0)
        return r;
    the_log.has_file = options->file != NULL;
    r = mailbox_init(&the_log.mailbox, true);
    if (r == 0)
        r = sys_thread_start(&the_log.thread, "gq-log", log_main, NULL);
    if (r < 0) {
        error_setf(err, "the log's thread: %s", error_text(r));
        mailbox_fini(&the_log.mailbox);
        if (the_log.has_file)
            sys_log_file_close(&the_log.file);
        return r;
    }
    the_log.node = options->node != NULL ? xstrdup(options->node) : NULL;
    atomic_store_explicit(&the_log.level, (int)options->level, memory_order_relaxed);
    atomic_store_explicit(&the_log.is_open, true, memory_order_release);
    return 0;
}

/* Control messages don't count against the limit. */
static void post_control(enum record_kind kind, const struct sys_log_options *options)
{
    struct sys_log_record *r;

    if (!atomic_load_explicit(&the_log.is_open, memory_order_acquire))
        return;
    r = record_new(kind, 0);
    gq_assert(r != NULL);
    if (options != NULL)
        r->options = *options;
    push(r);
}

void sys_log_set_options(const struct sys_log_options *options)
{
    atomic_store_explicit(&the_log.level, (int)options->level, memory_order_relaxed);
    post_control(RECORD_OPTIONS, options);
}

void sys_log_reopen(void)
{
    post_control(RECORD_REOPEN, NULL);
}

void sys_log_flush(void)
{
    struct flush_request *f;
    struct timespec until;
    int r;

    if (!atomic_load_explicit(&the_log.is_open, memory_order_acquire))
        return;
    f = xcalloc(1, sizeof(*f));
    f->record.kind = RECORD_FLUSH;
    sem_init(&f->done, 0, 0);
    push(&f->record);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    do
        r = sem_timedwait(&f->done, &until);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return; /* the thread still has it */
    sem_destroy(&f->done);
    free(f);
}

void sys_log_close(void)
{
    if (!atomic_load(&the_log.is_open))
        return;
    post_control(RECORD_END, NULL);
    sys_thread_join(&the_log.thread);
    atomic_store(&the_log.is_open, false);
    mailbox_fini(&the_log.mailbox);
    if (the_log.has_file)
        sys_log_file_close(&the_log.file);
    free(TAKE_PTR(the_log.node));
}
