/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/api.h"

const struct wire_api *wire_api(int16_t key)
{
    size_t low = 0, high = wire_n_apis;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (wire_apis[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < wire_n_apis && wire_apis[low].key == key ? &wire_apis[low] : NULL;
}
