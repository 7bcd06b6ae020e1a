# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that loses what no flush covered, in a machine of its own (user-mode-linux): power cuts at drawn points of
its log of writes. This is what shows a missing flush of the journal, whose writes go past the page cache."""

import random

from confluent_kafka import KafkaException

from e2elib.harness import limit
from e2elib.load import Numbered, check_acked, check_kept

from powerlib import disks, machine
from powerlib.build import preload

CONFIG = "journal_size: 4MiB\nperformance:\n  shards: 1\n"
VALUES = Numbered(1000)
TOPICS = {"numbers": (2, {"segment_bytes": 100000}), "tiny": (1, {"segment_bytes": 10000})}


class Cuts:
    """Starts a broker on what is left after a power cut."""

    def __init__(self, t, box, log, data):
        self.replay = machine.Replay(box, log)
        self.image = t.dir / "cut.img"
        self.disk = disks.LoopDisk(t.dir, "cut", "ext4", image=self.image)
        self.broker = t.broker(start=False, data_dir=self.disk.path / data, config=t.dir / "c.yaml")
        self.count = 0

    def check(self, index, drawn, check):
        """check(address) with a broker on the disk after a cut behind entry `index` of the log. Where that fails with
        drawn parts, the output says whether the same cut fails again."""
        state = drawn and drawn.getstate()
        try:
            self.check_once(index, drawn, check)
        except Exception:
            if drawn:
                print(f"failed behind entry {index}")
                drawn.setstate(state)
                self.check_once(index, drawn, check)
                print("the same cut passes when it is made again")
            raise
        self.count += 1

    def check_once(self, index, drawn, check):
        self.replay.cut(index, self.image, drawn)
        self.disk.mount()
        try:
            self.broker.start()
            check(self.broker.address)
            self.broker.stop()
        finally:
            if self.broker.process is not None:
                self.broker.kill()
            self.disk.unmount()
        # Mounting has replayed its journal. If it isn't sound now, the replay of our log is wrong.
        disks.tool("e2fsck", "-fn", self.image)


def machine_of(t, work, data, **job):
    """data: the data directory on the disk; "." is a file system of its own, which is synced at once."""
    disks.own_mounts()
    config = t.write("c.yaml", CONFIG)
    box = machine.Machine(t, 256, work=work, config=str(config), data=data,
                           max_value_bytes=VALUES.max_value_bytes, **job)
    log, marks = box.run(600 if t.long else 150)
    assert len(log.marks()) == len(marks) > 0, f"{len(log.marks())} marks in the log, {len(marks)} were set"
    return Cuts(t, box, log, data), log.marks(), marks


def records_after_cuts(t, may_refuse=False, **job):
    """(acknowledged, found) after cuts at marks that were set when a record had just been acknowledged: nothing that
    no flush covered is left. If the daemon is a bad one and may refuse to start, that counts as nothing found."""
    cuts, at, marks = machine_of(t, "one by one", "data", records=200 if t.long else 25, warm_up=10, **job)
    chosen = sorted(random.Random(t.name).sample(range(len(marks)), len(marks) if t.long else 6))
    results = []
    for mark in chosen:
        found = []
        try:
            cuts.check(at[mark], None, lambda address: found.append(check_kept(address, VALUES, ("numbers", 0))))
        except (AssertionError, KafkaException):  # it doesn't start, or has lost the topic
            if not may_refuse or found:
                raise
        results.append((marks[mark]["numbers", 0], sum(found)))
    print(f"{cuts.count} cuts, (acknowledged, found): {results}")
    return results


@limit(240)
def test_log_keeps_the_order(t):
    """Of writes of the same block, amid flushes that the machine takes side by side: a cut is made of the log."""
    log, _ = machine.Machine(t, 256, work="write again", data=".", seconds=60 if t.long else 5).run(240)
    print(f"{sum(entry.size > 0 for entry in log.entries)} writes, "
          f"{sum(entry.flags & machine.FLUSH for entry in log.entries)} flushes")


@limit(240)
def test_journal_is_flushed(t):
    for acked, found in records_after_cuts(t):
        assert found >= acked, f"{acked} records were acknowledged, {found} are left"


@limit(240)
def test_missing_flush_is_seen(t):
    """The same with a daemon that doesn't flush its journal must lose records: else the test above shows nothing."""
    results = records_after_cuts(t, may_refuse=True, env=preload(t, "no_sync", NO_SYNC_PATH=".journal"))
    assert any(found < acked for acked, found in results), "a daemon without the journal's flush has lost nothing"


@limit(240)
def test_any_moment_under_load(t):
    """Cuts anywhere, also amid rolls, checkpoints and new journal files. Of what was under way any part is there."""
    cuts, at, marks = machine_of(t, "under load", ".", topics=TOPICS, seconds=40 if t.long else 5)
    mark_at = {index: marks[number] for number, index in at.items()}
    drawn = random.Random(t.name)
    first, last = min(mark_at), max(mark_at)
    acked, total = {}, 0

    def check(address):
        check_acked(address, acked)
        for place in acked:
            check_kept(address, VALUES, place)

    seen = first
    for index in sorted(drawn.sample(range(first, last + 1), 200 if t.long else 8)):
        for passed in range(seen, index + 1):
            acked = mark_at.get(passed, acked)
        seen = index
        total = sum(acked.values())
        cuts.check(index, drawn, check)
    print(f"{cuts.count} cuts in {last - first} entries of the log; {total} records acknowledged before the last")
