/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a crash may leave, counted and chosen: the units of a tree, and copies that have some of them. */

#include "base/util.h"
#include "sim/disk_tree.h"

/* No name means the file after any crash, unless a durable one or a pending change does. */
static size_t inode_units(const struct inode *i)
{
    return i->is_dir || i->refs == i->users ? 0 : content_units(&i->content);
}

size_t tree_units(const struct tree *t)
{
    const struct change *c;
    const struct inode *i;
    size_t n = 0;

    list_foreach (&t->changes, c, link)
        n++;
    list_foreach (&t->inodes, i, link)
        n += inode_units(i);
    return n;
}

/* A live path of the inode, malloc'd; NULL when it has none. */
static char *path_of(const struct inode *dir, const struct inode *wanted, const char *prefix)
{
    char *found = NULL;

    if (dir == wanted)
        return xasprintf("%s.", prefix);
    for (struct hash_node *n = hash_walk(&dir->live, NULL); n != NULL && found == NULL; n = hash_walk(&dir->live, n)) {
        const struct entry *e = container_of(n, struct entry, node);
        _cleanup_(freep) char *path = xasprintf("%s%s", prefix, e->name);
        _cleanup_(freep) char *below = xasprintf("%s/", path);

        if (e->inode == wanted)
            found = TAKE_PTR(path);
        else if (e->inode->is_dir)
            found = path_of(e->inode, wanted, below);
    }
    return found;
}

static char *change_text(const struct tree *t, const struct change *c)
{
    const struct binding *to = &c->bindings[0], *from = &c->bindings[1];
    _cleanup_(freep) char *dir = to->dir != NULL ? path_of(t->root, to->dir, "") : NULL;

    return xasprintf("name %s/%s%s%s%s", dir != NULL ? dir : "?", to->name, from->dir != NULL ? " renamed from " : "",
                     from->dir != NULL ? from->name : "", to->inode == NULL ? " removed" : "");
}

char *tree_unit_text(const struct tree *t, size_t i)
{
    const struct change *c;
    const struct inode *inode;

    list_foreach (&t->changes, c, link)
        if (i-- == 0)
            return change_text(t, c);
    list_foreach (&t->inodes, inode, link) {
        size_t n = inode_units(inode);
        _cleanup_(freep) char *path = NULL;
        uint64_t at;

        if (i >= n) {
            i -= n;
            continue;
        }
        at = content_unit_offset(&inode->content, i);
        path = path_of(t->root, inode, "");
        return at == UINT64_MAX
                   ? xasprintf("size of %s", path != NULL ? path : "a removed file")
                   : xasprintf("bytes %llu of %s", (unsigned long long)at, path != NULL ? path : "a removed file");
    }
    return NULL;
}

/* keep is that of the first file's contents. */
static void copy_inodes(struct tree *to, struct tree *from, const bool *keep)
{
    struct inode *i;

    list_foreach (&from->inodes, i, link) {
        size_t n = inode_units(i);

        i->twin = i == from->root ? to->root : inode_new(to, i->is_dir);
        inode_ref(i->twin);
        if (!i->is_dir)
            content_copy(&i->twin->content, &i->content, n > 0 ? keep : NULL);
        if (keep != NULL)
            keep += n;
    }
}

static void copy_durable_names(struct tree *to, const struct inode *dir)
{
    struct hash_node *n;

    for (n = hash_walk(&dir->durable, NULL); n != NULL; n = hash_walk(&dir->durable, n)) {
        const struct entry *e = container_of(n, struct entry, node);

        tree_bind_durable(to, dir->twin, e->name, e->inode->twin);
    }
}

/* As in a crash that is drawn, a directory moves only on top of all that came before. */
static void copy_changes(struct tree *to, const struct tree *from, const bool *keep)
{
    const struct change *c;
    bool complete = true;

    list_foreach (&from->changes, c, link) {
        complete = complete && *keep;
        if (!*keep++ || (change_moves_dir(c) && !complete))
            continue;
        for (int k = 0; k < 2; k++) {
            const struct binding *b = &c->bindings[k];

            if (b->dir != NULL)
                tree_bind_durable(to, b->dir->twin, b->name, b->inode != NULL ? b->inode->twin : NULL);
        }
    }
}

void tree_copy(struct tree *to, struct tree *from, const bool *keep)
{
    size_t n_changes = 0;
    struct change *c;
    struct inode *i;

    to->space.capacity_pages = from->space.capacity_pages;
    list_foreach (&from->changes, c, link)
        n_changes++;
    copy_inodes(to, from, keep != NULL ? keep + n_changes : NULL);
    list_foreach (&from->inodes, i, link)
        if (i->is_dir)
            copy_durable_names(to, i);
    if (keep != NULL)
        copy_changes(to, from, keep);
    list_foreach (&from->inodes, i, link)
        if (i->is_dir)
            tree_revert_names(to, i->twin);
    list_foreach (&from->inodes, i, link)
        inode_unref(to, TAKE_PTR(i->twin));
    tree_reap(to);
}
