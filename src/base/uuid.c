/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/uuid.h"

#include <errno.h>

#include "base/util.h"

#define TEXT_LEN (UUID_TEXT_SIZE - 1)
#define DASH_VALUE 62 /* of '-' in URL-safe base64 */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_from_random(struct uuid *u, const uint8_t random[16])
{
    memcpy(u->bytes, random, sizeof(u->bytes));
    u->bytes[6] = (u->bytes[6] & 0x0f) | 0x40; /* RFC 9562: version 4, random */
    u->bytes[8] = (u->bytes[8] & 0x3f) | 0x80; /* its variant */
    if (u->bytes[0] >> 2 == DASH_VALUE)
        u->bytes[0] ^= 0x80;
}

void uuid_format(const struct uuid *u, char text[UUID_TEXT_SIZE])
{
    for (int i = 0; i < TEXT_LEN; i++) {
        int bit = i * 6, byte = bit / 8;
        unsigned window = (unsigned)u->bytes[byte] << 8 | (byte + 1 < 16 ? u->bytes[byte + 1] : 0);

        text[i] = alphabet[window >> (10 - bit % 8) & 0x3f];
    }
    text[TEXT_LEN] = '\0';
}

static int digit_value(char c)
{
    const char *p = c != '\0' ? strchr(alphabet, c) : NULL;

    return p != NULL ? (int)(p - alphabet) : -1;
}

int uuid_parse(const char *text, struct uuid *ret_uuid)
{
    struct uuid u;
    unsigned window = 0;
    int n_bits = 0, n_bytes = 0;

    if (strlen(text) != TEXT_LEN)
        return -EINVAL;
    for (int i = 0; i < TEXT_LEN; i++) {
        int value = digit_value(text[i]);

        if (value < 0)
            return -EINVAL;
        window = window << 6 | (unsigned)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            u.bytes[n_bytes++] = (uint8_t)(window >> n_bits);
        }
    }
    /* Four bits are left over; a set one would give one id several texts. */
    if ((window & 0x0f) != 0)
        return -EINVAL;
    gq_assert(n_bytes == 16);
    *ret_uuid = u;
    return 0;
}
