/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/internal.h"

/* The shard's part of performance.read_cache_size: entries that went to their segment stay in memory behind it, so that
 * consumers near the end need no file. A group's kept entries are the newest of its segments, without a gap. The
 * shard's list has those of all groups in the order in which they were stored; room is made at its front, which is
 * always the oldest of its group. Readers hold references on the buffers, so an entry may go at any time; what slow
 * ones hold takes of the same budget. */

void replica_shard_set_read_budget(struct replica_shard *shard, uint64_t read_bytes, unsigned n_shards)
{
    shard->read_budget = (size_t)(read_bytes / n_shards);
}

static void drop_oldest(struct replica *r)
{
    struct replica_entry *e = tail_pop(&r->kept);

    list_remove(&e->kept_link);
    r->shard->kept_bytes -= e->cost;
    replica_entry_let_go(e);
}

static void make_room(struct replica_shard *shard)
{
    while (shard->kept_bytes > 0 && shard->kept_bytes + shard->lent_bytes > shard->read_budget) {
        struct replica_entry *e = list_first(&shard->kept, struct replica_entry, kept_link);

        gq_assert(e == tail_at(&e->replica->kept, 0));
        drop_oldest(e->replica);
    }
}

void replica_keep(struct replica *r, struct replica_entry *e)
{
    struct replica_shard *shard = r->shard;

    if (shard->read_budget == 0) {
        replica_entry_free(e);
        return;
    }
    replica_uncharge(e);
    free(e->snapshot);
    e->snapshot = NULL;
    tail_push(&r->kept, e);
    list_append(&shard->kept, &e->kept_link);
    shard->kept_bytes += e->cost;
    make_room(shard);
}

void replica_kept_drop_below(struct replica *r, int64_t offset)
{
    while (tail_count(&r->kept) > 0) {
        const struct entry_header *h = &tail_at(&r->kept, 0)->header;

        if (h->first_offset + (int64_t)h->offset_count > offset)
            break;
        drop_oldest(r);
    }
}

void replica_kept_drop_all(struct replica *r)
{
    while (tail_count(&r->kept) > 0)
        drop_oldest(r);
}
