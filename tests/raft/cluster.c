/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/cluster.h"

static uint32_t entry_size(void *ctx, uint64_t index)
{
    const struct node *n = ctx;

    return n->log.entries[index].size;
}

struct cluster *cluster_new(uint64_t seed, unsigned n_nodes, unsigned n_voters)
{
    struct cluster *c = xcalloc(1, sizeof(*c));

    c->seed = seed;
    c->rand.state = seed;
    c->n_nodes = n_nodes;
    c->ops.entry_size = entry_size;
    c->ops.heard = session_heard;
    c->limits = (struct raft_limits){
        .election_timeout = 100,
        .heartbeat_interval = 20,
        .peer_down_spread = 10,
        .message_entries = 100,
        .message_bytes = 300,
        .inflight_messages = 3,
        .inflight_bytes = 600,
        .uncommitted_bytes = 2000,
    };
    for (unsigned i = 1; i <= n_voters; i++)
        c->first_roles[i] = RAFT_VOTER;
    for (unsigned i = 1; i <= n_nodes; i++) {
        struct node *n = &c->nodes[i];

        n->cluster = c;
        n->id = (int32_t)i;
        n->disk_vote = RAFT_NONE;
        n->ops = xcalloc(CLUSTER_OPS, sizeof(*n->ops));
        disk_restart(n);
    }
    return c;
}

void cluster_free(struct cluster *c)
{
    for (unsigned i = 1; i <= c->n_nodes; i++) {
        raft_free(c->nodes[i].raft);
        free(c->nodes[i].ops);
    }
    while (c->n_packets > 0)
        cluster_drop(c, c->n_packets - 1);
    free(c);
}

void cluster_fail(struct cluster *c, const char *format, ...)
{
    va_list args;

    if (c->failure[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(c->failure, sizeof(c->failure), format, args);
    va_end(args);
}

void cluster_say(struct cluster *c, const char *format, ...)
{
    va_list args;

    if (c->story == NULL)
        return;
    va_start(args, format);
    vfprintf(c->story, format, args);
    va_end(args);
}

struct raft_config cluster_config(const uint8_t *roles)
{
    struct raft_config config = { 0 };

    for (int32_t i = 1; i <= CLUSTER_NODES; i++)
        if (roles[i] != 0)
            config.members[config.n_members++] = (struct raft_config_member){ .id = i, .roles = roles[i] };
    return config;
}

const uint8_t *cluster_roles_at(const struct cluster *c, const struct sim_log *log, uint64_t index)
{
    for (; index > 0; index--)
        if (log->entries[index].is_config)
            return log->entries[index].roles;
    return c->first_roles;
}

/* An image isn't lost unheard: who sends it would have to be told. */
static unsigned draw_victim(struct cluster *c)
{
    unsigned i = (unsigned)rand_below(&c->rand, c->n_packets);

    while (c->packets[i].m.kind == RAFT_SNAPSHOT)
        i = (i + 1) % c->n_packets;
    return i;
}

static void send_packet(struct cluster *c, struct node *from, const struct raft_message *m)
{
    struct packet *p;

    check_message(c, m);
    if (c->n_packets == CLUSTER_PACKETS)
        cluster_drop(c, draw_victim(c));
    p = &c->packets[c->n_packets++];
    *p = (struct packet){ .m = *m };
    if (m->kind == RAFT_APPEND && m->n_entries > 0) {
        p->entries = xcalloc(m->n_entries, sizeof(*p->entries));
        memcpy(p->entries, &from->log.entries[m->index + 1], m->n_entries * sizeof(*p->entries));
    } else if (m->kind == RAFT_SNAPSHOT) {
        p->entries = xcalloc(1, sizeof(*p->entries));
        memcpy(p->entries->roles, cluster_roles_at(c, &from->log, m->index), sizeof(p->entries->roles));
    }
}

/* The effects of an update, in the order that raft.h asks for. entries: bodies of what is appended. */
static void take_effects(struct cluster *c, struct node *n, const struct sim_entry *entries)
{
    const struct raft_update *u = &c->update;

    if (u->hard_state)
        disk_push(n, &(struct sim_op){ .kind = SIM_HARD_STATE, .term = u->term, .vote = u->vote });
    if (u->truncate_from != 0) {
        c->n_truncations++;
        n->log.last = u->truncate_from - 1;
        disk_push(n, &(struct sim_op){ .kind = SIM_TRUNCATE, .index = u->truncate_from });
    }
    if (u->install) {
        c->n_images++;
        memcpy(n->log.entries, c->truth, (u->install_index + 1) * sizeof(*n->log.entries));
        n->log.start = n->log.last = u->install_index;
        disk_push(n, &(struct sim_op){
                         .kind = SIM_INSTALL, .index = u->install_index, .term = u->install_term, .epoch = u->epoch });
    }
    for (uint64_t i = u->append_first; i != 0 && i <= u->append_last; i++) {
        struct sim_entry e = { .size = RAFT_NOOP_SIZE };

        if (!u->noop)
            e = entries[i - u->append_first];
        e.term = raft_term_at(n->raft, i);
        n->log.entries[i] = e;
        n->log.last = i;
        disk_push(n, &(struct sim_op){ .kind = SIM_ENTRY, .index = i, .term = e.term, .epoch = u->epoch, .entry = e });
    }
    for (uint32_t i = 0; i < u->n_messages; i++)
        send_packet(c, n, &u->messages[i]);
}

void cluster_step(struct cluster *c, int32_t id, const struct raft_event *event, const struct sim_entry *entries)
{
    struct node *n = &c->nodes[id];
    struct raft_event copy = *event;

    if (!n->up || c->failure[0] != '\0')
        return;
    copy.now = c->now;
    c->n_events++;
    if (event->kind == RAFT_PEER_DOWN)
        n->session_term[event->peer] = 0;
    raft_step(n->raft, &copy, &c->update);
    if (event->kind == RAFT_RECEIVE && c->update.append_first != 0 && entries != NULL)
        entries += c->update.append_first - event->message->index - 1;
    session_update(c, n);
    take_effects(c, n, entries);
    story_update(c, n);
    check_update(c, n);
}

void cluster_tick(struct cluster *c, int32_t id)
{
    if (c->nodes[id].up && raft_next_tick(c->nodes[id].raft) <= c->now)
        cluster_step(c, id, &(struct raft_event){ .kind = RAFT_TICK }, NULL);
}

static int propose(struct cluster *c, int32_t id, struct sim_entry *entries, unsigned count)
{
    struct node *n = &c->nodes[id];
    struct raft_entry proposed[16];
    struct raft_config config;

    gq_assert(count <= ARRAY_SIZE(proposed));
    if (!n->up || n->log.last + count + 8 > CLUSTER_LOG)
        return RAFT_E_BUSY;
    for (unsigned i = 0; i < count; i++) {
        proposed[i] = (struct raft_entry){ .size = entries[i].size };
        n->log.entries[n->log.last + 1 + i] = entries[i];
        if (entries[i].is_config) {
            config = cluster_config(entries[i].roles);
            proposed[i].config = &config;
        }
    }
    cluster_step(c, id, &(struct raft_event){ .kind = RAFT_PROPOSE, .entries = proposed, .n_entries = count }, entries);
    return c->update.error;
}

int cluster_propose(struct cluster *c, int32_t id, unsigned count, uint32_t size)
{
    struct sim_entry entries[16] = { 0 };

    for (unsigned i = 0; i < count; i++) {
        entries[i].value = ++c->next_value;
        entries[i].size = size;
    }
    return propose(c, id, entries, count);
}

int cluster_propose_config(struct cluster *c, int32_t id, const uint8_t *roles)
{
    struct sim_entry entry = { .value = ++c->next_value, .size = 50, .is_config = true };

    memcpy(entry.roles, roles, sizeof(entry.roles));
    return propose(c, id, &entry, 1);
}

void cluster_drop(struct cluster *c, unsigned i)
{
    free(c->packets[i].entries);
    c->n_packets--;
    memmove(&c->packets[i], &c->packets[i + 1], (c->n_packets - i) * sizeof(c->packets[0]));
}

void cluster_deliver(struct cluster *c, unsigned i, bool keep)
{
    struct packet p = c->packets[i];
    struct raft_entry *entries = xcalloc(p.m.n_entries + 1, sizeof(*entries));
    struct raft_config *configs = xcalloc(p.m.n_entries + 1, sizeof(*configs));

    if (keep && p.entries != NULL) {
        size_t n = MAX(p.m.n_entries, 1u);

        p.entries = xcalloc(n, sizeof(*p.entries));
        memcpy(p.entries, c->packets[i].entries, n * sizeof(*p.entries));
    } else if (!keep) {
        c->packets[i].entries = NULL;
        cluster_drop(c, i);
    }
    for (uint32_t j = 0; j < p.m.n_entries; j++) {
        entries[j] = (struct raft_entry){ .term = p.entries[j].term, .size = p.entries[j].size };
        if (p.entries[j].is_config) {
            configs[j] = cluster_config(p.entries[j].roles);
            entries[j].config = &configs[j];
        }
    }
    p.m.entries = entries;
    if (p.m.kind == RAFT_SNAPSHOT) {
        configs[0] = cluster_config(p.entries[0].roles);
        p.m.config = &configs[0];
    }
    cluster_step(c, p.m.to, &(struct raft_event){ .kind = RAFT_RECEIVE, .message = &p.m }, p.entries);
    free(p.entries);
    free(entries);
    free(configs);
}
