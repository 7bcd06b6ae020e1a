# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP on the Kafka port."""

import http.client
import json


def get(broker, path, method="GET"):
    """(status, headers, body) of one request."""
    conn = http.client.HTTPConnection("127.0.0.1", broker.port, timeout=20)
    try:
        conn.request(method, path)
        answer = conn.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        conn.close()


def get_json(broker, path):
    status, headers, body = get(broker, path)
    assert status == 200, f"{path}: {status} {body}"
    assert headers.get_content_type() == "application/json", headers
    return json.loads(body)


def metrics(broker):
    """Sample (name with labels) -> value."""
    status, _, body = get(broker, "/metrics")
    assert status == 200, f"/metrics: {status}"
    samples = {}
    for line in body.decode().splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            samples[name] = float(value)
    return samples


def metric_sum(broker, name):
    """Sum over all label values; the metric must be there."""
    values = [value for sample, value in metrics(broker).items() if sample.split("{")[0] == name]
    assert values, f"there is no metric {name}"
    return sum(values)
