/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/suites.h"

START_TEST(errno_has_its_text)
{
    ck_assert_str_eq(error_text(0), "success");
    ck_assert_str_eq(error_text(-ENOSPC), strerror(ENOSPC));
    ck_assert_str_eq(error_text(-ETIMEDOUT), strerror(ETIMEDOUT));
}
END_TEST

START_TEST(module_codes_name_their_module)
{
    ck_assert_str_eq(error_text(ERROR_BASE_JOURNAL + 2), "journal error 1002");
    ck_assert_str_eq(error_text(1099), "journal error 1099");
    ck_assert_str_eq(error_text(ERROR_BASE_LOG), "log error 1100");
    ck_assert_str_eq(error_text(ERROR_BASE_RAFT + 99), "raft error 1999");
}
END_TEST

START_TEST(others_fall_back_to_the_number)
{
    ck_assert_str_eq(error_text(ENOSPC), "error 28"); /* positive: no errno */
    ck_assert_str_eq(error_text(999), "error 999");
    ck_assert_str_eq(error_text(4000), "error 4000");
    ck_assert_str_eq(error_text(-4000), "error -4000");
    ck_assert_str_eq(error_text(INT_MIN), "error -2147483648");
    ck_assert_str_eq(error_text(INT_MAX), "error 2147483647");
}
END_TEST

START_TEST(exit_codes_have_a_meaning)
{
    ck_assert_str_eq(exit_code_text(EX_CONFIG), "the configuration is wrong");
    ck_assert_ptr_nonnull(exit_code_text(64));
    ck_assert_ptr_null(exit_code_text(0));
    ck_assert_ptr_null(exit_code_text(63));
}
END_TEST

Suite *error_suite(void)
{
    Suite *s = suite_create("error");

    suite_add(s, errno_has_its_text);
    suite_add(s, module_codes_name_their_module);
    suite_add(s, others_fall_back_to_the_number);
    suite_add(s, exit_codes_have_a_meaning);
    return s;
}
