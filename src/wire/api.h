/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables of the APIs and messages that the codec knows, made from the schemas. Constant; any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cursor.h"

/* A message without its type, for code that handles all of them alike (tests, fuzzing). m points to the message's
 * struct of struct_size bytes. For what the functions do see wire_messages.h. */
struct wire_message_info {
    int16_t api_key;  /* -1 for headers */
    const char *name; /* "produce_request" */
    bool is_request;
    int16_t min_version, max_version;
    int16_t first_flexible; /* INT16_MAX: never */
    uint32_t struct_size;
    void (*init)(void *m);
    int (*decode)(void *m, struct rd *r, int16_t version, struct arena *a);
    void (*encode)(const void *m, struct wr *w, int16_t version);
};

struct wire_api {
    int16_t key;
    const char *name;                 /* Kafka's, such as "OffsetForLeaderEpoch" */
    int16_t min_version, max_version; /* what ApiVersions advertises; all of them can be decoded and encoded */
    int16_t min_served;     /* below it the request is only decoded to be answered with KAFKA_E_UNSUPPORTED_VERSION */
    int16_t first_flexible; /* INT16_MAX: never */
    const struct wire_message_info *request, *response;
};

/* In ascending order of the keys; the order that ApiVersions lists them in. */
extern const struct wire_api wire_apis[];
extern const size_t wire_n_apis;

extern const struct wire_message_info wire_messages[];
extern const size_t wire_n_messages;

/* The API of a key, or NULL when it isn't known. */
const struct wire_api *wire_api(int16_t key);

static inline bool wire_api_is_known(int16_t key)
{
    return wire_api(key) != NULL;
}

static inline bool wire_api_has_version(const struct wire_api *api, int16_t version)
{
    return version >= api->min_version && version <= api->max_version;
}
