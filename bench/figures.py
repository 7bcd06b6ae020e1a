# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a row gives: figures, each with a target, a median, a range and a verdict."""

import dataclasses
import statistics
import typing


@dataclasses.dataclass(frozen=True)
class Target:
    """What a figure is held against: its ratio to the floor, itself, or what it has above the floor."""
    kind: str  # ratio, value, above
    least: bool  # it is to be reached, else not to be passed
    bound: float
    unit: str = ""

    def text(self, other="floor"):
        sign = "≥" if self.least else "≤"
        if self.kind == "ratio":
            bound = f"1/{1 / self.bound:.4g}" if self.bound < 1 and (1 / self.bound).is_integer() else f"{self.bound:g}"
            return f"{sign} {bound} × {other}"
        if self.kind == "above":
            return f"{sign} floor + {self.bound:g} {self.unit}"
        return f"{sign} {self.bound:,.4g} {self.unit}".rstrip()

    def verdict(self, ours, floor):
        if self.kind != "value" and not any(floor):
            return ""
        bound = self.bound + (statistics.median(floor) if self.kind == "above" else 0)
        value = ratio(ours, floor) if self.kind == "ratio" else statistics.median(ours)
        if value >= bound if self.least else value <= bound:
            return "reached"
        return f"missed by {abs(value - bound) / bound * 100:.0f} %"


def ratio_at_least(bound):
    return Target("ratio", True, bound)


def ratio_at_most(bound):
    return Target("ratio", False, bound)


def at_most(bound, unit):
    return Target("value", False, bound, unit)


def above_floor_at_most(bound, unit):
    return Target("above", False, bound, unit)


@dataclasses.dataclass(frozen=True)
class Figure:
    key: str
    label: str
    unit: str
    target: typing.Optional[Target] = None
    floor: str = ""  # what the floor is


def ratio(ours, floor):
    """The median of the ratios of each pair: what both sides of a pair share falls out."""
    pairs = [a / b for a, b in zip(ours, floor) if b]
    return statistics.median(pairs) if pairs else float("nan")


def number(value):
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f}"


def spread(values):
    if not values:
        return "–"
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def columns(figure, ours, floor):
    """Texts of one line of a table."""
    return [figure.label, figure.unit, figure.target.text() if figure.target else "–", spread(ours),
            spread(floor) + (f", {figure.floor}" if floor and figure.floor else ""),
            f"{ratio(ours, floor):.2f}" if floor else "–",
            figure.target.verdict(ours, floor) if figure.target and ours else "–"]


PEERS_HEAD = ["what", "unit", "target", "goqueue", "beside", "theirs", "goqueue / theirs", "verdict"]
HEAD = ["what", "unit", "target", "goqueue", "floor", "goqueue / floor", "verdict"]


def peer_columns(figure, ours, theirs, peer):
    """The same for a table of other queues."""
    return [figure.label, figure.unit, figure.target.text("theirs") if figure.target else "–", spread(ours), peer,
            spread(theirs), f"{ratio(ours, theirs):.3g}" if any(theirs) else "–",
            figure.target.verdict(ours, theirs) if figure.target and ours else "–"]


def table(lines, head):
    rows = [head, ["---"] * len(head)] + lines
    return ["| " + " | ".join(row) + " |" for row in rows]
