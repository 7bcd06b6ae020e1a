/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/flags.h"

#include "config/suites.h"

static const struct flag_spec specs[] = {
    { .name = "topic", .value = { VALUE_STRING }, .value_name = "NAME", .help = "The topic." },
    { .name = "partition", .value = { VALUE_INT, -1, 1000 }, .value_name = "N", .help = "The partition.", .def = "-1" },
    { .name = "follow", .alias = "f", .value = { VALUE_BOOL }, .help = "Wait for more." },
    { .name = "header", .value = { VALUE_STRING }, .value_name = "K=V", .help = "A header." },
    { .name = "timeout",
      .value = { VALUE_DURATION, 0, VALUE_HOUR },
      .value_name = "TIME",
      .help = "How long to wait." },
};

static struct flag_set set;
static struct error_text err;

#define PARSE(...) \
    ({ \
        static char *argv_[] = { (char *)"program", __VA_ARGS__, NULL }; \
        flags_parse(specs, ARRAY_SIZE(specs), (int)ARRAY_SIZE(argv_) - 1, argv_, &set, &err); \
    })
#define A(text) ((char *)(text))

START_TEST(one_dash_or_two_with_equals_or_without)
{
    ck_assert_int_eq(PARSE(A("-topic=a"), A("--partition"), A("3"), A("-timeout"), A("5s")), 0);
    ck_assert_str_eq(flags_text(&set, "topic", NULL), "a");
    ck_assert_int_eq(flags_number(&set, "partition", -1), 3);
    ck_assert_int_eq(flags_number(&set, "timeout", 0), 5 * VALUE_SEC);
    ck_assert(!flags_bool(&set, "follow"));
    ck_assert_ptr_null(flags_get(&set, "follow"));
    ck_assert_uint_eq(set.n_args, 0);
    flag_set_fini(&set);
}
END_TEST

START_TEST(values_may_look_like_flags_or_be_empty)
{
    ck_assert_int_eq(PARSE(A("--partition"), A("-1"), A("--topic="), A("--header"), A("--topic")), 0);
    ck_assert_int_eq(flags_number(&set, "partition", 7), -1);
    ck_assert_str_eq(flags_text(&set, "topic", NULL), "");
    ck_assert_str_eq(flags_text(&set, "header", NULL), "--topic");
    flag_set_fini(&set);
}
END_TEST

START_TEST(switches_never_take_the_next_argument)
{
    ck_assert_int_eq(PARSE(A("--follow"), A("false")), 0);
    ck_assert(flags_bool(&set, "follow"));
    ck_assert_uint_eq(set.n_args, 1);
    flag_set_fini(&set);
    ck_assert_int_eq(PARSE(A("--follow=false")), 0);
    ck_assert(!flags_bool(&set, "follow"));
    ck_assert_ptr_nonnull(flags_get(&set, "follow"));
    flag_set_fini(&set);
    ck_assert_int_eq(PARSE(A("-f")), 0);
    ck_assert(flags_bool(&set, "follow"));
    flag_set_fini(&set);
}
END_TEST

START_TEST(arguments_stand_anywhere)
{
    ck_assert_int_eq(PARSE(A("produce"), A("--topic=a"), A("-"), A("--"), A("--follow"), A("--")), 0);
    ck_assert_uint_eq(set.n_args, 4);
    ck_assert_str_eq(set.args[0], "produce");
    ck_assert_str_eq(set.args[1], "-");
    ck_assert_str_eq(set.args[2], "--follow");
    ck_assert_str_eq(set.args[3], "--");
    flag_set_fini(&set);
}
END_TEST

START_TEST(of_several_the_last_counts_and_all_can_be_had)
{
    size_t at = 0;

    ck_assert_int_eq(PARSE(A("--header=a=1"), A("--topic=x"), A("--header=b=2"), A("--topic=y")), 0);
    ck_assert_str_eq(flags_text(&set, "topic", NULL), "y");
    ck_assert_str_eq(flags_each(&set, "header", &at)->text, "a=1");
    ck_assert_str_eq(flags_each(&set, "header", &at)->text, "b=2");
    ck_assert_ptr_null(flags_each(&set, "header", &at));
    ck_assert_ptr_null(flags_each(&set, "header", &at));
    flag_set_fini(&set);
}
END_TEST

#define REFUSED(sentence, ...) \
    do { \
        ck_assert_int_lt(PARSE(__VA_ARGS__), 0); \
        ck_assert_str_eq(err.text, sentence); \
        ck_assert_ptr_null(set.values); \
    } while (0)

START_TEST(refusals_name_the_flag)
{
    REFUSED("unknown flag 'tpoic' (did you mean --topic?)", A("--tpoic=x"));
    REFUSED("unknown flag 'zookeeper' (--help lists them all)", A("-zookeeper"));
    REFUSED("unknown flag '' (--help lists them all)", A("--=x"));
    REFUSED("--topic needs a value (--topic=NAME)", A("--topic"));
    REFUSED("--partition: 'x' is not a whole number", A("--partition=x"));
    REFUSED("--partition: '1001' is out of range (-1 to 1000)", A("--partition"), A("1001"));
    REFUSED("--follow: 'perhaps' is not true or false", A("--follow=perhaps"));
    REFUSED("--timeout: '5' needs a unit (like 5s, 10ms, 24h)", A("--timeout=5"));
}
END_TEST

START_TEST(help_lists_the_flags)
{
    static const struct flag_spec some[] = {
        { .name = "follow", .value = { VALUE_BOOL }, .help = "Wait for more." },
        { .name = "port", .value = { VALUE_INT }, .value_name = "PORT", .help = "The port.", .def = "9092" },
        { .name = "a-flag-with-a-long-name",
          .value = { VALUE_BOOL },
          .value_name = "true|false",
          .help = "A help that is so long that it needs a second line to fit into eighty columns." },
    };
    char *text = flags_help(some, ARRAY_SIZE(some));

    ck_assert_str_eq(text, "  --follow                    Wait for more.\n"
                           "  --port=PORT                 The port. (default: 9092)\n"
                           "  --a-flag-with-a-long-name[=true|false]\n"
                           "                              A help that is so long that it needs a second line\n"
                           "                              to fit into eighty columns.\n");
    free(text);
}
END_TEST

Suite *flags_suite(void)
{
    Suite *s = suite_create("flags");

    suite_add(s, one_dash_or_two_with_equals_or_without);
    suite_add(s, values_may_look_like_flags_or_be_empty);
    suite_add(s, switches_never_take_the_next_argument);
    suite_add(s, arguments_stand_anywhere);
    suite_add(s, of_several_the_last_counts_and_all_can_be_had);
    suite_add(s, refusals_name_the_flag);
    suite_add(s, help_lists_the_flags);
    return s;
}
