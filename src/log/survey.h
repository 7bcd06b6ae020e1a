/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the survey and the rebuilding of table records share. */

#include "log/internal.h"
#include "log/repair.h"

struct survey_rebuilt {
    uint64_t index, term;
    uint32_t checksum;
    struct entry_header header;
    uint8_t *data;
    size_t size;
};

/* What is wrong with an entry, and where. */
struct survey_verdict {
    enum segment_file part;
    uint64_t position;
    const char *what;
};

extern const char survey_record_is_wrong[];

/* Of the segment whose files are open. 0 or -EBADMSG with the verdict. */
int survey_read_record(struct log_survey *s, uint64_t index, struct table_record *ret, struct survey_verdict *v);
int survey_read_part(struct log_survey *s, enum segment_file part, uint8_t *to, uint64_t position, size_t size,
                     struct survey_verdict *v);

/* Tries the damages from first_bad on, which are g's. */
void survey_rebuild(struct log_survey *s, const struct log_survey_segment *g, size_t first_bad);
