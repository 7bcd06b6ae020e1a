/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/internal.h"

/* Reads one partition along, sometimes again from elsewhere, sometimes goes to another. */

struct consumer {
    struct client client; /* first */
    struct partition *partition;
    int64_t next;
    int32_t max_wait_ms, max_bytes;
    uint64_t pause_ns;
    bool ranges;     /* asks any node, whoever leads */
    bool lost_place; /* asks where the log starts */
    bool at_end;     /* reads next from the end on, as anybody knows it by then */
    unsigned n_ends; /* it did so often */
    bool got_on;     /* has read to the end since the faults ended */
};

static struct consumer *consumer_of(const struct client *c)
{
    return container_of(c, struct consumer, client);
}

/* Where a leader may be asked that has been deposed: consumers ask for the end, and for what comes behind all that
 * anybody was told of. */
static bool is_in_cluster(const struct client *c)
{
    return c->world->n_machines > 1;
}

static void choose(struct client *c)
{
    struct consumer *k = consumer_of(c);
    struct model *m = c->world->model;
    unsigned topic = (unsigned)sim_prng_below(&c->prng, m->n_topics);
    int32_t n = m->topics[topic].n_partitions;

    k->partition = model_partition(m, topic, (int32_t)sim_prng_below(&c->prng, (uint64_t)n));
    k->next = k->partition->log_start;
    k->lost_place = k->at_end = false;
}

static void consumer_init(struct client *c)
{
    struct consumer *k = consumer_of(c);

    choose(c);
    k->max_wait_ms = (int32_t)sim_prng_below(&c->prng, UINT64_C(1) << sim_prng_below(&c->prng, 12));
    k->max_wait_ms = MIN(k->max_wait_ms, (int32_t)(c->call_timeout_ns / 2 / MS));
    k->ranges = is_in_cluster(c) && sim_prng_chance(&c->prng, 1, 3);
    k->max_bytes = 1 << (6 + sim_prng_below(&c->prng, 15));
    k->pause_ns = (50 * US) << sim_prng_below(&c->prng, 11);
    if (!k->ranges)
        k->pause_ns = client_pause_ns(c, k->pause_ns);
}

static void consumer_fini(struct client *c)
{
}

static bool does_range(const struct client *c)
{
    return consumer_of(c)->ranges && c->world->phase == WORLD_WORK;
}

static bool finds_somebody(struct client *c)
{
    if (!does_range(c))
        return client_goes_to(c, consumer_of(c)->partition);
    if (sim_prng_chance(&c->prng, 1, 3))
        client_go_elsewhere(c);
    return true;
}

/* Sometimes a bit beyond the end, where nothing may be. */
static void go_to_end(struct client *c)
{
    struct consumer *k = consumer_of(c);

    k->at_end = false;
    k->next = k->partition->high_watermark;
    if (is_in_cluster(c) && c->world->phase == WORLD_WORK && ++k->n_ends % 4 == 0)
        k->next += 1 + k->n_ends / 4 % 4;
}

static void read_on(struct client *c)
{
    struct consumer *k = consumer_of(c);

    if (k->at_end)
        go_to_end(c);
    client_fetch(c, k->partition, k->next, k->max_wait_ms, k->max_bytes);
    c->calls[c->n_calls - 1].number = (uint64_t)k->partition->high_watermark;
}

static void consumer_poll(struct client *c)
{
    struct consumer *k = consumer_of(c);

    if (c->n_calls > 0 || c->world->phase > WORLD_HEAL || k->got_on)
        return;
    if (k->partition->gone)
        choose(c);
    if (c->world->model->topics[k->partition->topic].state != TOPIC_LIVE)
        client_again(c, 20 * MS);
    else if (!finds_somebody(c))
        return;
    else if (k->lost_place)
        client_list_offsets(c, k->partition, -2);
    else if (is_in_cluster(c) && sim_prng_chance(&c->prng, k->ranges ? 3 : 1, 6))
        client_list_offsets(c, k->partition, -1);
    else
        read_on(c);
}

/* The place is gone only when somebody had records deleted, or it wasn't there yet, as far as anybody knew who asked.
 */
static void out_of_range(struct client *c, const struct call *call)
{
    struct consumer *k = consumer_of(c);
    int64_t known = (int64_t)call->number;

    if (call->offset > known) {
        if (call->offset >= call->partition->start_asked) /* retention can have come by unseen */
            client_check_end(c, call);
        k->next = known;
        return;
    }
    if (call->offset >= call->partition->start_asked && !call->partition->gone)
        world_fail(c->world, "history", "%s-%d: offset %lld is out of range", client_topic_name(c, call->partition),
                   call->partition->index, (long long)call->offset);
    k->lost_place = true;
}

static void take_fetch(struct client *c, const struct call *call, const void *message)
{
    struct consumer *k = consumer_of(c);
    int64_t high_watermark;
    int16_t code = client_take_fetch(c, call, message, false, &k->next, &high_watermark);

    if (k->partition != call->partition || k->partition->gone)
        return;
    if (code == KAFKA_E_OFFSET_OUT_OF_RANGE)
        out_of_range(c, call);
    if (code != 0) {
        client_lose_way(c);
        k->at_end = does_range(c);
        if (!does_range(c))
            client_back_off(c);
        return;
    }
    if (k->next == high_watermark && c->world->phase == WORLD_HEAL)
        k->got_on = true;
    if (sim_prng_chance(&c->prng, 1, 24))
        choose(c);
    else if (sim_prng_chance(&c->prng, 1, 12))
        k->next =
            k->partition->log_start +
            (int64_t)sim_prng_below(&c->prng, (uint64_t)(k->partition->high_watermark - k->partition->log_start) + 1);
    else if (is_in_cluster(c) && sim_prng_chance(&c->prng, 1, 4))
        k->at_end = true;
}

static void consumer_answer(struct client *c, const struct call *call, const void *message)
{
    struct consumer *k = consumer_of(c);

    if (call->api == WIRE_API_LIST_OFFSETS) {
        int64_t start;

        if (client_take_list_offsets(c, call, message, &start) == 0 && k->partition == call->partition) {
            k->next = start;
            k->lost_place = false;
        } else {
            client_lose_way(c);
        }
    } else {
        take_fetch(c, call, message);
    }
    client_again(c, k->pause_ns);
}

static void consumer_lost(struct client *c, const struct call *call)
{
    client_lose_read(c, call);
}

static bool consumer_is_done(const struct client *c)
{
    return consumer_of(c)->got_on && c->n_calls == 0;
}

const struct client_kind consumer_kind = {
    .name = "consumer",
    .size = sizeof(struct consumer),
    .init = consumer_init,
    .fini = consumer_fini,
    .poll = consumer_poll,
    .answer = consumer_answer,
    .lost = consumer_lost,
    .is_done = consumer_is_done,
};
