/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/groups.h"

#include "base/bug.h"
#include "base/util.h"
#include "journal/chain.h"

/* Group ids are given by the metadata group, not by clients, so the seed needn't be secret. */
#define HASH_SEED 0

void journal_group_table_init(struct journal_group_table *t)
{
    hash_table_init(&t->by_id);
    list_init(&t->all);
    t->count = 0;
}

void journal_group_table_fini(struct journal_group_table *t)
{
    struct hash_node *n = hash_walk(&t->by_id, NULL);

    while (n != NULL) {
        struct journal_group *g = container_of(n, struct journal_group, node);

        n = hash_walk(&t->by_id, n);
        list_remove(&g->link);
        journal_group_free(g);
    }
    hash_table_fini(&t->by_id);
    t->count = 0;
}

struct journal_group *journal_group_find(const struct journal_group_table *t, uint64_t id)
{
    for (struct hash_node *n = hash_first(&t->by_id, hash_u64(id, HASH_SEED)); n != NULL; n = hash_next(n)) {
        struct journal_group *g = container_of(n, struct journal_group, node);

        if (g->state.group == id)
            return g;
    }
    return NULL;
}

struct journal_group *journal_group_get(struct journal_group_table *t, uint64_t id)
{
    struct journal_group *g = journal_group_find(t, id);

    if (g != NULL)
        return g;
    g = xcalloc(1, sizeof(*g));
    g->state.group = id;
    g->state.vote = -1;
    list_init(&g->link);
    list_init(&g->usages);
    hash_insert(&t->by_id, &g->node, hash_u64(id, HASH_SEED));
    return g;
}

void journal_group_list(struct journal_group_table *t, struct journal_group *g)
{
    if (list_is_linked(&g->link))
        return;
    list_append(&t->all, &g->link);
    t->count++;
}

void journal_group_remove(struct journal_group_table *t, struct journal_group *g)
{
    hash_remove(&t->by_id, &g->node);
    if (list_is_linked(&g->link))
        t->count--;
    list_remove(&g->link);
}

static void usage_set_pin(struct journal_usage *u, bool pins)
{
    if (u->pins && !pins) {
        u->file->n_pins--;
        u->file->relocated_bytes -= u->relocated_bytes;
    } else if (!u->pins && pins) {
        u->file->n_pins++;
        u->file->relocated_bytes += u->relocated_bytes;
    }
    u->pins = pins;
}

static void usage_update_pin(struct journal_usage *u, const struct journal_group *g)
{
    usage_set_pin(u, u->live_index > MAX(g->released_index, u->moved_index));
}

void journal_group_free(struct journal_group *g)
{
    struct journal_usage *u, *tmp;

    list_foreach_safe (&g->usages, u, tmp, in_group) {
        usage_set_pin(u, false);
        list_remove(&u->in_group);
    }
    journal_chain_free(g->chain);
    free(g);
}

void journal_usage_drop(struct journal_usage *u)
{
    usage_set_pin(u, false);
    list_remove(&u->in_group);
    list_remove(&u->in_file);
    u->file->n_usages--;
}

bool journal_group_uses(const struct journal_group *g, const struct journal_file *f)
{
    const struct journal_usage *u = list_last(&g->usages, struct journal_usage, in_group);

    return u != NULL && u->file == f;
}

static struct journal_usage *usage_get(struct journal_file *f, struct journal_group *g, uint32_t flag)
{
    struct journal_usage *u = list_last(&g->usages, struct journal_usage, in_group);

    if (u == NULL || u->file != f) {
        u = arena_calloc(&f->usage_memory, 1, sizeof(*u));
        gq_assert(u != NULL);
        u->file = f;
        u->group = g->state.group;
        list_append(&g->usages, &u->in_group);
        list_append(&f->usages, &u->in_file);
        f->n_usages++;
    }
    u->flags |= flag;
    return u;
}

static struct journal_usage *usage_add_entry(struct journal_file *f, struct journal_group *g,
                                             const struct journal_disk_entry *e)
{
    struct journal_usage *u = usage_get(f, g, JOURNAL_HAS_ENTRY);

    if (u->first_index == 0 || e->index < u->first_index)
        u->first_index = e->index;
    if (e->index >= u->last_index) {
        u->last_index = e->index;
        u->last_term = e->term;
    }
    u->live_index = MAX(u->live_index, e->index);
    usage_update_pin(u, g);
    return u;
}

void journal_effect_entry(struct journal_file *f, struct journal_group *g, const struct journal_disk_entry *e)
{
    usage_add_entry(f, g, e);
    g->last_index = e->index;
    g->last_term = e->term;
    g->last_checksum = e->checksum;
}

void journal_effect_relocated(struct journal_file *f, struct journal_group *g, const struct journal_disk_entry *e,
                              size_t bytes)
{
    struct journal_usage *u = usage_add_entry(f, g, e);

    u->relocated_bytes += bytes;
    if (u->pins)
        f->relocated_bytes += bytes;
    if (e->index <= g->state.checkpoint_index + 1) {
        g->moved_generation = f->header.generation;
        g->moved_index = GQ_BUG(ROUND_TRUSTED_EARLY) ? g->last_index : e->index;
    } else if (g->moved_generation != 0 && e->index == g->moved_index + 1) {
        g->moved_index = e->index;
    }
}

void journal_group_move(struct journal_group *g)
{
    struct journal_usage *u;

    list_foreach (&g->usages, u, in_group) {
        if (u->file->header.generation >= g->moved_generation + GQ_BUG(COPY_PINS_NOTHING))
            break;
        u->moved_index = MAX(u->moved_index, g->moved_index);
        usage_update_pin(u, g);
    }
}

void journal_effect_hard_state(struct journal_file *f, struct journal_group *g, uint64_t term, int32_t vote)
{
    usage_get(f, g, JOURNAL_HAS_HARD_STATE);
    g->state.term = term;
    g->state.vote = vote;
}

static void void_above(struct journal_usage *u, const struct journal_group *g, uint64_t index)
{
    u->live_index = MIN(u->live_index, index >= u->first_index ? index : 0);
    usage_update_pin(u, g);
}

void journal_group_void(struct journal_group *g, uint64_t index, const struct journal_file *newest)
{
    struct journal_usage *u;

    list_foreach (&g->usages, u, in_group) {
        if (u->file != newest)
            void_above(u, g, index);
    }
}

void journal_effect_truncate(struct journal_file *f, struct journal_group *g, const struct journal_disk_truncate *t)
{
    void_above(usage_get(f, g, JOURNAL_HAS_TRUNCATE), g, t->index - 1);
    g->last_index = t->index - 1;
    g->last_term = t->prev_term;
    g->last_checksum = t->prev_checksum;
}

void journal_effect_checkpoint(struct journal_file *f, struct journal_group *g, const struct journal_disk_checkpoint *c)
{
    usage_get(f, g, JOURNAL_HAS_CHECKPOINT);
    g->state.checkpoint_index = c->index;
    g->state.checkpoint_term = c->term;
    g->state.checkpoint_offset = c->offset;
    g->state.checkpoint_checksum = c->checksum;
}

void journal_effect_log_start(struct journal_file *f, struct journal_group *g, int64_t log_start)
{
    usage_get(f, g, JOURNAL_HAS_LOG_START);
    g->state.log_start = log_start;
}

void journal_effect_image(struct journal_file *f, struct journal_group *g, const struct journal_disk_image *i)
{
    void_above(usage_get(f, g, JOURNAL_HAS_IMAGE), g, i->index);
    g->state.checkpoint_index = g->last_index = i->index;
    g->state.checkpoint_term = g->last_term = i->term;
    g->state.checkpoint_checksum = g->last_checksum = i->checksum;
    g->state.checkpoint_offset = i->offset;
    g->state.log_start = i->log_start;
}

void journal_effect_forget(struct journal_file *f, struct journal_group *g)
{
    usage_get(f, g, JOURNAL_HAS_FORGET);
}

void journal_group_release(struct journal_group *g, uint64_t index)
{
    struct journal_usage *u;

    if (index <= g->released_index)
        return;
    g->released_index = index;
    list_foreach (&g->usages, u, in_group)
        usage_update_pin(u, g);
}

bool journal_usage_pins_later(const struct journal_usage *u, const struct journal_group_table *t,
                              const struct journal_file *last)
{
    const struct journal_group *g = journal_group_find(t, u->group);

    if (g == NULL)
        return false;
    for (const struct list *l = u->in_group.next; l != &g->usages; l = l->next) {
        const struct journal_usage *later = list_entry(l, struct journal_usage, in_group);

        if (later->file->header.generation > last->header.generation)
            break;
        if (later->pins)
            return true;
    }
    return false;
}

struct journal_disk_state journal_group_row(const struct journal_group *g)
{
    return (struct journal_disk_state){
        .group = g->state.group,
        .term = GQ_BUG(TABLE_WITHOUT_TERM) ? 0 : g->state.term,
        .vote = GQ_BUG(TABLE_WITHOUT_TERM) ? -1 : g->state.vote,
        .checkpoint_index = g->state.checkpoint_index,
        .checkpoint_term = g->state.checkpoint_term,
        .checkpoint_offset = g->state.checkpoint_offset,
        .checkpoint_checksum = g->state.checkpoint_checksum,
        .log_start = g->state.log_start,
        .last_index = g->last_index,
        .last_term = g->last_term,
        .last_checksum = g->last_checksum,
    };
}

void journal_group_set(struct journal_group *g, const struct journal_disk_state *row)
{
    g->state = (struct journal_group_state){
        .group = row->group,
        .term = row->term,
        .vote = row->vote,
        .checkpoint_index = row->checkpoint_index,
        .checkpoint_term = row->checkpoint_term,
        .checkpoint_offset = row->checkpoint_offset,
        .checkpoint_checksum = row->checkpoint_checksum,
        .log_start = row->log_start,
    };
    g->last_index = row->last_index;
    g->last_term = row->last_term;
    g->last_checksum = row->last_checksum;
    g->released_index = row->checkpoint_index;
}

struct journal_disk_usage journal_usage_row(const struct journal_usage *u)
{
    return (struct journal_disk_usage){
        .group = u->group,
        .first_index = u->first_index,
        .last_index = u->last_index,
        .last_term = u->last_term,
        .flags = u->flags,
    };
}
