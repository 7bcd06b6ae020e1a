# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kafka clients that nobody here wrote, all with the same two verbs: send bytes to partition 0 of a topic, read it
from its beginning. How bytes become records is each client's own: lines for the console tools, pieces for the others.
"""

import functools
import os
import subprocess
import time

import confluent_kafka
import kafka
from confluent_kafka.admin import AdminClient, NewTopic

from e2elib.harness import TOP
from e2elib.text import pieces

PIECE = 1000


def run(command, input_bytes=None, timeout_s=600):
    """Standard output of a command that must succeed."""
    done = subprocess.run(command, input=input_bytes, capture_output=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, (f"{command[0]} ended with status {done.returncode}:\n"
                                  f"{done.stderr.decode(errors='replace')[-3000:]}")
    return done.stdout


class Kcat:
    """librdkafka as Debian has it (2.0.2)."""

    @staticmethod
    def send(address, topic, data, codec="none", *options):
        run(["kcat", "-P", "-b", address, "-t", topic, "-p", "0", "-X", f"compression.codec={codec}", *options], data)

    @staticmethod
    def read(address, topic, *options):
        return run(["kcat", "-C", "-b", address, "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", *options])


class Java:
    """Apache Kafka's console producer and consumer."""

    @staticmethod
    def tool(name, *options):
        # A run takes a second or two; the serial collector and the first compiler are what such a run wants.
        jars = os.path.join(TOP, "build", "java", "*")
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", jars,
                f"org.apache.kafka.tools.{name}", *options]

    @staticmethod
    def send(address, topic, data, codec="none"):
        run(Java.tool("ConsoleProducer", "--bootstrap-server", address, "--topic", topic, "--compression-codec", codec,
                      "--command-property", "acks=all"), data)

    @staticmethod
    def read(address, topic, n_records):
        return run(Java.tool("consumer.ConsoleConsumer", "--bootstrap-server", address, "--topic", topic, "--partition",
                             "0", "--offset", "earliest", "--max-messages", str(n_records), "--timeout-ms", "30000"))


class Confluent:
    """The newest librdkafka, in Python."""

    @staticmethod
    def producer(address, **config):
        settings = {"bootstrap.servers": address, "linger.ms": 5, "enable.idempotence": True}
        settings.update({key.replace("_", "."): value for key, value in config.items()})
        return confluent_kafka.Producer(settings)

    @staticmethod
    def consumer(address, **config):
        settings = {"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False,
                    "auto.offset.reset": "error", "enable.partition.eof": True}
        settings.update({key.replace("_", "."): value for key, value in config.items()})
        return confluent_kafka.Consumer(settings)

    @staticmethod
    @functools.lru_cache(maxsize=None)
    def admin(address):
        """Kept: an admin client that is dropped takes its calls with it."""
        return AdminClient({"bootstrap.servers": address})

    @staticmethod
    def create_topic(address, topic, partitions=1, **config):
        """With config keys in Python's spelling: retention_ms=1000."""
        config = {key.replace("_", "."): str(value) for key, value in config.items()}
        new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
        for future in Confluent.admin(address).create_topics([new]).values():
            future.result(30)

    @staticmethod
    def send(address, topic, data, codec="none"):
        failed = []
        producer = Confluent.producer(address, compression_type=codec)
        for piece in pieces(data, PIECE):
            while True:
                try:
                    producer.produce(topic, piece, partition=0,
                                     on_delivery=lambda error, _: failed.append(error) if error else None)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(60) == 0, "not everything was acknowledged within 60 s"
        assert not failed, failed[:3]

    @staticmethod
    def messages(address, topic, partition=0, offset=0, **config):
        """All messages of a partition from an offset up to its end."""
        consumer = Confluent.consumer(address, **config)
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, offset)])
        heard = time.monotonic()
        try:
            while time.monotonic() - heard < 30:
                for message in consumer.consume(1000, 0.1):
                    heard = time.monotonic()
                    if message.error() is None:
                        yield message
                    elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        return
                    else:
                        raise confluent_kafka.KafkaException(message.error())
            raise AssertionError(f"30 s without a message or the end of {topic}-{partition}")
        finally:
            consumer.close()

    @staticmethod
    def read(address, topic):
        return b"".join(message.value() for message in Confluent.messages(address, topic))


class KafkaPython:
    """kafka-python: its own implementation of the protocol."""

    @staticmethod
    def send(address, topic, data, codec="none"):
        producer = kafka.KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5,
                                       compression_type=None if codec == "none" else codec)
        futures = [producer.send(topic, piece, partition=0) for piece in pieces(data, PIECE)]
        producer.flush(60)
        for future in futures:
            future.get(0)
        producer.close()

    @staticmethod
    def read(address, topic):
        consumer = kafka.KafkaConsumer(bootstrap_servers=address, group_id=None, enable_auto_commit=False)
        partition = kafka.TopicPartition(topic, 0)
        end = consumer.end_offsets([partition])[partition]
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        parts = []
        while consumer.position(partition) < end:
            for messages in consumer.poll(timeout_ms=30000).values():
                parts += [message.value for message in messages]
        consumer.close()
        return b"".join(parts)
