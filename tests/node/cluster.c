/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/cluster.h"

#include <stdio.h>

#include "base/util.h"
#include "node/internal.h"
#include "replica/letter.h"
#include "wire/error.h"

#define STEP_NS 1000
#define SETTLE_NS (30000 * MS)

enum letter_kind {
    LETTER_MESSAGE,
    LETTER_SESSION,
    LETTER_WORD,
};

struct letter {
    struct list link;
    enum letter_kind kind;
    int from, to;
    uint64_t due_ns;
    struct replica_message *message;
    struct fleet_message session;
    enum node_word word;
    uint8_t *body;
    size_t size;
};

static struct cluster *the_cluster;

/* ---- Who is who ---- */

static int index_of(const struct node *n)
{
    for (int i = 0; i < the_cluster->n; i++)
        if (the_cluster->rigs[i]->node == n)
            return i;
    return -1;
}

static int index_of_name(const struct cluster *c, const char *node_id)
{
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->names[i], node_id) == 0)
            return i;
    return -1;
}

bool cluster_is_up(const struct cluster *c, int i)
{
    return c->rigs[i]->node != NULL;
}

int32_t cluster_id(const struct cluster *c, int i)
{
    return c->rigs[i]->node->superblock.broker_id;
}

static int index_of_id(const struct cluster *c, int32_t id)
{
    for (int i = 0; i < c->n; i++)
        if (cluster_is_up(c, i) && cluster_id(c, i) == id)
            return i;
    return -1;
}

static uint64_t now_of(const struct cluster *c)
{
    return c->rigs[0]->clock.mono_ns;
}

/* ---- Letters ---- */

/* NULL: it is lost. */
static struct letter *letter_new(enum letter_kind kind, int from, int to)
{
    struct cluster *c = the_cluster;
    struct letter *l;

    if (from < 0 || to < 0 || !c->connected[from][to] ||
        (c->loss > 0 && kind != LETTER_WORD && sim_prng_chance(&c->prng, c->loss, 100)))
        return NULL;
    l = xcalloc(1, sizeof(*l));
    *l = (struct letter){ .kind = kind, .from = from, .to = to };
    l->due_ns = now_of(c) + sim_prng_below(&c->prng, c->delay_ns + 1);
    list_append(&c->letters, &l->link);
    return l;
}

static void letter_free(struct letter *l)
{
    list_remove(&l->link);
    replica_message_free(l->message);
    letter_session_free(&l->session);
    free(l->body);
    free(l);
}

static void note_size(const struct replica_message *m)
{
    size_t size = 0;

    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        size += m->entries[i].head.size + m->entries[i].batches.size;
    the_cluster->max_entries = MAX(the_cluster->max_entries, m->raft.n_entries);
    if (m->raft.n_entries > 1)
        the_cluster->max_bytes = MAX(the_cluster->max_bytes, size);
}

static void links_send(struct node_shard *s, struct replica_message *m)
{
    struct letter *l = letter_new(LETTER_MESSAGE, index_of(s->node), index_of_id(the_cluster, m->raft.to));

    note_size(m);
    if (l != NULL) {
        l->message = letter_of_message(m);
        l->message->incarnation = s->node->superblock.incarnation; /* a connection's hello has it */
    }
    replica_message_free(m);
}

static void links_send_session(struct node_shard *s, const struct fleet_message *m)
{
    struct letter *l = letter_new(LETTER_SESSION, index_of(s->node), index_of_id(the_cluster, m->to));

    if (l != NULL)
        letter_of_session(m, &l->session);
}

static void links_tell(struct node *n, const char *node_id, enum node_word word, struct slice body)
{
    struct letter *l = letter_new(LETTER_WORD, index_of(n), index_of_name(the_cluster, node_id));

    ck_assert_uint_le(body.size, NODE_WORD_MAX);
    if (l == NULL)
        return;
    l->word = word;
    l->body = letter_of_bytes(body.data, body.size);
    l->size = body.size;
}

static void arrive(struct cluster *c, struct letter *l)
{
    struct node *n = c->rigs[l->to]->node;
    int rc;

    switch (l->kind) {
    case LETTER_MESSAGE:
        node_group_heard(node_shard_of(n, l->message->group), l->message);
        break;
    case LETTER_SESSION:
        rc = fleet_receive(n->shards[l->session.to_shard].replicas.fleet, &l->session);
        ck_assert(rc == 0 || rc == FLEET_E_STALE);
        break;
    case LETTER_WORD:
        c->n_words++;
        node_word_heard(n, c->names[l->from], l->word, slice_make(l->body, l->size));
        break;
    }
}

static bool deliver(struct cluster *c)
{
    struct letter *l, *tmp;
    bool moved = false;

    list_foreach_safe (&c->letters, l, tmp, link) {
        if (l->due_ns > now_of(c))
            continue;
        if (c->connected[l->from][l->to])
            arrive(c, l);
        letter_free(l);
        moved = true;
    }
    return moved;
}

/* ---- Connections ---- */

static void links_know(struct node *n, const struct node_peer *p)
{
    int from = index_of(n), to = index_of_name(the_cluster, p->node_id);

    ck_assert(from >= 0 && to >= 0 && from != to);
    ck_assert_str_eq(p->raft_addr, the_cluster->addresses[to]);
    the_cluster->knows[from][to] = true;
    if (!uuid_eq(&the_cluster->incarnations[from][to], &p->incarnation) || the_cluster->ids[from][to] != p->broker_id)
        the_cluster->renews[from] = true;
    the_cluster->incarnations[from][to] = p->incarnation;
    the_cluster->ids[from][to] = p->broker_id;
}

static void links_forget(struct node *n, const char *node_id)
{
}

static const struct node_links_ops links_ops = {
    .send = links_send,
    .send_session = links_send_session,
    .know = links_know,
    .forget = links_forget,
    .tell = links_tell,
};

static void drop_letters(struct cluster *c, int a, int b)
{
    struct letter *l, *tmp;

    list_foreach_safe (&c->letters, l, tmp, link)
        if ((l->from == a && l->to == b) || (l->from == b && l->to == a))
            letter_free(l);
}

static bool is_formed(const struct cluster *c, int i)
{
    return node_is_formed(c->rigs[i]->node) && c->rigs[i]->node->shards[0].replicas.fleet != NULL;
}

static void hello(struct cluster *c, int from, int to)
{
    const struct superblock *sb = &c->rigs[from]->node->superblock;
    struct peer_hello h = {
        .n_shards = sb->n_shards,
        .broker_id = sb->broker_id,
        .to = -1,
        .boot = sb->boot_counter,
        .cluster_id = sb->cluster_id,
        .incarnation = sb->incarnation,
    };

    snprintf(h.node_id, sizeof(h.node_id), "%s", c->names[from]);
    node_hello_heard(c->rigs[to]->node, &h);
}

static void tell_fleets(struct cluster *c, int at, int peer, bool up, bool dead)
{
    struct node *n = c->rigs[at]->node;

    for (unsigned s = 0; n != NULL && is_formed(c, at) && s < n->n_shards; s++) {
        if (up)
            fleet_peer_up(n->shards[s].replicas.fleet, cluster_id(c, peer), c->rigs[peer]->n_shards);
        else
            fleet_peer_down(n->shards[s].replicas.fleet, peer + 1, dead);
    }
}

/* Node a takes b for another one than the cluster knows, unless it has a blank disk, or is newer than what a knows. */
static bool mean_each_other(const struct cluster *c, int a, int b)
{
    const struct superblock *x = &c->rigs[a]->node->superblock, *y = &c->rigs[b]->node->superblock;

    if (!uuid_is_zero(&y->cluster_id) &&
        node_peer_was_replaced(&c->rigs[a]->node->reactors[0], c->names[b], &y->incarnation))
        return false;
    return uuid_is_zero(&x->cluster_id) || uuid_is_zero(&y->cluster_id) || uuid_eq(&x->cluster_id, &y->cluster_id);
}

static void connect(struct cluster *c, int a, int b)
{
    c->connected[a][b] = c->connected[b][a] = true;
    hello(c, a, b);
    hello(c, b, a);
    if (!is_formed(c, a) || !is_formed(c, b))
        return;
    tell_fleets(c, a, b, true, false);
    tell_fleets(c, b, a, true, false);
}

static void disconnect(struct cluster *c, int a, int b, bool silent)
{
    if (!c->connected[a][b])
        return;
    c->connected[a][b] = c->connected[b][a] = false;
    drop_letters(c, a, b);
    if (silent)
        return;
    tell_fleets(c, a, b, false, !cluster_is_up(c, b));
    tell_fleets(c, b, a, false, !cluster_is_up(c, a));
}

static void disconnect_all(struct cluster *c, int i, bool silent)
{
    for (int k = 0; k < c->n; k++)
        if (k != i)
            disconnect(c, i, k, silent);
}

static void look_at_connections(struct cluster *c)
{
    if (c->mesh != NULL)
        return;
    for (int a = 0; a < c->n; a++) {
        if (c->renews[a])
            disconnect_all(c, a, false);
        c->renews[a] = false;
        for (int b = 0; b < a; b++)
            if (!c->connected[a][b] && cluster_is_up(c, a) && cluster_is_up(c, b) && !c->cut[a] && !c->cut[b] &&
                c->knows[a][b] && c->knows[b][a] && mean_each_other(c, a, b) && mean_each_other(c, b, a))
                connect(c, a, b);
    }
}

static void hold(struct cluster *c, int i, bool held)
{
    for (unsigned k = 0; c->mesh != NULL && k < (unsigned)c->n; k++) {
        sim_mesh_path(c->mesh, (unsigned)i, k)->held = held;
        sim_mesh_path(c->mesh, k, (unsigned)i)->held = held;
    }
}

void cluster_cut(struct cluster *c, int i)
{
    c->cut[i] = true;
    hold(c, i, true);
    disconnect_all(c, i, true);
}

void cluster_heal(struct cluster *c, int i)
{
    c->cut[i] = false;
    hold(c, i, false);
}

/* ---- Beginning and end ---- */

struct cluster *cluster_new(uint64_t seed, int n, unsigned n_reactors)
{
    struct cluster *c = the_cluster = xcalloc(1, sizeof(*c));

    sim_prng_init(&c->prng, seed);
    list_init(&c->letters);
    c->n = n;
    if (seed % 2 == 1)
        c->mesh = sim_mesh_new(&c->prng);
    c->delay_ns = MS / 2;
    for (int i = 0; i < n; i++) {
        snprintf(c->names[i], sizeof(c->names[i]), "n%d", i);
        snprintf(c->addresses[i], sizeof(c->addresses[i]), "h%d:9093", i);
        c->items[i] = (struct config_peer){ .node_id = c->names[i], .raft_addr = c->addresses[i] };
    }
    for (int i = 0; i < n; i++) {
        struct rig *r = c->rigs[i] = rig_new(seed * 100 + (uint64_t)i, n_reactors);

        free(r->config.node_id);
        r->config.node_id = xstrdup(c->names[i]);
        r->cluster = c;
        r->peers = (struct config_peers){ c->items, (size_t)n };
        r->links = c->mesh != NULL ? &node_links : &links_ops;
    }
    return c;
}

void cluster_free(struct cluster *c)
{
    struct letter *l, *tmp;

    for (int i = 0; i < c->n; i++) /* before any rig goes: they may speak to each other until their end */
        if (cluster_is_up(c, i))
            cluster_crash(c, i, SIM_CRASH_ALL);
    list_foreach_safe (&c->letters, l, tmp, link)
        letter_free(l);
    sim_mesh_free(c->mesh);
    for (int i = 0; i < c->n; i++)
        rig_free(c->rigs[i]);
    the_cluster = NULL;
    free(c);
}

void cluster_start(struct cluster *c, int i)
{
    int rc;

    for (int k = 0; k < c->n; k++) {
        c->knows[i][k] = false;
        c->incarnations[i][k] = (struct uuid){ 0 };
        c->ids[i][k] = -1;
    }
    rc = rig_start(c->rigs[i]);
    ck_assert_msg(rc == 0, "start of n%d: %d %s", i, rc, c->rigs[i]->err.text);
    if (c->mesh != NULL)
        sim_mesh_attach(c->mesh, (unsigned)i, c->addresses[i], c->rigs[i]->net);
}

void cluster_start_all(struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        if (!cluster_is_up(c, i))
            cluster_start(c, i);
}

void cluster_crash(struct cluster *c, int i, enum sim_disk_crash how)
{
    struct node *n = c->rigs[i]->node;

    for (int k = 0; k < c->n; k++)
        if (k != i && c->connected[i][k]) {
            c->connected[i][k] = c->connected[k][i] = false;
            drop_letters(c, i, k);
            if (n != NULL && !c->cut[k])
                tell_fleets(c, k, i, false, true);
        }
    if (c->mesh != NULL && n != NULL)
        sim_mesh_detach(c->mesh, (unsigned)i, false);
    rig_crash(c->rigs[i], how);
}

void cluster_wipe(struct cluster *c, int i)
{
    struct rig *r = c->rigs[i];

    cluster_crash(c, i, SIM_CRASH_NOTHING);
    sim_disk_free(r->disk);
    r->disk = sim_disk_new(&r->prng);
}

/* Of fewer than three no majority would be left. */
static bool are_enough(const struct replica_members *m, uint8_t role)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < m->n_members; i++)
        n += (m->members[i].roles & role) != 0;
    return n == 0 || n >= 3;
}

static bool voters_fit(const struct cluster *c, const struct replica *r)
{
    struct replica_members m;
    uint64_t index;

    replica_members(r, &m, &index);
    if (!are_enough(&m, RAFT_VOTER) || !are_enough(&m, RAFT_OUTGOING))
        return false;
    for (uint32_t i = 0; i < m.n_members; i++) {
        int at = index_of_id(c, m.members[i].id);

        if (m.members[i].roles != RAFT_LEARNER &&
            (at < 0 ||
             !replica_incarnation_fits(&m.members[i].incarnation, &c->rigs[at]->node->superblock.incarnation)))
            return false;
    }
    return true;
}

bool cluster_may_wipe(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct node *n = c->rigs[i]->node;
        const struct node_group *g;

        for (unsigned s = 0; n != NULL && s < n->n_shards; s++)
            list_foreach (&n->shards[s].groups, g, link)
                if (!g->gone && !voters_fit(c, g->replica))
                    return false;
    }
    return true;
}

/* ---- Time ---- */

bool cluster_step(struct cluster *c)
{
    bool moved = false;

    look_at_connections(c);
    moved |= deliver(c);
    moved |= c->mesh != NULL && sim_mesh_turn(c->mesh, now_of(c)) > 0;
    for (int i = 0; i < c->n; i++)
        if (cluster_is_up(c, i))
            moved |= rig_step(c->rigs[i]);
    moved |= c->mesh != NULL && sim_mesh_turn(c->mesh, now_of(c)) > 0;
    return moved;
}

static uint64_t next_deadline(const struct cluster *c)
{
    uint64_t next_ns = c->mesh != NULL ? sim_mesh_next_ns(c->mesh) : UINT64_MAX;
    struct letter *l;

    for (int i = 0; i < c->n; i++)
        if (cluster_is_up(c, i))
            next_ns = MIN(next_ns, c->rigs[i]->deadline_ns);
    list_foreach (&c->letters, l, link)
        next_ns = MIN(next_ns, l->due_ns);
    return next_ns;
}

static void advance_to(struct cluster *c, uint64_t ns)
{
    for (int i = 0; i < c->n; i++)
        sim_clock_advance_to(&c->rigs[i]->clock, ns);
}

void cluster_run(struct cluster *c, uint64_t ns)
{
    uint64_t end = now_of(c) + ns;

    while (now_of(c) < end) {
        bool moved = cluster_step(c);
        uint64_t next_ns = next_deadline(c);

        for (int i = 0; i < c->n; i++)
            ck_assert_msg(c->rigs[i]->fatal_error == 0 || !cluster_is_up(c, i) || sim_disk_is_dead(c->rigs[i]->disk),
                          "n%d: fatal error %d", i, c->rigs[i]->fatal_error);
        if (moved || next_ns <= now_of(c))
            next_ns = now_of(c) + STEP_NS;
        advance_to(c, MIN(next_ns, end));
    }
}

static bool are_ready(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++)
        if (cluster_is_up(c, i) && !c->cut[i] && !rig_is_ready(c->rigs[i]))
            return false;
    return true;
}

void cluster_settle(struct cluster *c)
{
    uint64_t end = now_of(c) + SETTLE_NS;

    while (!are_ready(c) && now_of(c) < end)
        cluster_run(c, 5 * MS);
    for (int i = 0; i < c->n; i++)
        ck_assert_msg(!cluster_is_up(c, i) || c->cut[i] || rig_is_ready(c->rigs[i]), "n%d isn't ready, it said: %s", i,
                      c->rigs[i]->notices);
}

void cluster_tell(const struct cluster *c)
{
    for (int i = 0; i < c->n; i++) {
        struct node *n = c->rigs[i]->node;

        printf("n%d%s said: %s\n", i, cluster_is_up(c, i) ? "" : " (down)", c->rigs[i]->notices);
        for (unsigned s = 0; cluster_is_up(c, i) && s < n->n_shards; s++) {
            struct node_group *g;

            list_foreach (&n->shards[s].groups, g, link) {
                struct replica_members m;
                uint64_t index;
                bool committed = replica_members(g->replica, &m, &index);

                printf("  group %llu term %llu leader %d last %llu%s%s%s members of %llu%s:", (unsigned long long)g->id,
                       (unsigned long long)replica_term(g->replica), replica_leader(g->replica),
                       (unsigned long long)replica_last_index(g->replica), g->gone ? " gone" : "",
                       g->change != NULL ? " changing" : "", replica_is_caught_up(g->replica) ? "" : " behind",
                       (unsigned long long)index, committed ? "" : "?");
                for (uint32_t k = 0; k < m.n_members; k++)
                    printf(" %d/%x/%02x", m.members[k].id, m.members[k].roles, m.members[k].incarnation.bytes[0]);
                printf("\n");
            }
        }
    }
    fflush(stdout);
}

/* ---- Clients ---- */

#define METADATA_VERSION 9
#define ASKER (RIG_MAX_CLIENTS - 1)

static bool ask(struct cluster *c, int i, const char *topic, struct wire_metadata_response *ret)
{
    struct client *client = rig_connect(c->rigs[i], ASKER);
    struct wire_metadata_request m;
    struct wire_metadata_request_topic t;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&t);
    t.name = slice_str(topic);
    m.topics = &t;
    m.n_topics = 1;
    return client_ask(client, WIRE_API_METADATA, METADATA_VERSION, &m, ret);
}

static const struct wire_metadata_response_partition *ask_partition(struct cluster *c, int i, const char *topic,
                                                                    int32_t partition)
{
    struct wire_metadata_response answer;

    if (!ask(c, i, topic, &answer) || answer.topics[0].error_code != 0)
        return NULL;
    for (int32_t p = 0; p < answer.topics[0].n_partitions; p++)
        if (answer.topics[0].partitions[p].partition_index == partition)
            return &answer.topics[0].partitions[p];
    return NULL;
}

int32_t cluster_ask_leader(struct cluster *c, int i, const char *topic, int32_t partition)
{
    const struct wire_metadata_response_partition *p = ask_partition(c, i, topic, partition);

    return p != NULL ? p->leader_id : -1;
}

int cluster_ask_in_sync(struct cluster *c, int i, const char *topic, int32_t partition, int *ret_n_replicas)
{
    const struct wire_metadata_response_partition *p = ask_partition(c, i, topic, partition);

    if (p == NULL)
        return -1;
    *ret_n_replicas = p->n_replica_nodes;
    return p->n_isr_nodes;
}

int32_t cluster_ask_controller(struct cluster *c, int i)
{
    struct wire_metadata_response answer;

    return ask(c, i, "none", &answer) ? answer.controller_id : -1;
}

static bool leads(struct cluster *c, int i, const char *topic, int32_t partition)
{
    const struct node_reactor *r0 = &c->rigs[i]->node->reactors[0];
    const struct meta_topic *t = meta_topic_by_name(&r0->meta, slice_str(topic));
    const struct node_group *g;

    if (t == NULL)
        return false;
    g = node_group_find(node_shard_of(c->rigs[i]->node, t->partitions[partition].group),
                        t->partitions[partition].group);
    return g != NULL && replica_is_open(g->replica);
}

int cluster_find_leader(struct cluster *c, const char *topic, int32_t partition)
{
    uint64_t end = now_of(c) + SETTLE_NS;

    for (; now_of(c) < end; cluster_run(c, 5 * MS))
        for (int i = 0; i < c->n; i++)
            if (cluster_is_up(c, i) && !c->cut[i] && leads(c, i, topic, partition))
                return i;
    cluster_tell(c);
    ck_abort_msg("nobody leads %s-%d", topic, partition);
}

/* ---- Tests ---- */

struct cluster *cluster_begin(uint64_t seed, int n, unsigned n_reactors)
{
    struct cluster *c = cluster_new(seed, n, n_reactors);

    cluster_start_all(c);
    cluster_settle(c);
    return c;
}

void cluster_create(struct cluster *c, int i, const char *topic, int32_t n_partitions, int16_t n_replicas)
{
    int16_t error = KAFKA_E_NOT_CONTROLLER;

    for (int k = 0; k < 100 && (error == KAFKA_E_NOT_CONTROLLER || error == KAFKA_E_REQUEST_TIMED_OUT); k++) {
        error = ask_create_of(rig_connect(c->rigs[i], 0), topic, n_partitions, n_replicas);
        if (error != 0)
            cluster_run(c, 100 * MS);
    }
    ck_assert_msg(error == 0 || error == KAFKA_E_TOPIC_ALREADY_EXISTS, "creating %s on n%d: %d", topic, i, error);
}

#ifdef __SANITIZE_ADDRESS__
#define LOOP_SHARE 4
#define LOOP_SECONDS 600
#else
#define LOOP_SHARE 1
#define LOOP_SECONDS 120
#endif

void cluster_add_loop(Suite *s, const char *name, const TTest *test, int from, int to)
{
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, LOOP_SECONDS);
    tcase_add_loop_test(tc, test, from, from + (to - from + LOOP_SHARE - 1) / LOOP_SHARE);
    suite_add_tcase(s, tc);
}
