/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/crc32c.h"
#include "replica/internal.h"
#include "wire/batch.h"

/* What came from another node is believed as far as the protocol goes, but not that it is well formed: entries that
 * apply would stumble over never get into the log. */

static int check_batches(const struct entry_header *h, struct slice batches)
{
    int64_t offset = h->first_offset;
    struct batch_iter it;
    struct batch_view v;

    batch_iter_init(&it, batches.data, batches.size);
    while (batch_next(&it, &v)) {
        if (v.base_offset != offset || v.count <= 0)
            return -EBADMSG;
        offset += v.count;
    }
    return it.error == BATCH_OK && offset == h->first_offset + (int64_t)h->offset_count ? 0 : -EBADMSG;
}

static int check_commands(const struct replica *r, struct slice commands)
{
    struct entry_command c;
    size_t pos = 0;
    int rc;

    while ((rc = entry_command_next(commands, &pos, &c)) > 0)
        if (!(c.kind == COMMAND_SET_LOG_START && c.body.size == 8) &&
            !(c.kind == COMMAND_METADATA && r->machine != NULL))
            return -EBADMSG;
    return rc;
}

/* *offset: of its first record, or −1 where that isn't known; then of the next entry's. */
static int check_entry(const struct replica *r, const struct replica_message_entry *m, int64_t *offset)
{
    uint32_t checksum = crc32c(crc32c(0, m->head.data, m->head.size), m->batches.data, m->batches.size);
    struct replica_members members;
    struct entry e;
    int rc;

    if (m->head.size + m->batches.size > journal_max_entry(r->shard->journal) ||
        (checksum != m->checksum && !GQ_BUG(RECEIVED_UNCHECKED)))
        return -EBADMSG;
    rc = m->batches.size > 0 ? entry_parse_apart(m->head.data, m->head.size, m->batches, &e)
                             : entry_parse(m->head.data, m->head.size, &e);
    if (rc < 0 || (*offset >= 0 && e.header.first_offset != *offset))
        return -EBADMSG;
    *offset = e.header.first_offset + (int64_t)e.header.offset_count;
    rc = check_batches(&e.header, e.batches);
    if (rc < 0 || e.header.type == ENTRY_CONFIG)
        return rc < 0 ? rc : MIN(replica_entry_members(&e, &members), 0);
    return check_commands(r, e.commands);
}

/* Next offset after the entry at index, if that is in the log and known; −1. */
static int64_t offset_after(const struct replica *r, uint64_t index)
{
    const struct replica_entry *e = tail_by_index(&r->tail, index);

    if (index == r->last_index)
        return r->proposed_offset;
    if (index == r->applied_index)
        return r->applied_offset;
    return e != NULL ? e->header.first_offset + (int64_t)e->header.offset_count : -1;
}

static int check_append(const struct replica *r, const struct replica_message *m)
{
    uint64_t term = m->raft.log_term;
    int64_t offset = -1;

    if (m->raft.index > UINT64_MAX - m->raft.n_entries)
        return -EBADMSG;
    /* Else the logs differ there, and the core refuses what follows. */
    if (raft_term_at(r->raft, m->raft.index) == m->raft.log_term)
        offset = offset_after(r, m->raft.index);
    for (uint32_t i = 0; i < m->raft.n_entries; i++) {
        if (m->entries[i].term == 0 || m->entries[i].term < term || m->entries[i].term > m->raft.term ||
            check_entry(r, &m->entries[i], &offset) < 0)
            return -EBADMSG;
        term = m->entries[i].term;
        /* Of another term it is what an old leader had alone; the core drops that. */
        if (m->raft.index + 1 + i == r->applied_index && term == r->applied_term && offset != r->applied_offset)
            return -EBADMSG;
    }
    return 0;
}

int replica_check_message(const struct replica *r, const struct replica_message *m)
{
    switch (m->raft.kind) {
    case RAFT_APPEND:
        return r->peers != NULL && replica_has_core(r) ? check_append(r, m) : 0;
    case RAFT_PRE_VOTE:
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE:
    case RAFT_VOTE_REPLY:
    case RAFT_APPEND_REPLY:
    case RAFT_HEARTBEAT:
    case RAFT_HEARTBEAT_REPLY:
    case RAFT_TIMEOUT_NOW:
        return m->raft.n_entries == 0 ? 0 : -EBADMSG;
    case RAFT_SNAPSHOT: /* of state groups there are none */
        return m->raft.n_entries == 0 && m->image != NULL && r->machine == NULL ? 0 : -EBADMSG;
    }
    return -EBADMSG;
}

int replica_check_image(const struct replica *r, const struct replica_message *m, struct replica_state *ret)
{
    const struct replica_image *i = m->image;
    int rc;

    /* Records are what puts an image's index below the log start. */
    if (i->next_offset < 0 || i->log_start <= 0 || i->log_start < i->next_offset || i->size > REPLICA_SNAPSHOT_MAX)
        return -EBADMSG;
    rc = replica_state_parse(r, m->data, i->size, ret);
    if (rc != 0)
        return rc;
    if (ret->index == m->raft.index && ret->next_offset == i->next_offset && ret->has_members)
        return 0;
    producer_state_free(ret->producers);
    return -EBADMSG;
}

/* ---- For the core ---- */

static bool is_config(const struct replica_message_entry *e)
{
    return e->head.data[ENTRY_AT_TYPE] == ENTRY_CONFIG;
}

/* Configurations are few, and have no batches. */
static void add_configs(struct replica_received *to, struct replica *r, const struct replica_message *m)
{
    uint32_t at = 0;

    to->configs = mem_pool_alloc(r->shard->blocks, to->n_configs * sizeof(*to->configs));
    for (uint32_t i = 0; i < to->message.n_entries; i++) {
        struct replica_members members;
        struct entry entry;

        if (!is_config(&m->entries[i]))
            continue;
        gq_assert(entry_parse(m->entries[i].head.data, m->entries[i].head.size, &entry) == 0);
        gq_assert(replica_entry_members(&entry, &members) == 1);
        replica_members_config(&members, &to->configs[at]);
        to->entries[i].config = &to->configs[at++];
    }
}

void replica_received_make(struct replica_received *to, struct replica *r, const struct replica_message *m, uint32_t n)
{
    *to = (struct replica_received){ .message = m->raft };
    to->message.config = NULL;
    to->message.n_entries = n;
    if (n == 0)
        return;
    to->entries = mem_pool_alloc(r->shard->blocks, n * sizeof(*to->entries));
    for (uint32_t i = 0; i < n; i++) {
        to->entries[i] = (struct raft_entry){
            .term = m->entries[i].term,
            .size = (uint32_t)(m->entries[i].head.size + m->entries[i].batches.size),
        };
        to->n_configs += is_config(&m->entries[i]);
    }
    to->message.entries = to->entries;
    if (to->n_configs > 0)
        add_configs(to, r, m);
}

void replica_received_free(struct replica_received *got, struct replica *r)
{
    mem_pool_free(r->shard->blocks, got->entries, got->message.n_entries * sizeof(*got->entries));
    mem_pool_free(r->shard->blocks, got->configs, got->n_configs * sizeof(*got->configs));
}
