/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "peer/internal.h"

/* Messages to frames. Headers and fields go into buffers that many frames share; bodies stay where they are. */

#define HEADS_SIZE 4096 /* of a buffer for several */

/* Or messages would lose their ends here. */
static_assert(REPLICA_APPEND_MAX_ENTRIES <= PEER_MAX_ENTRIES && REPLICA_APPEND_MAX_BYTES <= PEER_APPEND_MAX, "limits");

void peer_writer_init(struct peer_writer *w, const struct peer_link *link, struct buf_pool *pool)
{
    *w = (struct peer_writer){ .link = *link, .pool = pool };
}

void peer_writer_fini(struct peer_writer *w)
{
    buf_unref(TAKE_PTR(w->heads));
}

/* The buffer of the next header, with room for size bytes. */
static struct buf *heads_for(struct peer_writer *w, size_t size)
{
    if (w->heads == NULL || w->heads->capacity - w->heads->size < size) {
        peer_writer_fini(w);
        w->heads = buf_new(w->pool, MAX(size, (size_t)HEADS_SIZE));
    }
    return w->heads;
}

static void write_header(const struct peer_frame *f, struct wr *w)
{
    wr_le32(w, f->size);
    wr_u8(w, f->kind);
    wr_u8(w, f->version);
    wr_le16(w, f->reserved);
    wr_le16(w, f->from_shard);
    wr_le16(w, f->to_shard);
    wr_le32(w, f->fields_size);
    wr_le64(w, f->group);
    wr_le32(w, f->body_crc);
    wr_le32(w, f->crc);
}

/* Header and fields, as wr has them but for the CRC, to the chain. */
static void put_head(struct peer_writer *w, struct wr *wr, struct buf_chain *chain)
{
    uint8_t *head = wr->start;
    uint32_t crc = crc32c(0, head, PEER_FRAME_AT_CRC);

    gq_assert(wr->error == 0 && wr->p == wr->end);
    store_le32(head + PEER_FRAME_AT_CRC,
               crc32c(crc, head + PEER_FRAME_HEADER_SIZE, wr_size(wr) - PEER_FRAME_HEADER_SIZE));
    buf_chain_append(chain, w->heads, head, wr_size(wr));
}

static int begin(struct peer_writer *w, const struct peer_frame *f, struct wr *wr)
{
    size_t size = PEER_FRAME_HEADER_SIZE + f->fields_size;
    struct buf *b = heads_for(w, size);

    gq_assert(f->size >= size && f->size <= PEER_FRAME_MAX);
    if (b == NULL)
        return -ENOMEM;
    wr_init_fixed(wr, b->data + b->size, size);
    b->size += size;
    write_header(f, wr);
    return 0;
}

/* ---- Sessions ---- */

int peer_write_session(struct peer_writer *w, const struct fleet_message *m, struct buf_chain *chain)
{
    uint32_t size =
        PEER_SESSION_SIZE + m->n_digests * (uint32_t)sizeof(uint64_t) + m->n_entries * (uint32_t)PEER_LISTED_SIZE;
    struct peer_frame f = {
        .size = PEER_FRAME_HEADER_SIZE + size,
        .fields_size = size,
        .kind = PEER_SESSION,
        .version = w->link.version,
        .from_shard = (uint16_t)m->from_shard,
        .to_shard = (uint16_t)m->to_shard,
    };
    struct wr wr;

    gq_assert(m->n_entries <= FLEET_MAX_ENTRIES && (m->n_digests == 0 || m->n_digests == FLEET_BUCKETS));
    if (begin(w, &f, &wr) < 0)
        return -ENOMEM;
    wr_le64(&wr, m->session);
    wr_le64(&wr, m->your_session);
    wr_le64(&wr, m->sequence);
    wr_le64(&wr, m->echo);
    wr_le64(&wr, m->digest);
    wr_le64(&wr, m->buckets);
    wr_le32(&wr, m->n_digests);
    wr_le32(&wr, m->n_entries);
    for (uint32_t i = 0; i < m->n_digests; i++)
        wr_le64(&wr, m->digests[i]);
    for (uint32_t i = 0; i < m->n_entries; i++) {
        gq_assert(m->entries[i].term <= RAFT_MAX_TERM);
        wr_le64(&wr, m->entries[i].group);
        wr_le32(&wr, (uint32_t)m->entries[i].term);
    }
    put_head(w, &wr, chain);
    return 0;
}

/* ---- Words ---- */

int peer_write_word(struct peer_writer *w, const struct peer_word *word, struct buf_chain *chain)
{
    struct peer_frame f = {
        .size = (uint32_t)(PEER_FRAME_HEADER_SIZE + PEER_WORD_SIZE + word->body.size),
        .fields_size = PEER_WORD_SIZE,
        .kind = PEER_WORD,
        .version = w->link.version,
        .body_crc = crc32c(0, word->body.data, word->body.size),
    };
    struct buf *body;
    struct wr wr;

    gq_assert(word->kind != 0 && word->body.size > 0 && word->body.size <= PEER_WORD_MAX);
    body = buf_new(w->pool, word->body.size);
    if (body == NULL || begin(w, &f, &wr) < 0) {
        buf_unref(body);
        return -ENOMEM;
    }
    wr_u8(&wr, word->kind);
    put_head(w, &wr, chain);
    memcpy(body->data, word->body.data, word->body.size);
    body->size = word->body.size;
    buf_chain_append(chain, body, body->data, body->size);
    buf_unref(body);
    return 0;
}

/* ---- Messages of groups ---- */

static size_t entry_size(const struct replica_message_entry *e)
{
    return e->head.size + e->batches.size;
}

void peer_cut_init(struct peer_cut *cut, const struct replica_message *m)
{
    *cut = (struct peer_cut){ .message = m };
    if (m->raft.kind == RAFT_SNAPSHOT) {
        cut->size = m->image->size;
        return;
    }
    while (cut->n_entries < MIN(m->raft.n_entries, (uint32_t)PEER_MAX_ENTRIES)) {
        size_t size = entry_size(&m->entries[cut->n_entries]);

        if (cut->n_entries > 0 && cut->size + size > PEER_APPEND_MAX)
            break;
        cut->size += size;
        cut->n_entries++;
    }
}

static void write_entries(const struct peer_cut *cut, struct wr *wr)
{
    wr_le32(wr, cut->n_entries);
    for (uint32_t i = 0; i < cut->n_entries; i++) {
        const struct replica_message_entry *e = &cut->message->entries[i];

        gq_assert(e->term <= RAFT_MAX_TERM && entry_size(e) <= UINT32_MAX);
        wr_le32(wr, (uint32_t)e->term);
        wr_le32(wr, e->checksum);
        wr_le32(wr, (uint32_t)entry_size(e));
    }
}

static void write_image(const struct replica_image *i, struct wr *wr)
{
    wr_le64(wr, (uint64_t)i->next_offset);
    wr_le64(wr, (uint64_t)i->log_start);
    wr_le32(wr, i->checksum);
    wr_le32(wr, (uint32_t)i->size);
}

static size_t fields_size(const struct peer_cut *cut, const struct peer_kind *kind)
{
    if (cut->at > 0)
        return sizeof(uint64_t);
    if (kind->raft == RAFT_APPEND)
        return peer_numbers_size(kind) + sizeof(uint32_t) + cut->n_entries * (size_t)PEER_ENTRY_SIZE;
    if (kind->raft == RAFT_SNAPSHOT)
        return peer_numbers_size(kind) + PEER_IMAGE_SIZE;
    return peer_numbers_size(kind);
}

static void write_fields(const struct peer_cut *cut, const struct peer_kind *kind, struct wr *wr)
{
    if (cut->at > 0) {
        wr_le64(wr, cut->at);
        return;
    }
    peer_numbers_write(kind, wr, &cut->message->raft);
    if (kind->raft == RAFT_APPEND)
        write_entries(cut, wr);
    else if (kind->raft == RAFT_SNAPSHOT)
        write_image(cut->message->image, wr);
}

/* The next size bytes of entries to the chain. */
static void put_entries(struct peer_cut *cut, size_t size, struct buf_chain *chain)
{
    while (size > 0) {
        const struct replica_message_entry *e = &cut->message->entries[cut->entry];
        bool in_head = cut->entry_at < e->head.size;
        size_t at = in_head ? cut->entry_at : cut->entry_at - e->head.size;
        struct slice from = in_head ? e->head : e->batches;
        size_t n = MIN(size, from.size - at);

        buf_chain_append(chain, e->buf, from.data + at, n);
        size -= n;
        cut->entry_at += n;
        if (cut->entry_at == entry_size(e)) {
            cut->entry++;
            cut->entry_at = 0;
        }
    }
}

int peer_write(struct peer_writer *w, struct peer_cut *cut, struct buf_chain *chain)
{
    const struct replica_message *m = cut->message;
    const struct peer_kind *kind = peer_kind_of(m->raft.kind);
    bool is_image = kind->raft == RAFT_SNAPSHOT;
    size_t fields = fields_size(cut, kind);
    size_t body = MIN(cut->size - cut->at, PEER_FRAME_MAX - PEER_FRAME_HEADER_SIZE - fields);
    struct peer_frame f = {
        .size = (uint32_t)(PEER_FRAME_HEADER_SIZE + fields + body),
        .fields_size = (uint32_t)fields,
        .kind = cut->at > 0 ? PEER_PIECE : kind->number,
        .version = w->link.version,
        .from_shard = (uint16_t)peer_shard_of(m->group, w->link.our_shards),
        .to_shard = (uint16_t)peer_shard_of(m->group, w->link.their_shards),
        .group = m->group,
        .body_crc = is_image ? crc32c(0, m->data + cut->at, body) : 0,
    };
    struct wr wr;

    gq_assert(m->group != 0);
    if (begin(w, &f, &wr) < 0)
        return -ENOMEM;
    write_fields(cut, kind, &wr);
    put_head(w, &wr, chain);
    if (is_image)
        buf_chain_append(chain, NULL, m->data + cut->at, body);
    else
        put_entries(cut, body, chain);
    cut->at += body;
    if (cut->at == cut->size)
        cut->message = NULL;
    return 0;
}
