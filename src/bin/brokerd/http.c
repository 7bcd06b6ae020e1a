/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admin/admin.h"
#include "bin/brokerd/daemon.h"
#include "sys/log.h"

/* Between the reactors, which find HTTP on the client port, and admin/, which speaks it on a thread of its own. */

#define REQUEST_MS 5000 /* a request is a few short lines */

static void collect_arrived(struct lane_mail *mail)
{
    struct admin_request *request = container_of(mail, struct admin_request, mail);
    struct brokerd *d = request->ctx;

    admin_collect(request, d->node, d->reactors[0].config, d->listener.addr.port);
}

static void collect(void *ctx, struct admin_request *request)
{
    struct brokerd *d = ctx;

    request->mail.deliver = collect_arrived;
    sys_runtime_post(d->runtime, 0, &request->mail);
}

static void failed(void *ctx, const char *why)
{
    log_error("HTTP can't be served: %s", why);
}

static void admin_main(void *ctx)
{
    admin_run(ctx);
}

int brokerd_http_start(struct brokerd *d)
{
    struct admin_config config;
    int rc;

    if (!d->config->http)
        return 0;
    admin_config_init(&config);
    config.request_ms = REQUEST_MS;
    config.collect = collect;
    config.failed = failed;
    config.ctx = d;
    rc = admin_new(&config, &d->admin);
    if (rc == 0)
        rc = sys_thread_start(&d->admin_thread, "gq-http", admin_main, d->admin);
    if (rc < 0)
        log_error("HTTP can't be served: %s", strerror(-rc));
    d->admin_runs = rc == 0;
    return rc;
}

void brokerd_http_stop(struct brokerd *d)
{
    if (d->admin_runs) {
        admin_stop(d->admin);
        sys_thread_join(&d->admin_thread);
    }
    admin_free(TAKE_PTR(d->admin));
}

void brokerd_http(void *ctx, unsigned reactor, struct net_conn *conn)
{
    struct brokerd *d = ctx;
    int fd;

    if (!d->admin_runs) {
        net_close(conn);
        return;
    }
    fd = net_detach(conn);
    if (fd >= 0)
        admin_add(d->admin, fd);
}
