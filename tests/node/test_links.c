/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/internal.h"
#include "node/links.h"
#include "node/rig.h"
#include "node/suites.h"
#include "sim/mesh.h"

/* Links as a part of whole nodes: their turns, what they cost, their end. What they carry is test-links' business. */

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

struct pair {
    struct sim_prng prng;
    struct sim_mesh *mesh;
    struct rig *rigs[2];
};

/* Before they belong to a cluster: they say hello, and words. */
static void start(struct pair *p, unsigned i)
{
    static const char *const ids[] = { "n1", "n2" }, *const addresses[] = { "n1:7001", "n2:7001" };
    struct rig *r = p->rigs[i];

    rig_start_ok(r);
    r->node->superblock.broker_id = -1;
    r->node->superblock.cluster_id = (struct uuid){ 0 };
    sim_mesh_attach(p->mesh, i, addresses[i], r->net);
    r->node->links->know(r->node, &(struct node_peer){ ids[1 - i], addresses[1 - i], -1, { { 0 } } });
}

static void run(struct pair *p, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        for (unsigned k = 0; k < 2; k++)
            if (p->rigs[k]->node != NULL)
                rig_run(p->rigs[k], MS);
        sim_mesh_turn(p->mesh, p->rigs[0]->clock.mono_ns);
    }
}

START_TEST(two_nodes_meet_and_part)
{
    struct pair p;

    sim_prng_init(&p.prng, 3);
    p.mesh = sim_mesh_new(&p.prng);
    for (unsigned i = 0; i < 2; i++) {
        p.rigs[i] = rig_new(3 + i, 1 + i);
        p.rigs[i]->links = &node_links;
    }
    free(p.rigs[1]->config.node_id);
    p.rigs[1]->config.node_id = xstrdup("n2");
    start(&p, 0);
    start(&p, 1);
    run(&p, 1000);
    ck_assert_uint_eq(stats_of(p.rigs[0]).connections, 1);
    ck_assert_uint_eq(stats_of(p.rigs[1]).connections, 1);
    node_stop(p.rigs[1]->node, 0, 100 * MS);
    for (int i = 0; i < 10000 && !(node_is_stopped(p.rigs[1]->node, 0) && node_is_stopped(p.rigs[1]->node, 1)); i++)
        run(&p, 1);
    ck_assert(node_is_stopped(p.rigs[1]->node, 1));
    ck_assert_uint_eq(stats_of(p.rigs[0]).connections, 0);
    ck_assert_uint_eq(sim_lane_pending(p.rigs[1]->lane), 0);
    sim_mesh_detach(p.mesh, 1, false);
    rig_kill(p.rigs[1]);
    start(&p, 1);
    run(&p, 3000);
    ck_assert_uint_eq(stats_of(p.rigs[0]).connections, 1);
    for (unsigned i = 0; i < 2; i++) {
        sim_mesh_detach(p.mesh, i, false);
        rig_free(p.rigs[i]);
    }
    sim_mesh_free(p.mesh);
}
END_TEST

Suite *links_suite(void)
{
    Suite *s = suite_create("links");

    suite_add(s, a_node_alone_has_none);
    suite_add(s, with_nobody_to_talk_to_it_rests);
    suite_add(s, two_nodes_meet_and_part);
    return s;
}
