/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/temp_dir.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void temp_dir_make(struct temp_dir *t)
{
    const char *base = getenv("TMPDIR");

    snprintf(t->path, sizeof(t->path), "%s/gq-test-sys-XXXXXX", base != NULL && *base != '\0' ? base : ".");
    ck_assert_ptr_nonnull(mkdtemp(t->path));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void temp_dir_remove(struct temp_dir *t)
{
    ck_assert_int_eq(nftw(t->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *temp_dir_path(const struct temp_dir *t, const char *name)
{
    static char path[sizeof(t->path) + 256];

    snprintf(path, sizeof(path), "%s/%s", t->path, name);
    return path;
}
