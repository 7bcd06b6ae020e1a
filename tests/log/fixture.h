/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A log over the simulated disk beside a model of what it must hold: all entries ever committed, as a journal would
 * give them again. */

#include "log/log.h"
#include "sim/disk.h"
#include "sim/prng.h"

#define FX_DIR "topics/t/0"

struct fx_spec {
    uint64_t term;      /* 0: as the entry before */
    unsigned n_batches; /* 0: one when there are records */
    unsigned n_records; /* per batch; 0: no batch */
    size_t value_size;
    uint16_t attributes;
    int64_t timestamp_ms; /* of the first record, one more for each */
    int64_t append_ms;    /* 0: as the entry before */
    size_t commands_size; /* of one command's body; 0: none */
};

struct fx_entry {
    uint64_t index, term;
    uint32_t checksum;
    uint8_t *data;
    size_t size;
    struct entry parsed;
    int64_t next_offset;
    bool planned, roll;
    char snapshot[24];
};

struct fx {
    struct sim_disk *disk;
    struct log_config config;
    struct log *log;
    struct fx_entry *entries; /* entries[i] has index i + 1 */
    size_t n, capacity;
    struct log_position checkpoint, checkpoint_before; /* "journalled", and the one before that */
    int64_t start;                                     /* likewise */
    int64_t append_ms;
    bool no_snapshots;
};

void fx_init(struct fx *fx, struct sim_prng *prng);
void fx_fini(struct fx *fx);

/* Commits an entry; returns its index. */
uint64_t fx_commit(struct fx *fx, const struct fx_spec *spec);
#define fx_add(fx, ...) fx_commit((fx), &(struct fx_spec){ __VA_ARGS__ })

/* Plans the segments of the entries up to this one, as when they are applied long before they are appended. */
void fx_plan(struct fx *fx, uint64_t index);
/* Appends the next n committed entries (0: all) in one job. Returns the job's error. */
int fx_append(struct fx *fx, size_t n);
/* Makes a job of them without running it. */
void fx_append_prepare(struct fx *fx, struct log_append *job, size_t n);
void fx_append_finish(struct log_append *job);
/* Sync job, then the checkpoint is journalled. ahead: the snapshot is of so many entries behind the end. */
int fx_sync(struct fx *fx, size_t ahead);
int fx_cut(struct fx *fx); /* the job's error; 0 too when there is nothing to cut */
void fx_set_start(struct fx *fx, int64_t offset);
/* All warm jobs that a read needs. */
int fx_read(struct fx *fx, int64_t offset, int64_t max_offset, size_t max_bytes, struct log_range *ret);

struct log_position fx_position(const struct fx *fx, uint64_t index);
/* The process ends and starts again. */
void fx_close(struct fx *fx);
int fx_open(struct fx *fx, struct error_text *err);
int fx_open_at(struct fx *fx, const struct log_position *checkpoint, struct error_text *err);
void fx_reopen(struct fx *fx); /* must succeed */

/* The log holds exactly what the model says up to its end: by reading, by replay, by its figures. */
void fx_check(struct fx *fx);

/* Number of files in the directory whose name ends so. */
unsigned fx_count_files(const struct fx *fx, const char *suffix);
uint64_t fx_file_size(const struct fx *fx, const char *name);
