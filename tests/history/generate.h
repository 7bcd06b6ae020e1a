/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Histories of a queue in memory that does everything right, or one thing wrong: for property tests and measurements.
 * Equal settings give equal histories. */

#include "history/history.h"

/* X(name in C, anomaly that it must lead to) */
#define GENERATE_FAULTS(X) \
    X(LOSE_RECORD, LOST_WRITE) \
    X(STORE_TWICE, DUPLICATE) \
    X(SKIP_RECORD, POLL_SKIP) \
    X(STEP_BACK, POLL_BACK) \
    X(SHOW_ABORTED, ABORTED_READ) \
    X(SHOW_OPEN, READ_BEFORE_COMMIT) \
    X(COMMIT_AHEAD, COMMIT_BEYOND) \
    X(FORGET, STREAM_FORGOTTEN)

enum generate_fault {
    GENERATE_NO_FAULT,
#define X(id, anomaly) GENERATE_##id,
    GENERATE_FAULTS(X)
#undef X
        GENERATE_N_FAULTS
};

struct generate_settings {
    uint64_t seed;
    uint64_t n_operations;                       /* about */
    uint32_t n_places, n_producers, n_consumers; /* 1 to 64 each */
    enum generate_fault fault;                   /* now and then */
    /* Places are numbers from 0. OK events carry their verb too. */
    void (*emit)(void *ctx, const struct history_event *e);
    void *ctx;
};

/* Returns how often the fault was done. */
uint64_t generate_history(const struct generate_settings *settings);
