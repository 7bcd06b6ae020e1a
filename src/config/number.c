/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/number.h"

#include "base/util.h"
#include "config/value.h"

const struct number_unit number_duration_units[] = {
    { "ns", 1, "nanoseconds" },           { "us", VALUE_USEC, "microseconds" },
    { "ms", VALUE_MSEC, "milliseconds" }, { "s", VALUE_SEC, "seconds" },
    { "m", VALUE_MINUTE, "minutes" },     { "h", VALUE_HOUR, "hours" },
    { "d", VALUE_DAY, "days" },           { NULL, 0, NULL },
};

const struct number_unit number_size_units[] = {
    { "B", 1, "bytes" },
    { "KB", 1000, NULL },
    { "kB", 1000, NULL },
    { "KiB", VALUE_KIB, NULL },
    { "MB", 1000 * 1000, NULL },
    { "MiB", VALUE_MIB, NULL },
    { "GB", INT64_C(1000) * 1000 * 1000, NULL },
    { "GiB", VALUE_GIB, NULL },
    { "TB", INT64_C(1000) * 1000 * 1000 * 1000, NULL },
    { "TiB", VALUE_TIB, NULL },
    { NULL, 0, NULL },
};

#define FRACTION_DIGITS_MAX 9

/* digits[.digits] */
struct decimal {
    int64_t whole;
    int64_t fraction, fraction_scale; /* fraction / fraction_scale */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int scan_digits(const char **p, int64_t *ret)
{
    int64_t v = 0;

    if (!is_digit(**p))
        return -EINVAL;
    for (; is_digit(**p); (*p)++) {
        if (mul_overflows(v, 10, &v) || add_overflows(v, **p - '0', &v))
            return -ERANGE;
    }
    *ret = v;
    return 0;
}

static int scan_decimal(const char **p, struct decimal *ret)
{
    struct decimal d = { .fraction_scale = 1 };
    int r = scan_digits(p, &d.whole);

    if (r < 0)
        return r;
    if (**p == '.') {
        (*p)++;
        if (!is_digit(**p))
            return -EINVAL;
        for (int n = 0; is_digit(**p); (*p)++, n++) {
            if (n == FRACTION_DIGITS_MAX)
                return -EINVAL;
            d.fraction = d.fraction * 10 + (**p - '0');
            d.fraction_scale *= 10;
        }
    }
    *ret = d;
    return 0;
}

static int decimal_times(const struct decimal *d, int64_t worth, int64_t *ret)
{
    unsigned __int128 part = (unsigned __int128)d->fraction * (unsigned __int128)worth;
    int64_t v;

    if (part % (unsigned __int128)d->fraction_scale != 0)
        return -EINVAL;
    if (mul_overflows(d->whole, worth, &v))
        return -ERANGE;
    /* Less than one unit, so it fits. */
    if (add_overflows(v, (int64_t)(part / (unsigned __int128)d->fraction_scale), &v))
        return -ERANGE;
    *ret = v;
    return 0;
}

/* The unit whose name is the run of letters at *p; NULL if it is none. */
static const struct number_unit *scan_unit(const char **p, const struct number_unit *units)
{
    size_t n = 0;

    while (is_letter((*p)[n]))
        n++;
    for (const struct number_unit *u = units; u->name != NULL; u++) {
        if (strlen(u->name) == n && memcmp(u->name, *p, n) == 0) {
            *p += n;
            return u;
        }
    }
    return NULL;
}

static int bare_number(const struct decimal *d, int64_t bare_unit, int64_t *ret)
{
    if (bare_unit == 0) {
        if (d->whole != 0 || d->fraction != 0)
            return -ENODATA;
        *ret = 0;
        return 0;
    }
    return decimal_times(d, bare_unit, ret);
}

/* One number with its unit, at *p. *ret_bare: there was no unit. */
static int scan_quantity(const char **p, const struct number_unit *units, int64_t bare_unit, int64_t *ret,
                         bool *ret_bare)
{
    const struct number_unit *unit;
    struct decimal d;
    int r = scan_decimal(p, &d);

    *ret_bare = false;
    if (r < 0)
        return r;
    *ret_bare = **p == '\0';
    if (*ret_bare)
        return bare_number(&d, bare_unit, ret);
    if (**p == ' ')
        (*p)++;
    unit = scan_unit(p, units);
    return unit != NULL ? decimal_times(&d, unit->worth, ret) : -EINVAL;
}

int number_parse_int(const char *text, int64_t *ret)
{
    const char *p = text;
    bool negative = *p == '-';
    int64_t v;
    int r;

    if (negative)
        p++;
    r = scan_digits(&p, &v);
    if (r < 0)
        return r;
    if (*p != '\0')
        return -EINVAL;
    *ret = negative ? -v : v;
    return 0;
}

int number_parse_duration(const char *text, int64_t bare_unit, int64_t *ret_ns)
{
    int64_t total = 0, part;
    const char *p = text;
    bool bare, first = true;

    do {
        int r = scan_quantity(&p, number_duration_units, bare_unit, &part, &bare);

        /* "1h30" would be a guess. */
        if ((r == 0 || r == -ENODATA) && bare && !first)
            return -EINVAL;
        if (r < 0)
            return r;
        first = false;
        if (add_overflows(total, part, &total))
            return -ERANGE;
        if (*p == ' ' && p[1] != '\0')
            p++;
    } while (*p != '\0');
    *ret_ns = total;
    return 0;
}

int number_parse_size(const char *text, int64_t bare_unit, int64_t *ret_bytes)
{
    const char *p = text;
    int64_t v;
    bool bare;
    int r = scan_quantity(&p, number_size_units, bare_unit, &v, &bare);

    if (r < 0)
        return r;
    if (*p != '\0')
        return -EINVAL;
    *ret_bytes = v;
    return 0;
}
