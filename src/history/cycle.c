/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions that come before each other in a circle.
 *
 * One transaction comes before another when the other read what it wrote, or wrote behind it in a partition. Kafka's
 * transactions may interleave what they write, so without a rule only circles of reads count. */
#include <inttypes.h>
#include <stdio.h>

#include "history/internal.h"

struct edge {
    uint32_t from, to, line;
    bool is_read;
};

DEFINE_TABLE(edge);

struct graph {
    struct edge_table edges; /* sorted by from */
    size_t *first;           /* of each node, and one behind the last */
    size_t n_nodes;
    uint32_t *component; /* NONE: not known yet */
    uint32_t n_components;
};

/* One that can't have been committed gets no edge, and so is in no circle. */
static void edge_add(struct history *h, struct graph *g, uint32_t from, uint32_t to, uint32_t line, bool is_read)
{
    if (from != NONE && to != NONE && from != to && txn_may_commit(&h->txns.at[to]))
        *table_add(&g->edges) = (struct edge){ .from = from, .to = to, .line = line, .is_read = is_read };
}

static int compare_edges(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static void graph_init(struct graph *g, struct history *h, const struct view *view, bool with_reads, bool with_writes)
{
    *g = (struct graph){ .n_nodes = h->txns.n };
    for (size_t i = 0; with_reads && i < h->reads.n; i++) {
        const struct txn_read *r = &h->reads.at[i];

        edge_add(h, g, h->sends.at[h->values.at[r->value].send].txn, r->txn, r->line, true);
    }
    for (size_t i = 1; with_writes && i < view->n; i++) {
        const struct value *a = &h->values.at[view->at[i - 1].value], *b = &h->values.at[view->at[i].value];

        if (view->at[i - 1].place == view->at[i].place)
            edge_add(h, g, h->sends.at[a->send].txn, h->sends.at[b->send].txn, b->located_line, false);
    }
    if (g->edges.n > 0)
        qsort(g->edges.at, g->edges.n, sizeof(*g->edges.at), compare_edges);
    g->first = xcalloc(g->n_nodes + 1, sizeof(*g->first));
    for (size_t i = 0; i < g->edges.n; i++)
        g->first[g->edges.at[i].from + 1]++;
    for (size_t i = 0; i < g->n_nodes; i++)
        g->first[i + 1] += g->first[i];
}

static void graph_fini(struct graph *g)
{
    free(g->edges.at);
    free(g->first);
    free(g->component);
}

/* Tarjan's strongly connected components, with a stack of its own. */
struct search {
    uint32_t *number, *low; /* 0: not visited */
    size_t *next_edge;
    uint32_t *path, *open; /* the way down; nodes whose component isn't complete */
    size_t n_path, n_open;
    uint32_t count;
};

static void enter(struct search *s, const struct graph *g, uint32_t node)
{
    s->number[node] = s->low[node] = ++s->count;
    s->next_edge[node] = g->first[node];
    s->path[s->n_path++] = node;
    s->open[s->n_open++] = node;
}

static void leave(struct search *s, struct graph *g, uint32_t node)
{
    uint32_t member;

    s->n_path--;
    if (s->n_path > 0) {
        uint32_t above = s->path[s->n_path - 1];

        s->low[above] = MIN(s->low[above], s->low[node]);
    }
    if (s->low[node] != s->number[node])
        return;
    do {
        member = s->open[--s->n_open];
        g->component[member] = g->n_components;
    } while (member != node);
    g->n_components++;
}

static void search_from(struct search *s, struct graph *g, uint32_t root)
{
    enter(s, g, root);
    while (s->n_path > 0) {
        uint32_t node = s->path[s->n_path - 1], to;

        if (s->next_edge[node] == g->first[node + 1]) {
            leave(s, g, node);
            continue;
        }
        to = g->edges.at[s->next_edge[node]++].to;
        if (s->number[to] == 0)
            enter(s, g, to);
        else if (g->component[to] == NONE)
            s->low[node] = MIN(s->low[node], s->number[to]);
    }
}

static void find_components(struct graph *g)
{
    struct search s = { 0 };
    size_t n = g->n_nodes;

    s.number = xcalloc(n, sizeof(*s.number));
    s.low = xcalloc(n, sizeof(*s.low));
    s.next_edge = xcalloc(n, sizeof(*s.next_edge));
    s.path = xcalloc(n, sizeof(*s.path));
    s.open = xcalloc(n, sizeof(*s.open));
    g->component = xmalloc(n * sizeof(*g->component));
    for (size_t i = 0; i < n; i++)
        g->component[i] = NONE;
    for (uint32_t i = 0; i < n; i++)
        if (s.number[i] == 0)
            search_from(&s, g, i);
    free(s.number);
    free(s.low);
    free(s.next_edge);
    free(s.path);
    free(s.open);
}

/* The shortest way from the head of an edge back to its tail: came[x] is the edge that leads to x. */
static void find_way(const struct graph *g, const struct edge *start, size_t *came)
{
    _cleanup_(freep) uint32_t *queue = xmalloc(g->n_nodes * sizeof(*queue));
    size_t head = 0, n = 0;

    for (size_t i = 0; i < g->n_nodes; i++)
        came[i] = SIZE_MAX;
    queue[n++] = start->to;
    came[start->to] = (size_t)(start - g->edges.at);
    while (head < n && came[start->from] == SIZE_MAX) {
        uint32_t node = queue[head++];

        for (size_t i = g->first[node]; i < g->first[node + 1]; i++) {
            uint32_t to = g->edges.at[i].to;

            if (came[to] != SIZE_MAX || g->component[to] != g->component[start->from])
                continue;
            came[to] = i;
            queue[n++] = to;
        }
    }
}

#define MAX_NAMED 8

static void report_cycle(struct history *h, const struct graph *g, const struct edge *start)
{
    _cleanup_(freep) size_t *came = xmalloc(g->n_nodes * sizeof(*came));
    uint32_t lines[HISTORY_MAX_LINES + 1] = { 0 };
    char text[MAX_NAMED * 64 + 64];
    size_t used = 0, n = 0;
    uint32_t node = start->from;
    bool has_read = false;

    find_way(g, start, came);
    do {
        const struct edge *edge = &g->edges.at[came[node]];

        if (n < HISTORY_MAX_LINES)
            lines[n] = edge->line;
        if (n < MAX_NAMED)
            used += (size_t)snprintf(text + used, sizeof(text) - used,
                                     "%s%" PRIu64 " %s %" PRIu64 " (line %" PRIu32 ")", n > 0 ? ", " : "",
                                     h->txns.at[edge->to].number, edge->is_read ? "read from" : "wrote behind",
                                     h->txns.at[edge->from].number, edge->line);
        has_read |= edge->is_read;
        node = edge->from;
        n++;
    } while (node != start->from);
    report(h, has_read ? HISTORY_READ_CYCLE : HISTORY_WRITE_CYCLE, NONE, -1, lines,
           "%zu transactions in a circle: %s%s", n, text, n > MAX_NAMED ? ", ..." : "");
}

/* Reports one circle in each component, if possible with a read in it. Transactions in circles that an earlier turn
 * found are left out. */
static void judge_edges(struct history *h, const struct view *view, bool with_reads, bool with_writes, bool *is_known)
{
    struct graph g;
    _cleanup_(freep) size_t *chosen = NULL;

    graph_init(&g, h, view, with_reads, with_writes);
    if (g.edges.n > 0) {
        find_components(&g);
        chosen = xmalloc(g.n_components * sizeof(*chosen));
        for (size_t i = 0; i < g.n_components; i++)
            chosen[i] = SIZE_MAX;
        for (size_t i = 0; i < g.edges.n; i++) {
            const struct edge *e = &g.edges.at[i];
            size_t *choice = &chosen[g.component[e->from]];

            if (g.component[e->from] == g.component[e->to] && !is_known[e->from] && !is_known[e->to] &&
                (*choice == SIZE_MAX || (e->is_read && !g.edges.at[*choice].is_read)))
                *choice = i;
        }
        for (size_t i = 0; i < g.edges.n; i++)
            if (chosen[g.component[g.edges.at[i].from]] == i)
                report_cycle(h, &g, &g.edges.at[i]);
        for (size_t i = 0; i < g.edges.n; i++)
            if (g.component[g.edges.at[i].from] == g.component[g.edges.at[i].to])
                is_known[g.edges.at[i].from] = true;
    }
    graph_fini(&g);
}

void judge_cycles(struct history *h, const struct view *view)
{
    _cleanup_(freep) bool *is_known = xcalloc(h->txns.n + 1, sizeof(*is_known));

    judge_edges(h, view, true, false, is_known);
    if (!h->rules.serial_writes)
        return;
    judge_edges(h, view, false, true, is_known);
    judge_edges(h, view, true, true, is_known);
}
