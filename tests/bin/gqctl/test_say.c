/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/say.h"

#include <sysexits.h>
#include <unistd.h>

#include "bin/gqctl/suites.h"

static void expect_bytes(const void *data, size_t size, const char *json)
{
    json_t *object = json_object();
    char *text;

    json_set_bytes(object, "value", data, size);
    text = json_dumps(object, JSON_COMPACT);
    ck_assert_str_eq(text, json);
    free(text);
    json_decref(object);
}

START_TEST(bytes_become_text_or_base64)
{
    expect_bytes("h\xc3\xa4", 3, "{\"value\":\"h\xc3\xa4\"}");
    expect_bytes("", 0, "{\"value\":\"\"}");
    expect_bytes(NULL, 0, "{\"value\":null}");
    expect_bytes("a\0b", 3, "{\"value\":\"a\\u0000b\"}");
    expect_bytes("\xff", 1, "{\"value_base64\":\"/w==\"}");
    expect_bytes("\xff\xfe", 2, "{\"value_base64\":\"//4=\"}");
    expect_bytes("\xff\xfe\xfd", 3, "{\"value_base64\":\"//79\"}");
    expect_bytes("\xff\xfe\xfd\x00", 4, "{\"value_base64\":\"//79AA==\"}");
}
END_TEST

START_TEST(log_makes_folders_and_appends)
{
    struct error_text err;

    ck_assert_int_eq(trace_open("a/b/c.log", &err), 0);
    trace_say("one");
    trace_close();
    ck_assert_int_eq(trace_open("./a/b/c.log", &err), 0);
    trace_from_client(NULL, 3, "two");
    trace_close();
    ck_assert_int_eq(system("grep -q 'info: one' a/b/c.log && grep -q 'error: two' a/b/c.log"), 0);
    write_file("file", "");
    ck_assert_int_eq(trace_open("file/c.log", &err), -ENOTDIR);
    ck_assert_str_eq(err.text, "log file file/c.log: Not a directory");
}
END_TEST

START_TEST(results_become_exit_statuses)
{
    ck_assert_int_eq(exit_status_of(0), 0);
    ck_assert_int_eq(exit_status_of(-ETIMEDOUT), EX_TEMPFAIL);
    ck_assert_int_eq(exit_status_of(-EHOSTUNREACH), EX_TEMPFAIL);
    ck_assert_int_eq(exit_status_of(-EINVAL), 1);
}
END_TEST

Suite *say_suite(void)
{
    Suite *s = suite_create("say");

    suite_add(s, bytes_become_text_or_base64);
    suite_add_with(s, log_makes_folders_and_appends, enter_directory, leave_directory);
    suite_add(s, results_become_exit_statuses);
    return s;
}
