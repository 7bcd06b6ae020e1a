/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Frames: a big-endian int32 size, a header, a message. Header versions follow from API and version. No state.
 *
 * A server reads the size with wire_frame_size(), the frame, then wire_request_parse(), the message's _decode() and
 * wire_decode_end(); it answers with wire_response_begin(), _encode() in version response_version and
 * wire_frame_end(). */

#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/slice.h"
#include "wire/api.h"

#define WIRE_FRAME_PREFIX_SIZE 4

/* Frames are smaller than what the first four bytes of TLS (0x16…) and of HTTP ("GET ") would mean as a size, so
 * that a port can tell the three apart. */
#define WIRE_FRAME_MAX_SIZE 0x15ffffff

/* A well-formed frame takes at most this many bytes from the arena for each byte of its own: a limit of as much refuses
 * only malformed ones. */
#define WIRE_DECODE_EXPANSION 16

enum {
    WIRE_E_UNKNOWN_API = ERROR_BASE_WIRE + 1,
    WIRE_E_UNSUPPORTED_VERSION = ERROR_BASE_WIRE + 2,
};

struct wire_request {
    const struct wire_api *api; /* NULL: not known */
    int16_t api_key;
    int16_t api_version;
    int16_t response_version; /* what the response is to be encoded in */
    int32_t correlation_id;
    struct slice client_id; /* points into the frame; may be null */
};

/* The size that a frame's first four bytes tell. Returns 0, or -EBADMSG when it is below what a header needs or above
 * max_size (≤ WIRE_FRAME_MAX_SIZE). */
int wire_frame_size(const uint8_t prefix[WIRE_FRAME_PREFIX_SIZE], uint32_t max_size, uint32_t *ret_size);

/* Reads the header of the frame in r (without its size), leaves r at the message. Returns
 *   0                           the version is advertised: decode the message. Below api->min_served answer
 *                               KAFKA_E_UNSUPPORTED_VERSION.
 *   WIRE_E_UNSUPPORTED_VERSION  don't decode. For ApiVersions answer KAFKA_E_UNSUPPORTED_VERSION in response_version
 *                               (0) with the range of that API (KIP-511); for others close the connection, since no
 *                               layout of an answer is known.
 *   WIRE_E_UNKNOWN_API          close the connection.
 *   -EBADMSG                    malformed: close the connection.
 * *ret is set as far as it could be read in all cases. */
int wire_request_parse(struct wire_request *ret, struct rd *r);

/* To be called after decoding: bytes behind the message are an error. Returns 0 or the sticky error. */
int wire_decode_end(struct rd *r);

/* Leaves room for the size, writes the header. Returns the position for wire_frame_end(). */
size_t wire_response_begin(struct wr *w, const struct wire_request *request);

/* Sets the size of the frame that was begun at that position; elsewhere_bytes are those that the writer doesn't have
 * (wire/gaps.h). A frame above WIRE_FRAME_MAX_SIZE is -EMSGSIZE in w. */
void wire_frame_end(struct wr *w, size_t at, size_t elsewhere_bytes);

/* The client's side. version is one of api's. */
size_t wire_request_begin(struct wr *w, const struct wire_api *api, int16_t version, int32_t correlation_id,
                          struct slice client_id);
/* Reads the header of a response, leaves r at the message. Returns 0 or -EBADMSG. */
int wire_response_parse(struct rd *r, const struct wire_api *api, int16_t version, int32_t *ret_correlation_id);
