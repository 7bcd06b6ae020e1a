/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "bin/brokerd/daemon.h"

static void print_report(const struct config_report *r)
{
    for (size_t i = 0; i < r->n_errors; i++)
        fprintf(stderr, "brokerd: %s\n", r->errors[i]);
    if (r->n_more_errors > 0)
        fprintf(stderr, "brokerd: and %zu more\n", r->n_more_errors);
    for (size_t i = 0; i < r->n_warnings; i++)
        fprintf(stderr, "brokerd: warning: %s\n", r->warnings[i]);
}

static int print_help(void)
{
    _cleanup_(freep) char *help = cmdline_help("brokerd");

    fputs(help, stdout);
    return EXIT_SUCCESS;
}

/* What a disk that is full took in part isn't what was asked for. */
static int finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "brokerd: standard output: it could not be written whole\n");
    return EX_IOERR;
}

static int load_and_run(const struct cmdline *cl, struct config_report *report, int argc, char **argv)
{
    struct config_environment environment = {
        .notify_socket = getenv("NOTIFY_SOCKET"),
        .configuration_directory = getenv("CONFIGURATION_DIRECTORY"),
        .state_directory = getenv("STATE_DIRECTORY"),
    };
    struct config *config = xcalloc(1, sizeof(*config));
    int rc = cmdline_load(cl, &environment, config, report);

    print_report(report);
    if (rc != 0 || cl->action == CMDLINE_CHECK_CONFIG) {
        if (rc == 0)
            printf("%s: the configuration is good\n", config->file != NULL ? config->file : "command line");
        config_fini(config);
        free(config);
        return finish_output(config_report_status(report));
    }
    if (cl->action == CMDLINE_REPAIR) {
        rc = finish_output(brokerd_repair(cl, config, argc, argv));
        config_fini(config);
        free(config);
        return rc;
    }
    return brokerd_run(cl, &environment, config);
}

int main(int argc, char **argv)
{
    struct config_report report;
    struct cmdline cl;
    int status;

    config_report_init(&report);
    if (cmdline_parse(&cl, argc, argv, &report) != 0) {
        print_report(&report);
        fprintf(stderr, "brokerd: --help lists what can be given\n");
        status = config_report_status(&report);
        config_report_fini(&report);
        return status;
    }
    if (cl.action == CMDLINE_HELP) {
        status = print_help();
    } else if (cl.action == CMDLINE_VERSION) {
        puts("brokerd " PACKAGE_VERSION);
        status = EXIT_SUCCESS;
    } else {
        status = load_and_run(&cl, &report, argc, argv);
    }
    cmdline_fini(&cl);
    config_report_fini(&report);
    return status;
}
