/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/internal.h"

/* The numbers of a core's message, by tables: each kind has those that it uses, in one order. */

enum {
#define X(name, size, max) NUMBER_##name,
    PEER_RAFT_FIELDS(X)
#undef X
        N_NUMBERS,
};

#define HAS(name) (1u << NUMBER_##name)

static const struct peer_kind kinds[] = {
#define X(name, number, has, flags) { #name, number, RAFT_##name, has, flags },
    PEER_RAFT_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    size_t at; /* in struct raft_message */
    uint8_t size;
    uint64_t max;
} numbers[N_NUMBERS] = {
#define X(name, size, max) { #name, offsetof(struct raft_message, name), size, max },
    PEER_RAFT_FIELDS(X)
#undef X
};

const struct peer_kind *peer_kind(uint8_t number)
{
    return number >= kinds[0].number && number - kinds[0].number < (int)ARRAY_SIZE(kinds)
               ? &kinds[number - kinds[0].number]
               : NULL;
}

const struct peer_kind *peer_kind_of(enum raft_message_kind raft)
{
    gq_assert((size_t)raft < ARRAY_SIZE(kinds) && kinds[raft].raft == raft);
    return &kinds[raft];
}

size_t peer_numbers_size(const struct peer_kind *kind)
{
    size_t size = 1;

    for (unsigned i = 0; i < N_NUMBERS; i++)
        size += (kind->has >> i & 1) != 0 ? numbers[i].size : 0;
    return size;
}

void peer_numbers_write(const struct peer_kind *kind, struct wr *w, const struct raft_message *m)
{
    unsigned flags = (m->reject ? PEER_REJECT : 0u) | (m->force ? PEER_FORCE : 0u) | (m->join ? PEER_JOIN : 0u);

    gq_assert((flags & ~(unsigned)kind->flags) == 0);
    wr_u8(w, (uint8_t)flags);
    for (unsigned i = 0; i < N_NUMBERS; i++) {
        uint64_t n;

        memcpy(&n, (const uint8_t *)m + numbers[i].at, sizeof(n));
        /* What isn't sent has nothing to say. */
        gq_assert(n <= ((kind->has >> i & 1) != 0 ? numbers[i].max : 0));
        if ((kind->has >> i & 1) == 0)
            continue;
        if (numbers[i].size == 4)
            wr_le32(w, (uint32_t)n);
        else
            wr_le64(w, n);
    }
}

int peer_numbers_read(const struct peer_kind *kind, struct rd *r, struct raft_message *ret, struct error_text *err)
{
    uint8_t flags = rd_u8(r);

    *ret = (struct raft_message){
        .kind = kind->raft,
        .reject = (flags & PEER_REJECT) != 0,
        .force = (flags & PEER_FORCE) != 0,
        .join = (flags & PEER_JOIN) != 0,
    };
    if ((flags & ~kind->flags) != 0)
        return peer_refuse(err, "%s: flags 0x%x", kind->name, flags);
    for (unsigned i = 0; i < N_NUMBERS; i++) {
        uint64_t n;

        if ((kind->has >> i & 1) == 0)
            continue;
        n = numbers[i].size == 4 ? rd_le32(r) : rd_le64(r);
        if (n > numbers[i].max)
            return peer_refuse(err, "%s: %s %llu", kind->name, numbers[i].name, (unsigned long long)n);
        memcpy((uint8_t *)ret + numbers[i].at, &n, sizeof(n));
    }
    return 0;
}
