/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/sample.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"

const struct peer_link sample_there = { 1, 1, 2, 3, 2, PEER_ANY_SHARD, PEER_ANY_SHARD };
const struct peer_link sample_here = { 1, 2, 1, 2, 3, PEER_ANY_SHARD, PEER_ANY_SHARD };
const struct peer_limits sample_limits = { .max_entry_bytes = 8 << 20, .max_image_bytes = 4 << 20 };

static void give_entries(struct replica_message *m)
{
    m->data = (uint8_t *)xstrdup("first headits batchessecond");
    m->raft.n_entries = 2;
    m->entries[0].term = 6;
    m->entries[0].checksum = 0x11121314;
    m->entries[0].head = slice_make(m->data, 10);
    m->entries[0].batches = slice_make(m->data + 10, 11);
    m->entries[1].term = 7;
    m->entries[1].checksum = 0x21222324;
    m->entries[1].head = slice_make(m->data + 21, 6);
}

static void give_image(struct replica_message *m)
{
    m->data = (uint8_t *)xstrdup("image");
    m->image = xcalloc(1, sizeof(*m->image));
    m->image->next_offset = 500;
    m->image->log_start = 501;
    m->image->checksum = 0x31323334;
    m->image->size = 5;
}

struct replica_message *sample_message(enum raft_message_kind kind)
{
    struct replica_message *m = xcalloc(1, sizeof(*m) + 2 * sizeof(m->entries[0]));

    m->group = SAMPLE_GROUP;
    m->raft = (struct raft_message){ .kind = kind, .from = 1, .to = 2, .term = 7 };
    switch (kind) {
    case RAFT_VOTE:
        m->raft.force = true;
        /* fallthrough */
    case RAFT_PRE_VOTE:
    case RAFT_APPEND:
    case RAFT_SNAPSHOT:
        m->raft.index = 0x1020;
        m->raft.log_term = 6;
        m->raft.commit = kind == RAFT_APPEND || kind == RAFT_SNAPSHOT ? 0x1010 : 0;
        break;
    case RAFT_APPEND_REPLY:
        m->raft.hint_index = 0x1000;
        m->raft.hint_term = 5;
        m->raft.index = 0x1020;
        m->raft.commit = 0x1010;
        m->raft.reject = true;
        break;
    case RAFT_HEARTBEAT:
    case RAFT_HEARTBEAT_REPLY:
        m->raft.index = 0x1020;
        m->raft.commit = 0x1010;
        m->raft.context = 0x99;
        m->raft.join = true;
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        m->raft.reject = true;
        break;
    case RAFT_TIMEOUT_NOW:
        break;
    }
    if (kind == RAFT_APPEND)
        give_entries(m);
    if (kind == RAFT_SNAPSHOT)
        give_image(m);
    return m;
}

struct fleet_message sample_session(bool is_long)
{
    static const struct fleet_entry entries[] = { { 5, 7 }, { 11, 9 } };
    static uint64_t digests[FLEET_BUCKETS];

    for (uint64_t i = 0; i < FLEET_BUCKETS; i++)
        digests[i] = i << 8;
    return (struct fleet_message){
        .from = 1,
        .to = 2,
        .from_shard = 1,
        .to_shard = 0,
        .session = 0x100000002,
        .your_session = 0x300000004,
        .sequence = 50,
        .echo = 49,
        .digest = 0x7e000,
        .n_digests = is_long ? FLEET_BUCKETS : 0,
        .digests = is_long ? digests : NULL,
        .buckets = is_long ? 0x820 : 0,
        .n_entries = is_long ? ARRAY_SIZE(entries) : 0,
        .entries = is_long ? entries : NULL,
    };
}

struct peer_word sample_word(void)
{
    return (struct peer_word){ .kind = 2, .body = slice_str("a command") };
}

struct peer_hello sample_hello(void)
{
    return (struct peer_hello){
        .min_version = 1,
        .max_version = 1,
        .lane = PEER_BULK,
        .n_shards = 3,
        .from_shard = 1,
        .to_shard = 0,
        .broker_id = 1,
        .to = 2,
        .boot = 17,
        .durable_lsn = 0x123456,
        .cluster_id = { .bytes = "cluster-cluster" },
        .incarnation = { .bytes = "incarnation-one" },
        .node_id = "b1",
    };
}

uint8_t *sample_flatten(const struct buf_chain *chain)
{
    uint8_t *bytes = xmalloc(chain->size + 1);
    size_t at = 0;

    for (uint32_t i = 0; i < chain->n; i++) {
        memcpy(bytes + at, chain->links[i].data, chain->links[i].size);
        at += chain->links[i].size;
    }
    return bytes;
}

static uint8_t *bytes_of(const struct peer_message *m, size_t *ret_size)
{
    struct peer_writer w;
    struct peer_cut cut;
    struct buf_chain chain;
    struct buf_pool pool;
    uint8_t *bytes;

    buf_pool_init(&pool, 0);
    buf_chain_init(&chain, NULL);
    peer_writer_init(&w, &sample_there, &pool);
    if (m->session != NULL) {
        gq_assert(peer_write_session(&w, m->session, &chain) == 0);
    } else if (m->word != NULL) {
        gq_assert(peer_write_word(&w, m->word, &chain) == 0);
    } else {
        peer_cut_init(&cut, m->replica);
        while (!peer_cut_is_done(&cut))
            gq_assert(peer_write(&w, &cut, &chain) == 0);
    }
    bytes = sample_flatten(&chain);
    *ret_size = chain.size;
    buf_chain_fini(&chain);
    peer_writer_fini(&w);
    buf_pool_fini(&pool);
    return bytes;
}

uint8_t *sample_bytes(const struct replica_message *m, size_t *ret_size)
{
    return bytes_of(&(struct peer_message){ .replica = (struct replica_message *)m }, ret_size);
}

uint8_t *sample_session_bytes(const struct fleet_message *m, size_t *ret_size)
{
    return bytes_of(&(struct peer_message){ .session = m }, ret_size);
}

uint8_t *sample_word_bytes(const struct peer_word *word, size_t *ret_size)
{
    return bytes_of(&(struct peer_message){ .word = word }, ret_size);
}

void sample_seal(uint8_t *frame)
{
    uint32_t crc = crc32c(0, frame, PEER_FRAME_AT_CRC), fields = load_le32(frame + PEER_FRAME_AT_FIELDS_SIZE);

    store_le32(frame + PEER_FRAME_AT_CRC, crc32c(crc, frame + PEER_FRAME_HEADER_SIZE, fields));
}

static bool is_same_entry(const struct replica_message_entry *a, const struct replica_message_entry *b)
{
    _cleanup_(freep) uint8_t *x = xmalloc(a->head.size + a->batches.size + 1);
    _cleanup_(freep) uint8_t *y = xmalloc(b->head.size + b->batches.size + 1);

    memcpy(x, a->head.data, a->head.size);
    memcpy(y, b->head.data, b->head.size);
    if (a->batches.size > 0)
        memcpy(x + a->head.size, a->batches.data, a->batches.size);
    if (b->batches.size > 0)
        memcpy(y + b->head.size, b->batches.data, b->batches.size);
    return a->term == b->term && a->checksum == b->checksum &&
           a->head.size + a->batches.size == b->head.size + b->batches.size &&
           memcmp(x, y, a->head.size + a->batches.size) == 0;
}

static bool is_same_image(const struct replica_message *a, const struct replica_message *b)
{
    const struct replica_image *i = a->image, *k = b->image;

    return i->next_offset == k->next_offset && i->log_start == k->log_start && i->checksum == k->checksum &&
           i->size == k->size && memcmp(a->data, b->data, i->size) == 0;
}

bool sample_is_same(const struct replica_message *a, const struct replica_message *b)
{
    const struct raft_message *m = &a->raft, *n = &b->raft;
    bool same = a->group == b->group && m->kind == n->kind && m->from == n->from && m->to == n->to &&
                m->term == n->term && m->index == n->index && m->log_term == n->log_term && m->commit == n->commit &&
                m->hint_index == n->hint_index && m->hint_term == n->hint_term && m->context == n->context &&
                m->reject == n->reject && m->force == n->force && m->join == n->join && m->n_entries == n->n_entries &&
                (a->image == NULL) == (b->image == NULL);

    for (uint32_t i = 0; same && i < m->n_entries; i++)
        same = is_same_entry(&a->entries[i], &b->entries[i]);
    return same && (a->image == NULL || is_same_image(a, b));
}

bool sample_is_same_session(const struct fleet_message *a, const struct fleet_message *b)
{
    bool same = a->from == b->from && a->to == b->to && a->from_shard == b->from_shard && a->to_shard == b->to_shard &&
                a->session == b->session && a->your_session == b->your_session && a->sequence == b->sequence &&
                a->echo == b->echo && a->digest == b->digest && a->n_digests == b->n_digests &&
                a->buckets == b->buckets && a->n_entries == b->n_entries;

    for (uint32_t i = 0; same && i < a->n_digests; i++)
        same = a->digests[i] == b->digests[i];
    for (uint32_t i = 0; same && i < a->n_entries; i++)
        same = a->entries[i].group == b->entries[i].group && a->entries[i].term == b->entries[i].term;
    return same;
}
