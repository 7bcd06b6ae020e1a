/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/internal.h"

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_BATCH_MESSAGES 10000
#define DEFAULT_BATCH_TIMEOUT_MS 5
#define DEFAULT_PENDING_BYTES (INT64_C(32) << 20)

static void apply_defaults(struct gq_client_config *c)
{
    if (c->timeout_ms == 0)
        c->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (c->batch_messages == 0)
        c->batch_messages = DEFAULT_BATCH_MESSAGES;
    if (c->batch_timeout_ms == 0)
        c->batch_timeout_ms = DEFAULT_BATCH_TIMEOUT_MS;
    if (c->pending_bytes == 0)
        c->pending_bytes = DEFAULT_PENDING_BYTES;
    c->client_id = xstrdup(c->client_id != NULL ? c->client_id : "goqueue");
}

/* A comma would be taken for two addresses further down. */
static int check_config(const struct gq_client_config *c, struct gq_error *err)
{
    if (c->n_broker_addrs == 0)
        return error_set(err, -EINVAL, "", "a client needs at least one broker address");
    for (size_t i = 0; i < c->n_broker_addrs; i++) {
        if (c->broker_addrs[i][0] == '\0' || strpbrk(c->broker_addrs[i], ", \t\n") != NULL)
            return error_set(err, -EINVAL, "", "'%s' is not a broker address (HOST:PORT)", c->broker_addrs[i]);
    }
    if (c->timeout_ms < 0 || c->batch_messages < 0 || c->pending_bytes < 0)
        return error_set(err, -EINVAL, "", "timeout, batch size and pending bytes can't be negative");
    if ((unsigned)c->compression > GQ_COMPRESSION_ZSTD)
        return error_set(err, -EINVAL, "", "there is no compression with number %d", (int)c->compression);
    return 0;
}

int gq_client_new(const struct gq_client_config *config, struct gq_client **ret_client, struct gq_error *err)
{
    struct gq_client *client;
    int r = check_config(config, err);

    if (r < 0)
        return r;
    client = xcalloc(1, sizeof(*client));
    client->config = *config;
    apply_defaults(&client->config);
    client->n_addrs = config->n_broker_addrs;
    client->addrs = xcalloc(client->n_addrs, sizeof(*client->addrs));
    for (size_t i = 0; i < client->n_addrs; i++)
        client->addrs[i] = xstrdup(config->broker_addrs[i]);
    client->config.broker_addrs = (const char *const *)client->addrs;
    *ret_client = client;
    return 0;
}

void gq_client_free(struct gq_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < client->n_addrs; i++)
        free(client->addrs[i]);
    free(client->addrs);
    free((char *)client->config.client_id);
    free(client);
}

int32_t client_timeout_ms(const struct gq_client *client)
{
    return client->config.timeout_ms;
}
