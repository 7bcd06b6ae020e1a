/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values and what is allowed, as text for people. */

#include "config/value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/number.h"

#define QUOTED_BYTES 60

void value_quote(const char *text, char quoted[VALUE_QUOTED_SIZE])
{
    size_t n = 0, i;

    quoted[n++] = '\'';
    for (i = 0; text[i] != '\0' && n < QUOTED_BYTES; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != 0x7f)
            quoted[n++] = (char)c;
        else
            n += (size_t)snprintf(quoted + n, 5, "\\x%02x", c);
    }
    if (text[i] != '\0') {
        /* Cut before a UTF-8 sequence, not inside. */
        while (((unsigned char)text[i] & 0xc0) == 0x80 && i > 0) {
            i--;
            n--;
        }
        memcpy(quoted + n, "...", 3);
        n += 3;
    }
    quoted[n++] = '\'';
    quoted[n] = '\0';
}

/* The unit to write a number in: the largest that divides it, of sizes only the binary ones; 24h rather than 1d. */
static const struct number_unit *best_unit(const struct number_unit *units, int64_t number)
{
    const struct number_unit *best = &units[0];

    for (const struct number_unit *u = units; u->name != NULL; u++) {
        bool decimal = units == number_size_units && u->worth > 1 && u->worth % VALUE_KIB != 0;
        bool one_day = u->worth == VALUE_DAY && units == number_duration_units && number == VALUE_DAY;

        if (number % u->worth == 0 && !decimal && !one_day)
            best = u;
    }
    return best;
}

static void format_units(const struct number_unit *units, int64_t number, char text[VALUE_TEXT_SIZE])
{
    const struct number_unit *u = best_unit(units, number);

    if (number == 0)
        snprintf(text, VALUE_TEXT_SIZE, "0");
    else
        snprintf(text, VALUE_TEXT_SIZE, "%" PRId64 "%s", number / u->worth, u->name);
}

void value_format(const struct value_spec *spec, int64_t number, char text[VALUE_TEXT_SIZE])
{
    for (const struct value_word *w = spec->words; w != NULL && w->text != NULL; w++) {
        if (w->number == number) {
            snprintf(text, VALUE_TEXT_SIZE, "%s", w->text);
            return;
        }
    }
    if (spec->type == VALUE_BOOL)
        snprintf(text, VALUE_TEXT_SIZE, "%s", number != 0 ? "true" : "false");
    else if (spec->type == VALUE_DURATION)
        format_units(number_duration_units, number, text);
    else if (spec->type == VALUE_SIZE)
        format_units(number_size_units, number, text);
    else
        snprintf(text, VALUE_TEXT_SIZE, "%" PRId64, number);
}

/* The rest of a text that is being put together. */
struct room {
    char *p;
    size_t size;
};

_printf_(2, 3) static void put(struct room *room, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(room->p, room->size, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    n = MIN(n, (int)room->size - 1);
    room->p += n;
    room->size -= (size_t)n;
}

static void put_words(struct room *room, const struct value_word *words)
{
    for (const struct value_word *w = words; w->text != NULL; w++)
        put(room, "%s%s", w == words ? "" : w[1].text == NULL ? " or " : ", ", w->text);
}

void value_format_allowed(const struct value_spec *spec, char *text, size_t size)
{
    struct value_spec plain = *spec;
    struct room room = { text, size };
    char min[VALUE_TEXT_SIZE], max[VALUE_TEXT_SIZE];

    gq_assert(size > 0);
    text[0] = '\0';
    if (spec->type == VALUE_BOOL) {
        put(&room, "true or false");
    } else if (spec->type == VALUE_WORD) {
        put_words(&room, spec->words);
    } else if (value_is_number(spec->type)) {
        plain.words = NULL;
        value_format(&plain, spec->min, min);
        value_format(&plain, spec->max, max);
        put(&room, "%s to %s", min, max);
        if (spec->words != NULL) {
            put(&room, ", or ");
            put_words(&room, spec->words);
        }
    } else if (spec->max != 0) {
        put(&room, "at most %" PRId64 " bytes", spec->max);
    }
}

const char *value_bare_unit_name(const struct value_spec *spec)
{
    const struct number_unit *units = spec->type == VALUE_DURATION ? number_duration_units : number_size_units;
    int64_t worth = spec->bare_unit;

    if (spec->type == VALUE_SIZE && worth == 0)
        worth = 1;
    for (const struct number_unit *u = units; u->name != NULL; u++) {
        if (u->worth == worth)
            return u->plural != NULL ? u->plural : u->name;
    }
    return NULL;
}
