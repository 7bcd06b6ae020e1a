# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads a file of callgrind (with --compress-strings=no --compress-pos=no) and adds up what goqueue's own code did."""

import re

ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "memalign"}  # aligned_alloc is memalign there
WRAPPERS = "src/base/util.c"  # xcalloc and the like: their callers are what counts


def is_own(path):
    """Code of the daemon: not the simulated disk and net, not what measures."""
    return "/src/" in path and "/src/sim/" not in path


def own_work(lines):
    """(instructions, allocations): of own functions themselves, what they call elsewhere not counted; calls of
    allocators, and of own wrappers around them, by own functions."""
    instructions = allocations = 0
    file = called = ""
    wrapped = set()  # names of functions in WRAPPERS, seen so far
    calls = []  # (file, called file, called function, count)
    count = None
    called_file = None
    for line in lines:
        if line.startswith("fl="):
            file = called_file = line[3:].strip()
        elif line.startswith("fn="):
            called_file = file
            if file.endswith(WRAPPERS):
                wrapped.add(line[3:].strip())
        elif line.startswith(("cfi=", "cfl=")):
            called_file = line[4:].strip()
        elif line.startswith("cfn="):
            called = line[4:].strip()
        elif line.startswith("calls="):
            count = int(line[6:].split()[0])
            calls.append((file, called_file, called, count))
            called_file = file
        elif re.match(r"[0-9+*-]", line):
            if count is None and is_own(file):
                instructions += int(line.split()[1])
            count = None
    for caller, _, name, number in calls:
        if is_own(caller) and not caller.endswith(WRAPPERS) and (name in ALLOCATORS or name in wrapped and
                                                                 name.startswith("x")):
            allocations += number
    return instructions, allocations
