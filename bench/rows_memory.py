# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resident memory: idle, with many partitions, and the most of it under load at default limits."""

import servers
from figures import Figure, at_most
from rows import Row, without_setup
from rows_produce import BATCH_OF_A_MEBIBYTE
from servers import Broker

CONNECTIONS = 64
# 32 MiB, and as in goqueue.yaml(5): request_memory, performance.write_cache_size and read_cache_size, of which none has
# to make room for a larger request here, and 16 KiB for each connection.
LIMIT_MIB = 32 + 32 + 32 + 64 + CONNECTIONS * 16 / 1024


def resting(partitions):
    def measure(bench, pinned):
        with Broker(bench, pinned) as broker:
            if partitions > 0:
                bench.client(pinned, "topics", broker=broker.address, topic="idle", count=10,
                             partitions=partitions // 10)
                broker.end()
                broker.start()  # what making them took is gone
            memory = servers.memory_mb(broker.pid)
        return {"rss": (memory["VmRSS"], None), "anon": (memory["RssAnon"], None)}
    return without_setup(measure)


def loaded(bench, pinned):
    with Broker(bench, pinned) as broker:
        bench.client(pinned, "topics", broker=broker.address, partitions=CONNECTIONS)
        peak = servers.Peak(broker.pid)
        for size, records in ((100, 100), (1024, 900), (BATCH_OF_A_MEBIBYTE, 1)):
            bench.client(pinned, "load", broker=broker.address, connections=CONNECTIONS, partitions=CONNECTIONS,
                         size=size, records=records, seconds=bench.options.seconds)
        for _ in range(2):
            bench.client(pinned, "fetch", broker=broker.address, partitions=CONNECTIONS)
        most = peak.stop()
        memory = servers.memory_mb(broker.pid)
    return {"peak": (most["RssAnon"], None), "anon": (memory["RssAnon"], None), "rss": (memory["VmRSS"], None)}


def rows():
    return [
        Row("memory-idle", "resident memory of a broker that has done nothing", [
            Figure("rss", "resident memory, idle", "MiB", at_most(6, "MiB")),
            Figure("anon", "resident memory, idle: without mapped files", "MiB"),
        ], resting(0), lambda bench: (0, 1), modes=("pinned",)),
        Row("memory-10000", "resident memory with 10,000 idle partitions", [
            Figure("rss", "resident memory, 10,000 idle partitions", "MiB", at_most(16, "MiB")),
            Figure("anon", "resident memory, 10,000 idle partitions: without mapped files", "MiB"),
        ], resting(10000), lambda bench: (0, 5), modes=("pinned",)),
        Row("memory-load", f"resident memory under load: {CONNECTIONS} connections, batches of 10 KB to 1 MiB", [
            Figure("peak", "resident memory under load, the most, without mapped files", "MiB",
                   at_most(LIMIT_MIB, "MiB")),
            Figure("anon", "resident memory after load, without mapped files", "MiB"),
            Figure("rss", "resident memory after load", "MiB"),
        ], without_setup(loaded), lambda bench: (0, 3.6 * bench.options.seconds + 15), modes=("pinned",)),
    ]
