/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cuts a stream of bytes into lines. */
#include "history/internal.h"
#include "history/parse.h"

void history_reader_init(struct history_reader *r, struct history *h)
{
    *r = (struct history_reader){ .history = h };
}

void history_reader_fini(struct history_reader *r)
{
    free(r->partial);
    free(r->records);
    *r = (struct history_reader){ 0 };
}

static int take_line(struct history_reader *r, struct slice line, struct history_error *err)
{
    struct history_event event;
    uint32_t column = 0;
    int result;

    err->line = r->line + 1;
    err->column = 1;
    if (r->line >= UINT32_MAX - 1) {
        error_setf(&err->text, "a history has too many lines");
        return -EINVAL;
    }
    result = history_parse_line(r, line, &event, err);
    if (result <= 0)
        return result;
    event.line = r->line + 1;
    result = history_add(r->history, &event, &err->text, &column);
    if (result < 0 && column > 0)
        err->column = column;
    return result;
}

static int too_long(struct history_reader *r, struct history_error *err)
{
    err->line = r->line + 1;
    err->column = HISTORY_MAX_LINE_BYTES + 1;
    error_setf(&err->text, "a line has at most %d bytes", HISTORY_MAX_LINE_BYTES);
    return -EINVAL;
}

static void keep(struct history_reader *r, const char *data, size_t size)
{
    if (size == 0)
        return;
    if (r->n_partial + size > r->partial_capacity) {
        r->partial_capacity = MAX(r->n_partial + size, r->partial_capacity * 2);
        r->partial = xrealloc(r->partial, r->partial_capacity);
    }
    memcpy(r->partial + r->n_partial, data, size);
    r->n_partial += size;
}

int history_reader_feed(struct history_reader *r, const void *data, size_t size, struct history_error *err)
{
    const char *p = data, *end = p + size;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline != NULL ? newline : end;
        struct slice line = slice_make(p, (size_t)(stop - p));
        int result;

        if (r->n_partial + line.size > HISTORY_MAX_LINE_BYTES)
            return too_long(r, err);
        if (newline == NULL || r->n_partial > 0)
            keep(r, p, line.size);
        if (newline == NULL)
            return 0;
        if (r->n_partial > 0)
            line = slice_make(r->partial, r->n_partial);
        result = take_line(r, line, err);
        if (result < 0)
            return result;
        r->line++;
        r->n_partial = 0;
        p = newline + 1;
    }
    return 0;
}

int history_reader_end(struct history_reader *r, struct history_error *err)
{
    if (r->n_partial == 0)
        return 0;
    err->line = r->line + 1;
    err->column = (uint32_t)r->n_partial + 1;
    error_setf(&err->text, "the last line is cut off: it has no newline");
    return -EINVAL;
}
