# SPDX-License-Identifier: LGPL-2.1-or-later
"""From exec to the first acknowledged message, by a client that tries to connect all the time."""

import contextlib
import json
import os
import signal
import subprocess

import machine
import servers
from figures import Figure, at_most
from rows import Row
from rows_read import BATCH_MB, BATCH_RECORDS, fill
from servers import Broker

REFILL_MB = 256


class Started:
    """A broker that bench-client has started; it ends when this is closed, or before by kill()."""

    def __init__(self, bench, broker, topic):
        core = machine.CORES[broker.core] if broker.core is not None else -1
        protocol = getattr(broker, "protocol", None)
        arguments = bench.client_command("start", broker=broker.address, topic=topic, file=broker.log, server_core=core,
                                         **({"peer": protocol} if protocol else {}))
        self.process = subprocess.Popen(arguments + ["--"] + broker.command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, preexec_fn=bench.client_pin(broker.core is not None))
        line = self.process.stdout.readline()
        if not line:
            raise servers.Failed(f"the broker didn't start: {broker.log.read_text(encoding='utf-8')[-2000:]}")
        self.result = json.loads(line)

    def kill(self):
        os.kill(self.result["pid"], signal.SIGKILL)
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.wait(120)


def values(started):
    return {"first_ms": (started.result["first_ms"], None), "connected_ms": (started.result["connected_ms"], None)}


@contextlib.contextmanager
def empty(bench, pinned):
    def pair():
        broker = Broker(bench, pinned)
        started = Started(bench, broker, "first")
        started.close()
        broker.remove()
        return values(started)
    yield pair


@contextlib.contextmanager
def many_partitions(bench, pinned):
    broker = Broker(bench, pinned).start()
    bench.client(pinned, "topics", broker=broker.address, topic="idle", count=10, partitions=1000)
    broker.end()
    count = 0

    def pair():
        nonlocal count
        count += 1
        started = Started(bench, broker, f"first-{count}")
        started.close()
        return values(started)
    yield pair
    broker.remove()


@contextlib.contextmanager
def after_kill(bench, pinned):
    broker = Broker(bench, pinned).start()
    fill(bench, pinned, broker, "bench", 8, bench.options.log_mb)
    count = 0

    def refill():
        bench.client(pinned, "load", broker=broker.address, connections=8, partitions=8, size=1024,
                     records=BATCH_RECORDS, count=int(REFILL_MB / BATCH_MB))

    def pair():
        nonlocal count
        count += 1
        started = Started(bench, broker, f"first-{count}")
        refill()
        started.kill()
        return values(started)
    refill()
    broker.kill()
    yield pair
    broker.remove()


def start_row(name, title, label, bound, measure, cost):
    return Row(name, title, [
        Figure("first_ms", label, "ms", at_most(bound, "ms")),
        Figure("connected_ms", f"{label}: until it listens", "ms"),
    ], measure, cost)


def rows():
    what = "exec to first acknowledgement"
    return [
        start_row("start-empty", "start on an empty directory", f"{what}, empty directory", 10, empty,
                  lambda bench: (0, 0.5)),
        start_row("start-10000", "start with 10,000 partitions", f"{what}, 10,000 partitions", 150, many_partitions,
                  lambda bench: (5, 1)),
        start_row("start-log", "start after kill -9 with a large log (--log-mb)", f"{what}, after kill -9 under load",
                  1000, after_kill, lambda bench: (bench.options.log_mb / 300 + 3, 5)),
    ]
