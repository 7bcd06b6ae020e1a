/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "log/internal.h"
#include "wire/batch.h"

/* An append job. The worker writes behind what readers see and keeps its own idea of where the segments end; done()
 * makes that visible, or drops it and leaves the same places to the next try. */

#define APPEND_CHUNK 64 /* entries in one write */
#define ALLOCATE_FROM (64u << 10)
#define ALLOCATE_MAX (4u << 20)
#define WRITE_BACK_STRIDE (UINT64_C(1) << 20)
#define PHASE_ALIGN 4096

/* The part of a job that goes to one segment. */
struct piece {
    struct log_segment *segment;
    struct segment_end end;
    struct disk_file *files[SEGMENT_N_PARTS];
    int64_t base_offset;
    uint8_t dirty;
    bool is_new;
};

struct append_op {
    struct close_list to_close;
    uint64_t segment_bytes; /* the owner may change the log's meanwhile */
    struct log_position at; /* behind what was written so far */
    bool named;             /* names changed in the directory */
    bool dir_made;          /* by this job */
    unsigned n_opening;     /* segments that had no open file */
    uint64_t phase;         /* of the strides that are written back */
    unsigned n_pieces, max_pieces;
    struct piece pieces[];
};

static size_t op_size(unsigned max_pieces)
{
    return sizeof(struct append_op) + max_pieces * sizeof(struct piece);
}

static unsigned count_new_segments(const struct log *l, const struct log_append *job)
{
    unsigned n = l->n_segments == 0 && !job->entries[0].roll;

    for (size_t i = 0; i < job->n_entries; i++)
        n += job->entries[i].roll;
    return n;
}

static void parse(const struct log_append_entry *entry, struct entry *ret)
{
    int r = entry->batches.size > 0 ? entry_parse_apart(entry->data, entry->size, entry->batches, ret)
                                    : entry_parse(entry->data, entry->size, ret);

    gq_assert(r == 0);
}

static void prepare_active(struct append_op *op, struct log_segment *s)
{
    struct piece *p = &op->pieces[op->n_pieces++];

    p->segment = s;
    p->base_offset = s->base_offset;
    p->end = s->end;
    memcpy(p->files, s->files, sizeof(p->files));
    segment_ref(s);
}

static void prepare_new(struct log *l, struct append_op *op, const struct log_append_entry *first)
{
    struct piece *p = &op->pieces[op->n_pieces++];
    struct entry e;

    parse(first, &e);
    p->is_new = true;
    p->base_offset = e.header.first_offset;
    p->segment = segment_new(l, first->index, p->base_offset);
    p->end = p->segment->end;
}

bool log_append_opens(const struct log *l)
{
    const struct log_segment *active = segment_last(l);

    return active == NULL || active->files[SEGMENT_ENTRIES] == NULL;
}

void log_append_prepare(struct log *l, struct log_append *job)
{
    unsigned n_new = count_new_segments(l, job);
    struct append_op *op = mem_pool_calloc(cache_pool(l->cache), op_size(n_new + 1));
    struct log_segment *active = segment_last(l);

    gq_assert(l->append == NULL && job->n_entries > 0);
    gq_assert(job->entries[0].index == l->end.index + 1);
    if (active != NULL)
        prepare_active(op, active);
    for (size_t i = 0; i < job->n_entries; i++) {
        if (job->entries[i].roll || op->n_pieces == 0)
            prepare_new(l, op, &job->entries[i]);
    }
    op->max_pieces = n_new + 1;
    op->at = l->end;
    op->segment_bytes = l->segment_bytes;
    op->n_opening = n_new + (active != NULL && active->files[SEGMENT_ENTRIES] == NULL);
    if (op->n_opening > 0)
        cache_make_room(l->cache, &op->to_close);
    cache_opening(l->cache, (int)op->n_opening);
    l->append = op;
    job->log = l;
    job->error = 0;
    job->result = op;
}

bool append_starts_at(const struct append_op *op, uint64_t index)
{
    for (unsigned k = 0; k < op->n_pieces; k++) {
        if (op->pieces[k].segment->base_index == index)
            return true;
    }
    return false;
}

/* Timestamps and offsets of an entry's batches. 0, or -EBADMSG when they aren't what the header says. */
static int scan_batches(const struct entry *e, struct table_record *rec, int64_t *ret_max_offset)
{
    int64_t expected = e->header.first_offset;
    struct batch_iter it;
    struct batch_view v;

    rec->max_timestamp = TABLE_NO_TIMESTAMP;
    batch_iter_init(&it, e->batches.data, e->batches.size);
    while (batch_next(&it, &v)) {
        if (v.base_offset != expected || v.last_offset_delta < 0)
            return -EBADMSG;
        expected = batch_last_offset(&v) + 1;
        if ((v.attributes & BATCH_ATTR_CONTROL) == 0 && v.max_timestamp > rec->max_timestamp) {
            rec->max_timestamp = v.max_timestamp;
            *ret_max_offset = v.base_offset;
        }
    }
    return it.error == BATCH_OK && expected == e->header.first_offset + e->header.offset_count ? 0 : -EBADMSG;
}

/* The CRC of the batches alone, out of the entry's: no second pass over the bytes. */
static uint32_t batches_crc(const struct log_append_entry *entry, const struct entry *e)
{
    size_t head = ENTRY_HEADER_SIZE + e->commands.size;

    if (e->batches.size == 0)
        return 0;
    return crc32c_behind(entry->checksum, crc32c(0, entry->data, head), e->batches.size);
}

static int make_record(const struct log_append_entry *entry, const struct entry *e, struct segment_end *end,
                       struct table_record *rec)
{
    int64_t max_offset = -1;
    int r;

    *rec = (struct table_record){
        .index = entry->index,
        .term = entry->term,
        .header = e->header,
        .log_position = end->log_size,
        .aux_position = end->aux_size,
        .log_crc = batches_crc(entry, e),
        .checksum = entry->checksum,
    };
    r = scan_batches(e, rec, &max_offset);
    if (r < 0)
        return r;
    if (rec->max_timestamp > end->max_timestamp) {
        end->max_timestamp = rec->max_timestamp;
        end->max_offset = max_offset;
    }
    rec->running_max_timestamp = end->max_timestamp;
    rec->running_max_offset = end->max_offset;
    if (end->n_entries++ == 0)
        end->first_append_ms = e->header.append_time_ms;
    end->last_append_ms = e->header.append_time_ms;
    end->log_size += e->batches.size;
    end->aux_size += e->commands.size;
    end->next_offset = table_record_next_offset(rec);
    end->term = rec->term;
    end->checksum = rec->checksum;
    return 0;
}

/* Room ahead, in strides that grow with the file, so that writes find their blocks together. It begins behind the block
 * in which this write ends: that one is found together with those before it, not apart from both. */
static int preallocate(const struct append_op *op, struct piece *p, enum segment_file part, uint64_t end)
{
    uint64_t *allocated = &p->segment->allocated[part];
    uint64_t from = ALIGN_UP(end, (uint64_t)DISK_ALIGN), to = end + MIN(end, (uint64_t)ALLOCATE_MAX);
    int r;

    if (part == SEGMENT_LOG)
        to = MIN(to, op->segment_bytes);
    if (end < ALLOCATE_FROM || end <= *allocated || to <= from)
        return 0;
    r = disk_allocate(p->files[part], from, to - from);
    if (r == -EOPNOTSUPP)
        *allocated = UINT64_MAX; /* never asked again */
    else if (r == 0)
        *allocated = to;
    else if (!disk_lacks_room(r))
        return r; /* whether what is needed now fits, the write tells */
    return 0;
}

static int piece_open(const struct log *l, struct append_op *op, struct piece *p, enum segment_file part)
{
    bool create = part == SEGMENT_ENTRIES ? p->is_new : segment_part_size(&p->end, part) == 0;
    char path[LOG_PATH_SIZE];

    if (p->files[part] != NULL)
        return 0;
    op->named |= create;
    segment_path(path, l->dir, p->segment->base_index, part);
    return disk_open(l->disk, path, DISK_WRITE | (create ? DISK_CREATE : 0) | segment_reading(part), &p->files[part]);
}

static uint64_t stride_end(uint64_t position, uint64_t phase)
{
    return position < phase ? 0 : position - (position - phase) % WRITE_BACK_STRIDE;
}

/* Partitions that are written alike have their strides at different places, or all of them would get in the journal's
 * way at once. */
static uint64_t stride_phase(const struct log *l)
{
    return crc32c(0, l->dir, strlen(l->dir)) % WRITE_BACK_STRIDE & ~(uint64_t)(PHASE_ALIGN - 1);
}

/* Strides that are full begin their way to the medium now, so that a sync has little to wait for. */
static void write_back_strides(struct disk_file *f, uint64_t phase, uint64_t position, uint64_t end)
{
    uint64_t from = stride_end(position, phase), to = stride_end(end, phase);

    if (to > from)
        disk_write_back(f, from, to - from);
}

static int piece_write(const struct log *l, struct append_op *op, struct piece *p, enum segment_file part,
                       const struct iovec *iov, int n_iov)
{
    uint64_t position = segment_part_size(&p->end, part), end = position;
    int r;

    if (n_iov == 0)
        return 0;
    for (int i = 0; i < n_iov; i++)
        end += iov[i].iov_len;
    r = piece_open(l, op, p, part);
    if (r == 0)
        r = preallocate(op, p, part, end);
    if (r == 0) {
        p->dirty |= (uint8_t)(1u << part);
        r = disk_pwritev(p->files[part], iov, n_iov, position);
    }
    if (r == 0)
        write_back_strides(p->files[part], op->phase, position, end);
    return r;
}

static int write_chunk(const struct log *l, struct append_op *op, struct piece *p,
                       const struct log_append_entry *entries, size_t n)
{
    uint8_t table[APPEND_CHUNK * TABLE_RECORD_SIZE];
    struct iovec log_iov[APPEND_CHUNK], aux_iov[APPEND_CHUNK], table_iov = { table, n * TABLE_RECORD_SIZE };
    struct segment_end end = p->end;
    int n_log = 0, n_aux = 0, r;

    for (size_t i = 0; i < n; i++) {
        struct table_record rec;
        struct entry e;

        parse(&entries[i], &e);
        gq_assert(entries[i].index == op->at.index + 1 + i && entries[i].term >= end.term);
        gq_assert(e.header.first_offset == end.next_offset);
        r = make_record(&entries[i], &e, &end, &rec);
        if (r < 0)
            return r;
        table_record_write(&rec, table + i * TABLE_RECORD_SIZE);
        if (e.batches.size > 0)
            log_iov[n_log++] = (struct iovec){ (void *)e.batches.data, e.batches.size };
        if (e.commands.size > 0)
            aux_iov[n_aux++] = (struct iovec){ (void *)e.commands.data, e.commands.size };
    }
    r = piece_write(l, op, p, SEGMENT_LOG, log_iov, n_log);
    if (r == 0)
        r = piece_write(l, op, p, SEGMENT_AUX, aux_iov, n_aux);
    if (r == 0)
        r = piece_write(l, op, p, SEGMENT_ENTRIES, &table_iov, 1);
    if (r < 0)
        return r;
    p->end = end;
    op->at = (struct log_position){ op->at.index + n, end.term, end.next_offset, end.checksum };
    return 0;
}

/* A new segment: the snapshot that goes with it, then the table with its header. */
static int piece_begin(const struct log *l, struct append_op *op, struct piece *p, struct slice snapshot)
{
    const struct table_header h = {
        .base_index = p->segment->base_index,
        .prev_term = op->at.term,
        .base_offset = p->base_offset,
        .prev_checksum = op->at.checksum,
    };
    uint8_t header[TABLE_RECORD_SIZE];
    int r = 0;

    gq_assert(p->base_offset == op->at.next_offset);
    if (!l->dir_made && !op->dir_made) {
        r = dir_make(l->disk, l->dir);
        op->dir_made = r == 0;
    }
    op->named = true;
    if (r == 0 && snapshot.size > 0)
        r = snapshot_write(l->disk, l->dir, ".roll.tmp", &op->at, snapshot, true);
    if (r == 0)
        r = piece_open(l, op, p, SEGMENT_ENTRIES);
    if (r < 0)
        return r;
    table_header_write(&h, header);
    p->dirty |= 1u << SEGMENT_ENTRIES;
    return disk_pwrite(p->files[SEGMENT_ENTRIES], header, sizeof(header), 0);
}

/* Nothing follows: gives back preallocated room, maybe that of an earlier process. */
static int piece_seal(const struct log *l, struct append_op *op, struct piece *p)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        uint64_t size = segment_part_size(&p->end, part);
        int r;

        if (size < ALLOCATE_FROM)
            continue;
        r = piece_open(l, op, p, part);
        if (r == 0)
            r = disk_truncate(p->files[part], size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* New segments of a job that failed go: on a full disk they shouldn't take room. */
static void piece_undo(const struct log *l, struct piece *p)
{
    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        char path[LOG_PATH_SIZE];

        if (p->files[part] == NULL)
            continue;
        disk_close(TAKE_PTR(p->files[part]));
        segment_path(path, l->dir, p->segment->base_index, part);
        disk_unlink(l->disk, path);
    }
}

static int append_piece(const struct log *l, struct append_op *op, struct piece *p,
                        const struct log_append_entry *entries, size_t n)
{
    int r = p->is_new ? piece_begin(l, op, p, entries[0].snapshot) : 0;

    for (size_t i = 0; r == 0 && i < n; i += APPEND_CHUNK)
        r = write_chunk(l, op, p, entries + i, MIN(n - i, (size_t)APPEND_CHUNK));
    return r;
}

void log_append_run(struct log_append *job)
{
    struct append_op *op = job->result;
    const struct log *l = job->log;
    size_t i = 0;

    gq_assert(op != NULL);
    op->phase = stride_phase(l);
    close_list_run(&op->to_close);
    for (unsigned k = 0; k < op->n_pieces && job->error == 0; k++) {
        struct piece *p = &op->pieces[k];
        size_t first = i;

        while (i < job->n_entries && (!job->entries[i].roll || (p->is_new && i == first)))
            i++;
        job->error = append_piece(l, op, p, job->entries + first, i - first);
        if (job->error == 0 && k + 1 < op->n_pieces)
            job->error = piece_seal(l, op, p);
    }
    if (job->error == 0)
        return;
    for (unsigned k = 0; k < op->n_pieces; k++) {
        if (op->pieces[k].is_new)
            piece_undo(l, &op->pieces[k]);
    }
}

static void install(struct log *l, struct piece *p)
{
    struct log_segment *s = p->segment;

    for (unsigned part = 0; part < SEGMENT_N_PARTS; part++) {
        gq_assert(s->files[part] == NULL || s->files[part] == p->files[part]);
        s->files[part] = p->files[part];
    }
    s->dirty |= p->dirty;
    cache_update(l->cache, s);
}

static void publish(struct log *l, const struct log_append *job, struct append_op *op)
{
    for (unsigned k = 0; k < op->n_pieces; k++) {
        struct piece *p = &op->pieces[k];

        p->segment->end = p->end;
        install(l, p);
        if (!p->is_new)
            continue;
        segment_append(l, p->segment);
        if (l->plan.pending > 0)
            l->plan.pending--;
    }
    for (size_t i = 0; i < job->n_entries; i++) {
        const struct log_append_entry *entry = &job->entries[i];
        struct entry e;

        if (l->n_runs > 0 && l->runs[l->n_runs - 1].term == entry->term)
            continue;
        parse(entry, &e);
        term_add(l, entry->term, entry->index, e.header.first_offset);
    }
    l->end = op->at;
}

void log_append_done(struct log_append *job)
{
    struct append_op *op = TAKE_PTR(job->result);
    struct log *l = job->log;

    gq_assert(l->append == op);
    l->append = NULL;
    cache_opening(l->cache, -(int)op->n_opening);
    l->names_dirty |= op->named;
    if (op->dir_made)
        l->dir_made = l->path_dirty = true;
    if (!op->pieces[0].is_new)
        segment_unref(op->pieces[0].segment);
    if (job->error == 0) {
        publish(l, job, op);
        log_drop_below_start(l);
    } else {
        for (unsigned k = 0; k < op->n_pieces; k++) {
            if (op->pieces[k].is_new)
                segment_free(op->pieces[k].segment);
            else
                install(l, &op->pieces[k]);
        }
    }
    mem_pool_free(cache_pool(l->cache), op, op_size(op->max_pieces));
}
