/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Replays inputs through a fuzz target: the files and directories given, or tests/corpus/NAME below $srcdir for a
 * program fuzz-NAME. The input lies in a block of exactly its size, so that the address sanitizer sees a read past
 * its end. */

static int replay_file(const char *path)
{
    uint8_t *data = NULL;
    FILE *f = fopen(path, "rb");
    long size;

    if (f == NULL || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0) {
        perror(path);
        exit(1);
    }
    rewind(f);
    data = xmalloc((size_t)size + (size == 0));
    if (fread(data, 1, (size_t)size, f) != (size_t)size) {
        perror(path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 1;
}

static int replay(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *ent;
    int n = 0;

    if (dir == NULL)
        return replay_file(path);
    while ((ent = readdir(dir)) != NULL) {
        _cleanup_(freep) char *file = NULL;

        if (ent->d_name[0] == '.')
            continue;
        file = xasprintf("%s/%s", path, ent->d_name);
        n += replay(file);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    const char *srcdir = getenv("srcdir");
    const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    int n = 0;

    /* libtool runs programs as .libs/lt-NAME */
    if (strncmp(name, "lt-", 3) == 0)
        name += 3;
    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    if (argc == 1 && strncmp(name, "fuzz-", 5) == 0) {
        _cleanup_(freep) char *corpus = xasprintf("%s/tests/corpus/%s", srcdir != NULL ? srcdir : ".", name + 5);

        n = replay(corpus);
    }
    printf("%s: %d passed, 0 failed\n", name, n);
    return n > 0 ? 0 : 1;
}
