/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* Ids come from the metadata log in blocks, one at a time in the hands of each reactor; what a restart leaves of a
 * block is never used. */
#define PRODUCER_ID_BLOCK 1000

struct init_producer_id_state {
    struct wire_init_producer_id_request request;
    struct broker_ask *ask;
};

static void answer(struct broker_request *req, int16_t error, int64_t id, int16_t epoch)
{
    struct wire_init_producer_id_response response;

    wire_init_producer_id_response_init(&response);
    response.error_code = broker_count_error(req, error);
    response.producer_id = id;
    response.producer_epoch = epoch;
    broker_answer(req, &response);
}

static void answer_from_block(struct broker_request *req)
{
    answer(req, 0, req->broker->producer_id_next++, 0);
}

/* The answer of another broker is taken for no more than it says. */
static bool is_block(const struct broker_command *c)
{
    return c->ret_producer_id_first >= 0 && c->ret_producer_id_count > 0 &&
           c->ret_producer_id_first <= INT64_MAX - c->ret_producer_id_count;
}

static void block_came(struct broker_request *req)
{
    struct init_producer_id_state *s = req->state;
    const struct broker_command *c = &s->ask->command;
    struct broker *b = req->broker;

    if (c->error != 0) {
        answer(req, c->error, -1, 0);
        return;
    }
    if (!is_block(c)) {
        answer(req, KAFKA_E_REQUEST_TIMED_OUT, -1, 0); /* clients try again */
        return;
    }
    if (b->producer_id_next >= b->producer_id_end) {
        b->producer_id_next = c->ret_producer_id_first;
        b->producer_id_end = c->ret_producer_id_first + c->ret_producer_id_count;
    }
    answer_from_block(req);
}

static void ask_for_block(struct broker_request *req)
{
    struct init_producer_id_state *s = req->state;

    s->ask = broker_ask_new(req);
    if (s->ask == NULL)
        return;
    meta_write_producer_ids(&s->ask->body, PRODUCER_ID_BLOCK);
    req->next = block_came;
    broker_ask_start(s->ask);
}

/* KIP-360: a producer that lost track goes on under its id with the next epoch; when epochs are used up, it gets a
 * new id. */
static bool bumps_epoch(const struct wire_init_producer_id_request *m)
{
    return m->producer_id >= 0 && m->producer_epoch >= 0 && m->producer_epoch < INT16_MAX - 1;
}

void broker_handle_init_producer_id(struct broker_request *req, struct rd *body)
{
    struct init_producer_id_state *s = req->state = broker_alloc(req, 1, sizeof(*s));

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    if (!slice_is_null(s->request.transactional_id))
        answer(req, KAFKA_E_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, 0); /* fatal at once, instead of retries */
    else if (bumps_epoch(&s->request))
        answer(req, 0, s->request.producer_id, (int16_t)(s->request.producer_epoch + 1));
    else if (req->broker->producer_id_next < req->broker->producer_id_end)
        answer_from_block(req);
    else
        ask_for_block(req);
}
