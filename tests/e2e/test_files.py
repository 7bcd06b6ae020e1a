# SPDX-License-Identifier: LGPL-2.1-or-later
"""File descriptors: the limit is raised, partitions share what there is, and too few are told."""

import collections
import contextlib
import os
import re
import resource
import signal
import socket
import threading

from confluent_kafka import TopicPartition

from e2elib.clients import Confluent
from e2elib.frames import request
from e2elib.harness import limit, wait_for
from e2elib.http import metric_sum, metrics


def limited(soft, hard):
    return ["prlimit", f"--nofile={soft}:{hard}"]


def read_all(broker, n, each=1, is_written=False):
    """So many messages of each of n partitions, or more where they are being written meanwhile."""
    consumer = Confluent.consumer(broker.address)
    consumer.assign([TopicPartition("t", partition, 0) for partition in range(n)])
    found = collections.Counter()

    def poll():
        found.update(m.partition() for m in consumer.consume(1000, 0.1) if m.error() is None)
        return len(found) == n and min(found.values()) >= each

    wait_for("all messages", poll, 60 * each)
    consumer.close()
    assert set(found.values()) == {each} or is_written


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


class Meanwhile(threading.Thread):
    """Something that is done again and again for as long as something else goes on."""

    def __init__(self):
        super().__init__()
        self.done = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()

    def run(self):
        while not self.done.wait(0.05):
            self.step()


class Callers(Meanwhile):
    """New connections, one after the other."""

    def __init__(self, broker):
        super().__init__()
        self.broker, self.answers = broker, []

    def step(self):
        self.answers.append(self.broker.answers())


class Writer(Meanwhile):
    """A message to each of n partitions, again and again."""

    def __init__(self, broker, n):
        super().__init__()
        self.n, self.written, self.errors = n, collections.Counter(), []
        self.producer = Confluent.producer(broker.address, queue_buffering_max_messages=n)

    def delivered(self, error, message):
        if error is not None:
            self.errors.append(error)
        else:
            self.written[message.partition()] += 1

    def step(self):
        for partition in range(self.n):
            self.producer.produce("t", b"x" * 100, partition=partition, on_delivery=self.delivered)
            self.producer.poll(0)
        if self.producer.flush(60) != 0:
            self.errors.append("messages are still on their way")


def files_were_lacking(broker):
    return any(text in broker.log() for text in (b"no file can be opened", b"out of file descriptors"))


def read_all_while_writing(broker, n, each=1):
    """Readers of all segments leave those descriptors to writers that they need."""
    with Writer(broker, n) as writer:
        read_all(broker, n, each, is_written=True)
        wait_for("writes", lambda: len(writer.written) == n and min(writer.written.values()) >= 2, 60)
    assert not writer.errors, writer.errors[:3]
    assert not files_were_lacking(broker)
    read_all(broker, n, each + min(writer.written.values()))
    assert not files_were_lacking(broker)


@limit(600)
def test_load_over_far_more_partitions_than_descriptors(t):
    """Files wait for descriptors, clients don't; with thousands of partitions waiting a stop is orderly."""
    partitions, rounds = 2000, 3
    config = t.write("c.yaml", "max_connections: 100\nperformance:\n  shards: 1\n  reactors: 1\n")
    broker = t.broker(wrapper=limited(512, 512), config=config)
    Confluent.create_topic(broker.address, "t", partitions=partitions)
    producer = Confluent.producer(broker.address, queue_buffering_max_messages=partitions * rounds)
    errors = []
    with Callers(broker) as callers:
        for i in range(partitions * rounds):
            producer.produce("t", b"x" * 100, partition=i % partitions,
                             on_delivery=lambda e, m: e and errors.append(e))
            producer.poll(0)
        assert producer.flush(200) == 0 and not errors, errors[:3]
        most = open_files(broker)
    assert callers.answers and all(callers.answers)
    assert most < 512
    broker.process.send_signal(signal.SIGTERM)
    assert broker.process.wait(timeout=200) == 0
    assert b" stopped" in broker.log() and b"too long" not in broker.log()
    assert not files_were_lacking(broker)
    broker.start()
    read_all_while_writing(broker, partitions, rounds)


@limit(400)
def test_start_over_far_more_partitions_than_descriptors(t):
    """What a killed broker left in its journal goes to more segments than can be open at a time."""
    partitions = 1000
    config = t.write("c.yaml", "max_connections: 100\nperformance:\n  shards: 1\n  reactors: 1\n")
    broker = t.broker(wrapper=limited(512, 512), config=config)
    Confluent.create_topic(broker.address, "t", partitions=partitions)
    producer = Confluent.producer(broker.address, queue_buffering_max_messages=partitions)
    for partition in range(partitions):
        producer.produce("t", b"x" * 100, partition=partition)
        producer.poll(0)
    assert producer.flush(60) == 0
    broker.kill()
    broker.patience_s = 100  # it syncs as many segments again and again as may be open
    broker.start()
    read_all_while_writing(broker, partitions)


def hold_connections(broker, n):
    """How many of n clients at a time are answered."""
    answered = 0
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            conn = stack.enter_context(socket.create_connection(("127.0.0.1", broker.port), timeout=20))
            with contextlib.suppress(ConnectionError):  # closed at once
                conn.sendall(request(18, 0))
                answered += bool(conn.recv(4))
    return answered


def test_reload_leaves_files_theirs(t):
    """However many connections a reload allows, they take no descriptors of files."""
    config = t.write("c.yaml", "max_connections: 20\nperformance:\n  shards: 1\n  reactors: 1\n")
    broker = t.broker(wrapper=limited(400, 400), config=config)
    assert hold_connections(broker, 40) == 20
    config.write_text(config.read_text().replace("20", "300"))
    broker.process.send_signal(signal.SIGHUP)
    wait_for("the reload", lambda: b"was reloaded" in broker.log())
    assert 20 <= hold_connections(broker, 250) <= 25
    assert re.search(rb"max_connections.* until the next restart", broker.log())


@limit(60)
def test_too_few_are_refused(t):
    config = t.write("c.yaml", "performance:\n  shards: 1\n  reactors: 1\n")
    broker = t.broker(start=False, wrapper=limited(200, 200), config=config).launch()
    assert broker.process.wait(timeout=60) == os.EX_CONFIG
    broker.process = None
    assert b"200 file descriptors are allowed, and 1 shards on 1 reactors need 244" in broker.log()
