/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Offline: writes a new journal for a shard from what was saved of the old one. It goes through the ordinary journal,
 * so what it leaves is what the next start reads. Blocking.
 *
 * Into an empty directory: begin, then for each group its state followed by its entries behind the checkpoint, in
 * order, then end. */

#include "journal/journal.h"

struct journal_rewrite;

/* config: dir is where it is written; first_generation and first_lsn lie above those of the old journal.
 * Returns 0 or an error with err set. */
int journal_rewrite_begin(const struct journal_config *config, struct journal_rewrite **ret, struct error_text *err);
void journal_rewrite_group(struct journal_rewrite *w, const struct journal_group_state *st);
/* rec: group, index, term, checksums and data. Returns 0 or a negative errno. */
int journal_rewrite_entry(struct journal_rewrite *w, const struct journal_replay_record *rec);
/* Flushes, seals and frees it; also after an error. */
int journal_rewrite_end(struct journal_rewrite *w);
