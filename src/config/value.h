/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Typed values as people write them: in the YAML file, on a command line, in client.json. A spec says what is allowed;
 * a refusal is a sentence that names the value and what is allowed instead. Pure functions, no state. */

#include <stddef.h>
#include <stdint.h>

#include "base/textbuf.h"

enum value_type {
    VALUE_BOOL,     /* true, false, yes, no, on, off; a number 0 or 1 in memory */
    VALUE_INT,      /* whole number */
    VALUE_DURATION, /* nanoseconds; ns us ms s m h d, also joined ("1h30m") and with fractions ("1.5s") */
    VALUE_SIZE,     /* bytes; B KiB MiB GiB TiB, KB MB GB TB (decimal) */
    VALUE_WORD,     /* one of spec.words */
    VALUE_STRING,   /* any text of at most spec.max bytes */
    VALUE_NAME,     /* letters, digits, '.', '_', '-'; starts with a letter or digit; at most spec.max bytes */
    VALUE_HOST,     /* IPv4 or IPv6 address or host name */
    VALUE_ADDRESS,  /* HOST:PORT or [IPV6]:PORT */
    VALUE_ENDPOINT, /* ADDRESS, http(s)://ADDRESS, or ID=[controller:]ADDRESS */
    VALUE_PATH,
};

struct value_word {
    const char *text; /* NULL ends the table */
    int64_t number;
};

struct value_spec {
    enum value_type type;
    int64_t min, max; /* of the number, or of the length where the type is a text and max isn't 0 */
    /* What one of a bare number is worth, in ns or bytes. 0: a SIZE is bytes, a DURATION other than 0 needs a unit. */
    int64_t bare_unit;
    /* The words of VALUE_WORD; of a number type the words that are allowed beside numbers ("none", "auto"). */
    const struct value_word *words;
};

#define VALUE_USEC INT64_C(1000)
#define VALUE_MSEC (1000 * VALUE_USEC)
#define VALUE_SEC (1000 * VALUE_MSEC)
#define VALUE_MINUTE (60 * VALUE_SEC)
#define VALUE_HOUR (60 * VALUE_MINUTE)
#define VALUE_DAY (24 * VALUE_HOUR)
#define VALUE_KIB INT64_C(1024)
#define VALUE_MIB (1024 * VALUE_KIB)
#define VALUE_GIB (1024 * VALUE_MIB)
#define VALUE_TIB (1024 * VALUE_GIB)

/* Longest text that value_format() writes for a number, with the NUL. */
#define VALUE_TEXT_SIZE 32

/* True when the type's value is a number (or bool or word), false when it is a text. */
bool value_is_number(enum value_type type);

/* Checks text against the spec. Number types set *ret_number (may be NULL for texts). Returns 0 or -EINVAL, -ERANGE
 * with the sentence in err. */
int value_parse(const struct value_spec *spec, const char *text, int64_t *ret_number, struct error_text *err);

/* The number as a person would write it: "10ms", "64MiB", "true", "none". */
void value_format(const struct value_spec *spec, int64_t number, char text[VALUE_TEXT_SIZE]);

/* What is allowed, for a manual: "1 to 65535", "1ms to 10s, or none", "debug, info, warn or error". Cut at size. */
void value_format_allowed(const struct value_spec *spec, char *text, size_t size);

/* Name of a bare number's unit for a manual ("hours", "MiB"), or NULL when a bare number isn't allowed. */
const char *value_bare_unit_name(const struct value_spec *spec);

/* Copies text between quotes for a message: control characters escaped, cut after about 60 bytes. */
#define VALUE_QUOTED_SIZE 96
void value_quote(const char *text, char quoted[VALUE_QUOTED_SIZE]);
