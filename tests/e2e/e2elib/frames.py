# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kafka requests by hand, for bytes that no client would send."""

import struct


def frame(body):
    return struct.pack(">i", len(body)) + body


def request(key, version, body=b"", correlation=7, client=b"garbage"):
    return frame(struct.pack(">hhih", key, version, correlation, len(client)) + client + body)
