/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

/* An unknown version is answered in the layout of version 0 with the range of this API alone (KIP-511): the client
 * asks again in a version that we know. */
static void list_own_range(struct broker_request *req, struct wire_api_versions_response *m)
{
    m->error_code = KAFKA_E_UNSUPPORTED_VERSION;
    m->api_keys = broker_alloc(req, 1, sizeof(*m->api_keys));
    if (m->api_keys == NULL)
        return;
    m->n_api_keys = 1;
    m->api_keys[0] = (struct wire_api_versions_response_api){
        .api_key = req->header.api->key,
        .min_version = req->header.api->min_version,
        .max_version = req->header.api->max_version,
    };
    broker_answer(req, m);
}

static void list_all(struct broker_request *req, struct wire_api_versions_response *m)
{
    m->api_keys = broker_alloc(req, wire_n_apis, sizeof(*m->api_keys));
    if (m->api_keys == NULL)
        return;
    for (size_t i = 0; i < wire_n_apis; i++) {
        if (broker_handler_of(wire_apis[i].key) == NULL)
            continue;
        m->api_keys[m->n_api_keys++] = (struct wire_api_versions_response_api){
            .api_key = wire_apis[i].key,
            .min_version = wire_apis[i].min_version,
            .max_version = wire_apis[i].max_version,
        };
    }
    broker_answer(req, m);
}

void broker_handle_api_versions(struct broker_request *req, struct rd *body)
{
    struct wire_api_versions_request request;
    struct wire_api_versions_response response;

    wire_api_versions_response_init(&response);
    if (!wire_api_has_version(req->header.api, req->header.api_version))
        list_own_range(req, &response);
    else if (broker_decode(req, body, &request))
        list_all(req, &response);
}
