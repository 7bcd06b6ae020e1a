/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rare faults, and what is only there for them. */

#include "world/internal.h"

/* --- rare.c: faults with generators of their own --- */

struct rare *rare_new(struct world *w);
void rare_free(struct rare *r);
/* Behind each event: one may be due. */
void rare_come(struct world *w);
void rare_end(struct world *w);

/* --- clock.c: monotonic clocks --- */

void clock_begin(struct machine *m);
/* It boots behind a power loss. */
void clock_boot(struct machine *m);
/* Its clock shows what it is to show now. */
void clock_tick(struct machine *m);
void clock_hit(struct machine *m);
/* From now on it goes as the world does. */
void clock_mend(struct machine *m);

/* --- media.c: damaged segments --- */

/* Of the node, or of the one that has some. */
void media_hit(struct machine *m, enum world_fault fault);
/* The bytes are what they were, if they were damaged. */
void media_mend(struct machine *m);
/* The answer may have damaged bytes, which its checksums must show. */
bool media_may_show(const struct client *c, const struct call *call);

/* --- configs.c: what the operator does to have topics configured otherwise --- */

void configs_alter(struct client *c, struct topic *t);
