/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/faults.h"

/* The operator has partitions moved to other nodes, and takes that back. In the phase WORLD_HEAL all of it must come to
 * its end: nothing is on its way, and each partition is where it was last said to be. What became of a request without
 * an answer nobody knows, and it may still come through: such a partition is sent somewhere once more, when there is
 * nothing left of it. */

#define ALTER_VERSION 1
#define LIST_VERSION 0
#define METADATA_VERSION 12
#define AFTER_NS (10 * SEC) /* a request that got no answer may come through, when the faults have ended */

/* ---- Where to ---- */

/* A partition of fewer replicas may be lost with a disk. */
static int32_t least(const struct client *c, const struct topic *t)
{
    return wipe_may_come(c->world) ? WIPE_N_VOTERS : MAX(t->min_insync, 1);
}

static void draw_place(struct client *c, struct reassign *a, const struct topic *t)
{
    uint64_t n_nodes = c->world->n_machines;

    for (uint64_t i = 0; i < n_nodes; i++) {
        uint64_t k = sim_prng_below(&c->prng, i + 1);

        a->ids[i] = a->ids[k];
        a->ids[k] = (int32_t)i + 1;
    }
    a->n = sim_prng_chance(&c->prng, 1, 4)   ? 1 + (int32_t)sim_prng_below(&c->prng, n_nodes)
           : sim_prng_chance(&c->prng, 1, 3) ? 1
                                             : 3;
    a->n = MAX(a->n, least(c, t));
}

/* ---- Requests ---- */

static void alter(struct client *c, struct reassign *a, struct partition *p)
{
    struct wire_alter_partition_reassignments_request m;
    struct wire_alter_partition_reassignments_request_topic topic;
    struct wire_alter_partition_reassignments_request_partition part;

    wire_alter_partition_reassignments_request_init(&m);
    wire_alter_partition_reassignments_request_topic_init(&topic);
    wire_alter_partition_reassignments_request_partition_init(&part);
    m.topics = &topic;
    m.n_topics = 1;
    m.timeout_ms = 5000;
    topic.name = slice_str(client_topic_name(c, p));
    topic.partitions = &part;
    topic.n_partitions = 1;
    part.partition_index = p->index;
    part.replicas = a->ids;
    part.n_replicas = a->n > 0 ? a->n : -1;
    c->world->story->n_faults[WORLD_FAULT_REASSIGN]++;
    client_call(c, WIRE_API_ALTER_PARTITION_REASSIGNMENTS, ALTER_VERSION, &m)->partition = p;
}

void reassign_ask(struct client *c, struct reassign *a, const struct topic *t)
{
    struct partition *p = t->partitions[sim_prng_below(&c->prng, (uint64_t)t->n_partitions)];

    if (c->world->now_ns < p->stays_until_ns)
        return;
    p->stays_until_ns = c->world->now_ns + sim_prng_below(&c->prng, MS << sim_prng_below(&c->prng, 14));
    if (p->moved && sim_prng_chance(&c->prng, 1, 6))
        a->n = 0;
    else
        draw_place(c, a, t);
    p->moved = true;
    alter(c, a, p);
}

static void list(struct client *c)
{
    struct wire_list_partition_reassignments_request m;

    wire_list_partition_reassignments_request_init(&m);
    m.n_topics = -1;
    client_call(c, WIRE_API_LIST_PARTITION_REASSIGNMENTS, LIST_VERSION, &m);
}

static void ask_where(struct client *c, const struct topic *t)
{
    struct wire_metadata_request m;
    struct wire_metadata_request_topic topic;
    struct call *call;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&topic);
    topic.name = slice_str(t->name);
    m.topics = &topic;
    m.n_topics = 1;
    call = client_call(c, WIRE_API_METADATA, METADATA_VERSION, &m);
    call->number = (uint64_t)(t - c->world->model->topics);
    call->offset = REASSIGN_WHERE;
}

/* ---- Everything gets to its end ---- */

static struct partition *find_unsure(const struct model *m)
{
    for (unsigned t = 0; t < m->n_topics; t++)
        for (int32_t i = 0; i < m->topics[t].n_partitions; i++)
            if (m->topics[t].partitions[i]->unsure)
                return m->topics[t].partitions[i];
    return NULL;
}

/* The same each time. */
static void ask_again(struct client *c, struct reassign *a, struct partition *p)
{
    if (c->world->now_ns < a->heal_ns + AFTER_NS) {
        client_again(c, SEC);
        return;
    }
    if (a->last != p)
        draw_place(c, a, &c->world->model->topics[p->topic]);
    a->last = p;
    alter(c, a, p);
}

void reassign_settle(struct client *c, struct reassign *a)
{
    struct model *m = c->world->model;
    struct partition *unsure = find_unsure(m);

    if (a->heal_ns == 0)
        a->heal_ns = c->world->now_ns;
    if (reassign_is_done(c, a))
        return;
    if (unsure != NULL)
        ask_again(c, a, unsure);
    else if (!a->listed)
        list(c);
    else
        ask_where(c, &m->topics[a->next_topic]);
}

bool reassign_is_done(const struct client *c, const struct reassign *a)
{
    return !world_has_fault(c->world, WORLD_FAULT_REASSIGN) || a->next_topic == c->world->model->n_topics;
}

/* ---- Answers ---- */

static void begin_anew(struct client *c, struct reassign *a)
{
    a->listed = false;
    a->next_topic = 0;
    client_lose_way(c);
    client_back_off(c);
}

/* It was looked at, and refused. Taking back may have been done already, when it is tried again within the node. */
static bool is_certain_no(int16_t code)
{
    return code == KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION || code == KAFKA_E_INVALID_REPLICA_ASSIGNMENT;
}

static void take_alter(struct client *c, struct reassign *a, struct partition *p,
                       const struct wire_alter_partition_reassignments_response *m)
{
    int16_t code = m->error_code != 0 ? m->error_code : m->responses[0].partitions[0].error_code;

    if (code != 0) {
        p->unsure = p->unsure || !is_certain_no(code);
        client_lose_way(c);
        client_back_off(c);
        return;
    }
    p->n_wanted = a->n;
    memcpy(p->wanted, a->ids, sizeof(p->wanted));
    if (a->last == p) /* nothing older is on its way */
        p->unsure = false;
}

static void take_list(struct client *c, struct reassign *a, const struct wire_list_partition_reassignments_response *m)
{
    if (m->error_code == 0 && m->n_topics == 0)
        a->listed = true;
    else
        begin_anew(c, a);
}

static bool is_there(const struct topic *t, const struct wire_metadata_response_partition *p)
{
    const struct partition *known = t->partitions[p->partition_index];

    return known->n_wanted == 0 ||
           (known->n_wanted == p->n_replica_nodes &&
            memcmp(known->wanted, p->replica_nodes, (size_t)known->n_wanted * sizeof(int32_t)) == 0);
}

static void take_where(struct client *c, struct reassign *a, const struct topic *t,
                       const struct wire_metadata_response *m)
{
    const struct wire_metadata_response_topic *told = &m->topics[0];
    bool all = told->error_code == 0 && told->n_partitions == t->n_partitions;

    for (int32_t i = 0; all && i < told->n_partitions; i++)
        all = is_there(t, &told->partitions[i]);
    if (all)
        a->next_topic++;
    else
        begin_anew(c, a);
}

void reassign_take(struct client *c, struct reassign *a, const struct call *call, const void *message)
{
    switch (call->api) {
    case WIRE_API_ALTER_PARTITION_REASSIGNMENTS:
        take_alter(c, a, call->partition, message);
        break;
    case WIRE_API_LIST_PARTITION_REASSIGNMENTS:
        take_list(c, a, message);
        break;
    default:
        take_where(c, a, &c->world->model->topics[call->number], message);
        break;
    }
}

void reassign_lost(struct reassign *a, const struct call *call)
{
    if (call->api == WIRE_API_ALTER_PARTITION_REASSIGNMENTS)
        call->partition->unsure = true;
    a->listed = false;
    a->next_topic = 0;
}
