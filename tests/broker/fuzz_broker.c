/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes on the port, then silence, then the end of the connection: nothing may be left behind, and nothing that a
 * client sends may become a command that the metadata can't apply (the rig sees to both). */
#include "broker/rig.h"
#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig r;

    rig_init(&r);
    r.config.max_request_size_bytes = 1 << 20;
    rig_create(&r, "t", 2);
    wr_bytes(&r.sent, data, size);
    rig_run(&r);
    rig_advance_ms(&r, 1000);
    rig_advance_ms(&r, 3600 * 1000); /* frames that don't end, fetches and asks that wait */
    rig_fini(&r);
    return 0;
}
