/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "admin/internal.h"

/* What happens on reactor 0. */

void collection_return(struct collection *c)
{
    static const uint64_t one = 1;
    ssize_t n = write(c->reply_fd, &one, sizeof(one));

    gq_assert(n == sizeof(one));
}

static void collected(struct node_report *report)
{
    collection_return(container_of(report, struct collection, report));
}

static bool is_wildcard(const char *addr)
{
    return strcmp(addr, "0.0.0.0") == 0 || strcmp(addr, "::") == 0;
}

static void note_facts(struct facts *f, const struct config *config, uint16_t port, bool want_warnings)
{
    f->bind_addr = xstrdup(config->bind_addr);
    if (config->advertised_addr != NULL)
        f->host = xstrdup(config->advertised_addr);
    else if (!is_wildcard(config->bind_addr))
        f->host = xstrdup(config->bind_addr);
    f->port = config->advertised_port != CONFIG_AUTO ? (uint16_t)config->advertised_port : port;
    config_report_init(&f->warnings);
    if (want_warnings)
        config_warnings(config, &f->warnings);
}

void admin_collect(struct admin_request *request, struct node *node, const struct config *config, uint16_t port)
{
    struct collection *c = container_of(request, struct collection, request);

    note_facts(&c->facts, config, port, c->want_warnings);
    c->report.done = collected;
    node_collect(node, &c->report);
}
