/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"

broker_handler_fn broker_handler_of(int16_t api_key)
{
    switch (api_key) {
#define X(key, name) \
    case WIRE_API_##key: \
        return broker_handle_##name;
        BROKER_HANDLERS(X)
#undef X
    default:
        return NULL;
    }
}
