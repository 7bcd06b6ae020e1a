/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/internal.h"

/* What a node that is one of several does beside its groups: words and messages of the others find whom they are for,
 * the metadata is told where this node is, and the reactors' copies of it hear who leads. */

#define REGISTER_RETRY_NS (200ull * 1000 * 1000)
#define COMMAND_MAX (64u << 10)

/* ---- Messages ---- */

void node_send(void *ctx, struct replica_message *m)
{
    struct node_shard *s = ctx;

    if (s->node->links != NULL)
        s->node->links->send(s, m);
    else
        replica_message_free(m);
}

void node_send_session(void *ctx, const struct fleet_message *m)
{
    struct node_shard *s = ctx;

    if (s->node->links != NULL)
        s->node->links->send_session(s, m);
}

/* A group that isn't here (yet, or any more) hears nothing: its leader tries again. */
void node_group_heard(struct node_shard *s, struct replica_message *m)
{
    struct node_group *g = node_group_find(s, m->group);

    if (g == NULL || g->gone || node_is_at_rest(&s->node->reactors[s->index % s->node->n_reactors]))
        return;
    if (replica_receive(g->replica, m) != 0) {
        GQ_MARK(LINK_MESSAGE_REFUSED);
        s->n_refused++;
    }
}

void node_hello_heard(struct node *n, const struct peer_hello *hello)
{
    node_forming_heard(n, hello);
    if (!uuid_is_zero(&hello->cluster_id))
        node_tell_applied(n);
}

void node_word_heard(struct node *n, const char *node_id, enum node_word word, struct slice body)
{
    switch (word) {
    case NODE_WORD_FORM:
        node_forming_told(n, body);
        break;
    case NODE_WORD_FORWARD:
        node_ask_forwarded(n, node_id, body);
        break;
    case NODE_WORD_FORWARD_REPLY:
        node_ask_replied(n, body);
        break;
    case NODE_WORD_READMIT:
        node_readmit_asked(n, node_id, body);
        break;
    case NODE_WORD_WELCOME:
        node_readmit_welcomed(n, body);
        break;
    case NODE_WORD_APPLIED:
        node_applied_heard(n, node_id, body);
        break;
    }
}

/* What the metadata says of where a founder is counts more than where it was. Who was readmitted knows the others by
 * the formation at first, when some of them may have been, too. */
void node_know_brokers(struct node *n)
{
    bool founded = node_has_founded(&n->formation, &n->superblock);
    const struct meta *meta = &n->reactors[0].meta;
    const struct meta_broker *b;

    if (n->links == NULL)
        return;
    for (uint32_t i = 0; i < n->formation.n_founders; i++) {
        const struct meta_founder *f = &n->formation.founders[i];

        if (f->id != n->superblock.broker_id && meta_broker_by_id(meta, f->id) == NULL)
            n->links->know(n, &(struct node_peer){ f->node_id, f->raft_addr, f->id,
                                                   founded ? f->incarnation : (struct uuid){ { 0 } } });
    }
    list_foreach (&meta->brokers, b, link)
        if (b->id != n->superblock.broker_id && b->raft_addr != NULL)
            n->links->know(n, &(struct node_peer){ b->node_id, b->raft_addr, b->id, b->incarnation });
}

/* ---- Who leads ---- */

static struct node_reactor *reactor_of(const struct node_shard *s)
{
    return &s->node->reactors[s->index % s->node->n_reactors];
}

static void note_lead(struct node_reactor *r, const struct node_lead *l)
{
    struct node_leads *leads = &r->leads;

    if (leads->n == leads->capacity) {
        leads->capacity = MAX(leads->capacity * 2, (size_t)8);
        leads->all = xrealloc(leads->all, leads->capacity * sizeof(*leads->all));
    }
    leads->all[leads->n++] = *l;
}

void node_note_lead(struct node_group *g)
{
    note_lead(reactor_of(g->shard), &(struct node_lead){
                                        .topic = g->topic,
                                        .partition = g->partition,
                                        .leader = replica_leader(g->replica),
                                        .epoch = (int32_t)replica_term(g->replica),
                                        .in_sync = g->in_sync,
                                    });
}

void node_group_led(void *ctx, struct replica *r)
{
    struct node_group *g = node_group_find(ctx, replica_group(r));

    if (g == NULL || g->gone)
        return;
    g->in_sync = UINT32_MAX;
    node_note_lead(g);
    node_group_look(g);
}

/* Bit i: the topic's replica i is. */
static uint32_t in_sync_of(const struct node_group *g, const struct meta_topic *t)
{
    int32_t ids[RAFT_MAX_MEMBERS];
    uint32_t n = replica_in_sync(g->replica, ids), bits = 0;

    for (uint32_t k = 0; k < n; k++) {
        int i = meta_replica_of(t, g->partition, ids[k]);

        if (i >= 0)
            bits |= UINT32_C(1) << i;
    }
    return bits;
}

void node_look_for_in_sync(struct node_shard *s)
{
    const struct meta *meta = &reactor_of(s)->meta;
    struct node_group *g;

    list_foreach (&s->groups, g, link) {
        const struct meta_topic *t;
        uint32_t in_sync;

        if (g->gone || !replica_has_peers(g->replica) || !replica_leads(g->replica))
            continue;
        t = meta_topic_by_id(meta, &g->topic);
        if (t == NULL || g->partition >= t->n_partitions)
            continue;
        in_sync = in_sync_of(g, t);
        if (in_sync == g->in_sync && g->n_retells == 0)
            continue;
        g->n_retells -= g->n_retells > 0;
        g->in_sync = in_sync;
        node_note_lead(g);
    }
}

/* Of groups that aren't here nobody tells: clients get no epoch then, which they would hold against the leader's. */
void node_init_leads(struct node_reactor *r, struct meta_topic *t, int32_t from)
{
    for (int32_t p = from; r->in_cluster && p < t->n_partitions; p++)
        if (t->n_replicas > 1 || t->partitions[p].move != NULL || meta_replicas(t, p)[0] != r->backend.broker_id)
            t->partitions[p].epoch = -1;
}

static void take_lead(struct node_reactor *r, const struct node_lead *l)
{
    if (!uuid_is_zero(&l->topic)) {
        meta_note_leader(&r->meta, &l->topic, l->partition, l->leader, l->epoch, l->in_sync);
        return;
    }
    r->backend.controller_id = l->leader;
    if (r->index == 0)
        node_asks_look(r->node);
}

struct leads_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    size_t n;
    struct node_lead leads[];
};

static void leads_arrived(struct lane_mail *mail)
{
    struct leads_mail *m = container_of(mail, struct leads_mail, mail);

    for (size_t i = 0; i < m->n; i++)
        take_lead(m->to, &m->leads[i]);
    free(m);
}

void node_tell_leads(struct node_reactor *r)
{
    struct node *n = r->node;
    size_t size = r->leads.n * sizeof(r->leads.all[0]);

    if (r->leads.n == 0)
        return;
    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct leads_mail *m;

        if (i == r->index)
            continue;
        m = xmalloc(sizeof(*m) + size);
        *m = (struct leads_mail){ .to = &n->reactors[i], .n = r->leads.n };
        m->mail.deliver = leads_arrived;
        memcpy(m->leads, r->leads.all, size);
        lane_post(r->env->lane, i, &m->mail);
    }
    for (size_t i = 0; i < r->leads.n; i++)
        take_lead(r, &r->leads.all[i]);
    r->leads.n = 0;
}

/* ---- This node's place in the metadata ---- */

struct current_mail {
    struct lane_mail mail;
    struct node_reactor *to;
};

static void current_arrived(struct lane_mail *mail)
{
    struct current_mail *m = container_of(mail, struct current_mail, mail);

    m->to->current = true;
    node_groups_settle(m->to);
    if (m->to->index == 0)
        node_tell_applied(m->to->node);
    for (unsigned s = m->to->index; s < m->to->node->n_shards; s += m->to->node->n_reactors)
        node_shard_look(&m->to->node->shards[s]);
    free(m);
}

/* Of a metadata that doesn't have it again yet, if this node was readmitted. */
static bool is_known(const struct node *n)
{
    const struct meta_broker *b = meta_broker_by_id(&n->reactors[0].meta, n->superblock.broker_id);

    return b != NULL && uuid_eq(&b->incarnation, &n->superblock.incarnation);
}

/* What was applied here before the start is again, if a leader is there and all of the log is applied: it was
 * committed, so whoever leads has it. The mail comes behind that of the copies. */
static void look_whether_current(struct node *n)
{
    if (n->told_current || replica_leader(n->metadata) == RAFT_NONE || !replica_is_caught_up(n->metadata) ||
        !is_known(n))
        return;
    n->told_current = true;
    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct current_mail *m = xcalloc(1, sizeof(*m));

        m->to = &n->reactors[i];
        m->mail.deliver = current_arrived;
        lane_post(n->reactors[0].env->lane, i, &m->mail);
    }
}

static void registered(struct broker_command *c)
{
    struct node_registering *g = container_of(c, struct node_registering, command);
    struct node *n = c->route;

    g->busy = false;
    g->next_ns = n->reactors[0].now_ns + REGISTER_RETRY_NS;
    wr_fini(&g->body);
}

static void register_self(struct node *n)
{
    struct node_registering *g = &n->registering;
    struct meta_broker b = node_this_broker(n);

    wr_init_growing(&g->body, 256, COMMAND_MAX);
    meta_write_broker(&g->body, &b);
    g->command = (struct broker_command){
        .route = n,
        .body = slice_make(g->body.start, wr_size(&g->body)),
        .done = registered,
    };
    list_init(&g->command.link);
    g->busy = true;
    node_ask(n, &g->command);
}

uint64_t node_cluster_poll(struct node *n)
{
    struct node_registering *g = &n->registering;
    uint64_t now_ns = n->reactors[0].now_ns;

    if (n->formation.n_founders == 0 || n->metadata == NULL || n->reactors[0].phase != NODE_RUNNING)
        return UINT64_MAX;
    look_whether_current(n);
    if (!n->reactors[0].current || g->busy || node_is_registered(n, &n->reactors[0].meta))
        return UINT64_MAX;
    if (now_ns < g->next_ns)
        return g->next_ns;
    register_self(n);
    return UINT64_MAX;
}
