/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/internal.h"
#include "wire/error.h"

/* Metadata commands in a cluster of several brokers: proposed here when this node leads the metadata, else by the node
 * that does, which is told and answers. Reactor 0.
 *
 * A command is proposed at most once as far as this node can tell: what was sent isn't sent again, unless the answer
 * says that it wasn't proposed. Where nobody says what became of it, the asker hears REQUEST_TIMED_OUT: it may be in
 * the log.
 *
 * The bodies of words: FORWARD: u64 number of the asker's, the command. FORWARD_REPLY: u64 number, i16 error, i64 first
 * producer id, i32 their count, u64 index up to which the asker's copy must have applied first. */

#define ASK_LIMIT_NS (5000ull * 1000 * 1000)
#define ASK_RETRY_NS (50ull * 1000 * 1000)
#define WORD_HEADER 8
#define REPLY_SIZE (8 + 2 + 8 + 4 + 8)
#define MAX_SERVED 4096 /* of others, at a time */

enum ask_state {
    ASK_WAITS,    /* nobody has it */
    ASK_PROPOSED, /* in this node's log */
    ASK_SENT,
    ASK_ANSWERED, /* this node's copy isn't there yet */
};

struct ask {
    struct list link;
    struct replica_command command;
    struct node *node;
    struct broker_command *asker;
    enum ask_state state;
    uint64_t id, deadline_ns, retry_ns;
    uint64_t index;
    int16_t error;
};

/* A command of another node, in this one's log. */
struct served {
    struct list link;
    struct replica_command command;
    struct node *node;
    uint64_t id;
    char node_id[SUPERBLOCK_NODE_ID_MAX + 1];
};

static uint64_t now_of(const struct node *n)
{
    return n->reactors[0].now_ns;
}

static void ask_end(struct ask *a, int16_t error)
{
    list_remove(&a->link);
    node_command_done(a->node, a->asker, error);
    free(a);
}

/* What was proposed and isn't there may come yet. */
static int16_t outcome(int16_t result)
{
    return result == KAFKA_E_NOT_LEADER_OR_FOLLOWER ? KAFKA_E_REQUEST_TIMED_OUT : result;
}

static void ask_proposed(struct replica_command *command, int16_t result)
{
    struct ask *a = container_of(command, struct ask, command);

    a->asker->ret_producer_id_first = a->node->producer_ids_first;
    a->asker->ret_producer_id_count = a->node->producer_ids_count;
    ask_end(a, outcome(result));
}

static const char *node_id_of(const struct node *n, int32_t broker_id)
{
    const struct meta_broker *b = meta_broker_by_id(&n->reactors[0].meta, broker_id);

    for (uint32_t i = 0; b == NULL && i < n->formation.n_founders; i++)
        if (n->formation.founders[i].id == broker_id)
            return n->formation.founders[i].node_id;
    return b != NULL ? b->node_id : NULL;
}

static void ask_send(struct node *n, struct ask *a, const char *to)
{
    struct wr w;

    if (a->asker->body.size + WORD_HEADER > NODE_WORD_MAX) {
        ask_end(a, KAFKA_E_INVALID_REQUEST);
        return;
    }
    wr_init_growing(&w, WORD_HEADER + a->asker->body.size, NODE_WORD_MAX);
    a->id = ++n->asks.last_id;
    a->state = ASK_SENT;
    wr_le64(&w, a->id);
    wr_bytes(&w, a->asker->body.data, a->asker->body.size);
    GQ_MARK(META_FORWARDED);
    n->links->tell(n, to, NODE_WORD_FORWARD, slice_make(w.start, wr_size(&w)));
    wr_fini(&w);
}

/* May end it. */
static void ask_try(struct node *n, struct ask *a)
{
    int32_t leader = n->metadata != NULL ? replica_leader(n->metadata) : RAFT_NONE;
    const char *to = leader != RAFT_NONE && leader != n->superblock.broker_id ? node_id_of(n, leader) : NULL;
    int16_t error;

    a->retry_ns = now_of(n) + ASK_RETRY_NS;
    if (n->metadata != NULL && replica_takes_commands(n->metadata)) {
        error = node_metadata_refusal(n, a->asker->body);
        if (error != 0) {
            ask_end(a, error);
            return;
        }
        a->state = ASK_PROPOSED;
        replica_propose_command(n->metadata, &a->command, a->asker->body);
    } else if (to != NULL && n->links != NULL) {
        ask_send(n, a, to);
    }
}

void node_ask(struct node *n, struct broker_command *c)
{
    struct ask *a;

    if (meta_check(c->body) < 0) {
        node_command_done(n, c, KAFKA_E_INVALID_REQUEST);
        return;
    }
    if (n->reactors[0].closed || n->reactors[0].phase >= NODE_CHECKPOINTING || !node_is_formed(n)) {
        node_command_done(n, c, KAFKA_E_NOT_CONTROLLER);
        return;
    }
    a = xcalloc(1, sizeof(*a));
    a->node = n;
    a->asker = c;
    a->command.done = ask_proposed;
    a->deadline_ns = now_of(n) + ASK_LIMIT_NS;
    list_append(&n->asks.all, &a->link);
    ask_try(n, a);
}

void node_ask_replied(struct node *n, struct slice body)
{
    struct ask *a;
    struct rd r;
    uint64_t id;

    rd_init(&r, body.data, body.size);
    id = rd_le64(&r);
    if (body.size != REPLY_SIZE)
        return;
    list_foreach (&n->asks.all, a, link) {
        if (a->state != ASK_SENT || a->id != id)
            continue;
        a->error = (int16_t)rd_le16(&r);
        a->asker->ret_producer_id_first = (int64_t)rd_le64(&r);
        a->asker->ret_producer_id_count = (int32_t)rd_le32(&r);
        a->index = rd_le64(&r);
        /* Who doesn't lead hasn't proposed it: it is asked again after a while, or another one. */
        a->state = a->error == KAFKA_E_NOT_CONTROLLER ? ASK_WAITS : ASK_ANSWERED;
        if (a->state == ASK_WAITS)
            GQ_MARK(META_ASKED_WRONG_NODE);
        n->asks.look = n->asks.look || a->state == ASK_ANSWERED;
        return;
    }
}

/* May end it. */
static void ask_poll(struct node *n, struct ask *a, bool look)
{
    bool late = now_of(n) >= a->deadline_ns;

    switch (a->state) {
    case ASK_WAITS:
        if (late)
            ask_end(a, KAFKA_E_NOT_CONTROLLER);
        else if (look || now_of(n) >= a->retry_ns)
            ask_try(n, a);
        break;
    case ASK_SENT:
        if (late) {
            GQ_MARK(META_ANSWER_MISSED);
            ask_end(a, KAFKA_E_REQUEST_TIMED_OUT);
        }
        break;
    case ASK_ANSWERED:
        if (n->reactors[0].meta.applied_index >= a->index || late)
            ask_end(a, n->reactors[0].meta.applied_index >= a->index ? a->error : KAFKA_E_REQUEST_TIMED_OUT);
        break;
    case ASK_PROPOSED:
        break;
    }
}

void node_asks_look(struct node *n)
{
    n->asks.look = n->asks.look || !list_is_empty(&n->asks.all);
}

uint64_t node_asks_poll(struct node *n)
{
    uint64_t next_ns = UINT64_MAX;
    bool look = n->asks.look;
    struct ask *a, *tmp;

    n->asks.look = false;
    list_foreach_safe (&n->asks.all, a, tmp, link)
        ask_poll(n, a, look);
    list_foreach (&n->asks.all, a, link) {
        if (a->state == ASK_WAITS)
            next_ns = MIN(next_ns, a->retry_ns);
        if (a->state != ASK_PROPOSED)
            next_ns = MIN(next_ns, a->deadline_ns);
    }
    return n->asks.look ? now_of(n) : next_ns;
}

void node_asks_end(struct node *n)
{
    struct ask *a, *tmp;

    list_foreach_safe (&n->asks.all, a, tmp, link)
        if (a->state != ASK_PROPOSED)
            ask_end(a, a->state == ASK_WAITS ? KAFKA_E_NOT_CONTROLLER : KAFKA_E_REQUEST_TIMED_OUT);
}

void node_asks_fini(struct node *n)
{
    struct list *link;

    while ((link = list_pop(&n->asks.all)) != NULL)
        free(list_entry(link, struct ask, link));
    while ((link = list_pop(&n->asks.served)) != NULL)
        free(list_entry(link, struct served, link));
}

/* ---- For others ---- */

static void reply(struct node *n, const char *to, uint64_t id, int16_t error)
{
    uint8_t body[REPLY_SIZE];
    struct wr w;

    wr_init_fixed(&w, body, sizeof(body));
    wr_le64(&w, id);
    wr_le16(&w, (uint16_t)error);
    wr_le64(&w, (uint64_t)n->producer_ids_first);
    wr_le32(&w, (uint32_t)n->producer_ids_count);
    wr_le64(&w, n->reactors[0].meta.applied_index);
    gq_assert(w.error == 0 && wr_size(&w) == sizeof(body));
    n->links->tell(n, to, NODE_WORD_FORWARD_REPLY, slice_make(body, sizeof(body)));
}

static void served_done(struct replica_command *command, int16_t result)
{
    struct served *s = container_of(command, struct served, command);

    list_remove(&s->link);
    s->node->asks.n_served--;
    reply(s->node, s->node_id, s->id, outcome(result));
    free(s);
}

void node_ask_forwarded(struct node *n, const char *node_id, struct slice body)
{
    struct slice command;
    struct served *s;
    int16_t error;
    uint64_t id;
    struct rd r;

    if (body.size < WORD_HEADER || n->links == NULL)
        return;
    rd_init(&r, body.data, body.size);
    id = rd_le64(&r);
    command = slice_make(body.data + WORD_HEADER, body.size - WORD_HEADER);
    error = node_metadata_refusal(n, command);
    if (n->metadata == NULL || n->asks.n_served >= MAX_SERVED || (error == 0 && !replica_takes_commands(n->metadata)))
        error = KAFKA_E_NOT_CONTROLLER;
    if (error != 0) {
        reply(n, node_id, id, error);
        return;
    }
    s = xcalloc(1, sizeof(*s));
    s->node = n;
    s->id = id;
    s->command.done = served_done;
    memcpy(s->node_id, node_id, strnlen(node_id, SUPERBLOCK_NODE_ID_MAX));
    list_append(&n->asks.served, &s->link);
    n->asks.n_served++;
    replica_propose_command(n->metadata, &s->command, command);
}
