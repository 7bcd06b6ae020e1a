/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the handlers that change metadata have in common: a request names several things (topics, resources), each is
 * refused or becomes a metadata command, and each gets an error code and a sentence in the answer.
 *
 * In order: make the items with their names, mark what is repeated, start those that are fine, settle when all are
 * back or the time is over. */

#include "base/hash.h"
#include "broker/request.h"

/* Kafka's resource types that have configs here. */
enum {
    BROKER_RESOURCE_TOPIC = 2,
    BROKER_RESOURCE_BROKER = 4,
};

struct broker_item {
    struct slice name; /* null: it doesn't count among those that may not be repeated */
    int8_t type;       /* things of different types may have equal names; 0 where there is one type */
    int16_t error;
    const char *message;    /* why, for people; in the arena or static; NULL when error is 0 */
    struct broker_ask *ask; /* NULL: nothing was proposed */
    struct hash_node by_name;
};

/* Zeroed; NULL when the request failed. */
struct broker_item *broker_items_new(struct broker_request *req, size_t n);

/* Refuses all that a request names more than once (INVALID_REQUEST): none of them is more right than the other. Takes
 * time in proportion to n. */
void broker_items_refuse_repeated(struct broker_request *req, struct broker_item *items, size_t n, const char *message);

/* Doesn't overwrite an earlier refusal. message NULL: the error code's own. */
void broker_item_refuse(struct broker_item *item, int16_t error, const char *message);

/* Where to write the item's command; NULL when the request failed. */
struct wr *broker_item_command(struct broker_request *req, struct broker_item *item);
void broker_item_start(struct broker_item *item);

/* Takes in how the commands ended, those that aren't back as REQUEST_TIMED_OUT, and counts the errors. */
void broker_items_settle(struct broker_request *req, struct broker_item *items, size_t n);
