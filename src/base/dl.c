/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/dl.h"

#include <dlfcn.h>

int dl_load(const char *soname, const struct dl_symbol *symbols, size_t n_symbols, struct error_text *err)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_NODELETE);

    if (library == NULL) {
        error_setf(err, "%s", dlerror());
        return -ENOENT;
    }
    for (size_t i = 0; i < n_symbols; i++) {
        if (dlsym(library, symbols[i].name) != NULL)
            continue;
        error_setf(err, "%s", dlerror());
        dlclose(library);
        return -ENOSYS;
    }
    for (size_t i = 0; i < n_symbols; i++)
        *symbols[i].to = dlsym(library, symbols[i].name);
    return 0;
}
