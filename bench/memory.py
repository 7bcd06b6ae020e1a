# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that has been touched. A virtual machine that gives free memory back to its host pays for the first touch of a
page, many times what a broker pays for all that it does with it; a server that has been up for a day has no such pages.
So most of the memory is held, and the rest is made page cache before each pair: what the broker gets then is what the
kernel takes back from there."""

import mmap
import os
import re
import time

import machine

MADV_POPULATE_WRITE = 23
LEFT_MB = 8192  # for the broker, its page cache, the client
FREE_MB = 640  # the kernel doesn't let it get much less
STEP_MB = 128


def megabytes(name):
    return int(re.search(rf"{name}:\s+(\d+)", machine.text_of("/proc/meminfo")).group(1)) >> 10


def is_virtual_machine():
    return re.search(r"^flags\s*:.*\bhypervisor\b", machine.text_of("/proc/cpuinfo"), re.MULTILINE) is not None


def touched(size_mb):
    """So much memory, of which children know nothing."""
    memory = mmap.mmap(-1, size_mb << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_DONTFORK)
    memory.madvise(MADV_POPULATE_WRITE)
    return memory


class Memory:
    """Does nothing on a machine that isn't virtual. path: of a file to read from, which is unlinked at once."""

    def __init__(self, path):
        self.held_mb = max(megabytes("MemAvailable") - LEFT_MB, 0) if is_virtual_machine() else 0
        if self.held_mb == 0:
            return
        print(f"holding {self.held_mb} MiB of memory", flush=True)
        before = time.process_time()
        self.held = touched(self.held_mb)
        self.first_touch = (time.process_time() - before) * 1000 / self.held_mb
        self.hole = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.unlink(path)
        os.ftruncate(self.hole, 1 << 42)
        self.offset = 0
        self.buffer = bytearray(1 << 20)

    def fact(self):
        if self.held_mb == 0:
            return ("memory that is held", "none")
        return ("memory that is held", f"{self.held_mb} MiB; their first touch cost {self.first_touch:.1f} s/GB; the "
                                       "rest is page cache before each pair")

    def fill(self):
        """Reads from a file that is all hole until little memory is free."""
        if self.held_mb == 0:
            return
        end = self.offset + (2 * LEFT_MB << 20)
        while megabytes("MemFree") > FREE_MB and self.offset < end:
            for _ in range(STEP_MB):
                self.offset += os.preadv(self.hole, [self.buffer], self.offset)
