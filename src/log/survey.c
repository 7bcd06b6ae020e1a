/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/survey.h"
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/error.h"
#include "log/open.h"

/* Reads every entry as a whole: its record, its bytes in .log and in .aux. */

struct survey_files {
    uint64_t base_index;
    struct disk_file *parts[SEGMENT_N_PARTS]; /* NULL: missing */
    uint64_t sizes[SEGMENT_N_PARTS];
    uint8_t *data; /* of the last entry */
    size_t capacity;
};

static void close_files(struct survey_files *f)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++)
        disk_close(TAKE_PTR(f->parts[part]));
    f->base_index = 0;
}

static int open_files(struct log_survey *s, uint64_t base_index)
{
    struct survey_files *f = s->open;

    if (f->base_index == base_index)
        return 0;
    close_files(f);
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        char path[LOG_PATH_SIZE];
        int r;

        f->sizes[part] = 0;
        segment_path(path, s->dir, base_index, part);
        r = disk_open(s->disk, path, DISK_READ, &f->parts[part]);
        if (r == -ENOENT) {
            f->parts[part] = NULL;
            continue;
        }
        if (r == 0)
            r = disk_size(f->parts[part], &f->sizes[part]);
        if (r < 0)
            return r;
    }
    f->base_index = base_index;
    return 0;
}

const struct log_survey_segment *log_survey_find(const struct log_survey *s, uint64_t index)
{
    for (size_t i = s->n_segments; i > 0; i--) {
        const struct log_survey_segment *g = &s->segments[i - 1];

        if (g->base_index <= index)
            return index - g->base_index < g->n ? g : NULL;
    }
    return NULL;
}

const struct log_survey_bad *log_survey_bad(const struct log_survey *s, uint64_t index)
{
    size_t low = 0, high = s->n_bads;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->bads[mid].last < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->n_bads && s->bads[low].first <= index ? &s->bads[low] : NULL;
}

const char survey_record_is_wrong[] = "the table's record is wrong";

int survey_read_record(struct log_survey *s, uint64_t index, struct table_record *ret, struct survey_verdict *v)
{
    struct survey_files *f = s->open;
    uint8_t buf[TABLE_RECORD_SIZE];
    ssize_t n = -EBADMSG;

    v->part = SEGMENT_ENTRIES;
    v->position = table_position(index - f->base_index);
    v->what = survey_record_is_wrong;
    if (f->parts[SEGMENT_ENTRIES] != NULL)
        n = disk_pread(f->parts[SEGMENT_ENTRIES], buf, sizeof(buf), v->position);
    if (n != (ssize_t)sizeof(buf)) {
        v->what = "the table's record is missing";
        return -EBADMSG;
    }
    return table_record_read(buf, ret) < 0 || ret->index != index ? -EBADMSG : 0;
}

int survey_read_part(struct log_survey *s, enum segment_file part, uint8_t *to, uint64_t position, size_t size,
                     struct survey_verdict *v)
{
    struct survey_files *f = s->open;

    if (size == 0)
        return 0;
    v->part = part;
    v->position = position;
    v->what = "bytes of the entry are missing";
    if (f->parts[part] == NULL || position + size > f->sizes[part])
        return -EBADMSG;
    return disk_pread(f->parts[part], to, size, position) == (ssize_t)size ? 0 : -EBADMSG;
}

static int read_entry(struct log_survey *s, uint64_t index, struct table_record *rec, size_t *ret_size,
                      struct survey_verdict *v)
{
    struct survey_files *f = s->open;
    size_t head, size;
    int r = survey_read_record(s, index, rec, v);

    if (r < 0)
        return r;
    head = ENTRY_HEADER_SIZE + (size_t)rec->header.commands_size;
    size = head + rec->header.batches_size;
    if (size > f->capacity) {
        f->data = xrealloc(f->data, size);
        f->capacity = size;
    }
    entry_header_write(&rec->header, f->data);
    r = survey_read_part(s, SEGMENT_AUX, f->data + ENTRY_HEADER_SIZE, rec->aux_position, rec->header.commands_size, v);
    if (r == 0)
        r = survey_read_part(s, SEGMENT_LOG, f->data + head, rec->log_position, rec->header.batches_size, v);
    if (r < 0)
        return r;
    *ret_size = size;
    if (crc32c(0, f->data, size) == rec->checksum)
        return 0;
    v->part = crc32c(0, f->data + head, rec->header.batches_size) != rec->log_crc ? SEGMENT_LOG : SEGMENT_AUX;
    v->position = v->part == SEGMENT_LOG ? rec->log_position : rec->aux_position;
    v->what = "the bytes of an entry aren't what was written";
    return -EBADMSG;
}

static int read_rebuilt(const struct log_survey *s, uint64_t index, struct log_survey_entry *ret)
{
    for (size_t i = 0; i < s->n_rebuilt; i++) {
        const struct survey_rebuilt *e = &s->rebuilt[i];

        if (e->index == index) {
            *ret = (struct log_survey_entry){ e->term, e->checksum, e->header, e->data, e->size, true };
            return 0;
        }
    }
    return -EBADMSG;
}

int log_survey_read(struct log_survey *s, uint64_t index, struct log_survey_entry *ret)
{
    const struct log_survey_segment *g = log_survey_find(s, index);
    struct table_record rec;
    struct survey_verdict v;
    size_t size = 0;
    int r;

    if (g == NULL)
        return -ENOENT;
    if (log_survey_bad(s, index) != NULL)
        return read_rebuilt(s, index, ret);
    r = open_files(s, g->base_index);
    if (r == 0)
        r = read_entry(s, index, &rec, &size, &v);
    if (r < 0)
        return r;
    *ret = (struct log_survey_entry){ rec.term, rec.checksum, rec.header, s->open->data, size, false };
    return 0;
}

/* ---- The survey ---- */

static void add_bad(struct log_survey *s, uint64_t base_index, uint64_t index, const struct survey_verdict *v)
{
    struct log_survey_bad *b = s->n_bads > 0 ? &s->bads[s->n_bads - 1] : NULL;
    char file[SEGMENT_FILE_NAME_SIZE];

    segment_file_name(file, base_index, v->part);
    if (b != NULL && b->last + 1 == index && b->what == v->what && strcmp(b->file, file) == 0) {
        b->last = index;
        return;
    }
    s->bads = xrealloc(s->bads, (s->n_bads + 1) * sizeof(*s->bads));
    b = &s->bads[s->n_bads++];
    *b = (struct log_survey_bad){ .first = index, .last = index, .position = v->position, .what = v->what };
    strcpy(b->file, file);
}

/* Where readers of an older program stop, log starts are what apply made of them. */
static void note_log_start(struct log_survey *s, const uint8_t *data, size_t size)
{
    struct entry_command c;
    struct entry e;
    size_t pos = 0;

    if (entry_parse(data, size, &e) < 0)
        return;
    while (entry_command_next(e.commands, &pos, &c) == 1) {
        if (c.kind == COMMAND_SET_LOG_START && c.body.size == 8)
            s->log_start = MAX(s->log_start, (int64_t)load_le64(c.body.data));
    }
}

static int survey_header(struct log_survey *s, struct log_survey_segment *g, struct error_text *err)
{
    struct survey_files *f = s->open;
    uint8_t buf[TABLE_RECORD_SIZE];
    struct table_header h;
    struct table_record first;
    struct survey_verdict v;
    int r = -EBADMSG;

    if (f->parts[SEGMENT_ENTRIES] != NULL &&
        disk_pread(f->parts[SEGMENT_ENTRIES], buf, sizeof(buf), 0) == (ssize_t)sizeof(buf))
        r = table_header_read(buf, &h);
    if (r == FORMAT_E_VERSION) {
        error_setf(err, "%s: a segment was written by a newer version of this program. Nothing was changed.", s->dir);
        return LOG_E_VERSION;
    }
    g->header_good = r == 0 && h.base_index == g->base_index;
    if (g->header_good) {
        g->base_offset = h.base_offset;
        g->prev_term = h.prev_term;
        g->prev_checksum = h.prev_checksum;
    } else if (g->n > 0 && survey_read_record(s, g->base_index, &first, &v) == 0) {
        g->base_offset = first.header.first_offset;
    } else {
        g->base_offset = -1;
    }
    return 0;
}

static int survey_segment(struct log_survey *s, struct log_survey_segment *g, bool is_last, struct error_text *err)
{
    struct table_record rec, prev;
    size_t first_bad = s->n_bads;
    bool has_prev = false;
    struct survey_verdict v;
    size_t size;
    int r = open_files(s, g->base_index);

    if (r == 0)
        r = survey_header(s, g, err);
    if (r != 0)
        return r;
    g->tidy = is_last || s->open->sizes[SEGMENT_ENTRIES] == table_position(g->n);
    for (uint64_t i = 0; i < g->n; i++) {
        uint64_t index = g->base_index + i;

        r = read_entry(s, index, &rec, &size, &v);
        if (r == 0 && has_prev && table_record_follows(NULL, &prev, &rec) != NULL) {
            v = (struct survey_verdict){ SEGMENT_ENTRIES, table_position(i),
                                         "the table's record contradicts the one before" };
            r = -EBADMSG;
        }
        if (r == 0)
            note_log_start(s, s->open->data, size);
        if (r < 0)
            add_bad(s, g->base_index, index, &v);
        has_prev = r == 0;
        prev = rec;
    }
    survey_rebuild(s, g, first_bad);
    if (!is_last && has_prev)
        g->tidy = g->tidy && s->open->sizes[SEGMENT_LOG] == table_record_log_end(&prev) &&
                  s->open->sizes[SEGMENT_AUX] == table_record_aux_end(&prev);
    return 0;
}

static void survey_snapshot(struct log_survey *s, uint64_t index)
{
    _cleanup_(freep) uint8_t *data = NULL;
    struct log_survey_snapshot found = { .index = index };
    uint8_t buf[SNAPSHOT_HEADER_SIZE];
    struct snapshot_header h;
    char path[LOG_PATH_SIZE];
    struct disk_file *f;
    size_t size;

    segment_path(path, s->dir, index + 1, SEGMENT_SNAPSHOT);
    if (snapshot_read(s->disk, s->dir, index, &data, &size) == 0 && disk_open(s->disk, path, DISK_READ, &f) == 0) {
        found.good = disk_pread(f, buf, sizeof(buf), 0) == (ssize_t)sizeof(buf) && snapshot_header_read(buf, &h) == 0;
        found.next_offset = found.good ? h.next_offset : 0;
        disk_close(f);
    }
    s->snapshots = xrealloc(s->snapshots, (s->n_snapshots + 1) * sizeof(*s->snapshots));
    s->snapshots[s->n_snapshots++] = found;
}

static void add_segments(struct log_survey *s, const struct scan *scan)
{
    const uint8_t parts = 1u << SEGMENT_LOG | 1u << SEGMENT_ENTRIES | 1u << SEGMENT_AUX;

    s->segments = xcalloc(scan->n + 1, sizeof(*s->segments));
    for (size_t i = 0; i < scan->n; i++) {
        const struct scan_file *f = &scan->files[i];

        if ((f->kinds & 1u << SEGMENT_SNAPSHOT) != 0)
            survey_snapshot(s, f->index - 1);
        if ((f->kinds & parts) != 0)
            s->segments[s->n_segments++] =
                (struct log_survey_segment){ .base_index = f->index, .present = f->kinds & parts };
    }
}

static int survey_segments(struct log_survey *s, struct error_text *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->n_segments; i++) {
        struct log_survey_segment *g = &s->segments[i];
        bool is_last = i + 1 == s->n_segments;

        r = open_files(s, g->base_index);
        if (r == 0) {
            g->n = table_count(s->open->sizes[SEGMENT_ENTRIES]);
            if (!is_last)
                g->n = s->segments[i + 1].base_index - g->base_index;
            r = survey_segment(s, g, is_last, err);
        }
    }
    return r;
}

int log_survey(struct env_disk *disk, const char *dir, struct log_survey **ret, struct error_text *err)
{
    struct log_survey *s = xcalloc(1, sizeof(*s));
    struct scan scan = { 0 };
    int r;

    s->disk = disk;
    s->dir = xstrdup(dir);
    s->open = xcalloc(1, sizeof(*s->open));
    r = scan_dir(disk, dir, &scan);
    if (r == 0) {
        add_segments(s, &scan);
        r = survey_segments(s, err);
    }
    scan_fini(&scan);
    if (r < 0)
        error_setf(err, "%s: reading it: %s", dir, error_text(r));
    if (r != 0) {
        log_survey_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void log_survey_free(struct log_survey *s)
{
    if (s == NULL)
        return;
    close_files(s->open);
    free(s->open->data);
    free(s->open);
    for (size_t i = 0; i < s->n_rebuilt; i++)
        free(s->rebuilt[i].data);
    free(s->rebuilt);
    free(s->segments);
    free(s->bads);
    free(s->snapshots);
    free(s->dir);
    free(s);
}
