/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a YAML file: read, finished, compared, copied; never a crash, and every refusal says why. */
#include "config/config.h"

#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_change changes[CONFIG_N_KEYS];
    struct config_report report;
    struct config c, copy;
    int r;

    config_init(&c);
    config_report_init(&report);
    r = config_read(&c, "fuzz", data, size, &report);
    gq_assert((r != 0) == (report.n_errors > 0));
    config_finish(&c, &report);
    config_copy(&copy, &c);
    gq_assert(config_diff(&c, &copy, changes) == 0);
    config_adopt_live(&copy, &c);
    config_fini(&copy);
    config_fini(&c);
    config_report_fini(&report);
    return 0;
}
