/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/cluster.h"

#include "base/util.h"
#include "wire/records.h"

#define MS UINT64_C(1000000)
#define MAX_QUEUE 2000

struct replica *cluster_replica(const struct cluster *c, int node, unsigned group)
{
    return c->nodes[node]->groups[group].replica;
}

static struct replica *replica_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

/* ---- Life ---- */

struct cluster *cluster_new(uint64_t seed, uint64_t segment_bytes)
{
    return cluster_new_of(seed, segment_bytes, 2);
}

struct cluster *cluster_new_of(uint64_t seed, uint64_t segment_bytes, unsigned n_groups)
{
    return cluster_new_with(seed, segment_bytes, n_groups, CLUSTER_NODES, CLUSTER_NODES);
}

struct cluster *cluster_new_with(uint64_t seed, uint64_t segment_bytes, unsigned n_groups, int n_nodes, int n_members)
{
    struct cluster *c = xcalloc(1, sizeof(*c));

    sim_prng_init(&c->prng, seed);
    c->n = n_nodes;
    c->members.n_members = (uint32_t)n_members;
    for (int i = 0; i < n_nodes; i++) {
        c->nodes[i] = cluster_rig(c, i, seed * 10 + (uint64_t)i, n_groups, segment_bytes);
        if (i < n_members)
            c->members.members[i] = (struct replica_member){ i + 1, RAFT_VOTER, c->nodes[i]->incarnation };
    }
    cluster_net_init(c);
    for (int i = 0; i < n_nodes; i++)
        cluster_restart(c, i);
    return c;
}

void cluster_free(struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        rig_free(c->nodes[i]);
    cluster_net_fini(c);
    free(c->batches);
    free(c);
}

void cluster_set_min_insync(struct cluster *c, int16_t n)
{
    for (int i = 0; i < c->n; i++) {
        struct rig *r = c->nodes[i];

        r->limits.min_insync = n;
        for (unsigned g = 0; c->up[i] && g < r->n_groups; g++)
            if (g != CLUSTER_OWN)
                replica_set_limits(r->groups[g].replica, &r->limits);
    }
}

static bool all_vote(const struct cluster *c)
{
    for (size_t i = 0; i < c->n_configs; i++)
        if (c->configs[i].members.n_members != c->members.n_members)
            return false;
    return c->n == CLUSTER_NODES && c->members.n_members == CLUSTER_NODES;
}

/* As many have it on the disk as there must be, if there was no change of members. Who isn't up may have it. */
static void check_flushed(const struct cluster *c, const struct rig_batch *b)
{
    int n = 0, least = MAX(CLUSTER_NODES / 2 + 1, c->nodes[0]->limits.min_insync);

    if (!all_vote(c))
        return;
    for (int i = 0; i < c->n; i++) {
        const struct raft *raft = c->up[i] ? replica_of(c, i)->raft : NULL;

        n += raft == NULL || b->index <= raft_start_index(raft) ||
             (b->index <= raft_flushed_index(raft) && raft_term_at(raft, b->index) == b->term);
    }
    if (n < least)
        ck_abort_msg("entry %llu was acknowledged, and %d of %d have it", (unsigned long long)b->index, n, least);
}

static void note_done(struct cluster *c)
{
    for (size_t i = 0; i < c->n_batches; i++) {
        struct cluster_batch *b = &c->batches[i];

        if (b->op == NULL || !b->op->done)
            continue;
        b->acked = b->op->op.error == 0;
        if (b->acked)
            check_flushed(c, &b->op->proposal);
        b->base_offset = b->op->op.produce.ret_base_offset;
        b->op = NULL;
        if (b->acked)
            c->acked_end = MAX(c->acked_end, b->base_offset + 1);
    }
}

static void note_answers(struct cluster *c)
{
    for (int i = 0; i < CLUSTER_QUESTIONS; i++) {
        struct cluster_question *q = &c->questions[i];

        if (q->op == NULL || !q->op->done)
            continue;
        if (q->op->op.error == 0 && q->op->op.list_offsets.ret_offset < q->at_least)
            ck_abort_msg("node %d tells the end %lld, but offset %lld was acknowledged", q->node + 1,
                         (long long)q->op->op.list_offsets.ret_offset, (long long)q->at_least - 1);
        q->op = NULL;
    }
    if (c->tried == NULL || !c->tried->done)
        return;
    if (c->tried->op.error == 0) {
        c->acked_end = MAX(c->acked_end, c->tried->op.produce.ret_base_offset + 1);
        c->sequence++;
    } else if (c->tried->op.error != KAFKA_E_NOT_LEADER_OR_FOLLOWER &&
               c->tried->op.error != KAFKA_E_NOT_ENOUGH_REPLICAS &&
               c->tried->op.error != KAFKA_E_NOT_ENOUGH_REPLICAS_AFTER_APPEND) {
        ck_abort_msg("batch %d was refused: %d", c->sequence, c->tried->op.error);
    }
    c->tried = NULL;
}

void cluster_try(struct cluster *c, int node)
{
    if (c->tried != NULL)
        return;
    c->tried = rig_produce_as(c->nodes[node], 0, 7, 0, c->sequence, 1, 50);
    c->tried_node = node;
}

void cluster_ask_end(struct cluster *c, int node)
{
    const struct replica_op ask = { .kind = REPLICA_LIST_OFFSETS, .list_offsets.timestamp = LIST_OFFSETS_LATEST };

    for (int i = 0; i < CLUSTER_QUESTIONS; i++) {
        if (c->questions[i].op != NULL)
            continue;
        c->questions[i] = (struct cluster_question){ rig_submit(c->nodes[node], 0, &ask), node, c->acked_end };
        return;
    }
}

/* Where its entries are. Between an image that the core took and its file, nothing of the log counts as flushed. */
static void check_places(const struct replica *r)
{
    uint64_t stored = log_end(r->log).index;

    ck_quick(stored <= r->applied_index && r->applied_index <= r->last_index);
    ck_quick(tail_count(&r->tail) == r->last_index - stored);
    if (r->peers == NULL || !replica_has_core(r))
        return;
    ck_quick(r->term == raft_term(r->raft) && r->last_index == raft_last_index(r->raft));
    ck_quick(r->applied_index <= raft_commit_index(r->raft));
    ck_quick(r->applied_index <= raft_flushed_index(r->raft) || replica_awaits_image(r));
}

/* What no two nodes may disagree about. */
static void check_node(struct cluster *c, int node)
{
    const struct replica *r = replica_of(c, node);

    ck_quick(r->term < CLUSTER_TERMS && r->applied_index < CLUSTER_INDEXES);
    check_places(r);
    if (replica_leads(r) && c->leaders[r->term] == 0)
        c->leaders[r->term] = node + 1;
    if (replica_leads(r) && c->leaders[r->term] != node + 1)
        ck_abort_msg("nodes %d and %d lead in term %llu", c->leaders[r->term], node + 1, (unsigned long long)r->term);
    if (c->checksums[r->applied_index] == 0)
        c->checksums[r->applied_index] = r->applied_checksum;
    if (c->checksums[r->applied_index] != r->applied_checksum)
        ck_abort_msg("node %d applied another entry %llu", node + 1, (unsigned long long)r->applied_index);
    if (r->peers != NULL)
        cluster_note_members(c, node);
}

#define SLACK_MS 500

static bool is_gone(const struct cluster *c, uint64_t since_ms)
{
    return c->now_ms > since_ms + CLUSTER_LAG_NS / MS + SLACK_MS;
}

/* Who hasn't been there for so long isn't in sync any more, with a leader that had the time to see it. */
static void check_in_sync(struct cluster *c, int node)
{
    const struct replica *r = replica_of(c, node);
    int32_t ids[RAFT_MAX_MEMBERS];
    uint32_t n = replica_in_sync(r, ids);

    if (!replica_leads(r))
        c->leads_ms[node] = c->now_ms;
    for (uint32_t i = 0; i < n && is_gone(c, c->leads_ms[node]); i++)
        if (ids[i] != node + 1 && is_gone(c, c->there_ms[ids[i] - 1]))
            ck_abort_msg("node %d counts node %d as in sync, which has long been gone", node + 1, ids[i]);
    if (!c->cut[node])
        c->there_ms[node] = c->now_ms;
}

static void crash_receiver(struct cluster *c)
{
    if (c->crash_in == 0 || --c->crash_in > 0 || !c->up[c->crash_node])
        return;
    cluster_crash(c, c->crash_node);
    cluster_restart(c, c->crash_node);
}

bool cluster_step(struct cluster *c)
{
    bool moved;

    cluster_connect(c);
    moved = cluster_deliver(c);
    for (int i = 0; i < c->n; i++) {
        if (!c->up[i])
            continue;
        moved = rig_step(c->nodes[i]) || moved;
        ck_quick(c->nodes[i]->fatal_error == 0);
        check_node(c, i);
        check_in_sync(c, i);
    }
    note_done(c);
    note_answers(c);
    cluster_note_read(c);
    crash_receiver(c);
    return moved;
}

void cluster_run(struct cluster *c, unsigned ms)
{
    for (unsigned t = 0; t < ms; t++) {
        for (int i = 0; i < MAX_QUEUE && cluster_step(c); i++)
            ;
        for (int i = 0; i < c->n; i++)
            sim_clock_advance(&c->nodes[i]->clock, MS);
        c->now_ms++;
    }
}

int cluster_leader(struct cluster *c)
{
    for (int tries = 0; tries < 3000; tries++) {
        for (int i = 0; i < c->n; i++)
            if (c->up[i] && !c->cut[i] && replica_leads(replica_of(c, i)) && replica_is_open(replica_of(c, i)))
                return i;
        cluster_run(c, 10);
    }
    ck_abort_msg("nobody leads");
    return -1;
}

void cluster_hand_over(struct cluster *c, int from, int to)
{
    ck_quick(replica_transfer(replica_of(c, from), to + 1) == 0);
    cluster_run(c, 300);
    ck_quick(replica_leads(replica_of(c, to)) && replica_is_open(replica_of(c, to)));
    ck_quick(!replica_leads(replica_of(c, from)));
}

struct rig_op *cluster_produce_as(struct cluster *c, int node, int32_t sequence)
{
    return rig_produce_as(c->nodes[node], 0, 7, 0, sequence, 1, 100);
}

struct rig_op *cluster_produce(struct cluster *c, int node, size_t value_size)
{
    struct rig_op *op = rig_produce(c->nodes[node], 0, 1, value_size);

    if (c->n_batches == c->capacity) {
        c->capacity = MAX(c->capacity * 2, (size_t)64);
        c->batches = xrealloc(c->batches, c->capacity * sizeof(*c->batches));
    }
    c->batches[c->n_batches++] = (struct cluster_batch){ .op = op, .node = node, .id = op->proposal.id };
    return op;
}

int16_t cluster_wait(struct cluster *c, struct rig_op *op)
{
    for (int i = 0; i < 30000 && !op->done; i++)
        cluster_run(c, 1);
    ck_quick(op->done);
    return op->op.error;
}

/* Who asked it hears nothing any more. */
static void leave(struct cluster *c, int node, bool silent)
{
    for (size_t i = 0; i < c->n_batches; i++)
        if (c->batches[i].node == node)
            c->batches[i].op = NULL;
    for (int i = 0; i < CLUSTER_QUESTIONS; i++)
        if (c->questions[i].node == node)
            c->questions[i].op = NULL;
    if (c->tried_node == node)
        c->tried = NULL;
    if (c->reader.node == node)
        c->reader.op = NULL;
    c->changes[node].busy = false;
    c->up[node] = false;
    cluster_disconnect(c, node, silent);
}

void cluster_crash(struct cluster *c, int node)
{
    leave(c, node, true);
    rig_crash(c->nodes[node], SIM_CRASH_DRAW);
}

void cluster_kill(struct cluster *c, int node)
{
    leave(c, node, false);
    rig_kill(c->nodes[node]);
}

void cluster_restart(struct cluster *c, int node)
{
    int rc = rig_start(c->nodes[node]);

    if (rc != 0)
        ck_abort_msg("start: %d %s", rc, c->nodes[node]->err.text);
    c->up[node] = true;
}

/* ---- What must hold ---- */

static uint8_t *read_log(struct cluster *c, int node, size_t *ret_size)
{
    struct rig *r = c->nodes[node];
    int64_t offset = replica_log_start(replica_of(c, node)), end = replica_high_watermark(replica_of(c, node));
    uint8_t *all = NULL;

    *ret_size = 0;
    while (offset < end) {
        struct rig_op *read = rig_read_here(r, 0, offset);
        _cleanup_(freep) uint8_t *data = NULL;
        struct batch_iter it;
        struct batch_view v;
        size_t size;

        ck_quick(read->op.error == 0);
        data = rig_read_bytes(r, read, &size);
        ck_quick(size > 0);
        all = xrealloc(all, *ret_size + size);
        memcpy(all + *ret_size, data, size);
        *ret_size += size;
        batch_iter_init(&it, data, size);
        while (batch_next(&it, &v))
            offset = batch_last_offset(&v) + 1;
        ck_quick(it.error == BATCH_OK);
        rig_release(r, read);
    }
    return all;
}

static void check_acked(const struct cluster *c, const uint8_t *data, size_t size, int64_t start)
{
    int64_t end = start;
    struct batch_iter it;
    struct batch_view v;
    size_t n_found = 0, n_acked = 0;
    int32_t sequence = 0;

    batch_iter_init(&it, data, size);
    while (batch_next(&it, &v)) {
        struct records_iter records;
        struct record rec;
        uint64_t id;

        ck_quick(batch_crc_ok(&v));
        records_iter_init(&records, v.records, v.count);
        ck_quick(records_next(&records, &rec));
        memcpy(&id, rec.value.data, sizeof(id));
        for (size_t i = 0; i < c->n_batches; i++)
            n_found += c->batches[i].acked && c->batches[i].id == id && c->batches[i].base_offset == v.base_offset;
        if (v.producer_id == 7) {
            if (start > 0 && sequence == 0)
                sequence = v.base_sequence;
            if (v.base_sequence != sequence++)
                ck_abort_msg("sequence %d is there as offset %lld, where %d was due", v.base_sequence,
                             (long long)v.base_offset, sequence - 1);
        }
        end = batch_last_offset(&v) + 1;
    }
    ck_quick(start > 0 || sequence >= c->sequence);
    for (size_t i = 0; i < c->n_batches; i++)
        n_acked += c->batches[i].acked && c->batches[i].base_offset >= start;
    if (n_found < n_acked)
        ck_abort_msg("%zu of %zu acknowledged batches are there, up to offset %lld", n_found, n_acked, (long long)end);
    ck_quick(n_found == n_acked);
}

static void check_counters(const struct replica *r)
{
    uint64_t size = 0;

    ck_quick(r->shard->unapplied_bytes == 0 && r->shard->unapplied_state_bytes == 0);
    for (uint32_t i = 0; i < tail_count(&r->tail); i++)
        size += replica_entry_size(tail_at(&r->tail, i));
    ck_quick(r->proposed_bytes - r->stored_bytes == size);
    ck_quick(list_is_empty(&r->peers->voided) && list_is_empty(&r->peers->loads));
    ck_quick(raft_last_index(r->raft) == r->last_index && raft_commit_index(r->raft) == r->applied_index);
    ck_quick(raft_term(r->raft) == r->term && r->applied_index == r->last_index);
    ck_quick(fleet_is_at_rest(&r->peers->member));
    ck_quick(list_is_empty(&r->peers->acks));
}

static void all_equal(struct cluster *c)
{
    int64_t start = replica_log_start(replica_of(c, 0)), end = replica_high_watermark(replica_of(c, 0));
    size_t size, other_size;
    _cleanup_(freep) uint8_t *log = read_log(c, 0, &size);

    check_acked(c, log, size, start);
    check_counters(replica_of(c, 0));
    for (int i = 1; i < c->n; i++) {
        _cleanup_(freep) uint8_t *other = read_log(c, i, &other_size);

        check_counters(replica_of(c, i));
        ck_quick(replica_high_watermark(replica_of(c, i)) == end && replica_log_start(replica_of(c, i)) == start);
        ck_quick(replica_last_index(replica_of(c, i)) == replica_last_index(replica_of(c, 0)));
        ck_quick(replica_of(c, i)->applied_checksum == replica_of(c, 0)->applied_checksum);
        ck_quick(replica_state_checksum(replica_of(c, i)) == replica_state_checksum(replica_of(c, 0)));
        ck_quick(other_size == size && (size == 0 || memcmp(log, other, size) == 0));
    }
}

void cluster_heal(struct cluster *c)
{
    for (int a = 0; a < c->n; a++) {
        for (int b = 0; b < c->n; b++) {
            c->links[a][b].mute = c->links[a][b].apart = false;
            c->links[a][b].delay_ms = 0;
        }
        c->cut[a] = false;
        if (!c->up[a])
            cluster_restart(c, a);
        sim_lane_hold(c->nodes[a]->lane, LANE_FLUSH, 0, false);
    }
}

static void check_all_in_sync(struct cluster *c)
{
    const struct replica *r = replica_of(c, cluster_leader(c));
    int32_t ids[RAFT_MAX_MEMBERS];
    struct replica_members members;
    uint64_t index;
    uint32_t n = 0;

    if (r->peers == NULL)
        return;
    replica_members(r, &members, &index);
    for (uint32_t i = 0; i < members.n_members; i++)
        n += (members.members[i].roles & RAFT_VOTER) != 0;
    ck_quick(replica_in_sync(r, ids) == n);
}

void cluster_check(struct cluster *c)
{
    c->loss = 0;
    c->crash_images = false;
    cluster_heal(c);
    cluster_leader(c);
    cluster_run(c, 5000);
    cluster_leader(c);
    cluster_run(c, 500);
    all_equal(c);
    check_all_in_sync(c);
    cluster_check_overlap(c);
}
