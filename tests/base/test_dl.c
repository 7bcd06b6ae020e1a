/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <math.h>

#include "base/dl.h"
#include "base/suites.h"

#define MATH_CALLS(X) X(sqrt)
MATH_CALLS(DL_POINTER)
static const struct dl_symbol symbols[] = { MATH_CALLS(DL_SYMBOL) };
DL_NOTE(test, "libm.so.6", "suggested", "Square roots")

START_TEST(loads_and_calls)
{
    struct error_text err = { "" };

    ck_assert_int_eq(dl_load("libm.so.6", symbols, ARRAY_SIZE(symbols), &err), 0);
    ck_assert_double_eq(dl_sqrt(9.0), 3.0);
    ck_assert_str_eq(err.text, "");
    ck_assert_int_eq(dl_load("libm.so.6", symbols, ARRAY_SIZE(symbols), NULL), 0);
}
END_TEST

START_TEST(says_what_is_missing)
{
    static void *none, *other;
    const struct dl_symbol missing[] = { { "sqrt", &other }, { "no_such_call", &none } };
    struct error_text err = { "" };

    ck_assert_int_eq(dl_load("libno-such-library.so.1", symbols, ARRAY_SIZE(symbols), &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "libno-such-library.so.1"));
    ck_assert_int_eq(dl_load("libm.so.6", missing, ARRAY_SIZE(missing), &err), -ENOSYS);
    ck_assert_ptr_nonnull(strstr(err.text, "no_such_call"));
    ck_assert_ptr_null(other);
    ck_assert_int_eq(dl_load("libm.so.6", missing, ARRAY_SIZE(missing), NULL), -ENOSYS);
}
END_TEST

/* The linker takes sections named .note into a PT_NOTE segment, where tools look. */
START_TEST(the_note_names_its_library)
{
    const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)&dl_note_test;
    const char *name = (const char *)(note + 1);

    ck_assert_uint_eq(note->n_type, 0x407c0c0a);
    ck_assert_uint_eq(note->n_namesz, 4);
    ck_assert_str_eq(name, "FDO");
    ck_assert_uint_eq(note->n_descsz, strlen(name + 4) + 1);
    ck_assert_str_eq(name + 4, "[{\"feature\":\"test\",\"description\":\"Square roots\",\"priority\":\"suggested\","
                               "\"soname\":[\"libm.so.6\"]}]");
}
END_TEST

Suite *dl_suite(void)
{
    Suite *s = suite_create("dl");

    suite_add(s, loads_and_calls);
    suite_add(s, says_what_is_missing);
    suite_add(s, the_note_names_its_library);
    return s;
}
