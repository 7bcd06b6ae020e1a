/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/links.h"
#include "node/rig.h"
#include "node/suites.h"
#include "sim/mesh.h"

/* Links as a part of whole nodes: their turns, what they cost, their end, and a cluster that stands on them. How they
 * carry what is test-links' business. */

static void got_report(struct node_report *report)
{
}

static struct node_links_stats stats_of(struct rig *r)
{
    struct node_report report = { .done = got_report };

    node_collect(r->node, &report);
    while (sim_lane_step(r->lane, &r->prng))
        ;
    node_report_fini(&report);
    return report.links;
}

START_TEST(a_node_alone_has_none)
{
    struct rig *r = rig_new(1, 2);

    rig_start_ok(r);
    ck_assert(r->node->reactors[0].links == NULL && r->node->reactors[1].links == NULL);
    ck_assert(sim_net_env(r->net, 0)->peer_handler.accepted == NULL);
    rig_free(r);
}
END_TEST

START_TEST(with_nobody_to_talk_to_it_rests)
{
    struct rig *r = rig_new(2, 2);
    uint64_t deadline_ns;

    r->links = &node_links;
    rig_start_ok(r);
    rig_run(r, 60000 * MS);
    for (unsigned i = 0; i < 2; i++) {
        node_links_turn(&r->node->reactors[i]);
        deadline_ns = node_links_flush(&r->node->reactors[i]);
        ck_assert_uint_eq(deadline_ns, UINT64_MAX);
    }
    ck_assert(rig_stop(r, 100 * MS, 10000 * MS));
    rig_free(r);
}
END_TEST

#define N 3

/* Nodes that only the network joins. */
struct trio {
    struct sim_prng prng;
    struct sim_mesh *mesh;
    struct rig *rigs[N];
};

static char *const ids[N] = { "n1", "n2", "n3" }, *const addresses[N] = { "n1:7001", "n2:7001", "n3:7001" };
static struct config_peer peers[N];

static void start(struct trio *t, unsigned i)
{
    int rc = rig_start(t->rigs[i]);

    ck_assert_msg(rc == 0, "start: %d %s", rc, t->rigs[i]->err.text);
    sim_mesh_attach(t->mesh, i, addresses[i], t->rigs[i]->net);
}

static void run(struct trio *t, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        for (unsigned k = 0; k < N; k++)
            if (t->rigs[k]->node != NULL)
                rig_run(t->rigs[k], MS);
        sim_mesh_turn(t->mesh, t->rigs[0]->clock.mono_ns);
    }
}

static bool all_ready(const struct trio *t)
{
    for (unsigned k = 0; k < N; k++)
        if (!rig_is_ready(t->rigs[k]))
            return false;
    return true;
}

static unsigned n_brokers(const struct rig *r)
{
    const struct meta_broker *b;
    unsigned n = 0;

    list_foreach (&r->node->reactors[r->n_reactors - 1].meta.brokers, b, link)
        n++;
    return n;
}

static void check_together(struct trio *t)
{
    for (int i = 0; i < 20000 && !all_ready(t); i++)
        run(t, 1);
    ck_assert(all_ready(t));
    run(t, 1000);
    for (unsigned k = 0; k < N; k++) {
        ck_assert_uint_eq(stats_of(t->rigs[k]).peers_connected, N - 1);
        ck_assert_uint_eq(n_brokers(t->rigs[k]), N);
    }
}

static void trio_init(struct trio *t)
{
    sim_prng_init(&t->prng, 3);
    t->mesh = sim_mesh_new(&t->prng);
    for (unsigned i = 0; i < N; i++)
        peers[i] = (struct config_peer){ .node_id = ids[i], .raft_addr = addresses[i] };
    for (unsigned i = 0; i < N; i++) {
        t->rigs[i] = rig_new(3 + i, 1 + i % 2);
        t->rigs[i]->links = &node_links;
        t->rigs[i]->peers = (struct config_peers){ peers, N };
        free(t->rigs[i]->config.node_id);
        t->rigs[i]->config.node_id = xstrdup(ids[i]);
        start(t, i);
    }
}

/* They find each other, form a cluster, and have their metadata in common; one goes and comes back. */
START_TEST(nodes_meet_and_part)
{
    struct trio t;

    trio_init(&t);
    check_together(&t);
    node_stop(t.rigs[2]->node, 0, 100 * MS);
    for (int i = 0; i < 10000 && !rig_is_stopped(t.rigs[2]); i++)
        run(&t, 1);
    ck_assert(rig_is_stopped(t.rigs[2]));
    run(&t, 100);
    ck_assert_uint_eq(stats_of(t.rigs[0]).peers_connected, N - 2);
    ck_assert_uint_eq(sim_lane_pending(t.rigs[2]->lane), 0);
    sim_mesh_detach(t.mesh, 2, false);
    rig_kill(t.rigs[2]);
    start(&t, 2);
    check_together(&t);
    for (unsigned i = 0; i < N; i++) {
        sim_mesh_detach(t.mesh, i, false);
        rig_free(t.rigs[i]);
    }
    sim_mesh_free(t.mesh);
}
END_TEST

Suite *links_suite(void)
{
    Suite *s = suite_create("links");

    suite_add(s, a_node_alone_has_none);
    suite_add(s, with_nobody_to_talk_to_it_rests);
    suite_add(s, nodes_meet_and_part);
    return s;
}
