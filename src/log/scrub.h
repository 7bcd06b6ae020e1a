/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads sealed segments again and checks everything that has a checksum: each table record, each entry's bytes in .log,
 * and the entry as a whole, with its commands in .aux. Reads go past the page cache where the file system lets them, so
 * that what is checked is the medium and nobody's pages are pushed out. Nothing is changed.
 *
 * A job goes on where the one before stopped, for about so many bytes. As for other jobs: prepare and done on the
 * owner, run on a worker. One scrub job of a log at a time. */

#include "log/log.h"

/* What was found in the present segment so far. */
struct log_scrub_damage {
    uint64_t n_entries;  /* damaged ones; 0: none */
    uint64_t base_index; /* of the segment */
    unsigned kind;       /* enum segment_file of the first damage, and where it is */
    uint64_t position;
    const char *what;                  /* a static text */
    uint64_t first_index, last_index;  /* of damaged entries */
    int64_t first_offset, next_offset; /* what they hold, as far as is known */
};

struct log_scrub {
    /* Where it stands: zeros are the log's start. */
    uint64_t base_index;  /* of the present segment, or of one before the next */
    uint64_t record;      /* to check next */
    uint64_t entry_bytes; /* of its bytes in .log, so many are in entry_crc already */
    uint32_t entry_crc;
    int64_t next_offset; /* behind the record before */
    bool begun;          /* false: record is the first one's, and the header is to be checked */
    uint64_t end_index;  /* segments from there on are left out; 0: none */
    struct log_scrub_damage damage;
    /* The job */
    struct log *log;
    size_t max_bytes;
    size_t n_bytes; /* read by it */
    bool segment_done;
    int error; /* 0, or an errno of opening: try again later */
    void *result;
};

/* False: there is no sealed segment from there on, and the position stays. Segments that aren't synced yet are passed
 * over: they come with the next pass. */
bool log_scrub_prepare(struct log *l, struct log_scrub *job, size_t max_bytes);
void log_scrub_run(struct log_scrub *job); /* blocking */
/* After it, segment_done says that damage is all there is, and the next job begins another segment. What is damaged
 * isn't lent any more (log_may_lend()). */
void log_scrub_done(struct log_scrub *job);
/* Damage as a sentence. */
void log_scrub_describe(const struct log *l, const struct log_scrub_damage *d, struct error_text *ret);
