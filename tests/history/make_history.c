/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make-history N [SEED [PLACES PRODUCERS CONSUMERS]]: about N operations on standard output, without anomalies. */
#include <inttypes.h>
#include <stdio.h>

#include "history/generate.h"

struct output {
    struct history *names; /* has the partitions, and nothing else */
    struct wr line;
};

static void print_event(void *ctx, const struct history_event *e)
{
    struct output *out = ctx;

    wr_reset(&out->line);
    history_format(out->names, e, &out->line);
    fwrite(out->line.start, 1, wr_size(&out->line), stdout);
}

static void name_places(struct history *names, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char name[16];

        snprintf(name, sizeof(name), "t/%" PRIu32, i);
        history_place(names, slice_str(name));
    }
}

int main(int argc, char **argv)
{
    struct history_rules rules = { 0 };
    struct output out = { .names = history_new(&rules) };
    struct generate_settings settings = {
        .n_places = 8, .n_producers = 12, .n_consumers = 6, .emit = print_event, .ctx = &out
    };

    if (argc < 2) {
        fprintf(stderr, "usage: make-history OPERATIONS [SEED [PLACES PRODUCERS CONSUMERS]]\n");
        return 1;
    }
    settings.n_operations = strtoull(argv[1], NULL, 10);
    settings.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    if (argc > 5) {
        settings.n_places = (uint32_t)strtoul(argv[3], NULL, 10);
        settings.n_producers = (uint32_t)strtoul(argv[4], NULL, 10);
        settings.n_consumers = (uint32_t)strtoul(argv[5], NULL, 10);
    }
    name_places(out.names, settings.n_places);
    wr_init_growing(&out.line, 4096, HISTORY_MAX_LINE_BYTES);
    generate_history(&settings);
    wr_fini(&out.line);
    history_free(out.names);
    return fflush(stdout) == 0 ? 0 : 1;
}
