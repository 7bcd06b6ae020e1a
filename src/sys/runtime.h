/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The process around a node: N reactor threads with an env each, a flush thread per shard, a pool of workers, and the
 * main thread, which waits for signals and the end.
 *
 * Life, on the main thread but where it says otherwise:
 *
 *   sys_runtime_new()            before other threads of the process; blocks SIGTERM, SIGINT and SIGHUP, ignores
 * SIGPIPE sys_runtime_envs()           node_init() with these; it sets each env's net handler. Work and mail may be
 *                                submitted already; they run once the threads do
 *   sys_runtime_set_handler()    for each reactor
 *   sys_runtime_listen()
 *   sys_runtime_start()
 *   sys_runtime_run()            returns when the threads have ended
 *   node_fini()                  may close connections and files
 *   sys_runtime_free()
 *
 * Stopping: SIGTERM, SIGINT or sys_runtime_request_stop(). Each reactor closes its listeners and calls its handler's
 * stop(). The reactors then go on turning until each has said sys_runtime_stopped(): nothing it submitted is
 * outstanding and it posts nothing more. Then reactors deliver what mail there is and end, then the other threads. */

#include "base/textbuf.h"
#include "env/env.h"

struct sys_runtime;

struct sys_runtime_config {
    unsigned n_reactors, n_shards, n_workers; /* each at least 1 */
    uint64_t spin_ns;                         /* how long threads may wait awake for more after recent traffic */
    struct env_disk *disk;                    /* stays the caller's, for longer than the runtime */
};

struct sys_reactor_handler {
    /* On the reactor's thread, before its first turn. May be NULL. */
    void (*start)(void *ctx);
    /* Once per turn, after all that arrived was handed out. Returns when the next turn is due at the latest
     * (CLOCK_MONOTONIC), UINT64_MAX for no such time. */
    uint64_t (*turn)(void *ctx, uint64_t now_ns);
    /* Begins to stop, see above. NULL: stopped at once. */
    void (*stop)(void *ctx);
    void *ctx;
};

/* What the main thread calls. Each may be NULL. */
struct sys_runtime_hooks {
    /* Stopping begins; signo is 0 when it was requested. */
    void (*stopping)(void *ctx, int signo);
    /* SIGHUP. */
    void (*reload)(void *ctx);
    void *ctx;
    uint64_t stop_timeout_ns; /* 0: wait as long as it takes */
};

/* Returns 0 or a negative errno (descriptors, memory). */
int sys_runtime_new(const struct sys_runtime_config *config, struct sys_runtime **ret);

/* Takes NULL. Not while threads run. */
void sys_runtime_free(struct sys_runtime *rt);

/* n_reactors of them, by reactor; the runtime's. */
struct env **sys_runtime_envs(struct sys_runtime *rt);

void sys_runtime_set_handler(struct sys_runtime *rt, unsigned reactor, const struct sys_reactor_handler *h);

/* fd: a non-blocking listening socket (sys/listen.h), the runtime's from here on. */
void sys_runtime_listen(struct sys_runtime *rt, int fd);
/* The same, of the address for other nodes. */
void sys_runtime_listen_for_peers(struct sys_runtime *rt, int fd);

/* Returns 0, or a negative errno after which sys_runtime_free() is all that may follow. */
int sys_runtime_start(struct sys_runtime *rt);

/* Pings the service manager's watchdog, if there is one, as long as sys_runtime_progress() holds.
 *
 * Returns 0 when all threads have ended. -ETIMEDOUT: stopping took longer than allowed; -EINTR: a second SIGTERM or
 * SIGINT came. The threads still run then, and the process must _exit(). */
int sys_runtime_run(struct sys_runtime *rt, const struct sys_runtime_hooks *hooks);

/* Any thread. */
void sys_runtime_request_stop(struct sys_runtime *rt);

/* On that reactor's thread, once. */
void sys_runtime_stopped(struct sys_runtime *rt, unsigned reactor);

/* Any thread outside of the reactors: mail to one of them. */
void sys_runtime_post(struct sys_runtime *rt, unsigned reactor, struct lane_mail *m);

/* Main thread, in intervals: whether since the last call every reactor made a turn, and no flush has been running for
 * longer than max_flush_ns. When not, ret_text, which may be NULL, says who is stuck. */
bool sys_runtime_progress(struct sys_runtime *rt, uint64_t max_flush_ns, struct error_text *ret_text);

struct sys_runtime_stats {
    unsigned n_connections;
    uint64_t n_shed; /* connections closed unseen because the process is out of descriptors */
};

/* Any thread. */
void sys_runtime_stats(struct sys_runtime *rt, struct sys_runtime_stats *ret);
