/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>

#include "admin/internal.h"

struct page *page_new(unsigned status, const char *content_type, const char *text, size_t size, uint64_t *budget)
{
    struct page *p = xmalloc(sizeof(*p) + size);

    *p = (struct page){ .refs = 1, .status = status, .content_type = content_type, .budget = budget, .size = size };
    memcpy(p->body, text, size);
    if (budget != NULL)
        *budget += size;
    return p;
}

struct page *page_ref(struct page *p)
{
    p->refs++;
    return p;
}

void page_unref(struct page *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    if (p->budget != NULL)
        *p->budget -= p->size;
    free(p);
}

static json_t *known_paths(void)
{
    static const char *const paths[] = {
#define X(name, path) path,
        PAGES(X)
#undef X
    };
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        json_array_append_new(list, json_string(paths[i]));
    return list;
}

struct page *page_error(unsigned status, const char *what)
{
    json_t *doc = json_pack("{s:i, s:s}", "status", (int)status, "error", what);
    struct page *page;
    char *text;

    if (status == 404)
        json_object_set_new(doc, "pages", known_paths());
    text = json_dumps(doc, JSON_COMPACT);
    gq_assert(text != NULL);
    page = page_new(status, TYPE_JSON, text, strlen(text), NULL);
    free(text);
    json_decref(doc);
    return page;
}
