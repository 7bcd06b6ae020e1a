# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that write down what they did and what they were answered (docs/history.md), for gqcheck to judge."""

import contextlib
import itertools
import subprocess
import threading
import time

import confluent_kafka

from e2elib.clients import Confluent


class History:
    """A file of events. Any thread may write; the lock is what puts the lines in order."""

    def __init__(self, path):
        self.path = path
        self.file = open(path, "w", encoding="ascii")
        self.lock = threading.Lock()
        self.ids = itertools.count(1)
        self.clients = itertools.count(1)
        self.values = itertools.count(1)

    def client(self):
        with self.lock:
            return next(self.clients)

    def value(self):
        with self.lock:
            return next(self.values)

    def invoke(self, client, *words):
        """Returns the operation's id."""
        with self.lock:
            number = next(self.ids)
            print("invoke", number, client, *words, file=self.file)
            return number

    def end(self, kind, number, *words):
        with self.lock:
            print(kind, number, *words, file=self.file)

    def close(self):
        self.file.close()


def name(place):
    return f"{place[0]}/{place[1]}"


class Sender:
    """An idempotent producer that sends values to all places in turn, from a thread, until it is stopped."""

    def __init__(self, history, address, places, pause_s=0.001):
        self.history, self.places, self.pause_s = history, places, pause_s
        self.number = history.client()
        self.producer = Confluent.producer(address, linger_ms=2, message_timeout_ms=120000, retry_backoff_ms=20,
                                           reconnect_backoff_ms=10, reconnect_backoff_max_ms=200)
        self.n_acked = 0
        self.stopping = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, operation, error, message):
        if error is None:
            self.history.end("ok", operation, f"offset={message.offset()}")
            self.n_acked += 1
        else:
            self.history.end("info", operation, error.name())

    def send(self, place, sequence):
        value = self.history.value()
        operation = self.history.invoke(self.number, "send", name(place), value, f"pid={self.number}", "epoch=0",
                                        f"seq={sequence}")
        self.producer.produce(place[0], value=str(value), partition=place[1],
                              on_delivery=lambda error, message: self.delivered(operation, error, message))

    def run(self):
        for sequence in itertools.count():
            for place in self.places:
                if self.stopping:
                    return
                while len(self.producer) > 1000:
                    self.producer.poll(0.01)
                self.send(place, sequence)
                self.producer.poll(self.pause_s)

    def finish(self):
        self.stopping = True
        self.thread.join()
        assert self.producer.flush(120) == 0, "not everything was answered in the end"


class Reader:
    """A consumer of all places from offset 0, in a thread, until it has read them to the ends that it is told."""

    def __init__(self, history, address, places):
        self.history, self.places = history, places
        self.number = history.client()
        self.consumer = Confluent.consumer(address, isolation_level="read_committed", reconnect_backoff_ms=10,
                                           reconnect_backoff_max_ms=200)
        self.next = dict.fromkeys(places, 0)
        self.ends = None
        self.errors = []
        operation = history.invoke(self.number, "assign", *(f"{name(place)}:0" for place in places))
        self.consumer.assign([confluent_kafka.TopicPartition(*place, 0) for place in places])
        history.end("ok", operation)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def is_done(self):
        return self.ends is not None and all(self.next[place] >= end for place, end in self.ends.items())

    def poll(self):
        operation = self.history.invoke(self.number, "poll")
        words = []
        for message in self.consumer.consume(500, 0.1):
            if message.error() is None:
                place = (message.topic(), message.partition())
                words.append(f"{name(place)}:{message.offset()}={message.value().decode()}")
                self.next[place] = message.offset() + 1
            elif not message.error().retriable() and message.error().code() not in IGNORED:
                self.errors.append(str(message.error()))
        self.history.end("ok", operation, *words)
        return len(words)

    def run(self):
        heard = time.monotonic()
        while not self.is_done():
            if self.poll() or self.ends is None:
                heard = time.monotonic()
            elif time.monotonic() > heard + 30:
                self.errors.append(f"nothing came for 30 s at {self.next}, which should get to {self.ends}")
                return

    def finish(self, ends):
        self.ends = ends
        self.thread.join()
        self.consumer.close()
        assert not self.errors, self.errors[:5]


# What a client says while its broker is away, and at the end of a partition.
IGNORED = {confluent_kafka.KafkaError._PARTITION_EOF, confluent_kafka.KafkaError._TRANSPORT,
           confluent_kafka.KafkaError._ALL_BROKERS_DOWN, confluent_kafka.KafkaError._RESOLVE}


def watermarks(history, number, consumer, verb, place):
    """Asks for log start and end, and writes that down. Returns both."""
    operation = history.invoke(number, verb, name(place))
    start, end = consumer.get_watermark_offsets(confluent_kafka.TopicPartition(*place), timeout=30)
    history.end("ok", operation, f"start={start}", f"end={end}")
    return start, end


@contextlib.contextmanager
def asker(history, address):
    """A function that asks for the watermarks of a place."""
    number, consumer = history.client(), Confluent.consumer(address)
    try:
        yield lambda verb, place: watermarks(history, number, consumer, verb, place)
    finally:
        consumer.close()


def judge(build, path, *options):
    """(exit status, report) of gqcheck."""
    done = subprocess.run([build / "gqcheck", *options, path], capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout.decode() + done.stderr.decode()
