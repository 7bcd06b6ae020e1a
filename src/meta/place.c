/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meta/internal.h"

/* Where partitions go: a function of the brokers and of the partition's group id alone. Group ids are given in turn, so
 * the partitions of all topics together take turns on the brokers, and so do those that are to lead. The others of a
 * partition follow in an order that changes with each turn, so that what a broker leads is spread over all others when
 * it fails. Racks take turns too: none has two replicas of a partition while another has none. */

struct place {
    int32_t id;
    size_t rack; /* brokers without one share one */
    size_t nth;  /* of its rack */
    bool taken;
};

static bool is_same_rack(const struct meta_broker *a, const struct meta_broker *b)
{
    return slice_eq_str(slice_str(a->rack != NULL ? a->rack : ""), b->rack != NULL ? b->rack : "");
}

/* Racks are numbered as their first brokers come. */
static void find_rack(const struct meta *m, const struct meta_broker *b, const struct place *places, size_t n,
                      size_t *n_racks, struct place *ret)
{
    const struct meta_broker *other;
    size_t i = 0;

    *ret = (struct place){ .id = b->id, .rack = *n_racks };
    list_foreach (&m->brokers, other, link) {
        if (i == n)
            break;
        if (is_same_rack(b, other)) {
            ret->rack = places[i].rack;
            ret->nth++;
        }
        i++;
    }
    *n_racks += ret->rack == *n_racks;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->nth != y->nth)
        return x->nth < y->nth ? -1 : 1;
    return (x->rack > y->rack) - (x->rack < y->rack);
}

/* The brokers, with the racks in turn. */
static struct place *list_places(const struct meta *m, size_t *ret_n, size_t *ret_n_racks)
{
    size_t n = 0, n_racks = 0;
    struct place *places = xcalloc(meta_n_brokers(m), sizeof(*places));
    const struct meta_broker *b;

    list_foreach (&m->brokers, b, link) {
        find_rack(m, b, places, n, &n_racks, &places[n]);
        n++;
    }
    qsort(places, n, sizeof(*places), compare_places);
    *ret_n = n;
    *ret_n_racks = n_racks;
    return places;
}

/* In each round one of each rack, as far as they go. */
static void place_one(struct place *places, size_t n, bool *racks, size_t n_racks, uint64_t group, int32_t *to,
                      uint16_t n_replicas)
{
    size_t start = (size_t)(group % n), turn = (size_t)(group / n), n_placed = 0;

    for (size_t i = 0; i < n; i++)
        places[i].taken = false;
    while (n_placed < n_replicas) {
        memset(racks, 0, n_racks * sizeof(*racks));
        for (size_t i = 0; i < n && n_placed < n_replicas; i++) {
            struct place *p = &places[i == 0 ? start : (start + 1 + (turn + i - 1) % (n - 1)) % n];

            if (p->taken || racks[p->rack])
                continue;
            p->taken = racks[p->rack] = true;
            to[n_placed++] = p->id;
        }
    }
}

void meta_place(const struct meta *m, struct meta_topic *t, int32_t from)
{
    size_t n, n_racks;
    _cleanup_(freep) struct place *places = list_places(m, &n, &n_racks);
    _cleanup_(freep) bool *racks = xcalloc(n_racks, sizeof(*racks));

    gq_assert(t->n_replicas <= n);
    for (int32_t p = from; p < t->n_partitions; p++)
        place_one(places, n, racks, n_racks, t->partitions[p].group, meta_replica_places(t, p), t->n_replicas);
}
