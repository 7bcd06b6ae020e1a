/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sys/log_record.h"
#include "sys/systemd.h"

#define FIELDS_MAX 8
#define FIELD_ROOM (SYS_LOG_TEXT_MAX + RECORD_TOPIC_MAX + 1024)

bool sys_log_journal_is_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    if (stream == NULL || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
        return false;
    return st.st_dev == device && st.st_ino == inode;
}

struct fields {
    struct iovec iov[FIELDS_MAX];
    int n;
    char *p, *end;
    char room[FIELD_ROOM];
};

/* A value may hold any bytes; the journal's protocol counts them. */
static void add(struct fields *f, const char *name, const char *value, size_t size)
{
    size_t name_size = strlen(name);

    gq_assert(f->n < FIELDS_MAX);
    size = MIN(size, (size_t)(f->end - f->p) - name_size);
    memcpy(f->p, name, name_size);
    memcpy(f->p + name_size, value, size);
    f->iov[f->n++] = (struct iovec){ f->p, name_size + size };
    f->p += name_size + size;
}

static void add_text(struct fields *f, const char *name, const char *value)
{
    add(f, name, value, strlen(value));
}

static const char *message_id(enum log_event event)
{
    static const char *const ids[] = {
        [LOG_EVENT_NONE] = NULL,
#define EVENT(name, level, id, subject) [LOG_EVENT_##name] = id,
#include "sys/log_events.def"
#undef EVENT
    };

    return ids[event];
}

int sys_log_journal_send(const struct sys_log_record *r, const char *node)
{
    static const char *const priorities[] = { "7", "6", "4", "3" };
    struct fields f = { .n = 0 };
    char number[16];

    f.p = f.room;
    f.end = f.room + sizeof(f.room);
    add_text(&f, "PRIORITY=", priorities[r->level]);
    add_text(&f, "SYSLOG_IDENTIFIER=", program_invocation_short_name);
    if (message_id(r->event) != NULL)
        add_text(&f, "MESSAGE_ID=", message_id(r->event));
    if (r->topic[0] != '\0')
        add_text(&f, "GOQUEUE_TOPIC=", r->topic);
    if (r->partition >= 0) {
        snprintf(number, sizeof(number), "%d", r->partition);
        add_text(&f, "GOQUEUE_PARTITION=", number);
    }
    add(&f, "MESSAGE=", r->text, r->size);
    if (node != NULL)
        add_text(&f, "GOQUEUE_NODE=", node);
    return systemd_journal_sendv(f.iov, f.n);
}
