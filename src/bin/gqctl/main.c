/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"

static int run_command(struct run *run)
{
    switch (run->settings->command) {
    case COMMAND_TOPIC_CREATE:
        return run_topic_create(run);
    case COMMAND_TOPIC_LIST:
        return run_topic_list(run);
    case COMMAND_TOPIC_DESCRIBE:
    case COMMAND_TOPIC_INFO:
        return run_topic_describe(run);
    case COMMAND_TOPIC_DELETE:
        return run_topic_delete(run);
    case COMMAND_PRODUCE:
        return run_produce(run);
    case COMMAND_CONSUME:
        return run_consume(run);
    case COMMAND_CLUSTER_STATUS:
        return run_cluster_status(run);
    case COMMAND_LOG_DUMP:
        return run_log_dump(run);
    default:
        gq_assert_fail("command", __FILE__, __LINE__, __func__);
    }
}

static int run_with_client(const struct settings *s)
{
    struct gq_client_config config = {
        .broker_addrs = s->brokers,
        .n_broker_addrs = s->n_brokers,
        .timeout_ms = s->timeout_ms,
        .client_id = "gqctl",
        .compression = s->compression,
        .log = s->log_file != NULL ? trace_from_client : NULL,
    };
    struct run run = { .settings = s };
    struct gq_error err;
    int r;

    if (s->command == COMMAND_LOG_DUMP)
        return run_command(&run);
    r = gq_client_new(&config, &run.client, &err);

    if (r < 0)
        return say_failure(NULL, r, &err);
    r = run_command(&run);
    gq_client_free(run.client);
    return r;
}

static int run_with_log(const struct settings *s)
{
    struct error_text err;
    int status;

    if (s->log_file != NULL && trace_open(s->log_file, &err) < 0) {
        say_error("%s", err.text);
        return EX_CANTCREAT;
    }
    trace_say("start, broker %s%s", s->brokers[0], s->n_brokers > 1 ? " and others" : "");
    status = run_with_client(s);
    trace_say("end with status %d", status);
    trace_close();
    return status;
}

static int run_settings(const struct settings *s)
{
    char *text;

    switch (s->command) {
    case COMMAND_VERSION:
        puts("gqctl " PACKAGE_VERSION);
        return EXIT_SUCCESS;
    case COMMAND_HELP:
        text = settings_help(s->help_about);
        fputs(text, stdout);
        free(text);
        return EXIT_SUCCESS;
    default:
        return run_with_log(s);
    }
}

int main(int argc, char **argv)
{
    struct settings s;
    struct error_text err;
    int status = settings_init(&s, argc, argv, &err);

    if (status == 0)
        status = run_settings(&s);
    else
        say_error("%s", err.text);
    settings_fini(&s);
    return finish_output(status);
}
