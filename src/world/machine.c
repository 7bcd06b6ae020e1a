/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links.h"
#include "world/faults.h"
#include "world/rare.h"
#include "world/watch.h"

#define N_SHARDS 2
#define MAX_FILES 65536
#define MORE_FILES 32  /* connections: all clients have one */
#define FEWER_FILES 32 /* than a shard's journal may have: here it has few */
#define DRAIN_NS (1 * SEC)
#define END_ROUNDS 10
#define MAX_VAIN_TURNS 1000
#define CAPACITY (UINT64_C(1) << 40)

/* ---- What the node tells its host ---- */

static void on_fatal(void *ctx, int err, const char *text)
{
    struct machine *m = ctx;

    if (m->fatal_error != 0)
        return;
    m->fatal_error = err;
    error_setf(&m->fatal_text, "%s", text);
}

static void on_http(void *ctx, unsigned reactor, struct net_conn *conn)
{
    net_close(conn);
}

static void on_damaged(void *ctx, const char *topic, int32_t partition, const char *text)
{
    struct machine *m = ctx;

    if (m->excused || sim_disk_is_dead(m->disk))
        return; /* what can't be read counts as damaged */
    world_fail(m->world, "no damage", "node %u: %s-%d: %s", m->index, topic != NULL ? topic : "metadata", partition,
               text);
}

/* ---- The end of a process ---- */

static void hold_no_lane(struct machine *m)
{
    sim_lane_hold(m->lane, LANE_POOL, 0, false);
    for (unsigned i = 0; i < m->n_shards; i++)
        sim_lane_hold(m->lane, LANE_FLUSH, i, false);
}

/* Whoever is on a lane finishes over a dead disk, so that the node can be freed. */
static void free_node(struct machine *m, bool power_lost)
{
    between_detach(m, power_lost);
    sim_disk_crash_after(m->disk, 0);
    if (m->node != NULL) {
        hold_no_lane(m);
        sim_lane_run_all(m->lane, &m->lane_prng);
        node_abandon(m->node);
        for (int i = 0; i < END_ROUNDS; i++) {
            for (unsigned k = 0; k < m->n_reactors; k++)
                node_turn(m->node, k, m->clock.mono_ns);
            sim_lane_run_all(m->lane, &m->lane_prng);
        }
    }
    node_free(TAKE_PTR(m->node));
    sim_lane_free(TAKE_PTR(m->lane));
    sim_net_free(TAKE_PTR(m->net));
}

void machine_adopt(struct machine *m, struct sim_conn *conn)
{
    if (m->n_orphans == MACHINE_MAX_ORPHANS) {
        sim_conn_close(m->orphans[0]);
        memmove(m->orphans, m->orphans + 1, --m->n_orphans * sizeof(m->orphans[0]));
    }
    m->orphans[m->n_orphans++] = conn;
}

void machine_drop_orphans(struct machine *m)
{
    for (unsigned i = 0; i < m->n_orphans; i++)
        sim_conn_close(m->orphans[i]);
    m->n_orphans = 0;
}

static void end_process(struct machine *m, bool power_lost)
{
    struct world *w = m->world;

    old_disk_before_end(m);
    for (unsigned i = 0; i < w->n_clients; i++)
        if (w->clients[i]->machine == m)
            client_unplug(w->clients[i]);
    machine_drop_orphans(m);
    free_node(m, power_lost);
    world_cancel(w, &m->lane_event);
    for (unsigned i = 0; i < m->n_reactors; i++)
        world_cancel(w, &m->reactors[i].turn);
    m->stopping = false;
    m->paused_until = 0;
    m->excused = m->sync_failed || m->world->sick == m;
    m->fatal_error = 0;
}

/* With others that go on meanwhile some come back late. */
static void boot_again(struct machine *m)
{
    struct world *w = m->world;
    uint64_t within_ns = 300 * MS;

    if (w->n_machines > 1 && w->phase == WORLD_WORK)
        within_ns <<= sim_prng_below(&m->prng, 5);
    if (w->phase != WORLD_STOP)
        world_at(w, &m->boot, world_soon(w, &m->prng, within_ns));
}

static void set_up_disk(struct machine *m)
{
    sim_disk_set_sync_fs(m->disk, m->has_sync_fs);
    sim_disk_set_capacity(m->disk, CAPACITY);
    sim_disk_limit_files(m->disk, m->max_disk_files);
}

void machine_kill(struct machine *m)
{
    end_process(m, false);
    sim_disk_exit(m->disk);
    world_step(m->world, WORLD_STEP_EXIT, m->index, 0, 0);
    boot_again(m);
}

void machine_lose_power(struct machine *m, enum sim_disk_crash how)
{
    end_process(m, true);
    world_step(m->world, WORLD_STEP_POWER_LOSS, m->index, how, (int64_t)sim_disk_units(m->disk));
    sim_disk_crash(m->disk, how, &m->disk_prng);
    m->sync_failed = false;
    m->excused = m->world->sick == m;
    m->power_lost = true;
    boot_again(m);
}

struct sim_disk *machine_change_disk(struct machine *m, struct sim_disk *disk)
{
    struct sim_disk *before = m->disk;

    media_mend(m);
    sim_disk_mend(disk); /* it may be an image that was made of a damaged one */
    m->disk = disk;
    m->rots = false;
    set_up_disk(m);
    return before;
}

void machine_lose_disk(struct machine *m)
{
    machine_lose_power(m, SIM_CRASH_NOTHING);
    sim_disk_free(machine_change_disk(m, sim_disk_new(&m->disk_prng)));
}

static enum sim_disk_crash draw_crash(struct machine *m)
{
    switch (sim_prng_below(&m->prng, 8)) {
    case 0:
        return SIM_CRASH_NOTHING;
    case 1:
        return SIM_CRASH_ALL;
    default:
        return SIM_CRASH_DRAW;
    }
}

/* ---- What follows from a step of the node ---- */

static void look_at_lanes(struct machine *m)
{
    if (!event_is_due(&m->lane_event) && sim_lane_pending(m->lane) > 0)
        world_at(m->world, &m->lane_event, world_soon(m->world, &m->prng, m->lane_delay_ns));
}

static void finish_stop(struct machine *m)
{
    for (unsigned i = 0; i < m->n_reactors; i++)
        if (!node_is_stopped(m->node, i))
            return;
    if (sim_lane_pending(m->lane) > 0)
        world_fail(m->world, "a stopped node is at rest", "node %u has %zu items on its lanes", m->index,
                   sim_lane_pending(m->lane));
    node_free(TAKE_PTR(m->node));
    world_step(m->world, WORLD_STEP_STOP, m->index, 1, (int64_t)sim_disk_steps(m->disk));
    machine_kill(m);
}

/* What requests hold before their answers stays within the budget, but for one large request and half frames, whatever
 * clients send. */
static void check_memory(struct machine *m, unsigned reactor)
{
    uint64_t budget = (uint64_t)m->config.request_memory_bytes / m->n_reactors;
    uint64_t most = budget + MAX(budget / 4, UINT64_C(32) << 10) + (uint64_t)m->config.max_request_size_bytes +
                    MACHINE_MAX_CONNECTIONS * (UINT64_C(64) << 10);
    uint64_t used = node_request_memory(m->node, reactor);

    if (used > most)
        world_fail(m->world, "memory is bounded", "node %u, reactor %u: requests hold %llu bytes, %llu are the most",
                   m->index, reactor, (unsigned long long)used, (unsigned long long)most);
}

/* After each step: the process may have to end, work was given to lanes, answers were sent. */
static void follow(struct machine *m)
{
    struct world *w = m->world;

    if (m->node != NULL)
        watch_look(w->watch, m);
    if (sim_disk_is_dead(m->disk)) {
        if (m->dies_by != WORLD_N_FAULTS)
            w->story->n_faults[m->dies_by]++;
        machine_lose_power(m, draw_crash(m));
        return;
    }
    if (m->fatal_error != 0) {
        world_step(w, WORLD_STEP_FATAL, m->index, m->fatal_error, 0);
        if (!m->excused)
            world_fail(w, "no error without a fault", "node %u: %s", m->index, m->fatal_text.text);
        machine_kill(m);
        return;
    }
    if (m->stopping) {
        finish_stop(m);
        if (m->node == NULL)
            return;
    }
    look_at_lanes(m);
    between_look(m);
    for (unsigned i = 0; i < w->n_clients; i++)
        if (w->clients[i]->machine == m)
            client_look(w->clients[i]);
}

void machine_wake(struct machine *m, unsigned reactor)
{
    uint64_t at_ns = world_soon(m->world, &m->prng, 5 * US);

    world_by(m->world, &m->reactors[reactor].turn, MAX(at_ns, m->paused_until));
}

/* Something came meanwhile, or it was told what the connection waits for: as epoll would say. On a node alone what was
 * heard is reason enough for one more turn, but not for ever: a reset is told in each, also to who wants to hear
 * nothing until the node is ready. */
static bool has_more(struct reactor *r, size_t n_calls)
{
    bool is_ready = sim_net_is_ready(r->machine->net, r->index);

    r->n_vain = is_ready || n_calls == 0 ? 0 : r->n_vain + 1;
    return r->machine->world->n_machines > 1 ? is_ready : n_calls > 0 && r->n_vain < MAX_VAIN_TURNS;
}

/* It stands still: later. */
static bool is_paused(struct machine *m, struct event *e)
{
    if (m->paused_until <= m->world->now_ns)
        return false;
    world_at(m->world, e, m->paused_until);
    return true;
}

static void on_turn(struct event *e)
{
    struct reactor *r = container_of(e, struct reactor, turn);
    struct machine *m = r->machine;
    struct world *w = m->world;
    uint64_t deadline;
    size_t n_calls;

    if (is_paused(m, e))
        return;
    clock_tick(m);
    n_calls = sim_net_turn(m->net, r->index);
    deadline = node_turn(m->node, r->index, m->clock.mono_ns);
    world_step(w, WORLD_STEP_TURN, m->index, r->index, (int64_t)n_calls);
    check_memory(m, r->index);
    if (has_more(r, n_calls) || deadline <= m->clock.mono_ns)
        machine_wake(m, r->index);
    else if (deadline != UINT64_MAX)
        world_at(w, &r->turn, sim_pace_world(&m->pace, deadline));
    follow(m);
}

static void on_lane(struct event *e)
{
    struct machine *m = container_of(e, struct machine, lane_event);
    int reactor;

    if (is_paused(m, e))
        return;
    clock_tick(m);
    if (!sim_lane_step(m->lane, &m->lane_prng))
        return; /* all of it is held */
    reactor = sim_lane_last_reactor(m->lane);
    world_step(m->world, WORLD_STEP_LANE, m->index, reactor, (int64_t)sim_disk_steps(m->disk));
    if (reactor >= 0)
        machine_wake(m, (unsigned)reactor);
    follow(m);
}

/* ---- Start ---- */

static void make_seams(struct machine *m, struct env **envs)
{
    m->lane = sim_lane_new(m->n_reactors, m->n_shards);
    m->net = sim_net_new(m->n_reactors, &m->net_prng);
    for (unsigned i = 0; i < m->n_reactors; i++) {
        envs[i] = &m->envs[i];
        m->envs[i] = (struct env){
            .clock = &m->clock.env,
            .disk = sim_disk_env(m->disk),
            .net = sim_net_env(m->net, i),
            .prng = &m->node_prng.env,
            .lane = sim_lane_env(m->lane, i),
        };
    }
}

static int open_node(struct machine *m, struct error_text *err)
{
    struct env *envs[WORLD_MAX_REACTORS];
    struct node_options options = {
        .config = &m->config,
        .n_reactors = m->n_reactors,
        .envs = envs,
        .n_shards = m->n_shards,
        .max_files = m->max_files,
        .journal_file_bytes =
            m->world->small_journals ? (uint64_t)m->config.max_message_size_bytes * 4 + (64 << 10) : 0,
        .peers = between_peers(m->world),
        .links = m->world->n_machines > 1 ? &node_links : NULL,
        .host = { .fatal = on_fatal, .http = on_http, .damaged = on_damaged, .ctx = m },
    };
    int rc;

    make_seams(m, envs);
    rc = node_open(&options, &m->node, err);
    if (rc != 0)
        return rc;
    node_set_port(m->node, (uint16_t)(MACHINE_PORT + m->index));
    for (unsigned i = 0; i < m->n_reactors; i++)
        node_start(m->node, i);
    between_attach(m);
    return 0;
}

/* A few descriptors beyond the least with which a node works, in one seed of four. Drawn by itself: the other seeds are
 * what they were. */
static void limit_files(struct machine *m)
{
    struct node_files files;
    struct sim_prng prng;

    sim_prng_init(&prng, ~m->world->options.seed);
    m->max_files = m->max_disk_files = MAX_FILES;
    if (!sim_prng_chance(&prng, 1, 4))
        return;
    node_files_plan(&m->config, m->n_reactors, m->n_shards, MAX_FILES, &files);
    m->max_files = files.least + MORE_FILES;
    node_files_plan(&m->config, m->n_reactors, m->n_shards, m->max_files, &files);
    m->max_disk_files = files.files - (uint64_t)FEWER_FILES * m->n_shards;
}

/* A damaged disk kept the node from starting: somebody puts back what it was, or empties it. */
static void restore(struct machine *m)
{
    machine_kill(m);
    if (m->rot_wipes) {
        sim_disk_free(TAKE_PTR(m->backup));
        m->backup = sim_disk_new(&m->disk_prng);
    }
    sim_disk_free(machine_change_disk(m, TAKE_PTR(m->backup)));
}

static void on_boot(struct event *e)
{
    struct machine *m = container_of(e, struct machine, boot);
    struct world *w = m->world;
    struct error_text err = { "" };
    int rc;

    clock_tick(m);
    if (m->power_lost)
        clock_boot(m);
    m->power_lost = false;
    old_disk_before_start(m);
    m->dies_by = m->boot_crash_steps != UINT64_MAX ? WORLD_FAULT_CRASH_IN_RECOVERY : WORLD_N_FAULTS;
    sim_disk_crash_after(m->disk, m->boot_crash_steps);
    m->boot_crash_steps = UINT64_MAX;
    faults_at_boot(m);
    m->n_lives++;
    rc = open_node(m, &err);
    world_step(w, WORLD_STEP_START, m->index, rc, (int64_t)sim_disk_steps(m->disk));
    if (rc != 0 && !m->excused && m->backup == NULL && !sim_disk_is_dead(m->disk)) {
        world_fail(w, "a node starts", "node %u: %s (%s)", m->index, err.text, error_text(rc));
        return;
    }
    if (rc == 0)
        for (unsigned i = 0; i < m->n_reactors; i++)
            machine_wake(m, i);
    if (rc != 0 && m->backup != NULL) {
        restore(m);
        m->rot_wipes = false;
        return;
    }
    sim_disk_free(TAKE_PTR(m->backup));
    m->rot_wipes = false;
    if (rc != 0 && !sim_disk_is_dead(m->disk))
        media_mend(m);
    if (rc == 0 || sim_disk_is_dead(m->disk))
        follow(m);
    else
        machine_kill(m);
}

void machine_release(struct machine *m)
{
    sim_disk_set_capacity(m->disk, CAPACITY);
    if (m->lane == NULL)
        return;
    hold_no_lane(m);
    look_at_lanes(m);
}

void machine_pause(struct machine *m, uint64_t until_ns)
{
    m->paused_until = MAX(m->paused_until, until_ns);
}

void machine_go_on(struct machine *m)
{
    m->paused_until = 0;
    if (event_is_due(&m->lane_event))
        world_by(m->world, &m->lane_event, m->world->now_ns);
}

static void on_release(struct event *e)
{
    machine_release(container_of(e, struct machine, release));
}

bool machine_is_ready(const struct machine *m)
{
    if (m->node == NULL || m->stopping)
        return false;
    for (unsigned i = 0; i < m->n_reactors; i++)
        if (!node_is_ready(m->node, i))
            return false;
    return true;
}

void machine_stop(struct machine *m)
{
    if (m->world->phase == WORLD_STOP)
        world_cancel(m->world, &m->boot);
    if (m->node == NULL || m->stopping)
        return;
    m->stopping = true;
    node_stop(m->node, (unsigned)sim_prng_below(&m->prng, m->n_reactors), DRAIN_NS);
    world_step(m->world, WORLD_STEP_STOP, m->index, 0, 0);
    for (unsigned i = 0; i < m->n_reactors; i++)
        machine_wake(m, i);
    look_at_lanes(m);
}

static void configure(struct machine *m)
{
    struct config *c = &m->config;

    config_init(c);
    c->node_id = xasprintf("n%u", m->index + 1);
    c->journal_size_bytes = 5 << 20; /* the least that is allowed */
    c->performance.write_cache_size_bytes = 1 << 20;
    c->performance.read_cache_size_bytes = sim_prng_chance(&m->prng, 1, 2) ? 64 << 10 : 1 << 20;
    c->max_message_size_bytes = (int64_t)(m->world->max_batch_bytes / 3 * 4);
    c->max_request_size_bytes = 400 * 1000;
    c->request_memory_bytes = (256 << 10) << sim_prng_below(&m->prng, 8);
    c->segment_size_bytes = 16 << (10 + sim_prng_below(&m->prng, 6));
    c->retention_ns = CONFIG_NONE;
    c->auto_create_topics = false;
    if (m->world->between != NULL) {
        c->raft.rtt_ns = between_rtt_ns(m->world);
        c->replica_lag_time_ns = 500 * MS; /* runs are short */
    }
}

/* Some come long after the others. */
static uint64_t draw_first_boot(struct machine *m)
{
    return sim_prng_below(&m->prng, MS << sim_prng_below(&m->prng, 11));
}

struct machine *machine_new(struct world *w, unsigned index)
{
    struct machine *m = xcalloc(1, sizeof(*m));

    m->world = w;
    m->index = index;
    sim_prng_fork(&w->prng, &m->prng);
    sim_prng_fork(&w->prng, &m->node_prng);
    sim_prng_fork(&w->prng, &m->disk_prng);
    sim_prng_fork(&w->prng, &m->net_prng);
    sim_prng_fork(&w->prng, &m->lane_prng);
    m->n_reactors = 1 + (unsigned)sim_prng_below(&m->prng, WORLD_MAX_REACTORS);
    m->n_shards = N_SHARDS;
    m->lane_delay_ns = US << sim_prng_below(&m->prng, 10);
    m->boot_crash_steps = UINT64_MAX;
    m->dies_by = WORLD_N_FAULTS;
    sim_clock_init(&m->clock, w->now_ns, WORLD_EPOCH_MS + (int64_t)sim_prng_below(&m->prng, 1000000000));
    clock_begin(m);
    m->disk = sim_disk_new(&m->disk_prng);
    m->has_sync_fs = sim_prng_chance(&m->prng, 1, 2);
    configure(m);
    limit_files(m);
    set_up_disk(m);
    for (unsigned i = 0; i < WORLD_MAX_REACTORS; i++) {
        m->reactors[i] = (struct reactor){ .machine = m, .index = i };
        event_init(&m->reactors[i].turn, on_turn);
    }
    event_init(&m->lane_event, on_lane);
    event_init(&m->boot, on_boot);
    event_init(&m->release, on_release);
    world_at(w, &m->boot, w->now_ns + (w->n_machines > 1 ? draw_first_boot(m) : 0));
    return m;
}

void machine_free(struct machine *m)
{
    if (m == NULL)
        return;
    machine_drop_orphans(m);
    free_node(m, false);
    sim_disk_exit(m->disk);
    sim_disk_free(m->disk);
    config_fini(&m->config);
    free(m);
}
