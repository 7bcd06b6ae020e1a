/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keeper sees to it that the next file is ready before the current one is full, and that files go out of use,
 * oldest first. It takes one step at a time, so that names change on disk in the order in which it chose. */

#include "base/bug.h"
#include "base/mark.h"
#include "base/util.h"
#include "journal/internal.h"

uint64_t journal_live_bytes(const struct journal *j)
{
    const struct journal_file *f;
    uint64_t sum = 0;

    list_foreach (&j->files, f, link)
        sum += f->header.file_size;
    return sum;
}

static uint64_t spare_bytes(const struct journal *j)
{
    const struct journal_spare *s;
    uint64_t sum = j->next != NULL ? j->next->header.file_size : 0;

    sum += j->keeper.blank.size;
    if (j->reserve != NULL)
        sum += j->reserve->size;
    list_foreach (&j->spares, s, link)
        sum += s->size;
    return sum;
}

/* Of the reserve that there is, or else of the one that has to be made. */
static uint64_t reserve_size(const struct journal *j)
{
    uint64_t need;

    if (j->reserve != NULL)
        return j->reserve->size;
    need = journal_file_need(j, 0, j->groups.count);
    return MAX(j->config.first_file_size_bytes, ALIGN_UP(need + need / 4, (uint64_t)JOURNAL_BLOCK_ALIGN));
}

/* Of all files; there is room for the reserve also while there is none. */
static uint64_t disk_bytes(const struct journal *j)
{
    return journal_live_bytes(j) + spare_bytes(j) + (j->reserve == NULL ? reserve_size(j) : 0);
}

uint64_t journal_live_budget(const struct journal *j)
{
    return MAX(j->config.size_bytes - MIN(reserve_size(j), j->config.size_bytes),
               JOURNAL_FILES_MIN * j->config.file_size_bytes);
}

static struct journal_spare *find_spare(const struct journal *j, uint64_t size)
{
    struct journal_spare *s;

    list_foreach (&j->spares, s, link) {
        if (s->size >= size)
            return s;
    }
    return NULL;
}

struct journal_spare *journal_spare_take(struct journal *j, uint64_t size)
{
    struct journal_spare *s = find_spare(j, size);

    if (s != NULL)
        list_remove(&s->link);
    return s;
}

/* ---- On a worker ---- */

static void fill_run(struct journal_keeper *k)
{
    const struct journal_dir *d = &k->journal->dir;

    k->error = 0;
    if (k->fill_to == 0)
        journal_blank_drop(d, &k->blank);
    else
        k->error = journal_blank_fill(d, &k->blank, k->fill_to, &k->what);
}

static void keeper_run(struct lane_work *work)
{
    struct journal_keeper *k = container_of(work, struct journal_keeper, work);
    const struct journal_dir *d = &k->journal->dir;

    switch (k->op) {
    case JOURNAL_KEEP_FIRST:
        journal_first_run(k->journal);
        break;
    case JOURNAL_KEEP_UNREADY:
        disk_close(TAKE_PTR(k->file->io));
        k->error = journal_file_retire(d, k->file->header.generation, k->keep, &k->what);
        break;
    case JOURNAL_KEEP_RETIRE:
        k->error = journal_file_retire(d, k->file->header.generation, k->keep, &k->what);
        break;
    case JOURNAL_KEEP_DROP:
        k->error = journal_file_drop(d, k->spare->generation, JOURNAL_NAME_SPARE, &k->what);
        break;
    case JOURNAL_KEEP_RESERVE:
        k->error = journal_file_reserve(d, k->spare->generation, k->spare->size, &k->what);
        break;
    case JOURNAL_KEEP_PREPARE:
        k->error = journal_file_make(d, &k->make, &k->what);
        break;
    case JOURNAL_KEEP_FILL:
        fill_run(k);
        break;
    }
}

/* ---- Results ---- */

static void retire_done(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;
    struct journal_file *f = TAKE_PTR(k->file);

    if (k->error != 0) { /* it still has its name */
        list_prepend(&j->files, &f->link);
        return;
    }
    if (k->keep) {
        struct journal_spare *s = xcalloc(1, sizeof(*s));

        s->generation = f->header.generation;
        s->size = f->header.file_size;
        list_append(&j->spares, &s->link);
    }
    k->stuck &= ~(1u << JOURNAL_KEEP_PREPARE | 1u << JOURNAL_KEEP_RESERVE | 1u << JOURNAL_KEEP_FILL);
    journal_file_free(f);
}

static void unready_done(struct journal *j)
{
    if (j->keeper.error != 0)
        j->next = TAKE_PTR(j->keeper.file);
    else
        retire_done(j);
}

static void drop_done(struct journal *j)
{
    struct journal_spare *s = TAKE_PTR(j->keeper.spare);

    if (j->keeper.error != 0)
        list_append(&j->spares, &s->link);
    else
        free(s);
}

static void reserve_done(struct journal *j)
{
    struct journal_spare *s = TAKE_PTR(j->keeper.spare);

    if (j->keeper.error != 0)
        free(s);
    else
        j->reserve = s;
}

struct journal_file *journal_made_file(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;
    struct journal_spare *s = TAKE_PTR(k->spare);
    struct journal_file *f = TAKE_PTR(k->file);

    j->space_error = k->error;
    if (k->error != 0) {
        if (s != NULL)
            list_append(&j->spares, &s->link);
        journal_file_free(f);
        return NULL;
    }
    free(s);
    f->header = k->make.header;
    f->io = TAKE_PTR(k->make.io);
    return f;
}

static void prepare_done(struct journal *j)
{
    struct journal_file *f = journal_made_file(j);

    if (f != NULL)
        j->next = f;
}

static void fill_done(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;

    if (k->error != 0)
        j->space_error = k->error;
    if (k->error != 0 || k->fill_to == 0)
        k->blank = (struct journal_blank){ 0 };
}

static void keeper_done(struct lane_work *work)
{
    struct journal_keeper *k = container_of(work, struct journal_keeper, work);
    struct journal *j = k->journal;

    k->busy = false;
    if (k->error != 0 && !disk_is_shortage(k->error)) {
        journal_die(j, k->error, k->what);
        return;
    }
    switch (k->op) {
    case JOURNAL_KEEP_FIRST:
        journal_first_done(j);
        break;
    case JOURNAL_KEEP_RETIRE:
        retire_done(j);
        break;
    case JOURNAL_KEEP_UNREADY:
        unready_done(j);
        break;
    case JOURNAL_KEEP_DROP:
        drop_done(j);
        break;
    case JOURNAL_KEEP_RESERVE:
        reserve_done(j);
        break;
    case JOURNAL_KEEP_PREPARE:
        prepare_done(j);
        break;
    case JOURNAL_KEEP_FILL:
        fill_done(j);
        break;
    }
    if (k->error != 0)
        k->stuck |= 1u << k->op;
    journal_flush(j);
    journal_keep(j);
}

/* ---- Choices ---- */

static void keeper_submit(struct journal *j, enum journal_keeper_op op)
{
    struct journal_keeper *k = &j->keeper;

    k->busy = true;
    k->op = op;
    k->work.run = keeper_run;
    k->work.done = keeper_done;
    lane_submit(j->lane, LANE_POOL, j->config.shard, &k->work);
}

static bool make_first(struct journal *j)
{
    if (j->current != NULL)
        return false;
    journal_first_prepare(j);
    keeper_submit(j, JOURNAL_KEEP_FIRST);
    return true;
}

bool journal_has_known_table_after(const struct journal *j, const struct journal_file *f)
{
    const struct journal_file *later = f;

    while (later->link.next != &j->files) {
        later = list_entry(later->link.next, struct journal_file, link);
        if (later->table_lsn <= j->known_lsn || GQ_BUG(RECYCLED_TOO_EARLY))
            return true;
    }
    return false;
}

static bool retire_oldest(struct journal *j)
{
    struct journal_file *f = list_first(&j->files, struct journal_file, link);
    struct journal_keeper *k = &j->keeper;

    if (f == j->current || f->n_pins > 0 || !journal_has_known_table_after(j, f))
        return false;
    GQ_MARK(JOURNAL_FILE_RETIRED);
    k->file = f;
    k->keep = f->header.file_size >= j->config.file_size_bytes && disk_bytes(j) <= j->config.size_bytes;
    list_remove(&f->link);
    keeper_submit(j, JOURNAL_KEEP_RETIRE);
    return true;
}

/* An idle new journal makes no files ahead. */
static bool is_used(const struct journal *j)
{
    return j->need_bytes != 0 || j->current->end != j->start_end;
}

/* Files grow step by step up to the full size, so that little use takes little space and the first ones are ready
 * soon. When space is short a small one will do. */
static uint64_t next_size(const struct journal *j)
{
    uint64_t size = MIN(j->current->header.file_size * JOURNAL_GROWTH, j->config.file_size_bytes);

    if (j->space_error != 0)
        size = j->config.first_file_size_bytes;
    return MAX(size, ALIGN_UP(j->need_bytes + j->need_bytes / 4, (uint64_t)JOURNAL_BLOCK_ALIGN));
}

/* Bytes that the next file takes in addition to what there is. */
static uint64_t next_growth(const struct journal *j)
{
    uint64_t size = next_size(j);

    return j->next != NULL || !is_used(j) || find_spare(j, size) != NULL || j->keeper.blank.size >= size ? 0 : size;
}

/* Spares are within the budget, or they go; so does a reserve that is too small for the groups that there are. */
static bool drop_spare(struct journal *j)
{
    struct journal_spare *s = list_first(&j->spares, struct journal_spare, link);

    if (s != NULL && disk_bytes(j) + next_growth(j) > j->config.size_bytes) {
        list_remove(&s->link);
        j->keeper.spare = s;
    } else if (j->reserve != NULL && j->reserve->size < journal_file_need(j, 0, j->groups.count)) {
        j->keeper.spare = TAKE_PTR(j->reserve);
    } else {
        return false;
    }
    keeper_submit(j, JOURNAL_KEEP_DROP);
    return true;
}

static bool replace_small_next(struct journal *j)
{
    struct journal_keeper *k = &j->keeper;

    if (j->next == NULL || j->next->header.file_size >= j->need_bytes)
        return false;
    k->file = TAKE_PTR(j->next);
    k->keep = k->file->header.file_size >= j->config.file_size_bytes;
    keeper_submit(j, JOURNAL_KEEP_UNREADY);
    return true;
}

/* A start needs a new file, and CHECKPOINTs to free space need a start: so there is one for that before the disk is
 * full. */
static bool make_reserve(struct journal *j)
{
    struct journal_spare *s;

    if (j->reserve != NULL || !is_used(j) || disk_bytes(j) > j->config.size_bytes)
        return false;
    s = xcalloc(1, sizeof(*s));
    s->generation = j->next_generation++;
    s->size = reserve_size(j);
    j->keeper.spare = s;
    keeper_submit(j, JOURNAL_KEEP_RESERVE);
    return true;
}

static bool prepare_next(struct journal *j)
{
    uint64_t size = next_size(j);
    struct journal_keeper *k = &j->keeper;
    struct journal_blank *b = &k->blank;

    if (j->next != NULL || !is_used(j))
        return false;
    k->spare = journal_spare_take(j, size);
    if (k->spare == NULL && (b->size < size || b->filled < b->size))
        return false;
    k->file = journal_file_next(j, k->spare != NULL ? k->spare->size : b->size, 0);
    k->make = (struct journal_make){ .header = k->file->header };
    if (k->spare != NULL) {
        k->make.spare = k->spare->generation;
    } else {
        k->make.blank = b->generation;
        k->make.io = b->io;
        *b = (struct journal_blank){ 0 };
    }
    keeper_submit(j, JOURNAL_KEEP_PREPARE);
    return true;
}

/* Beyond the budget only what is waited for: the small records that make old files go must get on. */
static bool may_begin_blank(const struct journal *j, uint64_t size)
{
    return find_spare(j, size) == NULL &&
           (j->need_bytes != 0 || disk_bytes(j) + next_growth(j) <= j->config.size_bytes);
}

/* How far the blank is to be filled now; so far as it is, if nothing is due. It is begun at once, which allocates all
 * of it: a shortage shows while there is still room in the current file. */
static uint64_t fill_target(const struct journal *j, const struct journal_blank *b)
{
    uint64_t half = j->current->header.file_size / 2, due;

    if (b->filled == 0 || b->size <= JOURNAL_FILL_AT_ONCE || j->need_bytes != 0 || j->space_error != 0 ||
        j->current->end >= half)
        return MIN(b->filled + JOURNAL_FILL_MAX, b->size);
    due = j->current->end * b->size / half;
    return b->filled + (due <= b->filled ? 0 : ALIGN_DOWN(MIN(due - b->filled, JOURNAL_FILL_MAX), JOURNAL_FILL_MIN));
}

static bool fill_blank(struct journal *j)
{
    uint64_t size = next_size(j);
    struct journal_keeper *k = &j->keeper;
    struct journal_blank *b = &k->blank;

    if (j->next != NULL || !is_used(j) || (b->generation == 0 && !may_begin_blank(j, size)))
        return false;
    if (b->generation == 0)
        *b = (struct journal_blank){ .generation = j->next_generation++, .size = size };
    k->fill_to = fill_target(j, b);
    if (b->size < size)
        k->fill_to = 0;
    else if (k->fill_to == b->filled)
        return false;
    keeper_submit(j, JOURNAL_KEEP_FILL);
    return true;
}

void journal_keep(struct journal *j)
{
    static bool (*const steps[])(struct journal *) = {
        [JOURNAL_KEEP_FIRST] = make_first,     [JOURNAL_KEEP_RETIRE] = retire_oldest,
        [JOURNAL_KEEP_DROP] = drop_spare,      [JOURNAL_KEEP_UNREADY] = replace_small_next,
        [JOURNAL_KEEP_RESERVE] = make_reserve, [JOURNAL_KEEP_PREPARE] = prepare_next,
        [JOURNAL_KEEP_FILL] = fill_blank,
    };

    if (j->dead || j->lane == NULL || j->keeper.busy)
        return;
    for (size_t op = 0; op < ARRAY_SIZE(steps); op++) {
        if ((j->keeper.stuck & (1u << op)) == 0 && steps[op](j))
            return;
        if (j->current == NULL)
            return; /* the first step comes first */
    }
}

/* ---- For the owner ---- */

/* Live files are let go of beyond this: what is recycled soon need not be filled with zeros first, and little is read
 * at the next start. */
static uint64_t comfortable_bytes(const struct journal *j)
{
    return MIN(j->config.size_bytes / 2, JOURNAL_FILES_COMFORTABLE * j->config.file_size_bytes);
}

int journal_pins(struct journal *j, journal_pin_fn fn, void *ctx)
{
    uint64_t left = journal_live_bytes(j);
    struct journal_file *last = NULL, *f;
    bool is_short = j->space_error != 0 || j->full;
    int n = 0;

    list_foreach (&j->files, f, link) {
        if (f == j->current || (left <= comfortable_bytes(j) && (!is_short || last != NULL)))
            break;
        left -= f->header.file_size;
        last = f;
    }
    if (last == NULL)
        return 0;
    list_foreach (&j->files, f, link) {
        struct journal_usage *u;

        list_foreach (&f->usages, u, in_file) {
            if (u->pins && !journal_usage_pins_later(u, &j->groups, last)) {
                fn(ctx, u->group, u->live_index);
                n++;
            }
        }
        if (f == last)
            break;
    }
    return n;
}

static uint64_t relocated_bytes(const struct journal *j)
{
    const struct journal_file *f;
    uint64_t sum = 0;

    list_foreach (&j->files, f, link)
        sum += f->relocated_bytes;
    return sum;
}

uint64_t journal_relocation_size(uint64_t n, uint64_t bytes)
{
    return bytes + n * (journal_record_size(sizeof(struct journal_disk_entry)) + JOURNAL_RECORD_ALIGN);
}

static uint64_t relocated_bytes_of(const struct journal *j, uint64_t group)
{
    const struct journal_group *g = journal_group_find(&j->groups, group);
    const struct journal_usage *u;
    uint64_t sum = 0;

    if (g != NULL) {
        list_foreach (&g->usages, u, in_group)
            sum += u->pins ? u->relocated_bytes : 0;
    }
    return sum;
}

uint64_t journal_relocation_room(const struct journal *j, uint64_t group)
{
    uint64_t limit = j->config.size_bytes / JOURNAL_RELOCATED_PART;
    uint64_t used = relocated_bytes(j) - relocated_bytes_of(j, group) + j->relocating_bytes;

    return journal_space_error(j) != 0 || used >= limit ? 0 : limit - used;
}

void journal_copied(const struct journal *j, journal_pin_fn fn, void *ctx)
{
    const struct journal_file *f;
    const struct journal_usage *u;

    list_foreach (&j->files, f, link) {
        list_foreach (&f->usages, u, in_file)
            if (u->pins && u->relocated_bytes > 0)
                fn(ctx, u->group, u->live_index);
    }
}

void journal_stats(const struct journal *j, struct journal_stats *ret)
{
    const struct journal_file *f;

    *ret = j->stats;
    ret->flushed_lsn = j->flushed_lsn;
    ret->next_lsn = j->current != NULL ? journal_file_end_lsn(j->current) : j->flushed_lsn;
    ret->bytes_in_use = journal_live_bytes(j);
    ret->bytes_spare = spare_bytes(j);
    ret->relocated_bytes = relocated_bytes(j);
    list_foreach (&j->files, f, link)
        ret->n_files++;
}
