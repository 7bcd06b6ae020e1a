# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks that fail: a call on the journal, on segments and their tables, or on the metadata image goes wrong, at its
n-th time since the start. faults.c, loaded into the daemon, makes it so."""

import errno
import os
import random
import re
import signal
import subprocess
import time

from e2elib.clients import Confluent
from e2elib.harness import cases, limit
from e2elib.http import get, get_json
from e2elib.load import Load, check_acked, check_all, check_kept

from powerlib import disks
from powerlib.build import preload

CONFIG = "journal_size: 4MiB\nperformance:\n  shards: 2\n"
TOPICS = {"numbers": 2, "tiny": 1}
WHERE = {"journal": "journal/", "segments": "topics/", "state": "state/"}
ROOT = {"root": "superblock,reserve,data/lock"}  # files at the data directory's root
PLACE = "journal/|topics/|state/|superblock|reserve|lock"  # what a message names
EVERY = 10**9
# Who goes on after these may acknowledge what isn't on disk.
MUST_END = ("write", "sync", "allocate", "truncate", "rename")


class Faults:
    """A broker under load that is started with faults and, after them, without."""

    def __init__(self, t, data_dir=None):
        self.faulty_env = preload(t, "faults")
        self.log = t.dir / "faults.txt"
        self.seen = []
        self.changers = []
        t.cleanups.append(self.end_changes)
        self.drawn = random.Random(t.name)
        self.broker = t.broker(config=t.write("c.yaml", CONFIG), data_dir=data_dir)
        self.clean_env = self.broker.env
        Confluent.create_topic(self.broker.address, "numbers", TOPICS["numbers"], segment_bytes=50000)
        Confluent.create_topic(self.broker.address, "tiny", TOPICS["tiny"], segment_bytes=10000, segment_ms=200,
                               retention_bytes=50000)
        self.load = Load(self.broker.address, TOPICS, max_value_bytes=2000)
        t.cleanups.append(self.load.stop)

    def launch(self, where, calls, error, first, last):
        """Starts the broker anew, with faults."""
        if self.broker.process is not None:
            self.broker.stop()
        self.log.unlink(missing_ok=True)
        self.broker.env = dict(self.clean_env, **self.faulty_env, FAULT_PATHS=where, FAULT_CALLS=calls,
                               FAULT_ERROR=str(error), FAULT_FIRST=str(first), FAULT_LAST=str(last),
                               FAULT_SEED=str(self.drawn.randrange(1 << 30)), FAULT_LOG=str(self.log))
        self.broker.launch()

    def change_metadata(self, number):
        """Has topics made, with a record, and deleted meanwhile, as far as the broker takes that."""
        topic, gqctl = f"made-{number}", self.broker.program.with_name("gqctl")
        at = f"--broker={self.broker.address} --timeout=3s"
        work = "; ".join([f"'{gqctl}' topic create {topic}-$i {at}",
                          f"echo x | '{gqctl}' produce {topic}-$i {at}",
                          "sleep 0.2",
                          f"'{gqctl}' topic delete {topic}-$i {at}"])
        process = subprocess.Popen(["sh", "-c", f"for i in $(seq 99); do {work}; done"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.changers.append(process)

    def end_changes(self):
        for process in self.changers:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.changers = []

    def hits(self):
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def wait_for_end(self, seconds, must_end=()):
        """Its status, or None if it goes on: for a second after the first fault, which is waited for for so long. After
        a fault in these calls it has to end, however long a busy machine takes to. What was hit by then is in seen."""
        end, hit = time.monotonic() + seconds, None
        while self.broker.process.poll() is None and time.monotonic() < (hit or end):
            if hit is None and self.hits():
                hit = time.monotonic() + 1
            time.sleep(0.02)
        ended = self.broker.process.poll() is not None
        self.seen = self.hits()
        if not ended and any(line.split()[1] in must_end for line in self.seen):
            self.wait_for_bad_end()
            ended = True
        return self.broker.wait() if ended else None

    def wait_for_bad_end(self):
        try:
            self.broker.process.wait(60)
        except subprocess.TimeoutExpired as e:
            raise AssertionError(f"it went on after {self.seen}: {said(self.broker)}") from e

    def recover(self):
        """Starts the broker without faults: it has everything, and goes on."""
        if self.broker.process is not None:
            self.broker.process.terminate()
            status = self.broker.wait()
            assert status == 0 or (status == os.EX_IOERR and self.hits()), f"status {status}: {said(self.broker)}"
        acked, before = dict(self.load.acked), self.load.total()
        self.broker.env = self.clean_env
        self.broker.start()
        check_acked(self.broker.address, acked)
        self.load.wait_for_progress(before)

    def recover_idle(self):
        self.broker.stop()
        self.broker.env = self.clean_env
        self.broker.start()

    def finish(self):
        self.load.finish()
        assert not self.load.errors, self.load.errors[:5]
        check_all(self.broker.address, self.load)


def said(broker):
    return broker.log().decode(errors="replace")[-1500:]


def check_end(faults, number, status):
    """How a run with an I/O error ended; whether the error came at all."""
    hits = faults.seen
    what = f"n = {number}, {hits}, status {status}: {said(faults.broker)}"
    if not hits:
        assert status is None, what
        return False
    assert status in (None, os.EX_IOERR), what
    if status is not None:
        error = re.search(rf" error .*({PLACE}).*(Input/output|disk I/O) error", said(faults.broker))
        assert error, f"where and what it was isn't said: {what}"
    return True


def numbers(t, drawn, most):
    """Which calls fail: the first ones, which a start makes, and some of the later ones."""
    if t.long:
        later = range(16, max(16, most))
        return list(range(1, min(16, most))) + drawn.sample(later, min(15, len(later)))
    return drawn.sample(range(1, min(10, most)), 1) + drawn.sample(range(10, most), 1 if most > 10 else 0)


SWEEPS = [
    ("journal", "write", 200), ("journal", "sync", 200), ("journal", "read", 20), ("journal", "open", 20),
    ("journal", "rename", 12), ("journal", "unlink", 12), ("journal", "allocate", 3),
    ("segments", "write", 200), ("segments", "sync", 100), ("segments", "read", 40), ("segments", "open", 100),
    ("segments", "unlink", 40), ("segments", "truncate", 12),
    ("segments", "rename", 10), ("segments", "mkdir", 3),
    ("state", "write", 12), ("state", "sync", 12), ("state", "read", 12), ("state", "open", 12),
    ("state", "truncate", 3), ("state", "rename", 3), ("state", "unlink", 3),
    ("root", "open", 6), ("root", "read", 4), ("root", "write", 2), ("root", "sync", 2), ("root", "rename", 2),
    ("root", "allocate", 2), ("root", "truncate", 2),
]


@limit(180)
@cases(where=list(WHERE | ROOT))
def test_io_error(t, where):
    """Whatever fails, nothing acknowledged is lost, and nothing goes on after a write or a sync that failed."""
    faults = Faults(t)
    reached = ended = 0
    for place, call, most in SWEEPS:
        for number in numbers(t, faults.drawn, most) if place == where else []:
            faults.launch((WHERE | ROOT)[place], call, errno.EIO, number, number)
            if place == "state" or call == "mkdir":
                faults.change_metadata(f"{call}-{number}")
            status = faults.wait_for_end(2, MUST_END)
            faults.end_changes()
            print(f"{place} {call} {number}: {faults.seen[:1]} status {status}", flush=True)
            reached += check_end(faults, number, status)
            ended += status is not None
            faults.recover()
    print(f"{reached} faults, {ended} of them ended the daemon")
    assert ended
    faults.finish()


@limit(660)
def test_file_system_sync_fails(t):
    """A data directory that is a file system of its own, whose sync fails: as with a file."""
    disks.own_mounts()
    disk = disks.LoopDisk(t.dir, "disk", "ext4", 512).mount()
    t.cleanups.append(disk.unmount)
    faults = Faults(t, disk.path)
    for number in range(1, 6 if t.long else 3):
        faults.launch("disk", "filesystem", errno.EIO, number, number)
        status = faults.wait_for_end(120, ["filesystem"])  # so many checkpoints may take a busy machine long
        print(f"{number}: {faults.hits()} status {status}: {said(faults.broker)[-200:]}", flush=True)
        assert faults.hits() and status == os.EX_IOERR, said(faults.broker)
        faults.recover()
    faults.finish()


def check_read_only(faults, status, also="Read-only file system"):
    assert status == os.EX_IOERR, f"status {status}: {said(faults.broker)}"
    assert re.search(rf" error .*({PLACE}).*(Read-only file system|{also})", said(faults.broker)), said(faults.broker)


@limit(180)
@cases(where=list(WHERE | ROOT))
def test_becomes_read_only(t, where):
    """From some call on nothing below the data directory, or below a part of it, can be changed."""
    faults = Faults(t)
    place = ",".join(WHERE.values()) if where == "root" else WHERE[where]
    reached = 0
    for number in faults.drawn.sample(range(1, 200 if where != "state" else 12), 10 if t.long else 1):
        faults.launch(place, "write,allocate,truncate,rename,unlink,mkdir", errno.EROFS, number, EVERY)
        if where == "state":
            faults.change_metadata(number)
        status = faults.wait_for_end(10, MUST_END)
        faults.end_changes()
        print(f"{number}: {faults.seen[:1]} status {status}", flush=True)
        reached += bool(faults.seen)
        if faults.seen:
            check_read_only(faults, status)
        faults.recover()
    assert reached
    faults.finish()


@limit(180)
def test_mounted_read_only(t):
    """The file system finds an error of its own, and is read-only from then on."""
    disks.own_mounts()
    disk = disks.LoopDisk(t.dir, "disk", "ext4", 512).mount("errors=remount-ro")
    t.cleanups.append(disk.unmount)
    faults = Faults(t, disk.path / "data")
    for _ in range(5 if t.long else 1):
        before = faults.load.total()
        faults.load.wait_for_progress(before)
        disk.find_error()
        check_read_only(faults, faults.broker.wait(), "Input/output error")  # for what was under way
        acked = dict(faults.load.acked)
        disk.unmount()
        disk.mount("errors=remount-ro")
        faults.broker.start()
        check_acked(faults.broker.address, acked)
    faults.finish()


@limit(180)
def test_reads_and_hints_fail(t):
    """What only a consumer needs, and what is a hint: connections may end, the daemon goes on."""
    faults = Faults(t)
    faults.load.wait_for_progress(1500)
    faults.launch(WHERE["segments"], "sendfile", errno.EIO, 1, 2)
    faults.load.wait_for_progress(faults.load.total())
    faults.load.paused = True
    check_kept(faults.broker.address, faults.load, ("numbers", 0))
    faults.load.paused = False
    print(faults.hits(), flush=True)
    assert faults.hits() and faults.broker.process.poll() is None, said(faults.broker)
    faults.recover()
    faults.launch(WHERE["segments"], "range", errno.EIO, 1, EVERY)
    faults.load.wait_for_progress(faults.load.total() + 1500)
    print(faults.hits()[:1], flush=True)
    assert faults.broker.process.poll() is None, said(faults.broker)
    faults.recover()
    faults.finish()


@limit(180)
@cases(error=["ENOSPC", "EDQUOT"])
def test_no_space(t, error):
    """Writes find no room for a while: producers wait, the daemon goes on by itself, and nothing is lost."""
    faults = Faults(t)
    reached = 0
    for where in ("journal/", "topics/"):
        for first in faults.drawn.sample(range(10, 200), 10 if t.long else 1):
            before = faults.load.total()
            faults.launch(where, "write,allocate", getattr(errno, error), first, first + 5)
            ended = faults.wait_for_end(15)  # a slow disk takes its time to come to it
            print(f"{where} {first}: {faults.seen[:1]} status {ended}", flush=True)
            assert ended is None, f"status {ended}: {said(faults.broker)}"
            reached += bool(faults.hits())
            faults.load.wait_for_progress(before)
            faults.recover()
    assert reached
    faults.finish()


@limit(180)
@cases(where=list(WHERE))
def test_no_space_at_start(t, where):
    """The first writes of a start find no room: it says so, or starts and goes on when there is room."""
    faults = Faults(t)
    for count in (1, 5, 20) if t.long else (1,):
        faults.launch(WHERE[where], "write,allocate", errno.ENOSPC, 1, count)
        status = faults.wait_for_end(2)
        print(f"{where} {count}: {faults.seen[:1]} status {status}", flush=True)
        assert status in (None, os.EX_IOERR), f"status {status}: {said(faults.broker)}"
        assert status is None or b"No space left" in faults.broker.log(), said(faults.broker)
        faults.recover()
    faults.finish()


@limit(180)
@cases(how=["interrupted", "short"])
def test_odd_but_right(t, how):
    """System calls that are interrupted, reads and writes that come up short: nothing happens."""
    faults = Faults(t)
    calls, error = {"interrupted": ("open,read,write,sync,allocate,truncate", errno.EINTR),
                    "short": ("read,write", 0)}[how]
    for _ in range(10 if t.long else 2):
        before = faults.load.total()
        faults.launch(",".join(WHERE.values()), calls, error, 1, EVERY)
        faults.load.wait_for_progress(before)
        time.sleep(1)
        check_acked(faults.broker.address, dict(faults.load.acked))
        print(f"{len(faults.hits())} calls were {how}", flush=True)
        assert len(faults.hits()) > 100
    faults.load.finish()
    check_all(faults.broker.address, faults.load)
    faults.recover_idle()
    check_all(faults.broker.address, faults.load)


@limit(180)
def test_slow_disk(t):
    """Each flush takes a fifth of a second: slow but right, and health is answered meanwhile."""
    trace = t.dir / "trace.txt"
    wrapper = ["strace", "-D", "-f", "-qq", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=200000", "-o",
               str(trace)]
    broker = t.broker(config=t.write("c.yaml", CONFIG), wrapper=wrapper)
    for topic, partitions in TOPICS.items():
        Confluent.create_topic(broker.address, topic, partitions, segment_bytes=50000)
    load = Load(broker.address, TOPICS, max_value_bytes=2000)
    t.cleanups.append(load.stop)
    for _ in range(30 if t.long else 5):
        before = load.total()
        status, _, _ = get(broker, "/health")
        assert status == 200, status
        assert get_json(broker, "/cluster/status")
        load.wait_for_progress(before)
    load.finish()
    assert not load.errors, load.errors[:5]
    assert "INJECTED" in trace.read_text(encoding="utf-8") or "DELAYED" in trace.read_text(encoding="utf-8")
    check_all(broker.address, load)
    broker.wrapper = []
    broker.restart()
    check_all(broker.address, load)
