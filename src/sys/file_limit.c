/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sys/file_limit.h"

#include <sys/resource.h>

#define FALLBACK 1024 /* what every system gives */

uint64_t sys_raise_file_limit(void)
{
    struct rlimit limit, raised;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FALLBACK;
    raised = (struct rlimit){ limit.rlim_max, limit.rlim_max };
    if (limit.rlim_cur < limit.rlim_max && setrlimit(RLIMIT_NOFILE, &raised) == 0)
        limit = raised;
    return limit.rlim_cur;
}
