# SPDX-License-Identifier: LGPL-2.1-or-later
"""A text goes through the broker and comes back byte for byte, also after a restart, and lies on disk with the codec
that the client used."""

from e2elib.batches import CODECS, records_now, stored
from e2elib.clients import PIECE, Confluent, Java, KafkaPython, Kcat
from e2elib.harness import cases, limit, wait_for
from e2elib.text import text

MB = 1000 * 1000


def round_trip(t, data, n_records, codec, client, read):
    broker = t.broker()
    Confluent.create_topic(broker.address, "text")
    client.send(broker.address, "text", data, codec)
    assert read(broker.address) == data, "what came back is not what was sent"
    broker.restart()
    assert read(broker.address) == data, "what came back after a restart is not what was sent"
    wait_for("all records to be in segments", lambda: records_now(broker.data_dir) == n_records)
    # Clients send what compression would make larger as it is, so batches of a few short records may be plain.
    batches = list(stored(broker.data_dir))
    assert {batch.codec for batch in batches if batch.count >= 10} == {codec}
    assert {batch.codec for batch in batches} <= {codec, "none"}


@cases(codec=CODECS)
def test_kcat(t, codec):
    data = text(100 * MB if t.long else 10 * MB)
    round_trip(t, data, data.count(b"\n"), codec, Kcat, lambda address: Kcat.read(address, "text"))


@cases(codec=CODECS)
@limit(180)
def test_java(t, codec):
    data = text(100 * MB if t.long else 5 * MB)
    n_records = data.count(b"\n")
    round_trip(t, data, n_records, codec, Java, lambda address: Java.read(address, "text", n_records))


@cases(codec=CODECS)
def test_confluent(t, codec):
    data = text(5 * MB)
    n_records = -(-len(data) // PIECE)
    round_trip(t, data, n_records, codec, Confluent, lambda address: Confluent.read(address, "text"))


@cases(codec=CODECS)
def test_kafka_python(t, codec):
    data = text(5 * MB)
    n_records = -(-len(data) // PIECE)
    round_trip(t, data, n_records, codec, KafkaPython, lambda address: KafkaPython.read(address, "text"))


def test_clients_read_each_other(t):
    """One topic, written by four clients in turn, read by each of them."""
    broker = t.broker()
    Confluent.create_topic(broker.address, "text")
    data = text(200 * 1000)
    for codec, client in zip(CODECS, [Kcat, Java, Confluent, KafkaPython, Kcat]):
        client.send(broker.address, "text", data, codec)
    n_records = 3 * data.count(b"\n") + 2 * -(-len(data) // PIECE)
    lines = Kcat.read(broker.address, "text")
    assert lines == Java.read(broker.address, "text", n_records)
    raw = Confluent.read(broker.address, "text")
    assert raw == KafkaPython.read(broker.address, "text")
    assert raw.replace(b"\n", b"") == lines.replace(b"\n", b"") == 5 * data.replace(b"\n", b"")
