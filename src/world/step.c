/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "world/internal.h"

static const char *const texts[] = {
#define X(name, text) [WORLD_STEP_##name] = text,
    WORLD_STEPS(X)
#undef X
};

static const char *const phases[] = {
    [WORLD_WORK] = "work",       [WORLD_HEAL] = "heal", [WORLD_AUDIT] = "audit",
    [WORLD_REAUDIT] = "reaudit", [WORLD_STOP] = "stop", [WORLD_DONE] = "done",
};

/* Two rounds of a multiply and rotate for each word: fast, and each bit counts. */
static uint64_t fold(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9fb21c651e98df25);
    return h ^ (h >> 28);
}

static void step_text(const struct world_story *story, const struct world_step *s, char *to, size_t size)
{
    int n = snprintf(to, size, "%8" PRIu64 " %13.6f ms  ", s->event, (double)s->time_ns / 1e6);

    switch (s->kind) {
    case WORLD_STEP_PHASE:
        snprintf(to + n, size - (size_t)n, "phase %s", phases[s->a]);
        break;
    case WORLD_STEP_FAULT:
        snprintf(to + n, size - (size_t)n, "fault %s %u %" PRId64, world_fault_name((enum world_fault)s->a), s->who,
                 s->b);
        break;
    case WORLD_STEP_CARRY:
        snprintf(to + n, size - (size_t)n, "carry %" PRId64, s->a);
        break;
    case WORLD_STEP_TURN:
    case WORLD_STEP_LANE:
    case WORLD_STEP_START:
    case WORLD_STEP_FATAL:
    case WORLD_STEP_STOP:
    case WORLD_STEP_POWER_LOSS:
    case WORLD_STEP_EXIT:
    case WORLD_STEP_FILES:
        snprintf(to + n, size - (size_t)n, "node %u: %s %" PRId64 " %" PRId64, s->who, texts[s->kind], s->a, s->b);
        break;
    default:
        snprintf(to + n, size - (size_t)n, "%s %u: %s %" PRId64 " %" PRId64, story->client_names[s->who], s->who,
                 texts[s->kind], s->a, s->b);
    }
}

void world_step(struct world *w, enum world_step_kind kind, unsigned who, int64_t a, int64_t b)
{
    struct world_step *s = &w->story->steps[w->story->n_steps++ % WORLD_N_STEPS];
    char line[160];

    *s = (struct world_step){ w->story->n_events, w->now_ns, kind, who, a, b };
    w->hash = fold(w->hash, w->now_ns);
    w->hash = fold(w->hash, (uint64_t)kind << 32 | who);
    w->hash = fold(w->hash, (uint64_t)a);
    w->hash = fold(w->hash, (uint64_t)b);
    if (w->options.trace == NULL)
        return;
    step_text(w->story, s, line, sizeof(line));
    w->options.trace(w->options.trace_ctx, line);
}

void world_fail(struct world *w, const char *invariant, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    if (world_has_failed(w))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    error_setf(&w->story->failure, "%s: %s", invariant, text);
}

/* ---- The story ---- */

size_t world_story_size(void)
{
    return sizeof(struct world_story);
}

uint64_t world_story_events(const struct world_story *s)
{
    return s->n_events;
}

const char *world_story_failure(const struct world_story *s)
{
    return s->failure.text[0] != '\0' ? s->failure.text : NULL;
}

bool world_story_has_fault(const struct world_story *s, enum world_fault fault)
{
    return (s->faults >> fault & 1) != 0;
}

uint64_t world_story_fault_count(const struct world_story *s, enum world_fault fault)
{
    return s->n_faults[fault];
}

void world_story_steps(const struct world_story *s, void (*fn)(void *ctx, const char *line), void *ctx)
{
    uint64_t first = s->n_steps > WORLD_N_STEPS ? s->n_steps - WORLD_N_STEPS : 0;
    char line[160];

    for (uint64_t i = first; i < s->n_steps; i++) {
        step_text(s, &s->steps[i % WORLD_N_STEPS], line, sizeof(line));
        fn(ctx, line);
    }
}
