/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"

/* A topic's deletion is in the metadata before its groups leave the journal. A crash between the two leaves groups in
 * the journal that nothing asks for: their entries would keep its files for ever. */

struct forget {
    struct journal_request request;
    struct list link; /* of the shard */
    struct node_shard *shard;
};

/* Some may have a place here again meanwhile, and waited. */
static void forgotten(struct journal_request *request)
{
    struct forget *f = container_of(request, struct forget, request);
    struct node_shard *s = f->shard;
    struct node_reactor *r = &s->node->reactors[s->index % s->node->n_reactors];

    list_remove(&f->link);
    free(f);
    if (list_is_empty(&s->forgets) && r->current)
        node_groups_settle(r);
}

bool node_forgets(const struct node_shard *s, uint64_t group)
{
    const struct forget *f;

    list_foreach (&s->forgets, f, link)
        if (f->request.group == group)
            return true;
    return false;
}

static int note_orphan(void *ctx, const struct journal_group_state *st)
{
    struct node_shard *s = ctx;
    struct forget *f;

    if (node_group_find(s, st->group) != NULL)
        return 0;
    f = xcalloc(1, sizeof(*f));
    f->shard = s;
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
