/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* test-raft-traces [--rewrite] [FILE ...]: runs the stories of tests/raft/traces/ and holds what happens against what
 * is written there. A story is text (#), and blocks: commands, a line ----, what happens, an empty line. With --rewrite
 * the files get what happens now. README.md there has the commands. */

#include <dirent.h>
#include <inttypes.h>

#include "raft/cluster.h"

#define MAX_WORDS 16

struct trace {
    struct cluster *c;
    FILE *out;
    int words;
    char *word[MAX_WORDS];
};

static int32_t number(const struct trace *t, int i, int32_t otherwise)
{
    return i < t->words ? (int32_t)strtol(t->word[i], NULL, 10) : otherwise;
}

/* Delivers what is on its way now, to one node or (0) all, from one or all. */
static void deliver(struct cluster *c, int32_t to, int32_t from)
{
    unsigned at = 0;

    for (unsigned left = c->n_packets; left > 0; left--) {
        const struct packet *p = &c->packets[at];

        if ((to != 0 && p->m.to != to) || (from != 0 && p->m.from != from)) {
            at++;
        } else if (c->cut[p->m.from][p->m.to] || !c->nodes[p->m.to].up) {
            story_message(c, p, "  (lost)");
            cluster_drop(c, at);
        } else {
            story_message(c, p, "");
            cluster_deliver(c, at, false);
        }
    }
}

static void settle(struct cluster *c)
{
    bool more = true;

    for (unsigned round = 0; more && round < 500; round++) {
        more = c->n_packets > 0;
        deliver(c, 0, 0);
        for (unsigned i = 1; i <= c->n_nodes; i++) {
            more = more || c->nodes[i].n_ops > 0;
            disk_flush(&c->nodes[i], c->nodes[i].n_ops);
        }
    }
    if (more)
        cluster_fail(c, "it doesn't settle");
}

static void run(struct cluster *c, int32_t time, bool settled)
{
    for (int32_t i = 0; i < time; i += 5) {
        c->now += 5;
        session_tick(c);
        for (unsigned id = 1; id <= c->n_nodes; id++)
            cluster_tick(c, (int32_t)id);
        c->quiet = settled;
        if (settled)
            settle(c);
        c->quiet = false;
    }
}

static void drop(struct trace *t)
{
    int32_t from = number(t, 1, 0), to = number(t, 2, 0);

    for (unsigned i = t->c->n_packets; i > 0; i--)
        if ((from == 0 || t->c->packets[i - 1].m.from == from) && (to == 0 || t->c->packets[i - 1].m.to == to))
            cluster_drop(t->c, i - 1);
}

/* The first message from I to J falls behind all others. */
static void overtake(struct trace *t)
{
    struct cluster *c = t->c;

    for (unsigned i = 0; i < c->n_packets; i++) {
        struct packet p = c->packets[i];

        if (p.m.from != number(t, 1, 0) || p.m.to != number(t, 2, 0))
            continue;
        memmove(&c->packets[i], &c->packets[i + 1], (c->n_packets - i - 1) * sizeof(p));
        c->packets[c->n_packets - 1] = p;
        return;
    }
    cluster_fail(c, "nothing is on its way to be overtaken");
}

static void cut(struct trace *t)
{
    int32_t a = number(t, 1, 0), b = number(t, 2, 0);

    for (int32_t i = 1; i <= CLUSTER_NODES; i++) {
        if (b == 0 && i != a)
            t->c->cut[a][i] = t->c->cut[i][a] = true;
        else if (b == i)
            t->c->cut[a][i] = true;
    }
}

static void refusal(struct cluster *c, int error)
{
    static const char *const texts[] = { "not the leader",     "busy",
                                         "leadership moves",   "a change is under way",
                                         "not a step to take", "the new voter isn't caught up",
                                         "not a voter to lead" };

    if (error != 0)
        cluster_say(c, "refused: %s\n", texts[error - RAFT_E_NOT_LEADER]);
}

static void config(struct trace *t)
{
    uint8_t roles[CLUSTER_NODES + 1] = { 0 };

    for (int i = 2; i < t->words; i++) {
        int32_t id = number(t, i, 0);

        gq_assert(id >= 1 && id <= CLUSTER_NODES);
        roles[id] = (uint8_t)((strchr(t->word[i], 'v') != NULL ? RAFT_VOTER : 0) |
                              (strchr(t->word[i], 'o') != NULL ? RAFT_OUTGOING : 0) |
                              (strchr(t->word[i], 'l') != NULL ? RAFT_LEARNER : 0));
    }
    refusal(t->c, cluster_propose_config(t->c, number(t, 1, 0), roles));
}

static void compact(struct trace *t)
{
    struct node *n = &t->c->nodes[number(t, 1, 0)];
    uint64_t index = (uint64_t)number(t, 2, 0);

    gq_assert(index <= MIN(n->commit, n->disk.last));
    n->stored_commit = MAX(n->stored_commit, index);
    n->disk.start = n->log.start = index;
    cluster_step(t->c, n->id, &(struct raft_event){ .kind = RAFT_COMPACT, .index = index }, NULL);
}

static void step(struct trace *t, enum raft_event_kind kind)
{
    struct raft_event event = { .kind = kind, .peer = number(t, 2, RAFT_NONE) };

    t->c->update.error = 0;
    cluster_step(t->c, number(t, 1, 0), &event, NULL);
    refusal(t->c, t->c->update.error);
}

static void show(struct trace *t)
{
    for (unsigned i = 1; i <= t->c->n_nodes; i++)
        if (t->words == 1 || number(t, 1, 0) == (int32_t)i)
            story_show(t->c, (int32_t)i);
}

static void new_cluster(struct trace *t)
{
    unsigned n = (unsigned)number(t, 1, 3);

    if (t->c != NULL)
        cluster_free(t->c);
    t->c = cluster_new(1, n, (unsigned)number(t, 2, (int32_t)n));
    t->c->story = t->out;
}

static void do_sessions(struct trace *t)
{
    t->c->sessions = true;
    t->c->limits.quiesce = number(t, 1, 0) != 0;
}

static void do_rank(struct trace *t)
{
    cluster_step(t->c, number(t, 1, 0), &(struct raft_event){ .kind = RAFT_RANK, .index = (uint64_t)number(t, 2, 0) },
                 NULL);
}

static void do_settle(struct trace *t)
{
    settle(t->c);
}

static void do_deliver(struct trace *t)
{
    deliver(t->c, number(t, 1, 0), number(t, 2, 0));
}

static void do_run(struct trace *t)
{
    run(t->c, number(t, 1, 0), true);
}

static void do_pass(struct trace *t)
{
    run(t->c, number(t, 1, 0), false);
}

static void do_flush(struct trace *t)
{
    struct node *n = &t->c->nodes[number(t, 1, 0)];

    disk_flush(n, (unsigned)number(t, 2, (int32_t)n->n_ops));
}

static void do_crash(struct trace *t)
{
    disk_crash(&t->c->nodes[number(t, 1, 0)], (unsigned)number(t, 2, 0));
}

static void do_restart(struct trace *t)
{
    disk_restart(&t->c->nodes[number(t, 1, 0)]);
}

static void do_heal(struct trace *t)
{
    memset(t->c->cut, 0, sizeof(t->c->cut));
}

static void do_propose(struct trace *t)
{
    refusal(t->c, cluster_propose(t->c, number(t, 1, 0), (unsigned)number(t, 2, 1), (uint32_t)number(t, 3, 100)));
}

static void do_campaign(struct trace *t)
{
    step(t, RAFT_CAMPAIGN);
}

static void do_read(struct trace *t)
{
    step(t, RAFT_READ);
}

static void do_transfer(struct trace *t)
{
    step(t, RAFT_TRANSFER);
}

static void do_peer_down(struct trace *t)
{
    step(t, RAFT_PEER_DOWN);
}

static void do_image_failed(struct trace *t)
{
    step(t, RAFT_SNAPSHOT_FAILED);
}

static void do_progress(struct trace *t)
{
    story_progress(t->c, number(t, 1, 0));
}

static const struct {
    const char *name;
    void (*run)(struct trace *t);
} commands[] = {
    { "cluster", new_cluster },
    { "sessions", do_sessions },
    { "rank", do_rank },
    { "settle", do_settle },
    { "deliver", do_deliver },
    { "run", do_run },
    { "pass", do_pass },
    { "flush", do_flush },
    { "drop", drop },
    { "overtake", overtake },
    { "cut", cut },
    { "heal", do_heal },
    { "crash", do_crash },
    { "restart", do_restart },
    { "propose", do_propose },
    { "config", config },
    { "campaign", do_campaign },
    { "read", do_read },
    { "transfer", do_transfer },
    { "down", do_peer_down },
    { "image-failed", do_image_failed },
    { "compact", compact },
    { "show", show },
    { "progress", do_progress },
};

static void command(struct trace *t, char *line)
{
    t->words = 0;
    for (char *w = strtok(line, " "); w != NULL && t->words < MAX_WORDS; w = strtok(NULL, " "))
        t->word[t->words++] = w;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, t->word[0]) != 0)
            continue;
        commands[i].run(t);
        return;
    }
    fprintf(t->out, "no such command: %s\n", t->word[0]);
}

/* Writes the story of `in` to `out` as it goes now. Returns whether the invariants held. */
static bool tell(FILE *in, FILE *out)
{
    char *told = NULL, line[512];
    size_t size = 0, from = 0;
    struct trace t = { .out = open_memstream(&told, &size) };
    bool expected = false, good;

    gq_assert(t.out != NULL);
    while (fgets(line, sizeof(line), in) != NULL) {
        if (expected && line[0] != '\n')
            continue;
        expected = false;
        fputs(line, out);
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "----") == 0) {
            fflush(t.out);
            fwrite(told + from, 1, size - from, out);
            from = size;
            expected = true;
        } else if (line[0] != '\0' && line[0] != '#') {
            command(&t, line);
        }
    }
    good = t.c == NULL || t.c->failure[0] == '\0';
    if (!good)
        fprintf(stderr, "%s\n", t.c->failure);
    if (t.c != NULL)
        cluster_free(t.c);
    fclose(t.out);
    free(told);
    return good;
}

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = xcalloc(1, 1 << 20);

    if (f == NULL) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(EXIT_FAILURE);
    }
    gq_assert(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
    fclose(f);
    return text;
}

/* The first line that differs. */
static void print_difference(const char *path, const char *written, const char *now)
{
    unsigned line = 1;

    while (*written == *now && *written != '\0') {
        line += *written == '\n';
        written++;
        now++;
    }
    fprintf(stderr, "%s:%u: something else happens; see what by: test-raft-traces --rewrite; git diff\n", path, line);
}

static bool try_file(const char *path, bool rewrite)
{
    _cleanup_(freep) char *written = read_all(path), *now = NULL;
    FILE *in = fmemopen(written, strlen(written), "r");
    size_t size;
    FILE *out = open_memstream(&now, &size);
    bool good;

    gq_assert(in != NULL && out != NULL);
    good = tell(in, out);
    fclose(in);
    fclose(out);
    if (rewrite) {
        out = fopen(path, "w");
        gq_assert(out != NULL);
        fwrite(now, 1, size, out);
        fclose(out);
    } else if (strcmp(written, now) != 0) {
        print_difference(path, written, now);
        good = false;
    }
    return good;
}

static int is_story(const struct dirent *d)
{
    const char *end = strrchr(d->d_name, '.');

    return end != NULL && strcmp(end, ".txt") == 0;
}

int main(int argc, char **argv)
{
    bool rewrite = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    unsigned n_passed = 0, n_failed = 0;
    struct dirent **names = NULL;
    int n = 0;

    for (int i = rewrite ? 2 : 1; i < argc; i++)
        try_file(argv[i], rewrite) ? n_passed++ : n_failed++;
    if (argc <= (rewrite ? 2 : 1))
        n = scandir(TRACES, &names, is_story, alphasort);
    for (int i = 0; i < n; i++) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", TRACES, names[i]->d_name);

        try_file(path, rewrite) ? n_passed++ : n_failed++;
        free(names[i]);
    }
    free(names);
    printf("raft-traces: %u passed, %u failed\n", n_passed, n_failed);
    return n_failed == 0 && n_passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
