/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A directory of one test under $TMPDIR, else under the build directory. */

#include "base/util.h"

struct temp_dir {
    char path[4096];
};

void temp_dir_make(struct temp_dir *t);
/* Removes it and all that is in it. */
void temp_dir_remove(struct temp_dir *t);
/* path/name in memory of the test's own (one call at a time). */
const char *temp_dir_path(const struct temp_dir *t, const char *name);
