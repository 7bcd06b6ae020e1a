# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real text of any size: numbered lines of the licences that every Debian system has."""

import glob
import itertools


def licence_lines():
    lines = []
    for path in sorted(glob.glob("/usr/share/common-licenses/*")):
        with open(path, encoding="utf-8") as file:
            lines += [line for line in file.read().split("\n") if line and "\r" not in line]
    return lines


def text(size_bytes):
    """At least size_bytes of whole lines; the numbers show loss, order and doubles."""
    parts, size = [], 0
    for number, line in enumerate(itertools.cycle(licence_lines())):
        part = f"{number:09d} {line}\n".encode()
        parts.append(part)
        size += len(part)
        if size >= size_bytes:
            return b"".join(parts)


def pieces(data, size_bytes):
    return [data[at:at + size_bytes] for at in range(0, len(data), size_bytes)]
