/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of the simulated disk: inodes, directories with their live and durable entries, and the list of changes of
 * names that aren't durable yet. Internal to sim/. */

#include "base/hash.h"
#include "base/list.h"
#include "sim/disk_file.h"

#define NAME_SIZE 256 /* with the NUL */

struct inode {
    struct list link;      /* in tree.inodes, by age */
    struct list dead_link; /* in tree.dead when nothing refers to it */
    unsigned refs;         /* entries, live and durable; changes; handles */
    unsigned users;        /* live entries and handles: the file takes space while > 0 */
    bool is_dir;
    uint64_t sync_round;             /* of a directory: the last tree_sync_dir() that took it in */
    struct hash_table live, durable; /* of a directory: struct entry */
    struct content content;          /* of a file */
    struct inode *twin;              /* in the tree that is being copied to */
};

struct entry {
    struct hash_node node;
    struct inode *inode;
    char name[NAME_SIZE];
};

/* One half of a change: this name in this directory now means that inode, or nothing. */
struct binding {
    struct inode *dir; /* NULL: has become durable */
    struct inode *inode;
    char name[NAME_SIZE];
};

/* A change of names that a crash takes or leaves as a whole. */
struct change {
    struct list link;
    struct binding bindings[2]; /* of a rename: the new name, then the old one; else the first only */
};

struct tree {
    struct inode *root;
    struct list inodes, dead;
    struct list changes; /* oldest first */
    uint64_t sync_round;
    struct space space;
};

void tree_init(struct tree *t);
void tree_fini(struct tree *t);
/* Frees what nothing refers to any more. Pointers to inodes hold until this is called. */
void tree_reap(struct tree *t);

/* The root too: "" or ".". -ENOENT, -ENOTDIR, -EINVAL (absolute, "..", empty component), -ENAMETOOLONG. */
int tree_find(struct tree *t, const char *path, struct inode **ret);
/* The directory that holds the last name of path, and that name. -EINVAL for the root. */
int tree_find_parent(struct tree *t, const char *path, struct inode **ret_dir, char ret_name[NAME_SIZE]);
/* NULL when there is none. */
struct inode *tree_lookup(const struct inode *dir, const char *name);

/* Changes of live names, noted as pending. The caller has checked that they are allowed. */
struct inode *tree_create(struct tree *t, struct inode *dir, const char *name, bool is_dir);
void tree_remove(struct tree *t, struct inode *dir, const char *name);
void tree_rename(struct tree *t, struct inode *from_dir, const char *from, struct inode *to_dir, const char *to);

/* Makes the names in dir durable, and those in each directory that a rename ties to it: the target's where dir lost
 * the old name, and either where a directory moved (its tree must stay one). */
void tree_sync_dir(struct tree *t, struct inode *dir);
/* Makes the oldest n changes durable. */
void tree_writeback(struct tree *t, size_t n);
/* Makes those durable that the draw takes, drops the others; live names become the durable ones. */
void tree_crash(struct tree *t, const struct draw *draw);

/* A handle comes or goes. */
void inode_use(struct tree *t, struct inode *i);
void inode_unuse(struct tree *t, struct inode *i);
/* Creates an inode that nothing refers to yet. */
struct inode *inode_new(struct tree *t, bool is_dir);
void inode_ref(struct inode *i);
void inode_unref(struct tree *t, struct inode *i);
/* What a durable name means; the names of a directory after a crash; whether a change moves a directory. */
void tree_bind_durable(struct tree *t, struct inode *dir, const char *name, struct inode *inode);
void tree_revert_names(struct tree *t, struct inode *dir);
bool change_moves_dir(const struct change *c);
/* Whether dir is i or lies below it. */
bool inode_is_below(const struct inode *dir, const struct inode *i);

/* What a crash takes or leaves, one by one: the changes of names in their order, then the contents of each file that
 * has a durable name or may get one. */
size_t tree_units(const struct tree *t);
/* What unit i is, for people; malloc'd. */
char *tree_unit_text(const struct tree *t, size_t i);
/* to is empty; gets what is durable in from, and its units for which keep says so (NULL: none). */
void tree_copy(struct tree *to, struct tree *from, const bool *keep);
