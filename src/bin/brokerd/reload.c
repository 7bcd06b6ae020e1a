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

/* One reload on its way through the reactors. The main thread may begin the next before this one is through. */
struct reload {
    struct config *old; /* freed when every reactor has left it */
    const struct config *fresh;
    unsigned n_left; /* reactor 0 only */
    struct reload_step {
        struct lane_mail mail;
        struct reload *reload;
        struct brokerd_reactor *reactor;
    } steps[];
};

static void step_done(struct lane_mail *mail)
{
    struct reload *reload = container_of(mail, struct reload_step, mail)->reload;

    if (--reload->n_left > 0)
        return;
    config_free(reload->old);
    free(reload);
    log_event(RELOADED, "the configuration was reloaded");
    sys_notify_ready("Serving Kafka clients");
}

static void reload_here(struct lane_mail *mail)
{
    struct reload_step *step = container_of(mail, struct reload_step, mail);
    struct brokerd_reactor *r = step->reactor;

    r->config = step->reload->fresh;
    node_reload(r->daemon->node, r->index, r->config);
    step->mail.deliver = step_done;
    lane_post(r->daemon->envs[r->index]->lane, 0, &step->mail);
}

static void pass_on(struct brokerd *d, struct config *old, const struct config *fresh)
{
    struct reload *reload = xcalloc(1, sizeof(*reload) + d->n_reactors * sizeof(reload->steps[0]));

    *reload = (struct reload){ .old = old, .fresh = fresh, .n_left = d->n_reactors };
    for (unsigned i = 0; i < d->n_reactors; i++) {
        struct reload_step *step = &reload->steps[i];

        step->reload = reload;
        step->reactor = &d->reactors[i];
        step->mail.deliver = reload_here;
        sys_runtime_post(d->runtime, i, &step->mail);
    }
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

static void warn_of_files(const struct brokerd *d)
{
    if ((uint64_t)d->config->max_connections > d->connection_files)
        log_warn("max_connections is %lld, and there are file descriptors for %llu until the next restart",
                 (long long)d->config->max_connections, (unsigned long long)d->connection_files);
}

static void hold_back(const struct brokerd *d, struct config *fresh)
{
    struct config_report report;

    config_report_init(&report);
    config_hold_back(d->config, fresh, node_max_message_bytes(d->node), &report);
    log_report(&report);
    config_report_fini(&report);
}

void brokerd_reload(void *ctx)
{
    struct brokerd *d = ctx;
    struct config *fresh, *old;
    struct config_report report;
    struct sys_log_options log;
    int rc;

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
    hold_back(d, fresh);
    old = d->config;
    d->config = xcalloc(1, sizeof(*d->config));
    config_copy(d->config, old);
    config_adopt_live(d->config, fresh);
    config_free(fresh);
    warn_of_files(d);
    brokerd_log_options(d->config, &log);
    sys_log_set_options(&log);
    pass_on(d, old, d->config);
}
