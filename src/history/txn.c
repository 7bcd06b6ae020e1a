/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of each transaction. */
#include "history/internal.h"

uint32_t txn_index(struct history *h, uint64_t number)
{
    uint32_t *found;
    bool is_new;

    if (number == 0)
        return NONE;
    found = map_add(&h->txn_of, number, 0, (uint32_t)h->txns.n, &is_new);
    if (is_new) {
        struct txn *t = table_add(&h->txns);

        t->number = number;
        t->places = NONE;
    }
    return *found;
}

static bool is_ending(const struct txn *t)
{
    return t->commit_line != 0 || t->abort_line != 0;
}

void txn_touch(struct history *h, uint32_t txn, uint32_t place)
{
    struct txn *t = &h->txns.at[txn];
    struct txn_place *link;
    bool is_new;

    map_add(&h->txn_place_of, txn, place, (uint32_t)h->txn_places.n, &is_new);
    if (!is_new)
        return;
    link = table_add(&h->txn_places);
    link->place = place;
    link->next = t->places;
    t->places = (uint32_t)h->txn_places.n - 1;
    if (!is_ending(t))
        h->places.at[place].n_open_txns++;
}

void txn_end_invoke(struct history *h, uint32_t txn, bool is_commit)
{
    struct txn *t = &h->txns.at[txn];

    for (uint32_t i = is_ending(t) ? NONE : t->places; i != NONE; i = h->txn_places.at[i].next)
        h->places.at[h->txn_places.at[i].place].n_open_txns--;
    t->n_commits += is_commit;
    if (is_commit && t->commit_line == 0)
        t->commit_line = h->line;
    else if (!is_commit && t->abort_line == 0)
        t->abort_line = h->line;
}

void txn_commit_end(struct history *h, uint32_t txn, enum history_kind kind)
{
    struct txn *t = &h->txns.at[txn];

    if (kind == HISTORY_OK && t->committed_line == 0) {
        t->committed_line = h->line;
    } else if (kind == HISTORY_FAIL) {
        t->refused_line = h->line;
        t->n_refused++;
    }
}

bool txn_may_commit(const struct txn *t)
{
    return t->committed_line != 0 || t->n_commits > t->n_refused;
}

bool txn_is_committed(const struct txn *t)
{
    return t->committed_line != 0 || (txn_may_commit(t) && t->seen_line != 0);
}
