/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/uuid.h"

#include <errno.h>

#include "base/suites.h"
#include "support/rand.h"

/* Texts as Kafka's Uuid.toString() gives them: Base64.getUrlEncoder().withoutPadding(). */
START_TEST(text_is_kafkas)
{
    static const struct {
        struct uuid u;
        const char *text;
    } cases[] = {
        { { { 0 } }, "AAAAAAAAAAAAAAAAAAAAAA" },
        { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, "AAAAAAAAAAAAAAAAAAAAAQ" },
        { { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
          "_____________________w" },
        { { { 0xfb, 0xef, 0xbe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 } }, "----AQIDBAUGBwgJCgsMDQ" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[UUID_TEXT_SIZE];
        struct uuid u;

        uuid_format(&cases[i].u, text);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert_int_eq(uuid_parse(text, &u), 0);
        ck_assert(uuid_eq(&u, &cases[i].u));
    }
    ck_assert(uuid_is_zero(&cases[0].u));
    ck_assert(!uuid_is_zero(&cases[1].u));
}
END_TEST

START_TEST(other_texts_are_refused)
{
    static const char *const bad[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",    /* 21 */
        "AAAAAAAAAAAAAAAAAAAAAAA",  /* 23 */
        "AAAAAAAAAAAAAAAAAAAAAA==", /* padding */
        "AAAAAAAAAAAAAAAAAAAAAB",   /* bits left over */
        "AAAAAAAAAAAAAAAAAAAAAI",   /* likewise, the highest of them */
        "AAAAAAAAAAAAAAAAAAAA+A",   /* the other base64 */
        "AAAAAAAAAAAAAAAAAAAA A",
    };
    struct uuid u = { { 7 } };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(uuid_parse(bad[i], &u), -EINVAL);
    ck_assert_uint_eq(u.bytes[0], 7);
}
END_TEST

START_TEST(random_ones_round_trip)
{
    struct rand r;

    rand_init(&r);
    for (int i = 0; i < 2000; i++) {
        char text[UUID_TEXT_SIZE];
        uint8_t random[16];
        struct uuid u, back;

        rand_fill(&r, random, sizeof(random));
        uuid_from_random(&u, random);
        ck_assert_uint_eq(u.bytes[6] >> 4, 4);
        ck_assert_uint_eq(u.bytes[8] >> 6, 2);
        uuid_format(&u, text);
        ck_assert_int_ne(text[0], '-');
        ck_assert_int_eq(uuid_parse(text, &back), 0);
        ck_assert(uuid_eq(&u, &back));
    }
}
END_TEST

Suite *uuid_suite(void)
{
    Suite *s = suite_create("uuid");

    suite_add(s, text_is_kafkas);
    suite_add(s, other_texts_are_refused);
    suite_add(s, random_ones_round_trip);
    return s;
}
