/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "broker/internal.h"
#include "wire/fetch_response.h"

/* A fetch reads all its partitions. When that is enough, or it may not wait, it is answered. Otherwise what was read is
 * given back and the partitions are watched: the first that gets new data, or the end of max_wait, ends the watching,
 * and all are read again. */

/* A connection that is muted doesn't hear that its peer has gone, so no fetch waits for days. */
#define MAX_WAIT_MS (5 * 60 * 1000)

#define MAX_PARTITIONS 25000
#define MAX_PIECES 100000 /* of records, in one answer */

struct fetch_partition {
    struct broker_op read, release, watch, cancel;
    const struct wire_fetch_request_partition *from;
    struct wire_fetch_response_partition *response;
    uint64_t group;
    int16_t error; /* found before any read */
    bool holds;    /* the read has to be released */
    bool taken;    /* its records go into the answer */
};

struct fetch_state {
    struct wire_fetch_request request;
    struct wire_fetch_response response;
    struct fetch_partition *partitions;
    int32_t n_partitions;
    const struct fetch_partition *urgent; /* the one to be read in any case, or NULL */
    uint64_t deadline_ns;
    uint64_t begun_ns; /* when it came, or when its wait ended */
    struct wire_gaps gaps;
};

/* Whatever may be asked for has an answer that takes no more memory than a request has: with each partition go its
 * part of request and response, and some 200 bytes for a topic that may be its own and its place in the table. */
static_assert(MAX_PARTITIONS * (sizeof(struct fetch_partition) + sizeof(struct wire_fetch_request_partition) +
                                sizeof(struct wire_fetch_response_partition) + sizeof(struct wire_gap) +
                                2 * sizeof(struct broker_segment) + 200) +
                      MAX_PIECES * sizeof(struct broker_segment) <
                  BROKER_REQUEST_ARENA_MAX,
              "an answer has room");
static_assert(REPLICA_READ_MAX_LINKS <= MAX_PIECES, "a partition's records are never too many pieces");

static void start_reads(struct broker_request *req);

static void release_all(struct broker_request *req)
{
    struct fetch_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];

        if (!p->holds)
            continue;
        p->holds = false;
        broker_op_init(req, &p->release, REPLICA_RELEASE, p->group, -1);
        p->release.op.release.target = &p->read.op;
        broker_op_start(&p->release);
    }
}

static bool has_error(const struct fetch_partition *p)
{
    return p->error != 0 || p->read.op.error != 0 || p->read.op.read.ret_diverging_epoch >= 0;
}

/* Counts (to == NULL) or writes the segments of a partition's records. */
static uint32_t lay_records(const struct fetch_partition *p, struct broker_segment *to)
{
    const struct replica_op *op = &p->read.op;
    const struct buf_chain *chain = &op->read.chain;

    if (op->read.has_range) {
        if (to != NULL)
            *to = (struct broker_segment){ .bytes = slice_make(NULL, op->read.range.size),
                                           .file = op->read.range.file,
                                           .position = op->read.range.position };
        return 1;
    }
    for (uint32_t i = 0; to != NULL && i < chain->n; i++)
        to[i] = (struct broker_segment){ .bytes = slice_make(chain->links[i].data, chain->links[i].size) };
    return chain->n;
}

/* Takes records in the order of the request until max_bytes, and no more pieces than an answer may have; the first that
 * has some comes whole in any case. Returns the bytes, or −1 when there is no reason to wait for more: a partition has
 * something to say besides records, or there are as many pieces as may be. */
static int64_t choose(struct fetch_state *s)
{
    int64_t total = 0;
    uint32_t n_pieces = 0;
    bool enough = false;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];
        uint32_t n;
        int64_t size;

        p->taken = false;
        if (has_error(p)) {
            enough = true;
            continue;
        }
        size = (int64_t)p->read.op.read.ret_size;
        if (size == 0)
            continue;
        n = lay_records(p, NULL);
        enough = enough || n == REPLICA_READ_MAX_LINKS || n_pieces + n > MAX_PIECES; /* more can't come */
        if (total > 0 && (total + size > s->request.max_bytes || n_pieces + n > MAX_PIECES))
            continue;
        p->taken = true;
        total += size;
        n_pieces += n;
    }
    return enough ? -1 : total;
}

static void fill_partition(struct broker_request *req, struct fetch_state *s, struct fetch_partition *p)
{
    const struct replica_op *op = &p->read.op;
    struct wire_fetch_response_partition *to = p->response;
    int16_t error = p->error != 0 ? p->error : op->error;

    wire_fetch_response_partition_init(to);
    to->partition_index = p->from->partition;
    to->error_code = broker_count_error(req, error);
    to->high_watermark = -1;
    to->records = slice_make("", 0);
    to->n_aborted_transactions = s->request.isolation_level == 0 ? -1 : 0;
    if (error != 0)
        req->broker->stats.fetch_errors++;
    if (p->error != 0 || (error != 0 && error != KAFKA_E_OFFSET_OUT_OF_RANGE))
        return;
    to->high_watermark = op->read.ret_high_watermark;
    to->last_stable_offset = op->read.ret_last_stable;
    to->log_start_offset = op->read.ret_log_start;
    if (op->read.ret_diverging_epoch >= 0) {
        to->diverging_epoch.epoch = op->read.ret_diverging_epoch;
        to->diverging_epoch.end_offset = op->read.ret_diverging_offset;
    }
    if (p->taken)
        to->records = wire_records_elsewhere(op->read.ret_size);
}

/* Gaps come in the order of the partitions: *next is where to go on. */
static const struct fetch_partition *partition_of(const struct fetch_state *s, const struct wire_gap *gap,
                                                  int32_t *next)
{
    const struct wire_fetch_response_partition *response =
        container_of(gap->records, struct wire_fetch_response_partition, records);

    while (*next < s->n_partitions) {
        const struct fetch_partition *p = &s->partitions[(*next)++];

        if (p->response == response)
            return p;
    }
    gq_assert(!"a gap that isn't of this response");
}

static uint32_t lay_out(const struct fetch_state *s, const struct wr *out, struct broker_segment *to)
{
    struct wire_pieces pieces;
    struct wire_piece piece;
    int32_t next = 0;
    uint32_t n = 0;

    wire_pieces_init(&pieces, out, 0, &s->gaps);
    while (wire_pieces_next(&pieces, &piece)) {
        if (to != NULL)
            to[n] = (struct broker_segment){ .bytes = piece.bytes };
        n++;
        if (piece.gap != NULL)
            n += lay_records(partition_of(s, piece.gap, &next), to != NULL ? to + n : NULL);
    }
    return n;
}

static void answer(struct broker_request *req)
{
    struct fetch_state *s = req->state;
    struct broker_segment *segments;
    uint32_t n;

    for (int32_t i = 0; i < s->n_partitions; i++)
        fill_partition(req, s, &s->partitions[i]);
    s->gaps.max = wire_fetch_response_max_gaps(&s->response);
    s->gaps.list = broker_alloc(req, s->gaps.max, sizeof(*s->gaps.list));
    if (s->gaps.list == NULL)
        return;
    wire_fetch_response_write(&req->out, &req->header, &s->response, &s->gaps);
    if (req->out.error != 0) {
        broker_request_fail(req);
        return;
    }
    n = lay_out(s, &req->out, NULL);
    segments = broker_alloc(req, n, sizeof(*segments));
    if (segments == NULL)
        return;
    lay_out(s, &req->out, segments);
    histogram_add(&req->broker->stats.fetch_ns, broker_now_ns(req) - s->begun_ns);
    broker_answer_segments(req, segments, n);
}

/* --- waiting --- */

static void watched(struct broker_request *req)
{
    struct fetch_state *s = req->state;

    broker_request_stay_awake(req);
    req->parked = false;
    s->begun_ns = broker_now_ns(req);
    req->broker->stats.fetches_parked--;
    req->next = start_reads;
    req->n_pending++;
    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];

        if (p->error != 0 || p->watch.is_back)
            continue;
        broker_op_init(req, &p->cancel, REPLICA_CANCEL, p->group, -1);
        p->cancel.op.cancel.target = &p->watch.op;
        broker_op_start(&p->cancel);
    }
    if (--req->n_pending == 0) {
        req->next = NULL;
        start_reads(req);
    }
}

static void park(struct broker_request *req)
{
    struct fetch_state *s = req->state;

    req->parked = true;
    req->broker->stats.fetches_parked++;
    release_all(req);
    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];

        broker_op_init(req, &p->watch, REPLICA_WATCH, p->group, -1);
        p->watch.op.watch.read_committed = s->request.isolation_level != 0;
        p->watch.op.watch.offset =
            p->watch.op.watch.read_committed ? p->read.op.read.ret_last_stable : p->read.op.read.ret_high_watermark;
        p->watch.wakes = true;
        broker_op_start(&p->watch);
    }
    req->next = watched;
    broker_request_sleep(req, s->deadline_ns);
}

static const struct fetch_partition *find_put_off(const struct fetch_state *s)
{
    for (int32_t i = 0; i < s->n_partitions; i++) {
        if (s->partitions[i].holds && s->partitions[i].read.op.read.ret_put_off)
            return &s->partitions[i];
    }
    return NULL;
}

/* Nothing has come, and not for want of records: while others hold what there is to answer with, each fetch gets on by
 * one partition. */
static bool insist(struct broker_request *req)
{
    struct fetch_state *s = req->state;

    if (s->urgent != NULL)
        return false;
    s->urgent = find_put_off(s);
    if (s->urgent == NULL)
        return false;
    release_all(req);
    req->next = start_reads;
    return true;
}

static void reads_back(struct broker_request *req)
{
    struct fetch_state *s = req->state;
    int64_t bytes;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];

        p->holds = p->error == 0 && p->read.op.error == 0;
    }
    req->release = release_all;
    bytes = choose(s);
    if (bytes == 0 && insist(req))
        return;
    s->urgent = NULL;
    /* More than max_bytes can't come, whatever min_bytes asks. */
    if (bytes < 0 || bytes >= MIN(s->request.min_bytes, s->request.max_bytes) || s->n_partitions == 0 ||
        broker_now_ns(req) >= s->deadline_ns || broker_request_is_hurried(req))
        answer(req);
    else
        park(req);
}

static void start_reads(struct broker_request *req)
{
    struct fetch_state *s = req->state;

    for (int32_t i = 0; i < s->n_partitions; i++) {
        struct fetch_partition *p = &s->partitions[i];

        if (p->error != 0)
            continue;
        broker_op_init(req, &p->read, REPLICA_READ, p->group, p->from->current_leader_epoch);
        p->read.op.read.offset = p->from->fetch_offset;
        p->read.op.read.max_bytes = (size_t)MAX(MIN(p->from->partition_max_bytes, s->request.max_bytes), 0);
        p->read.op.read.min_one = true;
        p->read.op.read.read_committed = s->request.isolation_level != 0;
        p->read.op.read.urgent = p == s->urgent;
        p->read.op.read.wait_until_ns = s->deadline_ns;
        p->read.op.read.last_fetched_epoch = p->from->last_fetched_epoch;
        broker_op_start(&p->read);
    }
    if (req->n_pending > 0)
        req->next = reads_back;
    else
        reads_back(req);
}

/* --- the request --- */

static void find_partition(struct broker_request *req, const struct wire_fetch_request_topic *from,
                           const struct meta_topic *t, struct fetch_partition *p)
{
    const struct meta_partition *partition;

    if (t == NULL && req->header.api_version >= 13) {
        p->error = KAFKA_E_UNKNOWN_TOPIC_ID;
        return;
    }
    p->error = broker_find_partition(req, t, p->from->partition, &partition);
    if (p->error == 0)
        p->group = partition->group;
}

/* The partitions of a request by their groups, in open addressing. One partition alone needs none. */
struct fetch_table {
    uint32_t *slots; /* 1 + place of a partition; 0: free */
    size_t n_slots;  /* a power of two */
};

static bool table_init(struct broker_request *req, struct fetch_table *table, size_t n_partitions)
{
    *table = (struct fetch_table){ .n_slots = 1 };
    if (n_partitions < 2)
        return true;
    while (table->n_slots < 2 * n_partitions)
        table->n_slots *= 2;
    table->slots = broker_alloc(req, table->n_slots, sizeof(*table->slots));
    return table->slots != NULL;
}

/* The one of the same group that is there, or NULL: then p is. */
static struct fetch_partition *table_add(const struct broker_request *req, const struct fetch_table *table,
                                         const struct fetch_partition *p)
{
    const struct fetch_state *s = req->state;
    size_t i;

    if (table->slots == NULL)
        return NULL;
    i = hash_u64(p->group, req->broker->hash_seed) & (table->n_slots - 1);
    for (; table->slots[i] != 0; i = (i + 1) & (table->n_slots - 1)) {
        struct fetch_partition *other = &s->partitions[table->slots[i] - 1];

        if (other->group == p->group)
            return other;
    }
    table->slots[i] = (uint32_t)(p - s->partitions) + 1;
    return NULL;
}

/* The k-th of a topic. Of one that is named again the last counts, in the place of the first, as with Kafka: whoever
 * names one a thousand times gets it once. */
static void add_partition(struct broker_request *req, const struct fetch_table *table,
                          const struct wire_fetch_request_topic *from, const struct meta_topic *t,
                          struct wire_fetch_response_topic *to, int32_t k)
{
    struct fetch_state *s = req->state;
    struct fetch_partition *p = &s->partitions[s->n_partitions], *other;

    p->from = &from->partitions[k];
    find_partition(req, from, t, p);
    other = p->error == 0 ? table_add(req, table, p) : NULL;
    if (other != NULL) {
        other->from = p->from;
        return;
    }
    p->response = &to->partitions[to->n_partitions++];
    s->n_partitions++;
}

static int32_t count_named(const struct wire_fetch_request *m)
{
    int32_t n = 0;

    for (int32_t i = 0; i < m->n_topics; i++)
        n += m->topics[i].n_partitions;
    return n;
}

static bool find_partitions(struct broker_request *req, struct fetch_state *s, int32_t n_named)
{
    struct fetch_table table;

    s->response.n_responses = s->request.n_topics;
    s->response.responses = broker_alloc(req, (size_t)s->request.n_topics, sizeof(*s->response.responses));
    s->partitions = broker_alloc(req, (size_t)n_named, sizeof(*s->partitions));
    if (s->partitions == NULL || s->response.responses == NULL || !table_init(req, &table, (size_t)n_named))
        return false;
    for (int32_t i = 0; i < s->request.n_topics; i++) {
        const struct wire_fetch_request_topic *from = &s->request.topics[i];
        struct wire_fetch_response_topic *to = &s->response.responses[i];
        const struct meta_topic *t = req->header.api_version >= 13
                                         ? meta_topic_by_id(req->backend->meta, &from->topic_id)
                                         : meta_topic_by_name(req->backend->meta, from->topic);

        to->topic = from->topic;
        to->topic_id = from->topic_id;
        to->partitions = broker_alloc(req, (size_t)from->n_partitions, sizeof(*to->partitions));
        if (to->partitions == NULL)
            return false;
        for (int32_t k = 0; k < from->n_partitions; k++)
            add_partition(req, &table, from, t, to, k);
    }
    return true;
}

/* Sessions (KIP-227) are declined: session id 0 in the answer tells the client to send everything each time. */
static bool names_a_session(const struct wire_fetch_request *m)
{
    return m->session_id != 0 && m->session_epoch > 0;
}

/* Before version 7 there is no place for it: the connection closes. */
static void refuse(struct broker_request *req, int16_t error)
{
    struct fetch_state *s = req->state;

    s->response.error_code = broker_count_error(req, error);
    if (req->header.api_version < 7)
        broker_request_fail(req);
    else
        broker_answer(req, &s->response);
}

void broker_handle_fetch(struct broker_request *req, struct rd *body)
{
    struct fetch_state *s = req->state = broker_alloc(req, 1, sizeof(*s));
    int32_t n_named;

    if (s == NULL || !broker_decode(req, body, &s->request))
        return;
    wire_fetch_response_init(&s->response);
    if (names_a_session(&s->request)) {
        refuse(req, KAFKA_E_FETCH_SESSION_ID_NOT_FOUND);
        return;
    }
    n_named = count_named(&s->request);
    if (n_named > MAX_PARTITIONS) {
        refuse(req, KAFKA_E_INVALID_REQUEST);
        return;
    }
    if (!find_partitions(req, s, n_named))
        return;
    s->begun_ns = req->received_ns;
    s->deadline_ns = req->received_ns + (uint64_t)MIN(MAX(s->request.max_wait_ms, 0), MAX_WAIT_MS) * 1000000;
    start_reads(req);
}
