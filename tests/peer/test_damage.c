/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "peer/sample.h"
#include "peer/suites.h"

/* A peer's bytes may be anything: each field by itself, with what comes of it. Behind a frame that was refused the next
 * one is read as if nothing had been. */

#define SESSION (-1)
#define LONG_SESSION (-2)
#define WORD (-3)

static struct buf_pool pool;
static struct peer_reader reader;
static struct error_text err;

static void setup(void)
{
    buf_pool_init(&pool, 0);
    peer_reader_init(&reader, &sample_here, &sample_limits, &pool);
}

static void teardown(void)
{
    peer_reader_fini(&reader);
    buf_pool_fini(&pool);
}

static uint8_t *frame_of(int kind, size_t *ret_size)
{
    struct replica_message *m;
    uint8_t *bytes;

    if (kind == WORD) {
        struct peer_word word = sample_word();

        return sample_word_bytes(&word, ret_size);
    }
    if (kind < 0) {
        struct fleet_message session = sample_session(kind == LONG_SESSION);

        return sample_session_bytes(&session, ret_size);
    }
    m = sample_message((enum raft_message_kind)kind);
    bytes = sample_bytes(m, ret_size);
    replica_message_free(m);
    return bytes;
}

static int read_bytes(const uint8_t *bytes, size_t size)
{
    struct slice data = slice_make(bytes, size);
    struct peer_message got = { 0 };
    int rc = peer_read(&reader, &data, &got, &err);

    replica_message_free(got.replica);
    if (rc > 0)
        ck_assert_int_eq(data.size > 0 ? peer_read(&reader, &data, &got, NULL) : -EAGAIN, -EAGAIN);
    return rc;
}

static void check_goes_on(void)
{
    size_t size;
    _cleanup_(freep) uint8_t *good = frame_of(RAFT_APPEND, &size);
    uint64_t refused = reader.n_refused;

    ck_assert_int_eq(read_bytes(good, size), 0);
    ck_assert_uint_eq(reader.n_refused, refused);
}

/* ---- Fields ---- */

static const struct broken {
    int kind;
    size_t at;
    uint8_t size;
    uint64_t value;
    int error;
    const char *text;
} broken[] = {
    { RAFT_VOTE, 4, 1, 0, PEER_E_KIND, "frame: kind 0" },
    { RAFT_VOTE, 4, 1, 3, PEER_E_FIELD, "frame: fields of 17 bytes" },
    { RAFT_VOTE, 4, 1, 4, PEER_E_KIND, "frame: kind 4" },
    { RAFT_VOTE, 4, 1, 15, PEER_E_KIND, "frame: kind 15" },
    { RAFT_VOTE, 4, 1, 26, PEER_E_KIND, "frame: kind 26" },
    { RAFT_VOTE, 4, 1, 255, PEER_E_KIND, "frame: kind 255" },
    { RAFT_VOTE, 4, 1, 17, PEER_E_FIELD, "frame: fields of 17 bytes" }, /* another kind's */
    { RAFT_VOTE, 5, 1, 0, PEER_E_VERSION, "frame: version 0" },
    { RAFT_VOTE, 5, 1, 2, PEER_E_VERSION, "frame: version 2" },
    { RAFT_VOTE, 6, 2, 1, PEER_E_FIELD, "frame: reserved 1" },
    { RAFT_VOTE, 8, 2, 0, PEER_E_FIELD, "frame: group 5 of other shards" },
    { RAFT_VOTE, 8, 2, 3, PEER_E_FIELD, "frame: from shard 3" },
    { RAFT_VOTE, 10, 2, 1, PEER_E_FIELD, "frame: group 5 of other shards" },
    { RAFT_VOTE, 10, 2, 2, PEER_E_FIELD, "frame: to shard 2" },
    { RAFT_VOTE, 12, 4, 16, PEER_E_FIELD, "frame: fields of 16 bytes" },
    { RAFT_VOTE, 16, 8, 0, PEER_E_FIELD, "frame: group 0" },
    { RAFT_VOTE, 16, 8, 6, PEER_E_FIELD, "frame: group 6 of other shards" },
    { RAFT_VOTE, 24, 4, 1, PEER_E_FIELD, "frame: checksum of body 0x1" },
    { RAFT_PRE_VOTE, 32, 1, PEER_FORCE, PEER_E_FIELD, "PRE_VOTE: flags 0x2" },
    { RAFT_PRE_VOTE, 33, 4, 0x80000000, PEER_E_FIELD, "PRE_VOTE: term 2147483648" },
    { RAFT_PRE_VOTE, 37, 4, 0x80000000, PEER_E_FIELD, "PRE_VOTE: log_term 2147483648" },
    { RAFT_PRE_VOTE, 41, 8, RAFT_MAX_INDEX + 1, PEER_E_FIELD, "PRE_VOTE: index 4611686018427387904" },
    { RAFT_PRE_VOTE_REPLY, 32, 1, PEER_JOIN, PEER_E_FIELD, "PRE_VOTE_REPLY: flags 0x4" },
    { RAFT_VOTE, 32, 1, PEER_REJECT, PEER_E_FIELD, "VOTE: flags 0x1" },
    { RAFT_VOTE_REPLY, 32, 1, 0x80, PEER_E_FIELD, "VOTE_REPLY: flags 0x80" },
    { RAFT_APPEND, 24, 4, 9, PEER_E_FIELD, "frame: checksum of body 0x9" },
    { RAFT_APPEND, 32, 1, 1, PEER_E_FIELD, "APPEND: flags 0x1" },
    { RAFT_APPEND, 41, 8, RAFT_MAX_INDEX - 1, PEER_E_FIELD, "APPEND: 2 entries" },
    { RAFT_APPEND, 49, 8, RAFT_MAX_INDEX + 1, PEER_E_FIELD, "APPEND: commit 4611686018427387904" },
    { RAFT_APPEND, 57, 4, 0, PEER_E_FIELD, "APPEND: 0 entries in 24 bytes" },
    { RAFT_APPEND, 57, 4, 1, PEER_E_FIELD, "APPEND: 1 entries in 24 bytes" },
    { RAFT_APPEND, 57, 4, 3, PEER_E_FIELD, "APPEND: 3 entries in 24 bytes" },
    { RAFT_APPEND, 57, 4, UINT32_MAX, PEER_E_FIELD, "APPEND: 4294967295 entries in 24 bytes" },
    { RAFT_APPEND, 61, 4, 0, PEER_E_FIELD, "APPEND: entry 0: term 0" },
    { RAFT_APPEND, 73, 4, 0x80000000, PEER_E_FIELD, "APPEND: entry 1: term 2147483648" },
    { RAFT_APPEND, 69, 4, 0, PEER_E_FIELD, "APPEND: entry 0: size 0" },
    { RAFT_APPEND, 69, 4, (8 << 20) + 1, PEER_E_FIELD, "APPEND: entry 0: size 8388609" },
    { RAFT_APPEND, 81, 4, UINT32_MAX, PEER_E_FIELD, "APPEND: entry 1: size 4294967295" },
    { RAFT_APPEND, 81, 4, (4 << 20) - 20, PEER_E_FIELD, "APPEND: entry 1: 4194305 bytes together" },
    { RAFT_APPEND, 69, 4, 20, PEER_E_FIELD, "frame: body of 27 bytes" },
    { RAFT_APPEND_REPLY, 32, 1, PEER_FORCE, PEER_E_FIELD, "APPEND_REPLY: flags 0x2" },
    { RAFT_APPEND_REPLY, 37, 4, UINT32_MAX, PEER_E_FIELD, "APPEND_REPLY: hint_term 4294967295" },
    { RAFT_APPEND_REPLY, 57, 8, UINT64_MAX, PEER_E_FIELD, "APPEND_REPLY: hint_index 18446744073709551615" },
    { RAFT_HEARTBEAT, 32, 1, PEER_REJECT, PEER_E_FIELD, "HEARTBEAT: flags 0x1" },
    { RAFT_HEARTBEAT, 45, 8, UINT64_MAX, PEER_E_FIELD, "HEARTBEAT: commit 18446744073709551615" },
    { RAFT_HEARTBEAT_REPLY, 37, 8, UINT64_MAX, PEER_E_FIELD, "HEARTBEAT_REPLY: index 18446744073709551615" },
    { RAFT_SNAPSHOT, 24, 4, 9, PEER_E_FIELD, "frame: wrong checksum of body 0x9" },
    { RAFT_SNAPSHOT, 32, 1, 1, PEER_E_FIELD, "SNAPSHOT: flags 0x1" },
    { RAFT_SNAPSHOT, 57, 8, UINT64_MAX, PEER_E_FIELD, "SNAPSHOT: next offset -1" },
    { RAFT_SNAPSHOT, 65, 8, 499, PEER_E_FIELD, "SNAPSHOT: log start 499" },
    { RAFT_SNAPSHOT, 77, 4, 0, PEER_E_FIELD, "SNAPSHOT: size 0" },
    { RAFT_SNAPSHOT, 77, 4, 4, PEER_E_FIELD, "frame: body of 5 bytes" },
    { RAFT_SNAPSHOT, 77, 4, (4 << 20) + 1, PEER_E_FIELD, "SNAPSHOT: size 4194305" },
    { RAFT_TIMEOUT_NOW, 32, 1, 1, PEER_E_FIELD, "TIMEOUT_NOW: flags 0x1" },
    { SESSION, 16, 8, 5, PEER_E_FIELD, "frame: group 5" },
    { SESSION, 8, 2, 3, PEER_E_FIELD, "frame: from shard 3" },
    { SESSION, 10, 2, 2, PEER_E_FIELD, "frame: to shard 2" },
    { SESSION, 24, 4, 1, PEER_E_FIELD, "frame: checksum of body 0x1" },
    { SESSION, 32, 8, 0, PEER_E_FIELD, "SESSION: session 0" },
    { SESSION, 48, 8, 0, PEER_E_FIELD, "SESSION: sequence 0" },
    { SESSION, 80, 4, 1, PEER_E_FIELD, "SESSION: 1 digests" },
    { SESSION, 80, 4, UINT32_MAX, PEER_E_FIELD, "SESSION: 4294967295 digests" },
    { SESSION, 80, 4, 64, PEER_E_FIELD, "SESSION: 0 groups in 0 bytes" },
    { SESSION, 84, 4, 1, PEER_E_FIELD, "SESSION: 1 groups in 0 bytes" },
    { WORD, 16, 8, 5, PEER_E_FIELD, "frame: group 5" },
    { WORD, 24, 4, 9, PEER_E_FIELD, "frame: wrong checksum of body 0x9" },
    { WORD, 32, 1, 0, PEER_E_FIELD, "WORD: kind 0" },
    { LONG_SESSION, 84, 4, UINT32_MAX, PEER_E_FIELD, "SESSION: 4294967295 groups in 536 bytes" },
    { LONG_SESSION, 84, 4, FLEET_MAX_ENTRIES + 1, PEER_E_FIELD, "SESSION: 65537 groups in 536 bytes" },
    { LONG_SESSION, 80, 4, 0, PEER_E_FIELD, "SESSION: 2 groups in 536 bytes" },
    { LONG_SESSION, 600, 8, 0, PEER_E_FIELD, "SESSION: group 0: 0" },
    { LONG_SESSION, 612, 8, 5, PEER_E_FIELD, "SESSION: group 1: 5" },
    { LONG_SESSION, 608, 4, 0, PEER_E_FIELD, "SESSION: group 0: term 0" },
    { LONG_SESSION, 620, 4, 0x80000000, PEER_E_FIELD, "SESSION: group 1: term 2147483648" },
};

static void store(uint8_t *to, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

START_TEST(each_field_is_checked)
{
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        const struct broken *b = &broken[i];
        size_t size;
        _cleanup_(freep) uint8_t *bytes = frame_of(b->kind, &size);

        ck_assert(b->at + b->size <= size);
        store(bytes + b->at, b->size, b->value);
        sample_seal(bytes);
        ck_assert_msg(read_bytes(bytes, size) == b->error, "%s", b->text);
        ck_assert_str_eq(err.text, b->text);
        ck_assert_uint_eq(pool.used_bytes, 0);
        check_goes_on();
    }
    ck_assert_uint_eq(reader.n_refused, ARRAY_SIZE(broken));
}
END_TEST

static const struct broken hopeless[] = {
    { RAFT_VOTE, 0, 4, 0, -EBADMSG, "frame: size 0" },
    { RAFT_VOTE, 0, 4, 31, -EBADMSG, "frame: size 31" },
    { RAFT_VOTE, 0, 4, PEER_FRAME_MAX + 1, -EBADMSG, "frame: size 1048577" },
    { RAFT_VOTE, 0, 4, UINT32_MAX, -EBADMSG, "frame: size 4294967295" },
    { RAFT_VOTE, 12, 4, 18, -EBADMSG, "frame: 18 bytes of fields in 49" },
    { RAFT_VOTE, 12, 4, UINT32_MAX, -EBADMSG, "frame: 4294967295 bytes of fields in 49" },
    { RAFT_VOTE, 28, 4, 1, -EBADMSG, "frame: wrong checksum" },
};

/* A word is all in one frame, not empty, and within its limit. */
START_TEST(sizes_of_words_are_checked)
{
    _cleanup_(freep) uint8_t *large = xcalloc(1, PEER_FRAME_HEADER_SIZE + PEER_WORD_SIZE + PEER_WORD_MAX + 1);
    size_t size, head = PEER_FRAME_HEADER_SIZE + PEER_WORD_SIZE;
    _cleanup_(freep) uint8_t *bytes = frame_of(WORD, &size);

    store_le32(bytes + PEER_FRAME_AT_SIZE, (uint32_t)head);
    store_le32(bytes + PEER_FRAME_AT_BODY_CRC, 0);
    sample_seal(bytes);
    ck_assert_int_eq(read_bytes(bytes, head), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "WORD: 0 bytes");
    check_goes_on();
    memcpy(large, bytes, head);
    for (uint32_t more = 0; more < 2; more++) {
        store_le32(large + PEER_FRAME_AT_SIZE, (uint32_t)head + PEER_WORD_MAX + more);
        store_le32(large + PEER_FRAME_AT_BODY_CRC, crc32c(0, large + head, PEER_WORD_MAX + more));
        sample_seal(large);
        ck_assert_int_eq(read_bytes(large, head + PEER_WORD_MAX + more), more == 0 ? 0 : PEER_E_FIELD);
    }
    ck_assert_str_eq(err.text, "WORD: 524289 bytes");
    check_goes_on();
}
END_TEST

START_TEST(without_a_size_there_is_no_next_frame)
{
    for (size_t i = 0; i < ARRAY_SIZE(hopeless); i++) {
        const struct broken *b = &hopeless[i];
        size_t size;
        _cleanup_(freep) uint8_t *bytes = frame_of(b->kind, &size);

        store(bytes + b->at, b->size, b->value);
        ck_assert_int_eq(read_bytes(bytes, size), -EBADMSG);
        ck_assert_str_eq(err.text, b->text);
        teardown();
        setup();
    }
}
END_TEST

/* Nothing of header and fields is believed before the CRC. What is behind it has checksums of its own: an image by
 * frame, and an entry, which is held against its own by who takes it. */
START_TEST(each_flipped_bit_is_noticed)
{
    for (int kind = WORD; kind < SAMPLE_KINDS; kind++) {
        size_t size;
        _cleanup_(freep) uint8_t *bytes = frame_of(kind, &size);
        size_t head = PEER_FRAME_HEADER_SIZE + load_le32(bytes + PEER_FRAME_AT_FIELDS_SIZE);

        for (size_t bit = 0; bit < size * 8; bit++) {
            int rc;

            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            rc = read_bytes(bytes, size);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (bit / 8 >= head)
                ck_assert_int_eq(rc, kind == RAFT_APPEND ? 0 : PEER_E_FIELD);
            else /* a longer frame isn't there yet */
                ck_assert(rc == -EBADMSG || (rc == -EAGAIN && (bit < 32 || bit / 32 == 3)));
            teardown();
            setup();
        }
    }
}
END_TEST

/* ---- Pieces ---- */

/* The first frame of a SNAPSHOT, cut short by so many bytes; the rest is for a piece. */
static uint8_t *first_frame(size_t less, size_t *ret_size)
{
    uint8_t *bytes = frame_of(RAFT_SNAPSHOT, ret_size);

    *ret_size -= less;
    store_le32(bytes + PEER_FRAME_AT_SIZE, (uint32_t)*ret_size);
    store_le32(bytes + PEER_FRAME_AT_BODY_CRC, crc32c(0, "image", 5 - less));
    sample_seal(bytes);
    return bytes;
}

static const struct {
    uint64_t at, group;
    const char *body, *text;
    int error;
} pieces[] = {
    { 3, 5, "ge", NULL, 0 },
    { 3, 5, "g", NULL, -EAGAIN },
    { 3, 5, "", "frame: body of 0 bytes", PEER_E_FIELD },
    { 3, 5, "ge.", "frame: body of 3 bytes", PEER_E_FIELD },
    { 2, 5, "ge", "PIECE: at 2", PEER_E_FIELD },
    { UINT64_MAX, 5, "ge", "PIECE: at 18446744073709551615", PEER_E_FIELD },
    { 3, 11, "ge", "PIECE: of no message of group 11", PEER_E_FIELD },
};

static size_t make_piece(uint8_t *to, uint64_t at, uint64_t group, const char *body)
{
    size_t size = PEER_FRAME_HEADER_SIZE + 8 + strlen(body);

    memset(to, 0, size);
    store_le32(to + PEER_FRAME_AT_SIZE, (uint32_t)size);
    to[PEER_FRAME_AT_KIND] = PEER_PIECE;
    to[PEER_FRAME_AT_VERSION] = 1;
    store_le16(to + PEER_FRAME_AT_FROM_SHARD, 1);
    store_le32(to + PEER_FRAME_AT_FIELDS_SIZE, 8);
    store_le64(to + PEER_FRAME_AT_GROUP, group);
    store_le32(to + PEER_FRAME_AT_BODY_CRC, crc32c(0, body, strlen(body)));
    store_le64(to + PEER_FRAME_HEADER_SIZE, at);
    memcpy(to + PEER_FRAME_HEADER_SIZE + 8, body, strlen(body));
    sample_seal(to);
    return size;
}

START_TEST(pieces_are_checked)
{
    uint8_t piece[64];

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        size_t size, piece_size = make_piece(piece, pieces[i].at, pieces[i].group, pieces[i].body);
        _cleanup_(freep) uint8_t *first = first_frame(2, &size);

        ck_assert_int_eq(read_bytes(piece, piece_size), PEER_E_FIELD); /* of nothing that is in the making */
        ck_assert_int_eq(read_bytes(first, size), -EAGAIN);
        ck_assert_int_eq(read_bytes(piece, piece_size), pieces[i].error);
        if (pieces[i].text != NULL)
            ck_assert_str_eq(err.text, pieces[i].text);
        check_goes_on();
        teardown();
        setup();
    }
}
END_TEST

/* A first frame without any of the body would be one too many. */
START_TEST(an_empty_first_frame)
{
    size_t size;
    _cleanup_(freep) uint8_t *first = first_frame(5, &size);

    ck_assert_int_eq(read_bytes(first, size), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "frame: body of 0 bytes");
}
END_TEST

START_TEST(a_damaged_piece_ends_the_image)
{
    size_t size, piece_size;
    uint8_t piece[64];
    _cleanup_(freep) uint8_t *first = first_frame(2, &size);

    ck_assert_int_eq(read_bytes(first, size), -EAGAIN);
    piece_size = make_piece(piece, 3, 5, "ge");
    piece[piece_size - 1] ^= 1;
    ck_assert_int_eq(read_bytes(piece, piece_size), PEER_E_FIELD);
    piece[piece_size - 1] ^= 1;
    ck_assert_int_eq(read_bytes(piece, piece_size), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "PIECE: of no message of group 5");
    check_goes_on();
}
END_TEST

/* ---- Limits ---- */

/* A connection of one pair of shards carries no other's. */
START_TEST(shards_of_the_connection)
{
    static const struct peer_link link = { 1, 2, 1, 2, 3, 0, 2 };
    size_t size;
    _cleanup_(freep) uint8_t *bytes = frame_of(RAFT_VOTE, &size);

    peer_reader_init(&reader, &link, &sample_limits, &pool);
    ck_assert_int_eq(read_bytes(bytes, size), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "frame: from shard 1");
    reader.link.their_shard = 1;
    ck_assert_int_eq(read_bytes(bytes, size), 0);
    reader.link.our_shard = 1;
    ck_assert_int_eq(read_bytes(bytes, size), PEER_E_FIELD);
    ck_assert_str_eq(err.text, "frame: to shard 0");
}
END_TEST

/* What can't be isn't even buffered, however large it says that it is. */
START_TEST(unknown_frames_take_no_memory)
{
    _cleanup_(freep) uint8_t *bytes = xcalloc(1, PEER_FRAME_MAX);

    store_le32(bytes + PEER_FRAME_AT_SIZE, PEER_FRAME_MAX);
    store_le32(bytes + PEER_FRAME_AT_FIELDS_SIZE, PEER_UNKNOWN_FIELDS_MAX);
    bytes[PEER_FRAME_AT_VERSION] = 1;
    bytes[PEER_FRAME_AT_KIND] = 200;
    sample_seal(bytes);
    ck_assert_int_eq(read_bytes(bytes, PEER_FRAME_MAX), PEER_E_KIND);
    bytes[PEER_FRAME_AT_KIND] = 18;
    sample_seal(bytes);
    ck_assert_int_eq(read_bytes(bytes, PEER_FRAME_MAX), PEER_E_FIELD);
    ck_assert_uint_eq(reader.fields_capacity, 0);
    check_goes_on();
}
END_TEST

/* Where a byte is missing in the stream, the next header is anything. It mustn't take an hour of small messages to find
 * out. */
START_TEST(unknown_fields_are_not_waited_for)
{
    uint8_t bytes[PEER_FRAME_HEADER_SIZE] = { 0 };

    store_le32(bytes + PEER_FRAME_AT_SIZE, PEER_FRAME_MAX);
    store_le32(bytes + PEER_FRAME_AT_FIELDS_SIZE, PEER_UNKNOWN_FIELDS_MAX + 1);
    ck_assert_int_eq(read_bytes(bytes, sizeof(bytes)), -EBADMSG);
    ck_assert_str_eq(err.text, "frame: kind 0 with 4097 bytes of fields");
}
END_TEST

Suite *peer_damage_suite(void)
{
    Suite *s = suite_create("damage");

    suite_add_with(s, each_field_is_checked, setup, teardown);
    suite_add_with(s, sizes_of_words_are_checked, setup, teardown);
    suite_add_with(s, without_a_size_there_is_no_next_frame, setup, teardown);
    suite_add_with(s, each_flipped_bit_is_noticed, setup, teardown);
    suite_add_with(s, pieces_are_checked, setup, teardown);
    suite_add_with(s, an_empty_first_frame, setup, teardown);
    suite_add_with(s, a_damaged_piece_ends_the_image, setup, teardown);
    suite_add_with(s, shards_of_the_connection, setup, teardown);
    suite_add_with(s, unknown_frames_take_no_memory, setup, teardown);
    suite_add_with(s, unknown_fields_are_not_waited_for, setup, teardown);
    return s;
}
