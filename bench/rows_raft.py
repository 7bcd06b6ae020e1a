# SPDX-License-Identifier: LGPL-2.1-or-later
"""The consensus core by itself, and many of them."""

import json
import subprocess

from figures import Figure, at_most
from rows import Row, without_setup


def program(name):
    def measure(bench, pinned):
        done = subprocess.run([str(bench.options.build / name), str(bench.options.seconds)], check=True, text=True,
                              stdout=subprocess.PIPE, preexec_fn=bench.client_pin(pinned))
        return {key: (value, None) for key, value in json.loads(done.stdout).items()}
    return without_setup(measure)


def rows():
    return [
        Row("raft", "the Raft core: steps of a group with three voters, without disk and network", [
            Figure("append_ns", "Raft core, leader: an append", "ns", at_most(300, "ns")),
            Figure("entry_ns", "Raft core, leader: all steps of an entry", "ns"),
            Figure("follow_ns", "Raft core, follower: all steps of an entry", "ns"),
            Figure("tick_ns", "Raft core: a tick of a group at rest", "ns"),
        ], program("bench-raft"), lambda bench: (0, 1.1 * bench.options.seconds), modes=("pinned",)),
        Row("fleet", "10,000 groups at rest on each of three nodes, without disk and network", [
            Figure("core_percent", "10,000 groups at rest: of a core", "%", at_most(1, "%")),
            Figure("beat_ns", "10,000 groups at rest: a turn with heartbeats", "ns"),
            Figure("group_bytes", "a group at rest, three voters: memory", "B"),
            Figure("death_ns", "a node dies: each of its groups hears of it", "ns"),
        ], program("bench-fleet"), lambda bench: (0, 1.2 * bench.options.seconds), modes=("pinned",)),
    ]
