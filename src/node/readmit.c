/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "node/internal.h"
#include "wire/error.h"

/* A node of the cluster comes back with a blank data directory. It is another one then: it knows neither what it voted
 * for nor what it acknowledged, so nothing that others remember of it may count any more. It is told apart by its
 * hello: its node id is one that the cluster knows, its incarnation isn't, and it belongs to no cluster.
 *
 * It asks those who belong to one, again and again. Whoever hears that and doesn't know the incarnation has the
 * metadata's leader propose a command that gives the broker this incarnation for the one before, which takes a majority
 * of those who vote in the metadata group and still are who they were. Whoever has applied that answers with the
 * formation of the cluster; the node makes it durable and belongs to the cluster. It votes nowhere until the groups
 * have made it a member again (reconcile.c).
 *
 * Nothing is remembered of who asked, so nobody asks for a node that was wiped once more meanwhile. */

#define ASK_NS (1000ull * 1000 * 1000)
#define RETRY_NS (500ull * 1000 * 1000)
#define NOTICE_NS (60ull * 1000 * 1000 * 1000)
#define PATIENCE_NS (15ull * 1000 * 1000 * 1000)
#define NOTICE_MAX 512

void node_notice(struct node *n, bool is_bad, const char *format, ...)
{
    char text[NOTICE_MAX];
    va_list args;

    if (n->host.notice == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    n->host.notice(n->host.ctx, is_bad, text);
}

void node_readmit_fini(struct node *n)
{
    if (n->readmitting.busy)
        wr_fini(&n->readmitting.body);
}

/* ---- With a blank data directory ---- */

static bool is_elsewhere(const struct node_listed *l)
{
    return l->heard && !uuid_is_zero(&l->cluster_id);
}

void node_readmit_look(struct node *n)
{
    n->readmitting.next_ns = 0;
}

static void tell_waiting(struct node *n, uint64_t now_ns)
{
    struct node_readmitting *g = &n->readmitting;

    if (g->since_ns == 0) {
        g->since_ns = g->told_ns = now_ns;
    } else if (now_ns - g->since_ns >= PATIENCE_NS && (g->told_ns == g->since_ns || now_ns - g->told_ns >= NOTICE_NS)) {
        g->told_ns = now_ns;
        node_notice(
            n, true,
            "not readmitted to the cluster for %llu s: that takes a majority of the voters of its metadata with "
            "the data directories that they had; see what the other nodes say, and start those that are down",
            (unsigned long long)((now_ns - g->since_ns) / 1000000000));
    }
}

uint64_t node_readmit_poll(struct node *n)
{
    uint64_t now_ns = n->reactors[0].now_ns;
    const struct uuid *self = &n->superblock.incarnation;
    bool any = false;

    if (!node_may_join(n) || n->links == NULL)
        return UINT64_MAX;
    if (now_ns < n->readmitting.next_ns)
        return n->readmitting.next_ns;
    for (size_t i = 0; i < n->forming.n_listed; i++) {
        const struct node_listed *l = &n->forming.listed[i];

        if (!is_elsewhere(l))
            continue;
        n->links->tell(n, l->node_id, NODE_WORD_READMIT, slice_make(self->bytes, sizeof(self->bytes)));
        any = true;
    }
    if (!any)
        return UINT64_MAX;
    tell_waiting(n, now_ns);
    n->readmitting.next_ns = now_ns + ASK_NS;
    return n->readmitting.next_ns;
}

void node_readmit_welcomed(struct node *n, struct slice body)
{
    const struct uuid *self = &n->superblock.incarnation;
    size_t size = sizeof(self->bytes);

    if (body.size > size && memcmp(body.data, self->bytes, size) == 0)
        node_forming_welcomed(n, slice_make(body.data + size, body.size - size));
}

/* ---- Of the cluster ---- */

static void welcome(struct node *n, const char *node_id, const struct uuid *incarnation)
{
    struct wr w;

    wr_init_growing(&w, 512, NODE_WORD_MAX);
    wr_bytes(&w, incarnation->bytes, sizeof(incarnation->bytes));
    meta_write_formation(&w, &n->formation);
    gq_assert(w.error == 0);
    n->links->tell(n, node_id, NODE_WORD_WELCOME, slice_make(w.start, wr_size(&w)));
    wr_fini(&w);
}

static void command_done(struct broker_command *c)
{
    struct node_readmitting *g = container_of(c, struct node_readmitting, command);
    struct node *n = c->route;
    uint64_t now_ns = n->reactors[0].now_ns;

    g->busy = false;
    g->next_ns = now_ns + RETRY_NS;
    wr_fini(&g->body);
    if (c->error == 0)
        welcome(n, g->node_id, &g->told);
    if ((c->error != KAFKA_E_NOT_CONTROLLER && c->error != KAFKA_E_REQUEST_TIMED_OUT) ||
        (g->told_ns != 0 && now_ns - g->told_ns < NOTICE_NS))
        return;
    g->told_ns = now_ns;
    node_notice(
        n, true,
        "node '%s' has lost its data directory and can't be readmitted: the metadata has no leader. That takes a "
        "majority of its voters with the data directories that they had: start those that are down",
        g->node_id);
}

static void ask(struct node *n, const struct meta_broker *b, const struct uuid *incarnation)
{
    struct node_readmitting *g = &n->readmitting;

    if (!uuid_eq(&g->told, incarnation)) {
        g->told = *incarnation;
        node_notice(n, false, "node '%s' (broker %d) comes with a blank data directory: it is to be readmitted",
                    b->node_id, b->id);
    }
    snprintf(g->node_id, sizeof(g->node_id), "%s", b->node_id);
    wr_init_growing(&g->body, 64, NODE_WORD_MAX);
    meta_write_readmission(&g->body, b->id, &b->incarnation, incarnation);
    g->command = (struct broker_command){
        .route = n,
        .body = slice_make(g->body.start, wr_size(&g->body)),
        .done = command_done,
    };
    list_init(&g->command.link);
    g->busy = true;
    node_ask(n, &g->command);
}

/* Of a metadata that may be behind nothing is asked: it would be refused. */
void node_readmit_asked(struct node *n, const char *node_id, struct slice body)
{
    const struct meta_broker *b = meta_broker_by_node(&n->reactors[0].meta, node_id);
    struct uuid incarnation;

    if (body.size != sizeof(incarnation.bytes) || b == NULL || n->formation.n_founders == 0 || n->links == NULL)
        return;
    memcpy(incarnation.bytes, body.data, sizeof(incarnation.bytes));
    if (uuid_eq(&b->incarnation, &incarnation))
        welcome(n, node_id, &incarnation);
    else if (!n->readmitting.busy && n->reactors[0].now_ns >= n->readmitting.next_ns && n->reactors[0].current &&
             !meta_broker_was(b, &incarnation) && !uuid_is_zero(&incarnation))
        ask(n, b, &incarnation);
}
