# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results as docs/performance.md and as JSON."""

import itertools
import json
import statistics
import string

import store
from figures import HEAD, PEERS_HEAD, columns, peer_columns, ratio, table

METHOD = """Each figure is measured beside its floor in one run and in turns: floor, goqueue, floor, goqueue. The floor
is what the same client reaches with a server that does the least that must be done: librdkafka's own mock broker, which
stores nothing; a raw server that writes what has come with O_DIRECT into a file of zeros and flushes it once for all
that wait; sendfile of the same bytes. goqueue acknowledges after fdatasync, always. All runs are over loopback.

* **goqueue** and **floor** are medians over the pairs, with the lowest and the highest in brackets; a figure without
  brackets was taken once.
* **goqueue / floor** is the median of the pairs' ratios, so that what both sides of a pair share falls out. Lower is
  better for times, CPU and memory.
* **target**: `× floor` is held against that ratio, `floor + 1 ms` against the medians, a plain number against goqueue's
  median. The verdict tells by how much of the target a figure misses it.
* `produce` is a closed loop, as fast as the client goes, with acks=all; MB/s and GB are 10^6 and 10^9 bytes of messages
  without what is around them. CPU is that of the server alone, with what is left to do after the last acknowledgement.
* Latency at a fixed rate is an open loop: it counts from when a message was due, not from when it could be sent.
* `raw client` speaks the protocol without a library; `connections` have one request in flight each."""

PEERS = """The same work by another queue, in turns with ours, on the same cores and file system. What is produced or
consumed at goqueue's side, and at that of Apache Kafka, goes through librdkafka. The others don't speak its protocol:
they get a raw client with 1000 messages in flight on one connection, to one stream. One message in flight is asked of
both sides by the same kind of client, librdkafka or raw. A row of D0 compares what goqueue does after fdatasync with
what the other one does without. "theirs" and its ratio are made as "floor" and its ratio above. Redis and NATS start
anew for each pair; Apache Kafka and RabbitMQ are warmed up, stay for all their rows and are halted while it is our
turn."""
OURS = "goqueue: acknowledges after fdatasync of its journal, once for all that wait; it has no other way"
DURABILITY = {"D0": "D0: theirs is acknowledged before it is safe on disk",
              "D1": "D1: theirs is flushed before it is acknowledged, as ours is"}
MODES = {"pinned": "Broker on one core, client on another", "unpinned": "Not pinned"}


def result_lines(row, result):
    lines = []
    for figure in row.figures:
        ours, floor = store.samples(result, figure.key)
        if ours:
            lines.append(peer_columns(figure, ours, floor, row.peer.name) if row.peer else columns(figure, ours, floor))
    return lines


class Builds:
    """Which program a result is of: a letter in the tables, and what it stands for. The first is the one of now."""

    def __init__(self, results, current):
        newest_first = sorted(results, key=lambda result: result.get("when", ""), reverse=True)
        self.results = sorted(newest_first, key=lambda result: result["stamp"]["binary"] != current)
        self.current = current
        self.letters = {}
        names = (f"{more}{letter}" for more in ("", *string.ascii_lowercase) for letter in string.ascii_lowercase)
        for result in self.results:
            if result["stamp"]["binary"] not in self.letters:
                self.letters[result["stamp"]["binary"]] = next(names)

    def of(self, result):
        return self.letters[result["stamp"]["binary"]]

    def lines(self):
        """Bullets of a list."""
        lines = []
        for binary, letter in self.letters.items():
            mine = [result for result in self.results if result["stamp"]["binary"] == binary]
            days = sorted(result["when"][:10] for result in mine if "when" in result)
            when = f", measured {days[0]}" + (f" to {days[-1]}" if days[-1] != days[0] else "") if days else ""
            broker = next((dict(map(tuple, result["facts"]))["broker"] for result in mine if "facts" in result),
                          "brokerd")
            lines.append(f"* build {letter}: {broker}, sha256 {binary}…{when}"
                         f"{'' if binary == self.current else '; not that of the tree'}")
        return lines


def drift(result):
    """How the raw disk did before and after a row: (lowest, highest) p50 of 4 KiB and fdatasync."""
    values = [probe["p50_us"] for probe in result["probes"]]
    return (min(values), max(values)) if values else None


def counts(lines):
    verdicts = [line[-1] for line in lines if line[-1] not in ("", "–")]
    return verdicts.count("reached"), len(verdicts)


def range_of(values, suffix=""):
    values = sorted(values)
    return f"{values[0]:g}{suffix}" if values[0] == values[-1] else f"{values[0]:g} to {values[-1]:g}{suffix}"


def section(title, head, known, builds):
    """A table of (row, result), under it what was reached and how the disk was meanwhile. How many pairs a row has and
    of which build it is stands once above, or where rows differ in each line."""
    pairs = {len(result["pairs"]) for _, result in known}
    of_build = {builds.of(result) for _, result in known}
    seconds = {result["stamp"]["settings"]["seconds"] for _, result in known}
    many = range_of(pairs) + (" pair" if pairs == {1} else " pairs")
    text = [title, "", f"{many} of each row, runs of {range_of(seconds, ' s')}, "
            f"build{'s' * (len(of_build) > 1)} {', '.join(sorted(of_build))}.", ""]
    head = head + ["pairs"] * (len(pairs) > 1) + ["build"] * (len(of_build) > 1)
    plain, lines = [], []
    for row, result in known:
        for line in result_lines(row, result):
            plain.append(line)
            lines.append(line + [str(len(result["pairs"]))] * (len(pairs) > 1) +
                         [builds.of(result)] * (len(of_build) > 1))
    text += table(lines, head)
    reached, of = counts(plain)
    text += ["", f"{reached} of {of} targets reached."] if of else []
    probes = [drift(result) for _, result in known if drift(result)]
    if probes:
        text += ["", (f"The raw disk (4 KiB with O_DIRECT and fdatasync, before and after each row) had a median of "
                     f"{min(p[0] for p in probes):.0f} to {max(p[1] for p in probes):.0f} µs meanwhile.")]
    return text + [""]


def floors_section(mode, rows, results, builds):
    known = [(row, results[row.name, mode]) for row in rows if not row.peer and results.get((row.name, mode))]
    return section(f"## {MODES[mode]}", HEAD, known, builds) if known else []


def peers_section(modes, rows, results, absent, builds):
    """Tables of what was measured beside other queues, the classes of durability apart. absent: (name, why)."""
    rows = [row for row in rows if row.peer and any(results.get((row.name, mode)) for mode in modes)]
    if not rows:
        return []
    text = ["## Beside other queues", "", PEERS, "", f"* {OURS}"]
    facts = dict(fact for row in rows for mode in modes for fact in results.get((row.name, mode), {}).get("facts", []))
    text += [f"* {peer.name} ({peer.durability}): {facts.get(peer.name, 'of an unknown version')}; {peer.acknowledges}"
             for peer in dict.fromkeys(row.peer for row in rows)]
    text += [f"* not measured: {name}, since {why}" for name, why in absent] + [""]
    for (durability, title), mode in itertools.product(DURABILITY.items(), modes):
        known = [(row, results[row.name, mode]) for row in rows
                 if row.peer.durability == durability and results.get((row.name, mode))]
        if known:
            text += section(f"### {title} ({MODES[mode][0].lower()}{MODES[mode][1:]})", PEERS_HEAD, known, builds)
    return text


def curves_section(drawn, builds):
    if not drawn:
        return []
    text = ["## Curves", "", "Pinned; each point is the median of runs on fresh brokers.", ""]
    for curve, result in drawn:
        runs = range_of({len(runs) for runs in result["points"].values() if runs})
        text += [f"{curve.title[0].upper()}{curve.title[1:]} ({runs} runs of a point, build {builds.of(result)}):", "",
                 f"![{curve.name}](performance-{curve.name}.svg)", ""]
    return text


def machine_section(rows, modes, results, builds):
    floors = {(row.name, mode): results[row.name, mode] for row in rows for mode in modes
              if not row.peer and (row.name, mode) in results}
    latest = max((floors or results).values(), key=lambda result: result["when"])
    left_out = {row.peer.name for row in rows if row.peer} | {"broker"}
    text = ["## Machine", ""] + [f"* {name}: {value}" for name, value in latest["facts"] if name not in left_out]
    logs = {result["stamp"]["settings"]["log_mb"] / 1000 for (name, _), result in floors.items()
            if name in ("cold", "start-log")}
    if logs:
        text.append(f"* logs of {range_of(logs, ' GB')} for a start after kill -9 and for cold reads")
    missing = [row for row in rows if not row.peer and any((row.name, mode) not in results for mode in row.modes)]
    text += builds.lines()
    return text + ([f"* not measured: {'; '.join(row.title for row in missing)}"] if missing else []) + [""]


def document(rows, modes, results, drawn, current, absent):
    """docs/performance.md as a text. drawn: curves, as (curve, result); current: the program that is there now; absent:
    other queues that can't be had, as (name, why)."""
    builds = Builds([*results.values(), *(result for _, result in drawn)], current)
    text = ["# Performance", "",
            "Written by `./dev bench --write`; `bench/README.md` tells what is measured and how.", ""]
    text += machine_section(rows, modes, results, builds) + ["## Method", "", METHOD, ""]
    for mode in modes:
        text += floors_section(mode, rows, results, builds)
    text += peers_section(modes, rows, results, absent, builds) + curves_section(drawn, builds)
    return "\n".join(text).rstrip() + "\n"


def as_json(rows, results):
    out = []
    for (name, mode), result in sorted(results.items()):
        row = next(row for row in rows if row.name == name)
        for figure in row.figures:
            ours, floor = store.samples(result, figure.key)
            if not ours:
                continue
            out.append({"row": name, "mode": mode, "figure": figure.key, "label": figure.label, "unit": figure.unit,
                        "target": figure.target.text() if figure.target else None, "ours": ours, "floor": floor,
                        "median": statistics.median(ours), "floor_median": statistics.median(floor) if floor else None,
                        "ratio": ratio(ours, floor) if floor else None,
                        "verdict": figure.target.verdict(ours, floor) if figure.target else None,
                        "when": result["when"], "binary": result["stamp"]["binary"]})
    return json.dumps(out, indent=1, ensure_ascii=False) + "\n"
