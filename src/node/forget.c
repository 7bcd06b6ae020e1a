/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* A topic's deletion is in the metadata before its groups leave the journal. A crash between the two leaves groups in
 * the journal that nothing asks for: their entries would keep its files for ever. */

struct forget {
    struct journal_request request;
    struct list link; /* of the shard */
};

static void forgotten(struct journal_request *request)
{
    struct forget *f = container_of(request, struct forget, request);

    list_remove(&f->link);
    free(f);
}

static int note_orphan(void *ctx, const struct journal_group_state *st)
{
    struct node_shard *s = ctx;
    struct forget *f;

    if (node_group_find(s, st->group) != NULL)
        return 0;
    f = xcalloc(1, sizeof(*f));
    f->request.kind = JOURNAL_FORGET;
    f->request.group = st->group;
    f->request.done = forgotten;
    list_append(&s->forgets, &f->link);
    return 0;
}

void node_forget_orphans(struct node_shard *s)
{
    struct forget *f;

    journal_groups(s->journal, note_orphan, s);
    list_foreach (&s->forgets, f, link)
        journal_append(s->journal, &f->request);
}

void node_forgets_fini(struct node_shard *s)
{
    struct list *link;

    while ((link = list_pop(&s->forgets)) != NULL)
        free(list_entry(link, struct forget, link));
}
