/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "bench.h"

#define MAX_MESSAGE (256 << 20)

static const struct {
    const char *name;
    int (*run)(const struct bench_options *o);
} commands[] = {
    { "mock", bench_mock },         { "produce", bench_produce }, { "rate", bench_rate },
    { "consume", bench_consume },   { "one", bench_one },         { "load", bench_load },
    { "fetch", bench_fetch },       { "start", bench_start },     { "topics", bench_topics },
    { "floor", bench_floor },       { "stream", bench_stream },   { "disk", bench_disk },
    { "sendfile", bench_sendfile }, { "sync", bench_sync },       { "flow", bench_flow },
    { "drop", bench_drop },
};

static int usage(void)
{
    fprintf(stderr, "usage: bench-client COMMAND [NAME=VALUE]... [-- BROKER ARGUMENTS...]\ncommands:");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, " %s", commands[i].name);
    fprintf(stderr, "\nnames: broker topic size records partitions connections rate linger_ms seconds count file kafka "
                    "peer depth server_core bytes recv\n");
    return 64;
}

static bool set_option(struct bench_options *o, char *arg)
{
    const struct {
        const char *name;
        int *to;
    } numbers[] = {
        { "size", &o->size },        { "records", &o->records },         { "partitions", &o->partitions },
        { "rate", &o->rate },        { "connections", &o->connections }, { "linger_ms", &o->linger_ms },
        { "depth", &o->depth },      { "server_core", &o->server_core }, { "bytes", &o->bytes },
        { "recv", &bench_recv_max },
    };
    char *value = strchr(arg, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(arg, numbers[i].name) == 0) {
            *numbers[i].to = atoi(value);
            return true;
        }
    }
    if (strcmp(arg, "broker") == 0)
        o->broker = value;
    else if (strcmp(arg, "topic") == 0)
        o->topic = value;
    else if (strcmp(arg, "peer") == 0)
        o->peer = value;
    else if (strcmp(arg, "seconds") == 0)
        o->seconds = atof(value);
    else if (strcmp(arg, "count") == 0)
        o->count = atoll(value);
    else if (strcmp(arg, "file") == 0)
        o->file = value;
    else if (strcmp(arg, "kafka") == 0)
        o->kafka = atoi(value) != 0;
    else
        return false;
    return true;
}

static bool sensible(const struct bench_options *o)
{
    return o->size >= 1 && o->size <= MAX_MESSAGE && o->records >= 1 && o->partitions >= 1 && o->connections >= 1 &&
           o->rate >= 1 && o->depth >= 1 && o->bytes >= 1 && bench_recv_max >= 1 && o->linger_ms >= 0 &&
           o->seconds > 0 && o->count >= 0;
}

int main(int argc, char **argv)
{
    struct bench_options o = { .broker = "127.0.0.1:9092",
                               .topic = "bench",
                               .size = 100,
                               .records = 1,
                               .partitions = 1,
                               .connections = 1,
                               .rate = 1000,
                               .linger_ms = 5,
                               .depth = 1,
                               .bytes = 8 << 20,
                               .seconds = 2,
                               .file = "floor.tmp",
                               .kafka = true,
                               .server_core = -1 };

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            o.command = argv + i + 1;
            break;
        }
        if (!set_option(&o, argv[i]))
            return usage();
    }
    if (!sensible(&o))
        return usage();
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(&o);
    }
    return usage();
}
