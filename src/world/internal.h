/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of world/ share. Everything here belongs to one thread. */

#include <stddef.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/heap.h"
#include "base/util.h"
#include "base/uuid.h"
#include "config/config.h"
#include "history/history.h"
#include "node/node.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/lane.h"
#include "sim/mesh.h"
#include "sim/net.h"
#include "sim/pace.h"
#include "sim/prng.h"
#include "wire/wire_messages.h"
#include "world/model.h"
#include "world/world.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define SEC (1000 * MS)

#define WORLD_EPOCH_MS INT64_C(1700000000000)

#define WORLD_MAX_REACTORS 2
#define WORLD_MAX_CLIENTS 16
#define WORLD_N_STEPS 64 /* that are kept for a failure's report */

/* --- world.c: time, events --- */

struct event {
    struct heap_node node;
    void (*fire)(struct event *e);
};

enum world_phase {
    WORLD_WORK,    /* under faults */
    WORLD_HEAL,    /* faults are off, everybody must get on */
    WORLD_AUDIT,   /* everything is read */
    WORLD_REAUDIT, /* and again after a power cut */
    WORLD_STOP,
    WORLD_DONE,
};

/* What is traced and hashed: X(NAME, text) */
#define WORLD_STEPS(X) \
    X(PHASE, "phase") \
    X(TURN, "turn") \
    X(LANE, "lane") \
    X(START, "start") \
    X(FATAL, "fatal") \
    X(STOP, "stop") \
    X(POWER_LOSS, "power loss") \
    X(EXIT, "exit") \
    X(FAULT, "fault") \
    X(CARRY, "carry") \
    X(CONNECT, "connect") \
    X(SEND, "send") \
    X(RECEIVE, "receive") \
    X(CALL, "call") \
    X(ANSWER, "answer") \
    X(LOST, "lost") \
    X(ACKED, "acked") \
    X(FILES, "files")

enum world_step_kind {
#define X(name, text) WORLD_STEP_##name,
    WORLD_STEPS(X)
#undef X
        WORLD_N_STEP_KINDS,
};

struct world_step {
    uint64_t event, time_ns;
    enum world_step_kind kind;
    unsigned who; /* index of the node or client */
    int64_t a, b;
};

struct world_story {
    struct world_step steps[WORLD_N_STEPS];
    uint64_t n_steps, n_events;
    uint64_t faults; /* 1 << WORLD_FAULT_* */
    uint64_t n_faults[WORLD_N_FAULTS];
    const char *client_names[WORLD_MAX_CLIENTS];
    struct error_text failure; /* text "": none */
};

struct machine;
struct between;
struct client;
struct model;
struct old_disk;
struct rare;
struct recorder;
struct watch;

struct link {
    uint64_t delay_ns;     /* each way, and as much again at most */
    uint64_t cut_until[2]; /* towards the node, towards the client */
};

/* When a mishap hits a node hard, the rarest last. */
enum world_moment {
    WORLD_MOMENT_NONE,
    WORLD_MOMENT_START,  /* a leader's log begins later: another one that misses more needs an image */
    WORLD_MOMENT_CHANGE, /* a configuration isn't committed */
    WORLD_MOMENT_LEAVE,  /* one in which the node doesn't vote */
    WORLD_MOMENT_CUT,    /* the log was cut */
    WORLD_MOMENT_IMAGE,  /* an image takes the log's place, and isn't durable */
};

struct world {
    struct world_options options;
    struct sim_prng prng; /* for what is drawn once */
    struct heap heap;
    uint64_t now_ns;
    struct world_story *story, *own_story;
    uint64_t max_events, hash;
    enum world_phase phase;
    uint64_t phase_end_ns, phase_end_event; /* then it has failed */
    struct event fault_event;
    struct sim_prng fault_prng, fault_draw; /* when and which; of the one that is under way */
    uint64_t drawn_faults;                  /* those that the seed has, with those that are switched off */
    uint64_t timed_faults;                  /* of these those that come now and then */
    uint64_t fault_interval_ns;
    uint64_t fault_interval_events, fault_at_event; /* in clusters; 0: not so */
    struct rare *rare;
    struct sim_prng rare_draw;              /* of the rare fault that is under way */
    struct machine *sick;                   /* whose segments are damaged; NULL: nobody's */
    uint64_t net_delay_ns, max_batch_bytes; /* that producers send */
    bool small_journals;                    /* which are recycled all the time */
    struct machine *machines[WORLD_MAX_NODES];
    unsigned n_machines;
    struct sim_prng alter_prng;  /* of ALTER_TOPICS */
    struct sim_prng moment_prng; /* of UNTIMELY */
    unsigned moment_rarity;      /* it comes at one of so many moments that are often seen */
    unsigned moment_machine;     /* of this event: whose it is */
    enum world_moment moment;
    int wiped;       /* the node that lost its disk, until it is whole again; -1: none */
    int wipe_wanted; /* the node that is to lose its disk as soon as the others can do without; -1: none */
    struct old_disk *old_disk;
    struct between *between; /* NULL: there is one node */
    struct client *clients[WORLD_MAX_CLIENTS];
    unsigned n_clients;
    struct client *auditor;
    struct link links[WORLD_MAX_CLIENTS][WORLD_MAX_NODES];
    struct model *model;
    struct recorder *recorder;
    struct watch *watch;
};

static inline bool world_has_fault(const struct world *w, enum world_fault fault)
{
    return world_story_has_fault(w->story, fault);
}

void event_init(struct event *e, void (*fire)(struct event *e));
/* At that time, wherever it was before. */
void world_at(struct world *w, struct event *e, uint64_t time_ns);
/* At that time at the latest. */
void world_by(struct world *w, struct event *e, uint64_t time_ns);
void world_cancel(struct world *w, struct event *e);
/* 1 to n ns from now. */
uint64_t world_soon(struct world *w, struct sim_prng *prng, uint64_t n);

static inline bool event_is_due(const struct event *e)
{
    return e->node.pos != HEAP_NONE;
}

/* --- step.c: trace, hash, failures --- */

void world_step(struct world *w, enum world_step_kind kind, unsigned who, int64_t a, int64_t b);
/* Ends the run. The first one counts. */
_printf_(3, 4) void world_fail(struct world *w, const char *invariant, const char *fmt, ...);
static inline bool world_has_failed(const struct world *w)
{
    return w->story->failure.text[0] != '\0';
}

/* --- machine.c: a node with what is below it --- */

struct reactor {
    struct event turn;
    struct machine *machine;
    unsigned index, n_vain; /* turns one after the other that had nothing to hear but what nobody wants to */
};

#define MACHINE_PORT 9092 /* of the first; the others' follow */
#define MACHINE_MAX_ORPHANS 24
#define MACHINE_MAX_CONNECTIONS (WORLD_MAX_CLIENTS + MACHINE_MAX_ORPHANS)

struct machine {
    struct world *world;
    unsigned index;
    unsigned n_reactors, n_shards;
    uint64_t max_files; /* descriptors */
    uint64_t max_disk_files;
    struct sim_prng node_prng, disk_prng, net_prng, lane_prng, prng;
    struct sim_clock clock;
    struct sim_pace pace; /* of its monotonic clock */
    struct sim_prng clock_prng;
    bool power_lost;    /* since it was booted */
    uint64_t mended_ns; /* when its segments were put right */
    struct sim_disk *disk;
    struct sim_lane *lane; /* these three: NULL while it is down */
    struct sim_net *net;
    struct node *node;
    struct env envs[WORLD_MAX_REACTORS];
    struct config config;
    struct reactor reactors[WORLD_MAX_REACTORS];
    struct sim_conn *orphans[MACHINE_MAX_ORPHANS]; /* oldest first */
    unsigned n_orphans;
    struct event lane_event, boot;
    struct event release; /* of what a fault holds: room on the disk, lanes */
    uint64_t lane_delay_ns;
    enum world_fault dies_by;  /* counted when the disk dies; WORLD_N_FAULTS: none */
    uint64_t boot_crash_steps; /* the next start meets a power loss after so many disk operations; UINT64_MAX: none */
    uint32_t n_lives;
    uint64_t paused_until;
    bool is_attached; /* to the mesh */
    bool stopping;
    bool rots;               /* a bit flips before the next start */
    bool rot_wipes;          /* and when that fails, the disk is emptied */
    struct sim_disk *backup; /* what the disk was before that, during the start; else NULL */
    bool has_sync_fs;
    bool excused;     /* errors were injected in this life: it may end, or not start */
    bool sync_failed; /* some may show in the next lives, as long as the page cache stays */
    int fatal_error;
    struct error_text fatal_text;
};

struct machine *machine_new(struct world *w, unsigned index);
void machine_free(struct machine *m);
static inline bool machine_is_up(const struct machine *m)
{
    return m->node != NULL;
}
bool machine_is_ready(const struct machine *m);
/* Orderly; it is booted again but in the phase WORLD_STOP, in which one that is down stays so. */
void machine_stop(struct machine *m);
void machine_kill(struct machine *m);
void machine_lose_power(struct machine *m, enum sim_disk_crash how);
/* And an empty one is in its place. */
void machine_lose_disk(struct machine *m);
/* It is down. Returns the disk that it had, which is the caller's, as the given one is the machine's. */
struct sim_disk *machine_change_disk(struct machine *m, struct sim_disk *disk);
/* The disk has room again, its lanes go on. */
void machine_release(struct machine *m);
/* It stands still until then; it does no longer. */
void machine_pause(struct machine *m, uint64_t until_ns);
void machine_go_on(struct machine *m);
/* A connection whose client will never do anything. */
void machine_adopt(struct machine *m, struct sim_conn *conn);
/* The node finds their end in its next turns. */
void machine_drop_orphans(struct machine *m);
/* Its reactor has something to look at. */
void machine_wake(struct machine *m, unsigned reactor);

/* --- between.c: the net between nodes --- */

struct between *between_new(struct world *w, struct sim_prng *prng);
void between_free(struct between *b);
/* Whom each lists; NULL: nobody. */
const struct config_peers *between_peers(const struct world *w);
/* As nodes are configured, by which they send heartbeats and hold elections. */
int64_t between_rtt_ns(const struct world *w);
/* A process has begun; it is about to end. */
void between_attach(struct machine *m);
void between_detach(struct machine *m, bool power_lost);
/* Its node did something: it may have sent. */
void between_look(struct machine *m);
/* A fault of the paths; none of these any more. */
void between_hit(struct world *w, enum world_fault fault);
/* A rare one: somebody changes bytes that go from a node to another. */
void between_tamper(struct world *w);
/* Nothing gets to the machine, or away from it. */
void between_isolate(struct world *w, unsigned machine, uint64_t until);
void between_heal(struct world *w);
/* What a machine has heard of the others so far, and how many of them have let hear of them since. */
void between_listen(const struct machine *m, uint64_t heard[WORLD_MAX_NODES]);
unsigned between_n_heard(const struct machine *m, const uint64_t since[WORLD_MAX_NODES]);

/* --- recorder.c: what clients did, for history/ to judge --- */

struct recorder *recorder_new(struct world *w);
void recorder_free(struct recorder *k);
/* life: how often the topic was made. */
uint32_t recorder_place(struct recorder *k, const char *topic, unsigned life, int32_t partition);

/* What begins gives the number of the operation, which is for the call that ends it. */
struct recorder_send {
    unsigned client;
    const struct partition *partition;
    uint64_t id; /* of the first record */
    int32_t count, sequence;
    int64_t producer_id; /* -1: without */
    int16_t epoch;
};
uint64_t recorder_send(struct recorder *k, const struct recorder_send *send);
/* offset -1: it wasn't told. */
void recorder_sent(struct recorder *k, uint64_t op, int64_t offset);
/* HISTORY_FAIL: for certain; HISTORY_INFO: nobody knows. */
void recorder_end(struct recorder *k, uint64_t op, enum history_kind kind);

uint64_t recorder_poll(struct recorder *k, unsigned client, const struct partition *p, int64_t offset);
/* The records of the poll that ends, one by one; then its end. */
void recorder_begin_records(struct recorder *k);
void recorder_note(struct recorder *k, const struct partition *p, int64_t offset, uint64_t value);
void recorder_polled(struct recorder *k, uint64_t op, unsigned client, int64_t next, int64_t stable);
void recorder_not_polled(struct recorder *k, uint64_t op, unsigned client, enum history_kind kind);

uint64_t recorder_list(struct recorder *k, unsigned client, const struct partition *p);
/* -1 for what wasn't told. */
void recorder_listed(struct recorder *k, uint64_t op, int64_t start, int64_t end, int64_t stable);
/* This client has just read the whole partition, and nothing is going on. */
void recorder_drain(struct recorder *k, unsigned client, const struct partition *p, int64_t start, int64_t end);
/* Records below the offset may be gone from now on; -1: all may. */
void recorder_delete(struct recorder *k, unsigned client, const struct partition *p, int64_t offset);
/* This process wrote in this epoch. */
void recorder_leader(struct recorder *k, unsigned client, const struct partition *p, int32_t epoch, uint32_t life);
/* Once: an anomaly is a failure. */
void recorder_judge(struct recorder *k);

/* --- client.c: connections and calls; the kinds are in files of their own --- */

#define CLIENT_MAX_CALLS 16

struct call {
    int16_t api, version;
    int32_t correlation;
    uint64_t deadline_ns;
    struct partition *partition; /* as far as there is one */
    struct floor floor;
    uint64_t number;     /* the kind's */
    int64_t offset;      /* likewise */
    uint64_t poll, list; /* operations of the recorder that end with it; 0: none */
    bool finds_way;
    bool arrived;                    /* all of it has reached the node */
    uint64_t heard[WORLD_MAX_NODES]; /* what that had heard then of the others */
    unsigned n_heard;                /* of so many it did hear before it answered; UINT_MAX: not known */
    bool is_zombie;                  /* of a producer: sent in an epoch that is over */
};

struct client_kind {
    const char *name;
    size_t size; /* of its struct, which begins with the client */
    void (*init)(struct client *c);
    void (*fini)(struct client *c);
    /* There may be something to do: connected, an answer came, the time of client_again() has come. */
    void (*poll)(struct client *c);
    void (*answer)(struct client *c, const struct call *call, const void *message);
    /* The connection ended, or took too long: nobody knows what became of it. */
    void (*lost)(struct client *c, const struct call *call);
    /* In the phases behind WORLD_WORK: it has got on, and asks nothing more. */
    bool (*is_done)(const struct client *c);
};

struct client {
    const struct client_kind *kind;
    struct world *world;
    unsigned index;
    struct sim_prng prng;
    struct machine *machine; /* where conn leads */
    uint32_t life;           /* of its process */
    unsigned reactor;
    struct sim_conn *conn; /* NULL: not connected */
    struct wr out;
    size_t n_sent;
    uint8_t *in;
    size_t n_in, in_capacity;
    struct call calls[CLIENT_MAX_CALLS]; /* oldest first */
    unsigned n_calls;
    int32_t next_correlation;
    struct event send, receive, timer;
    struct arena arena;
    uint64_t call_timeout_ns;
    uint64_t reconnect_ns;   /* at most so long after a connection's end */
    uint64_t quiet_until_ns; /* it was told no, and asks nothing before */
    struct {
        const struct partition *partition; /* NULL: it has looked for none yet */
        int leader;                        /* machine; -1: not known */
        int32_t epoch;                     /* as Metadata told, -1: not at all */
        bool wanders;                      /* asks somebody else next */
        uint64_t not_before_ns;
    } way;
};

struct client *client_new(struct world *w, unsigned index, const struct client_kind *kind);
void client_free(struct client *c);
/* There is a connection, and room for a call. */
bool client_can_call(const struct client *c);
/* Queues a request; the call holds until its answer or loss. */
struct call *client_call(struct client *c, int16_t api, int16_t version, const void *message);
/* A pause between requests, which are rarer in a cluster, where time has to pass. */
uint64_t client_pause_ns(const struct client *c, uint64_t ns);
/* poll() again in so long. */
void client_again(struct client *c, uint64_t ns);
/* It was told no: poll() comes a while later. */
void client_back_off(struct client *c);
/* The node did something: answers may have come. */
void client_look(struct client *c);
/* Its machine goes down. */
void client_unplug(struct client *c);
void client_reset(struct client *c);
/* The connection dies: the node isn't told; the client isn't told. */
void client_abandon(struct client *c);
void client_deafen(struct client *c);

/* way.c. Whether the connection leads to the leader of this partition, as far as it is known; else it goes there, once
 * nothing is under way, and poll() comes again. A node alone leads everything. */
bool client_goes_to(struct client *c, struct partition *p);
/* It doesn't know where to go. */
bool client_is_lost(const struct client *c);
/* It was told no, as who doesn't lead does: it looks for the leader again, maybe elsewhere. */
void client_lose_way(struct client *c);
/* Once nothing is under way it goes to any node. */
void client_go_elsewhere(struct client *c);
/* These are for client.c. */
void client_begin_way(struct client *c);
void client_forget_way(struct client *c);
void client_take_way(struct client *c, const void *message);
/* It has left, to ask somebody else. */
bool client_wanders(struct client *c);
struct machine *client_next_machine(struct client *c);
void client_leave(struct client *c);

/* reassign.c: what the operator does to have partitions moved. */
#define REASSIGN_WHERE 1 /* offset of its calls for Metadata */

struct reassign {
    int32_t ids[WORLD_MAX_NODES]; /* of the request under way */
    int32_t n;                    /* 0: one is taken back */
    uint64_t heal_ns;
    const struct partition *last; /* that was asked for in the phase WORLD_HEAL */
    bool listed;                  /* nothing is on its way */
    unsigned next_topic;          /* the ones before are where they are to be */
};

/* Maybe: a partition of this topic goes elsewhere. */
void reassign_ask(struct client *c, struct reassign *a, const struct topic *t);
/* Nothing is under way: sees to that all gets to its end. */
void reassign_settle(struct client *c, struct reassign *a);
bool reassign_is_done(const struct client *c, const struct reassign *a);
void reassign_take(struct client *c, struct reassign *a, const struct call *call, const void *message);
void reassign_lost(struct reassign *a, const struct call *call);

extern const struct client_kind producer_kind, consumer_kind, admin_kind, auditor_kind;
/* Questions that several kinds ask. offset: where to read, or ListOffsets' timestamp. */
void client_fetch(struct client *c, struct partition *p, int64_t offset, int32_t max_wait_ms, int32_t max_bytes);
void client_list_offsets(struct client *c, struct partition *p, int64_t timestamp);
const char *client_topic_name(const struct client *c, const struct partition *p);
/* Tells the model. Returns the answer's error code. */
int16_t client_take_list_offsets(struct client *c, const struct call *call, const void *message, int64_t *ret_offset);
int32_t client_leader_epoch(const void *list_offsets_answer);
/* The answer to this call says where the log ends, or that something lies beyond: who gave it must know that it leads.
 */
void client_check_end(const struct client *c, const struct call *call);
/* No answer came. */
void client_lose_read(struct client *c, const struct call *call);
/* Checks a Fetch answer and tells the model; gives the next offset to read. Returns its error code, or -1 after a
 * failure. */
int16_t client_take_fetch(struct client *c, const struct call *call, const void *message, bool in_audit,
                          int64_t *ret_next, int64_t *ret_high_watermark);
