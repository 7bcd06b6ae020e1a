/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "base/mark.h"
#include "log/internal.h"

/* What an operator can do about a file that isn't what was written, or can't be read. */
#define WAY_ON \
    "Nothing was changed. Put the file back from a copy, or repair the directory: brokerd --repair shows what would " \
    "be lost"

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
    error_setf(err, "%s: damaged at byte %" PRIu64 ": %s.%s " WAY_ON, path, d->position, what, hit);
    return LOG_E_CORRUPT;
}

void finding_init(struct finding *f, const struct log *l, uint64_t base_index)
{
    *f = (struct finding){ .at = { .dir = l->dir, .base_index = base_index }, .bad_record = UINT64_MAX };
    finding_at(f, SEGMENT_ENTRIES, 0, 0, "the records contradict each other");
}

void finding_at(struct finding *f, enum segment_file kind, uint64_t position, uint64_t index, const char *what)
{
    f->at.kind = kind;
    f->at.position = position;
    f->at.first_index = f->at.last_index = index;
    f->what = what;
}

struct error_text *finding_text(const struct finding *f, int error)
{
    struct finding found = *f;
    struct error_text *text;

    if (error >= 0 || error == -ERANGE || disk_is_shortage(error))
        return NULL;
    if (f->bad_record != UINT64_MAX)
        finding_at(&found, SEGMENT_ENTRIES, table_position(f->bad_record), f->at.base_index + f->bad_record,
                   "the table record is wrong");
    text = xmalloc(sizeof(*text));
    if (error == -EBADMSG)
        damage_report(&found.at, text, "%s", found.what);
    else
        damage_report(&found.at, text, "the bytes can't be read (%s)", error_text(error));
    return text;
}

int io_report(const struct damage *d, struct error_text *err, const char *what, int error)
{
    char path[LOG_PATH_SIZE], place[40] = "";

    segment_path(path, d->dir, d->base_index, d->kind);
    if (d->position != DAMAGE_NO_POSITION)
        snprintf(place, sizeof(place), " at byte %" PRIu64, d->position);
    error_setf(err, "%s: can't %s%s: %s%s", path, what, place, error_text(error),
               error == -EIO ? ". " WAY_ON : ""); /* of the medium, and most likely for good */
    return error;
}

int version_report(const char *dir, uint64_t index, enum segment_file kind, struct error_text *err)
{
    char path[LOG_PATH_SIZE];

    segment_path(path, dir, index, kind);
    error_setf(err, "%s: written by a newer version of this program. Nothing was changed.", path);
    return LOG_E_VERSION;
}
