/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world/internal.h"

/* In the phases WORLD_AUDIT and WORLD_REAUDIT: reads each partition from where it starts to where it ends. */

#define MAX_BYTES (256 << 10)
#define MAX_ENDS 100

struct auditor {
    struct client client; /* first */
    enum world_phase phase;
    unsigned topic;
    int32_t partition;
    int64_t start, next, end; /* -1: not known yet */
    unsigned n_ends;          /* so often it was asked for the end */
};

static struct auditor *auditor_of(const struct client *c)
{
    return container_of(c, struct auditor, client);
}

static void auditor_init(struct client *c)
{
}

static void begin_partition(struct auditor *a)
{
    a->start = a->next = a->end = -1;
    a->n_ends = 0;
}

static bool is_audit(const struct client *c)
{
    return c->world->phase == WORLD_AUDIT || c->world->phase == WORLD_REAUDIT;
}

static void auditor_poll(struct client *c)
{
    struct auditor *a = auditor_of(c);
    struct model *m = c->world->model;
    struct partition *p;

    if (!is_audit(c) || c->n_calls > 0)
        return;
    if (a->phase != c->world->phase) {
        a->phase = c->world->phase;
        a->topic = 0;
        a->partition = 0;
        begin_partition(a);
    }
    if (a->topic == m->n_topics)
        return;
    p = model_partition(m, a->topic, a->partition);
    if (!client_goes_to(c, p))
        return;
    if (a->start < 0)
        client_list_offsets(c, p, -2);
    else if (a->end < 0)
        client_list_offsets(c, p, -1);
    else
        client_fetch(c, p, a->next, 0, MAX_BYTES);
}

static void end_partition(struct client *c)
{
    struct auditor *a = auditor_of(c);
    struct model *m = c->world->model;
    struct partition *p = model_partition(m, a->topic, a->partition);

    /* Retention may have gone on meanwhile. */
    recorder_drain(c->world->recorder, c->index, p, MAX(a->start, p->log_start), a->end);
    model_end_audit(m, p, a->start, a->end);
    if (++a->partition == m->topics[a->topic].n_partitions) {
        a->partition = 0;
        a->topic++;
    }
    begin_partition(a);
}

/* What a leader acknowledged by itself others may have to hear of first. */
static void reach_end(struct client *c)
{
    struct auditor *a = auditor_of(c);
    struct model *m = c->world->model;

    if (model_find_unseen(m, model_partition(m, a->topic, a->partition)) == 0 || ++a->n_ends == MAX_ENDS) {
        a->end = a->next; /* some of that may have come since it was asked for */
        end_partition(c);
        return;
    }
    a->end = -1;
    client_back_off(c);
}

static bool is_passing(int16_t code)
{
    return code == KAFKA_E_LEADER_NOT_AVAILABLE || code == KAFKA_E_NOT_LEADER_OR_FOLLOWER ||
           code == KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION || code == KAFKA_E_OFFSET_NOT_AVAILABLE;
}

static void take_offset(struct client *c, const struct call *call, const void *message)
{
    struct auditor *a = auditor_of(c);
    int64_t offset;
    int16_t code = client_take_list_offsets(c, call, message, &offset);

    if (code != 0) {
        if (!is_passing(code))
            world_fail(c->world, "answers are as they should be", "ListOffsets ended with %d", code);
        client_lose_way(c);
    } else if (call->offset == -2) {
        /* A new leader may take a moment until it tells what was durable at the one before. */
        if (offset >= call->partition->log_start)
            a->start = a->next = offset;
    } else {
        a->end = offset;
        call->partition->leader_epoch = MAX(call->partition->leader_epoch, client_leader_epoch(message));
    }
}

static void auditor_answer(struct client *c, const struct call *call, const void *message)
{
    struct auditor *a = auditor_of(c);
    int64_t high_watermark;
    int16_t code;

    if (call->api == WIRE_API_LIST_OFFSETS) {
        take_offset(c, call, message);
    } else {
        code = client_take_fetch(c, call, message, true, &a->next, &high_watermark);
        if (code == KAFKA_E_OFFSET_OUT_OF_RANGE && call->partition->start_asked == INT64_MAX)
            begin_partition(a); /* retention was faster */
        else if (code != 0 && !is_passing(code))
            world_fail(c->world, "answers are as they should be", "Fetch ended with %d", code);
        else if (code != 0)
            client_lose_way(c);
    }
    if (a->end >= 0 && a->next >= a->end)
        reach_end(c);
    client_again(c, MS);
}

static void auditor_lost(struct client *c, const struct call *call)
{
    client_lose_read(c, call);
}

static bool auditor_is_done(const struct client *c)
{
    const struct auditor *a = auditor_of(c);

    return !is_audit(c) || (a->phase == c->world->phase && a->topic == c->world->model->n_topics);
}

const struct client_kind auditor_kind = {
    .name = "auditor",
    .size = sizeof(struct auditor),
    .init = auditor_init,
    .fini = auditor_init,
    .poll = auditor_poll,
    .answer = auditor_answer,
    .lost = auditor_lost,
    .is_done = auditor_is_done,
};
