/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/format.h"

#include "base/util.h"
#include "bin/gqctl/suites.h"

static const struct gq_header headers[] = { { "a", "1", 1 }, { "b", NULL, 0 } };
static const struct gq_record record = {
    .topic = "t",
    .partition = 3,
    .offset = INT64_C(5000000000),
    .timestamp_ms = 12,
    .key = "k",
    .key_size = 1,
    .value = "v\0w",
    .value_size = 3,
    .headers = headers,
    .n_headers = 2,
};

static void expect(const char *format, const void *text, size_t size)
{
    struct error_text err;
    char *out;
    size_t out_size;
    FILE *f = open_memstream(&out, &out_size);

    ck_assert_int_eq(format_check(format, &err), 0);
    format_print(f, format, &record);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_uint_eq(out_size, size);
    ck_assert_mem_eq(out, text, size);
    free(out);
}

START_TEST(prints_every_field)
{
    expect("%t-%p@%o %T %k=", "t-3@5000000000 12 k=", 20);
    expect("%v", "v\0w", 3);
    expect("%h%%\\n\\t\\0\\\\", "a=1,b=%\n\t\0\\", 11);
    expect("", "", 0);
}
END_TEST

START_TEST(refuses_what_it_does_not_know)
{
    struct error_text err;

    ck_assert_int_eq(format_check("%o %x", &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "'%x'"));
    ck_assert_int_eq(format_check("%", &err), -EINVAL);
    ck_assert_int_eq(format_check("\\", &err), -EINVAL);
    ck_assert_int_eq(format_check("\\q", &err), -EINVAL);
}
END_TEST

Suite *format_suite(void)
{
    Suite *s = suite_create("format");

    suite_add(s, prints_every_field);
    suite_add(s, refuses_what_it_does_not_know);
    return s;
}
