/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening the rig's journal, and holding what it gives against the model. */

#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/rig.h"

static int note_group(void *ctx, const struct journal_group_state *st)
{
    struct rig_group *g = rig_group(ctx, st->group);

    ck_assert(!g->was_found);
    g->was_found = true;
    g->found = *st;
    g->replayed_first = g->replayed_last = 0;
    return 0;
}

static struct rig_entry *replayed_at(struct rig_group *g, uint64_t index)
{
    if (index > g->replayed_capacity) {
        g->replayed_capacity = MAX(g->replayed_capacity * 2, (size_t)index);
        g->replayed = xrealloc(g->replayed, g->replayed_capacity * sizeof(*g->replayed));
    }
    return &g->replayed[index - 1];
}

static int note_record(void *ctx, const struct journal_replay_record *rec)
{
    struct rig_group *g = rig_group(ctx, rec->group);
    uint64_t checkpoint = g->found.checkpoint_index;

    ck_assert(g->was_found);
    ck_assert_uint_gt(rec->index, checkpoint);
    ck_assert_uint_eq(crc32c(0, rec->data.data, rec->data.size), rec->checksum);
    if (g->replayed_last == 0)
        g->replayed_first = g->replayed_last = checkpoint + 1;
    else
        g->replayed_last++;
    ck_assert_uint_eq(rec->index, g->replayed_last);
    *replayed_at(g, rec->index) = (struct rig_entry){ rec->term, rec->checksum, rec->data.size };
    return 0;
}

/* Whether the group as it was found is what the state says, but for its hard state. */
static bool matches(const struct rig_group *g, const struct rig_state *s)
{
    uint64_t checkpoint = g->found.checkpoint_index, last = MAX(g->replayed_last, checkpoint);

    if (!g->was_found || !s->exists)
        return g->was_found == s->exists;
    if (g->found.log_start != s->log_start || last != s->last_index)
        return false;
    for (uint64_t i = checkpoint + 1; i <= last; i++) {
        const struct rig_entry *a = &g->replayed[i - 1], *b = &s->entries[i - 1];

        if (a->term != b->term || a->checksum != b->checksum || a->size != b->size)
            return false;
    }
    return true;
}

/* Finds the number of hard states that were kept. */
static size_t check_states(const struct rig_group *g, struct rig_state *s)
{
    size_t k = 0;

    while (k < g->states.n_done)
        rig_state_apply(s, g->states.requests[k++]);
    while (g->was_found && (g->found.term != s->term || g->found.vote != s->vote)) {
        ck_assert_msg(k < g->states.n, "group %" PRIu64 ": nobody asked for term %" PRIu64 " and vote %d", g->id,
                      g->found.term, g->found.vote);
        rig_state_apply(s, g->states.requests[k++]);
    }
    return k;
}

/* Finds the number of other requests that were kept. */
static size_t check_log(const struct rig_group *g, struct rig_state *s)
{
    size_t k = 0;

    while (k < g->log.n_done)
        rig_state_apply(s, g->log.requests[k++]);
    while (!matches(g, s)) {
        ck_assert_msg(k < g->log.n,
                      "group %" PRIu64 ": nothing that was asked for gives what was found: "
                      "%zu of %zu requests done; found %d, term %" PRIu64 ", checkpoint %" PRIu64 ", last %" PRIu64
                      "; all give last %" PRIu64,
                      g->id, g->log.n_done, g->log.n, g->was_found, g->found.term, g->found.checkpoint_index,
                      g->replayed_last, s->last_index);
        rig_state_apply(s, g->log.requests[k++]);
    }
    return k;
}

static void check_checkpoint(struct rig_group *g, const struct rig_state *s)
{
    uint64_t index = g->found.checkpoint_index;

    ck_assert_uint_ge(index, g->checkpoint_done);
    ck_assert_uint_le(index, MAX(g->checkpoint_sent, g->checkpoint_done));
    g->checkpoint_done = g->checkpoint_sent = index;
    if (index > 0) {
        const struct rig_entry *e = &s->entries[index - 1];

        ck_assert_uint_eq(g->found.checkpoint_checksum, e->checksum);
        ck_assert_uint_eq(g->found.checkpoint_term, e->term);
        ck_assert_int_eq(g->found.checkpoint_offset, (int64_t)index * 10);
    }
}

/* What wasn't kept is gone for good. */
static void check_group(struct rig_group *g)
{
    struct rig_state s = { .vote = -1 };
    size_t n_states = check_states(g, &s), n = check_log(g, &s);

    if (n > 0)
        ck_assert_uint_ge(n_states, g->log.requests[n - 1]->n_states);
    if (g->was_found)
        check_checkpoint(g, &s);
    rig_sequence_cut(&g->states, n_states);
    rig_sequence_cut(&g->log, n);
    g->n_copies = g->n_copies_done = 0;
    g->forgotten = n > 0 && g->log.requests[n - 1]->request.kind == JOURNAL_FORGET;
    free(g->sent.entries);
    g->sent = s;
}

int rig_open(struct rig *r)
{
    int err = journal_open(&r->config, &r->j, &r->err);

    if (err != 0)
        return err;
    for (size_t i = 0; i < r->n_groups; i++) {
        r->groups[i].was_found = false;
        r->groups[i].replayed_first = r->groups[i].replayed_last = 0;
        r->groups[i].found = (struct journal_group_state){ 0 };
    }
    journal_groups(r->j, note_group, r);
    err = journal_replay(r->j, note_record, r, &r->err);
    if (err != 0) {
        rig_stop(r);
        return err;
    }
    for (size_t i = 0; i < r->n_groups; i++)
        check_group(&r->groups[i]);
    return 0;
}

uint32_t rig_fingerprint(const struct rig *r)
{
    uint32_t crc = 0;

    for (size_t i = 0; i < r->n_groups; i++) {
        const struct rig_group *g = &r->groups[i];
        uint64_t head[] = { g->id,
                            g->was_found,
                            g->found.term,
                            (uint64_t)g->found.vote,
                            (uint64_t)g->found.log_start,
                            g->found.checkpoint_index,
                            g->replayed_first,
                            g->replayed_last };

        crc = crc32c(crc, head, sizeof(head));
        for (uint64_t k = g->replayed_first; k > 0 && k <= g->replayed_last; k++)
            crc = crc32c(crc, &g->replayed[k - 1].checksum, sizeof(uint32_t));
    }
    return crc;
}
