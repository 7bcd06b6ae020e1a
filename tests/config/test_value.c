/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/value.h"

#include <string.h>

#include "config/suites.h"

static const struct value_word none_words[] = { { "none", -1 }, { NULL, 0 } };
static const struct value_word level_words[] = { { "low", 1 }, { "mid", 5 }, { "high", 9 }, { NULL, 0 } };

static const struct value_spec timeout_spec = { VALUE_DURATION, VALUE_SEC, VALUE_HOUR, 0, none_words };
static const struct value_spec level_spec = { VALUE_WORD, 0, 0, 0, level_words };
static const struct value_spec bool_spec = { VALUE_BOOL, 0, 1, 0, NULL };
static const struct value_spec port_spec = { VALUE_INT, 1, 65535, 0, NULL };
static const struct value_spec size_spec = { VALUE_SIZE, 0, VALUE_TIB, VALUE_MIB, NULL };

static int64_t parsed(const struct value_spec *spec, const char *text)
{
    struct error_text err = { "" };
    int64_t v = -99;

    ck_assert_msg(value_parse(spec, text, &v, &err) == 0, "%s: %s", text, err.text);
    return v;
}

static const char *refusal(const struct value_spec *spec, const char *text)
{
    static struct error_text err;
    int64_t v = -99;

    ck_assert_msg(value_parse(spec, text, &v, &err) < 0, "%s is taken", text);
    ck_assert_int_eq(v, -99);
    return err.text;
}

START_TEST(values_are_taken)
{
    ck_assert_int_eq(parsed(&timeout_spec, "1m"), VALUE_MINUTE);
    ck_assert_int_eq(parsed(&timeout_spec, "none"), -1);
    ck_assert_int_eq(parsed(&level_spec, "High"), 9);
    ck_assert_int_eq(parsed(&port_spec, "65535"), 65535);
    ck_assert_int_eq(parsed(&size_spec, "100"), 100 * VALUE_MIB);
    ck_assert_int_eq(parsed(&bool_spec, "yes"), 1);
    ck_assert_int_eq(parsed(&bool_spec, "off"), 0);
    ck_assert_int_eq(parsed(&bool_spec, "TRUE"), 1);
}
END_TEST

START_TEST(refusals_say_what_is_allowed)
{
    ck_assert_str_eq(refusal(&timeout_spec, "soon"), "'soon' is not a duration (like 5s, 10ms, 24h) or 'none'");
    ck_assert_str_eq(refusal(&timeout_spec, "2h"), "'2h' is out of range (1s to 1h, or none)");
    ck_assert_str_eq(refusal(&timeout_spec, "5"), "'5' needs a unit (like 5s, 10ms, 24h)");
    ck_assert_str_eq(refusal(&timeout_spec, "0"), "'0' is out of range (1s to 1h, or none)");
    ck_assert_str_eq(refusal(&level_spec, "1"), "'1' is not one of low, mid or high");
    ck_assert_str_eq(refusal(&bool_spec, "1"), "'1' is not true or false");
    ck_assert_str_eq(refusal(&port_spec, "0"), "'0' is out of range (1 to 65535)");
    ck_assert_str_eq(refusal(&port_spec, "99999999999999999999"),
                     "'99999999999999999999' is out of range (1 to 65535)");
    ck_assert_str_eq(refusal(&port_spec, "http"), "'http' is not a whole number");
}
END_TEST

START_TEST(texts_have_their_shapes)
{
    static const struct value_spec name = { VALUE_NAME, 0, 8, 0, NULL };
    static const struct value_spec any = { VALUE_STRING, 0, 8, 0, NULL };

    ck_assert_int_eq(value_parse(&name, "broker-1", NULL, NULL), 0);
    ck_assert_str_eq(refusal(&name, "broker-12"), "'broker-12' is longer than 8 bytes");
    ck_assert_str_eq(refusal(&name, "-x"),
                     "'-x' is not a name (letters, digits, '.', '_', '-'; a letter or digit first)");
    ck_assert_int_eq(value_parse(&any, "", NULL, NULL), 0);
    ck_assert_int_eq(value_parse(&any, "a b\tc", NULL, NULL), 0);
}
END_TEST

START_TEST(numbers_come_back_as_a_person_writes_them)
{
    static const struct {
        const struct value_spec *spec;
        int64_t number;
        const char *text;
    } rows[] = {
        { &timeout_spec, -1, "none" },
        { &timeout_spec, 0, "0" },
        { &timeout_spec, 1, "1ns" },
        { &timeout_spec, 1500 * VALUE_MSEC, "1500ms" },
        { &timeout_spec, 90 * VALUE_MINUTE, "90m" },
        { &timeout_spec, VALUE_DAY, "24h" },
        { &timeout_spec, 7 * VALUE_DAY, "7d" },
        { &size_spec, 0, "0" },
        { &size_spec, 1000, "1000B" },
        { &size_spec, 64 * VALUE_MIB, "64MiB" },
        { &size_spec, 1536, "1536B" },
        { &level_spec, 5, "mid" },
        { &bool_spec, 1, "true" },
        { &bool_spec, 0, "false" },
        { &port_spec, 9092, "9092" },
    };
    char text[VALUE_TEXT_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        value_format(rows[i].spec, rows[i].number, text);
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

START_TEST(what_is_allowed_as_text)
{
    char text[64];

    value_format_allowed(&timeout_spec, text, sizeof(text));
    ck_assert_str_eq(text, "1s to 1h, or none");
    value_format_allowed(&level_spec, text, sizeof(text));
    ck_assert_str_eq(text, "low, mid or high");
    value_format_allowed(&level_spec, text, 8);
    ck_assert_str_eq(text, "low, mi");
    ck_assert_ptr_null(value_bare_unit_name(&timeout_spec));
    ck_assert_str_eq(value_bare_unit_name(&size_spec), "MiB");
}
END_TEST

START_TEST(quoting_is_safe_to_print)
{
    char quoted[VALUE_QUOTED_SIZE], longest[1000];

    value_quote("a\nb\x1b[31m\x7f", quoted);
    ck_assert_str_eq(quoted, "'a\\x0ab\\x1b[31m\\x7f'");
    memset(longest, '\x01', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    value_quote(longest, quoted);
    ck_assert_uint_lt(strlen(quoted), sizeof(quoted));
    /* 59 letters, then a character of two bytes across the cut. */
    memset(longest, 'x', 58);
    memcpy(longest + 58, "\xc3\xa9zzz", 6);
    value_quote(longest, quoted);
    ck_assert_str_eq(quoted + 59, "...'");
}
END_TEST

Suite *value_suite(void)
{
    Suite *s = suite_create("value");

    suite_add(s, values_are_taken);
    suite_add(s, refusals_say_what_is_allowed);
    suite_add(s, texts_have_their_shapes);
    suite_add(s, numbers_come_back_as_a_person_writes_them);
    suite_add(s, what_is_allowed_as_text);
    suite_add(s, quoting_is_safe_to_print);
    return s;
}
