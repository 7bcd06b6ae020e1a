# SPDX-License-Identifier: LGPL-2.1-or-later
"""Topics and their configs through the admin clients of librdkafka and kafka-python, and what the configs do."""

import time

import confluent_kafka
import kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec
from kafka.admin import KafkaAdminClient

from e2elib.batches import bytes_now, partition_dirs, records_now
from e2elib.clients import Confluent, Kcat, run
from e2elib.harness import cases, wait_for
from e2elib.text import pieces, text


def result(futures):
    """The one result of a call of the admin client."""
    (future,) = futures.values()
    return future.result(30)


def error_of(call):
    """The Kafka error code that a call fails with."""
    try:
        call()
    except KafkaException as error:
        return error.args[0].code()
    raise AssertionError("the call should have failed")


def create(broker, name, partitions=1, replicas=1, **config):
    new = NewTopic(name, num_partitions=partitions, replication_factor=replicas,
                   config={key.replace("_", "."): str(value) for key, value in config.items()})
    return result(Confluent.admin(broker.address).create_topics([new]))


def delete(broker, name):
    return result(Confluent.admin(broker.address).delete_topics([name]))


def topics(broker):
    found = Confluent.admin(broker.address).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in found.items()}


def describe(broker, name):
    return result(Confluent.admin(broker.address).describe_configs([ConfigResource("topic", name)]))


def alter(broker, name, operation=AlterConfigOpType.SET, **config):
    entries = [ConfigEntry(key.replace("_", "."), value, incremental_operation=operation)
               for key, value in config.items()]
    resource = ConfigResource("topic", name, incremental_configs=entries)
    return result(Confluent.admin(broker.address).incremental_alter_configs([resource]))


def ends(broker, topic, partition=0):
    consumer = Confluent.consumer(broker.address)
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=30)
    finally:
        consumer.close()


def test_create_and_delete(t):
    broker = t.broker()
    create(broker, "orders", 4)
    assert topics(broker) == {"orders": 4}
    assert error_of(lambda: create(broker, "orders")) == KafkaError.TOPIC_ALREADY_EXISTS
    broker.restart()
    assert topics(broker) == {"orders": 4}
    Confluent.send(broker.address, "orders", text(10000))
    delete(broker, "orders")
    assert topics(broker) == {}
    wait_for("the directories to be gone", lambda: not partition_dirs(broker.data_dir))
    assert error_of(lambda: delete(broker, "orders")) == KafkaError.UNKNOWN_TOPIC_OR_PART
    create(broker, "orders", 2)
    assert ends(broker, "orders") == (0, 0), "a new topic of an old name has old records"
    broker.restart()
    assert topics(broker) == {"orders": 2}


@cases(name=["", ".", "..", "a/b", "a b", "ä", "x" * 250])
def test_bad_name(t, name):
    broker = t.broker()
    assert error_of(lambda: create(broker, name)) in (KafkaError.TOPIC_EXCEPTION, KafkaError.INVALID_REQUEST,
                                                      KafkaError._INVALID_ARG)
    assert topics(broker) == {}


def test_bad_numbers(t):
    broker = t.broker()
    assert error_of(lambda: create(broker, "t", 0)) in (KafkaError.INVALID_PARTITIONS, KafkaError._INVALID_ARG)
    assert error_of(lambda: create(broker, "t", 1, 3)) == KafkaError.INVALID_REPLICATION_FACTOR
    assert topics(broker) == {}


@cases(config=["no.such=1", "retention.ms=soon", "segment.bytes=1", "compression.type=brotli", "compression.type=gzip",
               "cleanup.policy=compact", "max.message.bytes=-1", "message.timestamp.type=Yesterday"])
def test_bad_config(t, config):
    broker = t.broker()
    key, value = config.split("=")
    assert error_of(lambda: create(broker, "t", **{key.replace(".", "_"): value})) == KafkaError.INVALID_CONFIG
    assert topics(broker) == {}
    create(broker, "t")
    assert error_of(lambda: alter(broker, "t", **{key.replace(".", "_"): value})) == KafkaError.INVALID_CONFIG


def test_more_partitions(t):
    broker = t.broker()
    create(broker, "t", 2)
    admin = Confluent.admin(broker.address)
    result(admin.create_partitions([NewPartitions("t", 5)]))
    assert topics(broker) == {"t": 5}
    Kcat.send(broker.address, "t", b"one\n")
    assert run(["kcat", "-P", "-b", broker.address, "-t", "t", "-p", "4"], b"two\n") == b""
    assert ends(broker, "t", 4) == (0, 1)
    assert error_of(lambda: result(admin.create_partitions([NewPartitions("t", 3)]))) == KafkaError.INVALID_PARTITIONS
    broker.restart()
    assert topics(broker) == {"t": 5}


def test_describe_and_alter_configs(t):
    broker = t.broker()
    create(broker, "t", retention_ms=5000, max_message_bytes=2000)
    entries = describe(broker, "t")
    assert entries["retention.ms"].value == "5000" and not entries["retention.ms"].is_default
    assert entries["segment.bytes"].is_default
    alter(broker, "t", retention_ms="7000", segment_bytes="1048576")
    entries = describe(broker, "t")
    assert entries["retention.ms"].value == "7000" and entries["max.message.bytes"].value == "2000"
    assert entries["segment.bytes"].value == "1048576"
    alter(broker, "t", AlterConfigOpType.DELETE, retention_ms=None)
    assert describe(broker, "t")["retention.ms"].is_default
    broker.restart()
    entries = describe(broker, "t")
    assert entries["segment.bytes"].value == "1048576" and entries["retention.ms"].is_default


def test_max_message_bytes(t):
    broker = t.broker()
    create(broker, "t", max_message_bytes=2000)
    producer = Confluent.producer(broker.address)
    errors = []
    producer.produce("t", b"x" * 5000, partition=0, on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    assert errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, errors
    Confluent.send(broker.address, "t", b"x" * 500)
    assert ends(broker, "t") == (0, 1)


def test_log_append_time(t):
    broker = t.broker()
    create(broker, "t", message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    producer = Confluent.producer(broker.address)
    producer.produce("t", b"x", partition=0, timestamp=1000)
    assert producer.flush(30) == 0
    (message,) = Confluent.messages(broker.address, "t")
    kind, when = message.timestamp()
    assert kind == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME
    assert before - 1000 <= when <= time.time() * 1000 + 1000


def test_offsets_by_time(t):
    broker = t.broker()
    create(broker, "t", segment_bytes=1024 * 1024)
    producer = Confluent.producer(broker.address)
    for number in range(5000):
        producer.produce("t", b"x" * 1000, partition=0, timestamp=1000000 + number * 10)
        producer.poll(0)
    assert producer.flush(60) == 0
    consumer = Confluent.consumer(broker.address)
    for when, offset in ((0, 0), (1000000, 0), (1000001, 1), (1020000, 2000), (1049990, 4999)):
        (found,) = consumer.offsets_for_times([confluent_kafka.TopicPartition("t", 0, when)], timeout=30)
        assert found.offset == offset, f"time {when}: offset {found.offset}, not {offset}"
    (past,) = consumer.offsets_for_times([confluent_kafka.TopicPartition("t", 0, 2000000)], timeout=30)
    assert past.offset == confluent_kafka.OFFSET_END
    consumer.close()
    admin = Confluent.admin(broker.address)
    newest = result(admin.list_offsets({confluent_kafka.TopicPartition("t", 0): OffsetSpec.max_timestamp()}))
    assert newest.offset == 4999


def test_auto_create(t):
    broker = t.broker(config=t.write("c.yaml", "num_partitions: 3\n"))
    Kcat.send(broker.address, "made", b"x\n")
    assert topics(broker) == {"made": 3}
    assert error_of(lambda: delete(broker, "other")) == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert topics(broker) == {"made": 3}


def test_no_auto_create(t):
    broker = t.broker(config=t.write("c.yaml", "auto_create_topics: false\n"))
    producer = Confluent.producer(broker.address, message_timeout_ms=3000, topic_metadata_propagation_max_ms=500)
    errors = []
    producer.produce("none", b"x", partition=0, on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors and errors[0], errors
    assert topics(broker) == {}


def test_retention_by_size(t):
    broker = t.broker()
    create(broker, "t", segment_bytes=1024 * 1024, retention_bytes=2 * 1024 * 1024)
    Confluent.send(broker.address, "t", text(8 * 1000 * 1000))
    _, end = ends(broker, "t")
    wait_for("retention to cut the log", lambda: ends(broker, "t")[0] > 0, 60)
    start = wait_for("the size to be in bounds",
                     lambda: 0 < (bytes_now(broker.data_dir) or 0) < 4 * 1024 * 1024
                     and ends(broker, "t")[0], 60)
    broker.restart()
    assert ends(broker, "t") == (start, end), "log start or end moved in a restart"
    messages = list(Confluent.messages(broker.address, "t", 0, start))
    assert [message.offset() for message in messages] == list(range(start, end))


def test_retention_by_time(t):
    broker = t.broker()
    create(broker, "t", segment_ms=1000, retention_ms=2000)
    Confluent.send(broker.address, "t", text(100000))
    _, end = ends(broker, "t")
    wait_for("all of it to expire", lambda: ends(broker, "t") == (end, end), 60)
    Confluent.send(broker.address, "t", b"new")
    assert ends(broker, "t")[1] == end + 1, "offsets must go on after everything expired"
    broker.restart()
    assert ends(broker, "t")[1] == end + 1


def test_delete_records(t):
    broker = t.broker()
    data = text(100000)
    Confluent.send(broker.address, "t", data)
    _, end = ends(broker, "t")
    admin = Confluent.admin(broker.address)
    low = result(admin.delete_records([confluent_kafka.TopicPartition("t", 0, 40)]))
    assert low.low_watermark == 40
    assert ends(broker, "t") == (40, end)
    broker.kill()
    broker.start()
    assert ends(broker, "t") == (40, end)
    read = b"".join(message.value() for message in Confluent.messages(broker.address, "t", 0, 40))
    assert read == b"".join(pieces(data, 1000)[40:])
    admin = Confluent.admin(broker.address)  # the old one's connection died with the broker
    admin.list_topics(timeout=10)  # a client that doesn't know the leader yet may say _NOENT by itself
    beyond = [confluent_kafka.TopicPartition("t", 0, end + 1)]
    code = error_of(lambda: result(admin.delete_records(beyond)))
    assert code == KafkaError.OFFSET_OUT_OF_RANGE, code
    result(admin.delete_records([confluent_kafka.TopicPartition("t", 0, confluent_kafka.OFFSET_END)]))
    assert ends(broker, "t") == (end, end)


def test_segments_roll(t):
    """segment.bytes bounds each file; all of them together are the log."""
    broker = t.broker()
    create(broker, "t", segment_bytes=1024 * 1024)
    data = text(5 * 1000 * 1000)
    Confluent.send(broker.address, "t", data)
    wait_for("the segments", lambda: records_now(broker.data_dir) == len(pieces(data, 1000)))
    (directory,) = partition_dirs(broker.data_dir)
    sizes = [path.stat().st_size for path in sorted(directory.glob("*.log"))]
    assert len(sizes) >= 5 and max(sizes) <= 1024 * 1024 + 1000 * 1000, sizes
    assert Confluent.read(broker.address, "t") == data


def test_kafka_python(t):
    broker = t.broker()
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics({"orders": {"num_partitions": 3, "replication_factor": 1}})
    assert admin.list_topics() == ["orders"]
    described = admin.describe_topics(["orders"])
    assert len(described[0]["partitions"]) == 3, described
    admin.delete_topics(["orders"])
    assert admin.list_topics() == []
    admin.close()
    probe = kafka.KafkaConsumer(bootstrap_servers=broker.address)
    assert probe.topics() == set()
    probe.close()


def test_describe_cluster(t):
    broker = t.broker()
    cluster = Confluent.admin(broker.address).describe_cluster().result(30)
    assert len(cluster.nodes) == 1 and cluster.nodes[0].port == broker.port
    assert cluster.cluster_id
    first = cluster.cluster_id
    broker.restart()
    assert Confluent.admin(broker.address).describe_cluster().result(30).cluster_id == first
