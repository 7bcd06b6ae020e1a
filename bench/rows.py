# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rows of the table. A row is a context: what it yields measures one pair, the floor first, and returns for each
figure (ours, floor)."""

import contextlib
import dataclasses
import typing

import figures

MODES = ("pinned", "unpinned")


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    figures: typing.List[figures.Figure]
    measure: typing.Callable  # (bench, pinned) -> context that yields a function without arguments
    cost: typing.Callable  # (bench) -> (seconds before the first pair, seconds of a pair)
    modes: tuple = MODES
    peer: typing.Optional[type] = None  # what it is measured beside, in place of a floor


def without_setup(pair):
    """A measurement that needs nothing but its pairs."""
    @contextlib.contextmanager
    def measure(bench, pinned):
        yield lambda: pair(bench, pinned)
    return measure


def all_rows():
    import rows_latency
    import rows_memory
    import rows_produce
    import rows_raft
    import rows_read
    import rows_start
    return (rows_produce.rows() + rows_latency.rows() + rows_read.rows() + rows_memory.rows() + rows_start.rows() +
            rows_raft.rows())


def peer_rows():
    import rows_peers
    return rows_peers.rows()
