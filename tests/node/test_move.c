/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions that go to other brokers, as operators ask for it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "node/cluster.h"
#include "node/internal.h"
#include "node/suites.h"
#include "wire/error.h"

#define TOPIC "orders"
#define MAX_RECORDS 2000
#define ALTER_VERSION 0
#define LIST_VERSION 0

struct story {
    struct cluster *c;
    uint64_t next_id;
    int64_t offsets[MAX_RECORDS]; /* by id; −1: not acknowledged */
    int32_t partitions[MAX_RECORDS];
    unsigned n_wiped, n_moved;
};

static struct story *story_new(uint64_t seed, int n, unsigned n_reactors, int16_t n_replicas)
{
    struct story *s = xcalloc(1, sizeof(*s));
    int16_t error = KAFKA_E_NOT_CONTROLLER;

    s->c = cluster_new(seed, n, n_reactors);
    cluster_start_all(s->c);
    cluster_settle(s->c);
    for (int k = 0; k < 50 && error != 0 && error != KAFKA_E_TOPIC_ALREADY_EXISTS; k++) {
        error = ask_create_of(rig_connect(s->c->rigs[0], 0), TOPIC, 2, n_replicas);
        cluster_run(s->c, 100 * MS);
    }
    return s;
}

static void story_free(struct story *s)
{
    cluster_free(s->c);
    free(s);
}

static const struct meta_topic *topic_of(const struct cluster *c, int i)
{
    return meta_topic_by_name(&c->rigs[i]->node->reactors[0].meta, slice_str(TOPIC));
}

static struct node_group *group_of(const struct cluster *c, int i, int32_t partition)
{
    const struct meta_topic *t = topic_of(c, i);
    struct node *n = c->rigs[i]->node;

    if (t == NULL)
        return NULL;
    return node_group_find(node_shard_of(n, t->partitions[partition].group), t->partitions[partition].group);
}

/* ---- Requests ---- */

/* n −1: takes it back. */
static int16_t reassign(struct cluster *c, int at, int32_t partition, const int32_t *ids, int32_t n)
{
    struct wire_alter_partition_reassignments_request m;
    struct wire_alter_partition_reassignments_request_topic t;
    struct wire_alter_partition_reassignments_request_partition p;
    struct wire_alter_partition_reassignments_response answer;

    wire_alter_partition_reassignments_request_init(&m);
    wire_alter_partition_reassignments_request_topic_init(&t);
    wire_alter_partition_reassignments_request_partition_init(&p);
    m.topics = &t;
    m.n_topics = 1;
    t.name = slice_str(TOPIC);
    t.partitions = &p;
    t.n_partitions = 1;
    p.partition_index = partition;
    p.replicas = (int32_t *)(uintptr_t)ids;
    p.n_replicas = n;
    if (!client_ask(rig_connect(c->rigs[at], 3), WIRE_API_ALTER_PARTITION_REASSIGNMENTS, ALTER_VERSION, &m, &answer))
        return NO_ANSWER;
    ck_assert_int_eq(answer.error_code, 0);
    ck_assert_int_eq(answer.n_responses, 1);
    ck_assert_int_eq(answer.responses[0].partitions[0].partition_index, partition);
    return answer.responses[0].partitions[0].error_code;
}

/* As operators do. */
static void reassign_ok(struct cluster *c, int at, int32_t partition, const int32_t *ids, int32_t n)
{
    int16_t error = -1;

    for (int k = 0; k < 50 && error != 0; k++) {
        error = reassign(c, at, partition, ids, n);
        if (error != 0)
            cluster_run(c, 100 * MS);
    }
    ck_assert_int_eq(error, 0);
}

/* What is under way of a partition: adding and removing as bits of ids. False: nothing is. */
static bool list_moves(struct cluster *c, int at, int32_t partition, unsigned *ret_adding, unsigned *ret_removing)
{
    struct wire_list_partition_reassignments_request m;
    struct wire_list_partition_reassignments_response answer;
    bool found = false;

    wire_list_partition_reassignments_request_init(&m);
    m.n_topics = -1;
    ck_assert(
        client_ask(rig_connect(c->rigs[at], 3), WIRE_API_LIST_PARTITION_REASSIGNMENTS, LIST_VERSION, &m, &answer));
    ck_assert_int_eq(answer.error_code, 0);
    *ret_adding = *ret_removing = 0;
    for (int32_t i = 0; i < answer.n_topics; i++) {
        for (int32_t k = 0; k < answer.topics[i].n_partitions; k++) {
            const struct wire_list_partition_reassignments_response_partition *p = &answer.topics[i].partitions[k];

            if (p->partition_index != partition)
                continue;
            found = true;
            for (int32_t a = 0; a < p->n_adding_replicas; a++)
                *ret_adding |= 1u << p->adding_replicas[a];
            for (int32_t a = 0; a < p->n_removing_replicas; a++)
                *ret_removing |= 1u << p->removing_replicas[a];
        }
    }
    return found;
}

/* ---- Load ---- */

static void produce(struct story *s, int32_t partition)
{
    uint64_t id = s->next_id++;
    int64_t offset = -1;

    ck_assert_uint_lt(id, MAX_RECORDS);
    s->offsets[id] = -1;
    s->partitions[id] = partition;
    for (int i = 0; i < s->c->n; i++) {
        const struct node_group *g = cluster_is_up(s->c, i) ? group_of(s->c, i, partition) : NULL;

        if (g == NULL || g->gone || !replica_is_open(g->replica))
            continue;
        if (ask_produce(rig_connect(s->c->rigs[i], 1), TOPIC, partition, id, 1, &offset) == 0)
            s->offsets[id] = offset;
        return;
    }
    cluster_run(s->c, 10 * MS);
}

static void check_all(struct story *s, int32_t partition)
{
    static uint64_t ids[MAX_RECORDS];
    static int64_t offsets[MAX_RECORDS];
    int leader = cluster_find_leader(s->c, TOPIC, partition), n = 0;
    int64_t at = 0, next = 0;

    while (n < MAX_RECORDS) {
        int got = ask_fetch(rig_connect(s->c->rigs[leader], 2), TOPIC, partition, at, ids + n, offsets + n,
                            MAX_RECORDS - n, &next);

        ck_assert_int_ge(got, 0);
        if (got == 0)
            break;
        n += got;
        at = next;
    }
    for (uint64_t id = 0; id < s->next_id; id++) {
        bool found = s->offsets[id] < 0 || s->partitions[id] != partition;

        for (int k = 0; k < n; k++)
            found = found || (ids[k] == id && offsets[k] == s->offsets[id]);
        ck_assert_msg(found, "record %llu isn't at offset %lld", (unsigned long long)id, (long long)s->offsets[id]);
    }
}

/* ---- Where it is ---- */

struct dir_search {
    char prefix[UUID_TEXT_SIZE + 16];
    bool found;
};

static int match_dir(void *ctx, const struct disk_dirent *ent)
{
    struct dir_search *d = ctx;

    d->found = d->found || strcmp(ent->name, d->prefix) == 0;
    return 0;
}

static bool has_files(const struct cluster *c, int i, int32_t partition)
{
    struct dir_search d = { .found = false };
    char id[UUID_TEXT_SIZE];

    uuid_format(&topic_of(c, i)->id, id);
    snprintf(d.prefix, sizeof(d.prefix), "%s-%d", id, partition);
    ck_assert_int_ge(disk_list(sim_disk_env(c->rigs[i]->disk), "topics", match_dir, &d), 0);
    return d.found;
}

/* Its members are those, and vote. */
static bool are_members(const struct cluster *c, int32_t partition, const int32_t *ids, int32_t n)
{
    struct replica_members m;
    bool led = false;

    for (int i = 0; i < c->n; i++) {
        const struct node_group *g = group_of(c, i, partition);
        uint64_t index;

        if (g == NULL)
            continue;
        if (!replica_members(g->replica, &m, &index) || m.n_members != (unsigned)n)
            return false;
        for (int32_t k = 0; k < n; k++) {
            const struct replica_member *member = replica_member_find(&m, ids[k]);

            if (member == NULL || member->roles != RAFT_VOTER)
                return false;
        }
        led = led || replica_leads(g->replica);
    }
    return led;
}

static bool is_there(struct cluster *c, int32_t partition, const int32_t *ids, int32_t n)
{
    for (int i = 0; i < c->n; i++) {
        const struct meta_topic *t = topic_of(c, i);
        struct meta_ids target = { NULL, 0 };
        bool here = false;

        if (t != NULL)
            target = meta_target(t, partition);
        if (t == NULL || meta_is_unsettled(t, partition) || target.n != n ||
            memcmp(target.ids, ids, (size_t)n * sizeof(*ids)) != 0)
            return false;
        for (int32_t k = 0; k < n; k++)
            here = here || ids[k] == cluster_id(c, i);
        if ((group_of(c, i, partition) != NULL) != here || (!here && has_files(c, i, partition)))
            return false;
    }
    return are_members(c, partition, ids, n);
}

static void tell_places(const struct cluster *c, int32_t partition)
{
    for (int i = 0; i < c->n; i++) {
        const struct meta_topic *t = topic_of(c, i);
        struct meta_ids all = meta_replicas_all(t, partition);

        printf("n%d:%s%s", i, meta_is_unsettled(t, partition) ? " unsettled" : "",
               has_files(c, i, partition) ? " has files" : "");
        for (int k = 0; k < all.n; k++)
            printf(" %d%s", all.ids[k], k + 1 == meta_target(t, partition).n ? "." : "");
        printf("\n");
    }
    fflush(stdout);
}

static void wait_until_there(struct story *s, int32_t partition, const int32_t *ids, int32_t n)
{
    for (int i = 0; i < 400 && !is_there(s->c, partition, ids, n); i++) {
        if (i < 100)
            produce(s, partition);
        cluster_run(s->c, 50 * MS);
    }
    if (!is_there(s->c, partition, ids, n)) {
        cluster_tell(s->c);
        tell_places(s->c, partition);
    }
    ck_assert(is_there(s->c, partition, ids, n));
}

static void check_told(struct cluster *c, int32_t partition, int n)
{
    int leader = cluster_find_leader(c, TOPIC, partition), n_replicas, n_in_sync = -1;

    for (int i = 0; i < 100 && n_in_sync != n; i++) {
        cluster_run(c, 100 * MS);
        n_in_sync = cluster_ask_in_sync(c, leader, TOPIC, partition, &n_replicas);
    }
    ck_assert_int_eq(n_in_sync, n);
    ck_assert_int_eq(n_replicas, n);
}

START_TEST(all_replicas_go_elsewhere)
{
    static const int32_t first[] = { 1, 2, 3 }, second[] = { 3, 4, 5 };
    struct story *s = story_new(1000 + (uint64_t)_i, 5, 1 + (unsigned)_i % 2, 3);
    unsigned adding, removing;

    reassign_ok(s->c, 0, 0, first, 3);
    wait_until_there(s, 0, first, 3);
    for (int k = 0; k < 30; k++)
        produce(s, 0);
    reassign_ok(s->c, 4, 0, second, 3);
    if (list_moves(s->c, 1, 0, &adding, &removing)) {
        ck_assert_uint_eq(adding, 1u << 4 | 1u << 5);
        ck_assert_uint_eq(removing, 1u << 1 | 1u << 2);
    }
    wait_until_there(s, 0, second, 3);
    ck_assert(!list_moves(s->c, 1, 0, &adding, &removing));
    check_told(s->c, 0, 3);
    check_all(s, 0);
    reassign_ok(s->c, 0, 0, first, 3);
    wait_until_there(s, 0, first, 3);
    check_all(s, 0);
    story_free(s);
}
END_TEST

START_TEST(one_becomes_three_and_one_again)
{
    struct story *s = story_new(1100 + (uint64_t)_i, 3, 1 + (unsigned)_i % 2, 1);
    int32_t home = meta_target(topic_of(s->c, 0), 0).ids[0];
    int32_t three[] = { home % 3 + 1, (home + 1) % 3 + 1, home }, last[] = { _i < 2 ? home : home % 3 + 1 };

    for (int k = 0; k < 20; k++)
        produce(s, 0);
    reassign_ok(s->c, 0, 0, three, 3);
    wait_until_there(s, 0, three, 3);
    check_told(s->c, 0, 3);
    check_all(s, 0);
    reassign_ok(s->c, 1, 0, last, 1);
    wait_until_there(s, 0, last, 1);
    check_told(s->c, 0, 1);
    check_all(s, 0);
    for (int i = 0; i < 3; i++)
        cluster_crash(s->c, i, SIM_CRASH_NOTHING);
    cluster_start_all(s->c);
    cluster_settle(s->c);
    produce(s, 0);
    check_all(s, 0);
    ck_assert(is_there(s->c, 0, last, 1));
    story_free(s);
}
END_TEST

/* The group's leader may hear in one message that its report of the last place was taken, and of the next place. */
START_TEST(places_that_follow_each_other)
{
    static const int32_t places[][3] = { { 1, 2, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 1, 3, 2 } };
    struct story *s = story_new(1400 + 2 * (uint64_t)_i, 3, 1 + (unsigned)_i % 2, 3);

    for (int k = 0; k < 30; k++) {
        int at = cluster_ask_controller(s->c, 0) - 1, p = cluster_find_leader(s->c, TOPIC, 0) == at;

        s->c->loss = 60;
        reassign_ok(s->c, at, p, places[k % 4], 3);
        for (int i = 0; i < 2000 && meta_is_unsettled(topic_of(s->c, at), p); i++)
            cluster_run(s->c, MS / 16);
        reassign_ok(s->c, at, p, places[(k + 1) % 4], 3);
        s->c->loss = 0;
        wait_until_there(s, p, places[(k + 1) % 4], 3);
    }
    story_free(s);
}
END_TEST

static void tell_of_crashes(uint64_t seed)
{
    static const int32_t places[3][3] = { { 1, 2, 3 }, { 3, 4, 5 }, { 5, 1, 2 } };
    struct story *s = story_new(seed, 5, 1 + (unsigned)seed % 2, 3);

    for (int k = 0; k < 6; k++) {
        bool may_wipe;
        int victim;

        reassign_ok(s->c, (int)sim_prng_below(&s->c->prng, 5), 0, places[k % 3], 3);
        for (int j = (int)sim_prng_below(&s->c->prng, 10); j >= 0; j--)
            produce(s, 0);
        cluster_run(s->c, sim_prng_below(&s->c->prng, 500) * MS);
        victim = (int)sim_prng_below(&s->c->prng, 5);
        may_wipe = cluster_may_wipe(s->c) && sim_prng_below(&s->c->prng, 2) == 0;
        cluster_crash(s->c, victim, k % 2 == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
        cluster_run(s->c, sim_prng_below(&s->c->prng, 2000) * MS);
        if (may_wipe)
            cluster_wipe(s->c, victim);
        cluster_start(s->c, victim);
        cluster_settle(s->c);
        if (sim_prng_below(&s->c->prng, 2) == 0)
            wait_until_there(s, 0, places[k % 3], 3);
    }
    wait_until_there(s, 0, places[5 % 3], 3);
    check_all(s, 0);
    story_free(s);
}

/* GQ_CLUSTER_SEEDS=FIRST:COUNT tries other ones. */
static void tell_all(uint64_t first, int i, void (*tell)(uint64_t seed))
{
    const char *text = getenv("GQ_CLUSTER_SEEDS");
    unsigned long from = (unsigned long)first + (unsigned)i, count = 1;

    if (text != NULL && (i > 0 || sscanf(text, "%lu:%lu", &from, &count) != 2))
        return;
    for (unsigned long k = 0; k < count; k++) {
        if (text != NULL)
            fprintf(stderr, "seed %lu\n", from + k);
        tell(from + k);
    }
}

/* ---- All of it ---- */

static int draw(struct story *s, int n)
{
    return (int)sim_prng_below(&s->c->prng, (uint64_t)n);
}

static int n_well(const struct cluster *c)
{
    int n = 0;

    for (int i = 0; i < c->n; i++)
        n += cluster_is_up(c, i) && !c->cut[i];
    return n;
}

static void move_somewhere(struct story *s)
{
    int32_t ids[CLUSTER_MAX], n = 1 + draw(s, s->c->n);
    int at = draw(s, s->c->n);

    for (int i = 0; i < s->c->n; i++) {
        int k = draw(s, i + 1);

        ids[i] = ids[k];
        ids[k] = i + 1;
    }
    if (cluster_is_up(s->c, at) && reassign(s->c, at, draw(s, 2), ids, draw(s, 8) == 0 ? -1 : n) == 0)
        s->n_moved++;
}

/* A group that is about to have two members is lost with the disk of one. */
static bool are_to_be_enough(const struct story *s)
{
    for (int i = 0; i < s->c->n; i++)
        for (int32_t p = 0; p < 2; p++)
            if (topic_of(s->c, i) == NULL || meta_target(topic_of(s->c, i), p).n < 3)
                return false;
    return true;
}

static void hurt(struct story *s)
{
    int i = draw(s, s->c->n), how = draw(s, 3);

    if (how == 0 && n_well(s->c) == s->c->n && cluster_may_wipe(s->c) && are_to_be_enough(s)) {
        cluster_wipe(s->c, i);
        s->n_wiped++;
        cluster_run(s->c, (uint64_t)draw(s, 3000) * MS);
        cluster_start(s->c, i);
    } else if (!cluster_is_up(s->c, i) || s->c->cut[i]) {
        return;
    } else if (how == 1) {
        cluster_cut(s->c, i);
    } else {
        cluster_crash(s->c, i, draw(s, 2) == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
    }
}

static void help(struct story *s)
{
    for (int i = 0; i < s->c->n; i++) {
        if (draw(s, 2) == 0)
            continue;
        if (s->c->cut[i])
            cluster_heal(s->c, i);
        if (!cluster_is_up(s->c, i))
            cluster_start(s->c, i);
    }
}

static void end(struct story *s)
{
    for (int i = 0; i < s->c->n; i++)
        if (s->c->cut[i])
            cluster_heal(s->c, i);
    s->c->loss = 0;
    cluster_start_all(s->c);
    cluster_settle(s->c);
    cluster_run(s->c, 10000 * MS); /* nothing that was asked for is on its way any more */
    for (int i = 0; i < 300; i++) {
        bool moving = false;

        for (int32_t p = 0; p < 2; p++)
            moving = moving || meta_is_unsettled(topic_of(s->c, 0), p);
        if (!moving)
            break;
        cluster_run(s->c, 100 * MS);
    }
    for (int32_t p = 0; p < 2; p++) {
        struct meta_ids target = meta_target(topic_of(s->c, 0), p);
        int32_t ids[CLUSTER_MAX];

        memcpy(ids, target.ids, target.n * sizeof(*ids));
        wait_until_there(s, p, ids, target.n);
        check_all(s, p);
    }
}

static void tell_of_everything(uint64_t seed)
{
    struct story *s = story_new(seed, seed % 4 < 2 ? 5 : 3, 1 + (unsigned)seed / 2 % 2, 3);

    s->c->loss = seed % 3 == 0 ? 2 : 0;
    for (int k = 0; k < 80; k++) {
        switch (draw(s, 10)) {
        case 0:
            move_somewhere(s);
            break;
        case 1:
            hurt(s);
            break;
        case 2:
        case 3:
            help(s);
            break;
        case 4:
            cluster_run(s->c, (uint64_t)draw(s, 2000) * MS);
            break;
        default:
            produce(s, draw(s, 2));
        }
        cluster_run(s->c, (uint64_t)draw(s, 30) * MS);
    }
    end(s);
    if (getenv("GQ_CLUSTER_SEEDS") != NULL) {
        unsigned n = 0;

        for (uint64_t id = 0; id < s->next_id; id++)
            n += s->offsets[id] >= 0;
        fprintf(stderr, "  %u records, wiped %u, moved %u\n", n, s->n_wiped, s->n_moved);
    }
    story_free(s);
}

START_TEST(whatever_happens)
{
    tell_all(5000, _i, tell_of_everything);
}
END_TEST

START_TEST(crashes_on_the_way)
{
    tell_all(1200, _i, tell_of_crashes);
}
END_TEST

/* All at once, at a drawn time. */
static void tell_of_power_loss(uint64_t seed)
{
    static const int32_t places[2][3] = { { 1, 2, 3 }, { 3, 4, 5 } };
    struct story *s = story_new(seed, 5, 1, 3);

    for (int k = 0; k < 4; k++) {
        reassign_ok(s->c, 0, 0, places[k % 2], 3);
        for (int j = (int)sim_prng_below(&s->c->prng, 6); j >= 0; j--)
            produce(s, 0);
        cluster_run(s->c, sim_prng_below(&s->c->prng, 400) * MS);
        for (int i = 0; i < 5; i++)
            cluster_crash(s->c, i, SIM_CRASH_NOTHING);
        cluster_start_all(s->c);
        cluster_settle(s->c);
    }
    wait_until_there(s, 0, places[1], 3);
    check_all(s, 0);
    story_free(s);
}

START_TEST(all_come_back_on_the_way)
{
    tell_all(1300, _i, tell_of_power_loss);
}
END_TEST

/* A new replica is not there: it waits, and goes back when told. */
START_TEST(a_move_is_taken_back)
{
    static const int32_t first[] = { 1, 2, 3 }, second[] = { 1, 2, 5 };
    struct story *s = story_new(1400 + (uint64_t)_i, 5, 1, 3);
    unsigned adding, removing;

    reassign_ok(s->c, 0, 0, first, 3);
    wait_until_there(s, 0, first, 3);
    ck_assert_int_eq(reassign(s->c, 1, 0, NULL, -1), KAFKA_E_NO_REASSIGNMENT_IN_PROGRESS);
    cluster_crash(s->c, 4, SIM_CRASH_NOTHING);
    reassign_ok(s->c, 1, 0, second, 3);
    for (int k = 0; k < 20; k++)
        produce(s, 0);
    cluster_run(s->c, 3000 * MS);
    ck_assert(list_moves(s->c, 2, 0, &adding, &removing));
    ck_assert_uint_eq(adding, 1u << 5);
    ck_assert_uint_eq(removing, 1u << 3);
    reassign_ok(s->c, 2, 0, NULL, -1);
    ck_assert(!list_moves(s->c, 2, 0, &adding, &removing));
    ck_assert_int_eq(reassign(s->c, 2, 0, NULL, -1), KAFKA_E_NO_REASSIGNMENT_IN_PROGRESS);
    cluster_start(s->c, 4);
    cluster_settle(s->c);
    wait_until_there(s, 0, first, 3);
    check_all(s, 0);
    story_free(s);
}
END_TEST

/* A broker that has lost its disk, or was away, hears how far others are before it knows who they are. They don't say
 * it again, and without it nobody gets into a group that it leads. */
START_TEST(what_is_told_early_is_kept)
{
    struct cluster *c = cluster_new(92, 3, 2);
    struct node *n;
    uint8_t body[8];

    cluster_start(c, 0);
    cluster_run(c, 100 * MS);
    n = c->rigs[0]->node;
    store_le64(body, UINT64_C(1) << 40);
    node_word_heard(n, c->names[1], NODE_WORD_APPLIED, slice_make(body, sizeof(body)));
    cluster_run(c, 100 * MS);
    for (unsigned r = 0; r < 2; r++) {
        ck_assert_uint_eq(n->reactors[r].n_applied, 1);
        ck_assert_uint_eq(n->reactors[r].applied[0].index, UINT64_C(1) << 40);
        ck_assert_uint_eq(node_applied_of(&n->reactors[r], 2), 0);
    }
    cluster_start_all(c);
    cluster_settle(c);
    cluster_run(c, 1000 * MS);
    for (unsigned r = 0; r < 2; r++) {
        ck_assert_uint_eq(n->reactors[r].n_applied, 2);
        for (int32_t id = 2; id <= 3; id++)
            ck_assert_uint_gt(node_applied_of(&n->reactors[r], id), 0);
    }
    cluster_free(c);
}
END_TEST

START_TEST(what_can_not_be_is_refused)
{
    static const int32_t twice[] = { 1, 2, 1 }, unknown[] = { 1, 2, 9 }, one[] = { 1 };
    struct story *s = story_new(1500, 3, 1, 3);

    ck_assert_int_eq(reassign(s->c, 0, 0, twice, 3), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(reassign(s->c, 1, 0, unknown, 3), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(reassign(s->c, 2, 0, one, 0), KAFKA_E_INVALID_REPLICA_ASSIGNMENT);
    ck_assert_int_eq(reassign(s->c, 2, 7, one, 1), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(reassign(s->c, 2, -1, one, 1), KAFKA_E_UNKNOWN_TOPIC_OR_PARTITION);
    story_free(s);
}
END_TEST

Suite *move_suite(void)
{
    Suite *s = suite_create("move");

    cluster_add_loop(s, "all_replicas_go_elsewhere", all_replicas_go_elsewhere, 0, 4);
    cluster_add_loop(s, "one_becomes_three_and_one_again", one_becomes_three_and_one_again, 0, 4);
    cluster_add_loop(s, "places_that_follow_each_other", places_that_follow_each_other, 0, 4);
    cluster_add_loop(s, "crashes_on_the_way", crashes_on_the_way, 0, 8);
    cluster_add_loop(s, "all_come_back_on_the_way", all_come_back_on_the_way, 0, 4);
    cluster_add_loop(s, "whatever_happens", whatever_happens, 0, 12);
    cluster_add_loop(s, "a_move_is_taken_back", a_move_is_taken_back, 0, 2);
    suite_add(s, what_is_told_early_is_kept);
    suite_add(s, what_can_not_be_is_refused);
    return s;
}
