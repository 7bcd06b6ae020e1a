/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/settings.h"

#include <sysexits.h>

#include "bin/gqctl/command_table.h"
#include "bin/gqctl/suites.h"

static struct settings set;
static struct error_text err;

/* The last set is freed first, so a test may have many. */
#define INIT(...) \
    ({ \
        static const char *argv_[] = { "gqctl", __VA_ARGS__, NULL }; \
        settings_fini(&set); \
        settings_init(&set, (int)ARRAY_SIZE(argv_) - 1, (char **)argv_, &err); \
    })
#define FILE_OF_ALL \
    "{\"broker_addrs\": [\"f1:1\", \"f2:2\"], \"timeout\": \"3s\", \"log_file\": \"f.log\", \"command\": {" \
    "\"type\": \"produce\", \"topic\": \"ft\", \"partition\": 7, \"replicas\": 3, \"message\": \"fm\", " \
    "\"offset\": 5, \"count\": 9}}"

static void leave(void)
{
    settings_fini(&set);
    leave_directory();
}

START_TEST(defaults_hold_without_flags_and_file)
{
    ck_assert_int_eq(INIT("-cmd=consume", "-topic=t"), 0);
    ck_assert_int_eq(set.command, COMMAND_CONSUME);
    ck_assert_uint_eq(set.n_brokers, 1);
    ck_assert_str_eq(set.brokers[0], "127.0.0.1:9092");
    ck_assert_int_eq(set.timeout_ms, 10000);
    ck_assert_ptr_null(set.log_file);
    ck_assert_int_eq(set.partition, GQ_PARTITION_ANY);
    ck_assert_int_eq(set.offset, GQ_OFFSET_BEGINNING);
    ck_assert_int_eq(set.count, -1);
    ck_assert_int_eq(set.partitions, 1);
    ck_assert_int_eq(set.replicas, 1);
    ck_assert(!set.follow && !set.json);
}
END_TEST

START_TEST(the_file_wins_over_defaults)
{
    write_file("client.json", FILE_OF_ALL);
    ck_assert_int_eq(INIT("-config=client.json"), 0);
    ck_assert_int_eq(set.command, COMMAND_PRODUCE);
    ck_assert_uint_eq(set.n_brokers, 2);
    ck_assert_str_eq(set.brokers[1], "f2:2");
    ck_assert_int_eq(set.timeout_ms, 3000);
    ck_assert_str_eq(set.log_file, "f.log");
    ck_assert_str_eq(set.topic, "ft");
    ck_assert_str_eq(set.message, "fm");
    ck_assert_int_eq(set.partition, 7);
    ck_assert_int_eq(set.count, 9);
    ck_assert_int_eq(set.replicas, 3);
    ck_assert_int_eq(set.offset, 5);
}
END_TEST

START_TEST(flags_win_over_the_file)
{
    write_file("client.json", FILE_OF_ALL);
    ck_assert_int_eq(INIT("-config", "client.json", "-broker=b:3", "-timeout=4s", "-log=l.log", "-topic=t",
                          "-message=", "-partition=-1", "-count=-1"),
                     0);
    ck_assert_uint_eq(set.n_brokers, 1);
    ck_assert_str_eq(set.brokers[0], "b:3");
    ck_assert_int_eq(set.timeout_ms, 4000);
    ck_assert_str_eq(set.log_file, "l.log");
    ck_assert_str_eq(set.topic, "t");
    ck_assert_str_eq(set.message, "");
    ck_assert_int_eq(set.partition, -1);
    ck_assert_int_eq(set.count, -1);
    ck_assert_int_eq(INIT("-config=client.json", "-cmd=consume", "-offset=-1"), 0);
    ck_assert_int_eq(set.command, COMMAND_CONSUME);
    ck_assert_int_eq(set.offset, GQ_OFFSET_BEGINNING);
    ck_assert_int_eq(set.count, 9);
    ck_assert_int_eq(INIT("-config=client.json", "-cmd=create-topic", "-replicas=1", "-partitions=4"), 0);
    ck_assert_int_eq(set.replicas, 1);
    ck_assert_int_eq(set.partitions, 4);
}
END_TEST

START_TEST(the_default_file_counts_where_there_is_one)
{
    write_file("configs/client.json", FILE_OF_ALL);
    ck_assert_int_eq(INIT("-cmd=list-topics"), 0);
    ck_assert_str_eq(set.brokers[0], "f1:1");
    /* In words, only its connection does. */
    ck_assert_int_eq(INIT("consume", "t"), 0);
    ck_assert_str_eq(set.brokers[0], "f1:1");
    ck_assert_str_eq(set.topic, "t");
    ck_assert_int_eq(set.partition, -1);
    ck_assert_int_eq(set.count, -1);
    ck_assert_int_eq(set.offset, GQ_OFFSET_BEGINNING);
    write_file("other.json", "{}");
    ck_assert_int_eq(INIT("consume", "t", "--client-config=other.json"), 0);
    ck_assert_str_eq(set.brokers[0], "127.0.0.1:9092");
    write_file("configs/client.json", "{\"x\": 1}");
    ck_assert_int_eq(INIT("topic", "list"), EX_CONFIG);
    ck_assert_str_eq(err.text, "configs/client.json: unknown key 'x'");
    ck_assert_int_eq(INIT("-config=none.json", "-cmd=list-topics"), EX_CONFIG);
    ck_assert_str_eq(err.text, "none.json: No such file or directory");
    ck_assert_int_eq(INIT("help"), 0);
}
END_TEST

START_TEST(every_command_of_the_guide)
{
    static const struct {
        const char *name;
        enum command command;
    } commands[] = {
        { "create-topic", COMMAND_TOPIC_CREATE },     { "list-topics", COMMAND_TOPIC_LIST },
        { "describe-topic", COMMAND_TOPIC_DESCRIBE }, { "topic-info", COMMAND_TOPIC_INFO },
        { "delete-topic", COMMAND_TOPIC_DELETE },     { "consume", COMMAND_CONSUME },
    };

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const char *argv[] = { "gqctl", "-cmd", commands[i].name, i == 1 ? NULL : "-topic=t", NULL };

        settings_fini(&set);
        ck_assert_int_eq(settings_init(&set, i == 1 ? 3 : 4, (char **)argv, &err), 0);
        ck_assert_int_eq(set.command, commands[i].command);
    }
    ck_assert_int_eq(INIT("-broker=localhost:9092", "-cmd=produce", "-topic=test", "-message=Direct broker"), 0);
    ck_assert_int_eq(set.strategy, GQ_STRATEGY_HASH);
    ck_assert_int_eq(INIT("-cmd=consume", "-topic=test", "-partition=0", "-offset=100", "-count=50"), 0);
    ck_assert_int_eq(set.offset, 100);
    ck_assert_int_eq(set.count, 50);
}
END_TEST

START_TEST(commands_in_words)
{
    ck_assert_int_eq(INIT("topic", "create", "t", "--partitions", "3", "--config", "a=1", "--config=b=2=3"), 0);
    ck_assert_int_eq(set.command, COMMAND_TOPIC_CREATE);
    ck_assert_str_eq(set.topic, "t");
    ck_assert_int_eq(set.partitions, 3);
    ck_assert_uint_eq(set.n_configs, 2);
    ck_assert_str_eq(set.configs[0].name, "a");
    ck_assert_str_eq(set.configs[1].name, "b");
    ck_assert_str_eq(set.configs[1].value, "2=3");
    ck_assert_int_eq(INIT("--broker=a:1", "topic", "--broker", "b:2", "list"), 0);
    ck_assert_int_eq(set.command, COMMAND_TOPIC_LIST);
    ck_assert_uint_eq(set.n_brokers, 2);
    ck_assert_int_eq(INIT("cluster", "status", "--json"), 0);
    ck_assert(set.json);
    ck_assert_int_eq(INIT("produce", "t", "--header", "a=1", "--header=b=", "--key-delimiter=:", "--compression=zstd"),
                     0);
    ck_assert_ptr_null(set.message);
    ck_assert_int_eq(set.key_delimiter, ':');
    ck_assert_uint_eq(set.n_headers, 2);
    ck_assert_uint_eq(set.headers[0].value_size, 1);
    ck_assert_uint_eq(set.headers[1].value_size, 0);
    ck_assert_int_eq(set.compression, GQ_COMPRESSION_ZSTD);
    ck_assert_int_eq(INIT("produce", "t", "--partition=2"), 0);
    ck_assert_int_eq(set.strategy, GQ_STRATEGY_MANUAL);
    write_file("configs/client.json", "{");
    ck_assert_int_eq(INIT("log", "dump", "--json", "a.log", "b"), 0);
    ck_assert_uint_eq(set.n_files, 2);
    ck_assert_str_eq(set.files[1], "b");
    ck_assert_int_eq(INIT("log", "dump"), EX_USAGE);
    write_file("configs/client.json", "{}");
    ck_assert_int_eq(INIT("consume", "t", "--offset=end", "-f"), 0);
    ck_assert_int_eq(set.offset, GQ_OFFSET_END);
    ck_assert(set.follow);
}
END_TEST

#define REFUSED(status, sentence, ...) \
    do { \
        ck_assert_int_eq(INIT(__VA_ARGS__), status); \
        ck_assert_str_eq(err.text, sentence); \
    } while (0)

START_TEST(wrong_command_lines_are_named)
{
    REFUSED(EX_USAGE, "no command is given (gqctl help lists them all)", "--json");
    REFUSED(EX_USAGE, "unknown command 'tpic list' (did you mean gqctl topic list?)", "tpic", "list");
    REFUSED(EX_USAGE, "unknown command 'frobnicate' (gqctl help lists them all)", "frobnicate");
    REFUSED(EX_USAGE,
            "unknown command 'send': must be create-topic, list-topics, describe-topic, topic-info, delete-topic, "
            "produce or consume",
            "-cmd=send");
    REFUSED(EX_USAGE, "topic create needs the name of a topic", "topic", "create");
    REFUSED(EX_USAGE, "topic list: unexpected argument 'x'", "topic", "list", "x");
    REFUSED(EX_USAGE, "consume needs a topic (-topic=NAME)", "-cmd=consume");
    REFUSED(EX_USAGE, "produce needs a message (-message=TEXT)", "-cmd=produce", "-topic=t");
    REFUSED(EX_USAGE, "--follow means nothing to topic create", "topic", "create", "t", "--follow");
    REFUSED(EX_USAGE, "--message means nothing to consume", "-cmd=consume", "-topic=t", "-message=x");
    REFUSED(EX_USAGE, "--cmd means nothing to consume", "consume", "t", "--cmd=produce");
    REFUSED(EX_USAGE, "--config sets a config of a new topic; the client's own file is --client-config", "consume", "t",
            "--config=client.json");
    REFUSED(EX_USAGE, "--config: 'a' is not of the form NAME=VALUE", "topic", "create", "t", "--config=a");
    REFUSED(EX_USAGE, "--header: '=a' is not of the form NAME=VALUE", "produce", "t", "--header==a");
    REFUSED(EX_USAGE, "--group needs consumer groups, which this version doesn't have", "consume", "t", "--group=g");
    REFUSED(EX_USAGE, "--from-beginning and --offset both say where to begin: give one of them", "consume", "t",
            "--from-beginning", "--offset=1");
    REFUSED(EX_USAGE, "--json and --format both say what to print: give one of them", "consume", "t", "--json",
            "--format=%v");
    REFUSED(EX_USAGE, "--strategy=manual needs --partition", "produce", "t", "--strategy=manual");
    REFUSED(EX_USAGE, "--partition and --strategy both pick the partition: give one of them", "produce", "t",
            "--strategy=random", "--partition=0");
    REFUSED(EX_USAGE, "--count says how often to send --message, and there is none", "produce", "t", "--count=2");
    REFUSED(EX_USAGE, "--key-delimiter is for lines of standard input, not for --message", "produce", "t",
            "--message=a:b", "--key-delimiter=:");
    ck_assert_int_eq(INIT("consume", "t", "--offset=-2"), EX_USAGE);
    ck_assert_int_eq(INIT("consume", "t", "--broker=nowhere"), EX_USAGE);
    ck_assert_int_eq(INIT("produce", "t", "--key-delimiter=ab"), EX_USAGE);
    ck_assert_int_eq(INIT("produce", "t", "--strategy=sticky"), EX_USAGE);
}
END_TEST

START_TEST(a_wrong_type_in_the_file_is_the_files_fault)
{
    write_file("client.json", "{\"command\": {\"type\": \"send\"}}");
    ck_assert_int_eq(INIT("-config=client.json"), EX_CONFIG);
    ck_assert_int_eq(INIT("-config=client.json", "-cmd=list-topics"), 0);
}
END_TEST

START_TEST(help_and_version)
{
    char *text;

    ck_assert_int_eq(INIT("--version"), 0);
    ck_assert_int_eq(set.command, COMMAND_VERSION);
    ck_assert_int_eq(INIT("help", "topic", "create"), 0);
    ck_assert_int_eq(set.command, COMMAND_HELP);
    ck_assert_int_eq(set.help_about, COMMAND_TOPIC_CREATE);
    ck_assert_int_eq(INIT("consume", "--help"), 0);
    ck_assert_int_eq(set.help_about, COMMAND_CONSUME);
    ck_assert_int_eq(INIT("help", "nothing"), EX_USAGE);
    text = settings_help(COMMAND_CONSUME);
    ck_assert_ptr_nonnull(strstr(text, "Usage: gqctl consume NAME"));
    ck_assert_ptr_nonnull(strstr(text, "--follow"));
    ck_assert_ptr_null(strstr(text, "--strategy"));
    ck_assert_ptr_null(strstr(text, "--group"));
    ck_assert_ptr_null(strstr(text, "--cmd"));
    free(text);
    text = settings_help(COMMAND_NONE);
    for (size_t i = 0; i < n_command_specs; i++)
        ck_assert(command_specs[i].words == NULL || strstr(text, command_specs[i].words) != NULL);
    free(text);
}
END_TEST

Suite *settings_suite(void)
{
    Suite *s = suite_create("settings");

    suite_add_with(s, defaults_hold_without_flags_and_file, enter_directory, leave);
    suite_add_with(s, the_file_wins_over_defaults, enter_directory, leave);
    suite_add_with(s, flags_win_over_the_file, enter_directory, leave);
    suite_add_with(s, the_default_file_counts_where_there_is_one, enter_directory, leave);
    suite_add_with(s, every_command_of_the_guide, enter_directory, leave);
    suite_add_with(s, commands_in_words, enter_directory, leave);
    suite_add_with(s, wrong_command_lines_are_named, enter_directory, leave);
    suite_add_with(s, a_wrong_type_in_the_file_is_the_files_fault, enter_directory, leave);
    suite_add_with(s, help_and_version, enter_directory, leave);
    return s;
}
