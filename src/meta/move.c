/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

/* Partitions that go to other brokers. A command says where one is to be; until the leader of its group has reported
 * that it is there, those that may have replicas are the brokers of all commands since. The report names the command
 * that it is about, so that none ends what another one has begun since. */

static struct meta_ids none(void)
{
    return (struct meta_ids){ NULL, 0 };
}

static bool has_partition(const struct meta_topic *t, int32_t p)
{
    return p >= 0 && p < t->n_partitions;
}

static const struct meta_move *move_of(const struct meta_topic *t, int32_t p)
{
    return t->partitions[p].move;
}

bool meta_ids_have(struct meta_ids ids, int32_t id)
{
    for (uint16_t i = 0; i < ids.n; i++)
        if (ids.ids[i] == id)
            return true;
    return false;
}

static bool are_equal(struct meta_ids a, struct meta_ids b)
{
    return a.n == b.n && memcmp(a.ids, b.ids, a.n * sizeof(*a.ids)) == 0;
}

struct meta_ids meta_placed(const struct meta_topic *t, int32_t partition)
{
    return (struct meta_ids){ meta_replicas(t, partition), t->n_replicas };
}

struct meta_ids meta_target(const struct meta_topic *t, int32_t partition)
{
    const struct meta_move *m = move_of(t, partition);

    return m != NULL ? (struct meta_ids){ m->ids, m->n_target } : meta_placed(t, partition);
}

struct meta_ids meta_replicas_all(const struct meta_topic *t, int32_t partition)
{
    const struct meta_move *m = move_of(t, partition);

    return m != NULL ? (struct meta_ids){ m->ids, m->n_all } : meta_placed(t, partition);
}

struct meta_ids meta_before(const struct meta_topic *t, int32_t partition)
{
    const struct meta_move *m = move_of(t, partition);

    return m != NULL && m->n_before > 0 ? (struct meta_ids){ m->ids + m->n_all, m->n_before } : none();
}

struct meta_ids meta_replicas_shown(const struct meta_topic *t, int32_t partition)
{
    return meta_is_moving(t, partition) ? meta_replicas_all(t, partition) : meta_target(t, partition);
}

bool meta_is_unsettled(const struct meta_topic *t, int32_t partition)
{
    return has_partition(t, partition) && meta_before(t, partition).n > 0;
}

/* One that goes back to where it was doesn't count. */
bool meta_is_moving(const struct meta_topic *t, int32_t partition)
{
    return meta_is_unsettled(t, partition) && !are_equal(meta_target(t, partition), meta_before(t, partition));
}

int meta_replica_of(const struct meta_topic *t, int32_t partition, int32_t broker_id)
{
    struct meta_ids all = meta_replicas_all(t, partition);

    for (int i = 0; i < all.n; i++)
        if (all.ids[i] == broker_id)
            return i;
    return -1;
}

/* Of a list those that are in another one. */
static uint32_t bits_of(struct meta_ids list, struct meta_ids in)
{
    uint32_t bits = 0;

    for (uint16_t i = 0; i < list.n; i++)
        bits |= meta_ids_have(in, list.ids[i]) ? UINT32_C(1) << i : 0;
    return bits;
}

bool meta_has_kept(const struct meta_topic *t, int32_t partition, int32_t broker_id)
{
    struct meta_ids placed = meta_placed(t, partition);
    const struct meta_move *m = move_of(t, partition);
    uint32_t bits = bits_of(placed, (struct meta_ids){ &broker_id, 1 });

    return (m != NULL ? bits & m->kept : bits) != 0;
}

/* As long as nobody says more, those are in sync that were there before. */
void meta_settle_in_sync(struct meta_topic *t, int32_t p)
{
    uint32_t bits = bits_of(meta_replicas_all(t, p), meta_before(t, p));

    t->partitions[p].in_sync = bits != 0 ? bits : UINT32_MAX;
}

bool meta_move_is_sound(const struct meta_topic *t, int32_t p)
{
    const struct meta_move *m = move_of(t, p);
    struct meta_ids all = meta_replicas_all(t, p), before = meta_before(t, p);

    for (uint16_t i = 0; i < before.n; i++)
        if (!meta_ids_have(all, before.ids[i]))
            return false;
    return m->since > 0 && (m->kept & ~bits_of(meta_placed(t, p), all)) == 0 &&
           (m->n_before > 0 || m->n_all == m->n_target);
}

struct meta_move *meta_move_new(struct meta_ids target, struct meta_ids others, struct meta_ids before)
{
    struct meta_move *m = xcalloc(1, sizeof(*m) + ((size_t)target.n + others.n + before.n) * sizeof(m->ids[0]));
    int32_t *to = m->ids;

    m->n_target = target.n;
    m->n_all = (uint16_t)(target.n + others.n);
    m->n_before = before.n;
    for (uint16_t i = 0; i < target.n; i++)
        *to++ = target.ids[i];
    for (uint16_t i = 0; i < others.n; i++)
        *to++ = others.ids[i];
    for (uint16_t i = 0; i < before.n; i++)
        *to++ = before.ids[i];
    return m;
}

/* ---- Apply ---- */

static bool are_brokers(const struct meta *m, struct meta_ids ids)
{
    for (uint16_t i = 0; i < ids.n; i++) {
        const struct meta_broker *b = meta_broker_by_id(m, ids.ids[i]);

        if (b == NULL || meta_ids_have((struct meta_ids){ ids.ids, i }, ids.ids[i]))
            return false;
    }
    return ids.n > 0 && ids.n <= META_REPLICAS_MAX;
}

/* Who may have a replica and isn't to have one. False: they are too many together. */
static bool list_others(const struct meta_topic *t, int32_t p, struct meta_ids target,
                        int32_t ret_ids[META_REPLICAS_MAX], uint16_t *ret_n)
{
    struct meta_ids all = meta_replicas_all(t, p);
    uint16_t n = 0;

    for (uint16_t i = 0; i < all.n; i++) {
        if (meta_ids_have(target, all.ids[i]))
            continue;
        if (target.n + n == META_REPLICAS_MAX)
            return false;
        ret_ids[n++] = all.ids[i];
    }
    *ret_n = n;
    return true;
}

static int16_t replace(struct meta_topic *t, int32_t p, uint64_t index, struct meta_ids target)
{
    struct meta_ids before = meta_is_unsettled(t, p) ? meta_before(t, p) : meta_target(t, p);
    struct meta_move *old = t->partitions[p].move, *move;
    int32_t ids[META_REPLICAS_MAX];
    struct meta_ids others = { ids, 0 };

    if (!list_others(t, p, target, ids, &others.n))
        return META_INVALID_REPLICA_ASSIGNMENT;
    move = meta_move_new(target, others, before);
    move->since = index;
    move->kept = old != NULL ? old->kept : UINT32_MAX >> (32 - t->n_replicas);
    t->partitions[p].move = move;
    free(old);
    meta_settle_in_sync(t, p);
    return 0;
}

void meta_apply_replicas(struct meta *m, uint64_t index, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = meta_find_topic(m, &c->id);
    struct meta_ids target = { c->ids, c->n_ids };

    if (t == NULL || !has_partition(t, c->partition)) {
        e->error = META_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (c->cancel && !meta_is_moving(t, c->partition))
        e->error = META_NO_REASSIGNMENT;
    else if (!c->cancel && !are_brokers(m, target))
        e->error = META_INVALID_REPLICA_ASSIGNMENT;
    if (c->cancel)
        target = e->error == 0 ? meta_before(t, c->partition) : none();
    if (e->error != 0 || are_equal(target, meta_target(t, c->partition)))
        return;
    e->error = replace(t, c->partition, index, target);
    if (e->error != 0)
        return;
    e->kind = META_REPLICAS_CHANGED;
    e->topic = t;
    e->first_partition = c->partition;
    meta_note_topic(t, false, &e->records);
}

void meta_apply_settled(struct meta *m, const struct meta_command *c, struct meta_event *e)
{
    struct meta_topic *t = meta_find_topic(m, &c->id);
    struct meta_move *old, *move;

    if (t == NULL || !meta_is_unsettled(t, c->partition) || t->partitions[c->partition].move->since != c->since) {
        e->error = META_NO_REASSIGNMENT;
        return;
    }
    old = t->partitions[c->partition].move;
    e->kind = META_REPLICAS_SETTLED;
    e->topic = t;
    e->first_partition = c->partition;
    old->kept &= bits_of(meta_placed(t, c->partition), meta_target(t, c->partition));
    if (m->keeps_replicas)
        return;
    move = meta_move_new(meta_target(t, c->partition), none(), none());
    move->since = old->since;
    move->kept = old->kept;
    t->partitions[c->partition].move = move;
    free(old);
    meta_settle_in_sync(t, c->partition);
    meta_note_topic(t, false, &e->records);
}
