/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node/links_rig.h"

#include <stdio.h>

#define BEAT_NS (50 * MS)
#define MAX_TERM_OF_TAGS 1000000

/* ---- What the links call ---- */

static struct player *player_of(const struct node *n)
{
    return container_of(n, struct player, node);
}

/* Which byte a message with this tag has at a place of its body. */
static uint8_t byte_at(uint64_t tag, size_t at)
{
    return (uint8_t)(tag * 7 + at * 31 + (at >> 9));
}

static void check_bytes(struct slice s, uint64_t tag, size_t at)
{
    for (size_t i = 0; i < s.size; i++)
        ck_quick(s.data[i] == byte_at(tag, at + i));
}

void node_group_heard(struct node_shard *s, struct replica_message *m)
{
    struct player *p = player_of(s->node);
    struct heard h = { s->index, m->group, m->raft.kind, m->raft.from, m->raft.term, m->raft.n_entries, 0 };

    ck_assert_int_eq(m->raft.to, p->broker_id);
    ck_assert_uint_eq((m->group - 1) % p->n_shards, s->index);
    for (uint32_t i = 0; i < m->raft.n_entries; i++) {
        check_bytes(m->entries[i].head, h.tag, h.size);
        h.size += m->entries[i].head.size;
    }
    if (m->image != NULL) {
        check_bytes(slice_make(m->data, m->image->size), h.tag, 0);
        h.size = m->image->size;
    }
    if (p->n_heard == p->heard_capacity) {
        p->heard_capacity = MAX(p->heard_capacity * 2, (size_t)64);
        p->heard = xrealloc(p->heard, p->heard_capacity * sizeof(*p->heard));
    }
    p->heard[p->n_heard++] = h;
}

void node_image_lost(struct node_shard *s, uint64_t group, int32_t to)
{
    player_of(s->node)->n_images_lost++;
}

bool node_peer_was_replaced(const struct node_reactor *r, const char *node_id, const struct uuid *incarnation)
{
    const struct player *p = player_of(r->node);

    return !uuid_is_zero(&p->replaced) && uuid_eq(&p->replaced, incarnation);
}

void node_hello_heard(struct node *n, const struct peer_hello *hello)
{
    struct player *p = player_of(n);

    p->n_hellos++;
    if (p->welcomes != NULL && strcmp(p->welcomes, hello->node_id) == 0)
        player_know(p, &p->bed->players[hello->node_id[0] - 'a']);
}

void node_word_heard(struct node *n, const char *node_id, enum node_word word, struct slice body)
{
    struct player *p = player_of(n);

    p->n_words++;
    p->word_size = body.size;
    if (slice_eq_str(body, "forget me"))
        node_links.forget(n, node_id);
    snprintf(p->word, sizeof(p->word), "%s %d %.*s", node_id, (int)word, (int)MIN(body.size, (size_t)40), body.data);
}

void node_peer_refused(struct node *n, const char *text)
{
    struct player *p = player_of(n);

    p->n_refused++;
    snprintf(p->refused, sizeof(p->refused), "%s", text);
}

uint64_t node_start_lsn(const struct node_shard *s)
{
    return player_of(s->node)->lsn;
}

void node_peer_limits(const struct node_shard *s, struct peer_limits *ret)
{
    *ret = (struct peer_limits){ .max_entry_bytes = 32 << 20, .max_image_bytes = 64 << 20 };
}

void fleet_peer_up(struct fleet *f, int32_t node, uint32_t n_shards)
{
    ck_assert(node >= 1 && node <= BED_MAX_NODES && node != f->player->broker_id);
    f->of[node - 1].up = true;
    f->of[node - 1].dead = false;
    f->of[node - 1].n_shards = n_shards;
    f->of[node - 1].n_ups++;
}

void fleet_peer_down(struct fleet *f, int32_t node, bool dead)
{
    f->of[node - 1].n_downs += f->of[node - 1].up;
    f->of[node - 1].up = false;
    f->of[node - 1].dead = dead;
}

int fleet_receive(struct fleet *f, const struct fleet_message *m)
{
    ck_assert_int_eq(m->to, f->player->broker_id);
    ck_assert_uint_eq(m->to_shard, f->shard);
    ck_assert(m->from >= 1 && m->from <= BED_MAX_NODES);
    f->player->n_sessions++;
    return 0;
}

/* ---- Nodes ---- */

struct bed *bed_new(uint64_t seed, unsigned n_nodes, unsigned n_reactors, unsigned n_shards)
{
    struct bed *b = xcalloc(1, sizeof(*b));

    sim_prng_init(&b->prng, seed);
    sim_clock_init(&b->clock, SEC, 1700000000000);
    b->mesh = sim_mesh_new(&b->prng);
    b->n = n_nodes;
    for (unsigned i = 0; i < n_nodes; i++) {
        struct player *p = &b->players[i];

        p->bed = b;
        p->index = i;
        p->broker_id = (int32_t)i + 1;
        p->boot = 1;
        p->n_reactors = n_reactors;
        p->n_shards = n_shards;
        p->incarnation.bytes[0] = (uint8_t)(i + 1);
        p->cluster_id.bytes[0] = 99;
        snprintf(p->address, sizeof(p->address), "%c.test:7001", 'a' + (int)i);
    }
    return b;
}

static void make_node(struct player *p)
{
    struct node *n = &p->node;

    *n = (struct node){ .n_reactors = p->n_reactors, .n_shards = p->n_shards, .links = &node_links };
    n->superblock = (struct superblock){ .broker_id = p->broker_id,
                                         .n_shards = p->n_shards,
                                         .boot_counter = p->boot,
                                         .cluster_id = p->cluster_id,
                                         .incarnation = p->incarnation };
    snprintf(n->superblock.node_id, sizeof(n->superblock.node_id), "%c", 'a' + (int)p->index);
    n->reactors = p->reactors;
    n->shards = p->shards;
    for (unsigned s = 0; s < p->n_shards; s++) {
        p->fleets[s] = (struct fleet){ .player = p, .shard = s };
        p->shards[s] = (struct node_shard){ .node = n, .index = s };
        p->shards[s].replicas.fleet = &p->fleets[s];
    }
}

void player_start(struct player *p)
{
    struct bed *b = p->bed;

    make_node(p);
    p->lane = sim_lane_new(p->n_reactors, p->n_shards);
    p->net = sim_net_new(p->n_reactors, &b->prng);
    if (b->buffer_bytes > 0)
        sim_net_set_buffer(p->net, b->buffer_bytes);
    for (unsigned i = 0; i < p->n_reactors; i++) {
        struct node_reactor *r = &p->reactors[i];

        p->envs[i] = (struct env){ .clock = &b->clock.env,
                                   .net = sim_net_env(p->net, i),
                                   .prng = &b->prng.env,
                                   .lane = sim_lane_env(p->lane, i) };
        *r = (struct node_reactor){ .node = &p->node, .index = i, .env = &p->envs[i], .now_ns = b->clock.mono_ns };
        buf_pool_init(&r->pool, 1 << 20);
        mem_pool_init(&r->blocks, 1 << 20);
        node_links_init(r);
    }
    sim_mesh_attach(b->mesh, p->index, p->address, p->net);
    p->running = true;
}

/* No buffer and no work may be left. */
static void free_node(struct player *p)
{
    p->running = false;
    for (unsigned i = 0; i < p->n_reactors; i++) {
        node_links_fini(&p->reactors[i]);
        ck_assert_uint_eq(p->reactors[i].pool.used_bytes, 0);
        buf_pool_fini(&p->reactors[i].pool);
        mem_pool_fini(&p->reactors[i].blocks);
    }
    sim_lane_free(TAKE_PTR(p->lane));
    sim_net_free(TAKE_PTR(p->net));
}

void player_end(struct player *p, bool power_lost)
{
    if (!p->running)
        return;
    sim_mesh_detach(p->bed->mesh, p->index, power_lost);
    for (unsigned i = 0; i < p->n_reactors; i++)
        node_links_stop(&p->reactors[i]);
    sim_lane_run_all(p->lane, &p->bed->prng);
    free_node(p);
}

void player_stop(struct player *p)
{
    for (unsigned i = 0; i < p->n_reactors; i++)
        node_links_stop(&p->reactors[i]);
    while (sim_lane_step(p->lane, &p->bed->prng))
        ;
    for (unsigned i = 0; i < p->n_reactors; i++)
        ck_assert(node_links_are_quiet(&p->reactors[i]));
    for (int i = 0; i < 3; i++)
        bed_step(p->bed); /* what was closed is told */
    ck_assert_uint_eq(sim_lane_pending(p->lane), 0);
    sim_mesh_detach(p->bed->mesh, p->index, false);
    free_node(p);
}

void bed_free(struct bed *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        player_end(&b->players[i], false);
        free(b->players[i].heard);
    }
    sim_mesh_free(b->mesh);
    free(b);
}

void player_know(struct player *p, const struct player *other)
{
    char id[2] = { (char)('a' + (int)other->index), '\0' };

    node_links.know(&p->node, &(struct node_peer){ .node_id = id,
                                                   .raft_addr = other->address,
                                                   .broker_id = other->broker_id,
                                                   .incarnation = other->incarnation });
}

void bed_start(struct bed *b)
{
    for (unsigned i = 0; i < b->n; i++)
        player_start(&b->players[i]);
    for (unsigned i = 0; i < b->n; i++)
        for (unsigned k = 0; k < b->n; k++)
            player_know(&b->players[i], &b->players[k]);
}

void bed_delay(struct bed *b, uint64_t delay_ns, uint64_t jitter_ns)
{
    for (unsigned i = 0; i < b->n; i++)
        for (unsigned k = 0; k < b->n; k++) {
            sim_mesh_path(b->mesh, i, k)->delay_ns = delay_ns;
            sim_mesh_path(b->mesh, i, k)->jitter_ns = jitter_ns;
        }
}

void bed_hold(struct bed *b, unsigned from, unsigned to, bool held)
{
    sim_mesh_path(b->mesh, from, to)->held = held;
}

/* ---- Time ---- */

static void beat(struct player *p)
{
    for (unsigned s = 0; s < p->n_shards; s++)
        for (unsigned i = 0; i < BED_MAX_NODES; i++)
            for (uint32_t t = 0; p->fleets[s].of[i].up && t < p->fleets[s].of[i].n_shards; t++)
                node_links.send_session(&p->shards[s], &(struct fleet_message){ .from = p->broker_id,
                                                                                .to = (int32_t)i + 1,
                                                                                .from_shard = s,
                                                                                .to_shard = t,
                                                                                .session = 1,
                                                                                .sequence = 1 });
}

static bool turn(struct player *p)
{
    bool moved = false;
    uint64_t now_ns = p->bed->clock.mono_ns;

    p->deadline_ns = UINT64_MAX;
    for (unsigned i = 0; i < p->n_reactors; i++) {
        struct node_reactor *r = &p->reactors[i];
        uint64_t due_ns;

        r->now_ns = now_ns;
        moved |= sim_net_turn(p->net, i) > 0;
        node_links_turn(r);
        if (p->beats && i == 0 && now_ns >= p->next_beat_ns) {
            beat(p);
            p->next_beat_ns = now_ns + BEAT_NS;
        }
        due_ns = node_links_flush(r);
        p->deadline_ns = MIN(p->deadline_ns, due_ns);
    }
    if (p->beats)
        p->deadline_ns = MIN(p->deadline_ns, p->next_beat_ns);
    for (uint64_t n = sim_prng_below(&p->bed->prng, 4); n > 0; n--)
        moved |= sim_lane_step(p->lane, &p->bed->prng);
    return moved || sim_lane_pending(p->lane) > 0;
}

bool bed_step(struct bed *b)
{
    bool moved = sim_mesh_turn(b->mesh, b->clock.mono_ns) > 0;
    unsigned first = (unsigned)sim_prng_below(&b->prng, b->n);

    for (unsigned i = 0; i < b->n; i++)
        if (b->players[(first + i) % b->n].running)
            moved |= turn(&b->players[(first + i) % b->n]);
    return sim_mesh_turn(b->mesh, b->clock.mono_ns) > 0 || moved;
}

static uint64_t next_ns(const struct bed *b)
{
    uint64_t next = sim_mesh_next_ns(b->mesh);

    for (unsigned i = 0; i < b->n; i++)
        if (b->players[i].running)
            next = MIN(next, b->players[i].deadline_ns);
    return next;
}

void bed_run(struct bed *b, uint64_t ns)
{
    uint64_t end = b->clock.mono_ns + ns;

    while (b->clock.mono_ns < end) {
        uint64_t next;

        if (bed_step(b) || (next = next_ns(b)) <= b->clock.mono_ns)
            sim_clock_advance(&b->clock, 10000); /* work takes time */
        else
            sim_clock_advance_to(&b->clock, MIN(next, end));
    }
}

bool bed_is_up(const struct bed *b)
{
    for (unsigned i = 0; i < b->n; i++)
        for (unsigned k = 0; k < b->n; k++)
            for (unsigned s = 0; s < b->players[i].n_shards; s++)
                if (i != k && b->players[i].running && b->players[k].running && !b->players[i].fleets[s].of[k].up)
                    return false;
    return true;
}

void bed_run_until_up(struct bed *b, uint64_t limit_ns)
{
    uint64_t end = b->clock.mono_ns + limit_ns;

    while (!bed_is_up(b)) {
        ck_assert_uint_lt(b->clock.mono_ns, end);
        bed_run(b, MS);
    }
}

/* ---- What is said ---- */

static struct replica_message *message_new(const struct player *p, const struct player *to, uint64_t group,
                                           uint64_t tag, enum raft_message_kind kind, uint32_t n)
{
    struct replica_message *m = xcalloc(1, sizeof(*m) + n * sizeof(m->entries[0]));

    ck_assert(tag > 0 && tag < MAX_TERM_OF_TAGS);
    m->group = group;
    m->raft =
        (struct raft_message){ .kind = kind, .from = p->broker_id, .to = to->broker_id, .term = tag, .n_entries = n };
    return m;
}

static struct node_shard *shard_of(struct player *p, uint64_t group)
{
    return &p->shards[(group - 1) % p->n_shards];
}

void say_small(struct player *p, const struct player *to, uint64_t group, uint64_t tag)
{
    node_links.send(shard_of(p, group), message_new(p, to, group, tag, RAFT_TIMEOUT_NOW, 0));
}

void say_entries(struct player *p, const struct player *to, uint64_t group, uint64_t tag, uint32_t n, size_t size)
{
    struct replica_message *m = message_new(p, to, group, tag, RAFT_APPEND, n);
    struct node_shard *s = shard_of(p, group);

    for (uint32_t i = 0; i < n; i++) {
        struct buf *b = buf_new(&p->reactors[s->index % p->n_reactors].pool, size);

        for (size_t k = 0; k < size; k++)
            b->data[k] = byte_at(tag, i * size + k);
        m->entries[i] = (struct replica_message_entry){
            .term = 1,
            .head = slice_make(b->data, size / 3),
            .batches = slice_make(b->data + size / 3, size - size / 3),
            .buf = b,
        };
    }
    node_links.send(s, m);
}

void say_loaded(struct player *p, const struct player *to, uint64_t group, uint64_t tag, size_t size)
{
    struct replica_message *m = message_new(p, to, group, tag, RAFT_APPEND, 1);

    m->data = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        m->data[i] = byte_at(tag, i);
    m->entries[0] = (struct replica_message_entry){ .term = 1, .head = slice_make(m->data, size) };
    node_links.send(shard_of(p, group), m);
}

void say_image(struct player *p, const struct player *to, uint64_t group, uint64_t tag, size_t size)
{
    struct replica_message *m = message_new(p, to, group, tag, RAFT_SNAPSHOT, 0);

    m->data = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        m->data[i] = byte_at(tag, i);
    m->image = xcalloc(1, sizeof(*m->image));
    m->image->size = size;
    node_links.send(shard_of(p, group), m);
}

unsigned player_heard(const struct player *p, uint64_t tag)
{
    unsigned n = 0;

    for (size_t i = 0; i < p->n_heard; i++)
        n += p->heard[i].tag == tag;
    return n;
}

struct node_links_stats player_stats(const struct player *p)
{
    struct node_report report = { 0 };

    for (unsigned i = 0; i < p->n_reactors; i++)
        node_links_add_stats(&p->reactors[i], &report);
    return report.links;
}
