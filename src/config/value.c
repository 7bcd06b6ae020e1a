/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/value.h"

#include <strings.h>

#include "config/number.h"
#include "config/text.h"

static const struct value_word bool_words[] = {
    { "true", 1 }, { "false", 0 }, { "yes", 1 }, { "no", 0 }, { "on", 1 }, { "off", 0 }, { NULL, 0 },
};

/* What a value of the type is called in a refusal. */
static const char *const type_names[] = {
    [VALUE_BOOL] = "true or false",
    [VALUE_INT] = "a whole number",
    [VALUE_DURATION] = "a duration (like 5s, 10ms, 24h)",
    [VALUE_SIZE] = "a size (like 1048576, 64MiB, 1GB)",
    [VALUE_NAME] = "a name (letters, digits, '.', '_', '-'; a letter or digit first)",
    [VALUE_HOST] = "an IP address or host name",
    [VALUE_ADDRESS] = "an address (like 127.0.0.1:7001 or [::1]:7001)",
    [VALUE_ENDPOINT] = "an endpoint (like 127.0.0.1:2379, https://host:2379 or n1=127.0.0.1:7001)",
    [VALUE_PATH] = "a path",
};

bool value_is_number(enum value_type type)
{
    return type <= VALUE_WORD;
}

static bool find_word(const struct value_word *words, const char *text, int64_t *ret_number)
{
    for (const struct value_word *w = words; w != NULL && w->text != NULL; w++) {
        if (strcasecmp(w->text, text) == 0) {
            *ret_number = w->number;
            return true;
        }
    }
    return false;
}

static int parse_number(const struct value_spec *spec, const char *text, int64_t *ret)
{
    switch (spec->type) {
    case VALUE_INT:
        return number_parse_int(text, ret);
    case VALUE_DURATION:
        return number_parse_duration(text, spec->bare_unit, ret);
    case VALUE_SIZE:
        return number_parse_size(text, spec->bare_unit != 0 ? spec->bare_unit : 1, ret);
    default:
        return -EINVAL; /* only its words are allowed */
    }
}

static int refuse(const struct value_spec *spec, const char *text, int reason, struct error_text *err)
{
    char quoted[VALUE_QUOTED_SIZE], allowed[256];

    value_quote(text, quoted);
    value_format_allowed(spec, allowed, sizeof(allowed));
    if (reason == -ERANGE)
        error_setf(err, "%s is out of range (%s)", quoted, allowed);
    else if (reason == -ENODATA)
        error_setf(err, "%s needs a unit (like 5s, 10ms, 24h)", quoted);
    else if (spec->type == VALUE_WORD)
        error_setf(err, "%s is not one of %s", quoted, allowed);
    else if (spec->words != NULL)
        error_setf(err, "%s is not %s or '%s'", quoted, type_names[spec->type], spec->words->text);
    else
        error_setf(err, "%s is not %s", quoted, type_names[spec->type]);
    return reason == -ERANGE ? -ERANGE : -EINVAL;
}

static int check_length(const struct value_spec *spec, const char *text, struct error_text *err)
{
    char quoted[VALUE_QUOTED_SIZE];

    if (spec->max == 0 || strlen(text) <= (size_t)spec->max)
        return 0;
    value_quote(text, quoted);
    error_setf(err, "%s is longer than %d bytes", quoted, (int)spec->max);
    return -ERANGE;
}

static bool text_fits(enum value_type type, const char *text)
{
    switch (type) {
    case VALUE_STRING:
        return true;
    case VALUE_NAME:
        return text_is_name(text, strlen(text));
    case VALUE_HOST:
        return text_is_host(text, strlen(text));
    case VALUE_ADDRESS:
        return text_is_address(text);
    case VALUE_ENDPOINT:
        return text_is_endpoint(text);
    case VALUE_PATH:
        return text_is_path(text);
    default:
        return false;
    }
}

int value_parse(const struct value_spec *spec, const char *text, int64_t *ret_number, struct error_text *err)
{
    int64_t v;
    int r;

    if (!value_is_number(spec->type)) {
        if (!text_fits(spec->type, text))
            return refuse(spec, text, -EINVAL, err);
        return check_length(spec, text, err);
    }
    if (find_word(spec->type == VALUE_BOOL ? bool_words : spec->words, text, &v)) {
        *ret_number = v;
        return 0;
    }
    r = parse_number(spec, text, &v);
    if (r == 0 && (v < spec->min || v > spec->max))
        r = -ERANGE;
    if (r < 0)
        return refuse(spec, text, r, err);
    *ret_number = v;
    return 0;
}
