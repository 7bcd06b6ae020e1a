/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/endian.h"
#include "wire/batch_builder.h"
#include "world/internal.h"

/* Writes to one or two partitions, up to five batches of each under way at once. An idempotent one never gives a batch
 * up: it sends again, in order, until it is told. A plain one may give up. Some wait until nothing is under way before
 * they send again, others send again at once, while batches behind are still on their way, as most clients do. */

#define MAX_TRACKS 2
#define MAX_BATCHES 5
#define PRODUCE_VERSION 9
#define INIT_VERSION 4
#define BACKOFF_NS (50 * MS)
#define GOALS 3                     /* batches that must be acknowledged after the faults */
#define HEAL_WAIT_MS UINT64_C(1000) /* the most that a request may take, at least, after the faults */

struct batch {
    uint64_t id; /* of its first record */
    int32_t count, sequence;
    int16_t epoch;
    size_t value_size;
    uint64_t op; /* of the recorder; 0: it wasn't sent yet */
    bool sent;
};

/* A partition, and what of it isn't settled, oldest first. */
struct track {
    struct partition *partition;
    int32_t next_sequence;
    struct batch batches[MAX_BATCHES];
    unsigned n_batches, n_sent;
    bool is_acked;   /* the partition has acknowledged a batch of this epoch */
    bool has_zombie; /* somebody is left over from the epoch before */
    int32_t zombie_sequence;
    uint64_t not_before_ns; /* a refused batch isn't sent again at once */
};

struct producer {
    struct client client; /* first */
    bool idempotent, eager;
    int16_t acks;
    int64_t producer_id; /* -1: not known yet */
    int16_t epoch;
    struct track tracks[MAX_TRACKS];
    unsigned n_tracks, window;
    int32_t max_count;
    size_t max_value;
    bool wants_id;        /* a new one, as soon as all is settled */
    bool wants_epoch;     /* the next one of this id: nothing is unsettled */
    uint64_t pause_ns;    /* between batches, at most */
    uint64_t max_wait_ms; /* that it gives the node, at most, while there are faults */
    unsigned n_acked;     /* in the phase WORLD_HEAL */
};

static struct producer *producer_of(const struct client *c)
{
    return container_of(c, struct producer, client);
}

static void producer_init(struct client *c)
{
    struct producer *p = producer_of(c);
    struct model *m = c->world->model;

    p->idempotent = sim_prng_chance(&c->prng, 2, 3);
    p->producer_id = -1;
    p->n_tracks = 1 + (unsigned)sim_prng_below(&c->prng, MAX_TRACKS);
    p->window = 1 + (unsigned)sim_prng_below(&c->prng, MAX_BATCHES);
    p->max_value = (size_t)64 << sim_prng_below(&c->prng, c->world->options.large ? 11 : 8);
    p->max_value = MIN(p->max_value, c->world->max_batch_bytes);
    p->max_count = 1 + (int32_t)sim_prng_below(&c->prng, MIN(4u, c->world->max_batch_bytes / p->max_value));
    p->pause_ns = client_pause_ns(c, (10 * US) << sim_prng_below(&c->prng, 13));
    p->eager = sim_prng_chance(&c->prng, 1, 2);
    p->max_wait_ms = c->call_timeout_ns / MS;
    if (p->idempotent) /* each other one would be stored again and again */
        p->max_wait_ms = MIN(UINT64_C(1) << sim_prng_below(&c->prng, 17), p->max_wait_ms);
    for (unsigned i = 0; i < p->n_tracks; i++) {
        unsigned topic = (unsigned)sim_prng_below(&c->prng, m->n_topics);
        int32_t n = m->topics[topic].n_partitions;

        p->tracks[i].partition = model_partition(m, topic, (int32_t)sim_prng_below(&c->prng, (uint64_t)n));
        if (i > 0 && p->tracks[i].partition == p->tracks[0].partition)
            p->n_tracks = 1;
    }
    p->acks = -1;
    if (c->world->n_machines == 1)
        return;
    p->n_tracks = 1; /* the leader of another may be elsewhere */
    if (!p->idempotent && sim_prng_chance(&c->prng, 1, 2))
        p->acks = 1;
}

static void producer_fini(struct client *c)
{
}

/* ---- Requests ---- */

static void ask_for_id(struct client *c)
{
    struct wire_init_producer_id_request m;

    wire_init_producer_id_request_init(&m);
    m.transactional_id = SLICE_NULL;
    m.transaction_timeout_ms = 60000;
    if (producer_of(c)->wants_epoch) {
        m.producer_id = producer_of(c)->producer_id;
        m.producer_epoch = producer_of(c)->epoch;
    }
    client_call(c, WIRE_API_INIT_PRODUCER_ID, INIT_VERSION, &m);
}

static uint8_t *make_records(const struct producer *p, const struct batch *b, size_t *ret_size)
{
    _cleanup_(freep) uint8_t *value = xmalloc(b->value_size);
    struct batch_params params = BATCH_PARAMS_PLAIN;
    struct batch_builder builder;
    uint8_t *data;

    if (p->idempotent) {
        params.producer_id = p->producer_id;
        params.producer_epoch = b->epoch;
        params.base_sequence = b->sequence;
    }
    batch_builder_init(&builder, &params, 1 << 20);
    for (int32_t i = 0; i < b->count; i++) {
        uint64_t id = b->id + (uint64_t)i;

        memset(value, (int)(id & 0xff), b->value_size);
        store_le64(value, id);
        gq_assert(batch_builder_add(&builder, WORLD_EPOCH_MS + (int64_t)id, SLICE_NULL,
                                    slice_make(value, b->value_size), NULL, 0) == 0);
    }
    gq_assert(batch_builder_finish(&builder, &data, ret_size) == 0);
    return data;
}

/* All tries are one operation, as those of a client library are. */
static void record(struct client *c, const struct track *t, struct batch *b)
{
    const struct producer *p = producer_of(c);

    if (b->op == 0)
        b->op = recorder_send(c->world->recorder, &(struct recorder_send){
                                                      .client = c->index,
                                                      .partition = t->partition,
                                                      .id = b->id,
                                                      .count = b->count,
                                                      .sequence = b->sequence,
                                                      .producer_id = p->idempotent ? p->producer_id : -1,
                                                      .epoch = b->epoch,
                                                  });
}

/* What takes a word from the others isn't told within a millisecond, ever. */
static uint64_t patience_ms(const struct client *c)
{
    uint64_t most = producer_of(c)->max_wait_ms;

    return c->world->phase == WORLD_HEAL ? MAX(most, HEAL_WAIT_MS) : most;
}

static struct call *send_records(struct client *c, struct track *t, const struct batch *b)
{
    struct wire_produce_request m;
    struct wire_produce_request_topic topic;
    struct wire_produce_request_partition part;
    size_t size;
    _cleanup_(freep) uint8_t *data = make_records(producer_of(c), b, &size);
    struct call *call;

    wire_produce_request_init(&m);
    wire_produce_request_topic_init(&topic);
    wire_produce_request_partition_init(&part);
    m.acks = producer_of(c)->acks;
    m.timeout_ms = 1 + (int32_t)sim_prng_below(&c->prng, patience_ms(c));
    m.topic_data = &topic;
    m.n_topic_data = 1;
    topic.name = slice_str(client_topic_name(c, t->partition));
    topic.partition_data = &part;
    topic.n_partition_data = 1;
    part.index = t->partition->index;
    part.records = slice_make(data, size);
    call = client_call(c, WIRE_API_PRODUCE, PRODUCE_VERSION, &m);
    call->partition = t->partition;
    call->number = b->id;
    call->offset = c->way.epoch;
    call->floor = model_floor(c->world->model, t->partition, c->life);
    return call;
}

static void send_batch(struct client *c, struct track *t, struct batch *b)
{
    (void)send_records(c, t, b);
    model_sent(c->world->model, b->id, b->count);
    record(c, t, b);
    b->sent = true;
    t->n_sent++;
}

/* Of the epoch that is over, behind its last batch. Nothing of it may ever be stored there. */
static void send_zombie(struct client *c, struct track *t)
{
    struct producer *p = producer_of(c);
    const struct batch b = {
        .id = model_add(c->world->model, t->partition, c->index, true),
        .count = 1,
        .sequence = t->zombie_sequence,
        .epoch = (int16_t)(p->epoch - 1),
        .value_size = 8 + (size_t)sim_prng_below(&c->prng, p->max_value),
    };

    c->world->story->n_faults[WORLD_FAULT_ZOMBIE]++;
    model_fenced(c->world->model, b.id);
    send_records(c, t, &b)->is_zombie = true;
}

static void new_batch(struct client *c, struct track *t)
{
    struct producer *p = producer_of(c);
    struct model *m = c->world->model;
    struct batch *b = &t->batches[t->n_batches++];

    *b = (struct batch){
        .count = 1 + (int32_t)sim_prng_below(&c->prng, (uint64_t)p->max_count),
        .sequence = t->next_sequence,
        .epoch = p->epoch,
        .value_size = 8 + (size_t)sim_prng_below(&c->prng, p->max_value),
    };
    for (int32_t i = 0; i < b->count; i++) {
        uint64_t id = model_add(m, t->partition, c->index, p->idempotent);

        b->id = i == 0 ? id : b->id;
    }
    t->next_sequence += b->count;
}

static bool wants_more(const struct client *c)
{
    const struct producer *p = producer_of(c);

    return c->world->phase == WORLD_WORK || (c->world->phase == WORLD_HEAL && p->n_acked < GOALS);
}

static void poll_track(struct client *c, struct track *t)
{
    struct producer *p = producer_of(c);
    unsigned first = 0;

    if (c->world->model->topics[t->partition->topic].state != TOPIC_LIVE || t->partition->gone)
        return;
    if (!client_goes_to(c, t->partition))
        return;
    if (t->n_batches < p->window && wants_more(c) && !p->wants_id)
        new_batch(c, t);
    while (first < t->n_batches && t->batches[first].sent)
        first++;
    if ((t->n_sent > first && !p->eager) || c->world->now_ns < t->not_before_ns)
        return;
    for (unsigned i = first; i < t->n_batches && client_can_call(c); i++)
        if (!t->batches[i].sent)
            send_batch(c, t, &t->batches[i]);
    if (t->has_zombie && t->is_acked && client_can_call(c) && c->world->phase == WORLD_WORK &&
        sim_prng_chance(&c->prng, 1, 8))
        send_zombie(c, t);
}

static bool is_held_up(const struct client *c)
{
    const struct producer *p = producer_of(c);

    for (unsigned i = 0; i < p->n_tracks; i++) {
        const struct track *t = &p->tracks[i];

        if (t->partition->gone || c->world->model->topics[t->partition->topic].state != TOPIC_LIVE ||
            c->world->now_ns < t->not_before_ns)
            return true;
    }
    return p->wants_id || client_is_lost(c);
}

/* Something to do that no answer will wake it for. */
static bool has_work(const struct client *c)
{
    const struct producer *p = producer_of(c);

    if (c->world->phase == WORLD_HEAL && !client_can_call(c))
        return false; /* a dead connection's answers may take its time, and looking often is events */
    for (unsigned i = 0; i < p->n_tracks; i++)
        if (p->tracks[i].partition->gone)
            return true;
        else if (p->tracks[i].n_sent < (p->eager ? p->tracks[i].n_batches : MIN(p->tracks[i].n_batches, 1u)))
            return true;
        else if (p->tracks[i].n_batches < p->window && wants_more(c))
            return true;
    return false;
}

/* Its topic was deleted and is there again: nothing that was sent before matters. Sequences begin anew, and so do ids,
 * since what is still on its way may reach the new topic. */
static void follow_topic(struct client *c, struct track *t)
{
    struct model *m = c->world->model;
    struct partition *now = model_partition(m, t->partition->topic, t->partition->index);

    if (t->partition == now || m->topics[now->topic].state != TOPIC_LIVE)
        return;
    *t = (struct track){ .partition = now };
    producer_of(c)->wants_id = true;
}

/* With a new id all sequences begin at 0, so what isn't settled elsewhere comes first. */
static void renew_id(struct producer *p)
{
    for (unsigned i = 0; i < p->n_tracks; i++)
        if (p->tracks[i].n_batches > 0)
            return;
    for (unsigned i = 0; i < p->n_tracks; i++) {
        p->tracks[i].next_sequence = 0;
        p->tracks[i].has_zombie = p->tracks[i].is_acked = false;
    }
    p->wants_id = p->wants_epoch = false;
    p->producer_id = -1;
}

/* Now and then it begins a new epoch, as one does that was told of an error, or that takes over for another. */
static void maybe_bump(struct client *c)
{
    struct producer *p = producer_of(c);

    if (!world_has_fault(c->world, WORLD_FAULT_ZOMBIE) || !p->idempotent || p->producer_id < 0 || p->wants_epoch ||
        c->world->phase != WORLD_WORK)
        return;
    for (unsigned i = 0; i < p->n_tracks; i++)
        if (p->tracks[i].n_batches > 0 || !p->tracks[i].is_acked || p->tracks[i].partition->gone)
            return;
    p->wants_epoch = sim_prng_chance(&c->prng, 1, 4);
}

static void begin_epoch(struct producer *p, int16_t epoch)
{
    for (unsigned i = 0; i < p->n_tracks; i++) {
        struct track *t = &p->tracks[i];

        t->has_zombie = p->wants_epoch;
        t->is_acked = false;
        t->zombie_sequence = t->next_sequence;
        t->next_sequence = 0;
    }
    p->epoch = epoch;
    p->wants_epoch = false;
}

static void producer_poll(struct client *c)
{
    struct producer *p = producer_of(c);

    if (c->world->phase > WORLD_HEAL)
        return;
    for (unsigned i = 0; i < p->n_tracks; i++)
        follow_topic(c, &p->tracks[i]);
    if (p->wants_id)
        renew_id(p);
    maybe_bump(c);
    if (p->idempotent && (p->producer_id < 0 || p->wants_epoch)) {
        if (c->n_calls == 0)
            ask_for_id(c);
        return;
    }
    for (unsigned i = 0; i < p->n_tracks; i++)
        poll_track(c, &p->tracks[i]);
    if (has_work(c))
        client_again(c, MAX(p->pause_ns, is_held_up(c) ? BACKOFF_NS : 0));
}

/* ---- Answers ---- */

static struct track *track_of(struct producer *p, const struct partition *partition)
{
    for (unsigned i = 0; i < p->n_tracks; i++)
        if (p->tracks[i].partition == partition)
            return &p->tracks[i];
    return NULL;
}

static struct batch *batch_of(struct track *t, uint64_t id)
{
    for (unsigned i = 0; i < t->n_batches; i++)
        if (t->batches[i].id == id)
            return &t->batches[i];
    return NULL;
}

static void forget(struct track *t, struct batch *b)
{
    t->n_batches--;
    memmove(b, b + 1, (size_t)(&t->batches[t->n_batches] - b) * sizeof(*b));
}

/* It will be sent again; a plain one may give up. */
static void put_back(struct client *c, struct track *t, struct batch *b)
{
    struct producer *p = producer_of(c);

    t->n_sent--;
    b->sent = false;
    if (!p->idempotent && sim_prng_chance(&c->prng, 1, 2)) {
        recorder_end(c->world->recorder, b->op, model_is_refused(c->world->model, b->id) ? HISTORY_FAIL : HISTORY_INFO);
        forget(t, b);
    }
}

/* Codes that say for certain that nothing was stored. */
static bool is_certain_no(int16_t code)
{
    return code == KAFKA_E_NOT_ENOUGH_REPLICAS || code == KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static bool is_expected(const struct producer *p, int16_t code)
{
    switch (code) {
    case KAFKA_E_NOT_ENOUGH_REPLICAS:
    case KAFKA_E_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KAFKA_E_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_E_LEADER_NOT_AVAILABLE:
    case KAFKA_E_REQUEST_TIMED_OUT:
    case KAFKA_E_KAFKA_STORAGE_ERROR:
    case KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION:
        return true;
    case KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER:
        return p->idempotent;
    default:
        return false;
    }
}

static void take_ack(struct client *c, const struct call *call, const struct batch *b, int64_t offset)
{
    struct model *m = c->world->model;

    if (producer_of(c)->acks == 1 && model_is_replicated(m, call->partition)) {
        model_acked_alone(m, b->id, b->count, offset, (int32_t)call->offset);
        recorder_end(c->world->recorder, b->op, HISTORY_INFO);
    } else {
        model_acked(m, b->id, b->count, offset, c->life);
        recorder_sent(c->world->recorder, b->op, offset);
    }
}

static void take_produce(struct client *c, const struct call *call, const struct wire_produce_response *m)
{
    const struct wire_produce_response_partition *a = &m->responses[0].partition_responses[0];
    struct producer *p = producer_of(c);
    struct track *t = track_of(p, call->partition);
    struct batch *b = t != NULL ? batch_of(t, call->number) : NULL;
    struct model *model = c->world->model;

    if (b == NULL || t->partition->gone)
        return;
    if (a->error_code == 0 || (a->error_code == KAFKA_E_DUPLICATE_SEQUENCE_NUMBER && p->idempotent)) {
        model_told(model, t->partition, &call->floor, -1, a->error_code == 0 ? a->log_start_offset : -1);
        take_ack(c, call, b, a->error_code == 0 ? a->base_offset : -1);
        t->is_acked = true;
        t->n_sent--;
        forget(t, b);
        p->n_acked += c->world->phase == WORLD_HEAL;
        return;
    }
    if (!is_expected(p, a->error_code))
        world_fail(c->world, "answers are as they should be", "client %u: produce ended with %d", c->index,
                   a->error_code);
    /* Sequence errors are for those behind one that failed. */
    if (a->error_code == KAFKA_E_OUT_OF_ORDER_SEQUENCE_NUMBER && b == t->batches)
        world_fail(c->world, "history", "the first batch of producer %u that isn't settled is out of order", c->index);
    if (is_certain_no(a->error_code))
        model_refused(model, b->id, b->count);
    if (!is_certain_no(a->error_code))
        client_lose_way(c);
    if (!p->eager || sim_prng_chance(&c->prng, 1, 4))
        t->not_before_ns = world_soon(c->world, &c->prng, 2 * BACKOFF_NS);
    put_back(c, t, b);
}

/* Who leads no more may not know of the epoch, but nothing that it takes counts. Where the topic is another one now,
 * nobody knows of it. */
static void take_zombie(struct client *c, const struct call *call, const struct wire_produce_response *m)
{
    int16_t code = m->responses[0].partition_responses[0].error_code;

    if (!call->partition->gone && code != KAFKA_E_INVALID_PRODUCER_EPOCH && code != KAFKA_E_DUPLICATE_SEQUENCE_NUMBER &&
        !is_expected(producer_of(c), code))
        world_fail(c->world, "who is fenced writes nothing",
                   "client %u: produce in an epoch that is over ended with %d", c->index, code);
}

static void producer_answer(struct client *c, const struct call *call, const void *message)
{
    struct producer *p = producer_of(c);

    if (call->api == WIRE_API_INIT_PRODUCER_ID) {
        const struct wire_init_producer_id_response *m = message;

        if (m->error_code == 0) {
            if (p->wants_epoch && (m->producer_id != p->producer_id || m->producer_epoch != p->epoch + 1))
                world_fail(c->world, "answers are as they should be", "producer %u gets epoch %d behind %d", c->index,
                           m->producer_epoch, p->epoch);
            p->producer_id = m->producer_id;
            begin_epoch(p, m->producer_epoch);
        } else {
            client_lose_way(c);
            client_back_off(c);
        }
        return;
    }
    if (call->is_zombie)
        take_zombie(c, call, message);
    else
        take_produce(c, call, message);
}

static void producer_lost(struct client *c, const struct call *call)
{
    struct track *t = track_of(producer_of(c), call->partition);

    if (call->api == WIRE_API_PRODUCE && t != NULL && !call->is_zombie)
        put_back(c, t, batch_of(t, call->number));
}

static bool producer_is_done(const struct client *c)
{
    const struct producer *p = producer_of(c);

    for (unsigned i = 0; i < p->n_tracks; i++)
        if (p->tracks[i].n_batches > 0 || p->tracks[i].partition->gone)
            return false;
    return c->n_calls == 0 && !wants_more(c);
}

const struct client_kind producer_kind = {
    .name = "producer",
    .size = sizeof(struct producer),
    .init = producer_init,
    .fini = producer_fini,
    .poll = producer_poll,
    .answer = producer_answer,
    .lost = producer_lost,
    .is_done = producer_is_done,
};
