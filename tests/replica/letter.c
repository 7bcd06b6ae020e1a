/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replica/letter.h"

#include "base/util.h"

static void take(struct slice *to, const struct slice *from, uint8_t *at)
{
    *to = slice_make(at, from->size);
    if (from->size > 0)
        memcpy(at, from->data, from->size);
}

struct replica_message *letter_of_message(const struct replica_message *from)
{
    size_t size = sizeof(*from) + from->raft.n_entries * sizeof(from->entries[0]), bytes = 0;
    struct replica_message *m = letter_of_bytes(from, size);
    uint8_t *at;

    for (uint32_t i = 0; i < from->raft.n_entries; i++)
        bytes += from->entries[i].head.size + from->entries[i].batches.size;
    bytes += from->image != NULL ? from->image->size : 0;
    at = m->data = xmalloc(bytes + 1);
    if (from->image != NULL) {
        m->image = letter_of_bytes(from->image, sizeof(*from->image));
        memcpy(m->data, from->data, m->image->size);
    }
    for (uint32_t i = 0; i < from->raft.n_entries; i++) {
        const struct replica_message_entry *e = &from->entries[i];

        m->entries[i].buf = NULL;
        take(&m->entries[i].head, &e->head, at);
        take(&m->entries[i].batches, &e->batches, at + e->head.size);
        at += e->head.size + e->batches.size;
    }
    return m;
}

void letter_of_session(const struct fleet_message *m, struct fleet_message *ret)
{
    *ret = *m;
    ret->digests = letter_of_bytes(m->digests, m->n_digests * sizeof(*m->digests));
    ret->entries = letter_of_bytes(m->entries, m->n_entries * sizeof(*m->entries));
}

void letter_session_free(struct fleet_message *m)
{
    free((void *)(uintptr_t)m->digests);
    free((void *)(uintptr_t)m->entries);
}

void *letter_of_bytes(const void *bytes, size_t size)
{
    return size > 0 ? memcpy(xmalloc(size), bytes, size) : NULL;
}
