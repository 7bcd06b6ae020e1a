/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* 16-byte ids: topics, clusters, replica incarnations. Text form is Kafka's: URL-safe base64 without padding,
 * 22 characters. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 23 /* with the NUL */

static inline bool uuid_is_zero(const struct uuid *u)
{
    static const struct uuid zero;
    return memcmp(u, &zero, sizeof(zero)) == 0;
}

static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Makes a version 4 uuid of 16 random bytes. Its text never begins with '-', so that it can stand as an argument. */
void uuid_from_random(struct uuid *u, const uint8_t random[16]);

void uuid_format(const struct uuid *u, char text[UUID_TEXT_SIZE]);

/* Returns 0, or -EINVAL when text isn't what uuid_format() gives for some id. */
int uuid_parse(const char *text, struct uuid *ret_uuid);
