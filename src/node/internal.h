/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of node/ share. */

#include "broker/backend.h"
#include "journal/journal.h"
#include "journal/superblock.h"
#include "meta/meta.h"
#include "node/links.h"
#include "node/node.h"
#include "replica/replica.h"
#include "state/state.h"

#define NODE_BROKER_ID 1 /* of a node that forms a cluster alone */
#define NODE_STATE_PATH "state/0.db"
#define NODE_METADATA_DIR "state/metadata"

/* A group that lives on this node, in its shard's table. */
struct node_group {
    struct hash_node by_id;
    struct list link; /* of the shard */
    uint64_t id;
    struct replica *replica;
    struct node_shard *shard;
    struct uuid topic; /* zero: the metadata */
    int32_t partition;
    unsigned n_damaged, n_found; /* segments that the scrubber found damaged: in the last pass, in this one */
    uint32_t in_sync;            /* as it was told last */
    bool gone;                   /* its topic was deleted: only what must end is still routed to it */
    bool waits;                  /* without a disk and a leader for some time */
    bool settling;               /* the metadata is being told that its members are whom it wants */
    uint8_t n_retells;           /* so many times more the copies hear who is in sync, though it is the same */
    bool lost;                   /* too many of its voters have lost their disks for it ever to be led again */
    struct list look_link;       /* shard->looks: see reconcile.c */
    struct node_change *change;  /* its members are being changed */
};

/* Who leads a group and who is in sync, for all reactors' copies of the metadata. */
struct node_lead {
    struct uuid topic; /* zero: the metadata */
    int32_t partition, leader, epoch;
    uint32_t in_sync;
};

/* Of a reactor's groups, since the last turn. */
struct node_leads {
    struct node_lead *all;
    size_t n, capacity;
};

/* The scrubber of a shard. */
struct node_scrub {
    struct node_shard *shard;
    struct node_group *at;
    uint64_t n_left; /* groups of this pass; 0: none is under way */
    uint64_t pass_ns, due_ns;
    uint64_t begin_index; /* in the group that the pass began in */
    struct replica_scrub replica;
    uint64_t n_bytes, n_segments, n_damaged; /* since start */
};

struct node_shard {
    struct node *node;
    unsigned index;
    struct journal *journal;
    struct replica_shard replicas;
    struct hash_table by_id;
    struct list groups;
    uint64_t checked_flushes; /* journal's count at the last look for pins */
    unsigned n_destroying;
    struct node_scrub scrub;
    struct list looks; /* groups whose members may not be as the metadata wants them */
    uint64_t next_look_ns;
    unsigned n_changing, n_lost; /* groups */
    struct list settlings;       /* commands to the metadata */
    struct list forgets;         /* requests about groups that no topic has any more */
    uint64_t n_refused;          /* raft messages of other nodes, by a replica or its core */
};

enum node_phase {
    NODE_RUNNING,
    NODE_DRAINING,      /* brokers finish */
    NODE_CHECKPOINTING, /* shards write what only the journal has */
    NODE_STOPPED,
};

/* Room on the disk as of the last look. */
struct node_space_view {
    bool closed; /* Produce is refused until so much is free */
    uint64_t free_bytes, needed_bytes;
};

/* How far another broker has applied the metadata: see applied.c. By its node id, as it may tell before the metadata
 * here knows it. */
struct node_applied {
    char *node_id;
    uint64_t index;
};

struct links;

struct node_reactor {
    struct broker_backend backend; /* first: the broker's pointer leads here */
    struct node *node;
    unsigned index;
    struct env *env;
    struct broker *broker;
    struct links *links; /* NULL: no other nodes, or a test's table takes its place */
    struct meta meta;
    struct buf_pool pool;
    struct mem_pool blocks;
    uint64_t now_ns;
    uint64_t next_housekeep_ns, next_pins_ns, next_tick_ns, next_trim_ns, next_losses_ns;
    enum node_phase phase;
    uint64_t phase_deadline_ns; /* then what isn't done is left */
    uint64_t hand_over_end_ns;  /* draining: until then others are asked to lead */
    uint64_t next_stop_ns;      /* between looks at the shards */
    struct node_space_view space;
    uint64_t next_nudge_ns, looked_bytes;
    struct node_leads leads;
    struct node_applied applied[META_FOUNDERS_MAX];
    unsigned n_applied;
    bool in_cluster; /* of several brokers */
    bool current;    /* the metadata was up to date once since the start */
    bool closed;     /* draining took too long: its groups let nobody wait any more */
    bool phase_done; /* told to reactor 0 */
    bool ready;
    bool trims; /* keeps buffers that may go */
};

/* Reactor 0 only: metadata's image on its way to SQLite. */
struct node_image {
    struct state_db *db;
    struct list records; /* struct meta_record: the last change of each */
    struct hash_table by_key;
    struct state_applied applied;
    bool dirty;
    bool full; /* the last try met a full disk */
    uint64_t due_ns;
    struct node_image_job *job;
};

/* Reactor 0 only: room on the disk, and the reserve. */
struct node_space {
    bool held;           /* the reserve is there */
    bool closed;         /* Produce is refused */
    bool nudged, wanted; /* a look was asked for; something met a full disk */
    uint64_t total_bytes, free_bytes, needed_bytes, reserve_bytes;
    uint64_t due_ns;
    struct node_space_job *job;
};

struct node_start_command {
    struct replica_command command;
    struct node *node;
};

/* A node of the list that it was started with. */
struct node_listed {
    char *node_id;
    char *raft_addr;
    bool is_controller;
    bool votes; /* in the metadata group, when the cluster is formed */
    bool heard; /* since the start: */
    struct uuid incarnation;
    struct uuid cluster_id;
};

/* Reactor 0: the forming of a cluster of several brokers. */
struct node_forming {
    struct node_listed *listed; /* in order of node ids; this node is one of them */
    size_t n_listed;
    struct node_forming_job *job;
    unsigned n_pending;             /* reactors that haven't taken over what was formed */
    bool untold[META_FOUNDERS_MAX]; /* founders who have said that they are in no cluster */
    uint64_t next_tell_ns;
};

/* Reactor 0: this node's word to the metadata about itself, in a cluster of several. */
struct node_registering {
    struct broker_command command;
    struct wr body;
    bool busy;
    uint64_t next_ns;
};

/* Reactor 0: nodes that come with a blank data directory, and this one if it has. */
struct node_readmitting {
    struct broker_command command;
    struct wr body;
    bool busy;
    uint64_t next_ns, since_ns, told_ns;
    struct uuid told; /* who people were told of last */
    char node_id[SUPERBLOCK_NODE_ID_MAX + 1];
};

/* Reactor 0: commands on their way to the metadata's leader. */
struct node_asks {
    struct list all, served; /* this node's, those of others that this node has proposed */
    unsigned n_served;
    uint64_t last_id; /* random at first: answers to what was asked before a start come late, and are for nobody */
    bool look;        /* something is new */
};

struct node {
    const struct config *config;
    const struct node_links_ops *links; /* NULL: there are no other nodes */
    struct node_host host;
    unsigned n_reactors, n_shards;
    uint64_t journal_file_bytes;
    struct node_reactor *reactors;
    struct node_shard *shards;
    struct superblock superblock;
    uint16_t port;
    /* The rest: reactor 0 only, after start. */
    struct replica *metadata;        /* NULL: the cluster isn't formed yet */
    struct meta_formation formation; /* of several brokers; no founders: this node's is its own */
    struct node_forming forming;
    struct node_registering registering;
    struct node_readmitting readmitting;
    struct node_asks asks;
    struct node_foreseen *foreseen; /* see foresee.c; NULL: nothing is */
    bool told_current;              /* the reactors */
    bool tells_applied, tells_applied_again;
    struct node_image image;
    struct node_space space;
    unsigned n_phase_done;
    unsigned n_starting; /* start-up commands under way, of these: */
    struct node_start_command start_commands[2];
    bool registers_late; /* the copies know it as it is, the log will when there is room */
    bool recovering;     /* in node_open() */
    struct node_superblock_job *superblock_job;
    /* Of the command that was applied last, for its proposer. */
    int64_t producer_ids_first;
    int32_t producer_ids_count;
};

/* Several brokers form the cluster, or have formed it. */
static inline bool node_has_peers(const struct node *n)
{
    return n->formation.n_founders > 0 || n->forming.n_listed > 0;
}

/* It belongs to a cluster. */
static inline bool node_is_formed(const struct node *n)
{
    return !uuid_is_zero(&n->superblock.cluster_id);
}

/* The metadata group, the first, lives on shard 0. */
static inline struct node_shard *node_shard_of(struct node *n, uint64_t group)
{
    return &n->shards[(group - META_GROUP_ID_DEFAULT) % n->n_shards];
}

static inline bool node_owns(const struct node_reactor *r, const struct node_shard *s)
{
    return s->index % r->node->n_reactors == r->index;
}

/* identity.c */
int node_identify(struct node *n, const struct node_options *options, struct error_text *err);
/* Reactor 0: notes on disk, behind, that all journals have been made. */
void node_identity_complete(struct node *n);

/* dirs.c: the groups that have a directory; blocking, at start. */
struct node_dirs {
    uint64_t *groups; /* sorted */
    size_t count, capacity;
};
/* Removes the directories of unknown topics too. *ret is empty before, and to be freed also after an error. */
int node_dirs_scan(struct node *n, struct env_disk *disk, struct node_dirs *ret);
bool node_dirs_has(const struct node_dirs *d, uint64_t group);
void node_dirs_fini(struct node_dirs *d);
/* Blocking: removes a partition's directory. What isn't the partition's in it stays, and people are told of it. */
int node_remove_dir(struct node *n, struct env_disk *disk, const char *dir);
/* People are told; ctx is the shard. */
void node_dir_kept(void *ctx, const char *dir);

/* node.c */
/* Tells the host what failed, with the error's text. */
void node_fatal(const struct node *n, int err, const char *what);
/* When the broker id is known. */
void node_make_fleet(struct node_shard *s);

/* formation.c: the file that says who formed the cluster. */
#define NODE_FORMATION_PATH "formation"
/* Blocking. 0, -ENOENT, or another error, said in err. */
int node_formation_load(struct env_disk *disk, struct meta_formation *ret, struct error_text *err);
/* Blocking: durable when it returns 0. */
int node_formation_store(struct env_disk *disk, const struct meta_formation *f);
/* Which founder this node is; NULL: none. */
const struct meta_founder *node_founder(const struct meta_formation *f, const struct superblock *sb);
/* With this data directory. Else it was readmitted, with a blank one, or is about to be. */
bool node_has_founded(const struct meta_formation *f, const struct superblock *sb);
/* Belongs to the cluster from then on. */
void node_formation_adopt(const struct meta_formation *f, struct superblock *sb);
/* The members of the metadata group. */
void node_formation_members(const struct meta_formation *f, struct replica_members *ret);

/* forming.c: reactor 0 */
void node_forming_init(struct node *n, const struct node_options *options);
/* Whether those who are listed could form a cluster: 0 or NODE_E_PEERS. */
int node_forming_check(const struct node *n, struct error_text *err);
/* The list isn't needed. */
void node_forming_forget(struct node *n);
void node_forming_fini(struct node *n);
void node_forming_start(struct node *n);
uint64_t node_forming_poll(struct node *n);
void node_forming_heard(struct node *n, const struct peer_hello *hello);
/* Another node has formed the cluster. */
void node_forming_told(struct node *n, struct slice command);
/* The cluster has taken this node again, with its blank data directory; it is of this formation. */
void node_forming_welcomed(struct node *n, struct slice command);
/* Nothing is on its way that decides which cluster the node belongs to, and it may still come to belong to one. */
bool node_may_join(const struct node *n);
bool node_forming_is_idle(const struct node *n);
/* Makes the metadata group, whose log is empty. */
void node_found_metadata(struct node *n);

/* readmit.c: reactor 0 */
void node_readmit_fini(struct node *n);
/* A listed node said hello. */
void node_readmit_look(struct node *n);
/* Each turn: asks to be taken again, where the others have a cluster and this node has a blank data directory. */
uint64_t node_readmit_poll(struct node *n);
/* Another one asks. */
void node_readmit_asked(struct node *n, const char *node_id, struct slice body);
/* The answer. */
void node_readmit_welcomed(struct node *n, struct slice body);
/* For people. */
void node_notice(struct node *n, bool is_bad, const char *format, ...) _printf_(3, 4);

/* applied.c */
/* Reactor 0: the others hear how far this node has applied the metadata. */
void node_tell_applied(struct node *n);
void node_applied_heard(struct node *n, const char *node_id, struct slice body);
/* 0: it hasn't told. */
uint64_t node_applied_of(const struct node_reactor *r, int32_t broker_id);
void node_applied_fini(struct node_reactor *r);

/* reconcile.c: that a group's members become who the metadata says; the shard's reactor */
void node_group_look(struct node_group *g);
void node_shard_look(struct node_shard *s);
/* Each turn. Returns when it wants to be called again. */
uint64_t node_reconcile_poll(struct node_shard *s);
void node_reconcile_forget(struct node_group *g);
void node_reconcile_fini(struct node_shard *s);
/* Once a minute: groups that nobody can lead any more are told of. */
void node_look_for_losses(struct node_shard *s);

/* forward.c: reactor 0 */
void node_asks_fini(struct node *n);
void node_ask(struct node *n, struct broker_command *c);
void node_ask_forwarded(struct node *n, const char *node_id, struct slice body);
void node_ask_replied(struct node *n, struct slice body);
/* The metadata has another leader, or was applied. */
void node_asks_look(struct node *n);
uint64_t node_asks_poll(struct node *n);
/* Nobody is to wait any more. */
void node_asks_end(struct node *n);

/* cluster.c */
/* For replica_shard: */
void node_send(void *ctx, struct replica_message *m);
void node_send_session(void *ctx, const struct fleet_message *m);
void node_group_led(void *ctx, struct replica *r);
/* At the end of the turn the copies hear who leads it. */
void node_note_lead(struct node_group *g);
/* What the copies say of who leads, where the groups haven't said so yet: of partitions from `from` on. */
void node_init_leads(struct node_reactor *r, struct meta_topic *t, int32_t from);
/* Now and then: who is in sync. */
void node_look_for_in_sync(struct node_shard *s);
/* End of a turn. */
void node_tell_leads(struct node_reactor *r);
/* Reactor 0: there are to be links to the brokers that the metadata, or the formation, has. */
void node_know_brokers(struct node *n);
/* Reactor 0, each turn: tells the metadata where this node is. */
uint64_t node_cluster_poll(struct node *n);

/* foresee.c */
/* At a start, when the metadata is back as far as it is known to be committed: what is in its log beyond that. */
void node_foresee(struct node *n);
/* It has such a partition; its group is *ret_group. */
bool node_foresees(const struct node *n, const struct uuid *topic, long partition, uint64_t *ret_group);
/* Ends with the first result that isn't 0. */
int node_each_foreseen(const struct node *n, int (*fn)(void *ctx, const struct meta_topic *t), void *ctx);
/* Whether the topic is gone once these entries count. */
bool node_foresees_end(const struct node *n, const struct uuid *topic);
/* The metadata as it would be; NULL: nothing is foreseen. */
const struct meta *node_foreseen_meta(const struct node *n);
void node_foreseen_fini(struct node *n);

/* recover.c */
int node_recover(struct node *n, const struct node_options *options, struct error_text *err);
/* file_bytes: node_options.journal_file_bytes. */
void node_journal_sizes(const struct config *c, uint64_t file_bytes, struct journal_config *ret);

/* groups.c */
struct node_group *node_group_find(const struct node_shard *s, uint64_t id);
/* For replica_shard.find. */
struct replica *node_find_replica(void *ctx, uint64_t group);
struct node_group *node_group_add(struct node_shard *s, uint64_t id, struct replica *replica);
/* Whether the partition has a replica here, as this metadata says. With others: *ret_members are its voters, and config
 * says so; none where this node hasn't had the replica all the time, or has lost its disk. */
bool node_places_here(const struct node *n, const struct meta *meta, const struct meta_topic *t, int32_t partition,
                      struct replica_members *ret_members, struct replica_config *config);
/* Who the partition's voters were when it was made. */
void node_first_members(const struct meta *meta, const struct meta_topic *t, int32_t partition,
                        struct replica_members *ret);
/* The metadata places it here. */
bool node_has_place(const struct node *n, const struct meta_topic *t, int32_t partition);
/* Its group belongs to a topic. */
void node_group_name(struct node_group *g, const struct meta_topic *t, int32_t partition);
void node_group_destroy(struct node_group *g);
void node_group_free(struct node_group *g);
/* What a topic's partitions run with, from its own configs and the node's defaults. */
void node_topic_limits(const struct config *config, const struct meta_topic *t, struct replica_limits *ret);
/* malloc'd path of a partition's log below the data directory. */
char *node_partition_dir(const struct meta_topic *t, int32_t partition);
/* All of the metadata's log that was applied before the start is again: the groups of this reactor become those that it
 * says. */
void node_groups_settle(struct node_reactor *r);
/* Carries an applied metadata event out on the groups that live on this reactor. */
void node_follow(struct node_reactor *r, const struct meta_event *e);
/* All topics of this reactor's groups take new limits. */
void node_refresh_limits(struct node_reactor *r);

/* image.c: reactor 0 */
void node_image_init(struct node *n);
/* Nothing was applied and nothing waits; the database stays. */
void node_image_forget(struct node *n);
/* Takes the records that the entry has changed, which reactor 0's copy has applied. */
void node_image_note(struct node *n, struct list *records, const struct state_applied *applied);
/* Writes the image behind: when it is due, or now. */
void node_image_poll(struct node *n, bool now);
bool node_image_is_idle(const struct node *n);
/* The last write met a full disk. */
bool node_image_is_blocked(const struct node *n);

/* metadata.c */
void node_metadata_apply(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, struct slice command,
                         int16_t *ret_result);
void node_metadata_start(struct node *n);
/* Whether this copy of the metadata tells clients where this node is since its start. */
bool node_is_registered(struct node *n, const struct meta *meta);
/* What the metadata is told waits for a journal file. Reactor 0. */
bool node_metadata_waits(struct node *n);
/* Before the reactors start: where the log can't be told how clients reach this node now, the copies are, so that it
 * can serve them. */
void node_metadata_note_self(struct node *n);
void node_metadata_propose(struct node *n, struct broker_command *c);
/* How its replica is opened, or made. */
void node_metadata_config(struct node *n, struct replica_members *members, struct replica_config *ret);
/* Why a command can't be proposed here: 0 or a Kafka error code. */
int16_t node_metadata_refusal(const struct node *n, struct slice command);
/* The command goes home, behind the copy's mail, so the asker's reactor has applied it when the answer comes. */
void node_command_done(struct node *n, struct broker_command *c, int16_t error);
/* What the metadata must say of this node; the texts stay the node's. */
struct meta_broker node_this_broker(struct node *n);

/* route.c */
extern const struct broker_backend_ops node_backend_ops;
void node_complete(void *ctx, struct replica_op *op);

/* forget.c: groups whose topic is gone but whose end the journal didn't see leave it. */
void node_forget_orphans(struct node_shard *s);
void node_forgets_fini(struct node_shard *s);
/* It is about to leave the journal. */
bool node_forgets(const struct node_shard *s, uint64_t group);

/* links.c: connections with other nodes; see links.h. All but the first two on the reactor. */
/* At start, behind recovery. */
void node_links_init(struct node_reactor *r);
/* Nothing of it is on its way any more. Harmless without. */
void node_links_fini(struct node_reactor *r);
/* What came in goes to its shards, before these are polled. */
void node_links_turn(struct node_reactor *r);
/* What they said goes out. Returns when it wants a turn at the latest. */
uint64_t node_links_flush(struct node_reactor *r);
/* All connections end, and no new ones come. */
void node_links_stop(struct node_reactor *r);
/* After that: nothing is on its way to another reactor. */
bool node_links_are_quiet(const struct node_reactor *r);
void node_links_add_stats(const struct node_reactor *r, struct node_report *report);

/* housekeep.c */
uint64_t node_housekeep(struct node_reactor *r);

/* scrub.c */
void node_scrub_init(struct node_shard *s, uint64_t now_ns);
/* The group is about to go. */
void node_scrub_forget(struct node_group *g);
/* Damage was found while somebody needed what it hit: ctx is the struct node_shard. */
void node_group_damaged(void *ctx, struct replica *replica, const char *text);
/* Each turn. Returns when it wants to be called again. */
uint64_t node_scrub_poll(struct node_reactor *r);

/* space.c */
/* Blocking, before recovery, which gets the reserve when little else is free. */
int node_space_open(struct node *n, struct env_disk *disk, struct error_text *err);
/* Each turn. Returns when it wants to be called again. */
uint64_t node_space_poll(struct node_reactor *r);
bool node_space_is_idle(const struct node *n);

/* stop.c */
#define NODE_STOP_POLL_NS (10ull * 1000 * 1000)
void node_stop_poll(struct node_reactor *r);
bool node_is_at_rest(const struct node_reactor *r);
