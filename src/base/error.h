/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The numbers that functions and processes end with.
 *
 * A function returns 0, or a negative errno that goes up unchanged, or a positive MODULE_E_* that its caller must
 * handle and not pass on. Each module numbers its own from its block of 100 below, e.g.
 * JOURNAL_E_CORRUPT = ERROR_BASE_JOURNAL + 1. */

#include <sysexits.h>

/* X(module in capitals, first code, name in messages) */
#define ERROR_BLOCKS(X) \
    X(JOURNAL, 1000, "journal") \
    X(LOG, 1100, "log") \
    X(STATE, 1200, "state") \
    X(REPLICA, 1300, "replica") \
    X(META, 1400, "metadata") \
    X(TXN, 1500, "transaction") \
    X(WIRE, 1600, "wire") \
    X(CONFIG, 1700, "configuration") \
    X(NODE, 1800, "node") \
    X(RAFT, 1900, "raft") \
    X(FLEET, 2000, "fleet") \
    X(PEER, 2100, "peer")

#define ERROR_BLOCK_SIZE 100

enum error_base {
#define X(module, base, name) ERROR_BASE_##module = base,
    ERROR_BLOCKS(X)
#undef X
};

/* What our processes exit with besides EXIT_SUCCESS and EXIT_FAILURE: X(name of sysexits.h, number, meaning).
 * The units keep systemd from restarting after EX_USAGE and EX_CONFIG. */
#define EXIT_CODES(X) \
    X(EX_USAGE, 64, "wrong command line") \
    X(EX_DATAERR, 65, "input data are malformed") \
    X(EX_NOINPUT, 66, "an input file can't be read") \
    X(EX_UNAVAILABLE, 69, "a service that is needed doesn't answer") \
    X(EX_SOFTWARE, 70, "an internal invariant was broken") \
    X(EX_OSERR, 71, "the system is out of memory, threads or descriptors") \
    X(EX_CANTCREAT, 73, "an output file can't be created") \
    X(EX_IOERR, 74, "reading or writing the disk failed") \
    X(EX_TEMPFAIL, 75, "a temporary failure, worth another try") \
    X(EX_NOPERM, 77, "permission denied") \
    X(EX_CONFIG, 78, "the configuration is wrong")

/* A text for any returned code, its sign as returned: strerror's for a negative errno, "journal error 1002" for a
 * MODULE_E_*, else the number. Never NULL; holds until this thread's next call. */
const char *error_text(int err);

/* The meaning from the table, or NULL. */
const char *exit_code_text(int status);
