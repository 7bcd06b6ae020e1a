# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power of a file system goes while a broker writes to it: what was acknowledged is there when it comes back.

Small segments, a small journal and retention keep all that a broker does to names and files going on: journal files
are made, checkpoints taken, segments rolled and removed, journal files recycled."""

import os
import random
import time

from e2elib.clients import Confluent
from e2elib.harness import cases, limit
from e2elib.load import Load, check_acked, check_all, check_kept

from powerlib import disks
from powerlib.build import preload

CONFIG = "journal_size: 4MiB\nperformance:\n  shards: 2\n"
TOPICS = {"numbers": 3, "tiny": 2, "short": 1}
OVERLAP = 200  # records that are read back after two cuts


def loaded_broker(t, where, env=None):
    """where: the file system, and whether all of it is the data directory. Such a one is synced at once."""
    disks.own_mounts()
    disk = disks.LoopDisk(t.dir, "disk", where.split()[0], 512).mount()
    t.cleanups.append(disk.unmount)
    data_dir = disk.path if where.endswith(" whole") else disk.path / "data"
    broker = t.broker(data_dir=data_dir, config=t.write("c.yaml", CONFIG), env=env)
    Confluent.create_topic(broker.address, "numbers", TOPICS["numbers"], segment_bytes=200000,
                           retention_bytes=30000000)
    Confluent.create_topic(broker.address, "tiny", TOPICS["tiny"], segment_bytes=20000, segment_ms=500,
                           retention_bytes=8000000)
    Confluent.create_topic(broker.address, "short", TOPICS["short"], segment_bytes=50000, retention_bytes=200000)
    load = Load(broker.address, TOPICS, max_value_bytes=2000)
    t.cleanups.append(load.stop)
    return disk, broker, load


def end_of(broker, drawn):
    """The daemon sees what has happened and ends by itself, or is killed before."""
    if drawn.random() < 0.5:
        broker.kill()
        return "killed"
    log, status = broker.log, broker.wait()
    assert status == os.EX_IOERR, f"status {status} after its file system was gone"
    assert b"The process ends" in log(), log()[-2000:]
    return "ended"


class Checked:
    """Reads back after each cut what has come since the one before."""

    def __init__(self, load):
        self.load = load
        self.ends = dict.fromkeys(load.places, 0)

    def check(self, address, acked):
        check_acked(address, acked)
        for place, end in self.ends.items():
            self.ends[place] = check_kept(address, self.load, place, max(end - OVERLAP, 0))


def cut(broker, disk, checked, drawn):
    """One power cut and the way back. Returns how the daemon ended."""
    load = checked.load
    before = load.total()
    time.sleep(drawn.uniform(0.02, 0.6))
    disk.shut_down(drawn.choice([disks.LOG_FLUSHED, disks.LOG_LOST]))
    how = end_of(broker, drawn)
    acked = dict(load.acked)
    disk.unmount()
    disk.mount()
    broker.start()
    load.wait_for_progress(before)
    load.paused = True
    checked.check(broker.address, acked)
    load.paused = False
    return how


@limit(180)
@cases(where=["ext4", "ext4 whole", "xfs whole"])
def test_shut_down_under_load(t, where):
    rounds = 70 if t.long else 4
    drawn = random.Random(t.name)
    disk, broker, load = loaded_broker(t, where)
    checked = Checked(load)
    ends = {"killed": 0, "ended": 0}
    for number in range(rounds):
        begin = time.monotonic()
        ends[cut(broker, disk, checked, drawn)] += 1
        print(f"round {number}: {load.total()} records, {time.monotonic() - begin:.1f} s", flush=True)
    load.finish()
    assert not load.errors, load.errors[:5]
    print(f"{rounds} rounds, {ends}, {load.total()} records")
    check_all(broker.address, load)
    broker.restart()
    check_all(broker.address, load)


@limit(180)
@cases(where=["ext4", "ext4 whole"])
def test_missing_sync_is_seen(t, where):
    """A daemon that doesn't sync its segments must lose records, or say at its start that they are damaged: else the
    test above shows nothing."""
    drawn = random.Random(t.name)
    disk, broker, load = loaded_broker(t, where, preload(t, "no_sync", NO_SYNC_PATH="topics/", NO_SYNC_FS="1"))
    checked = Checked(load)
    for number in range(50):
        try:
            cut(broker, disk, checked, drawn)
        except AssertionError as error:
            print(f"round {number}: {error}")
            if broker.process is not None:
                broker.kill()
            return
    raise AssertionError("a daemon that doesn't sync its segments has lost nothing")
