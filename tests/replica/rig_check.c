/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/rig.h"
#include "wire/records.h"

struct reader {
    struct rig *rig;
    struct rig_group *group;
    size_t next; /* model's batch that must come */
    int64_t offset;
};

static void check_record(const struct record *rec, const struct rig_batch *b, int32_t i)
{
    ck_quick(rec->value.size >= 12);
    ck_quick(memcmp(rec->value.data, &b->id, 8) == 0);
    ck_quick(memcmp(rec->value.data + 8, &i, 4) == 0);
}

static void check_batch(struct reader *rd, const struct batch_view *v)
{
    const struct rig_batch *b;
    struct records_iter it;
    struct record rec;
    int32_t n = 0;

    ck_quick(rd->next < rd->group->n);
    b = &rd->group->batches[rd->next++];
    ck_quick(batch_crc_ok(v));
    ck_quick(v->base_offset == b->base_offset);
    ck_quick(v->count == b->count);
    ck_quick(v->leader_epoch == (int32_t)b->term);
    records_iter_init(&it, v->records, v->count);
    while (records_next(&it, &rec))
        check_record(&rec, b, n++);
    ck_quick(n == b->count);
    rd->offset = b->base_offset + b->count;
}

static void check_read(struct reader *rd, struct rig_op *read)
{
    _cleanup_(freep) uint8_t *data = NULL;
    struct batch_iter it;
    struct batch_view v;
    size_t size;

    data = rig_read_bytes(rd->rig, read, &size);
    ck_quick(size > 0);
    batch_iter_init(&it, data, size);
    while (batch_next(&it, &v))
        check_batch(rd, &v);
    ck_quick(it.error == BATCH_OK);
}

static void check_group(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];
    int64_t start = replica_log_start(g->replica), end = replica_high_watermark(g->replica);
    struct reader rd = { .rig = r, .group = g, .offset = start };

    ck_quick(start >= g->acked_start);
    ck_quick(start <= end);
    ck_quick(end == g->replica->proposed_offset);
    while (rd.next < g->n && g->batches[rd.next].base_offset + g->batches[rd.next].count <= start)
        rd.next++;
    while (rd.offset < end) {
        struct replica_op ask = {
            .kind = REPLICA_READ,
            .read = { .offset = rd.offset,
                      .max_bytes = 1 + sim_prng_below(&r->prng, 30000),
                      .min_one = true,
                      .last_fetched_epoch = -1 },
        };
        struct rig_op *read = rig_ask(r, group, &ask);

        ck_quick(read->op.error == 0);
        check_read(&rd, read);
        rig_release(r, read);
        rig_forget_done(r);
    }
    ck_quick(rd.offset == end);
    for (size_t i = rd.next; i < g->n; i++)
        if (g->batches[i].state == RIG_ACKED && g->batches[i].base_offset + g->batches[i].count > end)
            ck_abort_msg("group %u lost offset %lld", group, (long long)g->batches[i].base_offset);
    while (g->n > 0 && g->batches[g->n - 1].base_offset >= end)
        g->n--;
    for (size_t i = 0; i < g->n; i++)
        g->batches[i].state = RIG_ACKED; /* it was seen */
    g->acked_start = start;
}

void rig_check_producers(struct rig *r, unsigned group)
{
    struct rig_group *g = &r->groups[group];
    struct producer_state *model = producer_state_new(99, r->shard.max_producer_ids);
    struct wr want, have;
    bool any = false;

    for (size_t i = 0; i < g->n; i++) {
        const struct rig_batch *b = &g->batches[i];

        if (b->producer_id < 0)
            continue;
        any = true;
        producer_apply(model, b->producer_id, b->epoch, b->sequence, b->count, b->index, b->base_offset, b->append_ms,
                       b->timestamp + b->count - 1);
    }
    ck_quick(!any || g->replica->producers != NULL);
    if (any) {
        wr_init_growing(&want, 256, 1 << 20);
        wr_init_growing(&have, 256, 1 << 20);
        producer_write(model, &want);
        producer_write(g->replica->producers, &have);
        ck_quick(wr_size(&want) == wr_size(&have));
        ck_quick(memcmp(want.start, have.start, wr_size(&want)) == 0);
        wr_fini(&want);
        wr_fini(&have);
    }
    producer_state_free(model);
}

void rig_check(struct rig *r)
{
    rig_settle(r);
    for (unsigned i = 0; i < r->n_groups; i++) {
        if (r->groups[i].replica == NULL || r->groups[i].destroying)
            continue;
        check_group(r, i);
        rig_check_producers(r, i);
    }
}

void rig_recover(struct rig *r, enum sim_disk_crash how)
{
    rig_crash(r, how);
    rig_start_ok(r);
    rig_check(r);
}
