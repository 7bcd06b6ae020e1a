/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Group commit on the reactor: requests collect; a flush takes what fits the file; when it is on the disk they are
 * done. What a request does to its group is applied when it goes into a flush, so a STATE_TABLE says what the records
 * before it say; files are released when the flush is durable. */

#include "base/bug.h"
#include "base/mark.h"
#include "base/util.h"
#include "journal/internal.h"

/* ---- Append ---- */

/* A truncation and an image are small too: what they void may be what keeps the oldest file. */
static bool is_small(const struct journal_request *r)
{
    return r->kind != JOURNAL_ENTRY && r->kind != JOURNAL_RELOCATED;
}

static size_t request_bytes(const struct journal_request *r)
{
    switch (r->kind) {
    case JOURNAL_ENTRY:
        return journal_record_size(sizeof(struct journal_disk_entry) + r->data[0].size + r->data[1].size) +
               journal_direct_cost(r->data[1].size);
    case JOURNAL_RELOCATED:
        return journal_record_size(sizeof(struct journal_disk_entry) + r->data[0].size + r->data[1].size);
    case JOURNAL_HARD_STATE:
        return journal_record_size(sizeof(struct journal_disk_hard_state));
    case JOURNAL_TRUNCATE:
        return journal_record_size(sizeof(struct journal_disk_truncate));
    case JOURNAL_CHECKPOINT: /* as if each were alone */
        return journal_record_size(sizeof(struct journal_disk_checkpoints) + sizeof(struct journal_disk_checkpoint));
    case JOURNAL_LOG_START:
        return journal_record_size(sizeof(struct journal_disk_log_start));
    case JOURNAL_IMAGE_INSTALLED:
        return journal_record_size(sizeof(struct journal_disk_image));
    case JOURNAL_FORGET:
        return journal_record_size(sizeof(struct journal_disk_forget));
    }
    return 0;
}

static void check_entry(const struct journal *j, const struct journal_request *r)
{
    struct journal_group *g = r->owner;

    gq_assert(r->data[0].size + r->data[1].size <= journal_max_entry(j));
    gq_assert(r->index == g->appended_index + 1 && r->prev_checksum == g->appended_checksum);
    g->appended_index = r->index;
    g->appended_checksum = r->checksum;
}

static void check_relocated(struct journal *j, const struct journal_request *r)
{
    const struct journal_group *g = r->owner;

    gq_assert(r->data[0].size + r->data[1].size <= journal_max_entry(j));
    gq_assert(r->index > g->state.checkpoint_index && r->index <= MIN(g->last_index, g->appended_index));
    j->relocating_bytes += request_bytes(r);
}

static void check_truncate(const struct journal_request *r)
{
    struct journal_group *g = r->owner;

    gq_assert(r->index > g->state.checkpoint_index && r->index <= g->appended_index + 1);
    g->appended_index = r->index - 1;
    g->appended_checksum = r->prev_checksum;
}

static void check_image(const struct journal_request *r)
{
    struct journal_group *g = r->owner;

    gq_assert(r->state.checkpoint_index >= g->state.checkpoint_index);
    g->appended_index = r->state.checkpoint_index;
    g->appended_checksum = r->state.checkpoint_checksum;
}

void journal_append(struct journal *j, struct journal_request *r)
{
    gq_assert(j->lane != NULL && r->done != NULL);
    if (r->owner == NULL)
        r->owner = journal_group_get(&j->groups, r->group);
    gq_assert(r->owner->state.group == r->group && !r->owner->forgotten);
    switch (r->kind) {
    case JOURNAL_ENTRY:
        check_entry(j, r);
        break;
    case JOURNAL_RELOCATED:
        check_relocated(j, r);
        break;
    case JOURNAL_TRUNCATE:
        check_truncate(r);
        break;
    case JOURNAL_IMAGE_INSTALLED:
        check_image(r);
        break;
    case JOURNAL_CHECKPOINT:
        gq_assert(r->state.checkpoint_index <= r->owner->last_index);
        break;
    case JOURNAL_FORGET:
        r->owner->forgotten = true;
        break;
    case JOURNAL_HARD_STATE:
    case JOURNAL_LOG_START:
        break;
    }
    list_append(&j->waiting, &r->link);
    j->n_waiting++;
    j->waiting_bytes += request_bytes(r);
}

size_t journal_max_entry(const struct journal *j)
{
    return (size_t)MIN(j->config.file_size_bytes / 4, (uint64_t)UINT32_MAX / 2);
}

bool journal_has_room(const struct journal *j, size_t size)
{
    const struct journal_flight *fl = &j->flight;
    const struct journal_file *f = j->current;
    uint64_t bytes = journal_record_size(sizeof(struct journal_disk_entry) + size) + journal_direct_cost(size);

    if (f == NULL || fl->failed)
        return false;
    return f->end + (fl->busy ? journal_disk_need(fl->record_bytes) : 0) + journal_disk_need(j->waiting_bytes + bytes) +
               journal_end_need(f->n_usages + j->n_waiting + 1) + journal_small_reserve(f->header.file_size) <=
           f->header.file_size;
}

/* ---- What a flush takes ---- */

static bool fits(const struct journal_flight *fl, const struct journal_request *r)
{
    const struct journal_file *f = fl->file;
    uint64_t size = f->header.file_size;
    uint64_t reserve = is_small(r) ? 0 : journal_small_reserve(size);
    size_t n_usages = f->n_usages + !journal_group_uses(r->owner, f);

    return f->end + journal_disk_need(fl->record_bytes + request_bytes(r)) + journal_end_need(n_usages) + reserve <=
           size;
}

static void apply_checkpoint(struct journal_file *f, struct journal_request *r)
{
    struct journal_disk_checkpoint c = {
        .index = r->state.checkpoint_index,
        .term = r->state.checkpoint_term,
        .offset = r->state.checkpoint_offset,
        .checksum = r->state.checkpoint_checksum,
    };

    gq_assert(c.index >= r->owner->state.checkpoint_index && c.index <= r->owner->last_index);
    journal_effect_checkpoint(f, r->owner, &c);
}

static void apply_image(struct journal_file *f, struct journal_request *r)
{
    struct journal_disk_image i = {
        .index = r->state.checkpoint_index,
        .term = r->state.checkpoint_term,
        .offset = r->state.checkpoint_offset,
        .log_start = r->state.log_start,
        .checksum = r->state.checkpoint_checksum,
    };

    journal_effect_image(f, r->owner, &i);
}

static void apply(struct journal *j, struct journal_file *f, struct journal_request *r)
{
    struct journal_disk_entry e = { .index = r->index, .term = r->term, .checksum = r->checksum };
    struct journal_disk_truncate t = { .index = r->index, .prev_term = r->term, .prev_checksum = r->prev_checksum };

    journal_group_list(&j->groups, r->owner);
    switch (r->kind) {
    case JOURNAL_ENTRY:
        journal_effect_entry(f, r->owner, &e);
        break;
    case JOURNAL_RELOCATED:
        journal_effect_relocated(f, r->owner, &e, request_bytes(r));
        if (GQ_BUG(COPY_TRUSTED_EARLY))
            journal_group_move(r->owner);
        break;
    case JOURNAL_HARD_STATE:
        journal_effect_hard_state(f, r->owner, r->state.term, r->state.vote);
        break;
    case JOURNAL_TRUNCATE:
        journal_effect_truncate(f, r->owner, &t);
        break;
    case JOURNAL_CHECKPOINT:
        apply_checkpoint(f, r);
        break;
    case JOURNAL_LOG_START:
        journal_effect_log_start(f, r->owner, r->state.log_start);
        break;
    case JOURNAL_IMAGE_INSTALLED:
        apply_image(f, r);
        break;
    case JOURNAL_FORGET:
        journal_effect_forget(f, r->owner);
        journal_group_remove(&j->groups, r->owner);
        list_append(&j->leaving, &r->owner->link);
        break;
    }
}

static void waits_no_more(struct journal *j, struct journal_request *r)
{
    list_remove(&r->link);
    j->waiting_bytes -= request_bytes(r);
    if (--j->n_waiting == 0)
        j->batch_end_ns = 0;
    if (r->kind == JOURNAL_RELOCATED)
        j->relocating_bytes -= request_bytes(r);
}

static void take(struct journal *j, struct journal_request *r)
{
    struct journal_flight *fl = &j->flight;

    waits_no_more(j, r);
    list_append(&fl->requests, &r->link);
    fl->record_bytes += request_bytes(r);
    fl->n_records++;
    fl->n_checkpoints += r->kind == JOURNAL_CHECKPOINT;
    apply(j, fl->file, r);
}

/* Of the group all that waits, or (from > 0) the entries from there on and their copies. */
static void withdraw(struct journal *j, uint64_t group, uint64_t from)
{
    struct list withdrawn = LIST_INIT(withdrawn), *link;
    struct journal_request *r, *tmp;

    list_foreach_safe (&j->waiting, r, tmp, link) {
        if (r->group != group || (from > 0 && (is_small(r) || r->index < from)))
            continue;
        if (from == 0)
            GQ_MARK(JOURNAL_WITHDRAWN);
        waits_no_more(j, r);
        list_append(&withdrawn, &r->link);
        r->owner = NULL;
        r->lsn = 0;
    }
    j->need_bytes = 0; /* the next flush knows what it needs */
    while ((link = list_pop(&withdrawn)) != NULL) {
        r = list_entry(link, struct journal_request, link);
        r->done(r);
    }
}

void journal_withdraw(struct journal *j, uint64_t group)
{
    withdraw(j, group, 0);
}

void journal_withdraw_entries(struct journal *j, uint64_t group, uint64_t from)
{
    gq_assert(from > 0);
    withdraw(j, group, from);
}

/* Files of the budget that are kept from a request: the last two for what lets old files go, of these one for small
 * records, CHECKPOINTs among them. */
static unsigned kept_files(const struct journal_request *r)
{
    return r->kind == JOURNAL_RELOCATED ? 1 : 2;
}

/* Live files may take so many bytes with the request. A single file can't go, so it is never waited for. */
static bool is_within_budget(const struct journal *j, const struct journal_request *r, uint64_t live_bytes)
{
    return list_first(&j->files, struct journal_file, link) == j->current ||
           live_bytes + kept_files(r) * j->config.file_size_bytes <= journal_live_budget(j);
}

/* Whatever there is: old files may go only when it has gone. */
static bool must_go(const struct journal_request *r)
{
    return is_small(r) || (r->kind == JOURNAL_ENTRY && r->awaited);
}

static bool has_budget(const struct journal *j, const struct journal_request *r, uint64_t live_bytes)
{
    return must_go(r) || is_within_budget(j, r, live_bytes);
}

/* A start's file comes in addition to the budget, and so does what entries take of it until some had room within the
 * budget: what was committed before is known to be only when a further entry is, and can't be checkpointed before. Half
 * of a file is left to copies. On a full disk no file comes in addition, and this one has to be free again at the next
 * start. */
static bool has_room_of_start(const struct journal *j, const struct journal_request *r)
{
    const struct journal_flight *fl = &j->flight;
    uint64_t end = fl->file->end + journal_disk_need(fl->record_bytes + request_bytes(r));

    return j->fresh && end <= fl->file->header.file_size / 2;
}

static void take_in_order(struct journal *j)
{
    struct journal_flight *fl = &j->flight;
    uint64_t live = journal_live_bytes(j);
    struct journal_request *r;

    while ((r = list_first(&j->waiting, struct journal_request, link)) != NULL) {
        if (r->kind == JOURNAL_ENTRY && is_within_budget(j, r, live))
            j->fresh = false;
        if ((fl->n_records > 0 && fl->record_bytes + request_bytes(r) > JOURNAL_FLIGHT_MAX) ||
            (!has_budget(j, r, live) && !has_room_of_start(j, r)) || !fits(fl, r))
            break;
        take(j, r);
    }
}

/* No file can be made or none may be: what frees space and keeps votes alive goes ahead of what waits for space; copies
 * too, in their order, but not into the room of the file that is kept for small records. The file is there already, so
 * the budget doesn't matter: starts may have used that up, each of which made a file. Entries go into its first half.
 * Of one group only checkpoints, hard states and copies may pass something else: copies are of entries that no
 * truncation before them can void. Entries may pass copies. Returns one that could go but doesn't fit the file, and may
 * have another when live files take so many bytes; one that must go if there is such. */
static struct journal_request *take_small(struct journal *j, uint64_t live_bytes)
{
    struct journal_request *r, *tmp, *left = NULL;
    uint64_t copy = 2 * ++j->n_rounds, other = copy + 1; /* that something of the group stays */
    bool copies_stay = false;

    list_foreach_safe (&j->waiting, r, tmp, link) {
        bool is_copy = r->kind == JOURNAL_RELOCATED;
        bool may_pass = is_copy || r->kind == JOURNAL_CHECKPOINT || r->kind == JOURNAL_HARD_STATE;
        bool has_room = must_go(r) || (is_copy && !copies_stay) || (!is_copy && has_room_of_start(j, r));
        bool may_go = has_room && (may_pass || r->owner->passed_by < (r->kind == JOURNAL_ENTRY ? other : copy));

        if (may_go && fits(&j->flight, r)) {
            take(j, r);
            continue;
        }
        if (may_go && has_budget(j, r, live_bytes) && (left == NULL || (must_go(r) && !must_go(left))))
            left = r;
        copies_stay = copies_stay || is_copy;
        r->owner->passed_by = MAX(r->owner->passed_by, is_copy ? copy : other);
    }
    return left;
}

/* ---- Flights ---- */

static void flight_reset(struct journal *j)
{
    struct journal_flight *fl = &j->flight;

    gq_assert(!fl->busy && list_is_empty(&fl->requests));
    journal_bytes_fini(&fl->head);
    journal_bytes_fini(&fl->tail);
    fl->file = j->current;
    fl->ending = NULL;
    fl->seal = fl->ended = fl->failed = false;
    fl->n_checkpoints = fl->n_records = 0;
    fl->record_bytes = 0;
    fl->flushed_lsn = j->flushed_lsn;
}

static void switch_file(struct journal *j)
{
    struct journal_flight *fl = &j->flight;

    fl->ending = j->current;
    journal_list_write(j->current, &fl->tail);
    journal_head_write(j, j->current, &fl->head);
    fl->record_bytes = fl->head.size;
    j->current = fl->file = TAKE_PTR(j->next);
    list_append(&j->files, &j->current->link);
    j->start_end = j->current->end;
    j->need_bytes = 0;
}

/* Goes on with the next file when that is ready and large enough for the request. */
static bool use_next(struct journal *j, const struct journal_request *r)
{
    j->need_bytes = journal_file_need(j, request_bytes(r), 1);
    if (j->next == NULL || j->next->header.file_size < j->need_bytes)
        return false;
    switch_file(j);
    return true;
}

/* False when nothing can be flushed now. */
static bool flight_fill(struct journal *j)
{
    uint64_t live_then = journal_live_bytes(j) + (j->next != NULL ? j->next->header.file_size : 0);
    struct journal_request *first, *left;

    take_in_order(j);
    first = list_first(&j->waiting, struct journal_request, link);
    j->full = false;
    if (j->flight.n_records > 0 || first == NULL)
        return j->flight.n_records > 0;
    if (has_budget(j, first, live_then)) {
        if (use_next(j, first)) {
            take_in_order(j);
            gq_assert(j->flight.n_records > 0);
            return true;
        }
    } else {
        j->full = true;
    }
    if (j->space_error == 0 && !j->full)
        return false;
    left = take_small(j, live_then);
    if (j->flight.n_records == 0 && left != NULL && j->full && use_next(j, left))
        take_small(j, live_then);
    return j->flight.n_records > 0;
}

/* The request is durable: files may go that it released. */
static void settle(struct journal *j, struct journal_request *r, const struct journal_file *f)
{
    struct journal_group *g = r->owner;

    r->lsn = j->flushed_lsn;
    r->owner = NULL;
    switch (r->kind) {
    case JOURNAL_TRUNCATE:
        journal_group_void(g, r->index - 1, f);
        break;
    case JOURNAL_IMAGE_INSTALLED:
        journal_group_void(g, r->state.checkpoint_index, f);
        journal_group_release(g, r->state.checkpoint_index);
        break;
    case JOURNAL_CHECKPOINT:
        journal_group_release(g, r->state.checkpoint_index);
        break;
    case JOURNAL_FORGET:
        list_remove(&g->link);
        journal_group_free(g);
        break;
    case JOURNAL_RELOCATED:
        journal_group_move(g);
        break;
    case JOURNAL_ENTRY:
    case JOURNAL_HARD_STATE:
    case JOURNAL_LOG_START:
        break;
    }
}

static void flight_landed(struct journal *j)
{
    struct journal_flight *fl = &j->flight;
    uint64_t from = fl->file->end;

    if (fl->ending != NULL) {
        j->stats.bytes_written += fl->ending_end - fl->ending->end;
        fl->ending->end = fl->ending_end;
    }
    fl->file->end = fl->end;
    j->flushed_lsn = journal_file_end_lsn(fl->file);
    j->known_lsn = MAX(j->known_lsn, fl->flushed_lsn);
    if (fl->head.size > 0)
        fl->file->table_lsn = j->flushed_lsn;
    j->sealed = fl->seal;
    j->stats.n_flushes++;
    j->stats.n_records += fl->n_records;
    j->stats.bytes_written += fl->end - from;
    j->stats.last_flush_ns = fl->duration_ns;
}

static void flight_done(struct lane_work *work)
{
    struct journal_flight *fl = container_of(work, struct journal_flight, work);
    struct list finished = LIST_INIT(finished), *link;
    struct journal *j = fl->journal;
    struct journal_request *r;

    if (fl->error != 0) {
        if (disk_is_shortage(fl->error))
            fl->failed = true;
        else
            journal_die(j, fl->error, fl->what);
        return;
    }
    flight_landed(j);
    list_splice(&finished, &fl->requests);
    fl->busy = false;
    flight_reset(j);
    list_foreach (&finished, r, link)
        settle(j, r, j->current);
    journal_keep(j);
    while ((link = list_pop(&finished)) != NULL) {
        r = list_entry(link, struct journal_request, link);
        r->done(r);
    }
}

static void flight_submit(struct journal *j)
{
    struct journal_flight *fl = &j->flight;

    fl->busy = true;
    fl->failed = false;
    fl->work.run = journal_flight_run;
    fl->work.done = flight_done;
    lane_submit(j->lane, LANE_FLUSH, j->config.shard, &fl->work);
}

static void submit_seal(struct journal *j)
{
    struct journal_flight *fl = &j->flight;

    fl->seal = true;
    fl->n_records = 1;
    fl->record_bytes = journal_record_size(0);
    flight_submit(j);
}

/* Nothing can be flushed for want of space, and the oldest file could go if only a flushed LSN told of a later one's
 * table: a seal does. */
static bool wants_witness(const struct journal *j)
{
    const struct journal_file *f = list_first(&j->files, struct journal_file, link);

    return (j->full || j->space_error != 0) && !j->sealed && f != j->current && f->n_pins == 0 &&
           !journal_has_known_table_after(j, f);
}

void journal_flush(struct journal *j)
{
    if (j->dead || j->lane == NULL || j->current == NULL || j->flight.busy)
        return;
    if (list_is_empty(&j->waiting)) {
        j->full = false;
        return;
    }
    flight_reset(j);
    if (flight_fill(j))
        flight_submit(j);
    else if (wants_witness(j))
        submit_seal(j);
}

void journal_seal(struct journal *j)
{
    struct journal_flight *fl = &j->flight;

    if (j->dead || j->lane == NULL || j->current == NULL || fl->busy || !list_is_empty(&j->waiting) || j->sealed)
        return;
    flight_reset(j);
    submit_seal(j);
}

void journal_set_batching(struct journal *j, const struct journal_batching *batching)
{
    j->batching = *batching;
}

/* True while more may come. The first poll that sees a request is that of the turn it came in. */
static bool waits_for_more(struct journal *j, uint64_t now_ns)
{
    if (j->n_waiting == 0)
        return false;
    if (j->batch_end_ns == 0)
        j->batch_end_ns = now_ns + j->batching.wait_ns;
    return now_ns < j->batch_end_ns && j->n_waiting < j->batching.requests && j->waiting_bytes < j->batching.bytes;
}

uint64_t journal_poll(struct journal *j, uint64_t now_ns)
{
    bool waits = waits_for_more(j, now_ns);

    if (!waits)
        journal_flush(j);
    journal_keep(j);
    return waits ? j->batch_end_ns : UINT64_MAX;
}

void journal_tick(struct journal *j)
{
    if (j->dead || j->lane == NULL)
        return;
    if (j->flight.failed)
        flight_submit(j);
    if (j->stats.n_flushes == j->tick_flushes)
        journal_seal(j);
    j->tick_flushes = j->stats.n_flushes;
    j->keeper.stuck = 0;
    journal_flush(j);
    journal_keep(j);
}
