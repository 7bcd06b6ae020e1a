/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* There are no coordinators yet: clients are told to try again later. Served all the same, since librdkafka takes this
 * API as the sign of a broker that knows lz4. */
static const char reason[] = "this broker has no consumer groups or transactions yet";

static void answer_one(struct broker_request *req, struct wire_find_coordinator_response *m)
{
    m->error_code = broker_count_error(req, KAFKA_E_COORDINATOR_NOT_AVAILABLE);
    m->error_message = slice_str(reason);
    m->node_id = -1;
    m->host = slice_make("", 0);
    m->port = -1;
    broker_answer(req, m);
}

static void answer_many(struct broker_request *req, const struct wire_find_coordinator_request *request,
                        struct wire_find_coordinator_response *m)
{
    m->coordinators = broker_alloc(req, (size_t)request->n_coordinator_keys, sizeof(*m->coordinators));
    if (m->coordinators == NULL)
        return;
    m->n_coordinators = request->n_coordinator_keys;
    for (int32_t i = 0; i < m->n_coordinators; i++) {
        m->coordinators[i] = (struct wire_find_coordinator_response_coordinator){
            .key = request->coordinator_keys[i],
            .node_id = -1,
            .host = slice_make("", 0),
            .port = -1,
            .error_code = broker_count_error(req, KAFKA_E_COORDINATOR_NOT_AVAILABLE),
            .error_message = slice_str(reason),
        };
    }
    broker_answer(req, m);
}

void broker_handle_find_coordinator(struct broker_request *req, struct rd *body)
{
    struct wire_find_coordinator_request request;
    struct wire_find_coordinator_response response;

    if (!broker_decode(req, body, &request))
        return;
    wire_find_coordinator_response_init(&response);
    if (req->header.api_version >= 4)
        answer_many(req, &request, &response);
    else
        answer_one(req, &response);
}
