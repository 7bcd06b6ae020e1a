# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sealed segments are read again, and damage is told."""

import os

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
