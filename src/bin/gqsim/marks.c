/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mark.h"
#include "base/util.h"
#include "bin/gqsim/gqsim.h"

static const struct {
    const char *name, *text;
} marks_of_code[] = {
#define X(name, text) [GQ_MARK_##name] = { #name, text },
    GQ_MARK_LIST(X)
#undef X
};

static_assert(GQ_N_MARKS + WORLD_N_FAULTS <= GQSIM_MAX_MARKS, "room for all marks");

void gqsim_add_marks(uint64_t to[GQSIM_MAX_MARKS], const struct world_story *story)
{
    for (unsigned i = 0; i < GQ_N_MARKS; i++)
        to[i] += gq_marks[i];
    for (unsigned i = 0; i < WORLD_N_FAULTS; i++)
        to[GQ_N_MARKS + i] += world_story_fault_count(story, (enum world_fault)i);
    memset(gq_marks, 0, sizeof(gq_marks));
}

static const char *mark_name(unsigned i)
{
    return i < GQ_N_MARKS ? marks_of_code[i].name : world_fault_name((enum world_fault)(i - GQ_N_MARKS));
}

static const char *mark_text(unsigned i)
{
    return i < GQ_N_MARKS ? marks_of_code[i].text : world_fault_text((enum world_fault)(i - GQ_N_MARKS));
}

bool gqsim_print_marks(const uint64_t marks[GQSIM_MAX_MARKS])
{
    unsigned n = GQ_N_MARKS + WORLD_N_FAULTS, n_hit = 0, rarest = 0;

    for (unsigned i = 0; i < n; i++) {
        n_hit += marks[i] > 0;
        if (marks[i] == 0)
            printf("not hit: %s (%s)\n", mark_name(i), mark_text(i));
        else if (marks[rarest] == 0 || marks[i] < marks[rarest])
            rarest = i;
    }
    printf("marks: %u of %u hit, the rarest %s %" PRIu64 " times\n", n_hit, n, mark_name(rarest), marks[rarest]);
    return n_hit == n;
}
