# SPDX-License-Identifier: LGPL-2.1-or-later
"""A load whose every record is known: what was acknowledged can be held against what is there after a failure."""

import threading
import time

import confluent_kafka

from e2elib.clients import Confluent


class Numbered:
    """Records whose number is their key, and tells their value."""

    def __init__(self, max_value_bytes):
        self.max_value_bytes = max_value_bytes

    def value(self, number):
        return b"%d:" % number + b"x" * (number % self.max_value_bytes)


class Load(Numbered):
    """An idempotent producer that sends numbers to all partitions as fast as they are taken, from a thread.

    topics: name -> number of partitions. A place is (topic, partition); record n of a place has the key n, and the
    offset n, since nobody else writes there."""

    def __init__(self, address, topics, max_value_bytes=300, **config):
        super().__init__(max_value_bytes)
        self.places = [(topic, partition) for topic, count in topics.items() for partition in range(count)]
        self.producer = Confluent.producer(address, **{
            "linger_ms": 2, "message_timeout_ms": 300000, "retry_backoff_ms": 20, "reconnect_backoff_ms": 10,
            "reconnect_backoff_max_ms": 200, "queue_buffering_max_messages": 2000, **config})
        self.sent = dict.fromkeys(self.places, 0)
        self.acked = dict.fromkeys(self.places, 0)
        self.errors = []
        self.paused = self.stopping = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, error, message):
        place, number = (message.topic(), message.partition()), int(message.key())
        if error:
            self.errors.append(f"{place}/{number}: {error}")
        elif number != self.acked[place]:
            self.errors.append(f"{place}: {number} acknowledged when {self.acked[place]} was due")
        elif message.offset() != number:
            self.errors.append(f"{place}: {number} acknowledged with offset {message.offset()}")
        self.acked[place] = number + 1

    def run(self):
        while not self.stopping:
            for place in [] if self.paused else self.places:
                number = self.sent[place]
                try:
                    self.producer.produce(place[0], key=str(number), value=self.value(number), partition=place[1],
                                          on_delivery=self.delivered)
                    self.sent[place] += 1
                except BufferError:
                    pass
            self.producer.poll(0.01 if self.paused else 0.001)

    def total(self):
        return sum(self.acked.values())

    def wait_for_progress(self, before, timeout_s=30):
        """Until more than `before` are acknowledged in total."""
        deadline = time.monotonic() + timeout_s
        while self.total() <= before and not self.errors:
            assert time.monotonic() < deadline, f"nothing was acknowledged for {timeout_s} s after a restart"
            time.sleep(0.01)
        assert not self.errors, self.errors[:5]

    def stop(self):
        """Sends nothing more. What was sent is left to the producer."""
        self.stopping = True
        self.thread.join()

    def finish(self):
        self.stop()
        assert self.producer.flush(120) == 0, "not everything was acknowledged in the end"


def watermarks(address, places):
    """Place -> (log start, end)."""
    consumer = Confluent.consumer(address)
    try:
        return {place: consumer.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=30)
                for place in places}
    finally:
        consumer.close()


def check_acked(address, acked):
    """Nothing that was acknowledged before the failure is missing now. Returns the watermarks."""
    found = watermarks(address, acked)
    for place, count in acked.items():
        _, end = found[place]
        assert end >= count, f"{place} ends at {end}, and {count} records were acknowledged"
    return found


def check_records(address, numbered, place, start, end):
    """The records of a place between two offsets are those that were sent, in order, once."""
    number = start
    for message in Confluent.messages(address, *place, start):
        if number == end:
            break
        assert int(message.key()) == number == message.offset(), \
            f"{place}: {message.key()} at offset {message.offset()} where {number} was due"
        assert message.value() == numbered.value(number), f"{place}: another value at {number}"
        number += 1
    assert number == end, f"{place}: {number} records where there should be {end}"


def check_places(address, numbered, ends):
    """The records of many places at once, each from offset 0 to its end: those that were sent, in order, once."""
    consumer = Confluent.consumer(address)
    numbers, heard = dict.fromkeys(ends, 0), time.monotonic()
    try:
        consumer.assign([confluent_kafka.TopicPartition(*place, 0) for place in ends])
        while any(numbers[place] < end for place, end in ends.items()):
            assert time.monotonic() < heard + 30, f"30 s without a message at {numbers}, which should get to {ends}"
            for message in consumer.consume(1000, 0.1):
                if message.error() is None:
                    place, heard = (message.topic(), message.partition()), time.monotonic()
                    number = numbers[place]
                    assert int(message.key()) == number == message.offset(), \
                        f"{place}: {message.key()} at offset {message.offset()} where {number} was due"
                    assert message.value() == numbered.value(number), f"{place}: another value at {number}"
                    numbers[place] += 1
                elif message.error().code() != confluent_kafka.KafkaError._PARTITION_EOF:
                    raise confluent_kafka.KafkaException(message.error())
    finally:
        consumer.close()


def check_kept(address, numbered, place, since=0):
    """The records of a place from an offset on, as far as retention has left them. Returns the end."""
    while True:
        (start, end), = watermarks(address, [place]).values()
        try:
            check_records(address, numbered, place, max(start, min(since, end)), end)
            return end
        except confluent_kafka.KafkaException:
            (now, _), = watermarks(address, [place]).values()
            if now == start:
                raise


def check_all(address, load):
    """After finish(): everything that was sent is there, as far as retention has left it."""
    for place in load.places:
        end = check_kept(address, load, place)
        assert end == load.sent[place], f"{place} has {end} records, not {load.sent[place]}"
