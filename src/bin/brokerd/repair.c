/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "bin/brokerd/daemon.h"
#include "node/repair.h"
#include "sys/clock.h"
#include "sys/disk.h"
#include "sys/prng.h"

static void say(void *ctx, const char *line)
{
    printf("%s\n", line);
}

/* Between quotes where a shell would take it apart. */
static void add_word(FILE *f, const char *word)
{
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=./:,@%+")] == '\0') {
        fprintf(f, " %s", word);
        return;
    }
    fputs(" '", f);
    for (; *word != '\0'; word++)
        fprintf(f, *word == '\'' ? "'\\''" : "%c", *word);
    fputc('\'', f);
}

static bool is_repair_flag(const char *word)
{
    word += strspn(word, "-");
    return strcmp(word, "repair") == 0 || strncmp(word, "repair=", strlen("repair=")) == 0;
}

/* The command that does it: this one, with another value. */
static char *command_of(int argc, char **argv)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    gq_assert(f != NULL);
    fputs("brokerd --repair=yes", f);
    for (int i = 1; i < argc; i++) {
        if (!is_repair_flag(argv[i]))
            add_word(f, argv[i]);
    }
    gq_assert(fclose(f) == 0);
    return text;
}

static enum node_repair_mode mode_of(const struct cmdline *cmdline)
{
    switch (cmdline->repair) {
    case CMDLINE_REPAIR_LOOK:
        return NODE_REPAIR_LOOK;
    case CMDLINE_REPAIR_YES:
        return NODE_REPAIR_KEEP_MOST;
    case CMDLINE_REPAIR_KEEP_OLDEST:
        return NODE_REPAIR_KEEP_OLDEST;
    case CMDLINE_REPAIR_KEEP_NEWEST:
        return NODE_REPAIR_KEEP_NEWEST;
    }
    return NODE_REPAIR_LOOK;
}

static int status_of(int rc, enum node_repair_verdict verdict)
{
    switch (rc) {
    case 0:
        return verdict == NODE_REPAIR_NEEDED ? EXIT_FAILURE : EXIT_SUCCESS;
    case NODE_E_BUSY:
        return EX_TEMPFAIL;
    case NODE_E_DATA:
        return EX_CONFIG;
    default:
        return EX_IOERR;
    }
}

int brokerd_repair(const struct cmdline *cmdline, struct config *config, int argc, char **argv)
{
    _cleanup_(freep) char *command = command_of(argc, argv);
    struct node_repair_options options = {
        .config = config,
        .prng = sys_prng(),
        .clock = sys_clock(),
        .mode = mode_of(cmdline),
        .command = command,
        .say = say,
    };
    enum node_repair_verdict verdict = NODE_REPAIR_SOUND;
    struct error_text err = { "" };
    struct stat st;
    int rc;

    if (stat(config->data_dir, &st) < 0) {
        fprintf(stderr, "brokerd: %s: %s\n", config->data_dir, strerror(errno));
        return EX_NOINPUT;
    }
    rc = sys_disk_new(config->data_dir, &options.disk);
    if (rc < 0) {
        fprintf(stderr, "brokerd: %s: %s\n", config->data_dir, strerror(-rc));
        return EX_NOINPUT;
    }
    rc = node_repair(&options, &verdict, &err);
    fflush(stdout);
    if (rc != 0)
        fprintf(stderr, "brokerd: %s: %s\n", config->data_dir, err.text[0] != '\0' ? err.text : error_text(rc));
    sys_disk_free(options.disk);
    return status_of(rc, verdict);
}
