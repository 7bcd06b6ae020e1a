/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gqcheck: judges a history that clients wrote, docs/history.md. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "history/history.h"

#define READ_BYTES (1 << 18)

/* Besides those of sysexits.h. */
enum status { STATUS_FINE = 0, STATUS_ANOMALY = 1, STATUS_MALFORMED = 2 };

struct settings {
    struct history_rules rules;
    const char *path;
    bool is_quiet;
};

static void print_usage(FILE *to)
{
    fputs("usage: gqcheck [--serial-writes] [--max=N] [--quiet] FILE\n"
          "       gqcheck --list | --help | --version\n"
          "FILE is a history of clients' operations, - is standard input.\n",
          to);
}

static void print_anomalies(void)
{
    for (int i = 0; i < HISTORY_N_ANOMALIES; i++)
        printf("%-20s %s\n", history_anomaly_name((enum history_anomaly)i),
               history_anomaly_meaning((enum history_anomaly)i));
}

static bool take_max(struct settings *s, const char *text)
{
    unsigned long n;
    char *end;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || n == 0 || n > UINT32_MAX)
        return false;
    s->rules.max_findings = (uint32_t)n;
    return true;
}

/* −1: go on; else the exit status. */
static int parse_arguments(struct settings *s, int argc, char **argv)
{
    static const struct option options[] = {
        { "serial-writes", no_argument, NULL, 's' },
        { "max", required_argument, NULL, 'm' },
        { "quiet", no_argument, NULL, 'q' },
        { "list", no_argument, NULL, 'l' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            s->rules.serial_writes = true;
            break;
        case 'm':
            if (take_max(s, optarg))
                break;
            fprintf(stderr, "gqcheck: --max takes a number from 1 on, not '%s'\n", optarg);
            return EX_USAGE;
        case 'q':
            s->is_quiet = true;
            break;
        case 'l':
            print_anomalies();
            return EXIT_SUCCESS;
        case 'h':
            print_usage(stdout);
            return EXIT_SUCCESS;
        case 'v':
            printf("gqcheck %s\n", PACKAGE_VERSION);
            return EXIT_SUCCESS;
        default:
            print_usage(stderr);
            return EX_USAGE;
        }
    }
    if (optind != argc - 1) {
        print_usage(stderr);
        return EX_USAGE;
    }
    s->path = argv[optind];
    return -1;
}

/* 0 or the exit status, after a message. */
static int read_history(struct history_reader *reader, int fd, const char *path)
{
    _cleanup_(freep) char *buffer = xmalloc(READ_BYTES);
    struct history_error err;
    ssize_t n;
    int r;

    do {
        n = read(fd, buffer, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            fprintf(stderr, "gqcheck: %s: %m\n", path);
            return EX_NOINPUT;
        }
        r = n > 0 ? history_reader_feed(reader, buffer, (size_t)n, &err) : history_reader_end(reader, &err);
        if (r < 0) {
            fprintf(stderr, "gqcheck: %s:%" PRIu32 ":%" PRIu32 ": %s\n", path, err.line, err.column, err.text.text);
            return STATUS_MALFORMED;
        }
    } while (n != 0);
    return 0;
}

static void print_findings(const struct history *h, const struct settings *s)
{
    const struct history_finding *f;
    size_t n;

    f = history_findings(h, &n);
    for (size_t i = 0; !s->is_quiet && i < n; i++)
        printf("%s:%" PRIu32 ": %s: %s\n", s->path, f[i].n_lines > 0 ? f[i].lines[f[i].n_lines - 1] : 0,
               history_anomaly_name(f[i].anomaly), f[i].text);
    for (int i = 0; i < HISTORY_N_ANOMALIES; i++) {
        uint64_t count = history_count(h, (enum history_anomaly)i);

        if (count > 0)
            printf("%s: %" PRIu64 "%s\n", history_anomaly_name((enum history_anomaly)i), count,
                   count > s->rules.max_findings && !s->is_quiet ? ", not all are shown" : "");
    }
}

static int run(const struct settings *s)
{
    bool is_stdin = strcmp(s->path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(s->path, O_RDONLY | O_CLOEXEC);
    struct history_reader reader;
    struct history *h;
    uint64_t n = 0;
    int status;

    if (fd < 0) {
        fprintf(stderr, "gqcheck: %s: %m\n", s->path);
        return EX_NOINPUT;
    }
    h = history_new(&s->rules);
    history_reader_init(&reader, h);
    status = read_history(&reader, fd, s->path);
    history_reader_fini(&reader);
    if (!is_stdin)
        close(fd);
    if (status == 0) {
        n = history_judge(h);
        print_findings(h, s);
        printf("%" PRIu64 " operations, %" PRIu64 " anomalies\n", history_operations(h), n);
        status = n > 0 ? STATUS_ANOMALY : STATUS_FINE;
    }
    history_free(h);
    return status;
}

int main(int argc, char **argv)
{
    struct settings s = { .rules = { .max_findings = 100 } };
    int status = parse_arguments(&s, argc, argv);

    if (status < 0)
        status = run(&s);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "gqcheck: standard output: %m\n");
        return EX_IOERR;
    }
    return status;
}
