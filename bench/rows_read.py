# SPDX-License-Identifier: LGPL-2.1-or-later
"""Consuming: from the page cache as fast as it goes, and from the disk beside a producer."""

import contextlib
import subprocess

from figures import Figure, at_most, ratio_at_least, ratio_at_most
from rows import Row
from servers import Broker, Floor

BATCH_RECORDS = 900  # of 1 KiB: batches a little below 1 MiB
BATCH_MB = BATCH_RECORDS * 1024 / 1e6
ROUNDS = 4


def fill(bench, pinned, broker, topic, partitions, megabytes):
    bench.client(pinned, "topics", broker=broker.address, topic=topic, partitions=partitions)
    bench.client(pinned, "load", broker=broker.address, topic=topic, connections=partitions, partitions=partitions,
                 size=1024, records=BATCH_RECORDS, count=max(int(megabytes / BATCH_MB), partitions))
    broker.settle()


@contextlib.contextmanager
def raw(bench, pinned):
    """The same bytes by sendfile from a file, and by Fetch from the log, each several times over."""
    with Broker(bench, pinned) as broker:
        fill(bench, pinned, broker, "bench", 1, bench.options.read_mb)
        bench.client(pinned, "fetch", broker=broker.address)  # into the page cache
        source = max(broker.files(), key=lambda path: path.stat().st_size)

        def pair():
            total = ROUNDS * bench.options.read_mb * 10**6
            with Floor(bench, pinned, "sendfile", file=source, count=total) as server:
                before = server.cpu_s()
                floor = bench.client(pinned, "stream", broker=server.address)
                floor_cpu = (server.cpu_s() - before) / (floor["bytes"] / 1e9)
            before = broker.cpu_s()
            ours = bench.client(pinned, "fetch", broker=broker.address, count=ROUNDS)
            cpu = (broker.cpu_s() - before) / (ours["bytes"] / 1e9)
            return {"mb_per_s": (ours["mb_per_s"], floor["mb_per_s"]), "cpu": (cpu, floor_cpu)}
        yield pair


@contextlib.contextmanager
def through_librdkafka(bench, pinned):
    with Broker(bench, pinned) as broker:
        fill(bench, pinned, broker, "bench", 1, bench.options.read_mb)
        bench.client(pinned, "fetch", broker=broker.address)

        def pair():
            before = broker.cpu_s()
            ours = bench.client(pinned, "consume", broker=broker.address)
            cpu = (broker.cpu_s() - before) / (ours["messages"] * 1024 / 1e9)
            return {"mb_per_s": (ours["mb_per_s"], None), "cpu": (cpu, None)}
        yield pair


def rate_beside(bench, pinned, broker, consume):
    """Latency of a producer at a fixed rate while consume() is called over and over; None: alone."""
    arguments = bench.client_command("rate", broker=broker.address, topic="live", rate=10000, partitions=100, size=100,
                                     linger_ms=1, seconds=bench.options.seconds)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=bench.client_pin(pinned)) as rate:
        while consume is not None and rate.poll() is None:
            consume(rate)
        return bench.parse(arguments, rate.communicate()[0])


@contextlib.contextmanager
def cold(bench, pinned):
    with Broker(bench, pinned) as broker:
        fill(bench, pinned, broker, "cold", 4, bench.options.log_mb)
        files = broker.files()
        bench.client(pinned, "topics", broker=broker.address, topic="live", partitions=100)
        read = []

        def consume(rate):
            broker.drop_caches(files)
            arguments = bench.client_command("fetch", broker=broker.address, topic="cold", partitions=4,
                                             recv=64 << 10)
            # A second client on the producer's core must not be what delays it.
            with subprocess.Popen(["chrt", "-i", "0"] + arguments, stdout=subprocess.PIPE, text=True,
                                  preexec_fn=bench.client_pin(pinned)) as reader:
                while reader.poll() is None and rate.poll() is None:
                    try:
                        reader.wait(0.05)
                    except subprocess.TimeoutExpired:
                        pass
                if reader.poll() is None:
                    reader.kill()
                else:
                    read.append(bench.parse(arguments, reader.communicate()[0])["mb_per_s"])

        def pair():
            read.clear()
            floor = rate_beside(bench, pinned, broker, None)
            ours = rate_beside(bench, pinned, broker, consume)
            result = {key: (ours[key], floor[key]) for key in ("p50_ms", "p99_ms")}
            return result | ({"read": (sum(read) / len(read), None)} if read else {})
        yield pair


def rows():
    raw_client, library = (f"consume 1 KiB from the page cache, {client}" for client in ("raw client", "librdkafka"))
    beside = "10,000 messages/s of 100 B over 100 partitions beside a consumer of a cold log"
    return [
        Row("consume", "consuming 1 KiB messages from the page cache, raw client", [
            Figure("mb_per_s", raw_client, "MB/s", ratio_at_least(0.85), "sendfile, 256 KiB a call"),
            Figure("cpu", f"{raw_client}: broker's CPU", "s/GB", at_most(0.15, "s/GB"), "sendfile"),
        ], raw, lambda bench: (bench.options.read_mb / 300 + 3, ROUNDS * bench.options.read_mb / 1000 + 1)),
        Row("consume-librdkafka", "consuming 1 KiB messages from the page cache, librdkafka", [
            Figure("mb_per_s", library, "MB/s"),
            Figure("cpu", f"{library}: broker's CPU", "s/GB"),
        ], through_librdkafka, lambda bench: (bench.options.read_mb / 300 + 3, bench.options.read_mb / 300 + 1)),
        Row("cold", "a producer at a fixed rate, alone and beside one consumer of a log that isn't in memory", [
            Figure("p50_ms", f"{beside}: p50", "ms", None, "alone"),
            Figure("p99_ms", f"{beside}: p99", "ms", ratio_at_most(1.5), "alone"),
            Figure("read", "what that consumer gets meanwhile", "MB/s"),
        ], cold, lambda bench: (bench.options.log_mb / 300 + 3, 2.4 * bench.options.seconds + 2)),
    ]
