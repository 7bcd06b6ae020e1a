/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/items.h"

#include "broker/internal.h"

struct broker_item *broker_items_new(struct broker_request *req, size_t n)
{
    return broker_alloc(req, n, sizeof(struct broker_item));
}

static struct broker_item *find_other(const struct hash_table *seen, const struct broker_item *item, uint64_t hash)
{
    struct hash_node *node = hash_first(seen, hash);

    for (; node != NULL; node = hash_next(node)) {
        struct broker_item *other = container_of(node, struct broker_item, by_name);

        if (other->type == item->type && slice_eq(other->name, item->name))
            return other;
    }
    return NULL;
}

void broker_items_refuse_repeated(struct broker_request *req, struct broker_item *items, size_t n, const char *message)
{
    struct hash_table seen;

    hash_table_init(&seen);
    for (size_t i = 0; i < n; i++) {
        struct broker_item *item = &items[i], *other;
        uint64_t hash;

        if (slice_is_null(item->name))
            continue;
        hash = hash_bytes(item->name.data, item->name.size, req->broker->hash_seed);
        other = find_other(&seen, item, hash);
        if (other == NULL) {
            hash_insert(&seen, &item->by_name, hash);
            continue;
        }
        broker_item_refuse(other, KAFKA_E_INVALID_REQUEST, message);
        broker_item_refuse(item, KAFKA_E_INVALID_REQUEST, message);
    }
    hash_table_fini(&seen);
}

void broker_item_refuse(struct broker_item *item, int16_t error, const char *message)
{
    if (item->error != 0)
        return;
    item->error = error;
    item->message = message != NULL ? message : kafka_error_text(error);
}

struct wr *broker_item_command(struct broker_request *req, struct broker_item *item)
{
    item->ask = broker_ask_new(req);
    return item->ask != NULL ? &item->ask->body : NULL;
}

void broker_item_start(struct broker_item *item)
{
    broker_ask_start(item->ask);
}

void broker_items_settle(struct broker_request *req, struct broker_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct broker_item *item = &items[i];
        int16_t error = item->ask != NULL ? broker_ask_error(item->ask) : 0;

        if (error != 0)
            broker_item_refuse(item, error, NULL);
        broker_count_error(req, item->error);
    }
}
