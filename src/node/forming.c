/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mark.h"
#include "node/internal.h"

/* The forming of a cluster by several nodes, once. Each has a list of all; the hellos of the others tell their data
 * directories' incarnations, and that they are in no cluster. When that is known of all, the smallest voter names the
 * cluster and its brokers, makes that durable, and tells the others, who take it only while they are in none
 * themselves. Whoever is in it tells those who aren't yet, so that the first may fail as soon as one has heard of it.
 *
 * Nothing is undone: a crash leaves a node without a cluster, or with one. */

#define TELL_INTERVAL_NS (500ull * 1000 * 1000)
#define RETRY_NS (1000ull * 1000 * 1000)
#define FIRST_VOTERS 3

/* ---- The list ---- */

static int refuse(struct error_text *err, const char *what, const char *node_id)
{
    error_setf(err, "discovery.peers: %s%s", what, node_id);
    return NODE_E_PEERS;
}

static void list_add(struct node_forming *f, const char *node_id, const char *raft_addr, bool is_controller)
{
    f->listed[f->n_listed++] = (struct node_listed){
        .node_id = xstrdup(node_id),
        .raft_addr = raft_addr != NULL ? xstrdup(raft_addr) : NULL,
        .is_controller = is_controller,
    };
}

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const struct node_listed *)a)->node_id, ((const struct node_listed *)b)->node_id);
}

int node_forming_check(const struct node *n, struct error_text *err)
{
    const struct node_forming *f = &n->forming;

    if (f->n_listed > META_FOUNDERS_MAX)
        return refuse(err, "more than 32 nodes can't form a cluster", "");
    for (size_t i = 0; i < f->n_listed; i++) {
        const struct node_listed *l = &f->listed[i];

        if (i > 0 && strcmp(l->node_id, l[-1].node_id) == 0)
            return refuse(err, "listed twice: ", l->node_id);
        if (l->raft_addr == NULL || l->raft_addr[0] == '\0' || strlen(l->raft_addr) > META_BROKER_TEXT_MAX)
            return refuse(err, "no address for other nodes is known of ", l->node_id);
        if (l->node_id[0] == '\0' || strlen(l->node_id) > META_BROKER_TEXT_MAX)
            return refuse(err, "not a node id: ", l->node_id);
    }
    return 0;
}

/* The listed controllers; else the three smallest, and of two the smaller alone: two can't outvote one. */
static void choose_voters(struct node_forming *f)
{
    size_t n = f->n_listed < FIRST_VOTERS ? 1 : FIRST_VOTERS;
    bool controllers = false;

    for (size_t i = 0; i < f->n_listed; i++)
        controllers = controllers || f->listed[i].is_controller;
    for (size_t i = 0; i < f->n_listed; i++)
        f->listed[i].votes = controllers ? f->listed[i].is_controller : i < n;
}

static struct node_listed *find_listed(struct node_forming *f, const char *node_id)
{
    for (size_t i = 0; i < f->n_listed; i++)
        if (strcmp(f->listed[i].node_id, node_id) == 0)
            return &f->listed[i];
    return NULL;
}

static void forget_list(struct node_forming *f)
{
    for (size_t i = 0; i < f->n_listed; i++) {
        free(f->listed[i].node_id);
        free(f->listed[i].raft_addr);
    }
    free(TAKE_PTR(f->listed));
    f->n_listed = 0;
}

void node_forming_init(struct node *n, const struct node_options *options)
{
    const struct config *c = options->config;
    struct node_forming *f = &n->forming;
    size_t n_peers = options->peers != NULL ? options->peers->n : 0;

    if (n_peers == 0)
        return;
    f->listed = xcalloc(n_peers + 1, sizeof(*f->listed));
    for (size_t i = 0; i < n_peers; i++) {
        const struct config_peer *p = &options->peers->items[i];

        list_add(f, p->node_id, p->raft_addr, p->is_controller);
    }
    if (find_listed(f, c->node_id) == NULL)
        list_add(f, c->node_id, c->raft.raft_addr, false);
    qsort(f->listed, f->n_listed, sizeof(*f->listed), compare_listed);
    if (f->n_listed == 1)
        forget_list(f);
    choose_voters(f);
}

void node_forming_forget(struct node *n)
{
    forget_list(&n->forming);
}

void node_forming_fini(struct node *n)
{
    forget_list(&n->forming);
    meta_formation_fini(&n->formation);
    if (n->registering.busy)
        wr_fini(&n->registering.body);
    node_readmit_fini(n);
}

/* ---- Taking over what was formed ---- */

struct node_forming_job {
    struct lane_work work;
    struct node *node;
    struct meta_formation formation;
    struct superblock superblock;
    int error;
};

struct identity_mail {
    struct lane_mail mail;
    struct node_reactor *to;
};

void node_found_metadata(struct node *n)
{
    struct replica_members members;
    struct replica_config config;
    struct wr first;
    int rc;

    node_metadata_config(n, &members, &config);
    wr_init_growing(&first, 512, NODE_WORD_MAX);
    meta_write_formation(&first, &n->formation);
    gq_assert(first.error == 0);
    if (node_has_founded(&n->formation, &n->superblock)) {
        config.first = slice_make(first.start, wr_size(&first));
        config.first_ms = n->formation.formed_ms;
    }
    rc = replica_new(&node_shard_of(n, META_GROUP_ID_DEFAULT)->replicas, &config, &n->metadata);
    wr_fini(&first);
    if (rc != 0) {
        node_fatal(n, rc, "making the metadata's log");
        return;
    }
    node_group_add(node_shard_of(n, META_GROUP_ID_DEFAULT), META_GROUP_ID_DEFAULT, n->metadata);
    if (n->reactors[0].closed)
        replica_close(n->metadata);
}

static void reactor_done(struct lane_mail *mail)
{
    struct identity_mail *m = container_of(mail, struct identity_mail, mail);
    struct node *n = m->to->node;

    free(m);
    if (--n->forming.n_pending > 0 || n->reactors[0].phase >= NODE_CHECKPOINTING)
        return; /* the next start goes on from the file */
    node_found_metadata(n);
    node_know_brokers(n);
}

static void take_identity(struct identity_mail *m)
{
    struct node_reactor *r = m->to;
    struct node *n = r->node;

    r->backend.broker_id = n->superblock.broker_id;
    r->in_cluster = true;
    for (unsigned s = r->index; s < n->n_shards; s += n->n_reactors)
        node_make_fleet(&n->shards[s]);
    m->mail.deliver = reactor_done;
    lane_post(r->env->lane, 0, &m->mail);
}

static void identity_arrived(struct lane_mail *mail)
{
    take_identity(container_of(mail, struct identity_mail, mail));
}

/* At once here, and on the others before the links' mail: whoever looks at the superblock finds the fleets made. */
static void take_over(struct node *n)
{
    n->forming.n_pending = n->n_reactors;
    for (unsigned i = 0; i < n->n_reactors; i++) {
        struct identity_mail *m = xcalloc(1, sizeof(*m));

        m->to = &n->reactors[i];
        m->mail.deliver = identity_arrived;
        if (i == 0)
            take_identity(m);
        else
            lane_post(n->reactors[0].env->lane, i, &m->mail);
    }
}

static void forming_run(struct lane_work *work)
{
    struct node_forming_job *job = container_of(work, struct node_forming_job, work);
    struct env_disk *disk = job->node->reactors[0].env->disk;

    job->error = node_formation_store(disk, &job->formation);
    if (job->error == 0)
        job->error = superblock_write(disk, &job->superblock, NULL);
}

static void forming_done(struct lane_work *work)
{
    struct node_forming_job *job = container_of(work, struct node_forming_job, work);
    struct node *n = job->node;

    n->forming.job = NULL;
    if (job->error == 0) {
        n->superblock = job->superblock;
        n->formation = job->formation;
        take_over(n);
    } else {
        /* On a full disk nothing was promised to anybody, or the one who did tells again. */
        GQ_MARK(FORMING_PUT_OFF);
        meta_formation_fini(&job->formation);
        n->forming.next_tell_ns = n->reactors[0].now_ns + RETRY_NS;
        if (!disk_is_shortage(job->error))
            node_fatal(n, job->error, NODE_FORMATION_PATH ": writing it");
    }
    free(job);
}

/* Takes the formation. */
static void join(struct node *n, const struct meta_formation *f)
{
    struct node_forming_job *job = n->forming.job = xcalloc(1, sizeof(*job));

    job->node = n;
    job->formation = *f;
    job->superblock = n->superblock;
    node_formation_adopt(&job->formation, &job->superblock);
    job->work.run = forming_run;
    job->work.done = forming_done;
    lane_submit(n->reactors[0].env->lane, LANE_POOL, 0, &job->work);
}

bool node_may_join(const struct node *n)
{
    return !node_is_formed(n) && n->forming.job == NULL && n->superblock_job == NULL &&
           n->reactors[0].phase == NODE_RUNNING;
}

void node_forming_told(struct node *n, struct slice command)
{
    struct meta_formation f;

    if (!node_may_join(n) || n->forming.n_listed == 0 || meta_formation_read(command, &f) != 0)
        return;
    if (node_has_founded(&f, &n->superblock)) {
        GQ_MARK(FORMING_JOINED);
        join(n, &f);
    } else {
        meta_formation_fini(&f);
    }
}

void node_forming_welcomed(struct node *n, struct slice command)
{
    const struct meta_founder *founder;
    struct meta_formation f;

    if (!node_may_join(n) || n->forming.n_listed == 0 || meta_formation_read(command, &f) != 0)
        return;
    founder = node_founder(&f, &n->superblock);
    if (founder == NULL) {
        meta_formation_fini(&f);
        return;
    }
    if (!node_has_founded(&f, &n->superblock))
        node_notice(n, false,
                    "readmitted to the cluster as broker %d: what this node has to have comes from the others",
                    founder->id);
    join(n, &f);
}

/* ---- Forming one ---- */

static bool is_self(const struct node *n, const struct node_listed *l)
{
    return strcmp(l->node_id, n->superblock.node_id) == 0;
}

static bool is_smallest_voter(const struct node *n)
{
    for (size_t i = 0; i < n->forming.n_listed; i++)
        if (n->forming.listed[i].votes)
            return is_self(n, &n->forming.listed[i]);
    return false;
}

static bool all_are_heard(const struct node *n)
{
    for (size_t i = 0; i < n->forming.n_listed; i++) {
        const struct node_listed *l = &n->forming.listed[i];

        if (!is_self(n, l) && (!l->heard || !uuid_is_zero(&l->cluster_id)))
            return false;
    }
    return true;
}

static void form(struct node *n)
{
    struct env *env = n->reactors[0].env;
    struct meta_formation f = { .formed_ms = clock_real_ms(env->clock), .n_founders = (uint32_t)n->forming.n_listed };
    uint8_t random[16];

    GQ_MARK(FORMING_FORMED);
    prng_fill(env->prng, random, sizeof(random));
    uuid_from_random(&f.cluster_id, random);
    for (uint32_t i = 0; i < f.n_founders; i++) {
        const struct node_listed *l = &n->forming.listed[i];

        f.founders[i] = (struct meta_founder){
            .id = (int32_t)i + 1,
            .incarnation = is_self(n, l) ? n->superblock.incarnation : l->incarnation,
            .node_id = xstrdup(l->node_id),
            .raft_addr = xstrdup(l->raft_addr),
            .votes = l->votes,
        };
    }
    join(n, &f);
}

/* A founder with another incarnation than it had isn't one any more. */
static void note_founder(struct node *n, const struct peer_hello *hello)
{
    for (uint32_t i = 0; i < n->formation.n_founders; i++) {
        const struct meta_founder *f = &n->formation.founders[i];

        if (strcmp(f->node_id, hello->node_id) != 0)
            continue;
        n->forming.untold[i] = uuid_is_zero(&hello->cluster_id) && uuid_eq(&f->incarnation, &hello->incarnation);
        n->forming.next_tell_ns = 0;
    }
}

void node_forming_heard(struct node *n, const struct peer_hello *hello)
{
    struct node_listed *l = find_listed(&n->forming, hello->node_id);

    if (l != NULL) {
        l->heard = true;
        l->incarnation = hello->incarnation;
        l->cluster_id = hello->cluster_id;
        node_readmit_look(n);
    }
    note_founder(n, hello);
}

static uint64_t tell_founders(struct node *n, uint64_t now_ns)
{
    struct wr w;
    bool any = false;

    for (uint32_t i = 0; i < n->formation.n_founders; i++)
        any = any || n->forming.untold[i];
    if (!any || n->links == NULL)
        return UINT64_MAX;
    if (now_ns < n->forming.next_tell_ns)
        return n->forming.next_tell_ns;
    n->forming.next_tell_ns = now_ns + TELL_INTERVAL_NS;
    wr_init_growing(&w, 512, NODE_WORD_MAX);
    meta_write_formation(&w, &n->formation);
    for (uint32_t i = 0; i < n->formation.n_founders; i++)
        if (n->forming.untold[i])
            n->links->tell(n, n->formation.founders[i].node_id, NODE_WORD_FORM, slice_make(w.start, wr_size(&w)));
    wr_fini(&w);
    return n->forming.next_tell_ns;
}

uint64_t node_forming_poll(struct node *n)
{
    uint64_t now_ns = n->reactors[0].now_ns;

    if (n->forming.n_pending > 0)
        return UINT64_MAX;
    if (n->formation.n_founders > 0)
        return tell_founders(n, now_ns);
    if (n->forming.n_listed == 0 || !node_may_join(n) || !is_smallest_voter(n) || !all_are_heard(n))
        return UINT64_MAX;
    if (now_ns < n->forming.next_tell_ns)
        return n->forming.next_tell_ns;
    form(n);
    return UINT64_MAX;
}

bool node_forming_is_idle(const struct node *n)
{
    return n->forming.job == NULL && n->forming.n_pending == 0;
}

void node_forming_start(struct node *n)
{
    if (node_is_formed(n)) {
        if (n->metadata == NULL) {
            GQ_MARK(FORMING_GOES_ON);
            node_found_metadata(n);
        }
        node_know_brokers(n);
        node_identity_complete(n);
        return;
    }
    for (size_t i = 0; n->links != NULL && i < n->forming.n_listed; i++) {
        const struct node_listed *l = &n->forming.listed[i];

        if (!is_self(n, l))
            n->links->know(n, &(struct node_peer){ .node_id = l->node_id, .raft_addr = l->raft_addr, .broker_id = -1 });
    }
}
