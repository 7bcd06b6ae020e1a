# SPDX-License-Identifier: LGPL-2.1-or-later
"""The consensus core by itself."""

import json
import subprocess

from figures import Figure, at_most
from rows import Row, without_setup


def core(bench, pinned):
    done = subprocess.run([str(bench.options.build / "bench-raft"), str(bench.options.seconds)], check=True, text=True,
                          stdout=subprocess.PIPE, preexec_fn=bench.client_pin(pinned))
    return {key: (value, None) for key, value in json.loads(done.stdout).items()}


def rows():
    return [
        Row("raft", "the Raft core: steps of a group with three voters, without disk and network", [
            Figure("append_ns", "Raft core, leader: an append", "ns", at_most(300, "ns")),
            Figure("entry_ns", "Raft core, leader: all steps of an entry", "ns"),
            Figure("follow_ns", "Raft core, follower: all steps of an entry", "ns"),
            Figure("tick_ns", "Raft core: a tick of a group at rest", "ns"),
        ], without_setup(core), lambda bench: (0, 1.1 * bench.options.seconds), modes=("pinned",)),
    ]
