/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make-history N [SEED [PLACES PRODUCERS CONSUMERS]]: about N operations on standard output, without anomalies. */
#include <inttypes.h>
#include <stdio.h>

#include "history/generate.h"

static const char *const verbs[] = {
#define X(id, name) name,
    HISTORY_VERBS(X)
#undef X
};

static void print_invoke(const struct history_event *e)
{
    printf("invoke %" PRIu64 " %" PRIu32 " %s", e->id, e->client, verbs[e->verb]);
    if (e->verb == HISTORY_SEND || e->verb == HISTORY_LIST || e->verb == HISTORY_DRAIN)
        printf(" t/%" PRIu32, e->place);
    for (size_t i = 0; i < e->n_records; i++) {
        const struct history_record *r = &e->records[i];

        if (e->verb == HISTORY_SEND)
            printf(" %" PRIu64, r->value);
        else if (r->offset < 0)
            printf(" t/%" PRIu32, r->place);
        else
            printf(" t/%" PRIu32 ":%" PRId64, r->place, r->offset);
    }
    if (e->has & HISTORY_HAS_PRODUCER)
        printf(" pid=%" PRIu64 " epoch=%" PRIu32 " seq=%" PRIu64, e->producer_id, e->epoch, e->sequence);
    if (e->verb == HISTORY_COMMIT_TXN || e->verb == HISTORY_ABORT_TXN)
        printf(" %" PRIu64, e->txn);
    else if (e->txn != 0)
        printf(" txn=%" PRIu64, e->txn);
    if (e->is_raw)
        printf(" raw");
}

static void print_ok(const struct history_event *e)
{
    for (size_t i = 0; i < e->n_records; i++) {
        const struct history_record *r = &e->records[i];

        if (i > 0 && r[-1].place == r->place && r[-1].offset + 1 == r->offset)
            printf(",%" PRIu64, r->value);
        else
            printf(" t/%" PRIu32 ":%" PRId64 "=%" PRIu64, r->place, r->offset, r->value);
    }
    if (e->has & HISTORY_HAS_OFFSET)
        printf(" offset=%" PRId64, e->offset);
    if (e->has & HISTORY_HAS_END)
        printf(" start=%" PRId64 " end=%" PRId64 " stable=%" PRId64, e->start, e->end, e->stable);
}

static void print_event(void *ctx, const struct history_event *e)
{
    if (e->kind == HISTORY_INVOKE)
        print_invoke(e);
    else
        printf("%s %" PRIu64, e->kind == HISTORY_OK ? "ok" : e->kind == HISTORY_FAIL ? "fail" : "info", e->id);
    if (e->kind == HISTORY_OK)
        print_ok(e);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct generate_settings settings = { .n_places = 8, .n_producers = 12, .n_consumers = 6, .emit = print_event };

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
    generate_history(&settings);
    return fflush(stdout) == 0 ? 0 : 1;
}
