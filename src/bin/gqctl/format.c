/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/format.h"

int format_check(const char *format, struct error_text *err)
{
    for (const char *c = format; *c != '\0'; c++) {
        if (*c != '%' && *c != '\\')
            continue;
        if (c[1] != '\0' && strchr(*c == '%' ? "tpoTkvh%" : "nt0\\", c[1]) != NULL) {
            c++;
            continue;
        }
        error_setf(
            err, "--format: '%.2s' is unknown: it must be one of %%t %%p %%o %%T %%k %%v %%h %%%% \\n \\t \\0 \\\\", c);
        return -EINVAL;
    }
    return 0;
}

/* fwrite() takes no NULL, not even for no bytes. */
void format_bytes(FILE *f, const void *data, size_t size)
{
    if (size > 0)
        fwrite(data, 1, size, f);
}

static void print_headers(FILE *f, const struct gq_record *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct gq_header *h = &r->headers[i];

        fprintf(f, "%s%s=", i > 0 ? "," : "", h->name);
        format_bytes(f, h->value, h->value_size);
    }
}

static void print_field(FILE *f, char field, const struct gq_record *r)
{
    switch (field) {
    case 't':
        fputs(r->topic, f);
        break;
    case 'p':
        fprintf(f, "%d", (int)r->partition);
        break;
    case 'o':
        fprintf(f, "%lld", (long long)r->offset);
        break;
    case 'T':
        fprintf(f, "%lld", (long long)r->timestamp_ms);
        break;
    case 'k':
        format_bytes(f, r->key, r->key_size);
        break;
    case 'v':
        format_bytes(f, r->value, r->value_size);
        break;
    case 'h':
        print_headers(f, r);
        break;
    default:
        fputc('%', f);
        break;
    }
}

static char escaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : '\\';
}

void format_print(FILE *f, const char *format, const struct gq_record *record)
{
    for (const char *c = format; *c != '\0'; c++) {
        if (*c == '%')
            print_field(f, *++c, record);
        else
            fputc(*c == '\\' ? escaped(*++c) : *c, f);
    }
}
