/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tables of commands and flags, for settings.c and help.c. */

#include "bin/gqctl/settings.h"

struct command_spec {
    const char *words; /* "topic create" */
    const char *guide; /* "create-topic"; NULL: only in words */
    const char *args;  /* "NAME", or NULL */
    const char *summary;
    const char *more; /* for its own help, or NULL */
};

/* By enum command; those without words have words NULL. */
extern const struct command_spec command_specs[];
extern const size_t n_command_specs;

#define BIT(command) (UINT32_C(1) << COMMAND_##command)
#define GUIDE (UINT32_C(1) << 31)

extern const struct flag_spec gqctl_flags[];
extern const uint32_t gqctl_flag_commands[]; /* BIT()s by index of gqctl_flags */
extern const size_t n_gqctl_flags;

#define GQ_OFFSET_WORD_END (-2) /* numbers of --offset; its -1 is the beginning */
