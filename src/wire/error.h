/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kafka's error codes as they travel in responses. One table: number, name, whether a client may try again with the
 * same request, and a sentence for logs and error_message fields. Codes without a use of our own are here because
 * clients (ours too) must be able to name whatever a broker answers. No state; any thread. */

#include <stdbool.h>
#include <stdint.h>

#define KAFKA_ERRORS(X) \
    X(-1, UNKNOWN_SERVER_ERROR, false, "the broker met an unexpected error") \
    X(0, NONE, false, "no error") \
    X(1, OFFSET_OUT_OF_RANGE, false, "the offset is outside of what the partition holds") \
    X(2, CORRUPT_MESSAGE, true, "the record batch fails its checksum or is malformed") \
    X(3, UNKNOWN_TOPIC_OR_PARTITION, true, "this broker doesn't know the topic or partition") \
    X(4, INVALID_FETCH_SIZE, false, "the fetch size is invalid") \
    X(5, LEADER_NOT_AVAILABLE, true, "the partition has no leader at the moment") \
    X(6, NOT_LEADER_OR_FOLLOWER, true, "this broker is not the leader, or not a replica, of the partition") \
    X(7, REQUEST_TIMED_OUT, true, "the request was not completed in time") \
    X(8, BROKER_NOT_AVAILABLE, false, "the broker is not available") \
    X(9, REPLICA_NOT_AVAILABLE, true, "the replica is not available on this broker") \
    X(10, MESSAGE_TOO_LARGE, false, "the record batch is larger than the topic allows") \
    X(11, STALE_CONTROLLER_EPOCH, false, "the controller has moved to another node") \
    X(12, OFFSET_METADATA_TOO_LARGE, false, "the metadata of the committed offset is too large") \
    X(13, NETWORK_EXCEPTION, true, "the connection was closed before a response came") \
    X(14, COORDINATOR_LOAD_IN_PROGRESS, true, "the coordinator is still loading its state") \
    X(15, COORDINATOR_NOT_AVAILABLE, true, "there is no coordinator available") \
    X(16, NOT_COORDINATOR, true, "this broker is not the coordinator") \
    X(17, INVALID_TOPIC_EXCEPTION, false, "the topic name is invalid or the topic can't be used in this way") \
    X(18, RECORD_LIST_TOO_LARGE, false, "the record batch is larger than a segment") \
    X(19, NOT_ENOUGH_REPLICAS, true, "fewer replicas are in sync than the topic requires") \
    X(20, NOT_ENOUGH_REPLICAS_AFTER_APPEND, true, "appended, but on fewer replicas than the topic requires") \
    X(21, INVALID_REQUIRED_ACKS, false, "acks must be -1, 0 or 1") \
    X(22, ILLEGAL_GENERATION, false, "the group has another generation") \
    X(23, INCONSISTENT_GROUP_PROTOCOL, false, "the member has no protocol in common with the group") \
    X(24, INVALID_GROUP_ID, false, "the group id is invalid") \
    X(25, UNKNOWN_MEMBER_ID, false, "the group has no such member") \
    X(26, INVALID_SESSION_TIMEOUT, false, "the session timeout is outside of the allowed range") \
    X(27, REBALANCE_IN_PROGRESS, false, "the group is rebalancing") \
    X(28, INVALID_COMMIT_OFFSET_SIZE, false, "the size of the committed offset's data is invalid") \
    X(29, TOPIC_AUTHORIZATION_FAILED, false, "not authorized to access the topic") \
    X(30, GROUP_AUTHORIZATION_FAILED, false, "not authorized to access the group") \
    X(31, CLUSTER_AUTHORIZATION_FAILED, false, "not authorized to do this to the cluster") \
    X(32, INVALID_TIMESTAMP, false, "the timestamp is outside of the allowed range or of the wrong type") \
    X(33, UNSUPPORTED_SASL_MECHANISM, false, "the SASL mechanism is not supported") \
    X(34, ILLEGAL_SASL_STATE, false, "the request is not valid at this point of the authentication") \
    X(35, UNSUPPORTED_VERSION, false, "this version of the API is not supported") \
    X(36, TOPIC_ALREADY_EXISTS, false, "a topic of this name exists") \
    X(37, INVALID_PARTITIONS, false, "the number of partitions is invalid") \
    X(38, INVALID_REPLICATION_FACTOR, false, "the replication factor is below 1 or above the number of brokers") \
    X(39, INVALID_REPLICA_ASSIGNMENT, false, "the assignment of replicas is invalid") \
    X(40, INVALID_CONFIG, false, "the configuration is invalid") \
    X(41, NOT_CONTROLLER, true, "this node is not the controller") \
    X(42, INVALID_REQUEST, false, "the request is malformed or contradicts itself") \
    X(43, UNSUPPORTED_FOR_MESSAGE_FORMAT, false, "the message format on the broker doesn't support this") \
    X(44, POLICY_VIOLATION, false, "a policy of the broker forbids this") \
    X(45, OUT_OF_ORDER_SEQUENCE_NUMBER, false, "the producer's sequence number has a gap") \
    X(46, DUPLICATE_SEQUENCE_NUMBER, false, "the producer's sequence number was seen before") \
    X(47, INVALID_PRODUCER_EPOCH, false, "the producer's epoch is older than the current one") \
    X(48, INVALID_TXN_STATE, false, "the transaction is in another state") \
    X(49, INVALID_PRODUCER_ID_MAPPING, false, "the producer id doesn't belong to the transactional id") \
    X(50, INVALID_TRANSACTION_TIMEOUT, false, "the transaction timeout is larger than the broker allows") \
    X(51, CONCURRENT_TRANSACTIONS, true, "another operation on the same transaction is going on") \
    X(52, TRANSACTION_COORDINATOR_FENCED, false, "the transaction has a newer coordinator") \
    X(53, TRANSACTIONAL_ID_AUTHORIZATION_FAILED, false, "not authorized to use the transactional id") \
    X(54, SECURITY_DISABLED, false, "security features are switched off") \
    X(55, OPERATION_NOT_ATTEMPTED, false, "not tried since another part of the request failed") \
    X(56, KAFKA_STORAGE_ERROR, true, "the disk of the partition failed") \
    X(57, LOG_DIR_NOT_FOUND, false, "the broker has no such log directory") \
    X(58, SASL_AUTHENTICATION_FAILED, false, "authentication failed") \
    X(59, UNKNOWN_PRODUCER_ID, false, "the broker has no state for the producer id") \
    X(60, REASSIGNMENT_IN_PROGRESS, false, "a reassignment of the partition is going on") \
    X(61, DELEGATION_TOKEN_AUTH_DISABLED, false, "delegation tokens are switched off") \
    X(62, DELEGATION_TOKEN_NOT_FOUND, false, "there is no such delegation token") \
    X(63, DELEGATION_TOKEN_OWNER_MISMATCH, false, "not the owner or renewer of the delegation token") \
    X(64, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, false, "delegation tokens can't be managed on this connection") \
    X(65, DELEGATION_TOKEN_AUTHORIZATION_FAILED, false, "not authorized to manage delegation tokens") \
    X(66, DELEGATION_TOKEN_EXPIRED, false, "the delegation token has expired") \
    X(67, INVALID_PRINCIPAL_TYPE, false, "the type of the principal is not supported") \
    X(68, NON_EMPTY_GROUP, false, "the group has members") \
    X(69, GROUP_ID_NOT_FOUND, false, "there is no such group") \
    X(70, FETCH_SESSION_ID_NOT_FOUND, true, "there is no such fetch session") \
    X(71, INVALID_FETCH_SESSION_EPOCH, true, "the fetch session has another epoch") \
    X(72, LISTENER_NOT_FOUND, true, "the leader has no listener of the name that the request came in by") \
    X(73, TOPIC_DELETION_DISABLED, false, "deletion of topics is switched off") \
    X(74, FENCED_LEADER_EPOCH, true, "the request's leader epoch is older than the broker's") \
    X(75, UNKNOWN_LEADER_EPOCH, true, "the request's leader epoch is newer than the broker's") \
    X(76, UNSUPPORTED_COMPRESSION_TYPE, false, "the client's version can't take the compression of the partition") \
    X(77, STALE_BROKER_EPOCH, false, "the broker has registered again since") \
    X(78, OFFSET_NOT_AVAILABLE, true, "the leader is new and doesn't know its high watermark yet") \
    X(79, MEMBER_ID_REQUIRED, false, "join again with the member id that is given here") \
    X(80, PREFERRED_LEADER_NOT_AVAILABLE, true, "the preferred leader is not available") \
    X(81, GROUP_MAX_SIZE_REACHED, false, "the group is full") \
    X(82, FENCED_INSTANCE_ID, false, "another member has taken over the group instance id") \
    X(83, ELIGIBLE_LEADERS_NOT_AVAILABLE, true, "no replica that may lead is available") \
    X(84, ELECTION_NOT_NEEDED, true, "the partition needs no election") \
    X(85, NO_REASSIGNMENT_IN_PROGRESS, false, "no reassignment of the partition is going on") \
    X(86, GROUP_SUBSCRIBED_TO_TOPIC, false, "the group is subscribed to the topic") \
    X(87, INVALID_RECORD, false, "the broker's checks refused a record") \
    X(88, UNSTABLE_OFFSET_COMMIT, true, "a transaction over the offsets is still open") \
    X(89, THROTTLING_QUOTA_EXCEEDED, true, "the quota is used up") \
    X(90, PRODUCER_FENCED, false, "a newer producer uses the same transactional id") \
    X(91, RESOURCE_NOT_FOUND, false, "the resource doesn't exist") \
    X(92, DUPLICATE_RESOURCE, false, "the request names the same resource twice") \
    X(93, UNACCEPTABLE_CREDENTIAL, false, "the credential doesn't meet the rules") \
    X(94, INCONSISTENT_VOTER_SET, false, "the sender or receiver is not one of the expected voters") \
    X(95, INVALID_UPDATE_VERSION, false, "the version of the update is invalid") \
    X(96, FEATURE_UPDATE_FAILED, false, "the features could not be updated") \
    X(97, PRINCIPAL_DESERIALIZATION_FAILURE, false, "the principal of a forwarded request is malformed") \
    X(98, SNAPSHOT_NOT_FOUND, false, "there is no such snapshot") \
    X(99, POSITION_OUT_OF_RANGE, false, "the position is outside of the snapshot") \
    X(100, UNKNOWN_TOPIC_ID, true, "this broker doesn't know the topic id") \
    X(101, DUPLICATE_BROKER_REGISTRATION, false, "the broker id is in use") \
    X(102, BROKER_ID_NOT_REGISTERED, false, "the broker id is not registered") \
    X(103, INCONSISTENT_TOPIC_ID, true, "the topic has another topic id") \
    X(104, INCONSISTENT_CLUSTER_ID, false, "the cluster has another cluster id") \
    X(105, TRANSACTIONAL_ID_NOT_FOUND, false, "there is no such transactional id") \
    X(106, FETCH_SESSION_TOPIC_ID_ERROR, true, "the fetch session mixes topic names and topic ids") \
    X(107, INELIGIBLE_REPLICA, false, "a replica of the new in-sync set may not be in it") \
    X(108, NEW_LEADER_ELECTED, false, "the partition was changed, and it has a new leader") \
    X(109, OFFSET_MOVED_TO_TIERED_STORAGE, false, "the offset has moved to tiered storage") \
    X(110, FENCED_MEMBER_EPOCH, false, "the member's epoch is fenced; it must join again") \
    X(111, UNRELEASED_INSTANCE_ID, false, "another member still uses the group instance id") \
    X(112, UNSUPPORTED_ASSIGNOR, false, "the group doesn't support the assignor") \
    X(113, STALE_MEMBER_EPOCH, false, "the member's epoch is old; it learns the new one by a heartbeat") \
    X(114, MISMATCHED_ENDPOINT_TYPE, false, "the request went to an endpoint of the wrong type") \
    X(115, UNSUPPORTED_ENDPOINT_TYPE, false, "the type of endpoint is not supported") \
    X(116, UNKNOWN_CONTROLLER_ID, false, "the controller id is not known") \
    X(117, UNKNOWN_SUBSCRIPTION_ID, false, "the telemetry subscription is unknown or old") \
    X(118, TELEMETRY_TOO_LARGE, false, "the telemetry is larger than the broker accepts") \
    X(119, INVALID_REGISTRATION, false, "the registration of the broker is invalid") \
    X(120, TRANSACTION_ABORTABLE, false, "the transaction failed; abort it and go on") \
    X(121, INVALID_RECORD_STATE, false, "the record is in another state, the acknowledgement doesn't count") \
    X(122, SHARE_SESSION_NOT_FOUND, true, "there is no such share session") \
    X(123, INVALID_SHARE_SESSION_EPOCH, true, "the share session has another epoch") \
    X(124, FENCED_STATE_EPOCH, false, "the share group's state has another epoch") \
    X(125, INVALID_VOTER_KEY, false, "the voter's key is not that of the receiver") \
    X(126, DUPLICATE_VOTER, false, "the voter is in the set already") \
    X(127, VOTER_NOT_FOUND, false, "the voter is not in the set") \
    X(128, INVALID_REGULAR_EXPRESSION, false, "the regular expression is invalid") \
    X(129, REBOOTSTRAP_REQUIRED, false, "the client's metadata is too old; it must bootstrap again") \
    X(130, STREAMS_INVALID_TOPOLOGY, false, "the topology is invalid") \
    X(131, STREAMS_INVALID_TOPOLOGY_EPOCH, false, "the epoch of the topology is invalid") \
    X(132, STREAMS_TOPOLOGY_FENCED, false, "the epoch of the topology is old") \
    X(133, SHARE_SESSION_LIMIT_REACHED, true, "there are too many share sessions")

/* KAFKA_E_NONE, KAFKA_E_CORRUPT_MESSAGE, … An int16 on the wire. */
enum kafka_error {
#define KAFKA_ERROR_ENUM_(code, name, retriable, text) KAFKA_E_##name = (code),
    KAFKA_ERRORS(KAFKA_ERROR_ENUM_)
#undef KAFKA_ERROR_ENUM_
};

/* Kafka's name of the code, such as "CORRUPT_MESSAGE"; NULL when there is no such code. */
const char *kafka_error_name(int code);

/* A sentence without a full stop; "unknown error code" when there is no such code. */
const char *kafka_error_text(int code);

/* True when a client may send the same request again; false for unknown codes. */
bool kafka_error_is_retriable(int code);
