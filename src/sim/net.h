/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections in memory between a server that lives behind env/net.h and clients that a test or the simulator plays.
 *
 * Bytes arrive at once but in bounded buffers, so both sides meet -EAGAIN; with a prng, counts fall short as the
 * kernel's may. The server's handler is called from sim_net_turn() only. One thread. */

#include <stdbool.h>

#include "env/net.h"
#include "sim/prng.h"

struct sim_net;
struct sim_conn; /* the client's end of a connection */

#define SIM_NET_BUFFER_BYTES 65536 /* default, per direction */

/* One node's network with an env_net per reactor. prng may be NULL: then every call moves all it can, and turns go in
 * the order of connecting; else it must live as long as the net. */
struct sim_net *sim_net_new(unsigned n_reactors, struct sim_prng *prng);

/* Takes NULL. Frees both ends of all connections without calling the handler. */
void sim_net_free(struct sim_net *n);

unsigned sim_net_reactors(const struct sim_net *n);

/* The seam as this reactor sees it; its handlers are the node's to set. */
struct env_net *sim_net_env(struct sim_net *n, unsigned reactor);

/* Buffer size, per direction, of connections made from now on. */
void sim_net_set_buffer(struct sim_net *n, size_t bytes);

/* One turn of this reactor's loop: accepts what has connected, then calls ready() once for each connection that has
 * what its owner wants, or has died. Returns how many calls it made. */
size_t sim_net_turn(struct sim_net *n, unsigned reactor);

/* Whether a turn of this reactor would make a call to somebody who waits for it: who wants nothing needn't hear yet
 * that the other end is gone. */
bool sim_net_is_ready(const struct sim_net *n, unsigned reactor);

/* Grows with whatever the server does to connections with other nodes: asks for one, sends, takes something of a
 * full buffer, closes. Who plays the network has something to look at then. */
uint64_t sim_net_peer_moves(const struct sim_net *n);

/* Turns of all reactors until one round makes no call, at most max_rounds (an owner that wants NET_WRITE and doesn't
 * write is ready for ever). Returns how many calls were made. */
size_t sim_net_run(struct sim_net *n, size_t max_rounds);

/* The server process dies: it loses all connections without a close; each client finds a reset, once it has received
 * what had arrived. */
void sim_net_kill(struct sim_net *n);

/* A client connects to the reactor; the server accepts it in its next turn. What the client sends before that waits
 * in the buffer. The caller owns the end until sim_conn_close(). */
struct sim_conn *sim_net_connect(struct sim_net *n, unsigned reactor, const char *client_address, uint16_t client_port);

/* The same on the address for other nodes: accepted by peer_handler. */
struct sim_conn *sim_net_connect_peer(struct sim_net *n, unsigned reactor, const char *address, uint16_t port);

/* A connection that the server asks for: who plays the network owns its other end, as if that had connected. */
struct sim_dial {
    struct sim_conn *conn;
    const char *address; /* good until sim_conn_answer() */
};
/* The next one that nobody has taken yet; false: there is none. */
bool sim_net_take_dial(struct sim_net *n, struct sim_dial *ret);
/* What becomes of it: 0, or a negative errno, which the server then finds; close the end behind that. Once. */
void sim_conn_answer(struct sim_conn *c, int outcome);

/* Bytes taken (≥ 1), -EAGAIN when the buffer is full, -EPIPE after sim_conn_shutdown(), -ECONNRESET when the server
 * has gone. */
ssize_t sim_conn_send(struct sim_conn *c, const void *data, size_t size);

/* Bytes received, 0 at the end of the server's stream, -EAGAIN, -ECONNRESET. */
ssize_t sim_conn_recv(struct sim_conn *c, void *to, size_t size);

/* Bytes that sim_conn_recv() could give now. */
size_t sim_conn_pending(const struct sim_conn *c);

/* Half-close: the server finds the end of the stream, and may still send. */
void sim_conn_shutdown(struct sim_conn *c);

/* The server finds -ECONNRESET, and what it hasn't received is lost. Close it afterwards. */
void sim_conn_reset(struct sim_conn *c);

/* The connection dies and the client isn't told: what it sends vanishes, nothing comes any more, not even an end. The
 * server finds -ECONNRESET. */
void sim_conn_deafen(struct sim_conn *c);

/* Takes NULL. Gives the end back. As in TCP the server finds the end of the stream, and a reset once it sends; or a
 * reset at once when the client left bytes unread. */
void sim_conn_close(struct sim_conn *c);

/* Whether the server has closed it. */
bool sim_conn_server_closed(const struct sim_conn *c);
