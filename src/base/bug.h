/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Planted bugs: they prove that the tests that look for such bugs find them. Only code that is compiled with -DGQ_BUGS
 * has them, which are two libraries for such tests (libbugs.la, libnodebugs.la), and there the global gq_bug chooses at
 * most one. In all other code GQ_BUG() is the constant false. A bug is planted where a hurried hand would make it:
 *
 *     if (!GQ_BUG(JOURNAL_SYNC_SKIPPED))
 *         r = disk_sync_data(f->io);
 */

/* X(NAME, text) */
#define GQ_BUG_LIST(X) \
    X(JOURNAL_SYNC_SKIPPED, "journal: a flush is written but not synced") \
    X(ACK_BEFORE_FLUSH, "replica: a batch is acknowledged when it is proposed") \
    X(TORN_BLOCK_ACCEPTED, "journal: recovery doesn't check the CRC of a block's payload") \
    X(CUT_BELOW_FRONTIER, "journal: recovery cuts at the first bad block, whatever was flushed behind it") \
    X(FLUSHED_LSN_TOO_HIGH, "journal: the next file tells that the end of a full one is flushed, which isn't synced") \
    X(RECYCLED_TOO_EARLY, "journal: a file goes out of use before a later STATE_TABLE is flushed") \
    X(TAIL_NOT_SETTLED, "journal: a tail that recovery accepted isn't written again") \
    X(RELOCATED_TRUNCATES, \
      "journal: recovery takes a relocated entry for a new one, which voids those from its index on") \
    X(COPY_TRUSTED_EARLY, "journal: a file goes out of use while the copies of its entries are being flushed") \
    X(ROUND_TRUSTED_EARLY, "journal: the first copy of a round counts for all of its entries") \
    X(COPY_PINS_NOTHING, "journal: the file with the copies counts as one of those that they let go") \
    X(REPLAYED_IN_ONE_PASS, "journal: replay doesn't go back for entries that lie before the copies they follow") \
    X(FAILED_SYNC_IGNORED, "journal: a sync that failed is taken for one that went well") \
    X(FILE_NAME_NOT_SYNCED, "journal: the directory isn't synced after a file got its name") \
    X(TABLE_WITHOUT_TERM, "journal: a STATE_TABLE forgets term and vote") \
    X(HARD_STATE_SKIPPED, "replica: a new term isn't journalled") \
    X(FLUSH_COUNTS_FOR_ALL, "replica: a flush counts for entries that came after it was begun") \
    X(APPLIED_BEFORE_FLUSH, "replica: what others have committed is applied before it is flushed here") \
    X(REPLAY_TAKEN_FOR_COMMITTED, "replica: with several voters all that a start finds counts as committed") \
    X(CUT_NOT_JOURNALLED, "replica: the journal isn't told of entries that a new leader overrode") \
    X(OVERLAY_NOT_CUT, "replica: batches that a new leader overrode still count as proposed") \
    X(CONFIG_NOT_REVERTED, "replica: a truncation leaves the members that it cut in force") \
    X(CONFIG_NOT_AWAITED, "replica: the next configuration doesn't wait until the one before is committed") \
    X(CONFIG_NOT_REPLAYED, "replica: a start doesn't look for configurations that aren't applied yet") \
    X(CONFIG_LOST_IN_SNAPSHOT, "replica: a partition snapshot doesn't say who the members are") \
    X(PROBATION_FORGOTTEN, "replica: a node with an emptied disk votes") \
    X(END_TOLD_WITHOUT_ROUND, "replica: a leader tells the end of its log without asking the others") \
    X(ACKED_BY_LEADER_ALONE, "replica: acks=all is told at the leader's flush") \
    X(LAGGING_COUNTED_IN_SYNC, "replica: a member counts as in sync however long it hasn't been heard") \
    X(HIGH_WATERMARK_TAKEN_BACK, \
      "replica: a leader denies what lies beyond its end without knowing what is committed") \
    X(CHECKPOINT_BEFORE_SYNC, "replica: a checkpoint is journalled while its segments are being synced") \
    X(SEGMENT_SYNC_SKIPPED, "log: a segment isn't synced before its checkpoint") \
    X(LOG_PART_NOT_SYNCED, "log: of a segment the table is synced, the records aren't") \
    X(SEGMENT_NAME_NOT_SYNCED, "log: the directory isn't synced after a segment was made") \
    X(LOG_DIR_NOT_SYNCED, "log: the way to a new directory isn't synced") \
    X(SNAPSHOT_NOT_SYNCED, "log: a partition snapshot gets its name before it is synced") \
    X(IMAGE_NAMED_EARLY, "log: an image counts before the journal has it") \
    X(SEGMENT_NOT_CUT, "log: recovery doesn't cut a segment back to the checkpoint") \
    X(START_NOT_DURABLE, "replica: segments below a log start go before it is journalled") \
    X(FILES_BEFORE_FORGET, "replica: the files of a deleted group go before the journal has forgotten it") \
    X(PRODUCERS_NOT_RESTORED, "replica: the producer state of a snapshot isn't read") \
    X(DELETE_TOLD_EARLY, "replica: DeleteRecords is answered when the new log start is proposed") \
    X(STABLE_NOT_COMMITTED, "replica: the last stable offset counts what isn't committed") \
    X(OPENED_BEFORE_NOOP, "replica: a leader serves before an entry of its term is applied") \
    X(PRODUCERS_OF_LEADER_ONLY, "replica: followers don't keep the state of producers") \
    X(LOG_START_OF_LEADER_ONLY, "replica: followers don't take a log start from the log") \
    X(IMAGE_WITHOUT_PRODUCERS, "replica: an image is installed without its producers") \
    X(RECEIVED_UNCHECKED, "replica: an entry from another node is taken whatever its checksum says") \
    X(FENCED_TAKEN, "replica: a producer goes on in an epoch that is over") \
    X(OLD_DISK_TRUSTED, "node: a node is believed whose disk is an older one of its own") \
    X(STATE_APPLIED_APART, "state: the applied index isn't written in the records' transaction") \
    X(RAFT_OLD_TERM_COUNTED, "raft: entries of earlier terms are committed by counting") \
    X(RAFT_UNFLUSHED_COUNTED, "raft: a leader counts itself before its flush") \
    X(RAFT_ACK_UNFLUSHED, "raft: a follower acknowledges what it hasn't flushed") \
    X(RAFT_VOTE_NOT_DURABLE, "raft: a vote is given before it is durable") \
    X(RAFT_VOTE_FOR_SHORTER_LOG, "raft: a vote looks at the last term alone") \
    X(RAFT_STALE_COMPLETION, "raft: a completion from before a truncation counts") \
    X(RAFT_JOINT_HALF_ASKED, "raft: in a joint configuration the new half decides alone") \
    X(RAFT_CONFIG_NOT_REVERTED, "raft: a truncation leaves the configuration that it cut in force") \
    X(RAFT_REMOVED_TOO_EARLY, "raft: a node that an uncommitted configuration removes doesn't campaign") \
    X(RAFT_READ_WITHOUT_ROUND, "raft: a leader answers reads without asking the others") \
    X(RAFT_LATE_APPEND_CUTS, "raft: a message that comes late cuts what came behind it") \
    X(RAFT_PRE_VOTE_LEAKS, "raft: a pre-vote's term is taken over") \
    X(RAFT_TRANSFER_UNCAUGHT, "raft: the lead is handed to who hasn't caught up") \
    X(RAFT_LEARNER_COUNTED, "raft: learners count as voters")

enum gq_bug {
    GQ_BUG_NONE,
#define X(name, text) GQ_BUG_##name,
    GQ_BUG_LIST(X)
#undef X
        GQ_N_BUGS,
};

extern enum gq_bug gq_bug; /* is in the first of these only */

#ifdef GQ_BUGS
#define GQ_BUG(name) (gq_bug == GQ_BUG_##name)
#else
#define GQ_BUG(name) false
#endif
