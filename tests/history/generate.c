/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "history/generate.h"

#define MAX_CLIENTS 64
#define MAX_POLL 200
#define N_FLIGHT 8 /* sends of a producer under way */

enum entry_state { ENTRY_OPEN, ENTRY_COMMITTED, ENTRY_ABORTED, ENTRY_HIDDEN };

/* One offset. Hidden ones are markers and lost records. */
struct entry {
    uint64_t value;
    uint32_t txn;
    enum entry_state state;
};

struct log {
    struct entry *entries;
    size_t n, capacity;
    size_t stable; /* nothing before it is open */
};

enum outcome { OUTCOME_OK, OUTCOME_FAIL, OUTCOME_INFO };

struct flight {
    uint64_t id, value;
    uint32_t place;
    int64_t offset; /* −1: not stored */
    enum outcome outcome;
};

struct producer {
    struct flight flights[N_FLIGHT]; /* oldest first */
    size_t n_flights;
    uint64_t sequence[MAX_CLIENTS];
    uint32_t txn; /* 0: none */
    uint32_t n_in_txn;
    bool is_transactional;
};

struct consumer {
    size_t next[MAX_CLIENTS];
    bool is_raw;
};

struct world {
    const struct generate_settings *s;
    uint64_t random;
    uint64_t next_id, next_value, n_operations, n_faults;
    uint32_t next_txn;
    struct log logs[MAX_CLIENTS];
    struct producer producers[MAX_CLIENTS];
    struct consumer consumers[MAX_CLIENTS];
};

static uint64_t draw(struct world *w, uint64_t below)
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % below;
}

/* In one of so many chances. */
static bool does(struct world *w, enum generate_fault fault, uint64_t chances)
{
    if (w->s->fault != fault || draw(w, chances) != 0)
        return false;
    w->n_faults++;
    return true;
}

static void emit(struct world *w, const struct history_event *e)
{
    w->s->emit(w->s->ctx, e);
    w->n_operations += e->kind == HISTORY_INVOKE;
}

/* An operation that is over at once. */
static void emit_both(struct world *w, struct history_event invoke, struct history_event ok)
{
    invoke.id = ok.id = ++w->next_id;
    emit(w, &invoke);
    ok.kind = HISTORY_OK;
    ok.verb = invoke.verb;
    emit(w, &ok);
}

static int64_t append(struct log *log, uint64_t value, uint32_t txn, enum entry_state state)
{
    if (log->n == log->capacity) {
        log->capacity = MAX((size_t)64, log->capacity * 2);
        log->entries = xrealloc(log->entries, log->capacity * sizeof(*log->entries));
    }
    log->entries[log->n] = (struct entry){ .value = value, .txn = txn, .state = state };
    return (int64_t)log->n++;
}

static size_t stable_of(struct log *log)
{
    while (log->stable < log->n && log->entries[log->stable].state != ENTRY_OPEN)
        log->stable++;
    return log->stable;
}

static void store(struct world *w, struct flight *f, uint32_t txn)
{
    struct log *log = &w->logs[f->place];
    enum entry_state state = txn != 0 ? ENTRY_OPEN : ENTRY_COMMITTED;

    f->offset = append(log, f->value, txn, state);
    if (f->outcome == OUTCOME_OK && txn == 0 && does(w, GENERATE_LOSE_RECORD, 50))
        log->entries[f->offset].state = ENTRY_HIDDEN;
    if (does(w, GENERATE_STORE_TWICE, 50))
        append(log, f->value, txn, state);
}

static void send(struct world *w, uint32_t client)
{
    struct producer *p = &w->producers[client];
    struct flight *f = &p->flights[p->n_flights++];
    uint64_t luck = draw(w, 100);
    struct history_record record;
    struct history_event e = { .verb = HISTORY_SEND, .client = client, .n_records = 1, .records = &record };

    *f = (struct flight){ .id = ++w->next_id, .value = ++w->next_value, .offset = -1 };
    f->place = (uint32_t)draw(w, w->s->n_places);
    f->outcome = p->txn != 0 || luck < 96 ? OUTCOME_OK : luck < 98 ? OUTCOME_FAIL : OUTCOME_INFO;
    record = (struct history_record){ .value = f->value };
    e.id = f->id;
    e.place = f->place;
    e.txn = p->txn;
    e.has = HISTORY_HAS_PRODUCER;
    e.producer_id = client;
    e.sequence = p->sequence[f->place]++;
    emit(w, &e);
    if (f->outcome == OUTCOME_OK || (f->outcome == OUTCOME_INFO && draw(w, 2) == 0))
        store(w, f, p->txn);
    p->n_in_txn += p->txn != 0;
}

static void end_send(struct world *w, uint32_t client)
{
    struct producer *p = &w->producers[client];
    struct flight f = p->flights[0];
    struct history_event e = { .verb = HISTORY_SEND, .id = f.id };

    memmove(p->flights, p->flights + 1, --p->n_flights * sizeof(p->flights[0]));
    e.kind = f.outcome == OUTCOME_OK ? HISTORY_OK : f.outcome == OUTCOME_FAIL ? HISTORY_FAIL : HISTORY_INFO;
    if (f.outcome == OUTCOME_OK) {
        e.has = HISTORY_HAS_OFFSET;
        e.offset = f.offset;
    }
    emit(w, &e);
}

/* All entries of the transaction, from the stable end of each log on; a marker behind them. */
static void settle(struct world *w, uint32_t txn, enum entry_state state)
{
    for (uint32_t place = 0; place < w->s->n_places; place++) {
        struct log *log = &w->logs[place];
        bool is_in = false;

        for (size_t i = stable_of(log); i < log->n; i++) {
            if (log->entries[i].txn != txn || log->entries[i].state != ENTRY_OPEN)
                continue;
            log->entries[i].state = state;
            is_in = true;
        }
        if (is_in)
            append(log, 0, 0, ENTRY_HIDDEN);
    }
}

static void end_txn(struct world *w, uint32_t client)
{
    struct producer *p = &w->producers[client];
    uint64_t luck = draw(w, 10);
    struct history_event e = { .client = client, .id = ++w->next_id, .txn = p->txn };
    bool is_committed = luck < 7 || luck == 9;

    while (p->n_flights > 0)
        end_send(w, client);
    e.verb = luck < 7 || luck >= 8 ? HISTORY_COMMIT_TXN : HISTORY_ABORT_TXN;
    emit(w, &e);
    settle(w, p->txn,
           is_committed                        ? ENTRY_COMMITTED
           : does(w, GENERATE_SHOW_ABORTED, 2) ? ENTRY_COMMITTED
                                               : ENTRY_ABORTED);
    /* Nobody is told how 8 and 9 ended. */
    e.kind = luck < 8 ? HISTORY_OK : HISTORY_INFO;
    emit(w, &e);
    p->txn = p->n_in_txn = 0;
}

static void step_producer(struct world *w, uint32_t client)
{
    struct producer *p = &w->producers[client];

    if (p->n_flights == N_FLIGHT || (p->n_flights > 0 && draw(w, 2) == 0)) {
        end_send(w, client);
    } else if (p->txn != 0 && (p->n_in_txn >= 20 || draw(w, 8) == 0)) {
        end_txn(w, client);
    } else {
        if (p->is_transactional && p->txn == 0) {
            while (p->n_flights > 0)
                end_send(w, client);
            p->txn = ++w->next_txn;
        }
        send(w, client);
    }
}

static size_t take(struct world *w, struct consumer *c, uint32_t place, struct history_record *records, size_t room)
{
    struct log *log = &w->logs[place];
    bool sees_open = c->is_raw || does(w, GENERATE_SHOW_OPEN, 50);
    size_t end = sees_open ? log->n : stable_of(log), n = 0;

    if (c->next[place] + 1 < end && does(w, GENERATE_SKIP_RECORD, 50))
        c->next[place]++;
    if (c->next[place] > 0 && c->next[place] < end && does(w, GENERATE_STEP_BACK, 50))
        c->next[place]--;
    for (; n < room && c->next[place] < end; c->next[place]++) {
        const struct entry *entry = &log->entries[c->next[place]];

        if (entry->state == ENTRY_HIDDEN || (!sees_open && entry->state == ENTRY_ABORTED))
            continue;
        records[n++] =
            (struct history_record){ .place = place, .offset = (int64_t)c->next[place], .value = entry->value };
    }
    return n;
}

/* Returns whether there was anything. */
static bool poll(struct world *w, uint32_t client)
{
    struct history_record records[MAX_POLL];
    struct consumer *c = &w->consumers[client];
    uint32_t first = (uint32_t)draw(w, w->s->n_places);
    size_t n = 0;

    for (uint32_t i = 0; i < w->s->n_places; i++)
        n += take(w, c, (first + i) % w->s->n_places, records + n, MAX_POLL - n);
    emit_both(w, (struct history_event){ .verb = HISTORY_POLL, .client = MAX_CLIENTS + client, .is_raw = c->is_raw },
              (struct history_event){ .records = records, .n_records = n });
    return n > 0;
}

static void commit(struct world *w, uint32_t client)
{
    uint32_t place = (uint32_t)draw(w, w->s->n_places);
    size_t next = w->consumers[client].next[place];
    struct history_record record = { .place = place, .offset = (int64_t)next };

    if (next + 10 < stable_of(&w->logs[place]) && does(w, GENERATE_COMMIT_AHEAD, 3))
        record.offset += 10;
    emit_both(w,
              (struct history_event){
                  .verb = HISTORY_COMMIT, .client = MAX_CLIENTS + client, .records = &record, .n_records = 1 },
              (struct history_event){ 0 });
}

static void ask(struct world *w, uint32_t client, enum history_verb verb, uint32_t place)
{
    struct log *log = &w->logs[place];

    emit_both(w, (struct history_event){ .verb = verb, .client = MAX_CLIENTS + client, .place = place },
              (struct history_event){ .has = HISTORY_HAS_START | HISTORY_HAS_END | HISTORY_HAS_STABLE,
                                      .end = does(w, GENERATE_FORGET, 10) ? 0 : (int64_t)log->n,
                                      .stable = (int64_t)stable_of(log) });
}

/* All places again, one of them from an offset of its own. */
static void reassign(struct world *w, uint32_t client)
{
    struct history_record records[MAX_CLIENTS];
    struct consumer *c = &w->consumers[client];
    uint32_t place = (uint32_t)draw(w, w->s->n_places);
    size_t back = draw(w, 50);

    for (uint32_t i = 0; i < w->s->n_places; i++)
        records[i] = (struct history_record){ .place = i, .offset = -1 };
    c->next[place] -= MIN(c->next[place], back);
    records[place].offset = (int64_t)c->next[place];
    emit_both(
        w,
        (struct history_event){
            .verb = HISTORY_ASSIGN, .client = MAX_CLIENTS + client, .records = records, .n_records = w->s->n_places },
        (struct history_event){ 0 });
}

static void step_consumer(struct world *w, uint32_t client)
{
    uint64_t luck = draw(w, 20);

    if (luck < 15)
        poll(w, client);
    else if (luck < 17)
        commit(w, client);
    else if (luck < 19)
        ask(w, client, HISTORY_LIST, (uint32_t)draw(w, w->s->n_places));
    else
        reassign(w, client);
}

static void begin(struct world *w)
{
    for (uint32_t i = 0; i < w->s->n_producers; i++)
        w->producers[i].is_transactional = i % 3 == 2;
    for (uint32_t i = 0; i < w->s->n_consumers; i++) {
        struct history_record records[MAX_CLIENTS];

        w->consumers[i].is_raw = i % 3 == 2;
        for (uint32_t place = 0; place < w->s->n_places; place++)
            records[place] = (struct history_record){ .place = place };
        emit_both(
            w,
            (struct history_event){
                .verb = HISTORY_ASSIGN, .client = MAX_CLIENTS + i, .records = records, .n_records = w->s->n_places },
            (struct history_event){ 0 });
    }
}

static void finish(struct world *w)
{
    for (uint32_t i = 0; i < w->s->n_producers; i++) {
        if (w->producers[i].txn != 0)
            end_txn(w, i);
        while (w->producers[i].n_flights > 0)
            end_send(w, i);
    }
    for (uint32_t i = 0; i < w->s->n_consumers; i++)
        while (poll(w, i))
            ;
    for (uint32_t place = 0; place < w->s->n_places; place++)
        ask(w, 0, HISTORY_DRAIN, place);
}

uint64_t generate_history(const struct generate_settings *settings)
{
    struct world *w = xcalloc(1, sizeof(*w));
    uint64_t n_faults;

    gq_assert(settings->n_places - 1 < MAX_CLIENTS && settings->n_producers - 1 < MAX_CLIENTS &&
              settings->n_consumers - 1 < MAX_CLIENTS);
    w->s = settings;
    w->random = settings->seed;
    begin(w);
    while (w->n_operations < settings->n_operations) {
        if (draw(w, 3) < 2)
            step_producer(w, (uint32_t)draw(w, settings->n_producers));
        else
            step_consumer(w, (uint32_t)draw(w, settings->n_consumers));
    }
    finish(w);
    for (uint32_t i = 0; i < settings->n_places; i++)
        free(w->logs[i].entries);
    n_faults = w->n_faults;
    free(w);
    return n_faults;
}
