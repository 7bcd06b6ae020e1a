# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first process of a user-mode-linux machine: runs a broker on a disk that logs its writes, and halts.

Its argument is a JSON file: see powerlib/machine.py, which makes it. The host's files are the root file system here."""

import contextlib
import ctypes
import fcntl
import json
import mmap
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

JOB = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
sys.path[:0] = JOB["python_path"]

SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
SYS_FINIT_MODULE = 313
SYNC_FILE_RANGE_ALL = 7  # wait, write, wait
REBOOT_HALT = 0xCDEF0123
LIBC = ctypes.CDLL(None, use_errno=True)


def mount(kind, source, target, options=""):
    if LIBC.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {source} at {target}: {os.strerror(error)}")


def load_module(name):
    path = f"/usr/lib/uml/modules/{os.uname().release}/kernel/drivers/md/{name}.ko"
    with open(path, "rb") as file:
        if LIBC.syscall(SYS_FINIT_MODULE, file.fileno(), b"", 0) != 0:
            raise OSError(ctypes.get_errno(), f"loading {path}")


def loopback_up():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))


def dmsetup(*words):
    subprocess.run(["/sbin/dmsetup", "--noudevsync", "--noudevrules", *words], check=True)


class Marks:
    """Numbered marks in the log of writes; what was acknowledged before each goes to a file of the host."""

    def __init__(self):
        self.count = 0
        self.file = open(JOB["marks"], "w", encoding="utf-8")

    def set(self, acked):
        dmsetup("message", "cut", "0", "mark", str(self.count))
        print(json.dumps(acked), file=self.file, flush=True)
        self.count += 1


def one_by_one(broker, marks):
    """One record in flight, and a mark after each acknowledgement."""
    from e2elib.clients import Confluent
    from e2elib.load import Numbered
    values = Numbered(JOB["max_value_bytes"])
    Confluent.create_topic(broker.address, "numbers")
    producer = Confluent.producer(broker.address, linger_ms=0)
    for number in range(JOB["records"] + JOB["warm_up"]):
        producer.produce("numbers", key=str(number), value=values.value(number), partition=0)
        assert producer.flush(60) == 0, "no acknowledgement within 60 s"
        if number >= JOB["warm_up"]:
            marks.set([["numbers", 0, number + 1]])


def under_load(broker, marks):
    """Several topics with small segments, and marks all the time."""
    from e2elib.clients import Confluent
    from e2elib.load import Load
    for topic, (partitions, config) in JOB["topics"].items():
        Confluent.create_topic(broker.address, topic, partitions, **config)
    load = Load(broker.address, {topic: count for topic, (count, _) in JOB["topics"].items()}, JOB["max_value_bytes"])
    end = time.monotonic() + JOB["seconds"]
    while time.monotonic() < end:
        time.sleep(0.02)
        marks.set([[topic, partition, count] for (topic, partition), count in load.acked.items()])
    load.stop()


@contextlib.contextmanager
def on_disk(name, flags):
    fd = os.open(os.path.join(JOB["disk"], name), flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def commits(stopping):
    """Of the file system."""
    with on_disk(".", os.O_RDONLY) as directory:
        while not stopping.is_set():
            os.close(os.open("name", os.O_CREAT, dir_fd=directory))
            os.fsync(directory)
            os.unlink("name", dir_fd=directory)


def flushes(stopping):
    """As of a journal."""
    page = mmap.mmap(-1, 4096)
    with on_disk("flushed", os.O_RDWR | os.O_CREAT | os.O_DIRECT) as file:
        while not stopping.is_set():
            os.pwrite(file, page, 0)
            os.fdatasync(file)


def blocks(stopping):
    """Each is written when half of it is there, and again when all is."""
    with on_disk("blocks", os.O_WRONLY | os.O_CREAT) as file:
        while not stopping.is_set():
            for half in (b"1", b"2"):
                os.write(file, half * 512)
                LIBC.sync_file_range(file, ctypes.c_longlong(0), ctypes.c_longlong(0), SYNC_FILE_RANGE_ALL)


def write_again(marks):
    stopping = threading.Event()
    threads = [threading.Thread(target=work, args=[stopping]) for work in (commits, flushes, blocks)]
    for thread in threads:
        thread.start()
    time.sleep(JOB["seconds"])
    stopping.set()
    for thread in threads:
        thread.join()
    marks.set([])


class Options:
    build, slow_build, long = pathlib.Path(JOB["build"]), True, False


def on_broker(work, marks):
    from e2elib import harness
    test = harness.Test("uml", pathlib.Path(JOB["dir"]), Options)
    broker = test.broker(data_dir=JOB["data_dir"], config=JOB["config"], env=JOB["env"])
    work(broker, marks)
    broker.process.send_signal(signal.SIGKILL)
    broker.process.wait()


def main():
    for kind, target in (("proc", "/proc"), ("sysfs", "/sys")):
        mount(kind, kind, target)
    for name in ("dm-mod", "dm-log-writes"):
        load_module(name)
    loopback_up()
    disk = pathlib.Path("/sys/block/ubda")
    # Flushes end in the order in which they begin, where the disk has nothing to flush: see README.md.
    (disk / "queue" / "write_cache").write_text("write through", encoding="ascii")
    sectors = (disk / "size").read_text(encoding="ascii").strip()
    dmsetup("create", "cut", "--table", f"0 {sectors} log-writes /dev/ubda /dev/ubdb")
    # The file system's own commits flush too, and would hide a flush that is missing.
    mount("ext4", "/dev/dm-0", JOB["disk"], "commit=300")
    if JOB["work"] == "write again":
        write_again(Marks())
    else:
        on_broker({"one by one": one_by_one, "under load": under_load}[JOB["work"]], Marks())
    subprocess.run(["/bin/umount", JOB["disk"]], check=True)
    dmsetup("remove", "cut")
    pathlib.Path(JOB["done"]).touch()


if __name__ == "__main__":
    output = os.open(JOB["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    LIBC.sync()
    LIBC.reboot(ctypes.c_int(REBOOT_HALT))
