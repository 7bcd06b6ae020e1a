/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From the command line of brokerd to a checked struct config. */

#include "config/config.h"
#include "config/flags.h"

enum cmdline_action {
    CMDLINE_RUN,
    CMDLINE_CHECK_CONFIG, /* load as for a start, print the report, exit with its status */
    CMDLINE_REPAIR,       /* load as for a start, repair the data directory, exit */
    CMDLINE_HELP,
    CMDLINE_VERSION,
};

enum cmdline_repair {
    CMDLINE_REPAIR_LOOK,
    CMDLINE_REPAIR_YES,
    CMDLINE_REPAIR_KEEP_OLDEST,
    CMDLINE_REPAIR_KEEP_NEWEST,
};

struct cmdline {
    enum cmdline_action action;
    enum cmdline_repair repair; /* of CMDLINE_REPAIR */
    struct flag_set flags;
};

/* What systemd tells a service. The daemon fills it from its environment; NULL: not set. */
struct config_environment {
    const char *notify_socket;           /* NOTIFY_SOCKET */
    const char *configuration_directory; /* CONFIGURATION_DIRECTORY */
    const char *state_directory;         /* STATE_DIRECTORY */
};

/* argv must outlive it. Returns 0, or CONFIG_E_INVALID with the error in the report (status EX_USAGE). */
int cmdline_parse(struct cmdline *ret_cmdline, int argc, char **argv, struct config_report *report);
void cmdline_fini(struct cmdline *cl);

/* The configuration of a start or a reload: defaults < file < command line, then config_finish(). c is initialised
 * here and must be freed by the caller in every case. Returns 0 or CONFIG_E_INVALID; config_report_status() is what
 * to exit with. A value that is wrong on the command line is EX_USAGE, in the file EX_CONFIG.
 *
 * The file is --config's; else, when systemd runs us as a service, NODE.yaml in the configuration directory (which
 * must exist, so that a mistyped instance name is told); else ./broker.yaml where there is one. "Runs us as a service"
 * is CONFIGURATION_DIRECTORY or NOTIFY_SOCKET: a unit of ours sets both, and unlike INVOCATION_ID they don't leak into
 * every shell of a systemd user session. STATE_DIRECTORY, likewise, is the default of data_dir. */
int cmdline_load(const struct cmdline *cl, const struct config_environment *env, struct config *c,
                 struct config_report *report);

/* Usage, flags and where to read on; malloc'd. */
char *cmdline_help(const char *program);

/* The flag that sets a key, without dashes; NULL when there is none. */
const char *cmdline_flag_of(enum config_key_id id);

/* The flags with what the keys say about them filled in, for help and manual. */
enum {
#define KEYFLAG(...) +1
#define FLAG(...) +1
#define CHOICE(...) +1
    CMDLINE_N_FLAGS = 0
#include "config/cmdline.def"
};

struct cmdline_table {
    struct flag_spec specs[CMDLINE_N_FLAGS];
    char defaults[CMDLINE_N_FLAGS][128];
    char helps[CMDLINE_N_FLAGS][256];
};

void cmdline_table_init(struct cmdline_table *t);
