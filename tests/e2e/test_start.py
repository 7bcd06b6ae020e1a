# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts that must be refused, with a clear word and the right status, and without touching any data."""

import hashlib
import os

from e2elib.clients import Kcat
from e2elib.harness import cases

EX_USAGE = 64
EX_CONFIG = 78


def tree(directory):
    """Everything that a change would show: names, sizes, times, contents."""
    found = {}
    for path in sorted(directory.rglob("*")):
        stat = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(directory))] = (stat.st_size, stat.st_mtime_ns, digest)
    return found


def refused(broker, status, *words):
    """Starts it and expects that it ends with this status and says these words on standard error."""
    broker.launch()
    ended = broker.wait()
    said = broker.log().decode(errors="replace")
    assert ended == status, f"status {ended}, not {status}; it said: {said}"
    for word in words:
        assert str(word) in said, f"'{word}' is not in: {said}"
    return said


def test_second_daemon_on_same_data(t):
    first = t.broker()
    Kcat.send(first.address, "t", b"one\n")
    second = t.broker(start=False, data_dir=first.data_dir)
    second.log_path = t.dir / "second.log"
    second.launch()
    status = second.wait()
    said = second.log().decode()
    assert status not in (0, EX_USAGE, EX_CONFIG), f"status {status}"
    assert str(first.data_dir) in said, said
    Kcat.send(first.address, "t", b"two\n")
    assert Kcat.read(first.address, "t") == b"one\ntwo\n"


@cases(flag=["--no-such-flag", "--bind-port=70000", "--bind-port=many", "--enable-follower-read=maybe", "stray"])
def test_wrong_flag(t, flag):
    refused(t.broker(start=False, options=[flag]), EX_USAGE, flag.lstrip("-").split("=")[0])


def test_flag_without_value(t):
    refused(t.broker(start=False, options=["--bind-addr"]), EX_USAGE, "bind-addr")


@cases(line=["no_such_key: 1", "bind_port: many", "bind_port: 70000", "raft:\n  rtt: 1", "logging:\n  level: loud",
             "segment_size: 3 parsecs", "retention: -5", "bind_addr: [1, 2]", "max_connections: 0x"])
def test_wrong_key(t, line):
    """The error names file, line and key."""
    config = t.write("broker.yaml", f"# a comment\n{line}\n")
    key = line.split("\n")[-1].strip().split(":")[0]
    refused(t.broker(start=False, config=config), EX_CONFIG, f"{config}:{2 + line.count(chr(10))}", key)


def test_wrong_yaml(t):
    config = t.write("broker.yaml", "bind_addr: 127.0.0.1\n  data_dir: {\n")
    refused(t.broker(start=False, config=config), EX_CONFIG, f"{config}:2")


def test_missing_config(t):
    refused(t.broker(start=False, config=t.dir / "none.yaml"), EX_CONFIG, t.dir / "none.yaml")


@cases(line=["discovery:\n  type: static", "discovery:\n  type: etcd", "raft:\n  mutual_tls: true"])
def test_not_yet(t, line):
    """What would change how data is kept safe is refused until it works, not ignored."""
    config = t.write("broker.yaml", line + "\n")
    refused(t.broker(start=False, config=config), EX_CONFIG, f"{config}:2")


def test_check_config(t):
    good = t.write("good.yaml", "node_id: b1\nretention: 3d\n")
    checked = t.broker(start=False, config=good, options=["--check-config"]).launch()
    assert checked.wait() == 0
    assert not checked.data_dir.exists(), "--check-config made a data directory"
    bad = t.write("bad.yaml", "node_id: b1\nretention: soon\n")
    refused(t.broker(start=False, config=bad, options=["--check-config"]), EX_CONFIG, f"{bad}:2", "retention")


def test_other_node(t):
    """A data directory belongs to one node id."""
    broker = t.broker()
    Kcat.send(broker.address, "t", b"one\n")
    broker.stop()
    before = tree(broker.data_dir)
    other = t.broker(start=False, name="b2", data_dir=broker.data_dir)
    refused(other, EX_CONFIG, "b1", "b2")
    assert tree(broker.data_dir) == before, "the data directory was touched"


def test_port_in_use(t):
    first = t.broker()
    second = t.broker(start=False, name="b2")
    second.port = first.port
    second.launch()
    assert second.wait() not in (0, EX_USAGE)
    assert str(first.port) in second.log().decode()


def test_unwritable_data(t):
    """A file stands where the data directory should be."""
    path = t.write("file", "not a directory")
    broker = t.broker(start=False, data_dir=path).launch()
    assert broker.wait() != 0
    assert str(path) in broker.log().decode()
    assert path.read_text() == "not a directory"


def test_other_names_are_left_alone(t):
    """A data directory with lost+found and a log in it is new, and they stay."""
    data = t.dir / "disk"
    (data / "lost+found").mkdir(parents=True)
    (data / "my.log").write_text("mine")
    broker = t.broker(data_dir=data)
    Kcat.send(broker.address, "t", b"one\n")
    broker.stop()
    assert (data / "my.log").read_text() == "mine"
    assert os.listdir(data / "lost+found") == []
