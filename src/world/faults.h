/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Faults: which there are when, and those that have a file of their own. */

#include "world/internal.h"

/* --- wipe.c: lost disks --- */

/* Behind each event: a node that is to lose its disk may do so now, since of each group enough others have theirs. */
void wipe_come(struct world *w);
/* This one may do so now, and the next one not before it has its replicas again. */
bool wipe_begin(struct world *w, struct machine *m);
/* Whoever lost its disk has its replicas again, and votes. Else ret_why has what lacks. */
bool wipe_is_over(struct world *w, struct error_text *ret_why);
/* Each group could do without the disk of any one node. */
bool wipe_all_are_whole(const struct world *w, struct error_text *ret_why);
/* Partitions that have fewer replicas than that may be lost with a disk. */
#define WIPE_N_VOTERS 3
static inline bool wipe_may_come(const struct world *w)
{
    return world_has_fault(w, WORLD_FAULT_WIPE) || world_has_fault(w, WORLD_FAULT_OLD_DISK);
}

/* --- old_disk.c --- */

struct old_disk *old_disk_new(struct world *w);
void old_disk_free(struct old_disk *o);
/* The machine's disk as it is now may take its place later. */
void old_disk_keep(struct world *w, struct machine *m);
/* Behind each event: it may do so now. */
void old_disk_come(struct world *w);
bool old_disk_is_there(const struct world *w);
/* Whoever runs on one loses power and gets its real one. */
void old_disk_end(struct world *w);
/* The machine starts: not once too often on an old one. */
void old_disk_before_start(const struct machine *m);
/* The machine is about to forget whom it met. */
void old_disk_before_end(const struct machine *m);

/* --- faults.c --- */

void faults_draw(struct world *w);
/* Those that there are in clusters only. */
void faults_draw_of_cluster(struct world *w, struct sim_prng *prng);
/* Now it would hurt the node most to be hit, as UNTIMELY does behind this event. */
void faults_note_moment(const struct machine *m, enum world_moment moment);
/* Behind each event: one may be due. */
void faults_come(struct world *w);
void faults_end(struct world *w);
/* A node is about to start: its disk may fail. */
void faults_at_boot(struct machine *m);
/* hostile.c: somebody comes by who doesn't keep to the protocol. The node is up. */
void hostile_visit(struct world *w, struct machine *m);
/* faults_node.c: one of those that hit a node. */
void fault_hit(struct world *w, enum world_fault fault, struct machine *m);
/* What UNTIMELY does to it. */
void fault_strike(struct world *w, struct machine *m, enum world_moment moment);
/* When bytes that leave now in this direction (1: to the client) arrive. */
uint64_t link_arrival(struct world *w, unsigned client, unsigned machine, unsigned direction, struct sim_prng *prng);
