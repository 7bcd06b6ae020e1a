# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results as docs/performance.md and as JSON."""

import json
import statistics

import store
from figures import PEERS_HEAD, columns, peer_columns, ratio, table

METHOD = """Each figure is measured beside its floor in one run and in turns: floor, goqueue, floor, goqueue. The
floor is what the same client reaches with a server that does the least that must be done: librdkafka's own mock broker,
which stores nothing; a raw server that writes what has come with O_DIRECT into a file of zeros and flushes it once for
all that wait; sendfile of the same bytes. Ratios are the median of the pairs' ratios; figures are medians with the
range in brackets. goqueue acknowledges after fdatasync, always. Latency at a fixed rate counts from when a message was
due. All runs are over loopback."""

PEERS = """The same work by another queue, in turns with ours, on the same cores and file system: by the same librdkafka
where it speaks Kafka's protocol, else by a raw client with 1000 messages in flight, or one. D0 acknowledges from memory
and flushes at some time, D1 flushes before each acknowledgement; goqueue is D1 on both sides. Each starts anew for each
pair, but for Apache Kafka, which is warmed up and then halted while it is our turn."""
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


def drift(result):
    """How the raw disk did before and after a row: (lowest, highest) p50 of 4 KiB and fdatasync."""
    values = [probe["p50_us"] for probe in result["probes"]]
    return (min(values), max(values)) if values else None


def counts(lines):
    verdicts = [line[-1] for line in lines if line[-1] not in ("", "–")]
    return verdicts.count("reached"), len(verdicts)


def mode_section(mode, rows, results):
    """One table of a mode, and what is known of the disk meanwhile."""
    known = [(row, results[row.name, mode]) for row in rows if not row.peer and results.get((row.name, mode))]
    if not known:
        return []
    lines = [line for row, result in known for line in result_lines(row, result)]
    reached, of = counts(lines)
    probes = [drift(result) for _, result in known if drift(result)]
    text = [f"## {MODES[mode]}", "", *table(lines)]
    if of > 0:
        text += ["", f"{reached} of {of} targets reached."]
    if probes:
        text += ["", (f"The raw disk (4 KiB with O_DIRECT and fdatasync, before and after each row) had a median of "
                     f"{min(p[0] for p in probes):.0f} to {max(p[1] for p in probes):.0f} µs meanwhile.")]
    return text + [""]


def peers_section(modes, rows, results, absent):
    """Tables of what was measured beside other queues, the classes of durability apart. absent: (name, why)."""
    rows = [row for row in rows if row.peer and any(results.get((row.name, mode)) for mode in modes)]
    if not rows:
        return []
    text = ["## Beside other queues", "", PEERS, ""]
    facts = dict(fact for row in rows for mode in modes for fact in results.get((row.name, mode), {}).get("facts", []))
    text += [f"* {name}: {facts[name]}" for name in dict.fromkeys(row.peer.name for row in rows) if name in facts]
    text += [f"* not measured: {name}, since {why}" for name, why in absent] + [""]
    for durability, title in DURABILITY.items():
        for mode in modes:
            lines = [line for row in rows if row.peer.durability == durability and results.get((row.name, mode))
                     for line in result_lines(row, results[row.name, mode])]
            if lines:
                text += [f"### {title} ({MODES[mode][0].lower()}{MODES[mode][1:]})", "", *table(lines, PEERS_HEAD), ""]
                reached, of = counts(lines)
                text += [f"{reached} of {of} targets reached.", ""] if of else []
    return text


def document(rows, modes, results, current, absent):
    """docs/performance.md as a text. current(result): whether it is of the build that is there now; absent: other
    queues that can't be had, as (name, why)."""
    latest = max(results.values(), key=lambda result: result["when"])
    pairs = sorted({len(result["pairs"]) for result in results.values()})
    settings = latest["stamp"]["settings"]
    text = ["# Performance", "",
            "Written by `./dev bench --write`; `bench/README.md` tells what is measured and how.", "", "## Machine", ""]
    queues = {row.peer.name for row in rows if row.peer}
    text += [f"* {name}: {value}" for name, value in latest["facts"] if name not in queues]
    many = pairs[0] if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    text += [f"* {many} pairs, {settings['seconds']:g} s each; logs of {settings['log_mb'] / 1000:g} GB for a start "
             "after kill -9 and for cold reads"]
    missing = sorted({row.name for row in rows for mode in row.modes
                      if not row.peer and mode in modes and (row.name, mode) not in results})
    old = sorted({result["row"] for result in results.values() if not current(result)})
    if missing:
        text.append(f"* not measured: {', '.join(missing)}")
    if old:
        text.append(f"* of an older build: {', '.join(old)}")
    text += ["", "## Method", "", METHOD, ""]
    for mode in modes:
        text += mode_section(mode, rows, results)
    text += peers_section(modes, rows, results, absent)
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
