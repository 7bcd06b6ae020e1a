# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long an acknowledgement takes: one message in flight, and messages at a fixed rate."""

from figures import Figure, above_floor_at_most, ratio_at_most
from rows import Row, without_setup
from servers import Broker, Floor


def one_raw(bench, pinned):
    with Floor(bench, pinned, "floor", file=bench.work / "floor") as server:
        floor = bench.client(pinned, "one", broker=server.address, kafka=0, size=100, seconds=bench.options.seconds)
    with Broker(bench, pinned) as broker:
        bench.client(pinned, "topics", broker=broker.address)
        ours = bench.client(pinned, "one", broker=broker.address, size=100, seconds=bench.options.seconds)
    return {key: (ours[key], floor[key]) for key in ("p50_us", "p99_us")}


def one_kafka(bench, pinned):
    with Floor(bench, pinned, "mock") as mock:
        floor = bench.client(pinned, "sync", broker=mock.address, size=100, seconds=bench.options.seconds)
    with Broker(bench, pinned) as broker:
        bench.client(pinned, "topics", broker=broker.address)
        ours = bench.client(pinned, "sync", broker=broker.address, size=100, seconds=bench.options.seconds)
    return {key: (ours[key], floor[key]) for key in ("p50_us", "p99_us")}


def fixed_rate(rate, partitions):
    def measure(bench, pinned):
        work = {"rate": rate, "partitions": partitions, "size": 100, "linger_ms": 1, "seconds": bench.options.seconds}
        with Floor(bench, pinned, "mock", partitions=partitions) as mock:
            floor = bench.client(pinned, "rate", broker=mock.address, **work)
        with Broker(bench, pinned) as broker:
            bench.client(pinned, "topics", broker=broker.address, partitions=partitions)
            before = broker.metrics()["goqueue_journal_flushes_total"]
            ours = bench.client(pinned, "rate", broker=broker.address, **work)
            flushes = broker.metrics()["goqueue_journal_flushes_total"] - before
        bench.insist(ours["failed"] == 0 and ours["late"] == 0, "messages were not acknowledged")
        return {"p50_ms": (ours["p50_ms"], floor["p50_ms"]), "p99_ms": (ours["p99_ms"], floor["p99_ms"]),
                "flushes": (flushes / (1.2 * bench.options.seconds), None)}

    label = f"{rate:,} messages/s of 100 B over {partitions} partition{'s' * (partitions > 1)}"
    return Row(f"rate-{rate}-{partitions}", f"librdkafka, open loop, {label}, linger 1 ms", [
        Figure("p50_ms", f"{label}: p50", "ms", above_floor_at_most(1, "ms"), "mock broker"),
        Figure("p99_ms", f"{label}: p99", "ms", ratio_at_most(1.5), "mock broker"),
        Figure("flushes", f"{label}: fdatasyncs", "1/s"),
    ], without_setup(measure), lambda bench: (0, 2.4 * bench.options.seconds + 2.5))


def rows():
    def cost(bench):
        return 0, 2.4 * bench.options.seconds + 2.5

    raw, library = (f"one message of 100 B in flight, {client}" for client in ("raw client", "librdkafka"))
    return [
        Row("one", raw, [
            Figure("p50_us", f"{raw}: p50", "µs", ratio_at_most(1.3), "raw server"),
            Figure("p99_us", f"{raw}: p99", "µs", ratio_at_most(1.5), "raw server"),
        ], without_setup(one_raw), cost),
        Row("one-librdkafka", library, [
            Figure("p50_us", f"{library}: p50", "µs", None, "mock broker, stores nothing"),
            Figure("p99_us", f"{library}: p99", "µs", None, "mock broker, stores nothing"),
        ], without_setup(one_kafka), cost),
    ] + [fixed_rate(rate, partitions) for rate in (10000, 50000) for partitions in (100, 1)]
