# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same work by another queue and by us, in turns: one row for each queue in each setting and each work. We flush
before each acknowledgement, always; what the other one does is its row's durability."""

import contextlib
import itertools
import signal
import subprocess
import time

import peers
import servers
from figures import Figure, ratio_at_least, ratio_at_most
from rows import Row
from rows_read import fill
from rows_start import Started
from servers import Broker

IN_FLIGHT = 1000  # messages, where the other one isn't asked through librdkafka
RESTING_S = 0.5
ATTACH_S = 0.5
FLUSHES = ("fsync", "fdatasync", "msync", "sync_file_range")
TRACE_S = 0.5  # at most
WARM_UP = 3  # times, where the other one has just been started
TOPICS = itertools.count(1)


class Work:
    """What is asked of both sides, and which figures of it are compared."""

    warm_up = 1  # times before a row, where the other one stays

    def __init__(self, name, partitions=1):
        self.name = name
        self.partitions = partitions

    def ask(self, bench, pinned, server, topic, first):
        """first: with what is measured once for a row."""
        raise NotImplementedError

    def once(self, bench, pinned, server, first=False):
        """On a topic of its own, which is deleted at the end where it would stay."""
        topic = f"bench-{next(TOPICS)}"
        kafka, stays = getattr(server, "protocol", None) is None, getattr(server, "stays", False)
        if kafka:
            bench.client(pinned, "topics", broker=server.address, topic=topic, partitions=self.partitions)
        if stays:
            time.sleep(RESTING_S)  # it makes and deletes partitions behind its answers
        result = self.ask(bench, pinned, server, topic, first)
        if kafka and stays:  # a raw client deletes what it has made itself
            bench.client(pinned, "drop", broker=server.address, topic=topic)
        return result


class ClosedLoop(Work):
    def __init__(self, size):
        super().__init__(f"produce-{size}-1")
        self.size = size

    def ask(self, bench, pinned, server, topic, first):
        protocol = getattr(server, "protocol", None)
        settings = {"broker": server.address, "topic": topic, "size": self.size, "seconds": bench.options.seconds}
        before = server.cpu_s()
        if protocol is None:
            result = bench.client(pinned, "produce", partitions=1, **settings)
        else:
            result = bench.client(pinned, "flow", peer=protocol, depth=IN_FLIGHT, **settings)
        bench.insist(result["failed"] == 0, "messages were refused")
        return {"rate": result["messages_per_s" if self.size < 1000 else "mb_per_s"],
                "cpu": (server.settled_cpu_s() - before) / (result["all_mb"] / 1000)}


def flushes_per_message(bench, server, run):
    """How often its process flushes files during run(), which gives how many messages that took."""
    counts = bench.work / "flushes"
    with subprocess.Popen(["strace", "-f", "-qq", "-c", "-e", f"trace={','.join(FLUSHES)}", "-o", str(counts), "-p",
                           str(server.pid)], stderr=subprocess.DEVNULL) as trace:
        try:
            time.sleep(ATTACH_S)  # strace says nothing when it has attached
            messages = run()
        finally:
            trace.send_signal(signal.SIGINT)
            trace.wait(60)
    lines = (line.split() for line in counts.read_text(encoding="utf-8").splitlines())
    return sum(int(words[3]) for words in lines if words and words[-1] in FLUSHES) / messages


class OneInFlight(Work):
    def ask(self, bench, pinned, server, topic, first):
        """Ours by the client that the other one has: librdkafka, or a raw one."""
        protocol = getattr(server, "protocol", None)
        settings = {"broker": server.address, "topic": topic, "size": 100, "seconds": bench.options.seconds}
        command = self.name
        if protocol is not None:
            command, settings = "flow", {**settings, "peer": protocol, "depth": 1}
        result = bench.client(pinned, command, **settings)
        figures = {key: result[key] for key in ("p50_us", "p99_us")}
        if first:
            if protocol is not None:
                settings["topic"] += "-traced"  # each run makes its own
            settings["seconds"] = min(bench.options.seconds, TRACE_S)
            figures["flushes"] = flushes_per_message(
                bench, server, lambda: bench.client(pinned, command, **settings)["all"])
        return figures


class FixedRate(Work):
    warm_up = 3  # batches of a message or two are another way through a Java machine than full ones

    def ask(self, bench, pinned, server, topic, first):
        """What it hasn't acknowledged half a minute later is in no figure, which is to its advantage."""
        result = bench.client(pinned, "rate", broker=server.address, topic=topic, rate=10000, size=100, linger_ms=1,
                              partitions=self.partitions, seconds=bench.options.seconds)
        return {key: result[key] for key in ("p50_ms", "p99_ms")}


def both(ours, theirs):
    return {key: (ours[key], theirs[key]) for key in theirs}


@contextlib.contextmanager
def other_queue(kind, bench, pinned):
    """Gives what is to be called for one that runs: a context. One that stays goes on with the next row."""
    if not kind.stays:
        bench.kept_peer.end()
        yield lambda: kind(bench, pinned)
        return
    peer = bench.kept_peer.get(kind, bench, pinned)
    try:
        yield lambda: contextlib.nullcontext(peer)
    except BaseException:
        bench.kept_peer.end()
        raise


def in_turns(kind, work):
    @contextlib.contextmanager
    def measure(bench, pinned):
        first = True

        def pair():
            nonlocal first
            with running() as peer:
                theirs = work.once(bench, pinned, peer, first)
            flushed = theirs.get("flushes", 1) > 0.99
            bench.insist(flushed or kind.durability != "D1", f"{kind.name} acknowledges before it flushes")
            with peer.halted() if kind.stays else contextlib.nullcontext(), Broker(bench, pinned) as broker:
                ours = work.once(bench, pinned, broker, first)
            first = False
            return both(ours, theirs)

        with other_queue(kind, bench, pinned) as running:
            for _ in range(bench.kept_peer.warm_ups(work.warm_up, WARM_UP) if kind.stays else 0):
                with running() as peer:
                    work.once(bench, pinned, peer)
            yield pair
    return measure


def consume(kind):
    @contextlib.contextmanager
    def measure(bench, pinned):
        topic = f"bench-{next(TOPICS)}"

        def read(server):
            before = server.cpu_s()
            result = bench.client(pinned, "consume", broker=server.address, topic=topic)
            return {"mb_per_s": result["mb_per_s"],
                    "cpu": (server.cpu_s() - before) / (result["messages"] * 1024 / 1e9)}

        with other_queue(kind, bench, pinned) as running, running() as peer, Broker(bench, pinned) as broker:
            for server in (peer, broker):
                fill(bench, pinned, server, topic, 1, bench.options.read_mb)
                read(server)

            def pair():
                theirs = read(peer)
                with peer.halted():
                    return both(read(broker), theirs)
            yield pair
            bench.client(pinned, "drop", broker=peer.address, topic=topic)
    return measure


def idle(kind):
    @contextlib.contextmanager
    def measure(bench, pinned):
        def start(server):
            started = Started(bench, server, "first")
            try:
                time.sleep(RESTING_S)
                return {"first_ms": started.result["first_ms"],
                        "rss": servers.memory_mb(started.result["pid"])["VmRSS"]}
            finally:
                started.close()
                server.remove()

        def pair():
            theirs = start(kind(bench, pinned))
            return both(start(Broker(bench, pinned)), theirs)
        bench.kept_peer.end()
        yield pair
    return measure


def produce_row(kind, name, size, least, cpu_most=None):
    unit, work = "messages/s" if size < 1000 else "MB/s", ClosedLoop(size)
    label = f"produce {size} B, 1 partition or stream"
    return Row(f"{name}-{work.name}", f"{label}, beside {kind.name}", [
        Figure("rate", label, unit, ratio_at_least(least) if least else None),
        Figure("cpu", f"{label}: CPU of the server", "s/GB", ratio_at_most(cpu_most) if cpu_most else None),
    ], in_turns(kind, work), cost(kind), peer=kind)


def one_row(kind, name, most=None):
    label = "one message of 100 B in flight"
    return Row(f"{name}-one", f"{label}, beside {kind.name}", [
        Figure("p50_us", f"{label}: p50", "µs", ratio_at_most(most) if most else None),
        Figure("p99_us", f"{label}: p99", "µs"),
        Figure("flushes", f"{label}: fsyncs per acknowledgement", "–"),
    ], in_turns(kind, OneInFlight("sync" if kind.protocol is None else "one")), cost(kind), peer=kind)


def rate_row(kind, name, p50, p99, behind_s=0):
    label = "10,000 messages/s of 100 B over 100 partitions, linger 1 ms"
    return Row(f"{name}-rate", f"{label}, beside {kind.name}", [
        Figure("p50_ms", f"{label}: p50", "ms", ratio_at_most(p50)),
        Figure("p99_ms", f"{label}: p99", "ms", ratio_at_most(p99)),
    ], in_turns(kind, FixedRate("rate", partitions=100)), cost(kind, FixedRate.warm_up, behind_s), peer=kind)


def consume_row(kind, name):
    return Row(f"{name}-consume", f"consuming 1 KiB messages from the page cache, librdkafka, beside {kind.name}", [
        Figure("mb_per_s", "consume 1 KiB from the page cache, librdkafka", "MB/s"),
        Figure("cpu", "consume 1 KiB from the page cache, librdkafka: CPU of the server", "s/GB"),
    ], consume(kind), lambda bench: (bench.options.read_mb / 100, bench.options.read_mb / 150 + 1), peer=kind)


def idle_row(kind, name):
    return Row(f"{name}-idle", f"start on an empty directory, and memory then, beside {kind.name}", [
        Figure("first_ms", "exec to the first message acknowledged", "ms"),
        Figure("rss", "resident memory after that", "MiB"),
    ], idle(kind), lambda bench: (0, 2 * RESTING_S + (7 if kind.stays else 1)), peer=kind)


def cost(kind, warm_up=1, behind_s=0):
    """behind_s: how long it takes to catch up after a run."""
    def seconds(bench):
        run = 1.2 * bench.options.seconds + behind_s + (1 if kind.stays else 0)
        return (warm_up * run + 5 if kind.stays else 2, run + 1.2 * bench.options.seconds + 1.3)
    return seconds


def rows():
    kafka, flushing = peers.Kafka, peers.KafkaFlushing
    return [
        produce_row(kafka, "kafka", 100, 1.0, 1 / 3), produce_row(kafka, "kafka", 1024, 1.0, 1 / 3),
        one_row(kafka, "kafka"), rate_row(kafka, "kafka", 1 / 2, 1 / 4), consume_row(kafka, "kafka"),
        idle_row(kafka, "kafka"),
        produce_row(flushing, "kafka-flush", 100, None), produce_row(flushing, "kafka-flush", 1024, None),
        one_row(flushing, "kafka-flush", 1 / 4), rate_row(flushing, "kafka-flush", 1 / 500, 1 / 200, 6),
        produce_row(peers.Redis, "redis", 100, 4), produce_row(peers.Redis, "redis", 1024, None),
        one_row(peers.Redis, "redis"), idle_row(peers.Redis, "redis"),
        produce_row(peers.RedisAlways, "redis-always", 100, None),
        produce_row(peers.RedisAlways, "redis-always", 1024, None), one_row(peers.RedisAlways, "redis-always"),
        produce_row(peers.Rabbit, "rabbitmq", 100, 2.5), produce_row(peers.Rabbit, "rabbitmq", 1024, None),
        one_row(peers.Rabbit, "rabbitmq"), idle_row(peers.Rabbit, "rabbitmq"),
        produce_row(peers.Nats, "nats", 100, 5), produce_row(peers.Nats, "nats", 1024, 2.5),
        one_row(peers.Nats, "nats"), idle_row(peers.Nats, "nats"),
        produce_row(peers.NatsAlways, "nats-always", 100, 200),
        produce_row(peers.NatsAlways, "nats-always", 1024, None),
        one_row(peers.NatsAlways, "nats-always"),
    ]
