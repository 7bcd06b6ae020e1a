/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events become the lines that the parser makes of them. */
#include "history/history.h"
#include "history/parse.h"
#include "history/suites.h"

/* Each verb with all that it can have, in the order in which it is written. */
static const char *const lines[] = {
    "invoke 1 7 send a/0 17 18 19 pid=5 epoch=2 seq=100",
    "ok 1 offset=9",
    "invoke 1 7 send a/0 20 repeats txn=3",
    "ok 1",
    "invoke 4294967296 7 send b 18446744073709551615",
    "fail 4294967296",
    "invoke 2 8 assign",
    "ok 2",
    "invoke 2 8 assign a/0 b:4",
    "ok 2",
    "invoke 2 8 seek a/0:9 b",
    "ok 2",
    "invoke 2 8 poll",
    "ok 2 a/0:9=17,18,19 a/0:13=20 b:14=1,2",
    "invoke 2 8 poll raw txn=3",
    "info 2",
    "invoke 2 8 commit a/0:14 b:0 txn=3",
    "ok 2",
    "invoke 2 1 list a/0",
    "ok 2 start=0 end=9223372036854775806 stable=14",
    "invoke 2 1 list b",
    "ok 2 unknown",
    "invoke 2 1 drain a/0",
    "ok 2 end=14",
    "invoke 2 1 delete a/0:3 b",
    "ok 2",
    "invoke 2 1 leader a/0",
    "ok 2 node=3 epoch=4294967295",
    "invoke 2 1 commit-txn 3",
    "ok 2",
    "invoke 2 1 abort-txn 4",
    "ok 2",
};

START_TEST(what_is_written_can_be_read)
{
    struct history_rules rules = { 0 };
    struct history *h = history_new(&rules);
    struct history_reader reader;
    struct wr out;

    history_reader_init(&reader, h);
    wr_init_growing(&out, 64, HISTORY_MAX_LINE_BYTES);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct history_error err;
        struct history_event e;
        uint32_t column;

        ck_assert_int_eq(history_parse_line(&reader, slice_str(lines[i]), &e, &err), 1);
        wr_reset(&out);
        history_format(h, &e, &out);
        ck_assert_int_eq(out.error, 0);
        ck_assert_msg(wr_size(&out) == strlen(lines[i]) + 1 && out.p[-1] == '\n' &&
                          memcmp(out.start, lines[i], strlen(lines[i])) == 0,
                      "%s became %.*s", lines[i], (int)wr_size(&out), (const char *)out.start);
        ck_assert_int_eq(history_add(h, &e, &err.text, &column), 0);
    }
    wr_fini(&out);
    history_reader_fini(&reader);
    history_free(h);
}
END_TEST

Suite *format_suite(void)
{
    Suite *s = suite_create("format");

    suite_add(s, what_is_written_can_be_read);
    return s;
}
