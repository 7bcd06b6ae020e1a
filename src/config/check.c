/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be said only when all keys are known: keys against each other, older spellings, what doesn't work yet. */

#include <stdarg.h>
#include <stdio.h>

#include "config/cmdline.h"
#include "config/keys.h"

#define KEY(id) (&config_keys[CONFIG_KEY_##id])

void config_key_place(const struct config *c, const struct config_key *k, char place[CONFIG_PLACE_SIZE])
{
    const struct config_origin *origin = &c->origin[config_key_id(k)];

    if (origin->source == CONFIG_FROM_FILE)
        snprintf(place, CONFIG_PLACE_SIZE, "%s:%u: %s", c->file, origin->line, k->path);
    else if (origin->source == CONFIG_FROM_FLAG)
        snprintf(place, CONFIG_PLACE_SIZE, "--%s", cmdline_flag_of(config_key_id(k)));
    else
        snprintf(place, CONFIG_PLACE_SIZE, "%s", k->path);
}

bool config_key_is_default(const struct config *c, const struct config_key *k)
{
    struct config defaults;
    bool equal;

    config_init(&defaults);
    equal = config_key_equal(c, &defaults, k);
    config_fini(&defaults);
    return equal;
}

static bool is_given(const struct config *c, const struct config_key *k)
{
    return c->origin[config_key_id(k)].source != CONFIG_FROM_DEFAULT;
}

_printf_(4, 5) static void refuse(const struct config *c, const struct config_key *k, struct config_report *report,
                                  const char *fmt, ...)
{
    char place[CONFIG_PLACE_SIZE], text[ERROR_TEXT_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    config_key_place(c, k, place);
    config_report_error(report, "%s: %s", place, text);
}

_printf_(4, 5) static void warn(const struct config *c, const struct config_key *k, struct config_report *report,
                                const char *fmt, ...)
{
    char place[CONFIG_PLACE_SIZE], text[ERROR_TEXT_SIZE];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    config_key_place(c, k, place);
    config_report_warning(report, "%s%s", place, text); /* text goes on the sentence */
}

/* --- older spellings --- */

/* Brings one key and its older spelling in performance together. */
static void merge_older(struct config *c, const struct config_key *k, const struct config_key *older,
                        struct config_report *report)
{
    if (!is_given(c, older))
        return;
    if (!is_given(c, k))
        config_key_set_number(c, k, config_key_number(c, older));
    else if (config_key_number(c, k) != config_key_number(c, older))
        warn(c, older, report, " differs from %s, which wins", k->path);
}

static void take_zlib_as_gzip(struct config *c, const struct config_key *k, struct config_report *report)
{
    if (config_key_number(c, k) != CONFIG_COMPRESSION_ZLIB)
        return;
    config_key_set_number(c, k, CONFIG_COMPRESSION_GZIP);
    warn(c, k, report, ": zlib is taken as gzip (the same deflate data; Kafka has no zlib codec)");
}

/* --- checks --- */

/* Keys whose other values would promise what isn't there. */
static void check_refused(const struct config *c, struct config_report *report)
{
    char given[VALUE_TEXT_SIZE], works[VALUE_TEXT_SIZE];

    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];

        if (!(k->flags & CONFIG_REFUSED) || !config_key_is_due_later(k) || config_key_is_default(c, k))
            continue;
        value_format(&k->spec, config_key_number(c, k), given);
        value_format(&k->spec, k->default_number, works);
        refuse(c, k, report, "'%s' doesn't work yet, only '%s' does", given, works);
    }
}

static void check_sizes(const struct config *c, struct config_report *report)
{
    if (c->max_message_size_bytes > c->max_request_size_bytes)
        refuse(c, KEY(max_message_size), report,
               "is larger than max_request_size, so such a message could never arrive");
    if (c->raft.election_rtt < 2 * c->raft.heartbeat_rtt)
        refuse(c, KEY(raft_election_rtt), report, "must be at least twice raft.heartbeat_rtt");
}

static void check_replication(const struct config *c, struct config_report *report)
{
    int64_t factor = c->default_replication_factor;

    if (c->discovery.type != CONFIG_DISCOVERY_MEMORY)
        return;
    if (factor > 1)
        refuse(c, KEY(default_replication_factor), report, "a node alone can't have more than 1 replica");
    else if (c->min_insync_replicas > 1)
        refuse(c, KEY(min_insync_replicas), report,
               "a node alone can't have more than 1 replica, so no topic could be written");
}

static bool is_wildcard(const char *addr)
{
    return strcmp(addr, "0.0.0.0") == 0 || strcmp(addr, "::") == 0;
}

static void check_addresses(const struct config *c, struct config_report *report)
{
    if (c->advertised_addr != NULL && is_wildcard(c->advertised_addr))
        refuse(c, KEY(advertised_addr), report, "no client can connect to %s", c->advertised_addr);
}

static void check_identity(const struct config *c, struct config_report *report)
{
    /* A file with errors may have meant to give one. */
    if (c->node_id == NULL && report->n_errors == 0)
        config_report_usage(report, "--node-id is missing: every node needs a unique name (--node-id=NAME, or node_id "
                                    "in the YAML file)");
}

/* --- reload --- */

void config_hold_back(const struct config *running, struct config *fresh, int64_t max_message_bytes,
                      struct config_report *report)
{
    const struct config_key *k = KEY(max_message_size);
    int64_t limit = MIN(running->max_request_size_bytes, max_message_bytes);
    char was[VALUE_TEXT_SIZE], most[VALUE_TEXT_SIZE];

    if (fresh->max_message_size_bytes <= limit || fresh->max_message_size_bytes == running->max_message_size_bytes)
        return;
    value_format(&k->spec, running->max_message_size_bytes, was);
    value_format(&k->spec, limit, most);
    warn(fresh, k, report, " stays %s until the next restart: %s allows at most %s until then", was,
         limit < max_message_bytes ? "max_request_size" : "the journal", most);
    config_key_copy(fresh, running, k);
}

/* --- warnings --- */

void config_warnings(const struct config *c, struct config_report *report)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct config_key *k = &config_keys[i];

        if (!config_key_is_due_later(k) || (k->flags & CONFIG_REFUSED) || !is_given(c, k) ||
            config_key_is_default(c, k))
            continue;
        if (k == KEY(raft_check_quorum))
            warn(c, k, report, ": false is unsafe (a leader that is cut off goes on as leader) and has no effect yet");
        else
            warn(c, k, report, " has no effect yet");
    }
    if (config_is_exposed(c))
        warn(c, KEY(bind_addr), report, ": %s can be reached from other machines, and clients are not authenticated",
             c->bind_addr);
}

int config_finish(struct config *c, struct config_report *report)
{
    size_t errors = report->n_errors + report->n_more_errors;

    check_identity(c, report);
    take_zlib_as_gzip(c, KEY(compression_type), report);
    take_zlib_as_gzip(c, KEY(performance_compression_type), report);
    merge_older(c, KEY(compression_type), KEY(performance_compression_type), report);
    merge_older(c, KEY(compression_threshold), KEY(performance_compression_threshold), report);
    check_refused(c, report);
    check_sizes(c, report);
    check_replication(c, report);
    check_addresses(c, report);
    config_warnings(c, report);
    return report->n_errors + report->n_more_errors == errors ? 0 : CONFIG_E_INVALID;
}
