/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log/internal.h"

static int fail(const struct table *t, uint64_t i, int error)
{
    if (t->ret_bad != NULL)
        *t->ret_bad = i;
    return error;
}

int table_read(const struct table *t, uint64_t i, unsigned max, struct table_record *ret)
{
    uint8_t buf[TABLE_CHUNK * TABLE_RECORD_SIZE];
    unsigned want = (unsigned)MIN((uint64_t)max, t->n - i);
    unsigned n;
    ssize_t size;

    gq_assert(i < t->n && want <= TABLE_CHUNK);
    if (t->cached)
        size = disk_pread_cached(t->file, buf, want * TABLE_RECORD_SIZE, table_position(i));
    else
        size = disk_pread(t->file, buf, want * TABLE_RECORD_SIZE, table_position(i));
    if (size < 0)
        return fail(t, i, (int)size);
    n = (unsigned)size / TABLE_RECORD_SIZE;
    if (n == 0)
        return fail(t, i, t->cached ? -EAGAIN : -EBADMSG);
    for (unsigned k = 0; k < n; k++) {
        int r = table_record_read(buf + (size_t)k * TABLE_RECORD_SIZE, &ret[k]);

        if (r < 0 || ret[k].index != t->base_index + i + k)
            return fail(t, i + k, -EBADMSG);
    }
    return (int)n;
}

int table_search(const struct table *t, uint64_t low, uint64_t high, table_predicate holds, const void *arg,
                 uint64_t *ret_i)
{
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        struct table_record rec;
        int r = table_read(t, mid, 1, &rec);

        if (r < 0)
            return r;
        if (holds(&rec, arg))
            high = mid;
        else
            low = mid + 1;
    }
    *ret_i = low;
    return 0;
}

bool table_is_beyond_offset(const struct table_record *r, const void *arg)
{
    return table_record_next_offset(r) > *(const int64_t *)arg;
}
