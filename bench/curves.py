# SPDX-License-Identifier: LGPL-2.1-or-later
"""How things grow: partitions, connections, producers, message sizes, size of the log. Each point is a broker of its
own; each curve is kept in build/bench/curves/ point by point, and drawn to docs/performance-NAME.svg."""

import dataclasses
import json
import resource
import statistics
import time
import typing

import plot
import servers
from rows_read import BATCH_MB, BATCH_RECORDS
from rows_start import Started
from servers import Broker, Floor

OPEN_FILES = 1 << 20
WIDE = {"max_connections": 20000, "max_connections_per_address": 20000}


@dataclasses.dataclass(frozen=True)
class Curve:
    name: str
    title: str
    x_label: str
    points: typing.Callable  # (bench) -> values of x
    measure: typing.Callable  # (bench, x) -> figures
    panels: typing.List[typing.Tuple[str, typing.Dict[str, str]]]  # (title, name of a line -> key of a figure)


def loaded(bench, partitions, floor=False, settings=None, **load):
    """A load of a broker, and of the floor beside it. The CPU of what is left to do afterwards counts too."""
    load = {"partitions": partitions, "seconds": bench.options.seconds} | load
    result = {}
    if floor:
        with Floor(bench, True, "floor", file=bench.work / "floor") as server:
            other = bench.client(True, "load", broker=server.address, kafka=0, **load)
        result |= {f"floor_{key}": other[key] for key in ("p50_us", "p99_us", "batches_per_s", "mb_per_s")}
    with Broker(bench, True, **(settings or {})) as broker:
        bench.client(True, "topics", broker=broker.address, partitions=partitions)
        bench.client(True, "load", broker=broker.address, connections=50, partitions=partitions,
                     count=max(partitions, 50))  # the first message of a partition makes its files
        before = broker.settled_cpu_s()
        peak = servers.Peak(broker.pid)
        ours = bench.client(True, "load", broker=broker.address, **load)
        result |= peak.stop()
        cpu = broker.settled_cpu_s() - before
    messages = ours["all_batches"] * load.get("records", 1)
    result |= {key: ours[key] for key in ("p50_us", "p99_us", "batches_per_s", "mb_per_s")}
    return result | {"cpu_us_per_message": cpu * 1e6 / messages, "cpu_s_per_gb": cpu / (ours["all_mb"] / 1000)}


def log_size(bench, megabytes):
    """A log of that size: memory and start after kill -9."""
    broker = Broker(bench, True).start()
    bench.client(True, "topics", broker=broker.address, partitions=8)
    bench.client(True, "load", broker=broker.address, connections=8, partitions=8, size=1024, records=BATCH_RECORDS,
                 count=max(int(megabytes / BATCH_MB), 8))
    broker.kill()
    started = Started(bench, broker, "first")
    memory = servers.memory_mb(started.result["pid"])
    started.close()
    again = Started(bench, broker, "second")
    again.close()
    broker.remove()
    return memory | {"killed_ms": started.result["first_ms"], "stopped_ms": again.result["first_ms"]}


LATENCY = ("latency, µs", {"p50": "p50_us", "p99": "p99_us"})
BESIDE_FLOOR = ("latency, µs", LATENCY[1] | {"floor p50": "floor_p50_us", "floor p99": "floor_p99_us"})
MEMORY = ("resident memory, MB", {"all": "VmRSS", "without mapped files": "RssAnon"})
CPU = ("broker's CPU per message, µs", {"goqueue": "cpu_us_per_message"})


def curves():
    return [
        Curve("partitions", "50 connections write batches of 10 × 100 B to all partitions in turn", "partitions",
              lambda bench: (1, 10, 100, 1000, 10000),
              lambda bench, n: loaded(bench, n, connections=50, records=10), [CPU, LATENCY, MEMORY]),
        Curve("connections", "each connection has one message of 100 B in flight, 16 partitions", "connections",
              lambda bench: (1, 10, 100, 1000, 10000),
              lambda bench, n: loaded(bench, 16, floor=True, settings=WIDE, connections=n),
              [CPU, BESIDE_FLOOR, MEMORY]),
        Curve("producers", "each producer has a partition and one batch of 100 × 100 B in flight", "producers",
              lambda bench: (1, 2, 4, 8, 16, 32, 64),
              lambda bench, n: loaded(bench, n, floor=True, connections=n, records=100),
              [("batches per second", {"goqueue": "batches_per_s", "floor": "floor_batches_per_s"}), BESIDE_FLOOR,
               CPU, MEMORY]),
        Curve("sizes", "8 connections, batches of 64 KiB or of one message", "bytes of a message",
              lambda bench: (16, 128, 1024, 8192, 65536, 524288, 1 << 20, 8 << 20),
              lambda bench, n: loaded(bench, 8, floor=True, settings={"max_message_size": "16MiB"}, connections=8,
                                      size=n, records=max(1, 65536 // n)),
              [("MB/s", {"goqueue": "mb_per_s", "floor": "floor_mb_per_s"}),
               ("broker's CPU, s/GB", {"goqueue": "cpu_s_per_gb"}), LATENCY, MEMORY]),
        Curve("log", "a log of 1 KiB messages on 8 partitions", "MB in the log",
              lambda bench: [mb for mb in (10, 100, 300, 1000, 3000, 10000) if mb <= bench.options.log_mb],
              log_size,
              [("exec to first acknowledgement, ms", {"after kill -9": "killed_ms", "after a stop": "stopped_ms"}),
               MEMORY]),
    ]


def raise_open_files():
    """A client of 10,000 connections needs as many descriptors; the broker gets what its systemd unit gives it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def medians(points, key):
    """(x, median) of one figure."""
    line = [(x, statistics.median(figures[key] for figures in runs)) for x, runs in points if key in runs[0]]
    return [point for point in line if point[1] > 0]


def draw(curve, points):
    return plot.chart(curve.x_label, [(title, {name: medians(points, key) for name, key in lines.items()})
                                      for title, lines in curve.panels])


def directory_of(options):
    return options.build / "bench" / ("curves-quick" if options.quick else "curves")


def read(options, curve):
    path = directory_of(options) / f"{curve.name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def measure(bench, stamp, facts, chosen, repeat):
    """What is missing of these curves; results stay in build/bench/curves*/NAME.json, and those of others as well."""
    directory = directory_of(bench.options)
    directory.mkdir(parents=True, exist_ok=True)
    raise_open_files()
    for curve in chosen:
        path = directory / f"{curve.name}.json"
        result = read(bench.options, curve)
        if result.get("stamp") != stamp or bench.options.fresh:
            result = {"stamp": stamp, "facts": facts, "points": {}}
        print(f"{curve.name}: {curve.title}", flush=True)
        for x in curve.points(bench):
            runs = result["points"].setdefault(str(x), [])
            try:
                while len(runs) < repeat:
                    bench.rest()
                    runs.append(curve.measure(bench, x))
                    result["when"] = time.strftime("%Y-%m-%d %H:%M:%S")
                    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            except servers.FAILURES as failed:
                print(f"    {x:>9,}: FAILED: {failed}", flush=True)
            if runs:
                text = ", ".join(f"{key} {value:,.4g}" for key, value in runs[-1].items())
                print(f"    {x:>9,}: {text}", flush=True)


def kept(options):
    """All curves that were measured, as (curve, result)."""
    results = ((curve, read(options, curve)) for curve in curves())
    return [(curve, result) for curve, result in results if any(result.get("points", {}).values())]


def draw_all(to, results):
    for curve, result in results:
        points = [(int(x), runs) for x, runs in result["points"].items() if runs]
        (to / f"performance-{curve.name}.svg").write_text(draw(curve, points), encoding="utf-8")
