/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

double bench_us(const struct histogram *h, double quantile)
{
    return (double)histogram_quantile(h, quantile) / 1e3;
}

static const struct {
    const char *name;
    int (*run)(const struct bench_options *o);
} commands[] = {
    { "mock", bench_mock }, { "produce", bench_produce }, { "consume", bench_consume },
    { "one", bench_one },   { "floor", bench_floor },
};

static int usage(void)
{
    fprintf(stderr, "bench-client mock|produce|consume|one|floor [broker=HOST:PORT] [topic=T] [size=BYTES] "
                    "[partitions=N] [seconds=S] [file=PATH] [server_core=N]\n");
    return 64;
}

static bool set_option(struct bench_options *o, char *arg)
{
    char *value = strchr(arg, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(arg, "broker") == 0)
        o->broker = value;
    else if (strcmp(arg, "topic") == 0)
        o->topic = value;
    else if (strcmp(arg, "size") == 0)
        o->size = atoi(value);
    else if (strcmp(arg, "partitions") == 0)
        o->partitions = atoi(value);
    else if (strcmp(arg, "seconds") == 0)
        o->seconds = atof(value);
    else if (strcmp(arg, "file") == 0)
        o->file = value;
    else if (strcmp(arg, "server_core") == 0)
        o->server_core = atoi(value);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct bench_options o = { .broker = "127.0.0.1:9092",
                               .topic = "bench",
                               .size = 100,
                               .partitions = 1,
                               .seconds = 2,
                               .file = "floor.tmp",
                               .server_core = -1 };

    for (int i = 2; i < argc; i++) {
        if (!set_option(&o, argv[i]))
            return usage();
    }
    if (o.size < 1 || o.size > 1000000 || o.partitions < 1 || o.seconds <= 0)
        return usage();
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(&o);
    }
    return usage();
}
