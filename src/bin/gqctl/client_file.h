/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* client.json:
 *
 *     {
 *       "broker_addrs": ["127.0.0.1:9092"], "timeout": "10s", "log_file": "logs/client.log",
 *       "command": { "type": "produce", "topic": "t", "partition": 0, "replicas": 1, "message": "hello",
 *                    "offset": 0, "count": 5 }
 *     }
 *
 * All keys may be missing; others, and values of a wrong type or out of range, are errors. */

#include <jansson.h>

#include "base/textbuf.h"

#define CLIENT_FILE_DEFAULT "configs/client.json"
#define CLIENT_FILE_TIMEOUT_MAX_NS (24 * 3600 * INT64_C(1000000000))

struct client_file {
    const char **brokers;
    size_t n_brokers;
    int64_t timeout_ns; /* 0: not in it */
    const char *log_file;
    const char *type, *topic, *message; /* NULL: not in it */
    bool has_partition, has_replicas, has_offset, has_count;
    int64_t partition, replicas, offset, count;
    json_t *root; /* owns the texts */
};

/* Returns 0, -ENOENT when there is no such file, another negative errno when it can't be read, or -EINVAL with file,
 * line or key in err. client_file_fini() frees it, in any state. */
int client_file_read(struct client_file *f, const char *path, struct error_text *err);
void client_file_fini(struct client_file *f);
