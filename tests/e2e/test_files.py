# SPDX-License-Identifier: LGPL-2.1-or-later
"""File descriptors: the limit is raised, partitions share what there is, and too few are told."""

import os
import resource

from confluent_kafka import TopicPartition

from e2elib.clients import Confluent
from e2elib.harness import limit, wait_for
from e2elib.http import metric_sum, metrics


def limited(soft, hard):
    return ["prlimit", f"--nofile={soft}:{hard}"]


def read_all(broker, n):
    """One message of each of n partitions."""
    consumer = Confluent.consumer(broker.address)
    consumer.assign([TopicPartition("t", partition, 0) for partition in range(n)])
    found = set()

    def poll():
        found.update(m.partition() for m in consumer.consume(100, 0.1) if m.error() is None)
        return len(found) == n

    wait_for("all messages", poll, 60)
    consumer.close()


def open_files(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


@limit(120)
def test_limit_is_raised(t):
    hard = min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    broker = t.broker(wrapper=limited(256, hard), config=t.write("c.yaml", "max_connections: 100\n"))
    assert metrics(broker)["process_max_fds"] == hard
    assert b"file descriptors" not in broker.log()


@limit(180)
def test_few_for_many_partitions(t):
    """300 partitions are written through 400 descriptors; those that nobody wrote to hold none."""
    config = t.write("c.yaml", "max_connections: 50\nperformance:\n  shards: 1\n  reactors: 1\n")
    broker = t.broker(wrapper=limited(400, 400), config=config)
    assert b"400 file descriptors are allowed" in broker.log()
    before = open_files(broker)
    Confluent.create_topic(broker.address, "t", partitions=3000)
    assert open_files(broker) < before + 20
    producer = Confluent.producer(broker.address)
    errors = []
    for partition in range(300):
        producer.produce("t", b"x" * 100, partition=partition, on_delivery=lambda e, m: e and errors.append(e))
        if partition % 20 == 19:  # so many new files that checkpoints keep up
            assert producer.flush(60) == 0
            wait_for("segments", lambda: metric_sum(broker, "goqueue_pending_bytes") == 0)
    assert producer.flush(60) == 0 and not errors, errors[:3]
    wait_for("segments", lambda: metric_sum(broker, "goqueue_pending_bytes") == 0)
    assert open_files(broker) < 400
    read_all(broker, 300)
    assert open_files(broker) < 400
    broker.kill()
    broker.start()
    read_all(broker, 300)
