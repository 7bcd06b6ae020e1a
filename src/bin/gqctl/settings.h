/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gqctl shall do: a command line in one of two forms, over client.json, over defaults.
 *
 *     gqctl topic create NAME --partitions 3            words and flags
 *     gqctl -config=client.json -cmd=create-topic …     flags only
 *
 * A flag that is given wins over client.json, which wins over the default. The "command" of client.json counts in the
 * second form only. Nothing is printed here. */

#include "base/textbuf.h"
#include "bin/gqctl/client_file.h"
#include "client/goqueue.h"
#include "config/flags.h"

enum command {
    COMMAND_NONE,
    COMMAND_TOPIC_CREATE,
    COMMAND_TOPIC_LIST,
    COMMAND_TOPIC_DESCRIBE,
    COMMAND_TOPIC_INFO,
    COMMAND_TOPIC_DELETE,
    COMMAND_PRODUCE,
    COMMAND_CONSUME,
    COMMAND_CLUSTER_STATUS,
    COMMAND_LOG_DUMP,
    COMMAND_HELP,
    COMMAND_VERSION,
};

struct settings {
    enum command command;
    enum command help_about; /* of COMMAND_HELP; COMMAND_NONE: about gqctl */
    bool json;

    const char **brokers;
    size_t n_brokers;
    int32_t timeout_ms;
    const char *log_file; /* NULL: none */

    const char *topic;
    int32_t partitions, replicas;
    struct gq_config *configs;
    size_t n_configs;

    int32_t partition;   /* GQ_PARTITION_ANY: all, or as the strategy says */
    const char *message; /* NULL: standard input */
    int64_t count;       /* -1: once, or up to the end */

    enum gq_strategy strategy;
    char key_delimiter; /* 0: none */
    struct gq_header *headers;
    size_t n_headers;
    enum gq_compression compression;

    int64_t offset; /* or GQ_OFFSET_BEGINNING, GQ_OFFSET_END */
    bool follow;
    const char *format; /* NULL: the value and a newline */

    char **files; /* of log dump */
    size_t n_files;

    /* What the texts above point into. */
    struct flag_set flags;
    struct client_file file;
    char **copies;
    size_t n_copies;
};

/* Returns 0, or the exit status to end with (EX_USAGE, EX_CONFIG) and a sentence in err. settings_fini() frees in
 * either case. */
int settings_init(struct settings *s, int argc, char **argv, struct error_text *err);
void settings_fini(struct settings *s);

/* The text of "gqctl help" or "gqctl help COMMAND", malloc'd. */
char *settings_help(enum command about);
