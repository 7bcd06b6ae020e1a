/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who is a member: bytes, and the way from one list to another; and what others may say of it. */

#include <errno.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "replica/cluster.h"
#include "replica/suites.h"

/* ---- Lists ---- */

static void put(struct replica_members *m, int32_t id, uint8_t roles, uint8_t incarnation)
{
    m->members[m->n_members++] = (struct replica_member){ id, roles, { { incarnation } } };
}

#define MEMBERS(...) \
    ({ \
        struct replica_members m_ = { 0 }; \
        const int all_[][3] = { __VA_ARGS__ }; \
        for (size_t i_ = 0; i_ < ARRAY_SIZE(all_); i_++) \
            put(&m_, all_[i_][0], (uint8_t)all_[i_][1], (uint8_t)all_[i_][2]); \
        m_; \
    })

enum { V = RAFT_VOTER, O = RAFT_OUTGOING, L = RAFT_LEARNER };

START_TEST(bytes_of_members)
{
    static const uint8_t golden[] = { 2, 1, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                      3, 2, 1, 0, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    struct replica_members m = MEMBERS({ 1, V, 9 }, { 0x10203, O | L, 8 }), got;
    uint8_t bytes[REPLICA_MEMBERS_MAX_SIZE];

    ck_assert_uint_eq(replica_members_size(&m), sizeof(golden));
    replica_members_write(&m, bytes);
    ck_assert_mem_eq(bytes, golden, sizeof(golden));
    ck_assert_int_eq(replica_members_parse(slice_make(bytes, sizeof(golden)), &got), 0);
    ck_assert(replica_members_equal(&m, &got));
}
END_TEST

START_TEST(bytes_that_are_no_members)
{
    struct replica_members m = MEMBERS({ 1, V, 9 }, { 2, L, 8 }), got;
    uint8_t bytes[REPLICA_MEMBERS_MAX_SIZE + 1];
    size_t size = replica_members_size(&m);
    static const struct {
        size_t at;
        uint8_t byte;
    } wrong[] = { { 0, 0 }, { 0, 1 }, { 0, 3 }, { 0, 33 }, { 4, 0x80 }, { 5, 0 }, { 5, 8 }, { 5, L }, { 22, 1 } };

    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        replica_members_write(&m, bytes);
        bytes[wrong[i].at] = wrong[i].byte;
        ck_assert_int_eq(replica_members_parse(slice_make(bytes, size), &got), -EBADMSG);
    }
    replica_members_write(&m, bytes);
    for (size_t i = 0; i <= size + 1; i++)
        ck_assert_int_eq(replica_members_parse(slice_make(bytes, i), &got), i == size ? 0 : -EBADMSG);
}
END_TEST

/* Goes from now to wanted, through the joint configurations. */
static unsigned walk(struct replica_members now, const struct replica_members *wanted, struct replica_members steps[8])
{
    unsigned n = 0;

    for (; n < 8; n++) {
        if (replica_members_are_joint(&now))
            replica_members_leave_joint(&now, &steps[n]);
        else if (replica_members_next(&now, wanted, &steps[n]) == 0)
            return n;
        now = steps[n];
    }
    ck_abort_msg("no end");
    return 0;
}

static void check_walk(const struct replica_members *now, const struct replica_members *wanted,
                       const struct replica_members *steps, unsigned n)
{
    struct replica_members got[8];

    ck_assert_uint_eq(walk(*now, wanted, got), n);
    for (unsigned i = 0; i < n; i++)
        ck_assert_msg(replica_members_equal(&got[i], &steps[i]), "step %u", i);
}

START_TEST(steps_from_one_to_three)
{
    struct replica_members now = MEMBERS({ 1, V, 1 }), wanted = MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 });
    const struct replica_members steps[] = {
        MEMBERS({ 1, V, 1 }, { 2, L, 2 }, { 3, L, 3 }),
        MEMBERS({ 1, V | O, 1 }, { 2, V, 2 }, { 3, V, 3 }),
        MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 }),
    };

    check_walk(&now, &wanted, steps, 3);
    check_walk(&wanted, &wanted, NULL, 0);
}
END_TEST

START_TEST(steps_to_other_members)
{
    struct replica_members now = MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 }, { 9, L, 9 });
    struct replica_members wanted = MEMBERS({ 1, V, 1 }, { 2, L, 2 }, { 4, V, 4 }, { 5, L, 5 });
    const struct replica_members steps[] = {
        MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 }, { 9, L, 9 }, { 4, L, 4 }, { 5, L, 5 }),
        MEMBERS({ 1, V | O, 1 }, { 2, L | O, 2 }, { 3, O, 3 }, { 4, V, 4 }, { 5, L, 5 }),
        wanted,
    };

    check_walk(&now, &wanted, steps, 3);
}
END_TEST

/* Under the same id it isn't the same any more: it has nothing of what the other one had. */
START_TEST(steps_to_another_incarnation)
{
    struct replica_members now = MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 }, { 4, L, 4 });
    struct replica_members wanted = MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 7 }, { 4, L, 8 });
    const struct replica_members steps[] = {
        MEMBERS({ 1, V | O, 1 }, { 2, V | O, 2 }, { 3, O, 3 }),
        MEMBERS({ 1, V, 1 }, { 2, V, 2 }),
        MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, L, 7 }, { 4, L, 8 }),
        MEMBERS({ 1, V | O, 1 }, { 2, V | O, 2 }, { 3, V, 7 }, { 4, L, 8 }),
        wanted,
    };

    check_walk(&now, &wanted, steps, 5);
    /* What isn't known stands for any, and is told in the next step that there is. */
    wanted.members[2].incarnation.bytes[0] = 0;
    wanted.members[3].incarnation.bytes[0] = 0;
    check_walk(&now, &wanted, NULL, 0);
    now.members[0].incarnation.bytes[0] = 0;
    wanted = MEMBERS({ 1, V, 1 }, { 2, V, 2 }, { 3, V, 3 }, { 4, L, 4 });
    check_walk(&now, &wanted, &wanted, 1);
}
END_TEST

START_TEST(what_may_be_wanted)
{
    struct replica_members m = MEMBERS({ 1, V, 1 }, { 2, L, 2 }), none = { 0 };

    ck_assert(replica_members_may_be_wanted(&m));
    m.members[1].roles = V | O;
    ck_assert(!replica_members_may_be_wanted(&m));
    m.members[1].roles = L;
    m.members[0].roles = L;
    ck_assert(!replica_members_may_be_wanted(&m));
    m.members[0].roles = V;
    m.members[1].id = 1;
    ck_assert(!replica_members_may_be_wanted(&m));
    ck_assert(!replica_members_may_be_wanted(&none));
    m.n_members = RAFT_MAX_MEMBERS + 1;
    ck_assert(!replica_members_may_be_wanted(&m));
}
END_TEST

/* ---- What comes from others ---- */

static struct replica *replica_of(const struct cluster *c, int node)
{
    return cluster_replica(c, node, 0);
}

/* An entry with the command, as the leader would send it to a node that has all before it. */
static struct replica_message *make_config(const struct cluster *c, int leader, int to, uint8_t *data, size_t size)
{
    const struct replica *r = replica_of(c, leader);
    struct replica_message *m = xcalloc(1, sizeof(*m) + sizeof(m->entries[0]));
    const struct entry_header h = {
        .version = ENTRY_VERSION,
        .type = ENTRY_CONFIG,
        .commands_size = (uint32_t)(size - ENTRY_HEADER_SIZE),
        .append_time_ms = r->last_append_time,
        .first_offset = r->proposed_offset,
    };

    entry_header_write(&h, data);
    m->group = 1;
    m->raft = (struct raft_message){ .kind = RAFT_APPEND,
                                     .from = leader + 1,
                                     .to = to + 1,
                                     .term = r->term,
                                     .index = r->last_index,
                                     .log_term = r->term,
                                     .n_entries = 1 };
    m->entries[0] = (struct replica_message_entry){ .term = r->term, .head = slice_make(data, size) };
    m->entries[0].checksum = crc32c(0, data, size);
    return m;
}

static int receive(const struct cluster *c, int leader, int to, uint8_t *data, size_t size)
{
    struct replica_message *m = make_config(c, leader, to, data, size);
    int rc = replica_receive(replica_of(c, to), m);

    m->raft.n_entries = 0;
    replica_message_free(m);
    return rc;
}

START_TEST(malformed_configurations_are_refused)
{
    struct cluster *c = cluster_new_with(13, 1 << 20, 2, 3, 3);
    int leader = cluster_leader(c), to = (leader + 1) % 3;
    struct replica_members wanted;
    uint8_t data[ENTRY_HEADER_SIZE + 2 * ENTRY_COMMAND_HEADER_SIZE + REPLICA_MEMBERS_MAX_SIZE];
    uint8_t *command = data + ENTRY_HEADER_SIZE, *body = command + ENTRY_COMMAND_HEADER_SIZE;
    size_t body_size, size;
    uint64_t last;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(cluster_wait(c, cluster_produce(c, leader, 300)), 0);
    cluster_run(c, 300);
    last = replica_of(c, to)->last_index;
    cluster_wanted(c, 7, 0, &wanted);
    body_size = replica_members_size(&wanted);
    size = ENTRY_HEADER_SIZE + ENTRY_COMMAND_HEADER_SIZE + body_size;
    replica_members_write(&wanted, body);
    entry_command_header_write(command, COMMAND_GROUP_CONFIG, 2, (uint32_t)body_size);
    ck_assert_int_eq(receive(c, leader, to, data, size), -EBADMSG);
    entry_command_header_write(command, COMMAND_SET_LOG_START, 1, (uint32_t)body_size);
    ck_assert_int_eq(receive(c, leader, to, data, size), -EBADMSG);
    entry_command_header_write(command, COMMAND_GROUP_CONFIG, 1, (uint32_t)body_size);
    entry_command_header_write(body + body_size, COMMAND_GROUP_CONFIG, 1, 0);
    ck_assert_int_eq(receive(c, leader, to, data, size + ENTRY_COMMAND_HEADER_SIZE), -EBADMSG);
    ck_assert_int_eq(receive(c, leader, to, data, ENTRY_HEADER_SIZE), -EBADMSG);
    body[5] = RAFT_OUTGOING | RAFT_VOTER | RAFT_LEARNER;
    ck_assert_int_eq(receive(c, leader, to, data, size), -EBADMSG);
    body[5] = RAFT_VOTER;
    ck_assert_uint_eq(replica_of(c, to)->last_index, last);
    ck_assert_int_eq(receive(c, leader, to, data, size), 0);
    ck_assert_uint_eq(replica_of(c, to)->last_index, last + 1);
    cluster_free(c); /* the leader knows nothing of that entry */
}
END_TEST

Suite *members_suite(void)
{
    Suite *s = suite_create("members");

    suite_add(s, bytes_of_members);
    suite_add(s, bytes_that_are_no_members);
    suite_add(s, steps_from_one_to_three);
    suite_add(s, steps_to_other_members);
    suite_add(s, steps_to_another_incarnation);
    suite_add(s, what_may_be_wanted);
    suite_add(s, malformed_configurations_are_refused);
    return s;
}
