/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "peer/sample.h"
#include "peer/suites.h"
#include "support/rand.h"

/* What is written is read, however the bytes come. */

static struct rand r;
static struct buf_pool pool;
static struct peer_writer writer;
static struct peer_reader reader;
static struct buf_chain chain;
static struct error_text err;

static void setup(void)
{
    buf_pool_init(&pool, 0);
    buf_chain_init(&chain, NULL);
    peer_writer_init(&writer, &sample_there, &pool);
    peer_reader_init(&reader, &sample_here, &sample_limits, &pool);
}

/* The pool says whether all came back. */
static void teardown(void)
{
    buf_chain_fini(&chain);
    peer_writer_fini(&writer);
    peer_reader_fini(&reader);
    buf_pool_fini(&pool);
}

/* ---- Drawn messages ---- */

static uint64_t up_to(uint64_t max)
{
    uint64_t n = rand_edgy_u64(&r);

    return n <= max ? n : n % (max + 1);
}

static uint8_t *draw_bytes(size_t size)
{
    uint8_t *data = xmalloc(size + 1);

    rand_fill(&r, data, size);
    return data;
}

static struct buf *draw_buf(size_t size)
{
    struct buf *b = buf_new(&pool, size);

    rand_fill(&r, b->data, size);
    b->size = size;
    return b;
}

/* Some with a buffer in two parts, as they are in memory, some as they come from segments. */
static void draw_entry(struct replica_message *m, uint32_t i, uint64_t *at)
{
    struct replica_message_entry *e = &m->entries[i];
    size_t size = rand_range(&r, 1, 300), head = rand_range(&r, 1, size);

    e->term = 1 + up_to(RAFT_MAX_TERM - 1);
    e->checksum = (uint32_t)rand_u64(&r);
    if (rand_chance(&r, 1, 2)) {
        e->buf = draw_buf(size);
        e->head = slice_make(e->buf->data, head);
        e->batches = slice_make(e->buf->data + head, size - head);
    } else {
        e->head = slice_make(m->data + *at, head);
        *at += head;
    }
}

static void draw_image(struct replica_message *m, size_t size)
{
    m->image = xcalloc(1, sizeof(*m->image));
    m->image->next_offset = (int64_t)up_to(INT64_MAX);
    m->image->log_start = m->image->next_offset + (int64_t)up_to((uint64_t)(INT64_MAX - m->image->next_offset));
    m->image->checksum = (uint32_t)rand_u64(&r);
    m->image->size = size;
    m->data = draw_bytes(size);
}

static struct replica_message *draw(enum raft_message_kind kind)
{
    uint32_t n = kind == RAFT_APPEND ? (uint32_t)rand_below(&r, 30) : 0;
    struct replica_message *m = xcalloc(1, sizeof(*m) + n * sizeof(m->entries[0])), *like = sample_message(kind);
    uint64_t at = 0;

    m->group = 1 + up_to(UINT64_MAX - 1);
    m->raft = (struct raft_message){ .kind = kind, .from = 1, .to = 2, .term = up_to(RAFT_MAX_TERM), .n_entries = n };
    m->raft.log_term = like->raft.log_term > 0 ? up_to(RAFT_MAX_TERM) : 0;
    m->raft.hint_term = like->raft.hint_term > 0 ? up_to(RAFT_MAX_TERM) : 0;
    m->raft.index = like->raft.index > 0 ? up_to(RAFT_MAX_INDEX - n) : 0;
    m->raft.commit = like->raft.commit > 0 ? up_to(RAFT_MAX_INDEX) : 0;
    m->raft.hint_index = like->raft.hint_index > 0 ? up_to(RAFT_MAX_INDEX) : 0;
    m->raft.context = like->raft.context > 0 ? up_to(UINT64_MAX) : 0;
    m->raft.reject = like->raft.reject && rand_chance(&r, 1, 2);
    m->raft.force = like->raft.force && rand_chance(&r, 1, 2);
    m->raft.join = like->raft.join && rand_chance(&r, 1, 2);
    if (n > 0)
        m->data = draw_bytes(n * (size_t)300);
    for (uint32_t i = 0; i < n; i++)
        draw_entry(m, i, &at);
    if (kind == RAFT_SNAPSHOT)
        draw_image(m, rand_range(&r, 1, 5000));
    replica_message_free(like);
    return m;
}

static struct fleet_message draw_session(struct fleet_entry *entries, uint64_t *digests, uint32_t n)
{
    struct fleet_message m = sample_session(false);
    uint64_t group = 0;

    m.from_shard = (uint32_t)rand_below(&r, 3);
    m.to_shard = (uint32_t)rand_below(&r, 2);
    m.session = 1 + up_to(UINT64_MAX - 1);
    m.your_session = rand_edgy_u64(&r);
    m.sequence = 1 + up_to(UINT64_MAX - 1);
    m.echo = rand_edgy_u64(&r);
    m.digest = rand_edgy_u64(&r);
    m.buckets = rand_edgy_u64(&r);
    m.n_digests = rand_chance(&r, 1, 2) ? FLEET_BUCKETS : 0;
    m.digests = digests;
    rand_fill(&r, digests, FLEET_BUCKETS * sizeof(*digests));
    m.n_entries = n;
    m.entries = entries;
    for (uint32_t i = 0; i < n; i++) {
        group += 1 + up_to((UINT64_MAX - group) / n - 1);
        entries[i] = (struct fleet_entry){ group, 1 + up_to(RAFT_MAX_TERM - 1) };
    }
    return m;
}

/* ---- Reading ---- */

static void write_all(const struct replica_message *m)
{
    struct peer_cut cut;

    peer_cut_init(&cut, m);
    while (!peer_cut_is_done(&cut)) {
        size_t before = chain.size;

        ck_assert_int_eq(peer_write(&writer, &cut, &chain), 0);
        ck_assert(chain.size - before <= PEER_FRAME_MAX);
    }
}

/* The next message, in pieces of up to max bytes. Each piece lies in memory of its own, so that who reads past it is
 * found. */
static int read_next(struct slice *from, size_t max, struct peer_message *ret)
{
    int rc = -EAGAIN;

    while (rc == -EAGAIN && from->size > 0) {
        size_t n = rand_range(&r, 1, MIN(max, from->size));
        _cleanup_(freep) uint8_t *copy = xmalloc(n);
        struct slice piece = slice_make(copy, n);

        memcpy(copy, from->data, n);
        rc = peer_read(&reader, &piece, ret, &err);
        *from = slice_make(from->data + n - piece.size, from->size - n + piece.size);
    }
    return rc;
}

static void check_next(struct slice *from, size_t max, const struct replica_message *m)
{
    struct peer_message got;

    ck_assert_int_eq(read_next(from, max, &got), 0);
    ck_assert(got.session == NULL && sample_is_same(got.replica, m));
    replica_message_free(got.replica);
}

START_TEST(messages_come_back)
{
    static const size_t sizes[] = { 1, 2, 40, 1000, 100000 };

    rand_init(&r);
    for (unsigned i = 0; i < 3000; i++) {
        struct replica_message *m[4];
        _cleanup_(freep) uint8_t *bytes = NULL;
        struct slice data;

        for (unsigned k = 0; k < ARRAY_SIZE(m); k++) {
            m[k] = draw((enum raft_message_kind)rand_below(&r, SAMPLE_KINDS));
            write_all(m[k]);
        }
        bytes = sample_flatten(&chain);
        data = slice_make(bytes, chain.size);
        for (unsigned k = 0; k < ARRAY_SIZE(m); k++) {
            check_next(&data, sizes[i % ARRAY_SIZE(sizes)], m[k]);
            replica_message_free(m[k]);
        }
        ck_assert_uint_eq(data.size, 0);
        buf_chain_fini(&chain);
    }
    ck_assert_uint_eq(reader.n_messages, 12000);
    ck_assert_uint_eq(reader.n_refused, 0);
}
END_TEST

static void check_session(uint32_t n, size_t max)
{
    _cleanup_(freep) struct fleet_entry *entries = xcalloc(n + 1, sizeof(*entries));
    uint64_t digests[FLEET_BUCKETS];
    struct fleet_message m = draw_session(entries, digests, n);
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct peer_message got;
    struct slice data;

    ck_assert_int_eq(peer_write_session(&writer, &m, &chain), 0);
    ck_assert(chain.size <= PEER_FRAME_MAX);
    bytes = sample_flatten(&chain);
    data = slice_make(bytes, chain.size);
    ck_assert_int_eq(read_next(&data, max, &got), 0);
    ck_assert(got.replica == NULL && sample_is_same_session(got.session, &m));
    ck_assert_uint_eq(data.size, 0);
    buf_chain_fini(&chain);
}

START_TEST(sessions_come_back)
{
    rand_init(&r);
    for (unsigned i = 0; i < 1000; i++)
        check_session((uint32_t)rand_below(&r, 50), i % 2 == 0 ? 1 : 5000);
    check_session(FLEET_MAX_ENTRIES, 100000);
}
END_TEST

/* The body that came with it holds until the next call. */
START_TEST(words_come_back)
{
    rand_init(&r);
    for (unsigned i = 0; i < 100; i++) {
        size_t n = i == 0 ? PEER_WORD_MAX : rand_range(&r, 1, 5000);
        _cleanup_(freep) uint8_t *body = draw_bytes(n), *bytes = NULL;
        struct peer_word w = { .kind = (uint8_t)rand_range(&r, 1, 255), .body = slice_make(body, n) };
        struct peer_message got;
        struct slice data;

        ck_assert_int_eq(peer_write_word(&writer, &w, &chain), 0);
        bytes = sample_flatten(&chain);
        data = slice_make(bytes, chain.size);
        buf_chain_fini(&chain);
        ck_assert_int_eq(read_next(&data, i % 2 == 0 ? 100 : 5000, &got), 0);
        ck_assert(got.replica == NULL && got.session == NULL && got.word != NULL);
        ck_assert_uint_eq(got.word->kind, w.kind);
        ck_assert(slice_eq(got.word->body, w.body));
        ck_assert_uint_eq(data.size, 0);
    }
}
END_TEST

/* At each byte what is there is no message yet, and the rest makes it one. */
START_TEST(cut_at_each_byte)
{
    rand_init(&r);
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct replica_message *m = sample_message((enum raft_message_kind)kind);
        size_t size;
        _cleanup_(freep) uint8_t *bytes = sample_bytes(m, &size);

        for (size_t cut = 0; cut < size; cut++) {
            struct slice begin = slice_make(bytes, cut), rest = slice_make(bytes + cut, size - cut);
            struct peer_message got;

            ck_assert_int_eq(read_next(&begin, 1000, &got), -EAGAIN);
            check_next(&rest, 1000, m);
            /* And who gives up there leaves nothing. */
            begin = slice_make(bytes, cut);
            ck_assert_int_eq(read_next(&begin, 1000, &got), -EAGAIN);
            peer_reader_fini(&reader);
            ck_assert_uint_eq(pool.used_bytes, 0);
            peer_reader_init(&reader, &sample_here, &sample_limits, &pool);
        }
        replica_message_free(m);
    }
}
END_TEST

/* ---- Without copies ---- */

START_TEST(bodies_are_not_copied)
{
    struct replica_message *m;
    const struct buf *b;

    rand_init(&r);
    m = xcalloc(1, sizeof(*m) + sizeof(m->entries[0]));
    m->group = SAMPLE_GROUP;
    m->raft = (struct raft_message){ .kind = RAFT_APPEND, .from = 1, .to = 2, .term = 3, .n_entries = 1 };
    m->entries[0].buf = draw_buf(1000);
    m->entries[0].head = slice_make(m->entries[0].buf->data, 100);
    m->entries[0].batches = slice_make(m->entries[0].buf->data + 300, 700);
    m->entries[0].term = 3;
    write_all(m);
    b = m->entries[0].buf;
    ck_assert_uint_eq(chain.n, 3);
    ck_assert_ptr_eq(chain.links[1].data, b->data);
    ck_assert_ptr_eq(chain.links[2].data, b->data + 300);
    ck_assert_uint_eq(b->refs, 3);
    replica_message_free(m);
    ck_assert_uint_eq(b->refs, 2);
}
END_TEST

START_TEST(small_frames_share_pieces)
{
    struct replica_message *m = sample_message(RAFT_VOTE);

    for (unsigned i = 0; i < 100; i++)
        write_all(m);
    ck_assert(chain.n <= 2);
    replica_message_free(m);
}
END_TEST

/* All of a message's entries lie in one buffer, which goes with the last of them. */
START_TEST(entries_share_a_buffer)
{
    struct replica_message *m = sample_message(RAFT_APPEND);
    size_t size;
    _cleanup_(freep) uint8_t *bytes = sample_bytes(m, &size);
    struct slice data = slice_make(bytes, size);
    struct peer_message got;
    struct buf *kept;

    ck_assert_int_eq(peer_read(&reader, &data, &got, &err), 0);
    kept = got.replica->entries[1].buf;
    ck_assert_ptr_eq(kept, got.replica->entries[0].buf);
    ck_assert_uint_eq(kept->refs, 2);
    ck_assert_ptr_eq(got.replica->entries[1].head.data, kept->data + 21);
    buf_ref(kept);
    replica_message_free(got.replica);
    ck_assert_int_eq(memcmp(kept->data, "first headits batchessecond", 27), 0);
    buf_unref(kept);
    replica_message_free(m);
}
END_TEST

/* ---- Several frames ---- */

static struct replica_message *draw_large(size_t size)
{
    struct replica_message *m = xcalloc(1, sizeof(*m) + 2 * sizeof(m->entries[0]));

    m->group = SAMPLE_GROUP;
    m->raft = (struct raft_message){ .kind = RAFT_APPEND, .from = 1, .to = 2, .term = 3, .index = 9, .log_term = 2 };
    m->raft.n_entries = 2;
    for (unsigned i = 0; i < 2; i++) {
        m->entries[i].buf = draw_buf(size);
        m->entries[i].head = slice_make(m->entries[i].buf->data, 77);
        m->entries[i].batches = slice_make(m->entries[i].buf->data + 77, size - 77);
        m->entries[i].term = 3;
    }
    return m;
}

/* The body is received where it belongs. */
static int receive(struct slice *from, struct peer_message *ret)
{
    int rc = -EAGAIN;

    while (rc == -EAGAIN && from->size > 0) {
        uint8_t *to;
        size_t room = peer_room(&reader, &to), n = MIN(room, MIN(from->size, (size_t)(200 << 10)));
        struct slice small = slice_make(from->data, MIN(from->size, (size_t)100));

        if (n > 0) {
            memcpy(to, from->data, n);
            rc = peer_filled(&reader, n, ret, &err);
        } else {
            n = small.size;
            rc = peer_read(&reader, &small, ret, &err);
            n -= small.size;
        }
        *from = slice_make(from->data + n, from->size - n);
    }
    return rc;
}

START_TEST(large_bodies_come_in_pieces)
{
    struct replica_message *m[2], *vote = sample_message(RAFT_VOTE);

    rand_init(&r);
    m[0] = draw_large(1900000);
    m[1] = draw(RAFT_SNAPSHOT);
    free(m[1]->data);
    free(m[1]->image);
    draw_image(m[1], 3000000);
    for (unsigned i = 0; i < ARRAY_SIZE(m); i++) {
        _cleanup_(freep) uint8_t *bytes = NULL;
        struct peer_message got;
        struct peer_cut cut;
        struct slice data;
        unsigned n_frames = 0, n_votes = 0;

        peer_cut_init(&cut, m[i]);
        while (!peer_cut_is_done(&cut)) {
            ck_assert_int_eq(peer_write(&writer, &cut, &chain), 0);
            write_all(vote); /* in between */
            n_frames++;
        }
        ck_assert_uint_eq(n_frames, i == 0 ? 4 : 3);
        bytes = sample_flatten(&chain);
        data = slice_make(bytes, chain.size);
        while (data.size > 0) {
            ck_assert_int_eq(receive(&data, &got), 0);
            n_votes += got.replica->raft.kind == RAFT_VOTE;
            ck_assert(sample_is_same(got.replica, got.replica->raft.kind == RAFT_VOTE ? vote : m[i]));
            replica_message_free(got.replica);
        }
        ck_assert_uint_eq(n_votes, n_frames);
        buf_chain_fini(&chain);
        replica_message_free(m[i]);
    }
    replica_message_free(vote);
}
END_TEST

/* One that was begun and given up makes room for the next. */
START_TEST(a_later_message_takes_the_place)
{
    struct replica_message *m[2];
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct peer_message got;
    struct peer_cut cut;
    struct slice data;

    rand_init(&r);
    m[0] = draw_large(1200000);
    m[1] = draw_large(1300000);
    peer_cut_init(&cut, m[0]);
    ck_assert_int_eq(peer_write(&writer, &cut, &chain), 0);
    write_all(m[1]);
    ck_assert_int_eq(peer_write(&writer, &cut, &chain), 0);
    bytes = sample_flatten(&chain);
    data = slice_make(bytes, chain.size);
    check_next(&data, 100000, m[1]);
    ck_assert_int_eq(read_next(&data, 100000, &got), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "PIECE: of no message of group 5");
    replica_message_free(m[0]);
    replica_message_free(m[1]);
}
END_TEST

START_TEST(too_much_for_a_message_is_cut)
{
    struct replica_message *m;
    struct peer_cut cut;

    rand_init(&r);
    m = draw_large(2000000);
    peer_cut_init(&cut, m);
    ck_assert_uint_eq(cut.n_entries, 2);
    m->entries[1].batches.size += PEER_APPEND_MAX - 4000000;
    peer_cut_init(&cut, m);
    ck_assert_uint_eq(cut.n_entries, 2);
    m->entries[1].batches.size++;
    peer_cut_init(&cut, m);
    ck_assert_uint_eq(cut.n_entries, 1);
    m->entries[1].batches.size = 1;
    m->entries[0].batches.size = PEER_APPEND_MAX;
    peer_cut_init(&cut, m);
    ck_assert_uint_eq(cut.n_entries, 1);
    replica_message_free(m);
}
END_TEST

/* As many as there may be, with the shortest of them. */
START_TEST(many_entries)
{
    const uint32_t n = PEER_MAX_ENTRIES + 1;
    struct replica_message *m = xcalloc(1, sizeof(*m) + n * sizeof(m->entries[0]));
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct slice data;

    rand_init(&r);
    m->group = SAMPLE_GROUP;
    m->raft = (struct raft_message){ .kind = RAFT_APPEND, .from = 1, .to = 2, .term = 3, .n_entries = n };
    m->data = draw_bytes(n * (size_t)32);
    for (uint32_t i = 0; i < n; i++) {
        m->entries[i].term = 3;
        m->entries[i].head = slice_make(m->data + i * (size_t)32, 32);
    }
    write_all(m);
    bytes = sample_flatten(&chain);
    data = slice_make(bytes, chain.size);
    m->raft.n_entries--;
    check_next(&data, 100000, m);
    ck_assert_uint_lt(reader.fields_capacity, 10000); /* the memory of their rows went back */
    replica_message_free(m);
}
END_TEST

Suite *peer_round_suite(void)
{
    Suite *s = suite_create("round");

    suite_add_with(s, messages_come_back, setup, teardown);
    suite_add_with(s, words_come_back, setup, teardown);
    suite_add_with(s, sessions_come_back, setup, teardown);
    suite_add_with(s, cut_at_each_byte, setup, teardown);
    suite_add_with(s, bodies_are_not_copied, setup, teardown);
    suite_add_with(s, small_frames_share_pieces, setup, teardown);
    suite_add_with(s, entries_share_a_buffer, setup, teardown);
    suite_add_with(s, large_bodies_come_in_pieces, setup, teardown);
    suite_add_with(s, a_later_message_takes_the_place, setup, teardown);
    suite_add_with(s, too_much_for_a_message_is_cut, setup, teardown);
    suite_add_with(s, many_entries, setup, teardown);
    return s;
}
