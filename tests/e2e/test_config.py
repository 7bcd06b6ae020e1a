# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each flag and each key of the configuration that is due shows its effect, every other its warning or refusal.
journal_size has a file of its own, test_journal.py."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import confluent_kafka
from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigResource, NewTopic

from e2elib.batches import bytes_now, partition_dirs
from e2elib.clients import Confluent, Kcat
from e2elib.frames import frame, request
from e2elib.harness import TOP, Skip, cases, limit, wait_for
from e2elib.http import get_json, metric_sum
from e2elib.load import Load, check_acked, check_places
from e2elib.text import text

MIB = 1024 * 1024

# A value for every key that has no effect yet. The test below holds this against the table in the code.
LATER = {
    "enable_follower_read": "true", "rack": "r1", "replica_lag_time": "20s",
    "leader_balance": "false", "catch_up_rate": "1MiB", "compression_enabled": "true",
    "compression_type": "lz4", "compression_threshold": "2048", "deduplication_enabled": "true",
    "deduplication_ttl": "12", "deduplication_max_size": "5000", "offsets_retention": "3d",
    "group_initial_rebalance_delay": "1s", "group_max_members": "50", "producer_id_expiration": "12h",
    "producer_id_max": "1000", "quota_produce_rate": "10MiB", "quota_fetch_rate": "10MiB", "quota_request_rate": "1000",
     "performance.compression_type": "gzip",
    "performance.compression_threshold": "4096", "raft.raft_addr": "127.0.0.1:7001", "raft.rtt_millisecond": "20",
    "raft.heartbeat_rtt": "4", "raft.election_rtt": "40", "raft.check_quorum": "false", "raft.snapshot_entries": "5000",
    "raft.compaction_overhead": "1000", "raft.max_in_mem_log_size": "32MiB", "raft.controller_group_id": "7",
    "raft.controller_snapshot_freq": "500", "raft.ca_file": "ca.pem", "raft.cert_file": "cert.pem",
    "raft.key_file": "key.pem", "discovery.endpoints": "[127.0.0.1:2379]", "discovery.peers": "[b2=127.0.0.1:7002]",
    "discovery.username": "u", "discovery.password": "p", "discovery.timeout": "3s", "discovery.ca_file": "ca.pem",
    "discovery.cert_file": "cert.pem", "discovery.key_file": "key.pem",
}
# Refused until they work; test_start.py has their tests.
REFUSED = {"raft.mutual_tls", "discovery.type"}


def yaml(key, value):
    section, _, name = key.rpartition(".")
    return f"{section}:\n  {name}: {value}\n" if section else f"{name}: {value}\n"


def broker_with(t, lines, **arguments):
    return t.broker(config=t.write("broker.yaml", lines), **arguments)


def refusal(address, topic, data, **config):
    """Code of the error that sending one record ends with."""
    errors = []
    producer = Confluent.producer(address, **{"message_timeout_ms": 5000, **config})
    producer.produce(topic, data, partition=0, on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    return errors[0] and errors[0].code()


def test_table_is_complete(t):
    """LATER and REFUSED name exactly the keys that the table in the code calls due later."""
    table = (TOP / "src/config/keys.def").read_text()
    due = set()
    for entry in re.findall(r"^(?:SUB)?KEY\(.*?HELP\(", table, re.S | re.M):
        kind, first, second = re.match(r"(\w+)\((\w+), (\w+)", entry).groups()
        if "DUE(" in entry:
            due.add(f"{first}.{second}" if kind == "SUBKEY" else first)
    assert due == set(LATER) | REFUSED, due ^ (set(LATER) | REFUSED)


def test_later_keys_are_warned_about(t):
    """One file with all of them starts a broker and has a warning for each that names line and key."""
    sections = {}
    for key, value in LATER.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append((name, value))
    lines, places = [], {}
    for section, entries in sections.items():
        if section:
            lines.append(f"{section}:")
        for name, value in entries:
            lines.append(("  " if section else "") + f"{name}: {value}")
            places[f"{section}.{name}" if section else name] = len(lines)
    broker = broker_with(t, "\n".join(lines) + "\n")
    log = broker.log().decode()
    for key, line in places.items():
        found = [said for said in log.splitlines() if f"broker.yaml:{line}:" in said]
        assert any(key in said and "no effect yet" in said for said in found), f"{key}: {found}"
    Kcat.send(broker.address, "t", b"x\n")


def test_later_flags_are_warned_about(t):
    broker = t.broker(options=["--enable-follower-read", "--raft-addr=127.0.0.1:7001",
                               "--discovery-endpoints=127.0.0.1:2379"])
    log = broker.log().decode()
    for flag in ("enable-follower-read", "raft-addr", "discovery-endpoints"):
        assert any(flag in line or flag.replace("-", "_") in line
                   for line in log.splitlines() if "no effect yet" in line), f"no warning about {flag}: {log}"


@cases(kind=["static", "etcd"])
def test_discovery_type_is_refused(t, kind):
    broker = t.broker(start=False, options=[f"--discovery-type={kind}"]).launch()
    assert broker.wait() == 78
    assert "discovery" in broker.log().decode()


def test_discovery_type_memory(t):
    t.broker(options=["--discovery-type=memory"])


def test_one_dash_and_separate_values(t):
    """-flag value is as good as --flag=value."""
    data = t.dir / "elsewhere"
    broker = t.broker(start=False, options=["-node-id", "n7", "-data-dir", str(data), "-bind-addr", "127.0.0.1"])
    broker.start()
    assert b"n7" in broker.log() and (data / "superblock").exists()


def test_command_line_wins(t):
    config = "node_id: file\nbind_port: 1\ndata_dir: nowhere\n"
    broker = broker_with(t, config)
    assert b"node=b1" in broker.log()
    assert not (t.dir / "nowhere").exists()


def test_all_from_file(t):
    """No flag but --config; relative paths, a default port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = t.write("broker.yaml", f"node_id: from-file\nbind_port: {port}\ndata_dir: {t.dir}/deep/down/data\n")
    broker = t.broker(start=False, config=path)
    broker.command = lambda: [str(broker.program), f"--config={path}"]
    broker.start()
    assert broker.port == port and (t.dir / "deep/down/data/superblock").exists()
    assert b"node=from-file" in broker.log() and str(path).encode() in broker.log()


def test_broker_yaml_of_the_working_directory(t):
    t.write("broker.yaml", "num_partitions: 4\n")
    broker = t.broker()
    Kcat.send(broker.address, "t", b"x\n")
    assert len(partitions(broker, "t")) == 4


def test_version_and_help(t):
    for flag, word in (("--version", b"0.1.0"), ("--help", b"--node-id")):
        broker = t.broker(start=False, options=[flag]).launch()
        assert broker.wait() == 0
        assert word in broker.log()
        assert not broker.data_dir.exists()


def test_node_id_is_required(t):
    broker = t.broker(start=False)
    broker.command = lambda: [str(broker.program), f"--data-dir={broker.data_dir}"]
    broker.launch()
    assert broker.wait() in (64, 78)
    assert b"node" in broker.log()


def test_bind_addr(t):
    broker = t.broker(options=["--bind-addr=127.0.0.3"])
    assert Confluent.admin(f"127.0.0.3:{broker.port}").list_topics(timeout=10).brokers
    try:
        socket.create_connection(("127.0.0.1", broker.port), timeout=5).close()
        raise AssertionError("it listens on 127.0.0.1 too")
    except ConnectionRefusedError:
        pass


def brokers(address):
    return {(broker.host, broker.port) for broker in Confluent.admin(address).list_topics(timeout=10).brokers.values()}


def partitions(broker, topic):
    return Confluent.admin(broker.address).list_topics(topic, timeout=10).topics[topic].partitions


def test_wildcard(t):
    """A wildcard tells each client the address it came in on, and is warned about."""
    broker = t.broker(options=["--bind-addr=0.0.0.0"])
    assert brokers(f"127.0.0.2:{broker.port}") == {("127.0.0.2", broker.port)}
    assert brokers(f"127.0.0.1:{broker.port}") == {("127.0.0.1", broker.port)}
    assert b"warning" in broker.log() and b"0.0.0.0" in broker.log()
    warnings = get_json(broker, "/cluster/status")["warnings"]
    assert any("0.0.0.0 can be reached from other machines" in warning for warning in warnings), warnings


def test_advertised(t):
    broker = broker_with(t, "advertised_addr: localhost\nadvertised_port: 12345\n")
    assert brokers(broker.address) == {("localhost", 12345)}


def test_max_connections(t):
    broker = broker_with(t, "max_connections: 4\n")
    conns = []
    for _ in range(4):
        conn = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
        conn.sendall(request(18, 0))
        assert conn.recv(4)
        conns.append(conn)
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as over:
        try:
            over.sendall(request(18, 0))
            assert over.recv(100) == b"", "a connection over the limit was served"
        except ConnectionError:
            pass
    for conn in conns:
        conn.close()


def test_max_request_size(t):
    broker = broker_with(t, "max_request_size: 64KiB\nmax_message_size: 32KiB\n")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as conn:
        conn.sendall(struct.pack(">i", 64 * 1024 + 1) + b"\0" * 10)
        try:
            assert conn.recv(100) == b""
        except ConnectionError:
            pass
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as conn:
        conn.sendall(request(18, 0))
        assert conn.recv(4)


def test_request_memory(t):
    """While one request has it all, a second large one waits in its socket; one that stalls must go."""
    broker = broker_with(t, "request_memory: 1MiB\nperformance:\n  reactors: 1\n")
    whole = frame(struct.pack(">hhih", 0, 2, 1, -1) + b"\0" * (40 * MIB))
    first = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
    second = socket.create_connection(("127.0.0.1", broker.port), timeout=20)
    first.sendall(whole[:-1000])
    second.setblocking(False)
    sent = 0
    for _ in range(40):
        first.sendall(b"\0")
        try:
            while True:
                sent += second.send(whole[sent:sent + 65536])
        except BlockingIOError:
            time.sleep(0.05)
    assert sent < len(whole), "40 MiB were read while another 40 MiB had the memory"
    second.settimeout(30)
    second.sendall(whole[sent:])
    assert first.recv(1) == b"", "a request that stalls while others wait for memory must go"


def parked_fetch(topic, wait_ms):
    return request(1, 4, struct.pack(">iiiibi", -1, wait_ms, 1, 1 << 20, 0, 1) + struct.pack(">h", len(topic)) +
                   topic.encode() + struct.pack(">iiqi", 1, 0, 0, 1 << 20))


@cases(limit=[1, 64])
def test_max_in_flight(t, limit):
    """Behind a fetch that waits, a second request of the connection is worked on, or with a limit of 1 it isn't."""
    broker = broker_with(t, f"max_in_flight: {limit}\n")
    Confluent.create_topic(broker.address, "empty")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as conn:
        metadata = request(3, 4, struct.pack(">ih", 1, 4) + b"made" + b"\1")
        conn.sendall(parked_fetch("empty", 4000) + metadata)
        time.sleep(2)
        made = "made" in Confluent.admin(broker.address).list_topics(timeout=10).topics
        assert made == (limit > 1)


@cases(key=["default_replication_factor", "min_insync_replicas"])
def test_replicas_of_a_node_alone(t, key):
    """1 is what there is; more is refused, since nothing could be written."""
    one = broker_with(t, f"{key}: 1\n")
    new = NewTopic("t", num_partitions=1, replication_factor=-1)
    (future,) = Confluent.admin(one.address).create_topics([new]).values()
    future.result(30)
    one.stop()
    one.config.write_text(f"{key}: 3\n")
    one.launch()
    assert one.wait() == 78 and f"broker.yaml:1: {key}" in one.log().decode()


def log_start(broker, topic):
    consumer = Confluent.consumer(broker.address)
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=30)[0]
    finally:
        consumer.close()


def test_retention_and_segment_age(t):
    """The broker's defaults hold for a topic without configs of its own, and DescribeConfigs shows them."""
    broker = broker_with(t, "retention: 2s\nsegment_age: 1s\n")
    Confluent.send(broker.address, "t", text(100000))
    wait_for("retention", lambda: log_start(broker, "t") > 0, 60)
    (future,) = Confluent.admin(broker.address).describe_configs([ConfigResource("topic", "t")]).values()
    entries = future.result(30)
    assert entries["retention.ms"].value == "2000" and entries["segment.ms"].value == "1000"


def test_retention_size_and_segment_size(t):
    broker = broker_with(t, "retention_size: 1MiB\nsegment_size: 256KiB\n")
    Confluent.send(broker.address, "t", text(4 * 1000 * 1000))
    wait_for("retention", lambda: log_start(broker, "t") > 0 and 0 < (bytes_now(broker.data_dir) or 0) < 3 * MIB, 60)
    (directory,) = partition_dirs(broker.data_dir)
    assert len(list(directory.glob("*.log"))) > 1


def test_max_message_size(t):
    broker = broker_with(t, "max_message_size: 4KiB\n")
    Confluent.create_topic(broker.address, "t")
    assert refusal(broker.address, "t", b"x" * 8000) == KafkaError.MSG_SIZE_TOO_LARGE
    assert refusal(broker.address, "t", b"x" * 2000) is None


def check_life(broker, load, acked, reactors):
    """It runs as told, but for its shards, and has everything."""
    assert f"reactors={reactors}" in broker.log().decode()
    assert len(list((broker.data_dir / "journal").iterdir())) == 5, "shards are fixed when the directory is made"
    found = check_acked(broker.address, acked)
    check_places(broker.address, load, {place: end for place, (_, end) in found.items()})


@limit(240)
def test_reactors_and_shards(t):
    """Lives with other numbers of reactors on the same data, ended under load: partitions go to other threads whole."""
    broker = broker_with(t, "performance:\n  reactors: 1\n  shards: 5\n")
    topics = {"single": 1, "some": 8, "many": 24}
    for topic, count in topics.items():
        Confluent.create_topic(broker.address, topic, count)
    load = Load(broker.address, topics)
    n_records = 50000 if t.long else 5000
    try:
        check_life(broker, load, dict(load.acked), 1)
        for reactors, end in (2, broker.stop), (4, broker.kill), (1, broker.stop):
            load.paused = False
            load.wait_for_progress(load.total() + n_records, 300)
            end()
            acked = dict(load.acked)
            broker.config.write_text(f"performance:\n  reactors: {reactors}\n  shards: 2\n")
            broker.start()
            load.paused = True
            check_life(broker, load, acked, reactors)
        load.paused = False
        load.wait_for_progress(load.total() + n_records, 300)
    finally:
        load.stop()
    load.finish()
    assert not load.errors, load.errors[:5]
    assert load.acked == load.sent
    check_places(broker.address, load, load.sent)
    broker.kill()
    broker.start()
    check_life(broker, load, load.sent, 1)


def congestion_control(broker):
    """Of accepted connections, as the kernel tells."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=20) as conn:
        conn.sendall(request(18, 0))
        assert conn.recv(4)
        command = ["ss", "-tniH", "state", "established", f"sport = :{broker.port}"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"\b(cubic|reno|bbr)\b", out))


@cases(name=["reno", "cubic", "bbr"])
def test_congestion_control(t, name):
    """Accepted connections have it; bbr on loopback is warned about, whoever chose it."""
    available = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split()
    if name not in available and os.geteuid() != 0:
        raise Skip(f"the kernel has no {name} for us")
    broker = broker_with(t, f"congestion_control: {name}\n")
    assert congestion_control(broker) == {name}
    warned = [line for line in broker.log().decode().splitlines() if "loopback" in line and "bbr" in line]
    assert len(warned) == (1 if name == "bbr" else 0), warned
    assert all("cubic" in line and "congestion_control" in line for line in warned)


def test_congestion_control_unknown(t):
    broker = t.broker(start=False, config=t.write("broker.yaml", "congestion_control: nosuch\n")).launch()
    assert broker.wait() == 78
    log = broker.log().decode()
    assert "congestion_control" in log and '"nosuch"' in log and "reno" in log, log


def test_batch_timeout(t):
    """Produce requests of many partitions, all at once, share few flushes."""
    broker = broker_with(t, "performance:\n  batch_timeout: 1s\n  shards: 1\n")
    Confluent.create_topic(broker.address, "t", 40)
    before = metric_sum(broker, "goqueue_journal_flushes_total")
    producer, answers = Confluent.producer(broker.address, linger_ms=0, enable_idempotence=False), []
    for partition in range(40):
        producer.produce("t", b"x", partition=partition, on_delivery=lambda error, _: answers.append(error))
    producer.flush(60)
    assert answers == [None] * 40
    flushes = metric_sum(broker, "goqueue_journal_flushes_total") - before
    assert flushes <= 8, f"{flushes} flushes for 40 partitions"


@cases(end=["max_batch_size: 1", "max_batch_bytes: 1KiB"])
def test_max_batch(t, end):
    """Ends the wait, which is longer than the producer's patience."""
    broker = broker_with(t, f"performance:\n  batch_timeout: 4s\n  {end}\n")
    Confluent.create_topic(broker.address, "t")
    assert refusal(broker.address, "t", b"x" * 4000, message_timeout_ms=3000) is None


@cases(size=["0", "1MiB", "64MiB"])
def test_read_cache_size(t, size):
    """So much of what is in segments stays in memory; whoever reads gets all in any case."""
    broker = broker_with(t, f"performance:\n  read_cache_size: {size}\n  shards: 1\n")
    data = text(8 * 1000 * 1000)
    Confluent.send(broker.address, "t", data)
    wait_for("everything to be in segments", lambda: metric_sum(broker, "goqueue_pending_bytes") == 0)
    kept = metric_sum(broker, "goqueue_read_cache_bytes")
    if size == "64MiB":
        assert len(data) <= kept <= 64 * MIB, kept
    elif size == "1MiB":
        assert kept <= MIB, kept
    else:
        assert kept == 0, kept
    assert Confluent.read(broker.address, "t") == data


def test_write_cache_size(t):
    """There is room for one message at a time, so producers wait; nothing is lost, doubled or out of order."""
    broker = broker_with(t, "performance:\n  write_cache_size: 1MiB\n  shards: 1\n")
    Confluent.create_topic(broker.address, "t", 4)
    producer = Confluent.producer(broker.address, enable_idempotence=True, linger_ms=5, batch_size=1000)
    answers, largest = [], 0
    for number in range(120):
        producer.produce("t", b"%07d" % number + b"x" * 600000, partition=number % 4,
                         on_delivery=lambda error, message: answers.append(error))
        producer.poll(0)
        if number % 10 == 0:
            largest = max(largest, metric_sum(broker, "goqueue_pending_bytes"))
    producer.flush(60)
    assert len(answers) == 120 and not any(answers), [error for error in answers if error][:3]
    assert metric_sum(broker, "goqueue_produce_waits_total") > 0
    assert largest <= MIB, f"{largest} bytes were not in segments"
    for partition in range(4):
        numbers = [int(message.value()[:7]) for message in Confluent.messages(broker.address, "t", partition)]
        assert numbers == list(range(partition, 120, 4))


def test_connection_idle_timeout(t):
    broker = broker_with(t, "performance:\n  connection_idle_timeout: 1s\n")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=60) as conn:
        conn.sendall(request(18, 0))
        assert conn.recv(4)
        while conn.recv(4096):
            pass


def logged(path):
    return path.read_text() if path.exists() else ""


def test_log_dir(t):
    t.broker(start=False, options=[f"--log-dir={t.dir}/logs/deep"]).start_silent().stop()
    path = t.dir / "logs/deep/b1.log"
    assert "ready" in logged(path) and "stopping" in logged(path)


def test_logging_file_and_level(t):
    path = t.dir / "own.log"
    config = t.write("broker.yaml", f"logging:\n  file: {path}\n  level: error\nrack: r\n")
    t.broker(start=False, config=config).start_silent().stop()
    assert "no effect yet" not in logged(path), "a warning at level error"


def test_logging_rotation(t):
    """Files are put aside at their size, compressed, and only so many are kept."""
    path = t.dir / "logs" / "own.log"
    config = f"logging:\n  file: {path}\n  level: debug\n  max_size: 2KiB\n  max_backups: 3\n  compress: true\n"
    broker = t.broker(start=False, config=t.write("broker.yaml", config)).start_silent()

    def old_files():
        return [name for name in os.listdir(path.parent) if name != path.name]

    for _ in range(400):
        broker.process.send_signal(signal.SIGHUP)
        time.sleep(0.01)
        if len(old_files()) >= 3:
            break
    wait_for("old files", lambda: len(old_files()) >= 3 and all(name.endswith(".gz") for name in old_files()))
    for _ in range(100):
        broker.process.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    broker.stop()
    assert len(old_files()) <= 4, old_files()


@cases(name=["guide-broker.yaml", "guide-tuning.yaml"])
def test_guide(t, name):
    """The usage guide's own files start a broker as they stand; only the port is ours."""
    config = t.write("broker.yaml", (TOP / "tests/config" / name).read_text())
    broker = t.broker(start=False)
    broker.log_path = t.dir / "stderr.log"
    broker.command = lambda: [str(broker.program), "--node-id=b1", f"--config={config}", f"--bind-port={broker.port}"]
    broker.start_silent()
    Kcat.send(broker.address, "t", b"x\n")
    assert Kcat.read(broker.address, "t") == b"x\n"
