/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A metadata state that a test drives by commands, and how to look at one. No Check in here: the fuzz target uses it
 * too. */

#include "meta/meta.h"

#define STATE_COMMAND_MAX (4u << 20)

struct state {
    struct meta meta;
    struct wr command; /* write one, then state_apply() */
    /* Of the last command: event.topic as meta_apply() gave it, and records, with those that are late as of then. */
    struct meta_event event;
};

void state_init(struct state *s, uint64_t hash_seed);
void state_fini(struct state *s);

/* Applies the command at the next index and empties the writer. Returns the event's error code; anything that isn't a
 * command ends the process. */
int16_t state_apply(struct state *s);

/* One topic without configs, its id made of one byte. Returns the error code. */
int16_t state_create(struct state *s, const char *name, uint8_t id, int32_t n_partitions);
int16_t state_create_of(struct state *s, const char *name, uint8_t id, int32_t n_partitions, int16_t n_replicas);
/* Brokers 1 to n, of which the first three vote. The texts are static. */
void state_founders(struct meta_formation *f, uint32_t n);
int16_t state_form(struct state *s, uint32_t n_founders);
/* One of them says where it is. */
int16_t state_register(struct state *s, int32_t id, const char *rack);

struct uuid state_id(uint8_t byte);

/* All of a state as text, lists in their order: equal states, equal texts. malloc'd. */
char *meta_text(const struct meta *m);

/* Loads the records into m, in their order or backwards. Returns the first error of meta_load(), or what
 * meta_load_finish() says. */
int load_records(struct meta *m, const struct list *records, bool backwards, uint64_t applied_index);

/* Dumps m and loads it into *ret, which is initialized here; anything but success ends the process. */
void meta_copy(const struct meta *m, struct meta *ret);
