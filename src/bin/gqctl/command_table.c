/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/gqctl/command_table.h"

const struct command_spec command_specs[] = {
    [COMMAND_NONE] = { 0 },
    [COMMAND_TOPIC_CREATE] = { "topic create", "create-topic", "NAME", "Create a topic", NULL },
    [COMMAND_TOPIC_LIST] = { "topic list", "list-topics", NULL, "List all topics", NULL },
    [COMMAND_TOPIC_DESCRIBE] = { "topic describe", "describe-topic", "NAME",
                                 "Show partitions, offsets and configs of a topic", NULL },
    [COMMAND_TOPIC_INFO] = { NULL, "topic-info", NULL, NULL, NULL },
    [COMMAND_TOPIC_DELETE] = { "topic delete", "delete-topic", "NAME", "Delete a topic with all its messages", NULL },
    [COMMAND_PRODUCE] = { "produce", "produce", "NAME", "Send each line of standard input as a message",
                          "It ends when all messages are acknowledged, which means on disk." },
    [COMMAND_CONSUME] = { "consume", "consume", "NAME", "Print messages",
                          "It reads up to the end that the topic had at the start, unless --follow is given." },
    [COMMAND_CLUSTER_STATUS] = { "cluster status", NULL, NULL, "Show what a broker says about itself", NULL },
    [COMMAND_LOG_DUMP] = { "log dump", NULL, "FILE...", "Show what lies in journal and segment files",
                           "Works offline: no broker is asked, nothing is changed." },
    [COMMAND_HELP] = { "help", NULL, "[COMMAND]", "Show what gqctl or a command can do", NULL },
    [COMMAND_VERSION] = { 0 },
};
const size_t n_command_specs = ARRAY_SIZE(command_specs);

static const struct value_word offsets[] = {
    { "beginning", -1 },
    { "end", GQ_OFFSET_WORD_END },
    { 0 },
};
static const struct value_word strategies[] = {
    { "manual", GQ_STRATEGY_MANUAL },
    { "round-robin", GQ_STRATEGY_ROUND_ROBIN },
    { "random", GQ_STRATEGY_RANDOM },
    { "hash", GQ_STRATEGY_HASH },
    { 0 },
};
static const struct value_word compressions[] = {
    { "none", GQ_COMPRESSION_NONE }, { "gzip", GQ_COMPRESSION_GZIP }, { "snappy", GQ_COMPRESSION_SNAPPY },
    { "lz4", GQ_COMPRESSION_LZ4 },   { "zstd", GQ_COMPRESSION_ZSTD }, { 0 },
};

#define ADDRESS_VALUE \
    { \
        VALUE_ADDRESS \
    }
#define PATH_VALUE \
    { \
        VALUE_PATH \
    }
#define STRING_VALUE \
    { \
        VALUE_STRING \
    }
#define BOOL_VALUE \
    { \
        VALUE_BOOL \
    }
#define TIMEOUT_VALUE \
    { \
        VALUE_DURATION, .min = VALUE_MSEC, .max = CLIENT_FILE_TIMEOUT_MAX_NS \
    }
#define COUNT_VALUE \
    { \
        VALUE_INT, .min = 1, .max = INT32_MAX \
    }
#define REPLICAS_VALUE \
    { \
        VALUE_INT, .min = 1, .max = INT16_MAX \
    }
#define PARTITION_VALUE \
    { \
        VALUE_INT, .min = -1, .max = INT32_MAX \
    }
#define MESSAGES_VALUE \
    { \
        VALUE_INT, .min = -1, .max = INT64_MAX \
    }
#define OFFSET_VALUE \
    { \
        VALUE_INT, .min = -1, .max = INT64_MAX, .words = offsets \
    }
#define DELIMITER_VALUE \
    { \
        VALUE_STRING, .min = 1, .max = 1 \
    }
#define STRATEGY_VALUE \
    { \
        VALUE_WORD, .words = strategies \
    }
#define COMPRESSION_VALUE \
    { \
        VALUE_WORD, .words = compressions \
    }

#define WITH_BROKER \
    (BIT(TOPIC_CREATE) | BIT(TOPIC_LIST) | BIT(TOPIC_DESCRIBE) | BIT(TOPIC_INFO) | BIT(TOPIC_DELETE) | BIT(PRODUCE) | \
     BIT(CONSUME) | BIT(CLUSTER_STATUS))
#define EVERY_COMMAND UINT32_MAX

const struct flag_spec gqctl_flags[] = {
#define FLAG(flag, other, spec, shown, commands, text, otherwise) \
    { .name = flag, .alias = other, .value = spec, .value_name = shown, .help = text, .def = otherwise },
#include "bin/gqctl/flags.def"
#undef FLAG
};
const size_t n_gqctl_flags = ARRAY_SIZE(gqctl_flags);

const uint32_t gqctl_flag_commands[] = {
#define FLAG(flag, other, spec, shown, commands, text, otherwise) commands,
#include "bin/gqctl/flags.def"
#undef FLAG
};
