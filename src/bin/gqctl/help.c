/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bin/gqctl/command_table.h"

#define MAX_FLAGS 64

/* The flags that a command takes. */
static char *list_flags(enum command about)
{
    struct flag_spec flags[MAX_FLAGS];
    size_t n = 0;

    gq_assert(n_gqctl_flags <= MAX_FLAGS);
    for (size_t i = 0; i < n_gqctl_flags; i++) {
        if ((gqctl_flag_commands[i] & (UINT32_C(1) << about)) != 0 && gqctl_flags[i].help != NULL)
            flags[n++] = gqctl_flags[i];
    }
    return flags_help(flags, n);
}

static char *help_command(enum command about)
{
    const struct command_spec *c = &command_specs[about];
    char *flags = list_flags(about);
    char *text = xasprintf("Usage: gqctl %s%s%s [--FLAG=VALUE]...\n\n%s.%s%s\n\n%s", c->words,
                           c->args != NULL ? " " : "", c->args != NULL ? c->args : "", c->summary,
                           c->more != NULL ? " " : "", c->more != NULL ? c->more : "", flags);

    free(flags);
    return text;
}

static char *help_all(void)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    gq_assert(f != NULL);
    fputs("Usage: gqctl COMMAND [--FLAG=VALUE]...\n"
          "       gqctl -config=client.json -cmd=COMMAND [-FLAG=VALUE]...\n\n"
          "Manages topics, sends and reads messages.\n\nCommands:\n",
          f);
    for (size_t i = 0; i < n_command_specs; i++) {
        const struct command_spec *c = &command_specs[i];
        int column;

        if (c->words == NULL)
            continue;
        column = fprintf(f, "  %s%s%s", c->words, c->args != NULL ? " " : "", c->args != NULL ? c->args : "");
        fprintf(f, "%*s%s\n", MAX(30 - column, 1), "", c->summary);
    }
    fputs("\ngqctl help COMMAND tells the flags of a command. One dash is as good as two.\nSee gqctl(1).\n", f);
    gq_assert(fclose(f) == 0);
    return text;
}

char *settings_help(enum command about)
{
    return about == COMMAND_NONE || command_specs[about].words == NULL ? help_all() : help_command(about);
}
