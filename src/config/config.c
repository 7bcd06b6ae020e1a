/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config/config.h"

#include "config/keys.h"
#include "config/text.h"

#define DEFAULT_SPIN_NS (20ull * 1000)

static void set_default(struct config *c, const struct config_key *k)
{
    struct error_text err;

    if (k->shape != CONFIG_SCALAR)
        return;
    if (value_is_number(k->spec.type))
        config_key_set_number(c, k, k->default_number);
    else if (k->default_text != NULL)
        gq_assert(config_key_set(c, k, k->default_text, &err) == 0);
}

void config_init(struct config *c)
{
    memset(c, 0, sizeof(*c));
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        set_default(c, &config_keys[i]);
}

void config_fini(struct config *c)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        config_key_clear(c, &config_keys[i]);
    free(c->file);
    c->file = NULL;
}

void config_copy(struct config *to_uninitialised, const struct config *from)
{
    memset(to_uninitialised, 0, sizeof(*to_uninitialised));
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        config_key_copy(to_uninitialised, from, &config_keys[i]);
    if (from->file != NULL)
        to_uninitialised->file = xstrdup(from->file);
}

size_t config_diff(const struct config *from, const struct config *to, struct config_change changes[CONFIG_N_KEYS])
{
    size_t n = 0;

    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];

        if (!config_key_equal(from, to, k))
            changes[n++] = (struct config_change){ config_key_id(k), (k->flags & CONFIG_LIVE) != 0 };
    }
    return n;
}

void config_adopt_live(struct config *to, const struct config *from)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        if (config_keys[i].flags & CONFIG_LIVE)
            config_key_copy(to, from, &config_keys[i]);
    }
}

char *config_log_file(const struct config *c)
{
    if (c->logging.file != NULL)
        return xstrdup(c->logging.file);
    if (c->log_dir != NULL && c->node_id != NULL)
        return xasprintf("%s/%s.log", c->log_dir, c->node_id);
    return NULL;
}

int config_replication_factor(const struct config *c)
{
    if (c->default_replication_factor != CONFIG_AUTO)
        return (int)c->default_replication_factor;
    return c->discovery.type == CONFIG_DISCOVERY_MEMORY ? 1 : 3;
}

/* A thread that waits awake needs a core that nobody else wants. */
uint64_t config_spin_ns(const struct config *c, unsigned n_cores, unsigned n_threads)
{
    int64_t chosen = c->performance.spin_ns;

    if (chosen != CONFIG_AUTO)
        return chosen == CONFIG_NONE ? 0 : (uint64_t)chosen;
    return n_cores > n_threads ? DEFAULT_SPIN_NS : 0;
}

bool config_is_exposed(const struct config *c)
{
    return !text_is_loopback(c->bind_addr);
}
