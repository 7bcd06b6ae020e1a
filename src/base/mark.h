/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Coverage marks: places of which the simulator must show that it comes by, since nobody would notice if it didn't:
 * branches of recovery, and ways out that only faults open. Only code that is compiled with -DGQ_BUGS counts them (see
 * base/bug.h); in all other code GQ_MARK() is nothing.
 *
 *     if (disk_lacks_room(r)) {
 *         GQ_MARK(JOURNAL_NO_ROOM_FOR_FILE);
 */

#include <stdint.h>

/* X(NAME, text) */
#define GQ_MARK_LIST(X) \
    X(JOURNAL_TAIL_SETTLED, "journal: a start writes the tail again that it found above the durable frontier") \
    X(JOURNAL_TORN_TAIL, "journal: recovery leaves out a torn tail") \
    X(JOURNAL_FILE_VOID, "journal: a file behind the end leaves the journal") \
    X(JOURNAL_NO_ROOM_FOR_FILE, "journal: a start finds no room for a new file and does without") \
    X(JOURNAL_FILE_RETIRED, "journal: a file in which nothing counts any more goes out of use") \
    X(JOURNAL_SECOND_PASS, "journal: replay goes back for entries that lie before the copies they follow") \
    X(JOURNAL_WITHDRAWN, "journal: what waits of a deleted partition isn't written any more") \
    X(LOG_SEGMENT_CUT, "log: recovery cuts a segment back to its checkpoint") \
    X(LOG_FILES_REMOVED, "log: recovery removes files of segments that don't count") \
    X(LOG_SNAPSHOT_TORN, "log: a partition snapshot is torn and an older one is taken") \
    X(LOG_READ_COLD, "log: a worker reads ahead what isn't in the page cache") \
    X(REPLICA_DUPLICATE, "replica: a retry is answered as the original was") \
    X(REPLICA_PENDING_DUPLICATE, "replica: a retry waits for the original") \
    X(REPLICA_SEQUENCE_REFUSED, "replica: a batch out of sequence is refused") \
    X(REPLICA_HELD, "replica: a producer waits for room in the write cache") \
    X(REPLICA_SHORTAGE_REFUSED, "replica: a producer is refused since the disk is full") \
    X(REPLICA_BLOCKED, "replica: a segment meets a full disk") \
    X(REPLICA_REPLAY_NO_ROOM, "replica: replay finds no room for a segment and keeps the entries") \
    X(REPLICA_NO_FILE, "replica: a segment waits for descriptors") \
    X(REPLICA_READ_COPIED, "replica: a read finds no descriptor that it may hold and gets a copy") \
    X(REPLICA_REPLAY_NO_FILE, "replica: replay syncs segments for their descriptors") \
    X(REPLICA_RELOCATED, "replica: entries are copied to the journal's end") \
    X(REPLICA_RELOCATION_PUT_OFF, "replica: entries to copy can't be read back for now") \
    X(REPLICA_ROUND_TOGETHER, "replica: a round of checkpoints by one sync of the file system") \
    X(REPLICA_RETENTION, "replica: retention moves the log start") \
    X(REPLICA_RECORDS_DELETED, "replica: DeleteRecords moves the log start") \
    X(REPLICA_DESTROYED, "replica: a deleted partition's files go")

enum gq_mark {
#define X(name, text) GQ_MARK_##name,
    GQ_MARK_LIST(X)
#undef X
        GQ_N_MARKS,
};

extern uint64_t gq_marks[GQ_N_MARKS]; /* how often each was come by; is in libbugs.la only */

#ifdef GQ_BUGS
#define GQ_MARK(name) ((void)gq_marks[GQ_MARK_##name]++)
#else
#define GQ_MARK(name) ((void)0)
#endif
