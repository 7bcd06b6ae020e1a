/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal/rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/util.h"
#include "journal/format.h"

DEFINE_CLEANUP(struct disk_file *, disk_close)

struct rig *rig_new(uint64_t seed)
{
    struct rig *r = xcalloc(1, sizeof(*r));

    sim_prng_init(&r->prng, seed);
    sim_clock_init(&r->clock, 0, 0);
    r->disk = sim_disk_new(&r->prng);
    r->config = (struct journal_config){
        .disk = sim_disk_env(r->disk),
        .prng = &r->prng.env,
        .clock = &r->clock.env,
        .dir = "journal/0",
        .size_bytes = 2 * 1024 * 1024,
        .file_size_bytes = 256 * 1024,
        .first_file_size_bytes = 64 * 1024,
    };
    return r;
}

static void request_free(struct rig_request *q)
{
    free(q->data);
    free(q);
}

void rig_sequence_cut(struct rig_sequence *s, size_t n)
{
    while (s->n > n)
        request_free(s->requests[--s->n]);
    s->n_done = n;
}

static void sequence_fini(struct rig_sequence *s)
{
    rig_sequence_cut(s, 0);
    free(s->requests);
}

void rig_free(struct rig *r)
{
    rig_stop(r);
    for (size_t i = 0; i < r->n_groups; i++) {
        struct rig_group *g = &r->groups[i];

        sequence_fini(&g->log);
        sequence_fini(&g->states);
        free(g->replayed);
        free(g->sent.entries);
    }
    while (r->unnumbered != NULL) {
        struct rig_request *q = r->unnumbered;

        r->unnumbered = q->next;
        request_free(q);
    }
    sim_disk_exit(r->disk);
    sim_disk_free(r->disk);
    free(r);
}

struct rig_group *rig_group(struct rig *r, uint64_t id)
{
    for (size_t i = 0; i < r->n_groups; i++)
        if (r->groups[i].id == id)
            return &r->groups[i];
    ck_assert_uint_lt(r->n_groups, RIG_MAX_GROUPS);
    r->groups[r->n_groups] = (struct rig_group){ .id = id, .sent.vote = -1 };
    return &r->groups[r->n_groups++];
}

/* ---- Model ---- */

struct rig_entry *rig_state_entry(struct rig_state *s, uint64_t index)
{
    if (index > s->capacity) {
        size_t n = MAX(s->capacity * 2, (size_t)index);

        s->entries = xrealloc(s->entries, n * sizeof(*s->entries));
        memset(s->entries + s->capacity, 0, (n - s->capacity) * sizeof(*s->entries));
        s->capacity = n;
    }
    return &s->entries[index - 1];
}

static uint32_t checksum_at(struct rig_state *s, uint64_t index)
{
    return index == 0 ? 0 : rig_state_entry(s, index)->checksum;
}

static uint64_t term_at(struct rig_state *s, uint64_t index)
{
    return index == 0 ? 0 : rig_state_entry(s, index)->term;
}

void rig_state_apply(struct rig_state *s, const struct rig_request *q)
{
    const struct journal_request *r = &q->request;

    s->exists = r->kind != JOURNAL_FORGET;
    switch (r->kind) {
    case JOURNAL_ENTRY:
        s->last_index = r->index;
        *rig_state_entry(s, r->index) = (struct rig_entry){ r->term, r->checksum, r->data[0].size + r->data[1].size };
        break;
    case JOURNAL_HARD_STATE:
        s->term = r->state.term;
        s->vote = r->state.vote;
        break;
    case JOURNAL_TRUNCATE:
        s->last_index = r->index - 1;
        break;
    case JOURNAL_LOG_START:
        s->log_start = r->state.log_start;
        break;
    case JOURNAL_IMAGE_INSTALLED:
        s->last_index = r->state.checkpoint_index;
        s->log_start = r->state.log_start;
        *rig_state_entry(s, s->last_index) =
            (struct rig_entry){ r->state.checkpoint_term, r->state.checkpoint_checksum, 0 };
        break;
    case JOURNAL_CHECKPOINT:
    case JOURNAL_RELOCATED:
    case JOURNAL_FORGET:
        break;
    }
}

/* ---- Requests ---- */

static struct rig_sequence *sequence_of(struct rig_request *q)
{
    return q->request.kind == JOURNAL_HARD_STATE ? &q->group->states : &q->group->log;
}

static void request_withdrawn(struct rig *r, struct rig_request *q)
{
    struct rig_sequence *s = sequence_of(q);

    if (q->request.kind == JOURNAL_RELOCATED) {
        q->group->n_copies--;
    } else if (q->request.kind != JOURNAL_CHECKPOINT) {
        ck_assert_uint_ge(q->number, s->n_done);
        s->n_withdrawn++;
        q->next = r->unnumbered;
        r->unnumbered = q;
    }
}

static void request_done(struct journal_request *request)
{
    struct rig_request *q = container_of(request, struct rig_request, request);
    struct rig_group *g = q->group;

    if (g->withdrawing != NULL) {
        ck_assert_uint_eq(request->lsn, 0);
        request_withdrawn(g->withdrawing, q);
        return;
    }
    ck_assert_uint_gt(request->lsn, 0);
    if (request->kind == JOURNAL_CHECKPOINT)
        g->checkpoint_done = MAX(g->checkpoint_done, request->state.checkpoint_index);
    else if (request->kind == JOURNAL_RELOCATED)
        g->n_copies_done++;
    else
        ck_assert_uint_eq(sequence_of(q)->n_done++, q->number);
    if (request->kind == JOURNAL_IMAGE_INSTALLED)
        g->checkpoint_done = request->state.checkpoint_index;
}

static struct rig_request *request_new(struct rig *r, uint64_t group, enum journal_request_kind kind)
{
    struct rig_request *q = xcalloc(1, sizeof(*q));

    q->group = rig_group(r, group);
    q->request.kind = kind;
    q->request.group = group;
    q->request.done = request_done;
    return q;
}

static void send(struct rig *r, struct rig_request *q)
{
    struct rig_sequence *s = sequence_of(q);

    if (s->n == s->capacity) {
        s->capacity = MAX(s->capacity * 2, (size_t)8);
        s->requests = xrealloc(s->requests, s->capacity * sizeof(struct rig_request *));
    }
    q->n_states = q->group->states.n;
    q->number = s->n;
    s->requests[s->n++] = q;
    rig_state_apply(&q->group->sent, q);
    journal_append(r->j, &q->request);
}

void rig_entry(struct rig *r, uint64_t group, size_t size)
{
    struct rig_request *q = request_new(r, group, JOURNAL_ENTRY);
    struct rig_state *s = &q->group->sent;
    size_t cut = size > 0 ? (size_t)sim_prng_below(&r->prng, size + 1) : 0;

    q->data = xmalloc(size + 1);
    prng_fill(&r->prng.env, q->data, size);
    q->request.index = s->last_index + 1;
    q->request.term = MAX(s->term, 1);
    q->request.prev_checksum = checksum_at(s, s->last_index);
    q->request.checksum = crc32c(0, q->data, size);
    q->request.data[0] = slice_make(q->data, cut);
    q->request.data[1] = slice_make(q->data + cut, size - cut);
    q->request.awaited = r->awaited;
    send(r, q);
}

void rig_hard_state(struct rig *r, uint64_t group, uint64_t term, int32_t vote)
{
    struct rig_request *q = request_new(r, group, JOURNAL_HARD_STATE);

    q->request.state.term = term;
    q->request.state.vote = vote;
    send(r, q);
}

void rig_truncate(struct rig *r, uint64_t group, uint64_t index)
{
    struct rig_request *q = request_new(r, group, JOURNAL_TRUNCATE);
    struct rig_state *s = &q->group->sent;

    q->request.index = index;
    q->request.prev_checksum = checksum_at(s, index - 1);
    q->request.term = term_at(s, index - 1);
    send(r, q);
}

static void checkpoint_state(struct rig_group *g, uint64_t index, struct journal_group_state *st)
{
    st->checkpoint_index = index;
    st->checkpoint_checksum = checksum_at(&g->sent, index);
    st->checkpoint_term = term_at(&g->sent, index);
    st->checkpoint_offset = (int64_t)index * 10;
}

/* Flushed, and nothing that waits voids it. */
static bool is_committed(const struct rig_group *g, uint64_t index)
{
    for (size_t i = g->log.n_done; i < g->log.n; i++) {
        const struct journal_request *q = &g->log.requests[i]->request;

        if (q->kind == JOURNAL_IMAGE_INSTALLED ||
            ((q->kind == JOURNAL_TRUNCATE || q->kind == JOURNAL_ENTRY) && q->index <= index))
            return false;
    }
    return index <= g->sent.last_index;
}

bool rig_may_checkpoint(struct rig *r, uint64_t group, uint64_t index)
{
    const struct rig_group *g = rig_group(r, group);

    return g->checkpoint_sent < index && is_committed(g, index);
}

void rig_checkpoint(struct rig *r, uint64_t group, uint64_t index)
{
    struct rig_request *q = request_new(r, group, JOURNAL_CHECKPOINT);

    ck_assert(is_committed(q->group, index));
    checkpoint_state(q->group, index, &q->request.state);
    q->group->checkpoint_sent = index;
    q->next = r->unnumbered;
    r->unnumbered = q;
    journal_append(r->j, &q->request);
}

/* The request that made the group's entry what it is. */
static const struct rig_request *entry_request(const struct rig_group *g, uint64_t index)
{
    for (size_t i = g->log.n; i > 0; i--) {
        const struct rig_request *q = g->log.requests[i - 1];

        if (q->request.kind == JOURNAL_ENTRY && q->request.index == index)
            return q;
    }
    ck_abort_msg("no such entry");
}

void rig_relocate(struct rig *r, uint64_t group, uint64_t index)
{
    struct rig_request *q = request_new(r, group, JOURNAL_RELOCATED);
    const struct journal_request *of = &entry_request(q->group, index)->request;
    size_t size = of->data[0].size + of->data[1].size;

    q->data = xmalloc(size + 1);
    if (of->data[0].size > 0)
        memcpy(q->data, of->data[0].data, of->data[0].size);
    if (of->data[1].size > 0)
        memcpy(q->data + of->data[0].size, of->data[1].data, of->data[1].size);
    q->request.index = index;
    q->request.term = of->term;
    q->request.checksum = of->checksum;
    q->request.prev_checksum = of->prev_checksum;
    q->request.data[0] = slice_make(q->data, size);
    q->group->n_copies++;
    q->next = r->unnumbered;
    r->unnumbered = q;
    journal_append(r->j, &q->request);
}

void rig_relocate_all(struct rig *r, uint64_t group)
{
    struct rig_group *g = rig_group(r, group);
    uint64_t last = g->sent.last_index;

    if (g->log.n_done < g->log.n)
        return;
    for (uint64_t i = MAX(g->checkpoint_sent, g->checkpoint_done) + 1; i <= last; i++)
        rig_relocate(r, group, i);
}

void rig_log_start(struct rig *r, uint64_t group, int64_t log_start)
{
    struct rig_request *q = request_new(r, group, JOURNAL_LOG_START);

    q->request.state.log_start = log_start;
    send(r, q);
}

void rig_image(struct rig *r, uint64_t group, uint64_t index)
{
    struct rig_request *q = request_new(r, group, JOURNAL_IMAGE_INSTALLED);

    q->request.state.checkpoint_index = index;
    q->request.state.checkpoint_term = 3;
    q->request.state.checkpoint_checksum = (uint32_t)(index * 2654435761u);
    q->request.state.checkpoint_offset = (int64_t)index * 10;
    q->request.state.log_start = (int64_t)index * 5;
    q->group->checkpoint_sent = index;
    send(r, q);
}

void rig_forget(struct rig *r, uint64_t group)
{
    struct rig_request *q = request_new(r, group, JOURNAL_FORGET);

    q->group->forgotten = true;
    send(r, q);
}

static void sequence_withdraw(struct rig_sequence *s)
{
    s->n -= s->n_withdrawn;
    s->n_withdrawn = 0;
}

void rig_withdraw(struct rig *r, uint64_t group)
{
    struct rig_group *g = rig_group(r, group);

    g->withdrawing = r;
    journal_withdraw(r->j, group);
    g->withdrawing = NULL;
    sequence_withdraw(&g->log);
    sequence_withdraw(&g->states);
}

void rig_withdraw_entries(struct rig *r, uint64_t group, uint64_t from)
{
    struct rig_group *g = rig_group(r, group);

    g->withdrawing = r;
    journal_withdraw_entries(r->j, group, from);
    g->withdrawing = NULL;
    sequence_withdraw(&g->log);
}

/* ---- Running ---- */

static void fatal(void *ctx, int err, const char *what)
{
    struct rig *r = ctx;

    r->fatal_error = err;
    snprintf(r->fatal_what, sizeof(r->fatal_what), "%s", what);
}

bool rig_step(struct rig *r)
{
    journal_poll(r->j, r->clock.mono_ns);
    return sim_lane_step(r->lane, &r->prng);
}

void rig_run(struct rig *r)
{
    do {
        while (rig_step(r))
            ;
        if (journal_is_full(r->j) && r->fatal_error == 0)
            rig_checkpoint_pins(r);
        journal_poll(r->j, r->clock.mono_ns);
    } while (sim_lane_step(r->lane, &r->prng));
}

void rig_settle(struct rig *r)
{
    rig_run(r);
    ck_assert_int_eq(r->fatal_error, 0);
    ck_assert(journal_is_idle(r->j));
    for (size_t i = 0; i < r->n_groups; i++)
        ck_assert_uint_eq(r->groups[i].n_copies_done, r->groups[i].n_copies);
}

void rig_stop(struct rig *r)
{
    journal_free(r->j);
    r->j = NULL;
    sim_lane_free(r->lane);
    r->lane = NULL;
}

void rig_crash(struct rig *r, enum sim_disk_crash how)
{
    rig_stop(r);
    sim_disk_crash(r->disk, how, &r->prng);
}

int rig_go(struct rig *r)
{
    int err;

    r->lane = sim_lane_new(1, 1);
    r->fatal_error = 0;
    journal_set_fatal(r->j, fatal, r);
    err = journal_start(r->j, sim_lane_env(r->lane, 0), &r->err);
    if (err != 0)
        rig_stop(r);
    return err;
}

int rig_start(struct rig *r)
{
    int err = rig_open(r);

    return err != 0 ? err : rig_go(r);
}

void rig_recover(struct rig *r, enum sim_disk_crash how)
{
    int err;

    rig_crash(r, how);
    err = rig_start(r);
    ck_assert_msg(err == 0, "recovery: %d %s", err, r->err.text);
}

static void note_pin(void *ctx, uint64_t group, uint64_t index)
{
    if (rig_may_checkpoint(ctx, group, index))
        rig_checkpoint(ctx, group, index);
}

void rig_checkpoint_pins(struct rig *r)
{
    journal_pins(r->j, note_pin, r);
}

void rig_random(struct rig *r, size_t n, size_t max_entry)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t id = 1 + sim_prng_below(&r->prng, 5);
        struct rig_group *g = rig_group(r, id);
        uint64_t open = g->sent.last_index - MAX(g->checkpoint_done, g->checkpoint_sent);

        switch (sim_prng_below(&r->prng, 12)) {
        case 0:
            rig_hard_state(r, id, g->sent.term + 1, (int32_t)sim_prng_below(&r->prng, 3) - 1);
            break;
        case 1: /* not behind entries that wait for room, which may be that of what it voids */
            if (open > 0 && (g->log.n_done == g->log.n || (!journal_is_full(r->j) && journal_has_room(r->j, 0))))
                rig_truncate(r, id, g->sent.last_index + 1 - sim_prng_below(&r->prng, MIN(open, 4) + 1));
            break;
        case 2:
            rig_log_start(r, id, g->sent.log_start + 3);
            break;
        default:
            r->awaited = sim_prng_chance(&r->prng, 1, 8);
            rig_entry(r, id, (size_t)sim_prng_below(&r->prng, max_entry + 1));
            r->awaited = false;
            break;
        }
    }
}

/* ---- Files ---- */

struct file_list {
    const char *suffix;
    char *names[256];
    int n;
};

static int note_file(void *ctx, const struct disk_dirent *ent)
{
    struct file_list *l = ctx;
    size_t n = strlen(ent->name), s = strlen(l->suffix);

    if (n >= s && strcmp(ent->name + n - s, l->suffix) == 0) {
        ck_assert_int_lt(l->n, (int)ARRAY_SIZE(l->names));
        l->names[l->n++] = xstrdup(ent->name);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct file_list files_of(struct rig *r, const char *suffix)
{
    struct file_list l = { .suffix = suffix };

    ck_assert_int_eq(disk_list(r->config.disk, r->config.dir, note_file, &l), 0);
    qsort(l.names, (size_t)l.n, sizeof(l.names[0]), compare_names);
    return l;
}

static void files_free(struct file_list *l)
{
    for (int i = 0; i < l->n; i++)
        free(l->names[i]);
}

char *rig_live_file(struct rig *r, int i)
{
    struct file_list l = files_of(r, JOURNAL_SUFFIX_LIVE);
    char *path = NULL;

    if (i < 0)
        i += l.n;
    if (i >= 0 && i < l.n)
        path = xasprintf("%s/%s", r->config.dir, l.names[i]);
    files_free(&l);
    return path;
}

unsigned rig_count(struct rig *r, const char *suffix)
{
    struct file_list l = files_of(r, suffix);

    files_free(&l);
    return (unsigned)l.n;
}

uint32_t rig_disk_fingerprint(struct rig *r)
{
    static uint8_t data[64 * 1024];
    struct file_list l = files_of(r, "");
    uint32_t crc = 0;

    for (int i = 0; i < l.n; i++) {
        _cleanup_(freep) char *path = xasprintf("%s/%s", r->config.dir, l.names[i]);
        _cleanup_(disk_closep) struct disk_file *f = NULL;
        uint64_t at = 0;
        ssize_t n;

        crc = crc32c(crc, l.names[i], strlen(l.names[i]));
        ck_assert_int_eq(disk_open(r->config.disk, path, DISK_READ, &f), 0);
        while ((n = disk_pread(f, data, sizeof(data), at)) > 0) {
            crc = crc32c(crc, data, (size_t)n);
            at += (uint64_t)n;
        }
    }
    files_free(&l);
    return crc;
}
