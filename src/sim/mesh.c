/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/mesh.h"

#include <errno.h>
#include <stdio.h>

#include "base/list.h"
#include "base/util.h"

#define PIECE 16384
#define MAX_INSERTED 64
#define CUT_NS 1000000 /* the reset comes when the part before it has been read */
#define FIRST_PORT 40000

/* What is on its way: bytes, or at the end of a stream how it ended. */
struct piece {
    struct list link;
    uint64_t due_ns;
    int end; /* 0: bytes, 1: end of stream, or -ECONNRESET */
    size_t size, at;
    uint8_t data[];
};

struct flow {
    struct list pieces;
    size_t size;
    uint64_t last_due_ns;
    bool ended;   /* nothing more is taken from its source */
    bool blocked; /* the other end took nothing of what was due */
};

/* Side 0 has asked for it. flows[0] goes from there to side 1. */
struct wire {
    struct list link;
    unsigned nodes[2];
    struct sim_conn *ends[2]; /* NULL: gone */
    struct flow flows[2];
    char *address;   /* while it isn't answered */
    uint64_t due_ns; /* of the answer */
    bool silent;     /* only one end is left, which wasn't told; or no answer will come */
};

struct tamper {
    bool is_set;
    enum sim_tamper how;
    uint64_t skip;
    struct sim_prng prng;
};

struct sim_mesh {
    struct sim_prng *prng;
    struct {
        struct sim_net *net;
        char *address;
        bool power_lost;
    } nodes[SIM_MESH_MAX_NODES];
    struct sim_path paths[SIM_MESH_MAX_NODES][SIM_MESH_MAX_NODES];
    uint64_t n_given[SIM_MESH_MAX_NODES][SIM_MESH_MAX_NODES];
    struct tamper tampers[SIM_MESH_MAX_NODES][SIM_MESH_MAX_NODES];
    uint64_t n_tampered;
    struct list wires;
    uint16_t next_port;
};

struct sim_mesh *sim_mesh_new(struct sim_prng *prng)
{
    struct sim_mesh *m = xcalloc(1, sizeof(*m));

    m->prng = prng;
    m->next_port = FIRST_PORT;
    list_init(&m->wires);
    return m;
}

static void drop_pieces(struct flow *f)
{
    struct list *link;

    while ((link = list_pop(&f->pieces)) != NULL)
        free(list_entry(link, struct piece, link));
    f->size = 0;
}

static void free_wire(struct wire *w)
{
    for (int i = 0; i < 2; i++) {
        drop_pieces(&w->flows[i]);
        sim_conn_close(w->ends[i]);
    }
    list_remove(&w->link);
    free(w->address);
    free(w);
}

void sim_mesh_free(struct sim_mesh *m)
{
    struct wire *w;

    if (m == NULL)
        return;
    while ((w = list_first(&m->wires, struct wire, link)) != NULL)
        free_wire(w);
    for (unsigned i = 0; i < SIM_MESH_MAX_NODES; i++)
        free(m->nodes[i].address);
    free(m);
}

struct sim_path *sim_mesh_path(struct sim_mesh *m, unsigned from, unsigned to)
{
    gq_assert(from < SIM_MESH_MAX_NODES && to < SIM_MESH_MAX_NODES);
    return &m->paths[from][to];
}

uint64_t sim_mesh_n_given(const struct sim_mesh *m, unsigned from, unsigned to)
{
    gq_assert(from < SIM_MESH_MAX_NODES && to < SIM_MESH_MAX_NODES);
    return m->n_given[from][to];
}

/* The node behind that end finds its connection dead. */
static void reset_end(struct wire *w, int side)
{
    if (w->ends[side] == NULL)
        return;
    if (w->address != NULL)
        sim_conn_answer(w->ends[side], -ECONNRESET);
    else
        sim_conn_reset(w->ends[side]);
    free(TAKE_PTR(w->address));
    sim_conn_close(TAKE_PTR(w->ends[side]));
}

static void break_wire(struct wire *w)
{
    reset_end(w, 0);
    reset_end(w, 1);
    free_wire(w);
}

static bool is_between(const struct wire *w, unsigned a, unsigned b)
{
    return (w->nodes[0] == a && w->nodes[1] == b) || (w->nodes[0] == b && w->nodes[1] == a);
}

void sim_mesh_attach(struct sim_mesh *m, unsigned node, const char *address, struct sim_net *net)
{
    gq_assert(node < SIM_MESH_MAX_NODES && m->nodes[node].net == NULL);
    free(m->nodes[node].address);
    m->nodes[node].address = xstrdup(address);
    m->nodes[node].net = net;
    m->nodes[node].power_lost = false;
}

void sim_mesh_detach(struct sim_mesh *m, unsigned node, bool power_lost)
{
    struct wire *w, *tmp;

    list_foreach_safe (&m->wires, w, tmp, link) {
        int side = w->nodes[0] == node ? 0 : 1;

        if (w->nodes[side] != node)
            continue;
        sim_conn_close(TAKE_PTR(w->ends[side]));
        if (power_lost && w->address == NULL)
            w->silent = true;
        else
            break_wire(w);
    }
    m->nodes[node].net = NULL;
    m->nodes[node].power_lost = power_lost;
}

void sim_mesh_break(struct sim_mesh *m, unsigned a, unsigned b)
{
    struct wire *w, *tmp;

    list_foreach_safe (&m->wires, w, tmp, link)
        if (is_between(w, a, b))
            break_wire(w);
}

void sim_mesh_break_for(struct sim_mesh *m, unsigned from, unsigned to)
{
    struct wire *w;

    list_foreach (&m->wires, w, link) {
        if (!is_between(w, from, to) || w->silent)
            continue;
        w->silent = true;
        reset_end(w, w->nodes[0] == to ? 0 : 1);
    }
}

unsigned sim_mesh_n_wires(const struct sim_mesh *m, unsigned a, unsigned b)
{
    const struct wire *w;
    unsigned n = 0;

    list_foreach (&m->wires, w, link)
        n += is_between(w, a, b);
    return n;
}

/* ---- New connections ---- */

static uint64_t draw_delay(struct sim_mesh *m, unsigned from, unsigned to)
{
    const struct sim_path *p = &m->paths[from][to];

    return p->delay_ns + (p->jitter_ns > 0 ? sim_prng_below(m->prng, p->jitter_ns) : 0);
}

static unsigned node_at(const struct sim_mesh *m, const char *address)
{
    unsigned i = 0;

    while (i < SIM_MESH_MAX_NODES && (m->nodes[i].address == NULL || strcmp(m->nodes[i].address, address) != 0))
        i++;
    return i;
}

static void take_dial(struct sim_mesh *m, unsigned from, const struct sim_dial *dial, uint64_t now_ns)
{
    struct wire *w;
    unsigned to = node_at(m, dial->address);

    if (to == SIM_MESH_MAX_NODES) { /* nobody was ever there */
        sim_conn_answer(dial->conn, -ECONNREFUSED);
        sim_conn_close(dial->conn);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->nodes[0] = from;
    w->nodes[1] = to;
    w->ends[0] = dial->conn;
    w->address = xstrdup(dial->address);
    w->due_ns = now_ns + draw_delay(m, from, to) + draw_delay(m, to, from);
    for (int i = 0; i < 2; i++)
        list_init(&w->flows[i].pieces);
    list_append(&m->wires, &w->link);
}

static void answer(struct sim_mesh *m, struct wire *w)
{
    unsigned to = w->nodes[1];
    struct sim_net *net = m->nodes[to].net;
    enum sim_reach reach = m->paths[w->nodes[0]][to].reach;
    char host[NET_ADDR_TEXT_SIZE];

    if (reach == SIM_REACH_SILENT || (net == NULL && m->nodes[to].power_lost)) {
        w->silent = true;
        return;
    }
    free(TAKE_PTR(w->address));
    if (net == NULL || reach == SIM_REACH_REFUSED) {
        sim_conn_answer(w->ends[0], -ECONNREFUSED);
        free_wire(w);
        return;
    }
    snprintf(host, sizeof(host), "10.0.0.%u", w->nodes[0] + 1);
    w->ends[1] =
        sim_net_connect_peer(net, (unsigned)sim_prng_below(m->prng, sim_net_reactors(net)), host, m->next_port++);
    sim_conn_answer(w->ends[0], 0);
}

/* ---- Bytes ---- */

static void put(struct sim_mesh *m, struct wire *w, int from, const void *data, size_t size, int end, uint64_t now_ns)
{
    struct flow *f = &w->flows[from];
    struct piece *p = xmalloc(sizeof(*p) + size);
    uint64_t due_ns = now_ns + draw_delay(m, w->nodes[from], w->nodes[1 - from]);

    *p = (struct piece){ .end = end, .size = size };
    p->due_ns = f->last_due_ns = MAX(f->last_due_ns, due_ns);
    if (size > 0)
        memcpy(p->data, data, size);
    list_append(&f->pieces, &p->link);
    f->size += size;
    f->ended = end != 0;
}

void sim_mesh_tamper(struct sim_mesh *m, unsigned from, unsigned to, enum sim_tamper how, uint64_t skip,
                     struct sim_prng *prng)
{
    struct tamper *t = &m->tampers[from][to];

    gq_assert(from < SIM_MESH_MAX_NODES && to < SIM_MESH_MAX_NODES);
    *t = (struct tamper){ .is_set = true, .how = how, .skip = skip };
    sim_prng_fork(prng, &t->prng);
}

void sim_mesh_tamper_no_more(struct sim_mesh *m)
{
    memset(m->tampers, 0, sizeof(m->tampers));
}

uint64_t sim_mesh_n_tampered(const struct sim_mesh *m)
{
    return m->n_tampered;
}

/* Whether it is this piece's turn. */
static bool is_tampered(struct sim_mesh *m, struct tamper *t)
{
    if (!t->is_set || t->skip-- > 0)
        return false;
    t->is_set = false;
    m->n_tampered++;
    return true;
}

/* Other bytes in their place; returns how many. There is room for MAX_INSERTED more. */
static size_t change_bytes(struct tamper *t, uint8_t *data, size_t n)
{
    size_t at = (size_t)sim_prng_below(&t->prng, n), part;

    switch (t->how) {
    case SIM_TAMPER_FLIP:
        for (uint64_t k = 1 + sim_prng_below(&t->prng, 4); k > 0; k--)
            data[sim_prng_below(&t->prng, n)] ^= (uint8_t)(1u << sim_prng_below(&t->prng, 8));
        return n;
    case SIM_TAMPER_OMIT:
        part = 1 + (size_t)sim_prng_below(&t->prng, n - at);
        memmove(data + at, data + at + part, n - at - part);
        return n - part;
    case SIM_TAMPER_INSERT:
        part = 1 + (size_t)sim_prng_below(&t->prng, MAX_INSERTED);
        memmove(data + at + part, data + at, n - at);
        for (size_t i = 0; i < part; i++)
            data[at + i] = (uint8_t)sim_prng_below(&t->prng, 256);
        return n + part;
    case SIM_TAMPER_CUT:
        return at;
    default:
        return n;
    }
}

static void put_tampered(struct sim_mesh *m, struct wire *w, int from, uint8_t *data, size_t n, uint64_t now_ns)
{
    struct tamper *t = &m->tampers[w->nodes[from]][w->nodes[1 - from]];

    n = change_bytes(t, data, n);
    if (n > 0)
        put(m, w, from, data, n, 0, now_ns);
    if (n > 0 && t->how == SIM_TAMPER_REPEAT)
        put(m, w, from, data, n, 0, now_ns);
    if (t->how == SIM_TAMPER_CUT)
        put(m, w, from, NULL, 0, -ECONNRESET, now_ns + CUT_NS);
}

static size_t take(struct sim_mesh *m, struct wire *w, int from, uint64_t now_ns)
{
    struct flow *f = &w->flows[from];
    struct tamper *t = &m->tampers[w->nodes[from]][w->nodes[1 - from]];
    uint8_t data[PIECE + MAX_INSERTED];
    size_t n_done = 0;

    while (!f->ended && f->size < SIM_MESH_WINDOW) {
        ssize_t n = sim_conn_recv(w->ends[from], data, PIECE);

        if (n == -EAGAIN)
            break;
        if (n > 0 && is_tampered(m, t))
            put_tampered(m, w, from, data, (size_t)n, now_ns);
        else
            put(m, w, from, data, n > 0 ? (size_t)n : 0, n > 0 ? 0 : n == 0 ? 1 : -ECONNRESET, now_ns);
        n_done++;
    }
    return n_done;
}

/* False: the wire is broken, and gone. */
static bool give(struct sim_mesh *m, struct wire *w, int from, uint64_t now_ns, size_t *n_done)
{
    struct flow *f = &w->flows[from];
    struct sim_conn *to = w->ends[1 - from];
    struct piece *p;

    f->blocked = false;
    while ((p = list_first(&f->pieces, struct piece, link)) != NULL && p->due_ns <= now_ns) {
        ssize_t n = 0;

        if (p->end == 0) {
            n = sim_conn_send(to, p->data + p->at, p->size - p->at);
            if (n == -EAGAIN) {
                f->blocked = true;
                return true;
            }
        }
        *n_done += 1;
        if (n < 0 || p->end < 0) { /* who has closed answers what still comes with a reset */
            break_wire(w);
            return false;
        }
        p->at += (size_t)n;
        f->size -= (size_t)n;
        m->n_given[w->nodes[from]][w->nodes[1 - from]] += n > 0;
        if (p->end > 0)
            sim_conn_shutdown(to);
        if (p->at < p->size)
            continue;
        list_remove(&p->link);
        free(p);
    }
    return true;
}

static bool is_over(const struct wire *w)
{
    return list_is_empty(&w->flows[0].pieces) && list_is_empty(&w->flows[1].pieces) && w->flows[0].ended &&
           w->flows[1].ended;
}

/* One of which only one end is there. What is sent to a host that knows nothing of it is answered with a reset. */
static size_t turn_half(struct sim_mesh *m, struct wire *w, bool held, uint64_t now_ns)
{
    int side = w->ends[0] != NULL ? 0 : 1;

    if (w->ends[side] == NULL || sim_conn_server_closed(w->ends[side])) {
        free_wire(w);
        return 1;
    }
    if (held)
        return 0;
    if (w->address == NULL && sim_conn_pending(w->ends[side]) > 0 && m->nodes[w->nodes[1 - side]].net != NULL) {
        break_wire(w);
        return 1;
    }
    if (w->silent || w->due_ns > now_ns)
        return 0;
    answer(m, w);
    return 1;
}

static size_t turn_wire(struct sim_mesh *m, struct wire *w, uint64_t now_ns)
{
    bool held[2] = { m->paths[w->nodes[0]][w->nodes[1]].held, m->paths[w->nodes[1]][w->nodes[0]].held };
    size_t n_done = 0;

    if (w->address != NULL || w->silent)
        return turn_half(m, w, held[0] || held[1], now_ns);
    for (int i = 0; i < 2; i++)
        n_done += take(m, w, i, now_ns);
    for (int i = 0; i < 2; i++)
        if (!held[i] && !give(m, w, i, now_ns, &n_done))
            return n_done;
    if (is_over(w))
        free_wire(w);
    return n_done;
}

size_t sim_mesh_turn(struct sim_mesh *m, uint64_t now_ns)
{
    struct wire *w, *tmp;
    struct sim_dial dial;
    size_t n_done = 0;

    for (unsigned i = 0; i < SIM_MESH_MAX_NODES; i++)
        while (m->nodes[i].net != NULL && sim_net_take_dial(m->nodes[i].net, &dial)) {
            take_dial(m, i, &dial, now_ns);
            n_done++;
        }
    list_foreach_safe (&m->wires, w, tmp, link)
        n_done += turn_wire(m, w, now_ns);
    return n_done;
}

/* What a full buffer keeps waits for the other node, not for time. */
uint64_t sim_mesh_next_ns(const struct sim_mesh *m)
{
    uint64_t next_ns = UINT64_MAX;
    const struct wire *w;

    list_foreach (&m->wires, w, link) {
        if (w->silent || m->paths[w->nodes[0]][w->nodes[1]].held || m->paths[w->nodes[1]][w->nodes[0]].held)
            continue;
        if (w->address != NULL)
            next_ns = MIN(next_ns, w->due_ns);
        for (int i = 0; w->address == NULL && i < 2; i++) {
            const struct piece *p = list_first(&w->flows[i].pieces, struct piece, link);

            if (p != NULL && !w->flows[i].blocked)
                next_ns = MIN(next_ns, p->due_ns);
        }
    }
    return next_ns;
}
