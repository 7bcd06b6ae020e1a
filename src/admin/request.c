/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/internal.h"

static bool find_page(const char *path, enum page_id *ret)
{
    static const char *const paths[] = {
#define X(name, path) path,
        PAGES(X)
#undef X
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (strcmp(path, paths[i]) == 0) {
            *ret = (enum page_id)i;
            return true;
        }
    }
    return false;
}

/* Digits only, as RFC 9110 has it; everything that doesn't fit is too much. */
static bool is_longer(const char *digits, uint32_t max)
{
    uint64_t n = 0;

    for (; *digits >= '0' && *digits <= '9'; digits++) {
        n = n * 10 + (uint64_t)(*digits - '0');
        if (n > max)
            return true;
    }
    return *digits != '\0';
}

/* A proxy in front might see the end of this request elsewhere than we do: so nothing is guessed. */
static unsigned judge_length(const struct request_head *head, uint32_t max_body_bytes, const char **ret_why)
{
    if (head->n_transfer_encodings > 0 && head->n_content_lengths > 0) {
        *ret_why = "Content-Length and Transfer-Encoding exclude each other";
        return 400;
    }
    if (head->n_content_lengths > 1) {
        *ret_why = "more than one Content-Length";
        return 400;
    }
    if (head->n_transfer_encodings > 0) {
        *ret_why = "Transfer-Encoding isn't supported";
        return 411;
    }
    if (head->n_content_lengths == 1 && is_longer(head->content_length, max_body_bytes)) {
        *ret_why = "the body is too large";
        return 413;
    }
    return 0;
}

unsigned request_judge(const struct request_head *head, uint32_t max_body_bytes, enum page_id *ret_page,
                       const char **ret_why)
{
    unsigned status = judge_length(head, max_body_bytes, ret_why);

    if (status != 0)
        return status;
    if (!find_page(head->path, ret_page)) {
        *ret_why = "no such page";
        return 404;
    }
    if (strcmp(head->method, "GET") != 0 && strcmp(head->method, "HEAD") != 0) {
        *ret_why = "only GET and HEAD are allowed";
        return 405;
    }
    return 0;
}
