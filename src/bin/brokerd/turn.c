/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/brokerd/daemon.h"
#include "sys/log.h"
#include "sys/notify.h"

#define DRAIN_NS (5000ull * 1000 * 1000)

static void announce(struct brokerd *d)
{
    const struct config *c = d->reactors[0].config;
    char addr[SYS_ADDR_PORT_SIZE];
    uint64_t ms = (clock_mono_ns(d->envs[0]->clock) - d->started_ns) / 1000000;

    sys_addr_format(&d->listener.addr, addr);
    log_event(READY, "ready: node=%s address=%s port=%u data=%s config=%s reactors=%u start_ms=%llu", c->node_id, addr,
              d->listener.addr.port, c->data_dir, c->file != NULL ? c->file : "none", d->n_reactors,
              (unsigned long long)ms);
    sys_notify_ready("Serving Kafka clients on %s", addr);
}

/* On reactor 0, from each reactor once. */
static void ready_arrived(struct lane_mail *mail)
{
    struct brokerd_reactor *r = container_of(mail, struct brokerd_reactor, ready_mail);
    struct brokerd *d = r->daemon;

    if (++d->n_ready == d->n_reactors)
        announce(d);
}

static void tell_of_space(struct brokerd_reactor *r)
{
    struct node_disk_state disk;

    node_disk_state(r->daemon->node, r->index, &disk);
    if (disk.full == r->told_full)
        return;
    r->told_full = disk.full;
    if (disk.lacks_files)
        log_event(TOO_MANY_FILES, "no file can be opened: messages are refused until descriptors are free");
    else if (disk.full)
        log_event(DISK_FULL, "%s: the disk is full: messages are refused until %llu MiB are free; %llu MiB are now",
                  r->config->data_dir, (unsigned long long)(disk.needed_bytes >> 20),
                  (unsigned long long)(disk.free_bytes >> 20));
    else
        log_event(DISK_SPACE, "%s: the disk has room again", r->config->data_dir);
}

uint64_t brokerd_turn(void *ctx, uint64_t now_ns)
{
    struct brokerd_reactor *r = ctx;
    struct brokerd *d = r->daemon;
    uint64_t deadline = node_turn(d->node, r->index, now_ns);

    tell_of_space(r);
    if (!r->told_ready && node_is_ready(d->node, r->index)) {
        r->told_ready = true;
        r->ready_mail.deliver = ready_arrived;
        lane_post(d->envs[r->index]->lane, 0, &r->ready_mail);
    }
    if (!r->told_stopped && node_is_stopped(d->node, r->index)) {
        r->told_stopped = true;
        sys_runtime_stopped(d->runtime, r->index);
    }
    return deadline;
}

void brokerd_stop_reactor(void *ctx)
{
    struct brokerd_reactor *r = ctx;

    if (r->index == 0)
        node_stop(r->daemon->node, 0, DRAIN_NS);
}
