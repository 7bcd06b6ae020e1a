/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/golden.h"

#include <check.h>
#include <stdio.h>

#include "base/util.h"

void golden_open(struct golden_file *f, const char *name)
{
    char path[4096];
    FILE *in;
    long size;

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
    in = fopen(path, "r");
    ck_assert_msg(in != NULL, "%s: %s", path, strerror(errno));
    ck_assert_int_eq(fseek(in, 0, SEEK_END), 0);
    size = ftell(in);
    ck_assert_int_gt(size, 0);
    rewind(in);
    *f = (struct golden_file){ .name = name, .text = xmalloc((size_t)size + 1) };
    ck_assert_uint_eq(fread(f->text, 1, (size_t)size, in), (size_t)size);
    f->text[size] = '\0';
    f->next = f->text;
    fclose(in);
}

void golden_close(struct golden_file *f)
{
    free(f->text);
    f->text = NULL;
}

bool golden_next(struct golden_file *f, struct golden_line *ret_line)
{
    char *text, *word, *rest;

    do {
        text = strsep(&f->next, "\n");
        f->number++;
    } while (text != NULL && (text[0] == '#' || text[0] == '\0'));
    if (text == NULL)
        return false;
    *ret_line = (struct golden_line){ .number = f->number };
    for (word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        ck_assert_uint_lt(ret_line->n_words, GOLDEN_MAX_WORDS);
        ret_line->words[ret_line->n_words++] = word;
    }
    return true;
}

/* Check writes to a pipe at each of its assertions: too slow for every digit. */
static unsigned hex_digit(char c)
{
    gq_assert((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

struct slice golden_bytes(const char *word)
{
    const char *star = strchr(word, '*'), *hex = star != NULL ? star + 1 : word;
    size_t n = star != NULL ? strtoul(word, NULL, 10) : 1, size = strcmp(word, ".") == 0 ? 0 : strlen(hex) / 2;
    uint8_t *data;

    if (strcmp(word, "-") == 0)
        return SLICE_NULL;
    data = xmalloc(n * size);
    for (size_t i = 0; i < n * size; i++)
        data[i] = (uint8_t)(hex_digit(hex[2 * (i % size)]) << 4 | hex_digit(hex[2 * (i % size) + 1]));
    return slice_make(data, n * size);
}

void golden_free(struct slice s)
{
    free((void *)s.data);
}
