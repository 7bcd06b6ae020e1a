# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sealed segments are read again, for consumers too, and damage is told."""

import os
import time

from confluent_kafka import TopicPartition

from e2elib.clients import Confluent
from e2elib.harness import limit, wait_for
from e2elib.http import get_json, metric_sum

MB = 1000 * 1000


@limit(120)
def test_damage_is_found(t):
    """A bit flips in a sealed segment: it is found and told, and nothing is cut."""
    broker = t.broker()
    Confluent.create_topic(broker.address, "t", segment_bytes=1 << 16)
    for _ in range(8):
        Confluent.send(broker.address, "t", os.urandom(MB // 8))
    broker.stop()
    segments = sorted(broker.data_dir.glob("topics/*/*.log"))
    assert len(segments) > 4, segments
    victim = segments[2]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 4
    victim.write_bytes(data)
    broker.start()
    wait_for("the damage to be found", lambda: metric_sum(broker, "goqueue_scrub_damaged_total") == 1, 60)
    wait_for("the end", lambda: metric_sum(broker, "goqueue_scrub_segments_total") >= len(segments) - 1, 60)
    line = next(line for line in broker.log().decode().splitlines() if "damaged at byte" in line)
    assert victim.name in line and "offsets" in line, line
    status = get_json(broker, "/cluster/status")
    assert status["topics"][0]["partitions"][0]["damaged_segments"] == 1
    assert any("t-0" in warning for warning in status["warnings"]), status["warnings"]
    assert metric_sum(broker, "goqueue_scrub_damaged_total") == 1
    assert bytes(data) == victim.read_bytes()


def drop_pages(path):
    """Out of the page cache, so that the next read comes from the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@limit(120)
def test_damage_meets_a_consumer(t):
    """A consumer comes by a bit that flipped: it never gets it, gets what is before it, and it is told once."""
    broker = t.broker(config=t.write("broker.yaml", "scrub_rate: 0\n"))
    Confluent.create_topic(broker.address, "t", segment_bytes=1 << 16)
    sent = os.urandom(MB // 2)
    for i in range(0, len(sent), MB // 16):
        Confluent.send(broker.address, "t", sent[i:i + MB // 16])
    broker.stop()
    segments = sorted(broker.data_dir.glob("topics/*/*.log"))
    assert len(segments) > 4, segments
    victim = segments[2]
    data = bytearray(victim.read_bytes())
    data[3] ^= 4  # a base offset: no batch's own checksum has it
    victim.write_bytes(data)
    drop_pages(victim)
    broker.start()
    consumer = Confluent.consumer(broker.address)
    consumer.assign([TopicPartition("t", 0, 0)])
    got = b""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for message in consumer.consume(1000, 0.1):
            assert message.error() is None, message.error()
            got += message.value()
    consumer.close()
    assert sent.startswith(got) and len(got) >= sum(s.stat().st_size for s in segments[:2]) * 9 // 10, len(got)
    lines = [line for line in broker.log().decode().splitlines() if "damaged at byte 0:" in line]
    assert len(lines) == 1 and victim.name in lines[0] and "brokerd --repair" in lines[0], lines
    status = get_json(broker, "/cluster/status")
    assert status["topics"][0]["partitions"][0]["damaged_segments"] == 1
    assert bytes(data) == victim.read_bytes()
