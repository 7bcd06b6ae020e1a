/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <err.h>
#include <stdio.h>

#include "base/endian.h"
#include "base/util.h"
#include "peer/sample.h"

/* make-peer-corpus DIRECTORY: writes the corpus of fuzz-peer, the same files each time: a hello, a frame of each kind,
 * a message in pieces with others in between, and frames that are refused before one that isn't. */

static void write_file(const char *directory, const char *name, uint8_t flags, uint8_t is_frames,
                       const struct slice *parts, size_t n)
{
    _cleanup_(freep) char *path = xasprintf("%s/%s", directory, name);
    FILE *f = fopen(path, "wb");

    if (f == NULL || fputc(flags, f) == EOF || fputc(is_frames, f) == EOF)
        err(1, "%s", path);
    for (size_t i = 0; i < n; i++)
        if (fwrite(parts[i].data, parts[i].size, 1, f) != 1)
            err(1, "%s", path);
    if (fclose(f) != 0)
        err(1, "%s", path);
}

static struct slice frame_of(enum raft_message_kind kind)
{
    struct replica_message *m = sample_message(kind);
    size_t size;
    uint8_t *bytes = sample_bytes(m, &size);

    replica_message_free(m);
    return slice_make(bytes, size);
}

static struct slice session(bool is_long)
{
    struct fleet_message m = sample_session(is_long);
    size_t size;
    uint8_t *bytes = sample_session_bytes(&m, &size);

    return slice_make(bytes, size);
}

static struct slice word(void)
{
    struct peer_word w = sample_word();
    size_t size;
    uint8_t *bytes = sample_word_bytes(&w, &size);

    return slice_make(bytes, size);
}

/* All but so many bytes of the body, and those as a piece. */
static void cut_in_two(struct slice whole, size_t less, struct slice *first, struct slice *piece)
{
    uint8_t *a = xmalloc(whole.size), *b = xcalloc(1, PEER_FRAME_HEADER_SIZE + 8 + less);
    size_t fields = load_le32(whole.data + PEER_FRAME_AT_FIELDS_SIZE), size = whole.size - less;

    memcpy(a, whole.data, size);
    memcpy(b, whole.data, PEER_FRAME_HEADER_SIZE);
    store_le32(a + PEER_FRAME_AT_SIZE, (uint32_t)size);
    store_le32(b + PEER_FRAME_AT_SIZE, (uint32_t)(PEER_FRAME_HEADER_SIZE + 8 + less));
    store_le32(b + PEER_FRAME_AT_FIELDS_SIZE, 8);
    b[PEER_FRAME_AT_KIND] = PEER_PIECE;
    store_le64(b + PEER_FRAME_HEADER_SIZE, size - PEER_FRAME_HEADER_SIZE - fields);
    memcpy(b + PEER_FRAME_HEADER_SIZE + 8, whole.data + size, less);
    *first = slice_make(a, size);
    *piece = slice_make(b, PEER_FRAME_HEADER_SIZE + 8 + less);
}

static void write_pieces(const char *directory, const char *name, enum raft_message_kind kind)
{
    struct slice parts[4], whole = frame_of(kind);

    cut_in_two(whole, 3, &parts[0], &parts[2]);
    parts[1] = frame_of(RAFT_APPEND);
    parts[3] = frame_of(RAFT_VOTE);
    write_file(directory, name, 1, 1, parts, ARRAY_SIZE(parts));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        free((uint8_t *)parts[i].data);
    free((uint8_t *)whole.data);
}

static void write_refused(const char *directory)
{
    struct slice parts[] = { frame_of(RAFT_VOTE), frame_of(RAFT_APPEND), session(true), frame_of(RAFT_HEARTBEAT) };

    ((uint8_t *)parts[0].data)[PEER_FRAME_AT_KIND] = 99;
    ((uint8_t *)parts[1].data)[PEER_FRAME_AT_VERSION] = 9;
    ((uint8_t *)parts[2].data)[PEER_FRAME_AT_FROM_SHARD] = 9;
    write_file(directory, "refused", 1, 1, parts, ARRAY_SIZE(parts));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        free((uint8_t *)parts[i].data);
}

int main(int argc, char **argv)
{
    struct peer_hello h = sample_hello();
    uint8_t bytes[PEER_HELLO_MAX];
    struct slice part;
    char name[32];

    if (argc != 2)
        errx(64, "usage: make-peer-corpus DIRECTORY");
    part = slice_make(bytes, peer_hello_write(&h, bytes));
    write_file(argv[1], "hello", 0, 0, &part, 1);
    for (int kind = -2; kind < SAMPLE_KINDS; kind++) {
        part = kind < 0 ? session(kind == -1) : frame_of((enum raft_message_kind)kind);
        snprintf(name, sizeof(name), "frame-%02d", kind + 2);
        write_file(argv[1], name, 1, 1, &part, 1);
        free((uint8_t *)part.data);
    }
    part = word();
    write_file(argv[1], "word", 1, 1, &part, 1);
    free((uint8_t *)part.data);
    write_pieces(argv[1], "pieces-append", RAFT_APPEND);
    write_pieces(argv[1], "pieces-snapshot", RAFT_SNAPSHOT);
    write_refused(argv[1]);
    return 0;
}
