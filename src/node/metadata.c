/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "wire/error.h"

/* The metadata group as this node runs it: commands are proposed on reactor 0, applied there first, then sent to the
 * other reactors' copies, and written to SQLite behind: see image.c. */

#define COMMAND_MAX (4u << 20)
#define COMMAND_OVERHEAD (ENTRY_HEADER_SIZE + ENTRY_COMMAND_HEADER_SIZE)

/* A command on its way to the other reactors' copies. */
struct metadata_mail {
    struct lane_mail mail;
    struct node_reactor *to;
    uint64_t index;
    size_t size;
    uint8_t command[];
};

static void copy_arrived(struct lane_mail *mail)
{
    struct metadata_mail *m = container_of(mail, struct metadata_mail, mail);
    struct meta_event e;

    gq_assert(meta_apply(&m->to->meta, m->index, slice_make(m->command, m->size), &e) == 0);
    node_follow(m->to, &e);
    meta_event_fini(&e);
    free(m);
}

static void send_copies(struct node *n, uint64_t index, struct slice command)
{
    for (unsigned i = 1; i < n->n_reactors; i++) {
        struct metadata_mail *m = xmalloc(sizeof(*m) + command.size);

        *m = (struct metadata_mail){ .to = &n->reactors[i], .index = index, .size = command.size };
        m->mail.deliver = copy_arrived;
        memcpy(m->command, command.data, command.size);
        lane_post(n->reactors[0].env->lane, i, &m->mail);
    }
}

/* A proposer's command while it is in the log. */
struct metadata_proposal {
    struct replica_command command;
    struct broker_command *asker;
    struct node *node;
};

/* During recovery the copies are filled directly, and nobody follows yet. */
static void apply_at_start(struct node *n, uint64_t index, struct slice command)
{
    for (unsigned i = 1; i < n->n_reactors; i++) {
        struct meta_event e;

        gq_assert(meta_apply(&n->reactors[i].meta, index, command, &e) == 0);
        meta_event_fini(&e);
    }
}

void node_metadata_apply(void *ctx, uint64_t index, uint64_t term, uint32_t checksum, struct slice command,
                         int16_t *ret_result)
{
    struct node *n = ctx;
    struct node_reactor *r = &n->reactors[0];
    struct meta_event e;

    if (meta_apply(&r->meta, index, command, &e) < 0) {
        node_fatal(n, -EBADMSG, "applying a metadata entry that this version doesn't know");
        return;
    }
    *ret_result = e.error;
    n->producer_ids_first = e.producer_id_first;
    n->producer_ids_count = e.producer_id_count;
    node_image_note(n, &e.records, &(struct state_applied){ index, term, checksum });
    if (n->recovering) {
        apply_at_start(n, index, command);
    } else {
        node_follow(r, &e);
        send_copies(n, index, command);
        node_asks_look(n);
    }
    meta_event_fini(&e);
}

void node_metadata_config(struct node *n, struct replica_members *members, struct replica_config *ret)
{
    *ret = (struct replica_config){
        .group = META_GROUP_ID_DEFAULT,
        .dir = NODE_METADATA_DIR,
        .limits = { .segment_bytes = 64u << 20,
                    .segment_ms = INT64_MAX,
                    .retention_ms = -1,
                    .retention_bytes = -1,
                    .max_message_bytes = UINT32_MAX,
                    .min_insync = 1 },
        .apply = node_metadata_apply,
        .apply_ctx = n,
        .applied_index = n->image.applied.index,
        .applied_term = n->image.applied.term,
        .applied_checksum = n->image.applied.checksum,
    };
    if (n->formation.n_founders == 0)
        return;
    node_formation_members(&n->formation, members);
    if (!node_has_founded(&n->formation, &n->superblock))
        members->n_members = 0; /* waits to be spoken to */
    ret->members = members;
}

static void command_home(struct lane_mail *mail)
{
    struct broker_command *c = container_of(mail, struct broker_command, mail);

    c->done(c);
}

void node_command_done(struct node *n, struct broker_command *c, int16_t error)
{
    c->error = error;
    c->mail.deliver = command_home;
    lane_post(n->reactors[0].env->lane, c->home_reactor, &c->mail);
}

static void proposal_done(struct replica_command *command, int16_t result)
{
    struct metadata_proposal *p = container_of(command, struct metadata_proposal, command);

    p->asker->ret_producer_id_first = p->node->producer_ids_first;
    p->asker->ret_producer_id_count = p->node->producer_ids_count;
    node_command_done(p->node, p->asker, result);
    free(p);
}

int16_t node_metadata_refusal(const struct node *n, struct slice command)
{
    const struct node_shard *s = node_shard_of((struct node *)n, META_GROUP_ID_DEFAULT);

    if (command.size > COMMAND_MAX || command.size + COMMAND_OVERHEAD > journal_max_entry(s->journal) ||
        meta_check(command) < 0)
        return KAFKA_E_INVALID_REQUEST;
    if (n->reactors[0].closed || n->reactors[0].phase >= NODE_CHECKPOINTING)
        return KAFKA_E_NOT_CONTROLLER;
    /* While the journal has room, metadata goes on with a full disk: deleting topics is what makes room. */
    if (journal_space_error(s->journal) != 0 && !journal_has_room(s->journal, command.size + COMMAND_OVERHEAD))
        return KAFKA_E_KAFKA_STORAGE_ERROR;
    return 0;
}

void node_metadata_propose(struct node *n, struct broker_command *c)
{
    struct metadata_proposal *p;
    int16_t error;

    if (node_has_peers(n)) {
        node_ask(n, c);
        return;
    }
    error = node_metadata_refusal(n, c->body);
    if (error != 0) {
        node_command_done(n, c, error);
        return;
    }
    p = xcalloc(1, sizeof(*p));
    p->asker = c;
    p->node = n;
    p->command.done = proposal_done;
    replica_propose_command(n->metadata, &p->command, c->body);
}

/* --- what a single node tells the metadata about itself at start --- */

static void start_done(struct replica_command *command, int16_t result)
{
    struct node_start_command *s = container_of(command, struct node_start_command, command);

    gq_assert(result == 0 || s->node->reactors[0].closed);
    s->node->n_starting--;
}

static void start_propose(struct node *n, struct wr *w)
{
    struct node_start_command *s = &n->start_commands[n->n_starting++];

    gq_assert(w->error == 0 && n->n_starting <= ARRAY_SIZE(n->start_commands));
    *s = (struct node_start_command){ .command.done = start_done, .node = n };
    replica_propose_command(n->metadata, &s->command, slice_make(w->start, wr_size(w)));
    wr_fini(w);
}

/* Of one of several: where its links listen. */
static char *raft_addr_of(const struct node *n)
{
    const struct meta_founder *f = node_founder(&n->formation, &n->superblock);

    if (f == NULL)
        return NULL;
    return n->config->raft.raft_addr != NULL ? n->config->raft.raft_addr : f->raft_addr;
}

struct meta_broker node_this_broker(struct node *n)
{
    const struct config *c = n->config;

    return (struct meta_broker){
        .id = n->superblock.broker_id,
        .node_id = n->superblock.node_id,
        .incarnation = n->superblock.incarnation,
        .host = c->advertised_addr != NULL ? c->advertised_addr : (char *)"",
        .port = c->advertised_port != CONFIG_AUTO ? (uint16_t)c->advertised_port : n->port,
        .rack = c->rack,
        .raft_addr = raft_addr_of(n),
    };
}

bool node_is_registered(struct node *n, const struct meta *meta)
{
    struct meta_broker b = node_this_broker(n);
    const struct meta_broker *known = meta_broker_by_id(meta, b.id);

    return known != NULL && strcmp(known->node_id, b.node_id) == 0 && strcmp(known->host, b.host) == 0 &&
           known->port == b.port && uuid_eq(&known->incarnation, &b.incarnation) &&
           slice_eq_str(slice_str(known->rack), b.rack) && slice_eq_str(slice_str(known->raft_addr), b.raft_addr);
}

static void propose_broker(struct node *n)
{
    struct meta_broker b = node_this_broker(n);
    struct wr w;

    if (node_is_registered(n, &n->reactors[0].meta) && !n->registers_late)
        return;
    wr_init_growing(&w, 256, COMMAND_MAX);
    meta_write_broker(&w, &b);
    start_propose(n, &w);
}

bool node_metadata_waits(struct node *n)
{
    return journal_lacks_file(node_shard_of(n, META_GROUP_ID_DEFAULT)->journal);
}

void node_metadata_note_self(struct node *n)
{
    struct meta_broker b = node_this_broker(n);

    if (n->formation.n_founders > 0 || !node_is_formed(n))
        return;
    n->registers_late = node_metadata_waits(n) && !uuid_is_zero(&n->reactors[0].meta.cluster_id) &&
                        !node_is_registered(n, &n->reactors[0].meta);
    for (unsigned i = 0; n->registers_late && i < n->n_reactors; i++)
        meta_set_broker(&n->reactors[i].meta, &b);
}

void node_metadata_start(struct node *n)
{
    struct wr w;

    replica_lead(n->metadata);
    if (uuid_is_zero(&n->reactors[0].meta.cluster_id)) {
        wr_init_growing(&w, 64, COMMAND_MAX);
        meta_write_form(&w, &n->superblock.cluster_id);
        start_propose(n, &w);
    }
    propose_broker(n);
}
