# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel sees: a flush before each acknowledgement, and one flush for many records under load."""

import re

from e2elib.clients import Confluent
from e2elib.harness import plain_only
from e2elib.text import pieces, text

FLUSH = re.compile(r"\b(fdatasync|fsync)\(|\bpwritev2\(.*RWF_D?SYNC")


def traced_broker(t):
    """strace -D: the daemon itself is our child, strace follows it."""
    trace = t.dir / "trace.txt"
    calls = "trace=fdatasync,fsync,pwritev2"
    return t.broker(wrapper=["strace", "-D", "-f", "-qq", "-s", "0", "-e", calls, "-o", str(trace)]), trace


def flushes(trace):
    return sum(1 for line in trace.read_text().splitlines() if FLUSH.search(line) and "resumed" not in line)


@plain_only
def test_flush_for_each_acknowledgement(t):
    """One record in flight: each acknowledgement has a flush of its own before it."""
    broker, trace = traced_broker(t)
    Confluent.create_topic(broker.address, "t")
    producer = Confluent.producer(broker.address, linger_ms=0, max_in_flight=1)
    producer.produce("t", b"first", partition=0)
    assert producer.flush(30) == 0
    for number in range(200):
        before = flushes(trace)
        producer.produce("t", b"%d" % number, partition=0)
        assert producer.flush(30) == 0
        assert flushes(trace) > before, f"record {number} was acknowledged without a flush"


@plain_only
def test_group_commit(t):
    """Under load far fewer flushes than records, and fewer than requests."""
    broker, trace = traced_broker(t)
    Confluent.create_topic(broker.address, "t")
    records = pieces(text(2 * 1000 * 1000), 100)
    before = flushes(trace)
    producer = Confluent.producer(broker.address, linger_ms=1, batch_num_messages=100)
    for record in records:
        producer.produce("t", record, partition=0)
        producer.poll(0)
    assert producer.flush(60) == 0
    used = flushes(trace) - before
    print(f"{used} flushes for {len(records)} records")
    assert 0 < used < len(records) / 10
