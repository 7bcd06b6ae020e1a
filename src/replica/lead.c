/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "replica/internal.h"

/* A node gives away what it leads: when it is to stop, and when its journal stands still. Its disk may hang for long
 * without an error; the others have what it sent them, and one of them can go on. Whoever can't be handed over stays:
 * nobody else could lead it either, or it gets another chance.
 *
 * A group whose segments have damage that keeps a follower from what it needs is given away too: what is in a segment
 * is committed, so somebody else has it whole. Here it is served as far as it can be read. */

#define UNREADABLE_NS 30000000000ull /* somebody else may have had damage as well */
#define READ_AGAIN_NS 5000000000ull  /* a disk may take seconds to say that it can't */

bool replica_shard_hand_over(struct replica_shard *shard)
{
    if (shard->n_cores == 0 || !fleet_can_hand_over(shard->fleet))
        return false;
    if (shard->now_ns >= shard->hand_over_ns) {
        shard->hand_over_ns = shard->now_ns + replica_election_ns(shard);
        fleet_hand_over(shard->fleet);
    }
    return true;
}

uint64_t replica_lead_poll(struct replica_shard *shard)
{
    uint64_t n_flushes = journal_n_flushes(shard->journal);

    if (!journal_is_at_work(shard->journal, shard->now_ns) || n_flushes != shard->n_flushes) {
        shard->n_flushes = n_flushes;
        shard->moved_ns = shard->now_ns;
        return UINT64_MAX;
    }
    if (shard->now_ns < shard->moved_ns + replica_election_ns(shard))
        return shard->moved_ns + replica_election_ns(shard);
    if (replica_shard_hand_over(shard))
        GQ_MARK(REPLICA_LED_BY_OTHERS);
    shard->moved_ns = shard->now_ns; /* looks again as late */
    return shard->now_ns + replica_election_ns(shard);
}

void replica_lead_unreadable(struct replica *r, uint64_t index, const char *text)
{
    struct replica_shard *shard = r->shard;
    struct replica_peers *p = r->peers;

    GQ_MARK(REPLICA_READ_BACK_DAMAGED);
    if (p->unreadable_index == 0 && shard->damaged != NULL)
        shard->damaged(shard->ctx, r, text);
    p->unreadable_index = index;
    p->read_again_ns = shard->now_ns + READ_AGAIN_NS;
    if (shard->now_ns < p->unreadable_ns)
        return;
    p->unreadable_ns = shard->now_ns + UNREADABLE_NS;
    fleet_group_hand_over(&p->member);
}

bool replica_is_unreadable(const struct replica *r, uint64_t index)
{
    const struct replica_peers *p = r->peers;

    return p->unreadable_index == index && r->shard->now_ns < p->read_again_ns;
}
