/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/error.h"

#include <stddef.h>

#include "base/util.h"

#define FIRST_CODE KAFKA_E_UNKNOWN_SERVER_ERROR

struct error_entry {
    const char *name, *text;
    bool retriable;
};

static const struct error_entry entries[] = {
#define ENTRY(code, error_name, is_retriable, error_text) \
    [(code)-FIRST_CODE] = { .name = #error_name, .text = (error_text), .retriable = (is_retriable) },
    KAFKA_ERRORS(ENTRY)
#undef ENTRY
};

static const struct error_entry *find(int code)
{
    if (code < FIRST_CODE || code - FIRST_CODE >= (int)ARRAY_SIZE(entries) || entries[code - FIRST_CODE].name == NULL)
        return NULL;
    return &entries[code - FIRST_CODE];
}

const char *kafka_error_name(int code)
{
    const struct error_entry *e = find(code);

    return e != NULL ? e->name : NULL;
}

const char *kafka_error_text(int code)
{
    const struct error_entry *e = find(code);

    return e != NULL ? e->text : "unknown error code";
}

bool kafka_error_is_retriable(int code)
{
    const struct error_entry *e = find(code);

    return e != NULL && e->retriable;
}
