/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/addr.h"
#include "sys/log.h"
#include "sys/net.h"

#define ACCEPTS_PER_TURN 64 /* per listener, so that accepting doesn't starve those who are connected */
#define PAUSE_NS 100000000
#define TELL_EVERY_NS 10000000000

struct acceptor {
    ev_io io;
    struct list link; /* in net->acceptors */
    bool ready, for_peers;
};

/* A connection on its way to the reactor that will own it. */
struct handover {
    struct lane_mail mail;
    struct sys_net *to;
    int fd;
    bool for_peers;
    struct net_addr peer, local;
};

enum outcome {
    GO_ON,
    EMPTY,
    PAUSE,
};

static void on_acceptable(struct ev_loop *loop, ev_io *io, int revents)
{
    ((struct acceptor *)io->data)->ready = true;
}

static void deliver_handover(struct lane_mail *m)
{
    struct handover *h = container_of(m, struct handover, mail);

    sys_net_adopt(h->to, h->fd, h->for_peers, &h->peer, &h->local);
    free(h);
}

/* The counts are read without order, so they may be a little old: that balances well enough. */
static struct sys_net *least_loaded(struct sys_net *self)
{
    struct sys_net *best = self;
    unsigned fewest = atomic_load_explicit(&self->n_conns, memory_order_relaxed);

    for (unsigned i = 0; i < self->n_peers; i++) {
        unsigned count = atomic_load_explicit(&self->peers[i]->n_conns, memory_order_relaxed);

        if (count < fewest) {
            fewest = count;
            best = self->peers[i];
        }
    }
    return best;
}

static void hand_over(struct sys_net *n, int fd, bool for_peers, const struct sockaddr_storage *peer_sa)
{
    struct sys_net *to = least_loaded(n);
    struct handover *h = malloc(sizeof(*h));

    if (h == NULL) {
        close(fd);
        return;
    }
    h->mail.deliver = deliver_handover;
    h->to = to;
    h->fd = fd;
    h->for_peers = for_peers;
    sys_addr_from(peer_sa, &h->peer);
    sys_addr_of_socket(fd, &h->local);
    /* Counted here and not there, so that a burst is spread although nobody has seen its mail yet. */
    atomic_fetch_add_explicit(&to->n_conns, 1, memory_order_relaxed);
    if (to == n)
        deliver_handover(&h->mail);
    else
        lane_post(&n->lane->base, to->lane->base.reactor, &h->mail);
}

static void tell_shed(struct sys_net *n, uint64_t now_ns)
{
    if (n->shed_told_ns != 0 && now_ns - n->shed_told_ns < TELL_EVERY_NS)
        return;
    n->shed_told_ns = now_ns;
    log_event(TOO_MANY_FILES, "out of file descriptors: new connections are closed");
}

/* Out of descriptors: tell one peer so by taking its connection with the spare one and closing it. (The kernel says
 * EMFILE before it looks whether there is a connection at all.) */
static enum outcome shed(struct sys_net *n, int listen_fd, uint64_t now_ns)
{
    enum outcome outcome;
    int fd;

    tell_shed(n, now_ns);
    if (n->spare_fd < 0)
        n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (n->spare_fd < 0)
        return PAUSE;
    close(n->spare_fd);
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    outcome = fd >= 0 ? GO_ON : errno == EAGAIN ? EMPTY : PAUSE;
    if (fd >= 0) {
        atomic_fetch_add_explicit(&n->n_shed, 1, memory_order_relaxed);
        close(fd);
    }
    n->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return outcome;
}

static enum outcome accept_one(struct sys_net *n, const struct acceptor *a, uint64_t now_ns)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t size = sizeof(peer);
    int listen_fd = a->io.fd;
    int fd = accept4(listen_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        hand_over(n, fd, a->for_peers, &peer);
        return GO_ON;
    }
    switch (errno) {
    case EAGAIN:
        return EMPTY;
    case EMFILE:
    case ENFILE:
        return shed(n, listen_fd, now_ns);
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a firewall's word */
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: /* accept(2): errors of that one connection, already gone */
        return GO_ON;
    default:
        return PAUSE;
    }
}

static void resume(struct sys_net *n)
{
    struct acceptor *a;

    n->resume_ns = 0;
    list_foreach (&n->acceptors, a, link)
        ev_io_start(n->loop, &a->io);
}

static void pause_all(struct sys_net *n, uint64_t now_ns)
{
    struct acceptor *a;

    n->resume_ns = now_ns + PAUSE_NS;
    list_foreach (&n->acceptors, a, link) {
        ev_io_stop(n->loop, &a->io);
        a->ready = false;
    }
}

void sys_net_accept(struct sys_net *n, uint64_t now_ns)
{
    struct acceptor *a;

    if (n->resume_ns != 0 && now_ns >= n->resume_ns)
        resume(n);
    list_foreach (&n->acceptors, a, link) {
        enum outcome outcome = a->ready ? GO_ON : EMPTY;

        a->ready = false;
        for (int i = 0; i < ACCEPTS_PER_TURN && outcome == GO_ON; i++)
            outcome = accept_one(n, a, now_ns);
        if (outcome == PAUSE)
            pause_all(n, now_ns);
    }
}

uint64_t sys_net_deadline(const struct sys_net *n)
{
    return n->resume_ns != 0 ? n->resume_ns : UINT64_MAX;
}

void sys_net_listen(struct sys_net *n, int fd, bool for_peers)
{
    struct acceptor *a = xcalloc(1, sizeof(*a));

    a->for_peers = for_peers;
    ev_io_init(&a->io, on_acceptable, fd, EV_READ);
    a->io.data = a;
    list_append(&n->acceptors, &a->link);
    ev_io_start(n->loop, &a->io);
}

void sys_net_stop_listening(struct sys_net *n)
{
    struct acceptor *a;

    while ((a = list_first(&n->acceptors, struct acceptor, link)) != NULL) {
        ev_io_stop(n->loop, &a->io);
        close(a->io.fd);
        list_remove(&a->link);
        free(a);
    }
    n->resume_ns = 0;
}
