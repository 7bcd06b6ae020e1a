/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "peer/internal.h"

/* Bytes to messages. A frame comes in three parts: its header, from which its size is known; its fields, whose end
 * tells by their CRC that all of this is what was sent; and the body. What is refused is skipped to its end, so the
 * next frame is found. Only a header that can't be, or a wrong CRC, ends the connection: no size can be believed then.
 * Until the end of the fields none can, so few are waited for that aren't understood. */

#define KEEP_FIELDS 4096 /* of memory for fields, from one frame to the next */

void peer_reader_init(struct peer_reader *r, const struct peer_link *link, const struct peer_limits *limits,
                      struct buf_pool *pool)
{
    *r = (struct peer_reader){ .link = *link, .limits = *limits, .pool = pool };
}

static void body_drop(struct peer_body *b)
{
    replica_message_free(b->message);
    buf_unref(b->buf);
    *b = (struct peer_body){ 0 };
}

void peer_reader_fini(struct peer_reader *r)
{
    body_drop(&r->now);
    body_drop(&r->pending);
    buf_unref(TAKE_PTR(r->word_buf));
    free(TAKE_PTR(r->fields));
    free(TAKE_PTR(r->lists));
}

static void read_header(const uint8_t from[PEER_FRAME_HEADER_SIZE], struct peer_frame *ret)
{
    struct rd r;

    rd_init(&r, from, PEER_FRAME_HEADER_SIZE);
    ret->size = rd_le32(&r);
    ret->kind = rd_u8(&r);
    ret->version = rd_u8(&r);
    ret->reserved = rd_le16(&r);
    ret->from_shard = rd_le16(&r);
    ret->to_shard = rd_le16(&r);
    ret->fields_size = rd_le32(&r);
    ret->group = rd_le64(&r);
    ret->body_crc = rd_le32(&r);
    ret->crc = rd_le32(&r);
}

/* ---- The header ---- */

/* What the fields of the kind take: fewer or more can't be. */
static bool is_fields_size(const struct peer_frame *f)
{
    const struct peer_kind *kind = peer_kind(f->kind);
    size_t least, most;

    if (f->kind == PEER_PIECE) {
        least = most = sizeof(uint64_t);
    } else if (f->kind == PEER_SESSION) {
        least = PEER_SESSION_SIZE;
        most = least + FLEET_BUCKETS * sizeof(uint64_t) + FLEET_MAX_ENTRIES * (size_t)PEER_LISTED_SIZE;
    } else if (f->kind == PEER_WORD) {
        least = most = PEER_WORD_SIZE;
    } else if (kind == NULL) {
        return false;
    } else {
        least = most = peer_numbers_size(kind);
        if (kind->raft == RAFT_APPEND) {
            least += sizeof(uint32_t);
            most += sizeof(uint32_t) + PEER_MAX_ENTRIES * (size_t)PEER_ENTRY_SIZE;
        } else if (kind->raft == RAFT_SNAPSHOT) {
            least = most += PEER_IMAGE_SIZE;
        }
    }
    return f->fields_size >= least && f->fields_size <= most;
}

static int end_header(struct peer_reader *r, struct error_text *err)
{
    struct peer_frame *f = &r->frame;

    read_header(r->header, f);
    if (f->size < PEER_FRAME_HEADER_SIZE || f->size > PEER_FRAME_MAX) {
        error_setf(err, "frame: size %u", f->size);
        return -EBADMSG;
    }
    if (f->fields_size > f->size - PEER_FRAME_HEADER_SIZE) {
        error_setf(err, "frame: %u bytes of fields in %u", f->fields_size, f->size);
        return -EBADMSG;
    }
    r->crc = crc32c(0, r->header, PEER_FRAME_AT_CRC);
    r->body_crc = 0;
    r->reads_fields = f->version == r->link.version && is_fields_size(f);
    if (!r->reads_fields && f->fields_size > PEER_UNKNOWN_FIELDS_MAX) {
        error_setf(err, "frame: kind %u with %u bytes of fields", f->kind, f->fields_size);
        return -EBADMSG;
    }
    if (r->reads_fields && f->fields_size > r->fields_capacity) {
        r->fields_capacity = MAX(f->fields_size, 64u);
        r->fields = xrealloc(r->fields, r->fields_capacity);
    }
    return 0;
}

/* ---- The fields ---- */

static bool has_group(uint8_t kind)
{
    return kind != PEER_SESSION && kind != PEER_WORD;
}

static bool is_shard(uint32_t shard, uint32_t wanted, uint32_t n_shards)
{
    return wanted == PEER_ANY_SHARD ? shard < n_shards : shard == wanted;
}

/* What the header says, which is known to be whole now. */
static int check_header(const struct peer_reader *r, struct error_text *err)
{
    const struct peer_frame *f = &r->frame;
    const struct peer_link *l = &r->link;

    if (f->version != l->version) {
        error_setf(err, "frame: version %u", f->version);
        return PEER_E_VERSION;
    }
    if (f->kind != PEER_PIECE && has_group(f->kind) && peer_kind(f->kind) == NULL) {
        error_setf(err, "frame: kind %u", f->kind);
        return PEER_E_KIND;
    }
    if (!r->reads_fields)
        return peer_refuse(err, "frame: fields of %u bytes", f->fields_size);
    if (f->reserved != 0)
        return peer_refuse(err, "frame: reserved %u", f->reserved);
    if (!is_shard(f->from_shard, l->their_shard, l->their_shards))
        return peer_refuse(err, "frame: from shard %u", f->from_shard);
    if (!is_shard(f->to_shard, l->our_shard, l->our_shards))
        return peer_refuse(err, "frame: to shard %u", f->to_shard);
    if ((f->group != 0) != has_group(f->kind))
        return peer_refuse(err, "frame: group %llu", (unsigned long long)f->group);
    if (f->group != 0 && (peer_shard_of(f->group, l->their_shards) != f->from_shard ||
                          peer_shard_of(f->group, l->our_shards) != f->to_shard))
        return peer_refuse(err, "frame: group %llu of other shards", (unsigned long long)f->group);
    return 0;
}

/* Nobody else looks at all of these bytes. */
static bool has_crc(const struct peer_body *b)
{
    return b->message == NULL || b->message->image != NULL;
}

/* The body has to fit what is expected; of a piece, and where there is one at all, it isn't empty. */
static int check_body(const struct peer_reader *r, const struct peer_body *b, struct error_text *err)
{
    const struct peer_frame *f = &r->frame;
    size_t size = f->size - PEER_FRAME_HEADER_SIZE - f->fields_size, wanted = b != NULL ? b->size - b->at : 0;

    if (size > wanted || (size == 0 && wanted > 0))
        return peer_refuse(err, "frame: body of %zu bytes", size);
    if ((b == NULL || !has_crc(b)) && f->body_crc != 0)
        return peer_refuse(err, "frame: checksum of body 0x%x", f->body_crc);
    return 0;
}

static int begin_piece(struct peer_reader *r, struct rd *fields, struct error_text *err)
{
    uint64_t at = rd_le64(fields);

    if (r->pending.message == NULL || r->pending.message->group != r->frame.group)
        return peer_refuse(err, "PIECE: of no message of group %llu", (unsigned long long)r->frame.group);
    if (at != r->pending.at)
        return peer_refuse(err, "PIECE: at %llu", (unsigned long long)at);
    r->body = &r->pending;
    return check_body(r, r->body, err);
}

/* One that isn't whole in its first frame takes the place of another such one: the sender gave that up. */
static int begin_message(struct peer_reader *r, const struct peer_kind *kind, struct rd *fields, struct error_text *err)
{
    int rc = peer_message_read(r, kind, fields, &r->now, err);

    if (rc == 0)
        rc = check_body(r, &r->now, err);
    if (rc != 0)
        return rc;
    r->body = &r->now;
    if (r->frame.size - PEER_FRAME_HEADER_SIZE - r->frame.fields_size < r->now.size)
        body_drop(&r->pending);
    return 0;
}

static int begin_word(struct peer_reader *r, struct rd *fields, struct error_text *err)
{
    int rc = peer_word_read(r, fields, &r->now, err);

    if (rc == 0)
        r->body = &r->now;
    return rc;
}

static int begin_session(struct peer_reader *r, struct rd *fields, struct error_text *err)
{
    int rc = peer_session_read(r, fields, err);

    if (rc == 0)
        rc = check_body(r, NULL, err);
    r->has_session = rc == 0;
    return rc;
}

static int end_fields(struct peer_reader *r, struct error_text *err)
{
    struct rd fields;
    int rc;

    if (r->crc != r->frame.crc) {
        error_setf(err, "frame: wrong checksum");
        return -EBADMSG;
    }
    rc = check_header(r, err);
    if (rc != 0)
        return rc;
    rd_init(&fields, r->fields, r->frame.fields_size);
    if (r->frame.kind == PEER_PIECE)
        rc = begin_piece(r, &fields, err);
    else if (r->frame.kind == PEER_SESSION)
        rc = begin_session(r, &fields, err);
    else if (r->frame.kind == PEER_WORD)
        rc = begin_word(r, &fields, err);
    else
        rc = begin_message(r, peer_kind(r->frame.kind), &fields, err);
    gq_assert(rc != 0 || (fields.error == 0 && rd_left(&fields) == 0));
    return rc;
}

/* ---- The end ---- */

static int end_frame(struct peer_reader *r, struct peer_message *ret, struct error_text *err)
{
    struct peer_body *b = r->body;

    if (r->has_session) {
        *ret = (struct peer_message){ .session = &r->session };
        return 0;
    }
    if (b == NULL)
        return -EAGAIN;
    if (has_crc(b) && r->body_crc != r->frame.body_crc) {
        body_drop(b);
        return peer_refuse(err, "frame: wrong checksum of body 0x%x", r->frame.body_crc);
    }
    if (b->message == NULL) {
        r->word_buf = TAKE_PTR(b->buf);
        r->word.body = slice_make(b->data, b->size);
        *ret = (struct peer_message){ .word = &r->word };
        return 0;
    }
    if (b->at == b->size) {
        *ret = (struct peer_message){ .replica = TAKE_PTR(b->message) };
        body_drop(b);
        return 0;
    }
    if (b == &r->now) {
        r->pending = r->now;
        r->now = (struct peer_body){ 0 };
    }
    return -EAGAIN;
}

static void next_frame(struct peer_reader *r)
{
    body_drop(&r->now);
    r->body = NULL;
    r->has_session = false;
    r->at = 0;
    r->frame = (struct peer_frame){ 0 };
    if (r->fields_capacity > KEEP_FIELDS) {
        free(TAKE_PTR(r->fields));
        r->fields_capacity = 0;
    }
}

/* n more bytes are in their place, all of one part. */
static int advance(struct peer_reader *r, size_t n, struct peer_message *ret, struct error_text *err)
{
    size_t begin = r->at;
    int rc = 0;

    r->at += n;
    if (r->at == PEER_FRAME_HEADER_SIZE)
        rc = end_header(r, err);
    if (rc == 0 && begin < PEER_FRAME_HEADER_SIZE + r->frame.fields_size &&
        r->at == PEER_FRAME_HEADER_SIZE + r->frame.fields_size)
        rc = end_fields(r, err);
    if (rc != 0)
        r->body = NULL;
    else
        rc = -EAGAIN;
    if (r->at >= PEER_FRAME_HEADER_SIZE && r->at == r->frame.size) {
        if (rc == -EAGAIN)
            rc = end_frame(r, ret, err);
        next_frame(r);
    }
    r->n_messages += rc == 0;
    r->n_refused += rc > 0;
    return rc;
}

/* ---- Parts ---- */

/* Bytes that are left of the part that r is in, and where they go; NULL: nowhere. */
static size_t part(struct peer_reader *r, uint8_t **ret_to)
{
    size_t fields_end = PEER_FRAME_HEADER_SIZE + r->frame.fields_size;

    if (r->at < PEER_FRAME_HEADER_SIZE) {
        *ret_to = r->header + r->at;
        return PEER_FRAME_HEADER_SIZE - r->at;
    }
    if (r->at < fields_end) {
        *ret_to = r->reads_fields ? r->fields + (r->at - PEER_FRAME_HEADER_SIZE) : NULL;
        return fields_end - r->at;
    }
    *ret_to = r->body != NULL ? r->body->data + r->body->at : NULL;
    return r->frame.size - r->at;
}

/* The CRC of what came, before the part ends. */
static void note_bytes(struct peer_reader *r, const uint8_t *data, size_t n)
{
    if (r->at < PEER_FRAME_HEADER_SIZE)
        return;
    if (r->at < PEER_FRAME_HEADER_SIZE + r->frame.fields_size) {
        r->crc = crc32c(r->crc, data, n);
    } else if (r->body != NULL) {
        r->body->at += n;
        if (has_crc(r->body))
            r->body_crc = crc32c(r->body_crc, data, n);
    }
}

int peer_read(struct peer_reader *r, struct slice *data, struct peer_message *ret, struct error_text *err)
{
    int rc = -EAGAIN;

    buf_unref(TAKE_PTR(r->word_buf));
    while (rc == -EAGAIN && data->size > 0) {
        uint8_t *to;
        size_t left = part(r, &to), n = MIN(left, data->size);

        if (to != NULL)
            memcpy(to, data->data, n);
        note_bytes(r, data->data, n);
        *data = slice_make(data->data + n, data->size - n);
        rc = advance(r, n, ret, err);
    }
    return rc;
}

size_t peer_room(struct peer_reader *r, uint8_t **ret_to)
{
    size_t n = part(r, ret_to);

    return r->body != NULL && r->at >= PEER_FRAME_HEADER_SIZE + r->frame.fields_size ? n : 0;
}

int peer_filled(struct peer_reader *r, size_t n, struct peer_message *ret, struct error_text *err)
{
    uint8_t *to;

    gq_assert(n > 0 && n <= peer_room(r, &to));
    buf_unref(TAKE_PTR(r->word_buf));
    (void)part(r, &to);
    note_bytes(r, to, n);
    return advance(r, n, ret, err);
}
