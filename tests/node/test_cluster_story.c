/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stories of whole clusters: nodes crash, lose power and are cut off while topics are made and records produced. What
 * was acknowledged is there in the end, where it was said to be. GQ_CLUSTER_SEEDS=FIRST:COUNT tries other ones. */
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "node/cluster.h"
#include "node/internal.h"
#include "node/suites.h"
#include "wire/error.h"

#define N_SEEDS 6
#define N_STEPS 120
#define MAX_TOPICS 8
#define MAX_NAMES 100
#define MAX_RECORDS 512

struct record {
    int topic;
    int32_t partition;
    uint64_t id;
    int64_t offset;
};

struct story {
    struct cluster *c;
    struct sim_prng prng;
    char names[MAX_TOPICS][8];
    int32_t n_partitions[MAX_TOPICS];
    int n_topics, n_names;
    struct record records[MAX_RECORDS];
    int n_records;
    uint64_t next_id;
};

static uint64_t draw(struct story *s, uint64_t n)
{
    return sim_prng_below(&s->prng, n);
}

static bool is_well(const struct story *s, int i)
{
    return cluster_is_up(s->c, i) && !s->c->cut[i];
}

static int n_well(const struct story *s)
{
    int n = 0;

    for (int i = 0; i < s->c->n; i++)
        n += is_well(s, i);
    return n;
}

static int draw_well(struct story *s)
{
    int i;

    do
        i = (int)draw(s, (uint64_t)s->c->n);
    while (!is_well(s, i));
    return i;
}

static void create(struct story *s)
{
    int32_t n = 1 + (int32_t)draw(s, 3);
    int16_t n_replicas = (int16_t)(draw(s, 3) == 0 ? 1 : 3), error;
    char *name = s->names[s->n_topics];

    if (s->n_topics == MAX_TOPICS || s->n_names == MAX_NAMES)
        return;
    snprintf(name, sizeof(s->names[0]), "t%d", s->n_names++);
    error = ask_create_of(rig_connect(s->c->rigs[draw_well(s)], 0), name, n, n_replicas);
    ck_assert_msg(error == 0 || error == KAFKA_E_NOT_CONTROLLER || error == KAFKA_E_REQUEST_TIMED_OUT ||
                      error == KAFKA_E_TOPIC_ALREADY_EXISTS || error == NO_ANSWER,
                  "create: %d", error);
    if (error == 0 || error == KAFKA_E_TOPIC_ALREADY_EXISTS)
        s->n_partitions[s->n_topics++] = n;
}

static void produce(struct story *s)
{
    struct record r = { .id = ++s->next_id };
    int64_t offset;
    int32_t leader;
    int at = draw_well(s);

    if (s->n_topics == 0 || s->n_records == MAX_RECORDS)
        return;
    r.topic = (int)draw(s, (uint64_t)s->n_topics);
    r.partition = (int32_t)draw(s, (uint64_t)s->n_partitions[r.topic]);
    leader = cluster_ask_leader(s->c, at, s->names[r.topic], r.partition);
    if (leader < 1 || !cluster_is_up(s->c, leader - 1))
        return;
    if (ask_produce(rig_connect(s->c->rigs[leader - 1], 1), s->names[r.topic], r.partition, r.id, 1, &offset) != 0)
        return;
    r.offset = offset;
    s->records[s->n_records++] = r;
}

/* Whatever the answer says, it may be gone: what was in it is nobody's business any more, and the name isn't used
 * again. */
static void delete (struct story *s)
{
    int last = s->n_topics - 1, n = 0;

    if (last < 1 || s->n_names == MAX_NAMES)
        return;
    (void)ask_delete(rig_connect(s->c->rigs[draw_well(s)], 0), s->names[last]);
    for (int i = 0; i < s->n_records; i++)
        if (s->records[i].topic != last)
            s->records[n++] = s->records[i];
    s->n_records = n;
    s->n_topics--;
}

static void hurt(struct story *s)
{
    int i = draw_well(s);

    if (n_well(s) - 1 <= s->c->n / 2)
        return;
    if (draw(s, 3) == 0)
        cluster_cut(s->c, i);
    else
        cluster_crash(s->c, i, draw(s, 2) == 0 ? SIM_CRASH_DRAW : SIM_CRASH_NOTHING);
}

static void help(struct story *s)
{
    int i = (int)draw(s, (uint64_t)s->c->n);

    if (s->c->cut[i])
        cluster_heal(s->c, i);
    else if (!cluster_is_up(s->c, i))
        cluster_start(s->c, i);
}

static void lose_all(struct story *s)
{
    for (int i = 0; i < s->c->n; i++) {
        s->c->cut[i] = false;
        if (cluster_is_up(s->c, i))
            cluster_crash(s->c, i, SIM_CRASH_NOTHING);
    }
    cluster_start_all(s->c);
}

static void step(struct story *s)
{
    switch (draw(s, 16)) {
    case 0:
    case 1:
        create(s);
        break;
    case 2:
        hurt(s);
        break;
    case 3:
    case 4:
        help(s);
        break;
    case 5:
        cluster_run(s->c, draw(s, 1500) * MS);
        break;
    case 6:
        if (draw(s, 4) == 0)
            lose_all(s);
        else if (draw(s, 3) == 0)
            delete (s);
        break;
    default:
        produce(s);
    }
    cluster_run(s->c, draw(s, 20) * MS);
}

static void check_partition(struct story *s, int topic, int32_t partition)
{
    int leader = cluster_find_leader(s->c, s->names[topic], partition);
    uint64_t ids[MAX_RECORDS];
    int64_t offsets[MAX_RECORDS], next = 0;
    int n =
        ask_fetch(rig_connect(s->c->rigs[leader], 2), s->names[topic], partition, 0, ids, offsets, MAX_RECORDS, &next);

    ck_assert_msg(n >= 0, "fetch of %s-%d: %d", s->names[topic], partition, n);
    for (int i = 0; i < s->n_records; i++) {
        const struct record *r = &s->records[i];
        bool found = false;

        if (r->topic != topic || r->partition != partition)
            continue;
        for (int k = 0; k < n; k++)
            found = found || (offsets[k] == r->offset && ids[k] == r->id);
        ck_assert_msg(found, "%s-%d: record %llu isn't at offset %lld", s->names[topic], partition,
                      (unsigned long long)r->id, (long long)r->offset);
    }
}

static void end(struct story *s)
{
    for (int i = 0; i < s->c->n; i++)
        s->c->cut[i] = false;
    s->c->loss = 0;
    cluster_start_all(s->c);
    cluster_settle(s->c);
    for (int t = 0; t < s->n_topics; t++)
        for (int32_t p = 0; p < s->n_partitions[t]; p++)
            check_partition(s, t, p);
    cluster_run(s->c, 2000 * MS);
    for (int i = 1; i < s->c->n; i++)
        ck_assert_uint_eq(s->c->rigs[i]->node->reactors[0].meta.applied_index,
                          s->c->rigs[0]->node->reactors[0].meta.applied_index);
}

static int tell_story(uint64_t seed)
{
    struct story *s = xcalloc(1, sizeof(*s));
    int n;

    sim_prng_init(&s->prng, seed);
    s->c = cluster_new(seed, seed % 2 == 0 ? 3 : 5, 1 + (unsigned)(seed / 2 % 2));
    s->c->loss = (unsigned)draw(s, 2) * 3;
    cluster_start_all(s->c);
    cluster_settle(s->c);
    for (int i = 0; i < N_STEPS; i++)
        step(s);
    end(s);
    n = s->n_records;
    cluster_free(s->c);
    free(s);
    return n;
}

START_TEST(acknowledged_records_outlive_all_of_it)
{
    const char *text = getenv("GQ_CLUSTER_SEEDS");
    unsigned long first = (unsigned long)_i, count = 1;

    if (text != NULL && (_i > 0 || sscanf(text, "%lu:%lu", &first, &count) != 2))
        return;
    for (unsigned long i = 0; i < count; i++) {
        int n = tell_story(first + i);

        if (text != NULL)
            printf("seed %lu: %d records\n", first + i, n);
        ck_assert_int_ge(n, 10);
    }
}
END_TEST

Suite *cluster_story_suite(void)
{
    Suite *s = suite_create("cluster story");
    TCase *tc = tcase_create("acknowledged_records_outlive_all_of_it");

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, acknowledged_records_outlive_all_of_it, 0, N_SEEDS);
    suite_add_tcase(s, tc);
    return s;
}
