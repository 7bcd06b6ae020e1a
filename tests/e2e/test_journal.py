# SPDX-License-Identifier: LGPL-2.1-or-later
"""The journal of a shard stays within journal_size, whoever is quick, slow or idle there."""

import os
import threading
import time

from e2elib.clients import Confluent
from e2elib.harness import limit, wait_for
from e2elib.http import metrics
from e2elib.load import Load, Numbered, check_kept, check_records, watermarks

MIB = 1024 * 1024
IDLE, SLOW, FAST = ("idle", 0), ("slow", 0), ("fast", 0)
# The idle partition has less than what is checkpointed instead of copied, the slow one gets there again and again.
KINDS = {IDLE: Numbered(1000), SLOW: Numbered(2000), FAST: Numbered(60000)}
N_IDLE = 200
# So many to the fast partition, about 1 MB, for one to the slow one.
PACE = 35


class Uneven(Load):
    """Two partitions that are sent to at their own paces, after one that is sent to once."""

    def __init__(self, address):
        self.resting = False
        super().__init__(address, {topic: 1 for topic, _ in KINDS}, batch_size=60 * 1024)

    def send(self, place):
        number = self.sent[place]
        while not self.stopping:
            try:
                self.producer.produce(place[0], key=str(number), value=KINDS[place].value(number), partition=place[1],
                                      on_delivery=self.delivered)
                self.sent[place] += 1
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def run(self):
        for _ in range(N_IDLE):
            self.send(IDLE)
        while not self.stopping:
            self.resting = self.paused
            if self.resting:
                self.producer.poll(0.01)
                continue
            self.send(SLOW)
            for _ in range(PACE):
                self.send(FAST)

    def pause(self):
        """Returns when all that was sent is acknowledged."""
        self.paused = True
        wait_for("acknowledgements", lambda: self.errors or (self.resting and self.acked == self.sent), 60)
        assert not self.errors, self.errors[:5]


class Watch:
    """Looks at a journal again and again, also while no daemon runs."""

    def __init__(self, directory):
        self.directory = directory
        self.n_looks = self.largest_bytes = self.largest_in_use = 0
        self.largest_files = {}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def files(self):
        """Name -> (inode, bytes on the disk)."""
        found = {}
        for name in os.listdir(self.directory):
            try:
                stat = os.stat(self.directory / name)
            except FileNotFoundError:
                continue
            found[name] = (stat.st_ino, max(stat.st_size, stat.st_blocks * 512))
        return found

    def run(self):
        while not self.ended.wait(0.002):
            files = self.files()
            if files != self.files():  # only what is there twice in a row is there at one time
                continue
            self.n_looks += 1
            size = sum(n_bytes for _, n_bytes in files.values())
            if size > self.largest_bytes:
                self.largest_bytes, self.largest_files = size, files

    def ask(self, broker):
        """What the daemon says that it has. Returns how many bytes it has written to the journal."""
        samples = metrics(broker)
        self.largest_in_use = max(self.largest_in_use, samples["goqueue_journal_bytes_in_use"])
        return samples["goqueue_journal_bytes_written_total"]

    def check(self, size_bytes):
        assert self.largest_bytes <= size_bytes, f"{self.largest_bytes} bytes: {self.largest_files}"
        assert self.largest_in_use <= size_bytes, f"{self.largest_in_use} bytes are in use, says the daemon"

    def stop(self):
        self.ended.set()
        self.thread.join()


def push(broker, watch, load, size_bytes, rounds):
    """Goes on until the journal was written so many times over."""
    load.paused = load.resting = False
    first = written = watch.ask(broker)
    heard = time.monotonic()
    while written < first + rounds * size_bytes:
        time.sleep(0.02)
        watch.check(size_bytes)
        assert not load.errors, load.errors[:5]
        before, written = written, watch.ask(broker)
        heard = time.monotonic() if written > before else heard
        assert time.monotonic() < heard + 30, f"nothing was written to the journal for 30 s, {written - first} before"
    load.pause()


def check_read(address, load):
    """All of the idle and the slow partition, and what came last to the fast one, whose retention is short."""
    for place, (start, end) in watermarks(address, load.places).items():
        assert end == load.sent[place], f"{place} has {end} records, not {load.sent[place]}"
        if place == FAST:
            check_kept(address, KINDS[place], place, end - 1000)
        else:
            assert start == 0, f"{place} starts at {start}"
            check_records(address, KINDS[place], place, 0, end)


def check_bound(t, name, size, rounds):
    config = t.write(f"{name}.yaml", (f"journal_size: {size}\n" if size else "") +
                     "max_message_size: 64KiB\nperformance:\n  shards: 1\n")
    broker = t.broker(name=name, config=config)
    size_bytes = int(size.removesuffix("MiB")) * MIB if size else 1024 * MIB
    for place in KINDS:
        options = {"retention_bytes": 64 * MIB, "segment_bytes": 16 * MIB} if place == FAST else {}
        Confluent.create_topic(broker.address, place[0], **options)
    load, watch = Uneven(broker.address), Watch(broker.data_dir / "journal/0")
    try:
        push(broker, watch, load, size_bytes, rounds)
        check_read(broker.address, load)
        broker.kill()
        broker.start()
        check_read(broker.address, load)
        push(broker, watch, load, size_bytes, rounds / 10)
        check_read(broker.address, load)
    finally:
        load.stop()
        watch.stop()
    watch.check(size_bytes)
    assert watch.n_looks > 100, watch.n_looks
    print(f"{size or 'default'}: {load.sent} sent, {watch.n_looks} looks, at most {watch.largest_bytes} bytes, "
          f"in use {watch.largest_in_use:.0f}")
    broker.stop()


@limit(240)
def test_size_is_kept(t):
    """Many times its size goes through the journal, and partitions that hardly write don't hold it."""
    check_bound(t, "small", "8MiB", 300 if t.long else 30)
    if t.long:
        check_bound(t, "middle", "64MiB", 100)
        check_bound(t, "default", None, 30)
