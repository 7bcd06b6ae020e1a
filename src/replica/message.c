/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/util.h"
#include "replica/replica.h"

/* By itself, so that who only carries messages needs nothing else of this module. */

void replica_message_free(struct replica_message *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->raft.n_entries; i++)
        buf_unref(m->entries[i].buf);
    free(m->image);
    free(m->data);
    free(m);
}
