/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside of the runtime: runtime.c builds it and takes it down, runtime_main.c is the main thread's loop. */

#include <signal.h>

#include "sys/reactor.h"
#include "sys/runtime.h"

struct sys_runtime {
    unsigned n_reactors, n_listeners;
    struct env **envs; /* by reactor, as the next ones */
    struct sys_reactor *reactors;
    struct sys_lane **lane_of;
    struct sys_net **net_of;
    struct sys_lanes lanes;
    int signal_fd;
    int wake_fd; /* for the main thread */
    sigset_t old_mask;
    void (*old_sigpipe)(int);
    atomic_bool stop_requested;
    _Atomic(unsigned) n_stopped; /* reactors that have */
    bool stopping;               /* the main thread's, as all below */
    uint64_t watchdog_ns;        /* how often it is looked for progress; 0 never */
    uint64_t next_check_ns;
    uint64_t stop_deadline_ns;
};

void sys_runtime_wake_main(struct sys_runtime *rt);
/* Ends those threads that run, and waits for them. */
void sys_runtime_end_threads(struct sys_runtime *rt);
