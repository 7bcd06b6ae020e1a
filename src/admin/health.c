/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <jansson.h>

#include "admin/internal.h"

/* A full disk keeps a node from storing, not from serving. */
static const char *state_of(const struct node_report *r)
{
    if (!r->ready)
        return "not ready";
    return r->disk_full ? "degraded" : "ok";
}

static char *document(json_t *doc, size_t *ret_size)
{
    char *text = json_dumps(doc, JSON_COMPACT);

    gq_assert(text != NULL);
    json_decref(doc);
    *ret_size = strlen(text);
    return text;
}

char *health_text(const struct figures *f, unsigned *ret_status, size_t *ret_size)
{
    const struct node_report *r = f->report;

    *ret_status = r->ready ? 200 : 503;
    return document(json_pack("{s:s, s:s, s:b, s:b}", "status", state_of(r), "node", r->node_id, "ready", (int)r->ready,
                              "disk_full", (int)r->disk_full),
                    ret_size);
}

/* That there are figures at all says that every reactor made a turn. */
char *live_text(const struct figures *f, unsigned *ret_status, size_t *ret_size)
{
    *ret_status = 200;
    return document(json_pack("{s:s}", "status", "alive"), ret_size);
}

char *ready_text(const struct figures *f, unsigned *ret_status, size_t *ret_size)
{
    *ret_status = f->report->ready ? 200 : 503;
    return document(json_pack("{s:s}", "status", f->report->ready ? "ready" : "not ready"), ret_size);
}
