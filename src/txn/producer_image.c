/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Applied producer state as bytes and as a list. */
#include "base/crc32c.h"
#include "base/endian.h"
#include "txn/producer_format.h"
#include "txn/producer_internal.h"

size_t producer_count(const struct producer_state *s)
{
    return s->n_applied;
}

static int compare_ids(const void *a, const void *b)
{
    const struct producer *x = *(const struct producer *const *)a, *y = *(const struct producer *const *)b;

    return (x->id > y->id) - (x->id < y->id);
}

static int compare_positions(const void *a, const void *b)
{
    const struct producer *x = *(const struct producer *const *)a, *y = *(const struct producer *const *)b;

    return (x->position > y->position) - (x->position < y->position);
}

/* The applied producers, by id; the caller frees the array. */
static const struct producer **sorted(const struct producer_state *s)
{
    const struct producer **array = xcalloc(MAX(s->n_applied, (size_t)1), sizeof(*array));
    const struct producer *p;
    size_t n = 0;

    list_foreach (&s->applied, p, applied_link)
        array[n++] = p;
    qsort(array, n, sizeof(*array), compare_ids);
    return array;
}

void producer_list(const struct producer_state *s, struct producer_info *to)
{
    _cleanup_(freep) const struct producer **array = sorted(s);

    for (size_t i = 0; i < s->n_applied; i++)
        to[i] = (struct producer_info){
            .producer_id = array[i]->id,
            .epoch = array[i]->epoch,
            .last_sequence = array[i]->n_batches > 0 ? array[i]->batches[array[i]->n_batches - 1].last_sequence : -1,
            .last_timestamp_ms = array[i]->last_timestamp_ms,
            .coordinator_epoch = -1,
            .txn_start_offset = -1,
        };
}

static void write_producer(struct wr *w, const struct producer *p)
{
    struct producer_format_producer f = { 0 };

    store_le64(f.id, (uint64_t)p->id);
    store_le64(f.position, p->position);
    store_le64(f.last_timestamp, (uint64_t)p->last_timestamp_ms);
    store_le32(f.run, p->run);
    store_le16(f.epoch, (uint16_t)p->epoch);
    f.n_batches[0] = p->n_batches;
    wr_bytes(w, &f, sizeof(f));
    for (int i = 0; i < p->n_batches; i++) {
        struct producer_format_batch b;

        store_le64(b.base_offset, (uint64_t)p->batches[i].base_offset);
        store_le64(b.append_time, (uint64_t)p->batches[i].append_time_ms);
        store_le32(b.first_sequence, (uint32_t)p->batches[i].first_sequence);
        store_le32(b.last_sequence, (uint32_t)p->batches[i].last_sequence);
        wr_bytes(w, &b, sizeof(b));
    }
}

static uint32_t image_crc(const uint8_t *data, size_t size)
{
    const size_t at = offsetof(struct producer_format_header, crc), behind = at + 4;

    return crc32c(crc32c(0, data, at), data + behind, size - behind);
}

void producer_write(const struct producer_state *s, struct wr *w)
{
    _cleanup_(freep) const struct producer **array = sorted(s);
    struct producer_format_header h = { 0 };
    const size_t start = wr_size(w);

    store_le32(h.magic, PRODUCER_FORMAT_MAGIC);
    store_le16(h.version, PRODUCER_FORMAT_VERSION);
    store_le32(h.n_producers, (uint32_t)s->n_applied);
    store_le64(h.next_position, s->next_position);
    wr_bytes(w, &h, sizeof(h));
    for (size_t i = 0; i < s->n_applied; i++)
        write_producer(w, array[i]);
    if (w->error == 0)
        store_le32(w->start + start + offsetof(struct producer_format_header, crc),
                   image_crc(w->start + start, wr_size(w) - start));
}

static int read_batch(struct rd *r, struct producer *p)
{
    const struct producer_format_batch *f = (const void *)rd_bytes(r, sizeof(*f));
    struct producer_batch *b = &p->batches[p->n_batches];

    if (f == NULL)
        return r->error;
    b->base_offset = (int64_t)load_le64(f->base_offset);
    b->append_time_ms = (int64_t)load_le64(f->append_time);
    b->first_sequence = (int32_t)load_le32(f->first_sequence);
    b->last_sequence = (int32_t)load_le32(f->last_sequence);
    if (b->first_sequence < 0 || b->last_sequence < 0)
        return -EBADMSG;
    if (p->n_batches > 0 && b->first_sequence != sequence_add(b[-1].last_sequence, 1))
        return -EBADMSG;
    p->n_batches++;
    return 0;
}

static int read_producer(struct producer_state *s, struct rd *r, int64_t after_id, struct producer **ret)
{
    const struct producer_format_producer *f = (const void *)rd_bytes(r, sizeof(*f));
    struct producer *p;
    int rc = 0;

    if (f == NULL)
        return r->error;
    if ((int64_t)load_le64(f->id) <= after_id || f->n_batches[0] > PRODUCER_WINDOW || f->reserved[0] != 0 ||
        load_le64(f->position) >= s->next_position || load_le32(f->run) > RUN_MAX || (int16_t)load_le16(f->epoch) < 0)
        return -EBADMSG;
    p = producer_add(s, (int64_t)load_le64(f->id));
    producer_touch(s, p, load_le64(f->position));
    p->last_timestamp_ms = (int64_t)load_le64(f->last_timestamp);
    p->run = load_le32(f->run);
    p->epoch = (int16_t)load_le16(f->epoch);
    for (int i = 0; i < f->n_batches[0] && rc == 0; i++)
        rc = read_batch(r, p);
    *ret = p;
    return rc;
}

/* Links the producers in the order of their last batch, which the cap's evictions go by. */
static int restore_order(struct producer_state *s, struct producer **array, size_t n)
{
    qsort(array, n, sizeof(*array), compare_positions);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && array[i]->position == array[i - 1]->position)
            return -EBADMSG;
        producer_touch(s, array[i], array[i]->position);
    }
    producer_evict(s);
    return 0;
}

int producer_read(struct producer_state *s, const void *data, size_t size)
{
    _cleanup_(freep) struct producer **array = NULL;
    const struct producer_format_header *h = data;
    int64_t last_id = -1;
    uint32_t n;
    struct rd r;

    gq_assert(s->by_id.count == 0);
    if (size < sizeof(*h) || load_le32(h->magic) != PRODUCER_FORMAT_MAGIC ||
        load_le16(h->version) != PRODUCER_FORMAT_VERSION || load_le16(h->reserved) != 0 ||
        load_le32(h->crc) != image_crc(data, size))
        return -EBADMSG;
    n = load_le32(h->n_producers);
    if (n > (size - sizeof(*h)) / sizeof(struct producer_format_producer))
        return -EBADMSG;
    s->next_position = load_le64(h->next_position);
    array = xcalloc(MAX(n, 1u), sizeof(struct producer *));
    rd_init(&r, h + 1, size - sizeof(*h));
    for (uint32_t i = 0; i < n; i++) {
        int rc = read_producer(s, &r, last_id, &array[i]);

        if (rc != 0)
            return rc;
        last_id = array[i]->id;
    }
    return rd_left(&r) == 0 ? restore_order(s, array, n) : -EBADMSG;
}
