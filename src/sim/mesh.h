/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network between nodes: joins sim_nets, each of which is a node's. It answers what their nodes ask to connect to,
 * and carries bytes from the end that it owns of one connection to that of another, as late as the path says. Nothing
 * is lost on a connection but with the connection, as in TCP: what a path holds arrives when it lets go.
 *
 * One thread. Nothing moves but in sim_mesh_turn(). */

#include <stdbool.h>

#include "sim/net.h"

struct sim_mesh;

#define SIM_MESH_MAX_NODES 8
#define SIM_MESH_WINDOW (256u << 10) /* bytes on their way, per direction of a connection */

enum sim_reach {
    SIM_REACH_OPEN,
    SIM_REACH_REFUSED,
    SIM_REACH_SILENT, /* no answer ever comes */
};

/* From one node to another; each pair has one each way. May be changed at any time. */
struct sim_path {
    uint64_t delay_ns, jitter_ns; /* each piece takes the delay and up to that much more; none overtakes another */
    bool held;                    /* nothing comes through while it is, no answer to who connects either */
    enum sim_reach reach;         /* of new connections */
};

/* What somebody on the way may do to a stream, who doesn't keep to TCP. */
enum sim_tamper {
    SIM_TAMPER_FLIP,   /* some bits are others */
    SIM_TAMPER_OMIT,   /* some bytes are left out */
    SIM_TAMPER_REPEAT, /* a piece comes twice */
    SIM_TAMPER_INSERT, /* bytes of somebody else come in between */
    SIM_TAMPER_CUT,    /* the connection breaks within a piece, the first part of which arrives */
    SIM_N_TAMPERS,
};

/* prng must live as long as the mesh. */
struct sim_mesh *sim_mesh_new(struct sim_prng *prng);
/* Before the nets go, or when all nodes are detached. Takes NULL. */
void sim_mesh_free(struct sim_mesh *m);

/* A node starts: it is reached at the address, HOST:PORT. Who still has a connection to it from before finds a reset
 * once it sends. */
void sim_mesh_attach(struct sim_mesh *m, unsigned node, const char *address, struct sim_net *net);
/* Before its net is freed: the process has ended, and the others find a reset. With the power lost they hear nothing,
 * and who connects gets no answer. */
void sim_mesh_detach(struct sim_mesh *m, unsigned node, bool power_lost);

struct sim_path *sim_mesh_path(struct sim_mesh *m, unsigned from, unsigned to);
/* Connections of these two nodes break: both find a reset. */
void sim_mesh_break(struct sim_mesh *m, unsigned a, unsigned b);
/* The same, but only `to` is told: to `from` they look as before, until the other side hears something of it. */
void sim_mesh_break_for(struct sim_mesh *m, unsigned from, unsigned to);
/* Connections that are there now, and those asked for. */
unsigned sim_mesh_n_wires(const struct sim_mesh *m, unsigned a, unsigned b);

/* How often bytes of a node have reached another one. */
uint64_t sim_mesh_n_given(const struct sim_mesh *m, unsigned from, unsigned to);

/* Does that to a piece that goes this way: to the next one but skip. What is drawn for it comes from a generator that
 * is forked from prng. One at a time for each way, the last one counts. */
void sim_mesh_tamper(struct sim_mesh *m, unsigned from, unsigned to, enum sim_tamper how, uint64_t skip,
                     struct sim_prng *prng);
/* None that hasn't come yet comes any more. */
void sim_mesh_tamper_no_more(struct sim_mesh *m);
/* How many pieces were changed so far. */
uint64_t sim_mesh_n_tampered(const struct sim_mesh *m);

/* Moves what is due. Returns how much it did. */
size_t sim_mesh_turn(struct sim_mesh *m, uint64_t now_ns);
/* When something is due next; UINT64_MAX: nothing. */
uint64_t sim_mesh_next_ns(const struct sim_mesh *m);
