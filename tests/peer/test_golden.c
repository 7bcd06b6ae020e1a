/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/util.h"
#include "peer/sample.h"
#include "peer/suites.h"

/* The bytes of each kind, for good: brokers of one version must understand each other. */

static const char *const frames[SAMPLE_KINDS] = {
    [RAFT_PRE_VOTE] = "31000000100100000100000011000000 050000000000000000000000a84c2b89"
                      " 0007000000060000002010000000000000",
    [RAFT_PRE_VOTE_REPLY] = "25000000110100000100000005000000 0500000000000000000000008eaf14c7"
                            " 0107000000",
    [RAFT_VOTE] = "31000000120100000100000011000000 0500000000000000000000000749dd40"
                  " 0207000000060000002010000000000000",
    [RAFT_VOTE_REPLY] = "25000000130100000100000005000000 050000000000000000000000354f4f2d"
                        " 0107000000",
    [RAFT_APPEND] = "70000000140100000100000035000000 0500000000000000000000006702539b"
                    " 000700000006000000201000000000000010100000000000000200000006000000141312111500000007000000242322"
                    " 2106000000"
                    " 6669727374206865616469747320626174636865737365636f6e64",
    [RAFT_APPEND_REPLY] = "41000000150100000100000021000000 0500000000000000000000003eed403a"
                          " 010700000005000000201000000000000010100000000000000010000000000000",
    [RAFT_HEARTBEAT] = "3d00000016010000010000001d000000 0500000000000000000000005fd6cee4"
                       " 0407000000201000000000000010100000000000009900000000000000",
    [RAFT_HEARTBEAT_REPLY] = "3d00000017010000010000001d000000 0500000000000000000000003525c32d"
                             " 0407000000201000000000000010100000000000009900000000000000",
    [RAFT_SNAPSHOT] =
        "56000000180100000100000031000000 0500000000000000befcfb95e6e6547d"
        " 00070000000600000020100000000000001010000000000000f401000000000000f5010000000000003433323105000000"
        " 696d616765",
    [RAFT_TIMEOUT_NOW] = "25000000190100000100000005000000 050000000000000000000000ddd95e58"
                         " 0007000000",
};

static const char session[] =
    "58000000020100000100000038000000 000000000000000000000000d981907a"
    " 020000000100000004000000030000003200000000000000310000000000000000e00700000000000000000000000000"
    " 0000000000000000";

static const char word[] = "2a000000030100000000000001000000 0000000000000000fd7149a72d8e3fda"
                           " 02"
                           " 6120636f6d6d616e64";

static const char hello[] = "47515045455200005a000000d4092fe6 010001000102030001000000010000000200000000000000"
                            " 11000000000000005634120000000000"
                            " 636c75737465722d636c757374657200"
                            " 696e6361726e6174696f6e2d6f6e6500"
                            " 6231";

static void check(const uint8_t *bytes, size_t size, const char *golden)
{
    _cleanup_(freep) char *want = xcalloc(1, strlen(golden) + 1), *got = xcalloc(2, size + 1);

    for (size_t i = 0, n = 0; golden[i] != '\0'; i++)
        if (golden[i] != ' ')
            want[n++] = golden[i];
    for (size_t i = 0; i < size; i++)
        snprintf(got + 2 * i, 3, "%02x", bytes[i]);
    ck_assert_str_eq(got, want);
}

START_TEST(messages_of_groups)
{
    for (unsigned kind = 0; kind < SAMPLE_KINDS; kind++) {
        struct replica_message *m = sample_message((enum raft_message_kind)kind);
        size_t size;
        _cleanup_(freep) uint8_t *bytes = sample_bytes(m, &size);

        check(bytes, size, frames[kind]);
        replica_message_free(m);
    }
}
END_TEST

START_TEST(a_session)
{
    struct fleet_message m = sample_session(false);
    size_t size;
    _cleanup_(freep) uint8_t *bytes = sample_session_bytes(&m, &size);

    check(bytes, size, session);
}
END_TEST

/* Behind the numbers the sums of 64 buckets, then group and term of each that is listed. */
START_TEST(lists_of_a_session)
{
    struct fleet_message m = sample_session(true);
    size_t size;
    _cleanup_(freep) uint8_t *bytes = sample_session_bytes(&m, &size);

    ck_assert_uint_eq(size, 88 + 512 + 24);
    check(bytes + 80, 24, "40000000 02000000 0000000000000000 0001000000000000");
    check(bytes + 592, 32, "003f000000000000 0500000000000000 07000000 0b00000000000000 09000000");
}
END_TEST

START_TEST(a_word)
{
    struct peer_word w = sample_word();
    size_t size;
    _cleanup_(freep) uint8_t *bytes = sample_word_bytes(&w, &size);

    check(bytes, size, word);
}
END_TEST

START_TEST(a_hello)
{
    struct peer_hello h = sample_hello();
    uint8_t bytes[PEER_HELLO_MAX];

    check(bytes, peer_hello_write(&h, bytes), hello);
}
END_TEST

Suite *peer_golden_suite(void)
{
    Suite *s = suite_create("golden");

    suite_add(s, messages_of_groups);
    suite_add(s, a_session);
    suite_add(s, lists_of_a_session);
    suite_add(s, a_word);
    suite_add(s, a_hello);
    return s;
}
