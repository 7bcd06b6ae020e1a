/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/frame.h"

#include "base/endian.h"
#include "base/util.h"
#include "wire/wire_messages.h"

#define REQUEST_MIN_SIZE 8 /* key, version, correlation id */

static int16_t request_header_version(const struct wire_api *api, int16_t version)
{
    return version >= api->first_flexible ? 2 : 1;
}

/* The response to ApiVersions keeps header version 0 for good: a client must be able to read it before it knows
 * which versions the broker has (KIP-511). */
static int16_t response_header_version(const struct wire_api *api, int16_t version)
{
    return version >= api->first_flexible && api->key != WIRE_API_API_VERSIONS ? 1 : 0;
}

int wire_frame_size(const uint8_t prefix[WIRE_FRAME_PREFIX_SIZE], uint32_t max_size, uint32_t *ret_size)
{
    uint32_t size = load_be32(prefix);

    if (size < REQUEST_MIN_SIZE || size > max_size)
        return -EBADMSG;
    *ret_size = size;
    return 0;
}

/* Reads what all versions of the header have. */
static int parse_start(struct wire_request *ret, struct rd *r)
{
    *ret = (struct wire_request){ 0 };
    ret->api_key = (int16_t)rd_be16(r);
    ret->api_version = (int16_t)rd_be16(r);
    ret->correlation_id = (int32_t)rd_be32(r);
    if (r->error != 0)
        return r->error;
    ret->api = wire_api(ret->api_key);
    if (ret->api == NULL)
        return WIRE_E_UNKNOWN_API;
    if (!wire_api_has_version(ret->api, ret->api_version))
        return WIRE_E_UNSUPPORTED_VERSION;
    ret->response_version = ret->api_version;
    return 0;
}

int wire_request_parse(struct wire_request *ret, struct rd *r)
{
    struct rd start = *r;
    struct wire_request_header header;
    int err;

    err = parse_start(ret, &start);
    if (err != 0)
        return err;
    err = wire_request_header_decode(&header, r, request_header_version(ret->api, ret->api_version), NULL);
    if (err != 0)
        return err;
    ret->client_id = header.client_id;
    return 0;
}

int wire_decode_end(struct rd *r)
{
    if (r->error == 0 && rd_left(r) != 0)
        rd_fail(r, -EBADMSG);
    return r->error;
}

size_t wire_response_begin(struct wr *w, const struct wire_request *request)
{
    const struct wire_response_header header = { .correlation_id = request->correlation_id };
    size_t at = wr_size(w);

    wr_be32(w, 0);
    wire_response_header_encode(&header, w, response_header_version(request->api, request->response_version));
    return at;
}

void wire_frame_end(struct wr *w, size_t at, size_t elsewhere_bytes)
{
    size_t size;

    if (w->error != 0)
        return;
    gq_assert(wr_size(w) >= at + WIRE_FRAME_PREFIX_SIZE);
    size = wr_size(w) - at - WIRE_FRAME_PREFIX_SIZE;
    if (size > WIRE_FRAME_MAX_SIZE || elsewhere_bytes > WIRE_FRAME_MAX_SIZE - size)
        wr_fail(w, -EMSGSIZE);
    else
        store_be32(w->start + at, (uint32_t)(size + elsewhere_bytes));
}

size_t wire_request_begin(struct wr *w, const struct wire_api *api, int16_t version, int32_t correlation_id,
                          struct slice client_id)
{
    const struct wire_request_header header = {
        .request_api_key = api->key,
        .request_api_version = version,
        .correlation_id = correlation_id,
        .client_id = client_id,
    };
    size_t at = wr_size(w);

    wr_be32(w, 0);
    wire_request_header_encode(&header, w, request_header_version(api, version));
    return at;
}

int wire_response_parse(struct rd *r, const struct wire_api *api, int16_t version, int32_t *ret_correlation_id)
{
    struct wire_response_header header;
    int err;

    err = wire_response_header_decode(&header, r, response_header_version(api, version), NULL);
    if (err != 0)
        return err;
    *ret_correlation_id = header.correlation_id;
    return 0;
}
