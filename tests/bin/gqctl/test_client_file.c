/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/client_file.h"

#include "base/util.h"
#include "bin/gqctl/suites.h"

static struct client_file file;
static struct error_text err;

static int read_text(const char *text)
{
    write_file("c.json", text);
    return client_file_read(&file, "c.json", &err);
}

START_TEST(reads_the_file_of_the_guide)
{
    ck_assert_int_eq(read_text("{\n"
                               "  \"broker_addrs\": [\"localhost:9092\", \"localhost:9093\", \"localhost:9094\"],\n"
                               "  \"timeout\": \"10s\",\n"
                               "  \"log_file\": \"logs/client.log\",\n"
                               "  \"command\": {\n"
                               "    \"type\": \"produce\",\n"
                               "    \"topic\": \"test-topic\",\n"
                               "    \"partition\": 0,\n"
                               "    \"message\": \"Hello World from Go-Queue!\",\n"
                               "    \"offset\": 0,\n"
                               "    \"count\": 5\n"
                               "  }\n"
                               "}\n"),
                     0);
    ck_assert_uint_eq(file.n_brokers, 3);
    ck_assert_str_eq(file.brokers[2], "localhost:9094");
    ck_assert_int_eq(file.timeout_ns, INT64_C(10000000000));
    ck_assert_str_eq(file.log_file, "logs/client.log");
    ck_assert_str_eq(file.type, "produce");
    ck_assert_str_eq(file.topic, "test-topic");
    ck_assert_str_eq(file.message, "Hello World from Go-Queue!");
    ck_assert(file.has_partition && file.has_offset && file.has_count && !file.has_replicas);
    ck_assert_int_eq(file.partition, 0);
    ck_assert_int_eq(file.offset, 0);
    ck_assert_int_eq(file.count, 5);
    client_file_fini(&file);
}
END_TEST

START_TEST(all_keys_may_be_missing)
{
    ck_assert_int_eq(read_text("{}"), 0);
    ck_assert_uint_eq(file.n_brokers, 0);
    ck_assert_int_eq(file.timeout_ns, 0);
    ck_assert_ptr_null(file.type);
    ck_assert(!file.has_partition && !file.has_offset && !file.has_count && !file.has_replicas);
    client_file_fini(&file);
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    { "", "c.json:1: '[' or '{' expected near end of file" },
    { "[]", "c.json: must hold an object, not an array" },
    { "{\n  \"timeout\": \"10s\"\n  \"log_file\": \"x\"\n}", "c.json:3: '}' expected near '\"log_file\"'" },
    { "{\"timeout\": \"1s\", \"timeout\": \"2s\"}", "c.json:1: duplicate object key near '\"timeout\"'" },
    { "{\"brokers\": []}", "c.json: unknown key 'brokers'" },
    { "{\"broker_addr\": []}", "c.json: unknown key 'broker_addr' (did you mean broker_addrs?)" },
    { "{\"broker_addrs\": \"localhost:9092\"}", "c.json: broker_addrs: must be an array of addresses, not a text" },
    { "{\"broker_addrs\": []}", "c.json: broker_addrs: must have 1 to 64 addresses, not 0" },
    { "{\"broker_addrs\": [\"a:1\", 9092]}", "c.json: broker_addrs[1]: must be a text, not a number" },
    { "{\"timeout\": 10}", "c.json: timeout: must be a text, not a number" },
    { "{\"log_file\": null}", "c.json: log_file: must be a text, not null" },
    { "{\"log_file\": \"a\\u0000b\"}", "c.json:1: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000b\"'" },
    { "{\"command\": []}", "c.json: command: must be an object, not an array" },
    { "{\"command\": {\"partiton\": 0}}", "c.json: unknown key 'partiton' in command (did you mean partition?)" },
    { "{\"command\": {\"partition\": \"0\"}}", "c.json: command.partition: must be a whole number, not a text" },
    { "{\"command\": {\"partition\": 0.5}}",
      "c.json: command.partition: must be a whole number, not a number with a fraction" },
    { "{\"command\": {\"partition\": -2}}", "c.json: command.partition: -2 is not in the range of -1 to 2147483647" },
    { "{\"command\": {\"replicas\": 0}}", "c.json: command.replicas: 0 is not in the range of 1 to 32767" },
    { "{\"command\": {\"offset\": -2}}",
      "c.json: command.offset: -2 is not in the range of -1 to 9223372036854775807" },
    { "{\"command\": {\"count\": true}}", "c.json: command.count: must be a whole number, not true or false" },
    { "{\"command\": {\"topic\": 5}}", "c.json: command.topic: must be a text, not a number" },
};

START_TEST(refusals_name_file_and_place)
{
    ck_assert_int_eq(read_text(refused[_i].text), -EINVAL);
    ck_assert_str_eq(err.text, refused[_i].error);
    client_file_fini(&file);
}
END_TEST

START_TEST(values_are_checked_as_those_of_flags)
{
    ck_assert_int_eq(read_text("{\"timeout\": \"soon\"}"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "c.json: timeout: 'soon'"));
    client_file_fini(&file);
    ck_assert_int_eq(read_text("{\"broker_addrs\": [\"localhost\"]}"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "c.json: broker_addrs[0]: 'localhost'"));
    client_file_fini(&file);
}
END_TEST

START_TEST(missing_and_endless_files)
{
    ck_assert_int_eq(client_file_read(&file, "none.json", &err), -ENOENT);
    ck_assert_str_eq(err.text, "none.json: No such file or directory");
    client_file_fini(&file);
    ck_assert_int_eq(client_file_read(&file, "/dev/zero", &err), -EINVAL);
    client_file_fini(&file);
    ck_assert_int_lt(client_file_read(&file, "/", &err), 0);
    client_file_fini(&file);
}
END_TEST

START_TEST(a_large_file_is_refused)
{
    char *text = xmalloc((2u << 20) + 3);

    memset(text, ' ', 2u << 20);
    memcpy(text + (2u << 20), "{}", 3);
    ck_assert_int_eq(read_text(text), -EINVAL);
    ck_assert_str_eq(err.text, "c.json: larger than 1048576 bytes");
    client_file_fini(&file);
    free(text);
}
END_TEST

Suite *client_file_suite(void)
{
    Suite *s = suite_create("client_file");
    TCase *tc = tcase_create("refusals");

    suite_add_with(s, reads_the_file_of_the_guide, enter_directory, leave_directory);
    suite_add_with(s, all_keys_may_be_missing, enter_directory, leave_directory);
    suite_add_with(s, values_are_checked_as_those_of_flags, enter_directory, leave_directory);
    suite_add_with(s, missing_and_endless_files, enter_directory, leave_directory);
    suite_add_with(s, a_large_file_is_refused, enter_directory, leave_directory);
    tcase_add_checked_fixture(tc, enter_directory, leave_directory);
    tcase_add_loop_test(tc, refusals_name_file_and_place, 0, (int)ARRAY_SIZE(refused));
    suite_add_tcase(s, tc);
    return s;
}
