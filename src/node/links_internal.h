/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files links*.c share. A struct links is a reactor's; nothing of it is touched by another one but for a
 * connection on its way there.
 *
 * A channel is what there is between a shard of this reactor and a shard of another node, for one lane, whether a
 * connection is up or not. There is one for each pair of shards that can have a group in common, so that messages go
 * from the reactor of one shard to that of the other without a lock, a copy or a mail: with as many shards on both
 * nodes, one a shard. That of the two shards 0 is the main one. It is made first, carries the words, and its hello
 * tells how many shards the other node has; the other channels of the control lane are made and dialed when it is up.
 * Those of the bulk lane are dialed when there is an image to send, and closed when they rest. */

#include "node/internal.h"
#include "node/links.h"

#define LINKS_MS 1000000ull
/* From asking for a connection to both hellos. */
#define LINKS_DIAL_NS (3000 * LINKS_MS)
/* Whose node id is larger leaves the first try to the other side. */
#define LINKS_COURTESY_NS (100 * LINKS_MS)
/* Between tries: doubled up to the maximum, of which half is drawn. */
#define LINKS_BACKOFF_NS (50 * LINKS_MS)
#define LINKS_BACKOFF_MAX_NS (2000 * LINKS_MS)
/* A connection that lasted so long was a good one. */
#define LINKS_GOOD_NS (1000 * LINKS_MS)
/* Sessions speak and nothing comes back: so long where the other side did speak on this connection, or never has. */
#define LINKS_SILENT_NS (3000 * LINKS_MS)
#define LINKS_MUTE_NS (15000 * LINKS_MS)
/* Without an image: the side that has dialed closes it first. */
#define LINKS_IDLE_NS (30000 * LINKS_MS)
/* Between looks at all of that. */
#define LINKS_LOOK_NS (500 * LINKS_MS)
#define LINKS_TELL_NS (10000 * LINKS_MS)

#define LINKS_MAX_GREETING 64         /* accepted connections without a hello, of a reactor */
#define LINKS_FEED_BYTES (256u << 10) /* of entries and images that are in frames and not sent */
#define LINKS_OUT_MAX (4u << 20)      /* bytes in frames, beyond which small messages are dropped */
#define LINKS_WAIT_MAX (8u << 20)     /* of entries that wait, but for a single larger message */
#define LINKS_IMAGES_MAX (64u << 20)  /* of images that wait, likewise */
#define LINKS_SCRATCH (64u << 10)
#define LINKS_SHARE (256u << 10) /* bytes received from a connection in a turn */
#define LINKS_IOV 128

enum links_phase {
    LINKS_CONNECTING,
    LINKS_GREETING, /* hellos are under way */
    LINKS_UP,
};

struct links_conn {
    struct links *links;
    struct list link; /* links->conns */
    struct list work; /* links->work: something came, or may be sent */
    struct net_conn *net;
    struct links_channel *channel; /* NULL: accepted, and it didn't say for whom */
    enum links_phase phase;
    bool dialed;
    bool can_read, can_write;
    bool heard_session;
    unsigned wanted;
    uint64_t began_ns, up_ns, heard_ns, moved_ns;
    uint64_t spoke_ns; /* of the first session's message since something was heard; 0: none */
    uint64_t boot;     /* the other side's */
    size_t hello_size; /* bytes that came */
    uint8_t hello[PEER_HELLO_MAX];
    struct peer_writer writer;
    struct peer_reader reader;
    struct buf_chain out; /* frames */
    uint32_t out_link;    /* the first link that isn't sent */
    size_t out_at;        /* bytes of it that are */
    uint64_t n_put, n_sent;
    struct list sending; /* struct links_message: what the frames point into */
    struct lane_mail mail;
    struct links *from, *to; /* while it moves to another reactor */
};

/* Entries or an image that wait for their place in frames, or until these are sent. */
struct links_message {
    struct list link;
    struct replica_message *message;
    size_t size;
    uint64_t end; /* where its last byte is in the stream */
};

struct links_channel {
    struct list link; /* peer->channels */
    struct links_peer *peer;
    struct node_shard *shard;
    uint32_t their_shard;
    enum peer_lane lane;
    struct links_conn *conn; /* is up */
    struct links_conn *dial; /* was asked for */
    unsigned n_failed;
    uint64_t due_ns; /* of the next try */
    struct list waiting;
    size_t waiting_bytes;
    struct peer_cut cut; /* of the first that waits */
    bool cutting;
};

/* Another node as this reactor knows it. */
struct links_peer {
    struct list link;
    struct links *links;
    char *node_id, *address;
    int32_t broker_id;
    struct uuid incarnation;
    /* What its hellos said here. */
    struct uuid seen;
    uint64_t boot;
    uint32_t n_shards;
    uint64_t *lsns; /* by its shards */
    bool is_there;  /* the main connection is up, between brokers: other channels are dialed */
    bool said_dead; /* since then */
    struct list channels;
};

/* An image that got lost, until the next turn tells. */
struct links_lost {
    struct list link;
    struct node_shard *shard;
    uint64_t group;
    int32_t to;
};

struct links {
    struct node_reactor *r;
    struct node *node;
    struct list peers, conns, work, lost;
    uint64_t n_freed; /* connections so far */
    uint8_t *scratch;
    uint64_t *start_lsns; /* by the node's shards */
    struct peer_limits limits;
    /* This node, as this reactor knows it. */
    int32_t broker_id;
    struct uuid cluster_id;
    unsigned n_greeting; /* accepted connections without a hello */
    unsigned n_away;     /* connections given to other reactors whose mail isn't back */
    bool stopped;
    bool again; /* in the next turn there is more to do */
    uint64_t next_ns, told_ns;
    struct node_links_stats stats;
};

/* links_peers.c */
struct links_peer *links_peer_find(const struct links *l, const char *node_id);
struct links_peer *links_peer_of_broker(const struct links *l, int32_t broker_id);
void links_know(struct node *n, const struct node_peer *p);
void links_forget(struct node *n, const char *node_id);
void links_peer_free(struct links_peer *p);
/* Reactor 0: the main connection between brokers came or went. dead: nobody is there. */
void links_tell_main(struct links_peer *p, bool up, bool dead);
/* Reactor 0: what this node is has changed. */
void links_tell_self(struct links *l);
/* 0, or -EPERM with a text: the node isn't who it was, or went back in time. What it says is remembered. Connections of
 * who it was before end, and channels may be others then. */
int links_remember(struct links_peer *p, const struct peer_hello *h, struct error_text *err);

/* links_channel.c */
bool links_shares(const struct links *l, const struct links_peer *p, uint32_t ours, uint32_t theirs);
struct links_channel *links_channel(struct links_peer *p, struct node_shard *s, uint32_t their_shard,
                                    enum peer_lane lane);
/* Those of the control lane that there have to be. */
void links_make_channels(struct links_peer *p);
static inline bool links_is_main(const struct links_channel *ch)
{
    return ch->shard->index == 0 && ch->their_shard == 0 && ch->lane == PEER_CONTROL;
}
/* All connections of the node end; the channels stay. */
void links_peer_cut(struct links_peer *p, bool dead);
void links_channels_free(struct links_peer *p);
/* Both hellos are good. What there was before on the channel ends. */
void links_channel_up(struct links_channel *ch, struct links_conn *c, uint64_t boot);
/* The channel's connection has ended: how, as net_recv() tells, or another negative errno. */
void links_conn_ended(struct links_conn *c, int how);
/* No try has come of this one. */
void links_conn_failed(struct links_conn *c, int how);
/* Dials what is due, ends what took too long. */
void links_look(struct links *l, uint64_t now_ns);
static inline void links_look_soon(struct links *l)
{
    l->next_ns = 0;
}

/* links_conn.c */
void *links_accepted(void *ctx, struct net_conn *net, const struct net_addr *peer, const struct net_addr *local);
void links_ready(void *conn_ctx, unsigned events);
struct links_conn *links_conn_new(struct links *l);
/* net may be closed or NULL. */
void links_conn_free(struct links_conn *c);
void links_conn_kick(struct links_conn *c);
void links_conn_want(struct links_conn *c);
/* Something came, or may be sent. c may be gone afterwards. */
void links_conn_work(struct links_conn *c);
/* Bytes that came behind the hello. False: c is gone. */
bool links_conn_take_rest(struct links_conn *c, struct slice rest);
/* What others are told of may cut a node off. */
bool links_is_there(const struct links *l, const struct links_conn *c);
/* For people, now and then. */
void links_refused(struct links *l, const char *format, ...) _printf_(2, 3);

/* links_hello.c */
void links_say_hello(struct links_conn *c);
/* Bytes of it came. c may be gone afterwards. */
void links_hear_hello(struct links_conn *c);

/* links_out.c */
void links_send(struct node_shard *s, struct replica_message *m);
void links_send_session(struct node_shard *s, const struct fleet_message *m);
void links_tell(struct node *n, const char *node_id, enum node_word word, struct slice body);
/* What waits on the channel is dropped. */
void links_drop_waiting(struct links_channel *ch);
/* Messages whose bytes can't all have left. */
void links_drop_sending(struct links_conn *c);
/* As much as the socket takes now. False: c has ended and is gone. */
bool links_flush_conn(struct links_conn *c);
void links_tell_lost(struct links *l);
