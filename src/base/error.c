/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdio.h>

#include "base/util.h"

#define X(name, number, meaning) _Static_assert(name == number, "sysexits.h differs");
EXIT_CODES(X)
#undef X

struct block {
    int base;
    const char *name;
};

static const struct block blocks[] = {
#define X(module, base, name) { base, name },
    ERROR_BLOCKS(X)
#undef X
};

static const char *module_of(int err)
{
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        if (err >= blocks[i].base && err < blocks[i].base + ERROR_BLOCK_SIZE)
            return blocks[i].name;
    return NULL;
}

const char *error_text(int err)
{
    static _Thread_local char text[64];
    const char *module = module_of(err);

    if (err == 0)
        return "success";
    if (err < 0 && err >= -4095) { /* the kernel's bound on errno */
        const char *s = strerror_r(-err, text, sizeof(text));

        if (strncmp(s, "Unknown error", strlen("Unknown error")) != 0)
            return s;
    }
    if (module != NULL)
        snprintf(text, sizeof(text), "%s error %d", module, err);
    else
        snprintf(text, sizeof(text), "error %d", err);
    return text;
}

const char *exit_code_text(int status)
{
    switch (status) {
#define X(name, number, meaning) \
    case number: \
        return meaning;
        EXIT_CODES(X)
#undef X
    default:
        return NULL;
    }
}
