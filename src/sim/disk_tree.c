/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/disk_tree.h"

#include <errno.h>

#include "base/util.h"

struct inode *inode_new(struct tree *t, bool is_dir)
{
    struct inode *i = xcalloc(1, sizeof(*i));

    i->is_dir = is_dir;
    hash_table_init(&i->live);
    hash_table_init(&i->durable);
    list_append(&t->inodes, &i->link);
    list_init(&i->dead_link);
    return i;
}

void inode_ref(struct inode *i)
{
    i->refs++;
    list_remove(&i->dead_link);
}

void inode_unref(struct tree *t, struct inode *i)
{
    gq_assert(i->refs > 0);
    if (--i->refs == 0)
        list_append(&t->dead, &i->dead_link);
}

void inode_use(struct tree *t, struct inode *i)
{
    inode_ref(i);
    if (i->users++ == 0)
        content_attach(&i->content, &t->space);
}

void inode_unuse(struct tree *t, struct inode *i)
{
    gq_assert(i->users > 0);
    if (--i->users == 0)
        content_detach(&i->content);
    inode_unref(t, i);
}

static uint64_t hash_name(const char *name)
{
    return hash_bytes(name, strlen(name), 0);
}

static struct entry *find_entry(const struct hash_table *names, const char *name)
{
    for (struct hash_node *n = hash_first(names, hash_name(name)); n != NULL; n = hash_next(n))
        if (strcmp(container_of(n, struct entry, node)->name, name) == 0)
            return container_of(n, struct entry, node);
    return NULL;
}

/* Lets the name mean the inode (or nothing) in a table of names and returns what it meant before. The caller counts
 * the references. */
static struct inode *bind_name(struct hash_table *names, const char *name, struct inode *inode)
{
    struct entry *e = find_entry(names, name);
    struct inode *old = e != NULL ? e->inode : NULL;

    if (e != NULL && inode != NULL) {
        e->inode = inode;
    } else if (e != NULL) {
        hash_remove(names, &e->node);
        free(e);
    } else if (inode != NULL) {
        e = xcalloc(1, sizeof(*e));
        e->inode = inode;
        memcpy(e->name, name, strlen(name) + 1);
        hash_insert(names, &e->node, hash_name(name));
    }
    return old;
}

static void bind_live(struct tree *t, struct inode *dir, const char *name, struct inode *inode)
{
    struct inode *old;

    if (inode != NULL)
        inode_use(t, inode);
    old = bind_name(&dir->live, name, inode);
    if (old != NULL)
        inode_unuse(t, old);
}

void tree_bind_durable(struct tree *t, struct inode *dir, const char *name, struct inode *inode)
{
    struct inode *old;

    if (inode != NULL)
        inode_ref(inode);
    old = bind_name(&dir->durable, name, inode);
    if (old != NULL)
        inode_unref(t, old);
}

static void clear_names(struct tree *t, struct hash_table *names, void (*drop)(struct tree *t, struct inode *i))
{
    struct hash_node *n;

    while ((n = hash_walk(names, NULL)) != NULL) {
        struct entry *e = container_of(n, struct entry, node);

        hash_remove(names, n);
        drop(t, e->inode);
        free(e);
    }
}

void tree_reap(struct tree *t)
{
    struct inode *i;

    while ((i = list_first(&t->dead, struct inode, dead_link)) != NULL) {
        list_remove(&i->dead_link);
        list_remove(&i->link);
        clear_names(t, &i->live, inode_unuse);
        clear_names(t, &i->durable, inode_unref);
        hash_table_fini(&i->live);
        hash_table_fini(&i->durable);
        content_fini(&i->content);
        free(i);
    }
}

void tree_init(struct tree *t)
{
    *t = (struct tree){ 0 };
    list_init(&t->inodes);
    list_init(&t->dead);
    list_init(&t->changes);
    t->root = inode_new(t, true);
    inode_use(t, t->root);
}

static void drop_binding(struct tree *t, struct binding *b)
{
    if (b->dir == NULL)
        return;
    if (b->inode != NULL)
        inode_unref(t, b->inode);
    inode_unref(t, b->dir);
    b->dir = NULL;
}

static void free_change(struct tree *t, struct change *c)
{
    drop_binding(t, &c->bindings[0]);
    drop_binding(t, &c->bindings[1]);
    list_remove(&c->link);
    free(c);
}

void tree_fini(struct tree *t)
{
    struct change *c;

    while ((c = list_first(&t->changes, struct change, link)) != NULL)
        free_change(t, c);
    inode_unuse(t, t->root);
    tree_reap(t);
    gq_assert(list_is_empty(&t->inodes));
}

struct inode *tree_lookup(const struct inode *dir, const char *name)
{
    struct entry *e = find_entry(&dir->live, name);

    return e != NULL ? e->inode : NULL;
}

/* Takes the next component off the path. */
static int next_name(const char **path, char ret_name[NAME_SIZE])
{
    size_t length = strcspn(*path, "/");

    if (length >= NAME_SIZE)
        return -ENAMETOOLONG;
    memcpy(ret_name, *path, length);
    ret_name[length] = '\0';
    if (length == 0 || strcmp(ret_name, ".") == 0 || strcmp(ret_name, "..") == 0)
        return -EINVAL;
    *path += length;
    if (**path != '/')
        return 0;
    (*path)++;
    return **path != '\0' ? 0 : -EINVAL;
}

int tree_find_parent(struct tree *t, const char *path, struct inode **ret_dir, char ret_name[NAME_SIZE])
{
    struct inode *dir = t->root;
    char name[NAME_SIZE];

    for (;;) {
        int r = next_name(&path, name);

        if (r < 0)
            return r;
        if (*path == '\0')
            break;
        dir = tree_lookup(dir, name);
        if (dir == NULL)
            return -ENOENT;
        if (!dir->is_dir)
            return -ENOTDIR;
    }
    *ret_dir = dir;
    memcpy(ret_name, name, NAME_SIZE);
    return 0;
}

int tree_find(struct tree *t, const char *path, struct inode **ret)
{
    char name[NAME_SIZE];
    struct inode *dir, *i;
    int r;

    if (strcmp(path, "") == 0 || strcmp(path, ".") == 0) {
        *ret = t->root;
        return 0;
    }
    r = tree_find_parent(t, path, &dir, name);
    if (r < 0)
        return r;
    i = tree_lookup(dir, name);
    if (i == NULL)
        return -ENOENT;
    *ret = i;
    return 0;
}

static void note_binding(struct binding *b, struct inode *dir, const char *name, struct inode *inode)
{
    inode_ref(dir);
    if (inode != NULL)
        inode_ref(inode);
    b->dir = dir;
    b->inode = inode;
    memcpy(b->name, name, strlen(name) + 1);
}

static struct change *note_change(struct tree *t, struct inode *dir, const char *name, struct inode *inode)
{
    struct change *c = xcalloc(1, sizeof(*c));

    note_binding(&c->bindings[0], dir, name, inode);
    list_append(&t->changes, &c->link);
    return c;
}

struct inode *tree_create(struct tree *t, struct inode *dir, const char *name, bool is_dir)
{
    struct inode *i = inode_new(t, is_dir);

    bind_live(t, dir, name, i);
    note_change(t, dir, name, i);
    return i;
}

void tree_remove(struct tree *t, struct inode *dir, const char *name)
{
    bind_live(t, dir, name, NULL);
    note_change(t, dir, name, NULL);
}

void tree_rename(struct tree *t, struct inode *from_dir, const char *from, struct inode *to_dir, const char *to)
{
    struct inode *i = tree_lookup(from_dir, from);
    struct change *c = note_change(t, to_dir, to, i);

    note_binding(&c->bindings[1], from_dir, from, NULL);
    bind_live(t, to_dir, to, i);
    bind_live(t, from_dir, from, NULL);
}

bool inode_is_below(const struct inode *dir, const struct inode *i)
{
    struct hash_node *n;

    if (dir == i)
        return true;
    for (n = hash_walk(&i->live, NULL); n != NULL; n = hash_walk(&i->live, n))
        if (inode_is_below(dir, container_of(n, struct entry, node)->inode))
            return true;
    return false;
}

static void make_durable(struct tree *t, struct binding *b)
{
    if (b->dir == NULL)
        return;
    tree_bind_durable(t, b->dir, b->name, b->inode);
    drop_binding(t, b);
}

bool change_moves_dir(const struct change *c)
{
    const struct binding *to = &c->bindings[0], *from = &c->bindings[1];

    return to->dir != NULL && from->dir != NULL && to->dir != from->dir && to->inode->is_dir;
}

/* The directory that has to be synced with those of this round because of this change, or NULL. */
static struct inode *tied_dir(const struct tree *t, const struct change *c)
{
    struct inode *to = c->bindings[0].dir, *from = c->bindings[1].dir;

    if (to == NULL || from == NULL)
        return NULL;
    if (from->sync_round == t->sync_round && to->sync_round != t->sync_round)
        return to;
    if (change_moves_dir(c) && to->sync_round == t->sync_round && from->sync_round != t->sync_round)
        return from;
    return NULL;
}

static bool take_in_tied_dir(struct tree *t)
{
    struct change *c;

    list_foreach (&t->changes, c, link) {
        struct inode *dir = tied_dir(t, c);

        if (dir != NULL) {
            dir->sync_round = t->sync_round;
            return true;
        }
    }
    return false;
}

void tree_sync_dir(struct tree *t, struct inode *dir)
{
    struct change *c, *tmp;

    dir->sync_round = ++t->sync_round;
    while (take_in_tied_dir(t))
        continue;
    list_foreach_safe (&t->changes, c, tmp, link) {
        for (int k = 0; k < 2; k++)
            if (c->bindings[k].dir != NULL && c->bindings[k].dir->sync_round == t->sync_round)
                make_durable(t, &c->bindings[k]);
        if (c->bindings[0].dir == NULL && c->bindings[1].dir == NULL)
            free_change(t, c);
    }
}

void tree_writeback(struct tree *t, size_t n)
{
    struct change *c;

    while (n-- > 0 && (c = list_first(&t->changes, struct change, link)) != NULL) {
        make_durable(t, &c->bindings[0]);
        make_durable(t, &c->bindings[1]);
        free_change(t, c);
    }
}

void tree_revert_names(struct tree *t, struct inode *dir)
{
    struct hash_node *n;

    clear_names(t, &dir->live, inode_unuse);
    for (n = hash_walk(&dir->durable, NULL); n != NULL; n = hash_walk(&dir->durable, n)) {
        struct entry *e = container_of(n, struct entry, node);

        bind_live(t, dir, e->name, e->inode);
    }
}

/* A directory moves only on top of all that came before, else two moves could close a circle. */
static void crash_changes(struct tree *t, const struct draw *draw)
{
    struct change *c;
    bool complete = true;

    while ((c = list_first(&t->changes, struct change, link)) != NULL) {
        if (draw_eighths(draw, draw->name_eighths) && (complete || !change_moves_dir(c))) {
            make_durable(t, &c->bindings[0]);
            make_durable(t, &c->bindings[1]);
        } else {
            complete = false;
        }
        free_change(t, c);
    }
}

void tree_crash(struct tree *t, const struct draw *draw)
{
    struct inode *i;

    crash_changes(t, draw);
    list_foreach (&t->inodes, i, link) {
        if (i->is_dir) {
            tree_revert_names(t, i);
            continue;
        }
        content_writeback(&i->content, draw);
        content_revert(&i->content);
    }
    tree_reap(t);
}
