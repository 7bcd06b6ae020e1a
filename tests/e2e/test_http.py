# SPDX-License-Identifier: LGPL-2.1-or-later
"""HTTP on the Kafka port, while Kafka traffic runs."""

import http.client
import subprocess
import threading

from e2elib.clients import Confluent
from e2elib.http import get, get_json, metric_sum, metrics
from e2elib.text import text


def test_health(t):
    broker = t.broker()
    for path in ("/health", "/health/live", "/health/ready"):
        status, _, body = get(broker, path)
        assert status == 200, f"{path}: {status} {body}"


def test_unknown(t):
    broker = t.broker()
    assert get(broker, "/no/such/page")[0] == 404
    assert get(broker, "/health", "DELETE")[0] == 405
    assert get(broker, "/health", "HEAD")[0] == 200


def test_cluster_status(t):
    broker = t.broker()
    Confluent.create_topic(broker.address, "orders", 4)
    status = get_json(broker, "/cluster/status")
    assert "b1" in str(status), status
    assert str(broker.port) in str(status), status


def test_metrics_are_well_formed(t):
    broker = t.broker()
    Confluent.send(broker.address, "t", text(100000))
    body = get(broker, "/metrics")[2]
    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    assert not done.stderr, done.stderr.decode()


def test_metrics_count(t):
    """Traffic shows in the figures."""
    broker = t.broker()
    before = metrics(broker)
    Confluent.send(broker.address, "t", text(100000))
    after = metrics(broker)
    grown = [name for name, value in after.items() if value > before.get(name, 0)]
    assert len(grown) >= 3, grown
    assert metric_sum(broker, "goqueue_produced_records_total") == 101


def test_under_load(t):
    """Every request is answered while a producer and a consumer are at work on the same port."""
    broker = t.broker()
    Confluent.create_topic(broker.address, "t")
    data = text(10 * 1000 * 1000)
    sender = threading.Thread(target=Confluent.send, args=(broker.address, "t", data))
    sender.start()
    asked = 0
    while sender.is_alive() or asked < 30:
        for path in ("/health", "/metrics", "/cluster/status"):
            status, _, body = get(broker, path)
            assert status == 200 and body, f"{path}: {status}"
        asked += 1
    sender.join()
    assert Confluent.read(broker.address, "t") == data


def test_off(t):
    """http: false leaves the port to Kafka alone."""
    broker = t.broker(config=t.write("c.yaml", "http: false\n"))
    try:
        assert get(broker, "/health")[0] != 200
    except (OSError, http.client.HTTPException):
        pass
    Confluent.send(broker.address, "t", b"x")
