/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/bug.h"
#include "base/endian.h"
#include "replica/internal.h"

/* The group's members. The core knows which configuration holds, which is the last one of the log, without
 * incarnations; its text is in the tail's entry, or, where that is applied, in peers->applied, and is looked up there
 * whenever the core has another one. So what is cut from the log needs no second book.
 *
 * A change goes from one configuration to the next at the end of a turn, when nothing is proposed that waits: as soon
 * as the last step is committed and those who are to vote have caught up. */

/* ---- What holds ---- */

int replica_entry_members(const struct entry *entry, struct replica_members *ret)
{
    struct entry_command c;
    size_t pos = 0;

    if (entry->header.type != ENTRY_CONFIG)
        return 0;
    if (entry_command_next(entry->commands, &pos, &c) != 1 || pos != entry->commands.size ||
        c.kind != COMMAND_GROUP_CONFIG || c.version != REPLICA_MEMBERS_VERSION ||
        replica_members_parse(c.body, ret) < 0)
        return -EBADMSG;
    return 1;
}

/* False: it isn't one. */
static bool members_of(const struct replica_entry *e, struct replica_members *ret)
{
    const struct entry entry = {
        .header = e->header,
        .commands = slice_make(e->head.data + ENTRY_HEADER_SIZE, e->head.size - ENTRY_HEADER_SIZE),
    };

    return replica_entry_members(&entry, ret) == 1;
}

/* Without members where there is no configuration. */
static void read_body(const struct replica_config_body *b, struct replica_members *ret)
{
    if (b->bytes[0] == 0)
        ret->n_members = 0;
    else
        gq_assert(replica_members_parse(slice_make(b->bytes, b->size), ret) == 0);
}

static void alone(const struct replica *r, struct replica_members *ret)
{
    ret->n_members = 1;
    ret->members[0] = (struct replica_member){ r->shard->broker_id, RAFT_VOTER, r->shard->incarnation };
}

static const struct replica_config_body *last_body(const struct replica *r)
{
    return r->peers->last != NULL ? r->peers->last : r->peers->applied;
}

bool replica_members(const struct replica *r, struct replica_members *ret, uint64_t *ret_index)
{
    *ret_index = 0;
    if (r->peers == NULL) {
        alone(r, ret);
        return true;
    }
    read_body(last_body(r), ret);
    *ret_index = last_body(r)->index;
    return r->peers->last == NULL || (replica_has_core(r) && *ret_index <= raft_commit_index(r->raft));
}

/* Its answers don't count for whom it replaced, which had what this one lost. */
bool replica_is_stranger(const struct replica *r, const struct replica_message *m)
{
    const struct replica_config_body *b = last_body(r);
    struct uuid incarnation;

    for (const uint8_t *p = b->bytes + 1; p < b->bytes + b->size; p += REPLICA_MEMBER_SIZE) {
        if ((int32_t)load_le32(p) != m->raft.from)
            continue;
        memcpy(incarnation.bytes, p + 5, sizeof(incarnation.bytes));
        return !replica_incarnation_fits(&incarnation, &m->incarnation) && !GQ_BUG(PROBATION_FORGOTTEN);
    }
    return false;
}

static bool names_us(const struct replica *r, const struct replica_members *m)
{
    const struct replica_member *us = replica_member_find(m, r->shard->broker_id);

    return us != NULL && replica_incarnation_fits(&us->incarnation, &r->shard->incarnation);
}

/* The last one before an entry, and the index of its own. */
static uint64_t config_before(const struct replica *r, uint64_t index, struct replica_members *ret)
{
    while (--index > r->applied_index && !GQ_BUG(CONFIG_NOT_REPLAYED))
        if (members_of(tail_by_index(&r->tail, index), ret))
            return index;
    read_body(r->peers->applied, ret);
    return r->peers->applied->index;
}

/* A node may be another one than the member with its id: with an emptied disk it doesn't know what it voted for. Who is
 * named by the last configuration is the member, a learner too: those that it is to vote for may be ahead of it. So is
 * whom that one removes: it may be needed before that is committed. */
static bool may_vote(const struct replica *r, const struct replica_members *last, uint64_t index)
{
    struct replica_members previous;

    if (names_us(r, last) || GQ_BUG(PROBATION_FORGOTTEN))
        return true;
    if (replica_member_find(last, r->shard->broker_id) != NULL || index <= r->applied_index)
        return false;
    config_before(r, index, &previous);
    return names_us(r, &previous);
}

static struct replica_config_body *body_new(uint64_t index, const struct replica_members *m)
{
    size_t size = replica_members_size(m);
    struct replica_config_body *b = xmalloc(sizeof(*b) + size);

    b->index = index;
    b->size = size;
    replica_members_write(m, b->bytes);
    return b;
}

void replica_members_found(struct replica *r)
{
    struct raft_config config;
    struct replica_members last;
    uint64_t index;

    free(TAKE_PTR(r->peers->last));
    raft_config(r->raft, &config, &index);
    if (index > r->applied_index) {
        gq_assert(members_of(tail_by_index(&r->tail, index), &last));
        r->peers->last = body_new(index, &last);
    } else {
        read_body(r->peers->applied, &last);
    }
    raft_set_no_vote(r->raft, !may_vote(r, &last, index));
}

static void tell_owner(struct replica *r)
{
    if (r->shard->members_changed != NULL)
        r->shard->members_changed(r->shard->ctx, r);
}

void replica_members_noted(struct replica *r)
{
    replica_members_found(r);
    tell_owner(r);
}

/* ---- What is applied, and found at a start ---- */

struct replica_peers *replica_peers_new(struct replica *r, const struct replica_members *members)
{
    struct replica_peers *p = xcalloc(1, sizeof(*p));
    struct replica_members us;

    alone(r, &us);
    p->replica = r;
    p->applied = body_new(0, members != NULL ? members : &us);
    list_init(&p->changing_link);
    list_init(&p->loads);
    list_init(&p->sent);
    list_init(&p->imaging_link);
    list_init(&p->reads);
    list_init(&p->voided);
    list_init(&p->acks);
    list_init(&p->acks_link);
    list_init(&p->parking_link);
    return p;
}

void replica_find_peers(struct replica *r)
{
    if (r->peers == NULL)
        r->peers = replica_peers_new(r, NULL);
}

/* ---- Who was removed ---- */

/* The core sends to members only, so who is removed doesn't hear of it. It gets the entry that does it, which is
 * committed, by itself: whoever has all before it takes it, and is at rest then. */
static void tell_removed(struct replica *r, int32_t id, uint64_t index)
{
    const struct raft_message m = {
        .kind = RAFT_APPEND,
        .from = r->shard->broker_id,
        .to = id,
        .term = r->term,
        .index = index - 1,
        .log_term = index > 0 ? raft_term_at(r->raft, index - 1) : 0,
        .commit = index,
        .n_entries = 1,
    };

    if (m.log_term == 0 || id == r->shard->broker_id) /* it isn't in the log any more */
        return;
    replica_send_append(r, &m);
}

/* The leader, or who was it until the entry that removes it was committed, tells those whom that one removes. */
static void tell_all_removed(struct replica *r, uint64_t index, const struct replica_members *before,
                             const struct replica_members *now)
{
    if (!replica_has_core(r) || !(r->peers->leads || r->peers->parts) || replica_members_are_joint(now))
        return;
    for (uint32_t i = 0; i < before->n_members; i++)
        if (replica_member_find(now, before->members[i].id) == NULL)
            tell_removed(r, before->members[i].id, index);
}

void replica_config_replaced(struct replica *r, uint64_t index, const struct replica_members *members)
{
    free(r->peers->applied);
    r->peers->applied = body_new(index, members);
}

void replica_config_applied(struct replica *r, uint64_t index, const struct replica_members *members)
{
    struct replica_members before;

    replica_find_peers(r);
    if (index < r->peers->applied->index) /* a snapshot was newer than the checkpoint */
        return;
    read_body(r->peers->applied, &before);
    replica_config_replaced(r, index, members);
    if (r->peers->last != NULL && r->peers->last->index <= index)
        free(TAKE_PTR(r->peers->last));
    tell_all_removed(r, index, &before, members);
    if (replica_has_core(r))
        tell_owner(r);
}

void replica_configs_find(const struct replica *r, struct replica_configs *to, struct raft_start *ret_start)
{
    struct replica_members last, previous;
    uint64_t index = config_before(r, r->last_index + 1, &last);

    replica_members_config(&last, &to->last);
    ret_start->config = &to->last;
    ret_start->config_index = index;
    if (index <= r->applied_index)
        return;
    ret_start->previous_index = config_before(r, index, &previous);
    replica_members_config(&previous, &to->previous);
    ret_start->previous = &to->previous;
}

/* Of one that came with an image the core doesn't know where it was in the log. */
static bool is_in_force(const struct replica *r, const struct replica_members *m, uint64_t index)
{
    uint64_t commit = raft_commit_index(r->raft), in_force;
    struct raft_config now, other;

    raft_config(r->raft, &now, &in_force);
    replica_members_config(m, &other);
    if (now.n_members != other.n_members || MAX(index, commit) != MAX(in_force, commit))
        return false;
    for (uint32_t i = 0; i < now.n_members; i++)
        if (now.members[i].id != other.members[i].id || now.members[i].roles != other.members[i].roles)
            return false;
    return true;
}

bool replica_configs_agree(const struct replica *r)
{
    struct replica_members in_log, known;
    uint64_t index = config_before(r, r->last_index + 1, &in_log);

    read_body(last_body(r), &known);
    return is_in_force(r, &in_log, index) && is_in_force(r, &known, last_body(r)->index);
}

void replica_tell_removed(struct replica *r, int32_t id)
{
    struct replica_members m;
    uint64_t index;

    if (r->peers->leads && replica_members(r, &m, &index) && !replica_members_are_joint(&m) &&
        replica_member_find(&m, id) == NULL)
        tell_removed(r, id, index);
}

/* ---- Changes ---- */

void replica_note_changing(struct replica *r)
{
    if (!list_is_linked(&r->peers->changing_link))
        list_append(&r->shard->changing, &r->peers->changing_link);
}

static void end_change(struct replica *r, int result)
{
    struct replica_change *c = TAKE_PTR(r->peers->change);

    if (c != NULL)
        c->done(c, result);
}

/* It may be what ended this node's lead. */
void replica_change_lost(struct replica *r)
{
    struct replica_members now, next;
    uint64_t index;
    bool reached;

    list_remove(&r->peers->changing_link);
    if (r->peers->change == NULL)
        return;
    reached = replica_has_core(r) && replica_members(r, &now, &index) && !replica_members_are_joint(&now) &&
              replica_members_next(&now, &r->peers->change->wanted, &next) == 0;
    end_change(r, reached ? 0 : RAFT_E_NOT_LEADER);
}

/* 1 with the next configuration, 0: there is none any more, or an error. What the group was made with goes into the log
 * first: who starts later needn't be told of it any more, and can't be told otherwise. */
static int next_step(const struct replica *r, const struct replica_members *now, uint64_t index,
                     struct replica_members *ret)
{
    if (index == 0) {
        *ret = *now;
        return 1;
    }
    if (replica_members_are_joint(now)) {
        replica_members_leave_joint(now, ret);
        return 1;
    }
    return r->peers->change != NULL ? replica_members_next(now, &r->peers->change->wanted, ret) : 0;
}

static bool passes(int rc)
{
    return rc == RAFT_E_CONFIG_PENDING || rc == RAFT_E_CONFIG_UNCAUGHT_UP || rc == RAFT_E_TRANSFER;
}

/* Returns whether there is more to come. */
static bool go_on(struct replica *r)
{
    struct replica_members now, next;
    struct raft_config config;
    uint64_t index;
    int rc = RAFT_E_CONFIG_PENDING;

    if (!r->peers->leads) {
        rc = RAFT_E_NOT_LEADER;
    } else if (fleet_n_proposed(&r->peers->member) == 0 &&
               (replica_members(r, &now, &index) || GQ_BUG(CONFIG_NOT_AWAITED))) {
        rc = next_step(r, &now, index, &next);
        if (rc == 1) {
            replica_members_config(&next, &config);
            rc = raft_check_config(r->raft, &config);
            if (rc == 0) {
                replica_core_propose_config(r, &next);
                return true;
            }
        }
    }
    if (passes(rc))
        return true;
    end_change(r, rc);
    return false;
}

/* What is asked for when a change ends goes on in the same turn. */
void replica_changes_run(struct replica_shard *shard)
{
    struct list waiting = LIST_INIT(waiting), *link;

    while ((link = list_pop(&shard->changing)) != NULL)
        if (go_on(list_entry(link, struct replica_peers, changing_link)->replica) && !list_is_linked(link))
            list_append(&waiting, link);
    list_splice(&shard->changing, &waiting);
}

/* Until an entry of the term is applied the term may not be durable, and nobody else may hear of it. */
static int join_fleet(struct replica *r)
{
    if (!r->open || r->applied_term != r->term) {
        if (r->open && !r->led)
            replica_propose_noop(r);
        return RAFT_E_CONFIG_PENDING;
    }
    replica_core_join_fleet(r);
    return 0;
}

/* The leader is whom its own node takes it for. */
static bool may_want(const struct replica *r, const struct replica_members *wanted)
{
    const struct replica_member *us;

    if (!replica_members_may_be_wanted(wanted))
        return false;
    us = replica_member_find(wanted, r->shard->broker_id);
    return us == NULL || replica_incarnation_fits(&us->incarnation, &r->shard->incarnation);
}

static void begin_change(struct replica *r, struct replica_change *c)
{
    struct replica_change *before = r->peers->change;

    r->peers->change = c;
    replica_note_changing(r);
    if (before != NULL)
        before->done(before, REPLICA_E_SUPERSEDED);
}

int replica_change_members(struct replica *r, struct replica_change *c, const struct replica_members *wanted)
{
    struct replica_members now, next;
    uint64_t index;
    int rc;

    if (r->destroyed || r->closing || !replica_leads(r))
        return RAFT_E_NOT_LEADER;
    if (!may_want(r, wanted))
        return RAFT_E_CONFIG_INVALID;
    replica_members(r, &now, &index);
    if (r->peers == NULL && replica_members_next(&now, wanted, &next) == 0) {
        c->done(c, 0);
        return 0;
    }
    rc = r->peers == NULL ? join_fleet(r) : 0;
    if (rc != 0)
        return rc;
    c->wanted = *wanted;
    begin_change(r, c);
    return 0;
}
