/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mark.h"
#include "log/internal.h"

int damage_report(const struct damage *d, struct error_text *err, const char *fmt, ...)
{
    char path[LOG_PATH_SIZE], what[160], hit[96] = "";
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    GQ_MARK(LOG_DAMAGED);
    segment_path(path, d->dir, d->base_index, d->kind);
    if (d->last_index > 0)
        snprintf(hit, sizeof(hit), " Hit are entries %" PRIu64 " to %" PRIu64 ", which were acknowledged.",
                 d->first_index, d->last_index);
    error_setf(err,
               "%s: damaged at byte %" PRIu64
               ": %s.%s Nothing was changed. Put the file back from a copy, or repair the "
               "directory: brokerd --repair shows what would be lost",
               path, d->position, what, hit);
    return LOG_E_CORRUPT;
}

int io_report(const char *dir, uint64_t index, enum segment_file kind, struct error_text *err, const char *what,
              int error)
{
    char path[LOG_PATH_SIZE];

    segment_path(path, dir, index, kind);
    error_setf(err, "%s: can't %s: %s", path, what, strerror(-error));
    return error;
}
