/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The five seams as one reactor sees them. clock, disk and prng are shared by all reactors of a node and
 * thread-safe; net and lane belong to the reactor. */

#include "env/clock.h"
#include "env/disk.h"
#include "env/lane.h"
#include "env/net.h"
#include "env/prng.h"

struct env {
    struct env_clock *clock;
    struct env_disk *disk;
    struct env_net *net;
    struct env_prng *prng;
    struct env_lane *lane;
};
