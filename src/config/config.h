/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The settings of a daemon: struct config with one plain member for each key of keys.def, and how it is made:
 * defaults, then the YAML file, then the command line, then config_finish(). Nothing here logs, keeps state, or knows
 * the time; the only thing touched outside is the file that config_read_file() is given.
 *
 * A struct config owns its texts. It is made by one thread and then only read; a reload makes another one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/textbuf.h"
#include "config/report.h"
#include "config/value.h"

/* How far the plan has come: keys that are due later are known and checked but have no effect yet. */
#define CONFIG_STEP 2

/* Number members: no limit. Where the table says words_none. */
#define CONFIG_NONE (-1)
/* Number members: chosen at start. Where the table says words_auto. */
#define CONFIG_AUTO 0

enum config_discovery_type {
    CONFIG_DISCOVERY_MEMORY,
    CONFIG_DISCOVERY_STATIC,
    CONFIG_DISCOVERY_ETCD,
};

/* Kafka's codec numbers. */
enum config_compression_type {
    CONFIG_COMPRESSION_NONE = 0,
    CONFIG_COMPRESSION_GZIP = 1,
    CONFIG_COMPRESSION_SNAPPY = 2,
    CONFIG_COMPRESSION_LZ4 = 3,
    CONFIG_COMPRESSION_ZSTD = 4,
    CONFIG_COMPRESSION_ZLIB = 100, /* only while reading: config_finish() makes it GZIP */
};

enum config_log_level {
    CONFIG_LOG_DEBUG,
    CONFIG_LOG_INFO,
    CONFIG_LOG_WARN,
    CONFIG_LOG_ERROR,
};

struct config_list {
    char **items;
    size_t n;
};

struct config_peer {
    char *node_id;
    char *raft_addr;
    bool is_controller;
};

struct config_peers {
    struct config_peer *items;
    size_t n;
};

#define CONFIG_LIST_MAX 1024 /* items of a list */

enum config_key_id {
#define KEY(name, ...) CONFIG_KEY_##name,
#define SUBKEY(section, name, ...) CONFIG_KEY_##section##_##name,
#include "config/keys.def"
    CONFIG_N_KEYS
};

enum config_source {
    CONFIG_FROM_DEFAULT,
    CONFIG_FROM_FILE,
    CONFIG_FROM_FLAG,
};

struct config_origin {
    enum config_source source;
    unsigned line; /* in the file, from 1 */
};

#define CONFIG_MEMBER_BOOL bool
#define CONFIG_MEMBER_INT int64_t
#define CONFIG_MEMBER_DURATION int64_t
#define CONFIG_MEMBER_SIZE int64_t
#define CONFIG_MEMBER_WORD int
#define CONFIG_MEMBER_STRING char *
#define CONFIG_MEMBER_NAME char *
#define CONFIG_MEMBER_HOST char *
#define CONFIG_MEMBER_ADDRESS char *
#define CONFIG_MEMBER_PATH char *
#define CONFIG_MEMBER_ENDPOINTS struct config_list
#define CONFIG_MEMBER_PEERS struct config_peers

struct config {
#define SECTION(name, help) struct {
#define END_SECTION(name) \
    } \
    name;
#define KEY(name, member, type, ...) CONFIG_MEMBER_##type member;
#define SUBKEY(section, name, member, type, ...) CONFIG_MEMBER_##type member;
#include "config/keys.def"
    char *file; /* that was read; NULL none */
    struct config_origin origin[CONFIG_N_KEYS];
};

/* --- life --- */

/* Sets all defaults. */
void config_init(struct config *c);
void config_fini(struct config *c);

/* Reads a YAML text over what c holds. name is what errors call it (copied into c->file). All that is wrong goes into
 * the report as "NAME:LINE: KEY: what"; keys without errors are set. Returns 0 or CONFIG_E_INVALID. */
int config_read(struct config *c, const char *name, const void *data, size_t size, struct config_report *report);
/* The same of a file. A file that can't be read is an error in the report. */
int config_read_file(struct config *c, const char *path, struct config_report *report);

/* After file and command line: brings older spellings together, checks the keys against each other, refuses what
 * doesn't work yet, and adds the warnings. Returns 0 or CONFIG_E_INVALID. */
int config_finish(struct config *c, struct config_report *report);

/* One warning for each key that is set to something else than its default and has no effect yet, and for each
 * setting that is dangerous. Part of config_finish(). */
void config_warnings(const struct config *c, struct config_report *report);

#define CONFIG_E_INVALID (ERROR_BASE_CONFIG + 1) /* see the report; config_report_status() is the exit status */

/* --- what follows from several keys --- */

/* File to log to, malloc'd: logging.file, else NODE.log in log_dir; NULL when there is none. */
char *config_log_file(const struct config *c);

/* default_replication_factor with "auto" settled. */
int config_replication_factor(const struct config *c);

/* performance.spin with "auto" and "none" settled; 0: never. n_threads: reactors and shards, which may wait awake. */
uint64_t config_spin_ns(const struct config *c, unsigned n_cores, unsigned n_threads);

/* True when clients can reach the node from other machines. */
bool config_is_exposed(const struct config *c);

/* --- reload --- */

struct config_change {
    enum config_key_id id;
    bool is_live; /* false: needs a restart */
};

/* Which keys differ, in the order of the table; at most CONFIG_N_KEYS. Returns how many. */
size_t config_diff(const struct config *from, const struct config *to, struct config_change changes[CONFIG_N_KEYS]);

/* Copies the values (and origins) of all LIVE keys. The running config on a reload: a copy of the old one that then
 * adopts the new one. */
void config_adopt_live(struct config *to, const struct config *from);
/* Before that: puts back the LIVE keys of fresh that don't fit what running keeps of the others, with a warning each.
 * max_message_bytes: the largest batch that the journals can take as they were opened. */
void config_hold_back(const struct config *running, struct config *fresh, int64_t max_message_bytes,
                      struct config_report *report);
void config_copy(struct config *to_uninitialised, const struct config *from);

const char *config_key_path(enum config_key_id id);
