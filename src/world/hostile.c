/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/frame.h"
#include "world/faults.h"

/* A client that doesn't keep to the protocol: it connects, sends something, and goes, or stays and never reads. Nothing
 * that it sends may be stored or change anything, and nobody else may notice. What is drawn comes from the generator of
 * the fault that is under way. */

#define MAX_BYTES (64u << 10)
#define PORT 50000

static void random_bytes(struct sim_prng *prng, struct wr *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        wr_u8(out, (uint8_t)sim_prng_below(prng, 256));
}

/* Its batch isn't one. */
static void produce(struct world *w, const struct wire_api *api, int16_t version, struct wr *out)
{
    struct sim_prng *prng = &w->fault_draw;
    struct wire_produce_request m;
    struct wire_produce_request_topic topic;
    struct wire_produce_request_partition part;
    uint8_t records[256];

    for (size_t i = 0; i < sizeof(records); i++)
        records[i] = (uint8_t)sim_prng_below(prng, 256);
    wire_produce_request_init(&m);
    wire_produce_request_topic_init(&topic);
    wire_produce_request_partition_init(&part);
    m.acks = -1;
    m.timeout_ms = 1000;
    m.topic_data = &topic;
    m.n_topic_data = 1;
    topic.name = slice_str(w->model->topics[0].name);
    topic.partition_data = &part;
    topic.n_partition_data = 1;
    part.records = slice_make(records, (size_t)sim_prng_below(prng, sizeof(records) + 1));
    api->request->encode(&m, out, version);
}

/* A frame as it should be, of a kind that changes nothing. */
static void good_frame(struct world *w, struct wr *out)
{
    static const struct {
        int16_t api, version;
    } kinds[] = {
        { WIRE_API_METADATA, 12 },
        { WIRE_API_FETCH, 12 },
        { WIRE_API_LIST_OFFSETS, 6 },
        { WIRE_API_PRODUCE, 9 },
    };
    size_t kind = (size_t)sim_prng_below(&w->fault_draw, ARRAY_SIZE(kinds));
    const struct wire_api *api = wire_api(kinds[kind].api);
    size_t at = wire_request_begin(out, api, kinds[kind].version, 1, slice_str("hostile"));

    if (api->key == WIRE_API_PRODUCE) {
        produce(w, api, kinds[kind].version, out);
    } else {
        _cleanup_(freep) void *m = xcalloc(1, api->request->struct_size);

        api->request->init(m);
        api->request->encode(m, out, kinds[kind].version);
    }
    wire_frame_end(out, at, 0);
    gq_assert(out->error == 0);
}

static void huge_length(struct sim_prng *prng, struct wr *out)
{
    static const uint32_t lengths[] = {
        0x7fffffff, 0xffffffff, 0x80000000, 100u << 20, (100u << 20) + 1, 1u << 20, 399999, 390000, 200000,
    };

    wr_be32(out, lengths[sim_prng_below(prng, ARRAY_SIZE(lengths))]);
    random_bytes(prng, out, (size_t)sim_prng_below(prng, 4096));
}

/* The header of a request that there is or isn't, and no sense behind it. */
static void nonsense(struct sim_prng *prng, struct wr *out)
{
    size_t size = (size_t)sim_prng_below(prng, UINT64_C(1) << sim_prng_below(prng, 12));

    wr_be32(out, (uint32_t)size + 4);
    wr_be16(out, (uint16_t)sim_prng_below(prng, 80));
    wr_be16(out, (uint16_t)sim_prng_below(prng, 16));
    random_bytes(prng, out, size);
}

static void flip(struct sim_prng *prng, struct wr *out, size_t from)
{
    for (uint64_t n = 1 + sim_prng_below(prng, 4); n > 0; n--)
        out->start[from + sim_prng_below(prng, wr_size(out) - from)] ^= (uint8_t)(1u << sim_prng_below(prng, 8));
}

static void draw_bytes(struct world *w, struct wr *out)
{
    struct sim_prng *prng = &w->fault_draw;
    size_t from = wr_size(out);

    switch (sim_prng_below(prng, 6)) {
    case 0:
        random_bytes(prng, out, (size_t)sim_prng_below(prng, 4096));
        break;
    case 1:
        huge_length(prng, out);
        break;
    case 2:
        good_frame(w, out);
        out->p = out->start + from + sim_prng_below(prng, wr_size(out) - from); /* cut */
        break;
    case 3:
        good_frame(w, out);
        flip(prng, out, from);
        break;
    case 4:
        nonsense(prng, out);
        break;
    default:
        good_frame(w, out);
        break;
    }
}

static void send_all(struct sim_conn *conn, const struct wr *out)
{
    size_t n = 0;

    while (n < wr_size(out)) {
        ssize_t r = sim_conn_send(conn, out->start + n, wr_size(out) - n);

        if (r <= 0)
            break;
        n += (size_t)r;
    }
}

/* Goes, or stays and never reads. */
static void leave(struct sim_prng *prng, struct machine *m, struct sim_conn *conn)
{
    switch (sim_prng_below(prng, 4)) {
    case 0:
        sim_conn_close(conn);
        break;
    case 1:
        sim_conn_shutdown(conn);
        machine_adopt(m, conn);
        break;
    default:
        machine_adopt(m, conn);
        break;
    }
}

/* One of them or a crowd that sends the same. */
void hostile_visit(struct world *w, struct machine *m)
{
    struct sim_prng *prng = &w->fault_draw;
    unsigned reactor = (unsigned)sim_prng_below(prng, m->n_reactors);
    uint64_t n_frames = 1 + sim_prng_below(prng, UINT64_C(1) << sim_prng_below(prng, 6));
    uint64_t n_conns = 1 + sim_prng_below(prng, UINT64_C(1) << sim_prng_below(prng, 5));
    struct wr out;

    wr_init_growing(&out, 1024, MAX_BYTES * 2);
    while (n_frames-- > 0 && wr_size(&out) < MAX_BYTES)
        draw_bytes(w, &out);
    while (n_conns-- > 0) {
        struct sim_conn *conn = sim_net_connect(m->net, reactor, "10.0.1.1", PORT);

        send_all(conn, &out);
        leave(prng, m, conn);
    }
    wr_fini(&out);
    machine_wake(m, reactor);
}
