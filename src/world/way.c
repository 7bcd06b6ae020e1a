/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/internal.h"

/* How a client of a cluster finds who leads a partition: it asks anyone for Metadata, connects to the broker that this
 * names, and asks again, maybe somebody else, when it is told no or hears nothing. On a node alone there is nothing to
 * find. */

#define METADATA_VERSION 12
#define LOOK_AGAIN_NS (20 * MS)

static void forget(struct client *c)
{
    c->way.leader = -1;
    c->way.epoch = -1;
}

void client_begin_way(struct client *c)
{
    forget(c);
}

/* The connection is lost, or couldn't be made. */
void client_forget_way(struct client *c)
{
    forget(c);
    c->way.wanders = false;
}

void client_lose_way(struct client *c)
{
    if (c->world->n_machines == 1)
        return;
    forget(c);
    c->way.wanders = c->way.wanders || sim_prng_chance(&c->prng, 1, 2);
}

bool client_wanders(struct client *c)
{
    if (!c->way.wanders || c->n_calls > 0)
        return false;
    c->way.wanders = false;
    client_leave(c);
    return true;
}

void client_go_elsewhere(struct client *c)
{
    forget(c);
    c->way.wanders = true;
}

static void ask(struct client *c)
{
    struct wire_metadata_request m;
    struct wire_metadata_request_topic topic;

    wire_metadata_request_init(&m);
    wire_metadata_request_topic_init(&topic);
    topic.name = slice_str(client_topic_name(c, c->way.partition));
    m.topics = &topic;
    m.n_topics = 1;
    client_call(c, WIRE_API_METADATA, METADATA_VERSION, &m)->finds_way = true;
}

/* Which node a broker is; -1: none. */
static int machine_of(const struct client *c, const struct wire_metadata_response *m, int32_t id)
{
    for (int32_t i = 0; i < m->n_brokers; i++) {
        int32_t index = m->brokers[i].port - MACHINE_PORT;

        if (m->brokers[i].node_id == id && index >= 0 && index < (int32_t)c->world->n_machines)
            return index;
    }
    return -1;
}

void client_take_way(struct client *c, const void *message)
{
    const struct wire_metadata_response *m = message;
    const struct wire_metadata_response_topic *t = &m->topics[0];

    for (int32_t i = 0; t->error_code == 0 && i < t->n_partitions; i++) {
        const struct wire_metadata_response_partition *p = &t->partitions[i];

        if (p->partition_index != c->way.partition->index)
            continue;
        c->way.leader = machine_of(c, m, p->leader_id);
        c->way.epoch = p->leader_epoch;
    }
    if (c->way.leader >= 0)
        return;
    client_lose_way(c);
    client_back_off(c);
}

/* Nothing is under way. */
static void look(struct client *c)
{
    if (c->world->now_ns < c->way.not_before_ns) {
        client_again(c, c->way.not_before_ns - c->world->now_ns);
    } else {
        c->way.not_before_ns = world_soon(c->world, &c->prng, LOOK_AGAIN_NS);
        ask(c);
    }
}

bool client_is_lost(const struct client *c)
{
    return c->world->n_machines > 1 && c->way.leader < 0;
}

bool client_goes_to(struct client *c, struct partition *p)
{
    if (c->world->n_machines == 1)
        return true;
    if (c->way.partition != p) {
        forget(c);
        c->way.partition = p;
    }
    if (c->way.leader >= 0 && c->way.leader == (int)c->machine->index)
        return true;
    if (c->n_calls > 0)
        return false;
    if (c->way.leader >= 0)
        client_leave(c);
    else
        look(c);
    return false;
}

struct machine *client_next_machine(struct client *c)
{
    struct world *w = c->world;

    if (c->way.leader >= 0)
        return w->machines[c->way.leader];
    return w->machines[sim_prng_below(&c->prng, w->n_machines)];
}
