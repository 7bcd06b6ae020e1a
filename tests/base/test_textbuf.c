/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/textbuf.h"

#include "base/suites.h"

START_TEST(formats_and_takes_null)
{
    struct error_text e;

    error_setf(NULL, "%s", "nobody reads it");
    error_setf(&e, "line %d: %s", 3, "odd");
    ck_assert_str_eq(e.text, "line 3: odd");
    error_setf(&e, "file x: %s", e.text);
    ck_assert_str_eq(e.text, "file x: line 3: odd");
    error_setf(&e, "%s", "");
    ck_assert_str_eq(e.text, "");
}
END_TEST

START_TEST(long_text_is_cut_at_a_character)
{
    static const char *const characters[] = { "x", "é", "…", "😀" };
    char long_text[2 * ERROR_TEXT_SIZE];
    struct error_text e;

    for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
        size_t width = strlen(characters[i]), room = ERROR_TEXT_SIZE - 1;

        for (size_t lead = 0; lead < width; lead++) {
            memset(long_text, 'a', lead);
            long_text[lead] = '\0';
            while (strlen(long_text) < ERROR_TEXT_SIZE)
                strcat(long_text, characters[i]);
            error_setf(&e, "%s", long_text);
            ck_assert_uint_eq(strlen(e.text), lead + (room - lead) / width * width);
            ck_assert_mem_eq(e.text, long_text, strlen(e.text));
        }
    }
}
END_TEST

Suite *textbuf_suite(void)
{
    Suite *s = suite_create("textbuf");

    suite_add(s, formats_and_takes_null);
    suite_add(s, long_text_is_cut_at_a_character);
    return s;
}
