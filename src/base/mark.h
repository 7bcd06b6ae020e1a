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
    X(JOURNAL_BAD_BLOCK, "journal: a start refuses a bad block below the durable frontier") \
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
    X(REPLICA_REFUSED_UNMADE, "replica: a batch comes before its group is made") \
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
    X(REPLICA_DESTROYED, "replica: a deleted partition's files go") \
    X(RAFT_PRE_CANDIDATE, "raft: a node asks whether it could win") \
    X(RAFT_CANDIDATE, "raft: a node votes for itself") \
    X(RAFT_ELECTED, "raft: a node wins an election") \
    X(RAFT_CAMPAIGN_REFUSED, "raft: a campaign is refused by a quorum") \
    X(RAFT_CAMPAIGN_ASKED_FOR, "raft: a node campaigns since the leader asked for it") \
    X(RAFT_CANDIDATE_BEATEN, "raft: a candidate hears of another one that won") \
    X(RAFT_VOTE_GIVEN, "raft: a node votes for another one") \
    X(RAFT_VOTE_SPENT, "raft: a node has voted for another one in the term") \
    X(RAFT_VOTE_FOR_SHORTER, "raft: a candidate with a shorter log asks for a vote") \
    X(RAFT_VOTE_ON_PROBATION, "raft: a node on probation is asked for its vote") \
    X(RAFT_STUCK_TO_LEADER, "raft: a campaign isn't heard of by who hears of a leader") \
    X(RAFT_OLD_TERM_TOLD, "raft: a leader or candidate of an old term is told of a later one") \
    X(RAFT_ANSWER_OWED, "raft: an answer waits until the term is durable") \
    X(RAFT_DOWN_BY_TERM, "raft: a leader hears of a later term") \
    X(RAFT_DOWN_BY_SILENCE, "raft: a leader hears no quorum") \
    X(RAFT_DOWN_BY_CONFIG, "raft: a leader is no voter any more") \
    X(RAFT_LEADER_DIED, "raft: a follower is told that its leader's node is gone") \
    X(RAFT_REPLICATES, "raft: it is known where a follower's log agrees") \
    X(RAFT_PROBES_AGAIN, "raft: a follower's log doesn't agree") \
    X(RAFT_LOG_ENDS_BELOW, "raft: a follower lacks the entry before the first it is sent") \
    X(RAFT_LOG_DIFFERS, "raft: a follower has another entry before the first it is sent") \
    X(RAFT_TAIL_CUT, "raft: a follower cuts what a new leader doesn't have") \
    X(RAFT_WINDOW_FULL, "raft: a follower gets no more while so much is on its way") \
    X(RAFT_WINDOW_FREED, "raft: what is on its way to a follower may be lost") \
    X(RAFT_OLD_TERM_WAITS, "raft: a quorum has entries of an old term only") \
    X(RAFT_IMAGE_SENT, "raft: a follower lacks what is below the log's start") \
    X(RAFT_IMAGE_FAILED, "raft: an image didn't get there") \
    X(RAFT_IMAGE_TAKEN, "raft: an image takes the place of a follower's log") \
    X(RAFT_IMAGE_ARRIVED, "raft: a leader hears that an image arrived") \
    X(RAFT_READ_ROUND, "raft: a leader asks whether it still leads") \
    X(RAFT_READS_LOST, "raft: reads are void with the lead") \
    X(RAFT_TRANSFER, "raft: the lead is to be handed over") \
    X(RAFT_TRANSFER_GIVEN_UP, "raft: who was to lead doesn't, in time") \
    X(RAFT_CONFIG_APPENDED, "raft: a configuration holds from here on") \
    X(RAFT_CONFIG_REVERTED, "raft: a configuration is cut, and the one before holds again") \
    X(RAFT_JOINT_ALLOWED, "raft: learners are to vote") \
    X(RAFT_JOINT_COMMITTED, "raft: a joint configuration is committed") \
    X(RAFT_SESSION_JOINED, "raft: a follower lets the session of nodes speak for its leader") \
    X(RAFT_RESTS, "raft: a leader comes to rest") \
    X(RAFT_LEADER_WAKES, "raft: a leader's group leaves the session") \
    X(RAFT_FOLLOWER_WAKES, "raft: a follower's group leaves the session") \
    X(RAFT_LEADER_FELL_SILENT, "raft: the session with the leader's node ends") \
    X(RAFT_FOLLOWER_FELL_SILENT, "raft: the session with a follower's node ends") \
    X(RAFT_PEER_CAME_BACK, "raft: a leader hears that a node is connected again") \
    X(FLEET_SESSION_LOST, "fleet: a session ends that groups are in") \
    X(FLEET_STALE, "fleet: a message is of a session that is over") \
    X(FLEET_UNSHARED, "fleet: a group is in one side's set only") \
    X(FLEET_PROPOSAL_VOID, "fleet: what waits to be proposed is void with the lead") \
    X(FLEET_HANDED_OVER, "fleet: a node gives away what it leads") \
    X(REPLICA_DEPOSED, "replica: who leads no longer refuses what waits") \
    X(REPLICA_FLUSHED_IN_VAIN, "replica: the journal tells of entries that were cut meanwhile") \
    X(REPLICA_CUT, "replica: entries that a new leader doesn't have are void") \
    X(REPLICA_PARKED, "replica: a question waits until more is known to be committed") \
    X(REPLICA_READ_BEHIND_ROUND, "replica: an answer waits until a quorum said that this node leads") \
    X(REPLICA_READ_BACK, "replica: entries for a follower are read back from segments") \
    X(REPLICA_IMAGE_INSTALLED, "replica: an image takes the place of a log") \
    X(REPLICA_STARTS_WITH_MORE, "replica: a start finds entries that may not be committed") \
    X(REPLICA_TAKES_NO_MORE, "replica: a follower's journal has no room for what isn't committed") \
    X(REPLICA_LED_BY_OTHERS, "replica: the lead is given away since the journal stands still") \
    X(REPLICA_WAITS_FOR_MORE, "replica: a producer waits for more than a majority") \
    X(REPLICA_TOO_FEW_IN_SYNC, "replica: a producer is told that too few are in sync") \
    X(REPLICA_ALONE_NO_LONGER, "replica: a sole voter gets others beside it") \
    X(LINK_REPLACED, "node: a connection to a node takes the place of one") \
    X(LINK_CROSSED, "node: of two connections that crossed one goes") \
    X(LINK_STRANGER, "node: a connection is refused for who it says it is") \
    X(LINK_OLD_DISK, "node: a connection is refused since the node's disk is an older one") \
    X(LINK_NEVER_UP, "node: a connection takes too long to come up") \
    X(LINK_SILENT, "node: a connection is given up since nothing is heard") \
    X(LINK_RESET, "node: a connection to a node is reset") \
    X(LINK_REFUSED, "node: another node doesn't listen") \
    X(LINK_NOT_FRAMES, "node: what comes from another node isn't frames, and the connection ends") \
    X(LINK_MESSAGE_REFUSED, "node: a group's message is refused, as by the checksum of an entry") \
    X(LINK_MESSAGE_DROPPED, "node: a message to another node goes nowhere") \
    X(LINK_WORD_DROPPED, "node: a word to another node goes nowhere") \
    X(LINK_IMAGE_LOST, "node: an image goes nowhere") \
    X(SCRUB_DAMAGE, "node: the scrubber finds a damaged segment") \
    X(REPLICA_READ_BACK_DAMAGED, "replica: entries for a follower can't be read back") \
    X(LOG_DAMAGED, "log: what is read of a segment is damaged") \
    X(FORMING_FORMED, "node: a cluster is formed") \
    X(FORMING_JOINED, "node: a founder hears of it") \
    X(FORMING_PUT_OFF, "node: a full disk puts it off") \
    X(FORMING_GOES_ON, "node: a start makes the metadata's log that a crash left out") \
    X(META_IMAGE_REBUILT, "node: a start makes a damaged image of the metadata again from the log") \
    X(META_FORESEEN, "node: a start finds metadata that may not be committed") \
    X(META_FORESEEN_GROUP, "node: a group is there before the metadata is known to have it") \
    X(META_FORWARDED, "node: a command goes to who leads the metadata") \
    X(META_ASKED_WRONG_NODE, "node: who is asked doesn't lead the metadata") \
    X(META_ANSWER_MISSED, "node: no answer to a command comes in time")

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
