/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Copies of what nodes say to each other, for networks that tests make: as in a real one, nothing of the sender's
 * memory stays in them. */

#include "fleet/fleet.h"
#include "replica/replica.h"

struct replica_message *letter_of_message(const struct replica_message *m);
/* ret: to be freed with letter_session_free(). */
void letter_of_session(const struct fleet_message *m, struct fleet_message *ret);
void letter_session_free(struct fleet_message *m);
/* NULL when size is 0. */
void *letter_of_bytes(const void *bytes, size_t size);
