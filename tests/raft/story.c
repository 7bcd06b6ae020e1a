/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "raft/cluster.h"

/* What happens, in lines that read like a story. */

static const char *const kinds[] = {
    [RAFT_PRE_VOTE] = "pre-vote?",       [RAFT_PRE_VOTE_REPLY] = "pre-vote", [RAFT_VOTE] = "vote?",
    [RAFT_VOTE_REPLY] = "vote",          [RAFT_APPEND] = "append",           [RAFT_APPEND_REPLY] = "appended",
    [RAFT_HEARTBEAT] = "heartbeat",      [RAFT_HEARTBEAT_REPLY] = "alive",   [RAFT_SNAPSHOT] = "image",
    [RAFT_TIMEOUT_NOW] = "campaign now",
};

static void tell_entries(struct cluster *c, const struct packet *p)
{
    const struct raft_message *m = &p->m;

    for (uint32_t i = 0; i < m->n_entries; i++)
        cluster_say(c, " %" PRIu64 "/%" PRIu64 "%s", m->index + 1 + i, p->entries[i].term,
                    p->entries[i].is_config ? "c" : "");
}

void story_message(struct cluster *c, const struct packet *p, const char *fate)
{
    const struct raft_message *m = &p->m;

    if (c->story == NULL || c->quiet)
        return;
    cluster_say(c, "  %d -> %d  term %" PRIu64 " %s%s", m->from, m->to, m->term, kinds[m->kind],
                m->reject ? ": no" : "");
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        cluster_say(c, " last %" PRIu64 "/%" PRIu64 "%s", m->index, m->log_term, m->force ? ", by order" : "");
        break;
    case RAFT_APPEND:
        cluster_say(c, " after %" PRIu64 "/%" PRIu64 ":", m->index, m->log_term);
        tell_entries(c, p);
        cluster_say(c, ", commit %" PRIu64, m->commit);
        break;
    case RAFT_APPEND_REPLY:
        if (!m->reject)
            cluster_say(c, " %" PRIu64, m->index);
        else if (m->index > 0)
            cluster_say(c, ", not %" PRIu64 " but perhaps %" PRIu64 "/%" PRIu64, m->index, m->hint_index, m->hint_term);
        break;
    case RAFT_HEARTBEAT:
    case RAFT_HEARTBEAT_REPLY:
        cluster_say(c, " commit %" PRIu64, m->commit);
        if (m->join)
            cluster_say(c, m->kind == RAFT_HEARTBEAT ? ", rest?" : ", rest");
        if (m->context != 0)
            cluster_say(c, " read %" PRIu64, m->context);
        break;
    case RAFT_SNAPSHOT:
        cluster_say(c, " at %" PRIu64 "/%" PRIu64, m->index, m->log_term);
        break;
    default:
        break;
    }
    cluster_say(c, "%s\n", fate);
}

static void tell_config(struct cluster *c, const struct node *n)
{
    struct raft_config config;

    raft_config(n->raft, &config, NULL);
    cluster_say(c, "%d goes by", n->id);
    for (uint32_t i = 0; i < config.n_members; i++) {
        uint8_t roles = config.members[i].roles;

        cluster_say(c, " %d%s%s%s", config.members[i].id, (roles & RAFT_VOTER) != 0 ? "v" : "",
                    (roles & RAFT_OUTGOING) != 0 ? "o" : "", (roles & RAFT_LEARNER) != 0 ? "l" : "");
    }
    cluster_say(c, "\n");
}

static void tell_role(struct cluster *c, const struct node *n)
{
    const struct raft_update *u = &c->update;

    switch (u->role) {
    case RAFT_LEADER:
        cluster_say(c, "%d leads term %" PRIu64 "\n", n->id, u->term);
        break;
    case RAFT_FOLLOWER:
        if (u->leader == RAFT_NONE)
            cluster_say(c, "%d follows nobody in term %" PRIu64 "\n", n->id, u->term);
        else
            cluster_say(c, "%d follows %d in term %" PRIu64 "\n", n->id, u->leader, u->term);
        break;
    case RAFT_PRE_CANDIDATE:
        cluster_say(c, "%d asks whether it could win term %" PRIu64 "\n", n->id, u->term + 1);
        break;
    case RAFT_CANDIDATE:
        cluster_say(c, "%d campaigns in term %" PRIu64 "\n", n->id, u->term);
        break;
    }
}

void story_update(struct cluster *c, const struct node *n)
{
    const struct raft_update *u = &c->update;

    if (c->story == NULL)
        return;
    if (u->role_changed)
        tell_role(c, n);
    if (u->left)
        cluster_say(c, "%d is awake\n", n->id);
    if (u->truncate_from != 0)
        cluster_say(c, "%d cuts its log from %" PRIu64 " on\n", n->id, u->truncate_from);
    if (u->install)
        cluster_say(c, "%d takes the image at %" PRIu64 "/%" PRIu64 "\n", n->id, u->install_index, u->install_term);
    if (u->config_changed)
        tell_config(c, n);
    if (u->committed)
        cluster_say(c, "%d commits %" PRIu64 "\n", n->id, u->commit);
    if (u->leave_joint)
        cluster_say(c, "%d may end the joint configuration\n", n->id);
    if (u->read_ticket != 0)
        cluster_say(c, "%d gives read ticket %" PRIu64 "\n", n->id, u->read_ticket);
    if (u->reads_done != 0)
        cluster_say(c, "%d serves reads up to ticket %" PRIu64 " at %" PRIu64 "\n", n->id, u->reads_done,
                    u->read_index);
    if (u->reads_lost)
        cluster_say(c, "%d gives up the reads that wait\n", n->id);
}

static void show_log(struct cluster *c, const struct node *n)
{
    cluster_say(c, "log");
    for (uint64_t i = n->log.start + 1; i <= n->log.last; i++)
        if (i == n->log.start + 1 || n->log.entries[i].term != n->log.entries[i - 1].term)
            cluster_say(c, " %" PRIu64 "/%" PRIu64, i, n->log.entries[i].term);
    cluster_say(c, " to %" PRIu64, n->log.last);
}

void story_show(struct cluster *c, int32_t id)
{
    static const char *const roles[] = { "follower", "pre-candidate", "candidate", "leader" };
    const struct node *n = &c->nodes[id];

    if (!n->up) {
        cluster_say(c, "%d down, on disk: term %" PRIu64 " vote %d last %" PRIu64 "\n", id, n->disk_term, n->disk_vote,
                    n->disk.last);
        return;
    }
    cluster_say(c, "%d %s, term %" PRIu64 ", ", id, roles[raft_role(n->raft)], raft_term(n->raft));
    show_log(c, n);
    cluster_say(c, ", flushed %" PRIu64 ", commit %" PRIu64 "\n", raft_flushed_index(n->raft),
                raft_commit_index(n->raft));
}

void story_progress(struct cluster *c, int32_t id)
{
    static const char *const states[] = { "probe", "replicate", "image" };
    struct raft_progress p;

    for (uint32_t i = 0; c->nodes[id].up && raft_progress(c->nodes[id].raft, i, &p); i++)
        if (p.id != id)
            cluster_say(c, "%d: %s, match %" PRIu64 ", next %" PRIu64 ", on the way %u messages %u bytes%s\n", p.id,
                        states[p.state], p.match, p.next, p.inflight_messages, p.inflight_bytes,
                        p.settled ? ", settled" : "");
}
