/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "base/bug.h"
#include "base/error.h"
#include "base/mark.h"
#include "replica/internal.h"

/* At start, blocking: the log is cut back to the checkpoint, the newest partition snapshot and the entries behind it
 * give the state at the checkpoint, the journal's entries bring it up to what was flushed. With one voter all of that
 * is committed. */

/* All replicas of a shard together gather so much of the journal before it goes to their segments. */
#define REPLAY_GATHER_BYTES (8u << 20)

static int load_snapshot(struct replica *r, uint64_t *ret_index, struct error_text *err)
{
    _cleanup_(freep) uint8_t *data = NULL;
    uint64_t file_index;
    size_t size;
    int rc = log_load_snapshot(r->log, UINT64_MAX, &file_index, &data, &size, err);

    *ret_index = 0;
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return rc;
    r->state_file = file_index;
    rc = replica_snapshot_read(r, data, size, ret_index);
    if (rc == -EBADMSG)
        return log_refuse_snapshot(r->log, file_index, LOG_E_CORRUPT, 0, "it holds what no state can be", err);
    if (rc == LOG_E_VERSION)
        return log_refuse_snapshot(r->log, file_index, rc, 0, NULL, err);
    if (rc != 0)
        error_setf(err, "%s: taking the partition snapshot: %s", log_dir(r->log), error_text(rc));
    return rc;
}

struct rebuild {
    struct replica *replica;
    struct error_text *err;
};

/* An entry from the segments that the snapshot doesn't cover. */
static int rebuild_entry(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, const void *data, size_t size)
{
    struct rebuild *b = ctx;
    struct replica *r = b->replica;
    struct entry entry;
    int16_t result;
    int rc = entry_parse(data, size, &entry);

    if (rc == 0)
        rc = replica_apply_state(r, index, term, checksum, &entry, &result);
    if (rc != 0)
        error_setf(b->err, "%s: entry %llu can't be applied", log_dir(r->log), (unsigned long long)index);
    else
        r->last_append_time = MAX(r->last_append_time, entry.header.append_time_ms);
    return rc;
}

int replica_open(struct replica_shard *shard, const struct replica_config *config,
                 const struct journal_group_state *state, struct replica **ret, struct error_text *err)
{
    struct log_position checkpoint = {
        .index = state->checkpoint_index,
        .term = state->checkpoint_term,
        .next_offset = state->checkpoint_offset,
        .checksum = state->checkpoint_checksum,
    };
    struct rebuild rebuild = { .err = err };
    struct replica *r;
    uint64_t from;
    int rc = replica_alloc_open(shard, config, &checkpoint, state->log_start, &r, err);

    if (rc != 0)
        return rc;
    r->term = state->term;
    r->known = state->term > 0;
    r->vote = state->vote;
    r->replaying = true;
    rc = load_snapshot(r, &r->state_index, err);
    from = r->state_index;
    if (r->machine != NULL && r->machine->apply_after <= from)
        from = r->machine->apply_after > 0 ? r->machine->apply_after - 1 : 0;
    rebuild.replica = r;
    if (rc == 0 && from < checkpoint.index)
        rc = log_read_entries(r->log, from, rebuild_entry, &rebuild, err);
    if (rc != 0) {
        replica_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* Appends what replay gathered. */
static int replay_store(struct replica *r, struct error_text *err)
{
    while (replica_n_unstored(r) > 0) {
        const char *what = "making room for files";
        int rc = replica_make_room_blocking(r);

        if (rc == 0) {
            what = "writing the segment";
            rc = replica_store_blocking(r);
        }
        if (disk_is_shortage(rc)) { /* it stays in the tail and in the journal, and is tried again */
            GQ_MARK(REPLICA_REPLAY_NO_ROOM);
            return 0;
        }
        if (rc != 0) {
            error_setf(err, "%s: %s: %s", log_dir(r->log), what, strerror(-rc));
            return rc;
        }
    }
    return 0;
}

/* So that memory stays bounded, whatever the journal holds and of however many groups. On a full disk only what comes
 * in addition is tried again. */
static int replay_store_all(struct replica_shard *shard, struct error_text *err)
{
    struct list *link;
    int rc = 0;

    while (rc == 0 && (link = list_pop(&shard->dirty)) != NULL)
        rc = replay_store(list_entry(link, struct replica, dirty_link), err);
    shard->replay_store_at = shard->pending_bytes + REPLAY_GATHER_BYTES;
    return rc;
}

/* Only what was applied gets into the image of what applies the commands, and this is the entry, or recovery would have
 * ended: see replica_image_is_stale(). */
static bool is_in_image(const struct replica *r, uint64_t index)
{
    return r->machine != NULL && index == r->machine->apply_after;
}

/* Of several voters' entries nothing in the journal says that they are. But a snapshot has what was applied, and so had
 * the segments beyond the checkpoint, and the image. */
static bool is_committed(struct replica *r, const struct replica_entry *e)
{
    return r->peers == NULL || is_in_image(r, e->index) || (r->peers->founded && e->index == 1) ||
           e->index <= r->state_index || log_beyond_has(&r->peers->beyond, e->index, e->term, e->checksum) ||
           GQ_BUG(REPLAY_TAKEN_FOR_COMMITTED);
}

static int replay_apply(struct replica *r, uint64_t index)
{
    int rc = 0;

    while (rc == 0 && r->applied_index < index)
        rc = replica_apply(r, tail_by_index(&r->tail, r->applied_index + 1));
    return rc;
}

int replica_replay(struct replica *r, const struct journal_replay_record *rec, struct error_text *err)
{
    struct replica_members members;
    struct replica_entry *e;
    struct error_text what;
    struct entry parsed;
    int rc = 0;

    if (rec->index <= r->last_index)
        return 0;
    if (rec->index != r->last_index + 1 || rec->prev_checksum != r->last_checksum || rec->term > r->term ||
        entry_parse(rec->data.data, rec->data.size, &parsed) < 0 || parsed.header.first_offset != r->proposed_offset ||
        replica_entry_members(&parsed, &members) < 0) {
        error_setf(&what, "entry %" PRIu64 " of group %" PRIu64 ", which doesn't follow entry %" PRIu64 " of %s",
                   rec->index, r->group, r->last_index, log_dir(r->log));
        return journal_replay_refuse(rec, what.text);
    }
    if (replica_image_is_stale(r, rec->index, rec->term, rec->checksum))
        return REPLICA_E_STALE_IMAGE;
    if (parsed.header.type == ENTRY_CONFIG) /* from here on others may have a say */
        replica_find_peers(r);
    e = replica_entry_restore(r, rec);
    if (e == NULL)
        return -ENOMEM;
    if (is_committed(r, e))
        rc = replay_apply(r, e->index);
    if (rc != 0) {
        error_setf(err, "%s: journal entry %llu can't be applied", log_dir(r->log), (unsigned long long)rec->index);
        return rc;
    }
    if (!list_is_linked(&r->dirty_link))
        list_append(&r->shard->dirty, &r->dirty_link);
    return r->shard->pending_bytes >= MAX(r->shard->replay_store_at, (size_t)REPLAY_GATHER_BYTES)
               ? replay_store_all(r->shard, err)
               : 0;
}

int replica_replay_end(struct replica *r, struct error_text *err)
{
    bool ahead = r->machine != NULL && r->machine->apply_after > r->last_index;
    /* The first entry is applied before it is durable. Where it got lost the owner makes it again, and all there is. */
    bool unmade = r->peers != NULL && r->peers->founded && r->last_index == 0;
    int rc = ahead ? REPLICA_E_STALE_IMAGE : replay_store(r, err);
    struct error_text what;

    if (rc == 0 && r->state_index > r->last_index && !unmade) {
        error_setf(&what, "it is of entry %" PRIu64 ", and all that segments and journal have ends at entry %" PRIu64,
                   r->state_index, r->last_index);
        rc = log_refuse_snapshot(r->log, r->state_file, LOG_E_CORRUPT, REPLICA_SNAPSHOT_INDEX_AT, what.text, err);
    }
    if (r->peers != NULL)
        log_beyond_fini(&r->peers->beyond);
    r->state_index = 0;
    r->replaying = false;
    list_remove(&r->dirty_link);
    if (rc == 0 && tail_count(&r->tail) > 0) { /* for the first poll: no worker may have it before the start is over */
        r->dirty_since_ns = r->shard->now_ns;
        list_append(&r->shard->dirty, &r->dirty_link);
    }
    if (rc == 0 && r->peers != NULL && r->applied_index < r->last_index)
        GQ_MARK(REPLICA_STARTS_WITH_MORE);
    if (rc == 0 && r->peers != NULL)
        replica_core_start(r);
    return rc;
}
