/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "peer/sample.h"
#include "support/fuzz.h"

/* A peer that says anything at all. However its bytes are cut, the same comes of them; no memory is taken beyond the
 * limits; and what is taken for a message comes back as it is when it is sent on.
 *
 *   input = flags u8 (1: put right the CRCs of frames) | 0, and a hello; or 1, and frames */

static const struct peer_limits limits = { .max_entry_bytes = 5 << 20, .max_image_bytes = 2 << 20 };

static struct buf_pool pool;

/* ---- A hello ---- */

static void try_hello(const uint8_t *data, size_t size)
{
    struct peer_hello h, again;
    uint8_t bytes[PEER_HELLO_MAX], bytes_again[PEER_HELLO_MAX];
    struct peer_link link;
    struct error_text err;
    size_t got;
    int rc = peer_hello_read(slice_make(data, size), &h, &got, &err);

    gq_assert(rc == 0 || rc == -EAGAIN || rc == -EBADMSG);
    if (rc != 0 || h.min_version > PEER_FORMAT_VERSION)
        return;
    gq_assert(got <= size);
    size = peer_hello_write(&h, bytes);
    gq_assert(size <= got && peer_hello_read(slice_make(bytes, size), &again, &got, &err) == 0 && got == size);
    gq_assert(peer_hello_write(&again, bytes_again) == size && memcmp(bytes, bytes_again, size) == 0);
    again = sample_hello();
    gq_assert(peer_hello_agree(&again, &h, &link, &err) != -EBADMSG);
}

/* ---- Frames ---- */

static void put_right(uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= PEER_FRAME_HEADER_SIZE;) {
        uint8_t *frame = data + at;
        uint32_t all = load_le32(frame + PEER_FRAME_AT_SIZE), fields = load_le32(frame + PEER_FRAME_AT_FIELDS_SIZE);

        if (all < PEER_FRAME_HEADER_SIZE || all > size - at || fields > all - PEER_FRAME_HEADER_SIZE)
            return;
        if (load_le32(frame + PEER_FRAME_AT_BODY_CRC) != 0)
            store_le32(frame + PEER_FRAME_AT_BODY_CRC,
                       crc32c(0, frame + PEER_FRAME_HEADER_SIZE + fields, all - PEER_FRAME_HEADER_SIZE - fields));
        sample_seal(frame);
        at += all;
    }
}

/* Writes it to the other side, which must find the same in it. */
static void send_on(const struct peer_message *m)
{
    struct peer_writer w;
    struct peer_reader r;
    struct peer_cut cut;
    struct buf_chain chain;
    struct peer_message got;
    struct error_text err;
    struct slice data;
    uint8_t *bytes;

    buf_chain_init(&chain, NULL);
    peer_writer_init(&w, &sample_there, &pool);
    peer_reader_init(&r, &sample_here, &limits, &pool);
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
    data = slice_make(bytes, chain.size);
    gq_assert(peer_read(&r, &data, &got, &err) == 0 && data.size == 0);
    gq_assert((m->session == NULL) == (got.session == NULL) && (m->word == NULL) == (got.word == NULL));
    if (m->session != NULL)
        gq_assert(sample_is_same_session(got.session, m->session));
    else if (m->word != NULL)
        gq_assert(got.word->kind == m->word->kind && slice_eq(got.word->body, m->word->body));
    else
        gq_assert(sample_is_same(got.replica, m->replica));
    replica_message_free(got.replica);
    free(bytes);
    buf_chain_fini(&chain);
    peer_writer_fini(&w);
    peer_reader_fini(&r);
}

struct result {
    uint64_t n_messages, n_refused;
    int rc;
    uint32_t crc; /* of all that came */
};

static void note(struct result *res, int rc, const struct error_text *err)
{
    res->crc = crc32c(res->crc, &rc, sizeof(rc));
    if (rc != 0)
        res->crc = crc32c(res->crc, err->text, strlen(err->text));
}

static int receive(struct peer_reader *r, struct slice *data, size_t piece, struct peer_message *ret,
                   struct error_text *err)
{
    uint8_t *to;
    size_t room = peer_room(r, &to), n = MIN(MIN(room, piece), data->size);
    struct slice some = slice_make(data->data, MIN(piece, data->size));
    int rc;

    if (n > 0 && piece % 2 == 1) {
        memcpy(to, data->data, n);
        rc = peer_filled(r, n, ret, err);
    } else {
        rc = peer_read(r, &some, ret, err);
        n = (size_t)(some.data - data->data);
    }
    *data = slice_make(data->data + n, data->size - n);
    return rc;
}

static struct result try_frames(struct slice data, size_t piece)
{
    struct result res = { 0 };
    struct peer_reader r;
    struct error_text err;

    peer_reader_init(&r, &sample_here, &limits, &pool);
    while (data.size > 0 && (res.rc >= 0 || res.rc == -EAGAIN)) {
        struct peer_message got = { 0 };

        res.rc = receive(&r, &data, piece, &got, &err);
        gq_assert(pool.used_bytes <= 2 * (size_t)MAX(limits.max_entry_bytes + 1, PEER_APPEND_MAX) * 5 / 4);
        if (res.rc != -EAGAIN)
            note(&res, res.rc, &err);
        if (res.rc == 0 && piece > 100)
            send_on(&got);
        replica_message_free(got.replica);
    }
    res.n_messages = r.n_messages;
    res.n_refused = r.n_refused;
    peer_reader_fini(&r);
    gq_assert(pool.used_bytes == 0);
    return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    struct result whole, bytes, some;

    if (size < 2)
        return 0;
    if (data[1] == 0) {
        try_hello(data + 2, size - 2);
        return 0;
    }
    buf_pool_init(&pool, 0);
    copy = xmalloc(size);
    memcpy(copy, data, size);
    if ((data[0] & 1) != 0)
        put_right(copy + 2, size - 2);
    whole = try_frames(slice_make(copy + 2, size - 2), size);
    bytes = try_frames(slice_make(copy + 2, size - 2), 1);
    some = try_frames(slice_make(copy + 2, size - 2), 50);
    gq_assert(whole.crc == bytes.crc && whole.n_messages == bytes.n_messages && whole.n_refused == bytes.n_refused);
    gq_assert(whole.crc == some.crc && whole.n_messages == some.n_messages && whole.n_refused == some.n_refused);
    free(copy);
    buf_pool_fini(&pool);
    return 0;
}
