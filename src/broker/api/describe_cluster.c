/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

#define ENDPOINT_BROKERS 1
#define ENDPOINT_CONTROLLERS 2

static bool add_brokers(struct broker_request *req, struct wire_describe_cluster_response *m)
{
    const struct meta_broker *b;

    m->brokers = broker_alloc(req, meta_n_brokers(req->backend->meta), sizeof(*m->brokers));
    if (m->brokers == NULL)
        return false;
    list_foreach (&req->backend->meta->brokers, b, link) {
        struct wire_describe_cluster_response_broker *to;

        if (!broker_is_registered(b))
            continue;
        to = &m->brokers[m->n_brokers++];
        wire_describe_cluster_response_broker_init(to);
        to->broker_id = b->id;
        to->rack = slice_str(b->rack);
        broker_advertised(req, b, &to->host, &to->port);
    }
    return true;
}

void broker_handle_describe_cluster(struct broker_request *req, struct rd *body)
{
    struct wire_describe_cluster_request request;
    struct wire_describe_cluster_response response;
    char cluster[UUID_TEXT_SIZE];

    if (!broker_decode(req, body, &request))
        return;
    wire_describe_cluster_response_init(&response);
    uuid_format(&req->backend->meta->cluster_id, cluster);
    response.cluster_id = slice_str(cluster);
    response.controller_id = req->backend->controller_id;
    if (request.endpoint_type != ENDPOINT_BROKERS) {
        response.error_code =
            broker_count_error(req, request.endpoint_type == ENDPOINT_CONTROLLERS ? KAFKA_E_MISMATCHED_ENDPOINT_TYPE
                                                                                  : KAFKA_E_UNSUPPORTED_ENDPOINT_TYPE);
        response.error_message = slice_str("only brokers can be asked for at a broker's address");
        broker_answer(req, &response);
        return;
    }
    if (add_brokers(req, &response))
        broker_answer(req, &response);
}
