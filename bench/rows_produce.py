# SPDX-License-Identifier: LGPL-2.1-or-later
"""Producing as fast as it goes: through librdkafka, by many connections, and in large batches."""

from figures import Figure, at_most, ratio_at_least, ratio_at_most
from rows import Row, without_setup
from servers import Broker, Floor

BATCH_OF_A_MEBIBYTE = (1 << 20) - 200  # with the headers around it just below the largest batch


def closed_loop(size, partitions):
    def measure(bench, pinned):
        seconds = bench.options.seconds
        with Floor(bench, pinned, "mock", partitions=partitions) as mock:
            before = mock.cpu_s()
            floor = bench.client(pinned, "produce", broker=mock.address, size=size, partitions=partitions,
                                 seconds=seconds)
            floor_cpu = (mock.cpu_s() - before) / (floor["all_mb"] / 1000)
        with Broker(bench, pinned) as broker:
            bench.client(pinned, "topics", broker=broker.address, partitions=partitions)
            before = broker.cpu_s()
            ours = bench.client(pinned, "produce", broker=broker.address, size=size, partitions=partitions,
                                seconds=seconds)
            cpu = (broker.settled_cpu_s() - before) / (ours["all_mb"] / 1000)
        bench.insist(ours["failed"] == 0, "messages were refused")
        key = "messages_per_s" if size < 1000 else "mb_per_s"
        return {"rate": (ours[key], floor[key]), "cpu": (cpu, floor_cpu)}

    label = f"produce {size} B, {partitions} partition{'s' * (partitions > 1)}, librdkafka"
    return Row(f"produce-{size}-{partitions}", f"librdkafka, closed loop, {size} B, {partitions} partitions", [
        Figure("rate", label, "messages/s" if size < 1000 else "MB/s", ratio_at_least(0.85), "mock broker"),
        Figure("cpu", f"{label}: broker's CPU", "s/GB", at_most(1.0 if size < 1000 else 0.5, "s/GB"), "mock broker"),
    ], without_setup(measure), lambda bench: (0, 2.4 * bench.options.seconds + 2.5))


def fifty_producers(bench, pinned):
    load = {"connections": 50, "partitions": 50, "records": 100, "size": 100, "seconds": bench.options.seconds}
    with Floor(bench, pinned, "floor", file=bench.work / "floor") as server:
        floor = bench.client(pinned, "load", broker=server.address, kafka=0, **load)
    with Broker(bench, pinned) as broker:
        bench.client(pinned, "topics", broker=broker.address, partitions=50)
        before, flushes = broker.cpu_s(), broker.metrics()["goqueue_journal_flushes_total"]
        ours = bench.client(pinned, "load", broker=broker.address, **load)
        cpu = (broker.settled_cpu_s() - before) / (ours["all_mb"] / 1000)
        flushes = broker.metrics()["goqueue_journal_flushes_total"] - flushes
    result = {key: (ours[key], floor[key]) for key in ("batches_per_s", "p50_us", "p99_us")}
    return result | {"cpu": (cpu, None), "batches_per_flush": (ours["all_batches"] / max(flushes, 1), None)}


def journal(bench, pinned):
    floor = bench.client(pinned, "disk", core=0, size=1 << 20, file=bench.work / "floor", seconds=bench.options.seconds)
    with Broker(bench, pinned) as broker:
        bench.client(pinned, "topics", broker=broker.address, partitions=8)
        before = broker.cpu_s()
        ours = bench.client(pinned, "load", broker=broker.address, connections=8, partitions=8,
                            size=BATCH_OF_A_MEBIBYTE, seconds=bench.options.seconds)
        cpu = (broker.settled_cpu_s() - before) / (ours["all_mb"] / 1000)
    return {"mb_per_s": (ours["mb_per_s"], floor["mb_per_s"]), "cpu": (cpu, None)}


def rows():
    fifty = "50 connections to 50 partitions, batches of 100 × 100 B, raw client"
    return [closed_loop(size, partitions) for size in (100, 1024) for partitions in (1, 16)] + [
        Row("producers-50", "50 connections, a partition and one batch in flight each, raw client", [
            Figure("batches_per_s", fifty, "batches/s", ratio_at_least(0.5), "raw server with group commit"),
            Figure("p50_us", f"{fifty}: p50", "µs", None, "raw server"),
            Figure("p99_us", f"{fifty}: p99", "µs", ratio_at_most(2), "raw server"),
            Figure("cpu", f"{fifty}: broker's CPU", "s/GB"),
            Figure("batches_per_flush", f"{fifty}: batches per fdatasync", "batches"),
        ], without_setup(fifty_producers), lambda bench: (0, 2.4 * bench.options.seconds + 2.5)),
        Row("journal", "batches of 1 MiB by 8 connections, raw client", [
            Figure("mb_per_s", "8 connections, batches of 1 MiB, raw client", "MB/s", ratio_at_least(0.4),
                   "1 MiB O_DIRECT and fdatasync"),
            Figure("cpu", "8 connections, batches of 1 MiB, raw client: broker's CPU", "s/GB"),
        ], without_setup(journal), lambda bench: (0, 2.4 * bench.options.seconds + 5)),
    ]
