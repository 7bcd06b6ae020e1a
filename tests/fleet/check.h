/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What always holds between a fleet and its cores; ends the process where it doesn't. */

#include "fleet/fleet.h"

/* The group is in the sets that its core takes itself to be in, and nothing that is due has no timer. */
void check_group(const struct fleet_group *g);
/* The sums are those of the sets, and who isn't heard vouches for nobody. */
void check_sessions(const struct fleet *f);
