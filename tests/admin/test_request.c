/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/internal.h"
#include "admin/suites.h"

#define MAX_BODY 1000

static unsigned judge(const char *method, const char *path, const char *content_length, unsigned n_content_lengths,
                      unsigned n_transfer_encodings, enum page_id *ret_page)
{
    struct request_head head = {
        .method = method,
        .path = path,
        .content_length = content_length,
        .n_content_lengths = n_content_lengths,
        .n_transfer_encodings = n_transfer_encodings,
    };
    const char *why = NULL;
    unsigned status = request_judge(&head, MAX_BODY, ret_page, &why);

    ck_assert((status == 0) == (why == NULL));
    return status;
}

START_TEST(every_path_has_its_page)
{
    enum page_id page = N_PAGES;

#define X(name, path) \
    ck_assert_uint_eq(judge("GET", path, NULL, 0, 0, &page), 0); \
    ck_assert_int_eq(page, PAGE_##name);
    PAGES(X)
#undef X
    ck_assert_uint_eq(judge("HEAD", "/metrics", NULL, 0, 0, &page), 0);
}
END_TEST

START_TEST(others_have_none)
{
    static const char *const paths[] = { "", "/", "/health/", "/Health", "//health", "/metrics/x", "health", "*" };
    static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "GETS", "" };
    enum page_id page;

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        ck_assert_uint_eq(judge("GET", paths[i], NULL, 0, 0, &page), 404);
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        ck_assert_uint_eq(judge(methods[i], "/health", NULL, 0, 0, &page), 405);
    ck_assert_uint_eq(judge("POST", "/nowhere", NULL, 0, 0, &page), 404);
}
END_TEST

START_TEST(lengths)
{
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        { "0", 0 },    { "1000", 0 }, { "1001", 413 }, { "0001000", 0 }, { "18446744073709551617", 413 },
        { "-1", 413 }, { "1x", 413 }, { "1, 1", 413 }, { "+1", 413 },    { " 1", 413 },
    };
    enum page_id page;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        ck_assert_msg(judge("GET", "/health", cases[i].text, 1, 0, &page) == cases[i].status, "\"%s\"", cases[i].text);
    ck_assert_uint_eq(judge("GET", "/health", "1", 2, 0, &page), 400);
    ck_assert_uint_eq(judge("GET", "/health", "1", 1, 1, &page), 400);
    ck_assert_uint_eq(judge("GET", "/health", NULL, 0, 1, &page), 411);
}
END_TEST

Suite *request_suite(void)
{
    Suite *s = suite_create("request");

    suite_add(s, every_path_has_its_page);
    suite_add(s, others_have_none);
    suite_add(s, lengths);
    return s;
}
