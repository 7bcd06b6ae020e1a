# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 under load: what was acknowledged is there afterwards, in order, once."""

import random
import threading
import time

import confluent_kafka

from e2elib.clients import Confluent
from e2elib.harness import limit

PARTITIONS = 3


class Load:
    """An idempotent producer that sends numbers to all partitions as fast as they are taken, from a thread."""

    def __init__(self, address, topic):
        self.topic = topic
        self.producer = Confluent.producer(address, linger_ms=2, message_timeout_ms=300000, retry_backoff_ms=20,
                                           reconnect_backoff_ms=10, reconnect_backoff_max_ms=200,
                                           queue_buffering_max_messages=2000)
        self.sent = [0] * PARTITIONS
        self.acked = [0] * PARTITIONS
        self.errors = []
        self.stopping = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, error, message):
        partition, number = message.partition(), int(message.key())
        if error:
            self.errors.append(f"{partition}/{number}: {error}")
        elif number != self.acked[partition]:
            self.errors.append(f"{partition}: {number} acknowledged when {self.acked[partition]} was due")
        elif message.offset() != number:
            self.errors.append(f"{partition}: {number} acknowledged with offset {message.offset()}")
        self.acked[partition] = number + 1

    def run(self):
        while not self.stopping:
            for partition in range(PARTITIONS):
                number = self.sent[partition]
                try:
                    self.producer.produce(self.topic, key=str(number), value=b"%d:" % number + b"x" * (number % 300),
                                          partition=partition, on_delivery=self.delivered)
                    self.sent[partition] += 1
                except BufferError:
                    pass
            self.producer.poll(0.001)

    def finish(self):
        self.stopping = True
        self.thread.join()
        assert self.producer.flush(120) == 0, "not everything was acknowledged in the end"


def check_all(address, load):
    for partition in range(PARTITIONS):
        number = 0
        for message in Confluent.messages(address, load.topic, partition):
            assert int(message.key()) == number == message.offset(), \
                f"partition {partition}: {message.key()} at offset {message.offset()} where {number} was due"
            assert message.value() == b"%d:" % number + b"x" * (number % 300)
            number += 1
        assert number == load.sent[partition], f"partition {partition} has {number} records, not {load.sent[partition]}"


def check_acked(address, topic, acked):
    """Nothing that was acknowledged before the kill is missing now."""
    consumer = Confluent.consumer(address)
    for partition, count in enumerate(acked):
        _, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), timeout=30)
        assert end >= count, f"partition {partition} ends at {end}, and {count} records were acknowledged"
    consumer.close()


@limit(240)
def test_nine_under_load(t):
    rounds = 100 if t.long else 5 if t.slow_build else 15
    drawn = random.Random(t.name)
    broker = t.broker()
    Confluent.create_topic(broker.address, "numbers", PARTITIONS)
    load = Load(broker.address, "numbers")
    try:
        for _ in range(rounds):
            before = sum(load.acked)
            time.sleep(drawn.uniform(0.05, 0.5))
            broker.kill()
            acked = list(load.acked)
            broker.start()
            check_acked(broker.address, "numbers", acked)
            deadline = time.monotonic() + 30
            while sum(load.acked) == before and not load.errors:
                assert time.monotonic() < deadline, "nothing was acknowledged for 30 s after a restart"
                time.sleep(0.01)
            assert not load.errors, load.errors[:5]
    finally:
        load.finish()
    assert not load.errors, load.errors[:5]
    print(f"{rounds} rounds, {sum(load.acked)} records")
    check_all(broker.address, load)
    broker.restart()
    check_all(broker.address, load)


@limit(240)
def test_nine_again_while_recovering(t):
    """Killed at drawn moments of its start, again and again; then it starts and has everything."""
    drawn = random.Random(t.name)
    broker = t.broker()
    Confluent.create_topic(broker.address, "numbers", PARTITIONS)
    load = Load(broker.address, "numbers")
    time.sleep(1)
    broker.kill()
    acked = list(load.acked)
    for _ in range(50 if t.long else 10):
        broker.launch()
        time.sleep(drawn.uniform(0, 0.03) * (10 if t.slow_build else 1))
        broker.kill()
    broker.start()
    check_acked(broker.address, "numbers", acked)
    load.finish()
    assert not load.errors, load.errors[:5]
    check_all(broker.address, load)
