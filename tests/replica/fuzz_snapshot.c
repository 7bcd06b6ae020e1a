/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/fuzz.h"

#include "base/crc32c.h"
#include "base/endian.h"
#include "base/util.h"
#include "replica/internal.h"
#include "txn/producer_format.h"

/* Any bytes as a partition snapshot's body: refused, or a state that writes a snapshot which gives it back.
 *
 *   input = flags u8 (1: put the producer state's checksum right) | bytes */

#define HEAD_SIZE 40 /* of what comes before the members' section */

static struct replica_shard shard = { .hash_seed = 1, .max_producer_ids = 100 };

static uint8_t *write_again(struct replica *r, uint64_t index, size_t *ret_size)
{
    uint8_t *data;
    struct wr w;

    r->state_index = index; /* as a replica has it while it is opened */
    wr_init_growing(&w, 256, REPLICA_SNAPSHOT_MAX);
    replica_snapshot_write(r, &w);
    data = wr_take(&w, ret_size);
    gq_assert(data != NULL);
    return data;
}

/* What retries would be told. */
static void ask_producers(const struct producer_state *s)
{
    size_t n = producer_count(s);
    _cleanup_(freep) struct producer_info *all = xcalloc(n + 1, sizeof(*all));

    gq_assert(n <= shard.max_producer_ids);
    producer_list(s, all);
    for (size_t i = 0; i < n; i++) {
        struct producer_verdict v;

        gq_assert(all[i].producer_id >= 0 && (i == 0 || all[i - 1].producer_id < all[i].producer_id));
        producer_check(s, all[i].producer_id, all[i].epoch, MAX(all[i].last_sequence, 0), 1, &v);
        producer_check(s, all[i].producer_id, all[i].epoch, 0, 3, &v);
    }
}

static void put_right(uint8_t *data, size_t size)
{
    const size_t at = offsetof(struct producer_format_header, crc);
    size_t before = size >= HEAD_SIZE ? HEAD_SIZE + (size_t)load_le32(data + 4) : size;
    uint8_t *p = data + before;

    if (size < before + sizeof(struct producer_format_header))
        return;
    size -= before;
    store_le32(p + at, crc32c(crc32c(0, p, at), p + at + 4, size - at - 4));
}

/* As it is sent: whoever gets it knows the members. */
static void make_image(const struct replica *r, const uint8_t *data, size_t size)
{
    uint8_t *copy = memcpy(xmalloc(size), data, size);
    struct replica_state state;

    gq_assert(replica_snapshot_add_members(r, &copy, &size));
    gq_assert(replica_state_parse(r, copy, size, &state) == 0 && state.has_members);
    gq_assert(state.members.n_members == r->peers->applied->bytes[0]);
    producer_state_free(state.producers);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replica first = { .shard = &shard }, second = { .shard = &shard };
    _cleanup_(freep) uint8_t *copy = NULL, *a = NULL, *b = NULL;
    size_t a_size, b_size;
    uint64_t index = 0, again = 0;

    if (size == 0)
        return 0;
    copy = memcpy(xmalloc(size), data + 1, size - 1);
    if ((data[0] & 1) != 0)
        put_right(copy, size - 1);
    if (replica_snapshot_read(&first, copy, size - 1, &index) == 0) {
        if (first.producers != NULL)
            ask_producers(first.producers);
        a = write_again(&first, index, &a_size);
        gq_assert(replica_snapshot_read(&second, a, a_size, &again) == 0);
        gq_assert(again == index && second.log_start == first.log_start);
        gq_assert(second.last_append_time == first.last_append_time);
        b = write_again(&second, again, &b_size);
        gq_assert(a_size == b_size && memcmp(a, b, a_size) == 0);
        if (first.peers != NULL)
            make_image(&first, a, a_size);
    } else {
        gq_assert(first.producers == NULL && first.peers == NULL);
    }
    producer_state_free(first.producers);
    producer_state_free(second.producers);
    replica_peers_free(first.peers);
    replica_peers_free(second.peers);
    return 0;
}
