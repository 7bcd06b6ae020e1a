/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a history: in one piece and byte by byte they are taken alike, and every refusal says why and where. */
#include "history/history.h"

#include "support/fuzz.h"

static uint64_t judge(const uint8_t *data, size_t size, size_t piece, struct history_error *err, int *ret)
{
    struct history_rules rules = { .serial_writes = true, .max_findings = 10 };
    _cleanup_(history_freep) struct history *h = history_new(&rules);
    struct history_reader reader;
    uint64_t n = 0;
    int r = 0;

    history_reader_init(&reader, h);
    for (size_t i = 0; r == 0 && i < size; i += piece)
        r = history_reader_feed(&reader, data + i, MIN(piece, size - i), err);
    if (r == 0)
        r = history_reader_end(&reader, err);
    history_reader_fini(&reader);
    if (r == 0)
        n = history_judge(h);
    *ret = r;
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history_error one = { 0 }, other = { 0 };
    int r, s;

    gq_assert(judge(data, size, size + 1, &one, &r) == judge(data, size, 1, &other, &s));
    gq_assert(r == s && one.line == other.line && one.column == other.column);
    gq_assert(r == 0 || (one.line > 0 && one.column > 0 && one.text.text[0] != '\0'));
    return 0;
}
