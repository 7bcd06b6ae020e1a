# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results on disk, one file for each row and mode below build/bench/, written after each pair: a run that is cut off
goes on where it was. Pairs of another build of the broker, or of other settings, are never mixed with ours."""

import hashlib
import json
import os
import time


class Store:
    def __init__(self, directory, binary, settings):
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.stamp = {"binary": hashlib.sha256(binary.read_bytes()).hexdigest()[:16], "settings": settings}

    def path(self, row, mode):
        return self.directory / f"{row}.{mode}.json"

    def read(self, row, mode):
        """What is there, of whatever build; None when there is nothing."""
        try:
            return json.loads(self.path(row, mode).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def is_current(self, result):
        return result is not None and result["stamp"] == self.stamp

    def current(self, row, mode, facts):
        """What can be gone on with, or a new one."""
        result = self.read(row, mode)
        if not self.is_current(result):
            result = {"row": row, "mode": mode, "stamp": self.stamp, "facts": facts, "pairs": [], "probes": []}
        return result

    def write(self, result):
        result["when"] = time.strftime("%Y-%m-%d %H:%M:%S")
        path = self.path(result["row"], result["mode"])
        new = path.with_suffix(".new")
        new.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)

    def forget(self, row, mode):
        self.path(row, mode).unlink(missing_ok=True)


def samples(result, key):
    """(ours, floor) of one figure over all pairs; floor is empty where there is none."""
    values = [pair[key] for pair in result["pairs"] if key in pair]
    return [value[0] for value in values], [value[1] for value in values if value[1] is not None]
