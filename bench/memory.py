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
PROBE_MB = 64
PROBES = 16
STEP_MB = 128
DEAR_S_PER_GB = 1.0  # zeroing a page costs 0.2 to 0.3


def megabytes(name):
    return int(re.search(rf"{name}:\s+(\d+)", machine.text_of("/proc/meminfo")).group(1)) >> 10


def touched(size_mb):
    """So much memory, of which children know nothing."""
    memory = mmap.mmap(-1, size_mb << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_DONTFORK)
    memory.madvise(MADV_POPULATE_WRITE)
    return memory


class Memory:
    """Does nothing where memory that nobody used for a while costs no more than other memory. path: of a file to read
    from, which is unlinked at once."""

    def __init__(self, path):
        self.first_touch = self.cost()
        self.held_mb = max(megabytes("MemAvailable") - LEFT_MB, 0) if self.first_touch > DEAR_S_PER_GB else 0
        if self.held_mb == 0:
            return
        print(f"the first touch of memory costs {self.first_touch:.1f} s/GB: holding {self.held_mb} MiB", flush=True)
        self.held = touched(self.held_mb)
        self.hole = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.unlink(path)
        os.ftruncate(self.hole, 1 << 42)
        self.offset = 0
        self.buffer = bytearray(1 << 20)

    @staticmethod
    def cost():
        """In seconds per GB, of the dearest piece: what was freed a moment ago is cheap everywhere."""
        pieces, dearest = [], 0.0
        for _ in range(PROBES):
            before = time.process_time()
            pieces.append(touched(PROBE_MB))
            dearest = max(dearest, time.process_time() - before)
        return dearest * 1000 / PROBE_MB

    def fact(self):
        held = f"; {self.held_mb} MiB are held, the rest is page cache before each pair" if self.held_mb else ""
        return ("first touch of memory", f"{self.first_touch:.1f} s/GB{held}")

    def fill(self):
        """Reads from a file that is all hole until little memory is free."""
        end = self.offset + (2 * LEFT_MB << 20)
        while self.held_mb > 0 and megabytes("MemFree") > FREE_MB and self.offset < end:
            for _ in range(STEP_MB):
                self.offset += os.preadv(self.hole, [self.buffer], self.offset)
