/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/fetch_response.h"

uint32_t wire_fetch_response_max_gaps(const struct wire_fetch_response *m)
{
    uint32_t n = 0;

    for (int32_t i = 0; i < m->n_responses; i++) {
        const struct wire_fetch_response_topic *topic = &m->responses[i];

        for (int32_t j = 0; j < topic->n_partitions; j++)
            n += wire_records_are_elsewhere(topic->partitions[j].records) ? 1 : 0;
    }
    return n;
}

void wire_fetch_response_write(struct wr *w, const struct wire_request *request, const struct wire_fetch_response *m,
                               struct wire_gaps *gaps)
{
    size_t at = wire_response_begin(w, request);

    gaps->n = 0;
    gaps->bytes = 0;
    wire_fetch_response_encode_gaps(m, w, request->response_version, gaps);
    wire_frame_end(w, at, gaps->bytes);
}

void wire_pieces_init(struct wire_pieces *p, const struct wr *w, size_t at, const struct wire_gaps *gaps)
{
    *p = (struct wire_pieces){ .start = w->start, .at = at, .end = wr_size(w), .gaps = gaps };
}

bool wire_pieces_next(struct wire_pieces *p, struct wire_piece *ret)
{
    const struct wire_gap *gap = p->next_gap < p->gaps->n ? &p->gaps->list[p->next_gap] : NULL;
    size_t until = gap != NULL ? gap->at : p->end;

    if (gap == NULL && p->at == p->end)
        return false;
    *ret = (struct wire_piece){ .bytes = slice_make(p->start + p->at, until - p->at), .gap = gap };
    p->at = until;
    p->next_gap += gap != NULL ? 1 : 0;
    return true;
}
