/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* brokerd: one node in one process. main.c has the command line, start.c brings everything up and down, turn.c is what
 * runs on the reactors, reload.c is SIGHUP, repair.c is --repair, http.c leads from the node to admin/. */

#include "config/cmdline.h"
#include "node/node.h"

#include "sys/addr.h"
#include "sys/listen.h"
#include "sys/log.h"
#include "sys/runtime.h"
#include "sys/thread.h"

struct admin;
struct brokerd;

/* What a reactor's thread has of its own. */
struct brokerd_reactor {
    struct brokerd *daemon;
    unsigned index;
    bool told_ready, told_stopped, told_full;
    struct lane_mail ready_mail;
    const struct config *config; /* what it goes by */
};

struct brokerd {
    const struct cmdline *cmdline;
    struct config_environment environment;
    struct config *config; /* in force; the main thread's, reactors have theirs */
    struct env_disk *disk;
    struct sys_passed passed;
    struct sys_listener listener, raft_listener; /* the latter in a cluster only */
    struct sys_runtime *runtime;
    struct sys_starting *starting; /* while the node is opened */
    struct node *node;
    struct admin *admin; /* NULL: http is off */
    struct sys_thread admin_thread;
    bool admin_runs;
    unsigned n_reactors;
    struct env **envs; /* the runtime's */
    struct brokerd_reactor *reactors;
    unsigned n_ready; /* reactor 0 only */
    uint64_t started_ns, max_files;
    uint64_t connection_files; /* so many connections have descriptors, whatever max_connections becomes */
    int exit_status;
};

/* Runs until it is told to stop. Returns the exit status. */
int brokerd_run(const struct cmdline *cmdline, const struct config_environment *environment, struct config *config);

/* repair.c: repairs the data directory and prints what it does. Returns the exit status. */
int brokerd_repair(const struct cmdline *cmdline, struct config *config, int argc, char **argv);

/* start.c */
void brokerd_log_options(const struct config *c, struct sys_log_options *ret);

/* turn.c */
uint64_t brokerd_turn(void *ctx, uint64_t now_ns);
void brokerd_stop_reactor(void *ctx);

/* reload.c */
void brokerd_reload(void *ctx);

/* http.c */
int brokerd_http_start(struct brokerd *d);
/* After the runtime's threads have ended. */
void brokerd_http_stop(struct brokerd *d);
void brokerd_http(void *ctx, unsigned reactor, struct net_conn *conn);
