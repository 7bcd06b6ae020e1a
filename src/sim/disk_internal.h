/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The simulated disk and its handles. Internal to sim/. */

#include "sim/disk_tree.h"

#define MAX_FAULTS 24

struct fault {
    enum sim_disk_call call;
    uint64_t skip, count; /* count 0: the slot is free */
    int err;
};

struct sim_disk {
    struct env_disk env;
    struct tree tree;
    struct sim_prng *prng;
    struct list files; /* open handles of the process that lives now */
    uint64_t n_files, max_files;
    bool locked, dead;
    bool has_sync_fs;
    bool sync_failed;           /* some sync of the process: all others fail, too */
    uint64_t steps, steps_left; /* left: UINT64_MAX while no crash is set */
    uint64_t calls[SIM_DISK_N_CALLS];
    struct fault faults[MAX_FAULTS];
    uint64_t *n_failed;             /* or NULL: counts calls that faults made fail */
    void (*before_step)(void *ctx); /* or NULL */
    void *watch_ctx;
};

struct sim_file {
    struct disk_file file; /* first member */
    struct list link;
    struct inode *inode; /* NULL once its process has ended */
    unsigned flags;
};

extern const struct env_disk_ops sim_disk_ops;

/* Counts a call. 0, or the error it ends with: the disk is dead, or a fault was set. */
int sim_disk_enter(struct sim_disk *d, enum sim_disk_call call);

/* A call that has been found valid is about to change something: 0, or -EIO from the set crash on. */
int sim_disk_step(struct sim_disk *d);

/* The handle lets go of its file. */
void sim_disk_end_handle(struct sim_disk *d, struct sim_file *f);
