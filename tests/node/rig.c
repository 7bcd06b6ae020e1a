/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/rig.h"

#include <stdio.h>

#include "base/util.h"
#include "node/cluster.h"
#include "wire/frame.h"

static void fatal(void *ctx, int err, const char *what)
{
    struct rig *r = ctx;

    if (r->fatal_error != 0)
        return;
    r->fatal_error = err;
    snprintf(r->fatal_text, sizeof(r->fatal_text), "%s", what);
}

static void http(void *ctx, unsigned reactor, struct net_conn *conn)
{
    net_close(conn);
}

static void damaged(void *ctx, const char *topic, int32_t partition, const char *text)
{
    struct rig *r = ctx;

    r->n_damaged++;
    snprintf(r->damage, sizeof(r->damage), "%s-%d: %s", topic != NULL ? topic : "?", partition, text);
}

static void notice(void *ctx, bool is_bad, const char *text)
{
    struct rig *r = ctx;
    size_t at = strlen(r->notices);

    snprintf(r->notices + at, sizeof(r->notices) - at, "%s%s\n", is_bad ? "!" : "", text);
}

static void peer_refused(void *ctx, const char *text)
{
    notice(ctx, false, text);
}

struct rig *rig_new(uint64_t seed, unsigned n_reactors)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    sim_prng_init(&r->prng, seed);
    sim_clock_init(&r->clock, 1000 * MS, 1700000000000);
    r->disk = sim_disk_new(&r->prng);
    r->n_reactors = n_reactors;
    r->n_shards = 2;
    config_init(&r->config);
    r->config.node_id = xstrdup("n1");
    r->config.journal_size_bytes = 4 << 20;
    r->config.performance.write_cache_size_bytes = 1 << 20;
    r->config.max_message_size_bytes = 200 * 1000;
    arena_init(&r->arena, 64 << 20);
    for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
        r->clients[i] = (struct client){ .rig = r, .reactor = i % n_reactors };
    return r;
}

static void unplug(struct client *c)
{
    sim_conn_close(TAKE_PTR(c->conn));
    wr_fini(&c->out);
    free(c->in);
    *c = (struct client){ .rig = c->rig, .reactor = c->reactor };
}

void rig_disconnect(struct rig *r, unsigned i)
{
    if (r->clients[i].conn != NULL)
        unplug(&r->clients[i]);
}

static void end_process(struct rig *r)
{
    if (r->lane == NULL)
        return;
    sim_disk_crash_after(r->disk, 0); /* nothing reaches the disk any more */
    sim_lane_run_all(r->lane, &r->prng);
    if (r->node != NULL)
        node_abandon(r->node);
    for (int i = 0; r->node != NULL && i < 10; i++) {
        for (unsigned k = 0; k < r->n_reactors; k++)
            node_turn(r->node, k, r->clock.mono_ns);
        sim_lane_run_all(r->lane, &r->prng);
    }
    node_free(TAKE_PTR(r->node));
    sim_lane_free(TAKE_PTR(r->lane));
    for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
        rig_disconnect(r, i);
    sim_net_free(TAKE_PTR(r->net));
}

void rig_free(struct rig *r)
{
    end_process(r);
    sim_disk_exit(r->disk);
    sim_disk_free(r->disk);
    config_fini(&r->config);
    arena_fini(&r->arena);
    free(r);
}

void rig_kill(struct rig *r)
{
    end_process(r);
    sim_disk_exit(r->disk);
}

void rig_crash(struct rig *r, enum sim_disk_crash how)
{
    end_process(r);
    sim_disk_crash(r->disk, how, &r->prng);
}

int rig_start(struct rig *r)
{
    struct env *envs[RIG_MAX_REACTORS];
    struct node_options options = {
        .config = &r->config,
        .n_reactors = r->n_reactors,
        .envs = envs,
        .n_shards = r->n_shards,
        .max_files = 65536,
        .journal_file_bytes = r->journal_file_bytes,
        .links = r->links,
        .host = { .fatal = fatal,
                  .http = http,
                  .damaged = damaged,
                  .notice = notice,
                  .peer_refused = peer_refused,
                  .ctx = r },
        .peers = &r->peers,
    };
    int rc;

    r->fatal_error = 0;
    r->fatal_text[0] = '\0';
    r->notices[0] = '\0';
    r->lane = sim_lane_new(r->n_reactors, r->n_shards);
    r->net = sim_net_new(r->n_reactors, &r->prng);
    for (unsigned i = 0; i < r->n_reactors; i++) {
        envs[i] = &r->envs[i];
        r->envs[i] = (struct env){
            .clock = &r->clock.env,
            .disk = sim_disk_env(r->disk),
            .net = sim_net_env(r->net, i),
            .prng = &r->prng.env,
            .lane = sim_lane_env(r->lane, i),
        };
    }
    rc = node_open(&options, &r->node, &r->err);
    if (rc != 0) {
        sim_lane_free(TAKE_PTR(r->lane));
        sim_net_free(TAKE_PTR(r->net));
        return rc;
    }
    node_set_port(r->node, 9092);
    for (unsigned i = 0; i < r->n_reactors; i++)
        node_start(r->node, i);
    return 0;
}

bool rig_is_ready(const struct rig *r)
{
    for (unsigned i = 0; i < r->n_reactors; i++)
        if (!node_is_ready(r->node, i))
            return false;
    return true;
}

void rig_start_ok(struct rig *r)
{
    int rc = rig_start(r);

    ck_assert_msg(rc == 0, "start: %d %s", rc, r->err.text);
    for (int i = 0; i < 1000 && !rig_is_ready(r); i++)
        rig_run(r, 10 * MS);
    ck_assert(rig_is_ready(r));
}

bool rig_is_stopped(const struct rig *r)
{
    for (unsigned i = 0; i < r->n_reactors; i++)
        if (!node_is_stopped(r->node, i))
            return false;
    return true;
}

bool rig_stop(struct rig *r, uint64_t drain_ns, uint64_t limit_ns)
{
    uint64_t end = r->clock.mono_ns + limit_ns;

    node_stop(r->node, (unsigned)sim_prng_below(&r->prng, r->n_reactors), drain_ns);
    while (!rig_is_stopped(r) && r->clock.mono_ns < end)
        rig_run(r, 10 * MS);
    if (!rig_is_stopped(r))
        return false;
    ck_assert_uint_eq(sim_lane_pending(r->lane), 0); /* nothing may be running when it is freed */
    node_free(TAKE_PTR(r->node));
    end_process(r);
    sim_disk_exit(r->disk);
    return true;
}

/* ---- Turns ---- */

static bool client_poll(struct client *c)
{
    uint8_t chunk[4096];
    bool moved = false;
    ssize_t n;

    if (c->conn == NULL || c->dead)
        return false;
    while (c->n_sent < wr_size(&c->out)) {
        n = sim_conn_send(c->conn, c->out.start + c->n_sent, wr_size(&c->out) - c->n_sent);
        if (n <= 0)
            break;
        c->n_sent += (size_t)n;
        moved = true;
    }
    while ((n = sim_conn_recv(c->conn, chunk, sizeof(chunk))) > 0) {
        if (c->n_in + (size_t)n > c->in_capacity) {
            c->in_capacity = (c->n_in + (size_t)n) * 2;
            c->in = xrealloc(c->in, c->in_capacity);
        }
        memcpy(c->in + c->n_in, chunk, (size_t)n);
        c->n_in += (size_t)n;
        moved = true;
    }
    c->dead = n != -EAGAIN;
    return moved || c->dead;
}

bool rig_step(struct rig *r)
{
    bool moved = false;

    r->deadline_ns = UINT64_MAX;
    for (unsigned i = 0; i < RIG_MAX_CLIENTS; i++)
        moved |= client_poll(&r->clients[i]);
    for (unsigned i = 0; i < r->n_reactors; i++) {
        moved |= sim_net_turn(r->net, i) > 0;
        r->deadline_ns = MIN(r->deadline_ns, node_turn(r->node, i, r->clock.mono_ns));
    }
    for (uint64_t n = 1 + sim_prng_below(&r->prng, 3); n > 0; n--)
        moved |= sim_lane_step(r->lane, &r->prng);
    return moved;
}

void rig_run(struct rig *r, uint64_t ns)
{
    uint64_t end = r->clock.mono_ns + ns;

    if (r->cluster != NULL) {
        cluster_run(r->cluster, ns);
        return;
    }
    for (;;) {
        if (rig_step(r) || r->deadline_ns <= r->clock.mono_ns) {
            sim_clock_advance(&r->clock, 1000); /* work takes time */
            if (r->clock.mono_ns < end)
                continue;
            return;
        }
        if (r->deadline_ns > end)
            break;
        sim_clock_advance_to(&r->clock, r->deadline_ns);
    }
    sim_clock_advance_to(&r->clock, end);
}
