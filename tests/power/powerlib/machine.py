# SPDX-License-Identifier: LGPL-2.1-or-later
"""A user-mode-linux machine whose disk logs every write and flush (dm-log-writes), and what the log says."""

import filecmp
import json
import os
import shutil
import struct
import subprocess

from e2elib.harness import TOP, Skip

from powerlib.disks import make_image

LOG_MB = 2048  # of holes
SECTOR = 512
SUPERBLOCK = range(1024, 2048)  # of an ext4; it has a checksum, and a mount reads it before the file system's journal
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
MAGIC = 0x6A736677736872


class Machine:
    """Runs uml_init.py with a broker on an empty disk. Keeps the disk as it was before, and the log."""

    def __init__(self, t, disk_mb, data, **job):
        if shutil.which("linux.uml") is None or not os.path.exists("/sbin/dmsetup"):
            raise Skip("user-mode-linux or dmsetup is not installed")
        self.dir = t.dir
        self.before, self.disk, self.log = t.dir / "before.img", t.dir / "uml.img", t.dir / "log.img"
        self.output, self.done, self.marks_path = t.dir / "uml.out", t.dir / "uml.done", t.dir / "uml.marks"
        make_image(self.before, disk_mb, "ext4")
        copy_sparse(self.before, self.disk)
        with open(self.log, "wb") as file:
            file.truncate(LOG_MB << 20)
        self.job = {"python_path": [str(TOP / "tests" / "e2e")], "build": str(t.options.build), "dir": str(t.dir),
                    "disk": str(t.dir / "uml.disk"), "data_dir": str(t.dir / "uml.disk" / data),
                    "output": str(self.output), "done": str(self.done),
                    "marks": str(self.marks_path), "env": {}, **job}
        (t.dir / "uml.disk").mkdir()

    def run(self, timeout_s):
        python = TOP / "build" / "venv" / "bin" / "python"
        job, init = self.dir / "uml.json", self.dir / "uml.sh"
        job.write_text(json.dumps(self.job), encoding="utf-8")
        # Not busybox's shell: its programs are /proc/self/exe, which is the machine itself until /proc is mounted.
        init.write_text(f"#!/bin/sh\nexec '{python}' '{TOP}/tests/power/uml_init.py' '{job}'\n", encoding="utf-8")
        init.chmod(0o755)
        command = ["linux.uml", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw",
                   f"ubd0={self.disk}", f"ubd1={self.log}", "con=null", "con0=fd:0,fd:1", f"init={init}", "quiet"]
        console = self.dir / "console.log"
        with open(console, "wb") as out:
            status = wait_or_end(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out), timeout_s)
        lines = console.read_text(errors="replace").splitlines() or ["(nothing)"]
        if not self.output.exists():
            raise Skip(f"user-mode-linux doesn't start here: status {status}, {lines[-1]}")
        assert self.done.exists(), (f"the machine ended with status {status}; it said:\n"
                                    f"{self.output.read_text(errors='replace')[-3000:]}\nits console:\n"
                                    + "\n".join(lines[-40:]))
        log = WriteLog(self.log)
        self.check_log(log)
        return log, self.marks()

    def check_log(self, log):
        """All that was logged, in its order, must make the disk that the machine left."""
        image = self.dir / "whole.img"
        copy_sparse(self.before, image)
        log.write_all(image, log.entries)
        assert filecmp.cmp(image, self.disk, shallow=False), f"{self.log} doesn't make {self.disk}, but {image}"
        image.unlink()

    def marks(self):
        """What was acknowledged before each mark: place -> count."""
        lines = self.marks_path.read_text(encoding="utf-8").splitlines()
        return [{(topic, partition): count for topic, partition, count in json.loads(line)} for line in lines]


def wait_or_end(process, timeout_s):
    """Its status. A machine that is only killed would leave its own processes behind."""
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def copy_sparse(source, target):
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)
    assert filecmp.cmp(source, target, shallow=False), f"{target} isn't the copy of {source} that it should be"


class Entry:
    def __init__(self, offset, size, flags, data_at, mark):
        self.offset, self.size, self.flags, self.data_at, self.mark = offset, size, flags, data_at, mark


class WriteLog:
    """The entries of a dm-log-writes log, in its order: a write is logged by the flush that covers it, or when it is
    complete if it has FUA; so what a mark has before it is what was safe when the mark was set. Flushes have to end in
    the order in which they began: see README.md."""

    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, count, sector = struct.unpack("<QQQI", self.read(0, 28))
        assert magic == MAGIC and version == 1, f"{path}: magic {magic:x}, version {version}"
        self.entries = list(self.parse(count, sector))

    def read(self, at, size):
        return os.pread(self.file.fileno(), size, at)

    def parse(self, count, sector):
        at = sector
        for _ in range(count):
            start, n, flags, length = struct.unpack("<QQQQ", self.read(at, 32))
            mark = self.read(at + 32, length).rstrip(b"\0").decode() if flags & MARK else None
            size = 0 if flags & (DISCARD | MARK) else n * sector
            yield Entry(start * sector, size, flags, at + sector, mark)
            at += sector + size

    def marks(self):
        """Number of a mark of ours -> index of its entry."""
        return {int(entry.mark): index for index, entry in enumerate(self.entries) if (entry.mark or "").isdigit()}

    def write(self, fd, entry, sectors=None):
        data = self.read(entry.data_at, entry.size)
        if sectors is None:
            os.pwrite(fd, data, entry.offset)
            return
        for sector in sectors:
            os.pwrite(fd, data[sector * SECTOR:(sector + 1) * SECTOR], entry.offset + sector * SECTOR)

    def write_all(self, image, entries):
        with open(image, "r+b") as file:
            for entry in entries:
                self.write(file.fileno(), entry)


def draw_sectors(entry, drawn):
    """Some of those of a write."""
    count = entry.size // SECTOR
    sectors = set(drawn.sample(range(count), drawn.randint(0, count)))
    superblock = {n for n in range(count) if entry.offset + n * SECTOR in SUPERBLOCK}
    return sectors | superblock if sectors & superblock else sectors


class Replay:
    """Makes of the image from before the run what a power cut at some point of the log leaves."""

    def __init__(self, machine, log):
        self.machine = machine
        self.log = log
        self.next = 0
        self.safe = machine.dir / "safe.img"
        copy_sparse(machine.before, self.safe)

    def flush_before(self, index):
        while index > 0 and not self.log.entries[index].flags & FLUSH:
            index -= 1
        return index

    def flush_after(self, index):
        index += 1
        while index < len(self.log.entries) and not self.log.entries[index].flags & FLUSH:
            index += 1
        return index

    def cut(self, index, image, drawn=None):
        """The power goes after entry `index`, which must not go back from one call to the next. All that a flush
        covered is there and, if drawn is given, any part of what was under way until the next flush. (What has FUA
        is there whole then, since writes behind it may have waited for it. The file system's superblock is never torn:
        ext4 takes for granted that it can't be.)"""
        flush = max(self.flush_before(index), self.next)
        self.log.write_all(self.safe, self.log.entries[self.next:flush])
        self.next = flush
        copy_sparse(self.safe, image)
        end = self.flush_after(index) if drawn else index + 1
        with open(image, "r+b") as file:
            for at in range(flush, end):
                entry = self.log.entries[at]
                if not drawn or entry.flags & FUA:
                    self.log.write(file.fileno(), entry)
                elif drawn.random() < 0.5:
                    self.log.write(file.fileno(), entry)
                elif drawn.random() < 0.5:
                    self.log.write(file.fileno(), entry, draw_sectors(entry, drawn))
