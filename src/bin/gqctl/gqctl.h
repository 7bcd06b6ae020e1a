/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gqctl from the inside: command line and client.json become struct settings; each command is one function over it.
 * One thread, but for the log callback. */

#include <sysexits.h>

#include "bin/gqctl/settings.h"
#include "client/goqueue.h"

struct run {
    const struct settings *settings;
    struct gq_client *client; /* NULL for commands without a broker */
};

/* --- commands: return the exit status, and have said on standard error why it isn't 0 --- */

int run_topic_create(struct run *run);
int run_topic_list(struct run *run);
int run_topic_describe(struct run *run); /* topic-info too */
int run_topic_delete(struct run *run);
int run_produce(struct run *run);
int run_consume(struct run *run);
int run_cluster_status(struct run *run);
int run_log_dump(struct run *run);

/* --- interrupt.c --- */

/* From here on the first SIGINT or SIGTERM only makes interrupted() true; a second one ends the process. */
void interrupt_catch(void);
bool interrupted(void);
#define EXIT_INTERRUPTED 130
