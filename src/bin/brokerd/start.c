/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "bin/brokerd/daemon.h"
#include "journal/journal.h"
#include "log/log.h"
#include "node/links.h"
#include "sys/disk.h"
#include "sys/file_limit.h"
#include "sys/file_system.h"
#include "sys/log.h"
#include "sys/notify.h"
#include "sys/starting.h"

#define N_WORKERS 2
#define LARGE_BUFFER (1 << BUF_SLAB_SHIFT)
#define MAX_DEFAULT_SHARDS 8
#define STOP_TIMEOUT_NS (50ull * 1000 * 1000 * 1000) /* less than the unit's TimeoutStopSec= */
#define START_INTERVAL_NS (10ull * 1000 * 1000 * 1000)
#define START_EXTEND_US 60000000ull

/* Those that this process may run on: taskset(1) and CPUAffinity= count. */
static unsigned n_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

/* Large buffers are pooled within budgets; what a pool gives up goes back to the system at once, and the allocator
 * doesn't change its mind about what is large. */
static void tune_allocator(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER);
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BUFFER);
}

static int node_status(int rc)
{
    switch (rc) {
    case NODE_E_BUSY:
        return EX_TEMPFAIL;
    case NODE_E_DATA:
    case NODE_E_PEERS:
    case JOURNAL_E_VERSION:
    case LOG_E_VERSION:
        return EX_CONFIG;
    case JOURNAL_E_CORRUPT:
    case LOG_E_CORRUPT:
        return EX_DATAERR;
    default:
        return EX_IOERR;
    }
}

/* A failed fsync is never tried again: the process ends at once and the next start believes only what is on disk. */
static void fatal(void *ctx, int err, const char *text)
{
    int status = node_status(err);

    if (status == EX_DATAERR)
        log_event(CORRUPT, "%s. The process ends, so that the journal keeps what it has", text);
    else
        log_event(STORAGE_FAILED, "%s. The process ends, so that nothing is acknowledged that isn't on disk", text);
    sys_notify_failed(status, err < 0 ? err : 0, "%s", text);
    sys_log_flush();
    _exit(status);
}

static void peer_refused(void *ctx, const char *text)
{
    log_warn("refused: %s", text);
}

static void notice(void *ctx, bool is_bad, const char *text)
{
    if (is_bad)
        log_warn("%s", text);
    else
        log_info("%s", text);
}

static void damaged(void *ctx, const char *topic, int32_t partition, const char *text)
{
    log_event_on(DAMAGED, topic, partition, "%s", text);
}

static void progress(void *ctx, const char *status)
{
    struct brokerd *d = ctx;

    log_debug("%s", status);
    sys_starting_say(d->starting, status);
}

/* Nothing is acknowledged before the start is over, and one may be cut off anywhere, as by a power cut. */
static void stop_start(void *ctx, int signo)
{
    log_event(STOPPING, "stopping while it starts");
    sys_notify_stopping("Stopping");
    log_event(STOPPED, "stopped");
    sys_log_flush();
    _exit(EX_OK);
}

void brokerd_log_options(const struct config *c, struct sys_log_options *ret)
{
    *ret = (struct sys_log_options){
        .level = (enum log_level)c->logging.level,
        .node = c->node_id,
        .max_size_bytes = (uint64_t)c->logging.max_size_bytes,
        .max_backups = c->logging.max_backups,
        .max_age_ns = c->logging.max_age_ns,
        .compress = c->logging.compress,
    };
}

static int open_log(const struct config *c)
{
    _cleanup_(freep) char *file = config_log_file(c);
    struct sys_log_options options;
    struct error_text err = { "" };
    int rc;

    brokerd_log_options(c, &options);
    options.file = file;
    rc = sys_log_open(&options, &err);
    if (rc == 0)
        return EX_OK;
    log_error("%s", err.text);
    return EX_CANTCREAT;
}

static int open_disk(struct brokerd *d)
{
    int rc = sys_disk_new(d->config->data_dir, &d->disk);

    if (rc == 0)
        return EX_OK;
    log_error("%s: %s", d->config->data_dir, strerror(-rc));
    return EX_CANTCREAT;
}

static int check_place(const struct brokerd *d)
{
    const char *dir = d->config->data_dir, *concern;
    struct sys_file_system fs;
    int rc = sys_file_system_look(dir, &fs);

    if (rc < 0) {
        log_error("%s: %s", dir, strerror(-rc));
        return EX_CANTCREAT;
    }
    if (fs.read_only) {
        log_error("%s: the file system is mounted read-only: nothing can be stored there", dir);
        return EX_CANTCREAT;
    }
    concern = sys_file_system_concern(&fs);
    if (concern != NULL)
        log_warn("data directory %s %s", dir, concern);
    return EX_OK;
}

static bool is_clustered(const struct brokerd *d)
{
    return d->config->discovery.type != CONFIG_DISCOVERY_MEMORY;
}

static int listen_for_peers(struct brokerd *d, struct error_text *err)
{
    struct sys_listen_spec spec = { .name = "raft", .backlog = 256, .for_peers = true };
    char host[SYS_HOST_SIZE];

    if (!is_clustered(d))
        return 0;
    if (d->config->raft.raft_addr == NULL || sys_addr_split(d->config->raft.raft_addr, host, &spec.port) < 0) {
        error_setf(err, "raft.raft_addr is missing: the other nodes of the cluster connect to it");
        return -EINVAL;
    }
    spec.host = host;
    return sys_listen(&spec, &d->passed, &d->raft_listener, err);
}

static int open_listener(struct brokerd *d)
{
    struct sys_listen_spec spec = {
        .name = "client",
        .host = d->config->bind_addr,
        .port = (uint16_t)d->config->bind_port,
        .backlog = 4096,
        .congestion_control = d->config->congestion_control,
    };
    struct error_text err = { "" };
    int rc = sys_passed_init(&d->passed, &err);

    if (rc == 0)
        rc = sys_listen(&spec, &d->passed, &d->listener, &err);
    if (rc == 0)
        rc = listen_for_peers(d, &err);
    /* A socket that nobody takes says more than that its address is in use. */
    if (rc == 0 || rc == -EADDRINUSE)
        rc = sys_passed_check(&d->passed, &err) < 0 ? -EINVAL : rc;
    if (rc == 0)
        return EX_OK;
    log_error("%s", err.text);
    return rc == -EINVAL ? EX_CONFIG : EX_UNAVAILABLE;
}

static int open_runtime(struct brokerd *d, unsigned n_shards)
{
    struct sys_runtime_config config = {
        .n_reactors = d->n_reactors,
        .n_shards = n_shards,
        .n_workers = N_WORKERS,
        .spin_ns = config_spin_ns(d->config, n_cores(), d->n_reactors + n_shards),
        .disk = d->disk,
    };
    int rc = sys_runtime_new(&config, &d->runtime);

    if (rc < 0) {
        log_error("starting threads: %s", strerror(-rc));
        return EX_OSERR;
    }
    d->envs = sys_runtime_envs(d->runtime);
    return EX_OK;
}

static int open_node(struct brokerd *d, unsigned n_shards)
{
    struct node_options options = {
        .config = d->config,
        .n_reactors = d->n_reactors,
        .envs = d->envs,
        .n_shards = n_shards,
        .max_files = d->max_files,
        .host = { .fatal = fatal,
                  .http = brokerd_http,
                  .damaged = damaged,
                  .peer_refused = peer_refused,
                  .notice = notice,
                  .ctx = d },
        .links = is_clustered(d) ? &node_links : NULL,
        .progress = progress,
    };
    struct error_text err = { "" };
    int rc = node_open(&options, &d->node, &err), status;

    if (rc == 0) {
        malloc_trim(0); /* recovery needed more than what comes after it */
        return EX_OK;
    }
    if (err.text[0] == '\0')
        error_setf(&err, "%s", error_text(rc));
    status = node_status(rc);
    switch (status) {
    case EX_TEMPFAIL:
        log_event(DATA_IN_USE, "%s: %s", d->config->data_dir, err.text);
        break;
    case EX_CONFIG:
        log_event(DATA_REFUSED, "%s: %s", d->config->data_dir, err.text);
        break;
    case EX_DATAERR:
        log_event(CORRUPT, "%s: %s", d->config->data_dir, err.text);
        break;
    default:
        log_error("%s: %s", d->config->data_dir, err.text);
    }
    return status;
}

static int open_node_watched(struct brokerd *d, unsigned n_shards)
{
    struct sys_starting_options options = {
        .disk = d->disk,
        .interval_ns = START_INTERVAL_NS,
        .extend_us = START_EXTEND_US,
        .stop = stop_start,
    };
    int rc = sys_starting_new(&options, &d->starting), status;

    if (rc < 0) {
        log_error("starting threads: %s", strerror(-rc));
        return EX_OSERR;
    }
    status = open_node(d, n_shards);
    sys_starting_free(TAKE_PTR(d->starting));
    return status;
}

/* The number of shards belongs to the data directory; the threads have to be made before it is known. */
static unsigned choose_shards(struct brokerd *d)
{
    unsigned n = d->config->performance.shards != CONFIG_AUTO ? (unsigned)d->config->performance.shards
                                                              : MIN(n_cores(), (unsigned)MAX_DEFAULT_SHARDS);
    unsigned known;

    return node_known_shards(d->disk, d->config->node_id, &known) == 0 ? known : n;
}

static void warn_of_exposure(const struct brokerd *d)
{
    char addr[SYS_ADDR_PORT_SIZE];

    if (!sys_addr_is_loopback(&d->listener.addr))
        log_event(EXPOSED, "%s can be reached from other machines, and clients aren't authenticated",
                  sys_addr_format(&d->listener.addr, addr));
}

/* BBR measures the path and sends at the rate it found, on loopback too, where nothing needs it. */
static void warn_of_pacing(const struct brokerd *d)
{
    if (strncmp(d->listener.congestion_control, "bbr", 3) == 0 && sys_addr_is_loopback(&d->listener.addr))
        log_warn(
            "connections over loopback use TCP congestion control %s, which holds large reads down to a quarter of "
            "what cubic lets through: set congestion_control to cubic to change that",
            d->listener.congestion_control);
}

static int share_files(struct brokerd *d, unsigned n_shards)
{
    struct node_files f;

    node_files_plan(d->config, d->n_reactors, n_shards, d->max_files, &f);
    if (f.allowed < f.least) {
        log_error("%llu file descriptors are allowed, and %u shards on %u reactors need %llu: raise LimitNOFILE= "
                  "(ulimit -n)",
                  (unsigned long long)f.allowed, n_shards, d->n_reactors, (unsigned long long)f.least);
        return EX_CONFIG;
    }
    if (f.allowed < f.wanted)
        log_event(
            TOO_MANY_FILES,
            "%llu file descriptors are allowed, and %llu wanted for max_connections %lld and %u shards: there are "
            "%llu for connections, and %u for the segments of a shard; raise LimitNOFILE= (ulimit -n), or lower "
            "max_connections",
            (unsigned long long)f.allowed, (unsigned long long)f.wanted, (long long)d->config->max_connections,
            n_shards, (unsigned long long)f.connections, NODE_FILES_OF_SEGMENT * (f.idle_segments + f.dirty_segments));
    sys_disk_limit_files(d->disk, f.files);
    d->connection_files = f.connections_max;
    return EX_OK;
}

static void attach_reactors(struct brokerd *d)
{
    d->reactors = xcalloc(d->n_reactors, sizeof(*d->reactors));
    for (unsigned i = 0; i < d->n_reactors; i++) {
        struct sys_reactor_handler handler = { .turn = brokerd_turn,
                                               .stop = brokerd_stop_reactor,
                                               .ctx = &d->reactors[i] };

        d->reactors[i] = (struct brokerd_reactor){ .daemon = d, .index = i, .config = d->config };
        sys_runtime_set_handler(d->runtime, i, &handler);
        node_start(d->node, i);
    }
}

static void stopping(void *ctx, int signo)
{
    log_event(STOPPING, "stopping");
    sys_notify_stopping("Stopping");
}

static int run(struct brokerd *d)
{
    struct sys_runtime_hooks hooks = {
        .stopping = stopping, .reload = brokerd_reload, .ctx = d, .stop_timeout_ns = STOP_TIMEOUT_NS
    };
    int rc;

    node_set_port(d->node, d->listener.addr.port);
    attach_reactors(d);
    sys_runtime_listen(d->runtime, d->listener.fd);
    if (d->raft_listener.fd >= 0)
        sys_runtime_listen_for_peers(d->runtime, d->raft_listener.fd);
    rc = sys_runtime_start(d->runtime);
    if (rc < 0) {
        log_error("starting threads: %s", strerror(-rc));
        return EX_OSERR;
    }
    rc = sys_runtime_run(d->runtime, &hooks);
    if (rc == 0)
        return EX_OK;
    if (rc == -EINTR)
        log_warn("a second signal: the process ends at once; what was acknowledged is on disk");
    else
        log_error("stopping took too long; what was acknowledged is on disk");
    sys_log_flush();
    _exit(rc == -EINTR ? EX_OK : EX_SOFTWARE);
}

static void bring_down(struct brokerd *d)
{
    brokerd_http_stop(d);
    node_free(d->node);
    sys_runtime_free(d->runtime);
    sys_passed_fini(&d->passed);
    sys_disk_free(d->disk);
    free(d->reactors);
    config_fini(d->config);
    free(d->config);
    sys_log_close();
}

int brokerd_run(const struct cmdline *cmdline, const struct config_environment *environment, struct config *config)
{
    struct brokerd d = { .cmdline = cmdline, .environment = *environment, .config = config };
    unsigned n_shards = 0;
    int status = open_log(config);

    d.listener.fd = d.raft_listener.fd = -1;
    if (status != EX_OK) {
        config_fini(config);
        free(config);
        return status;
    }
    tune_allocator();
    log_event(START, "brokerd " PACKAGE_VERSION " starts: node=%s", config->node_id);
    d.max_files = sys_raise_file_limit();
    d.n_reactors = config->performance.reactors != CONFIG_AUTO ? (unsigned)config->performance.reactors : n_cores();
    status = open_disk(&d);
    if (status == EX_OK)
        status = check_place(&d);
    if (status == EX_OK) {
        n_shards = choose_shards(&d);
        status = share_files(&d, n_shards);
    }
    if (status == EX_OK)
        status = open_listener(&d);
    if (status == EX_OK)
        status = open_runtime(&d, n_shards);
    if (status == EX_OK) {
        d.started_ns = clock_mono_ns(d.envs[0]->clock);
        status = open_node_watched(&d, n_shards);
    }
    if (status == EX_OK && brokerd_http_start(&d) < 0)
        status = EX_OSERR;
    if (status == EX_OK) {
        warn_of_exposure(&d);
        warn_of_pacing(&d);
        if (sys_disk_lacks_direct(d.disk))
            log_warn("data directory %s refuses O_DIRECT: journals are written through the page cache",
                     config->data_dir);
        status = run(&d);
        log_event(STOPPED, "stopped");
    }
    bring_down(&d);
    return status;
}
