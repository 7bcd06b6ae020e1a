/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bin/brokerd/daemon.h"
#include "sys/log.h"
#include "sys/notify.h"

/* SIGHUP: the new configuration is read and checked first; a bad one changes nothing. Keys that need a restart keep
 * their old effect, and are named. */

static void config_free(struct config *c)
{
    if (c == NULL)
        return;
    config_fini(c);
    free(c);
}

static void all_reloaded(struct brokerd *d)
{
    config_free(TAKE_PTR(d->old_config));
    log_event(RELOADED, "the configuration was reloaded");
    sys_notify_ready("Serving Kafka clients");
}

static void reloaded(struct lane_mail *mail)
{
    struct brokerd_reactor *r = container_of(mail, struct brokerd_reactor, reload_mail);
    struct brokerd *d = r->daemon;

    if (++d->n_reloaded < d->n_reactors)
        return;
    d->n_reloaded = 0;
    all_reloaded(d);
}

static void reload_here(struct lane_mail *mail)
{
    struct brokerd_reactor *r = container_of(mail, struct brokerd_reactor, reload_mail);
    struct brokerd *d = r->daemon;

    r->config = r->reload_config;
    node_reload(d->node, r->index, r->config);
    r->reload_mail.deliver = reloaded;
    lane_post(d->envs[r->index]->lane, 0, &r->reload_mail);
}

static void tell_changes(const struct config *from, const struct config *to)
{
    struct config_change changes[CONFIG_N_KEYS];
    size_t n = config_diff(from, to, changes);

    for (size_t i = 0; i < n; i++) {
        if (!changes[i].is_live)
            log_warn("%s changed and takes effect at the next restart", config_key_path(changes[i].id));
    }
}

static void log_report(const struct config_report *report)
{
    for (size_t i = 0; i < report->n_errors; i++)
        log_error("%s", report->errors[i]);
    for (size_t i = 0; i < report->n_warnings; i++)
        log_warn("%s", report->warnings[i]);
}

void brokerd_reload(void *ctx)
{
    struct brokerd *d = ctx;
    struct config *fresh;
    struct config_report report;
    struct sys_log_options log;
    int rc;

    if (d->old_config != NULL)
        return; /* the one before is still on its way */
    sys_notify_reloading("Reading the configuration");
    sys_log_reopen();
    fresh = xcalloc(1, sizeof(*fresh));
    config_report_init(&report);
    rc = cmdline_load(d->cmdline, &d->environment, fresh, &report);
    log_report(&report);
    config_report_fini(&report);
    if (rc != 0) {
        log_event(RELOAD_FAILED, "the configuration stays as it was");
        config_free(fresh);
        sys_notify_ready("Serving Kafka clients; the new configuration was refused");
        return;
    }
    tell_changes(d->config, fresh);
    d->old_config = d->config;
    d->config = xcalloc(1, sizeof(*d->config));
    config_copy(d->config, d->old_config);
    config_adopt_live(d->config, fresh);
    config_free(fresh);
    brokerd_log_options(d->config, &log);
    sys_log_set_options(&log);
    for (unsigned i = 0; i < d->n_reactors; i++) {
        d->reactors[i].reload_config = d->config;
        d->reactors[i].reload_mail.deliver = reload_here;
        sys_runtime_post(d->runtime, i, &d->reactors[i].reload_mail);
    }
}
