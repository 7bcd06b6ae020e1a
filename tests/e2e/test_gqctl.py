# SPDX-License-Identifier: LGPL-2.1-or-later
"""gqctl: the commands of the usage guide as they are written there, and the same in words."""

import json
import os
import pty
import signal
import subprocess

from e2elib.clients import Kcat
from e2elib.harness import cases, wait_for
from e2elib.text import text

COMMAND = {"type": "produce", "topic": "test-topic", "partition": 0, "message": "Hello World from Go-Queue!",
           "offset": 0, "count": 5}


def gqctl(t, *options, status=0, input_bytes=b""):
    """(standard output, standard error) of a run that must end with the status."""
    done = subprocess.run([t.options.build / "gqctl", *options], input=input_bytes, capture_output=True, cwd=t.dir,
                          timeout=100, check=False)
    assert done.returncode == status, (f"gqctl {' '.join(options)} ended with status {done.returncode}, not {status}:\n"
                                       f"{done.stderr.decode(errors='replace')[-3000:]}")
    return done.stdout, done.stderr.decode()


def lines(t, *options):
    out, _ = gqctl(t, *options, "--json")
    return [json.loads(line) for line in out.splitlines()]


def client_json(t, broker, **command):
    content = {"broker_addrs": [broker.address], "timeout": "10s", "log_file": "logs/client.log",
               "command": {**COMMAND, **command}}
    return t.write("client.json", json.dumps(content))


def test_guide_with_file(t):
    """Every command of the guide's "basic commands". Its create-topic asks for two replicas, of one broker here."""
    broker = t.broker()
    client_json(t, broker)
    create = ["-config=client.json", "-cmd=create-topic", "-topic=my-topic", "-partitions=3"]
    _, errors = gqctl(t, *create, "-replicas=2", status=1)
    assert "INVALID_REPLICATION_FACTOR: there is one broker" in errors, errors
    gqctl(t, *create)
    gqctl(t, "-config=client.json", "-cmd=produce", "-topic=my-topic", "-partition=0", "-message=Hello World",
          "-count=10")
    out, _ = gqctl(t, "-config=client.json", "-cmd=consume", "-topic=my-topic", "-partition=0", "-offset=0")
    assert out == b"Hello World\n" * 5, "the file's count of 5 holds where no flag is given"
    out, _ = gqctl(t, "-config=client.json", "-cmd=consume", "-topic=my-topic", "-partition=0", "-offset=0",
                   "-count=-1")
    assert out == b"Hello World\n" * 10
    out, _ = gqctl(t, "-config=client.json", "-cmd=list-topics")
    assert b"my-topic" in out
    for command in ("describe-topic", "topic-info"):
        out, _ = gqctl(t, "-config=client.json", f"-cmd={command}", "-topic=my-topic")
        assert b"my-topic" in out and b"Partitions:  3" in out, out
    gqctl(t, "-config=client.json", "-cmd=delete-topic", "-topic=my-topic")
    assert lines(t, "-config=client.json", "-cmd=list-topics") == []
    assert "produced 10 messages" in (t.dir / "logs" / "client.log").read_text(encoding="utf-8")


def test_guide_file_alone(t):
    """client.json says it all."""
    broker = t.broker()
    client_json(t, broker)
    gqctl(t, "-config=client.json")
    assert Kcat.read(broker.address, "test-topic") == b"Hello World from Go-Queue!\n" * 5
    client_json(t, broker, type="consume", offset=3, count=-1)
    assert gqctl(t, "-config=client.json")[0] == b"Hello World from Go-Queue!\n" * 2


def test_guide_without_file(t):
    """The guide's "advanced commands"."""
    broker = t.broker()
    at = f"-broker={broker.address}"
    gqctl(t, at, "-cmd=produce", "-topic=test", "-message=Direct broker")
    out, _ = gqctl(t, at, "-log=./logs/client.log", "-cmd=consume", "-topic=test", "-partition=0")
    assert out == b"Direct broker\n"
    assert (t.dir / "logs" / "client.log").exists()
    gqctl(t, at, "-cmd=produce", "-topic=test", "-partition=0", "-count=1000", "-message=Batch message")
    out, _ = gqctl(t, at, "-cmd=consume", "-topic=test", "-partition=0", "-offset=100", "-count=50")
    assert out == b"Batch message\n" * 50
    gqctl(t, at, "-cmd=create-topic", "-topic=new-topic", "-partitions=5", "-replicas=3", status=1)
    gqctl(t, at, "-cmd=create-topic", "-topic=new-topic", "-partitions=5")
    assert {"topic": "new-topic", "partitions": 5, "replicas": 1} in lines(t, at, "-cmd=list-topics")


def test_topics_in_words(t):
    broker = t.broker()
    at = f"--broker={broker.address}"
    gqctl(t, "topic", "create", "orders", "--partitions", "4", "--config", "retention.ms=5000", at)
    _, errors = gqctl(t, "topic", "create", "orders", at, status=1)
    assert "TOPIC_ALREADY_EXISTS" in errors
    _, errors = gqctl(t, "topic", "create", "x", "--config=no.such=1", at, status=1)
    assert "INVALID_CONFIG" in errors
    _, errors = gqctl(t, "topic", "create", "a/b", at, status=1)
    assert "INVALID_TOPIC_EXCEPTION" in errors, errors
    (topic,) = lines(t, "topic", "describe", "orders", at)
    assert len(topic["partitions"]) == 4
    assert topic["configs"]["retention.ms"] == {"value": "5000", "default": False}
    assert b"retention.ms=5000" in gqctl(t, "topic", "describe", "orders", at)[0]
    gqctl(t, "topic", "delete", "orders", at)
    _, errors = gqctl(t, "topic", "describe", "orders", at, status=1)
    assert "UNKNOWN_TOPIC_OR_PARTITION" in errors


def test_lines_round_trip(t):
    """Empty lines and bytes that are no UTF-8 included."""
    broker = t.broker()
    at = f"--broker={broker.address}"
    data = text(3 * 1000 * 1000) + b"\n\n\xff\xfe\x00\n"
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        gqctl(t, "produce", codec, f"--compression={codec}", at, input_bytes=data)
        assert gqctl(t, "consume", codec, at)[0] == data, codec


def test_keys_headers_and_formats(t):
    broker = t.broker(config=t.write("c.yaml", "num_partitions: 4\n"))
    at = f"--broker={broker.address}"
    gqctl(t, "produce", "t", "--key-delimiter=:", "--header=a=1", "--header=b=2=3", at,
          input_bytes=b"k1:v1\nk1:v2\nk2:x:y\n")
    messages = lines(t, "consume", "t", at)
    assert sorted(message["value"] for message in messages) == ["v1", "v2", "x:y"]
    assert all(message["headers"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2=3"}]
               for message in messages)
    assert len({message["partition"] for message in messages if message["key"] == "k1"}) == 1
    out, _ = gqctl(t, "consume", "t", "--format=%t %k=%v;", at)
    assert sorted(out.split(b";")) == [b"", b"t k1=v1", b"t k1=v2", b"t k2=x:y"]


def test_strategies(t):
    broker = t.broker(config=t.write("c.yaml", "num_partitions: 4\n"))
    at = f"--broker={broker.address}"
    eight = b"x\n" * 8
    gqctl(t, "produce", "turns", "--strategy=round-robin", at, input_bytes=eight)
    (topic,) = lines(t, "topic", "describe", "turns", at)
    assert [partition["end_offset"] for partition in topic["partitions"]] == [2, 2, 2, 2]
    gqctl(t, "produce", "manual", "--partition=3", at, input_bytes=eight)
    (topic,) = lines(t, "topic", "describe", "manual", at)
    assert [partition["end_offset"] for partition in topic["partitions"]] == [0, 0, 0, 8]
    gqctl(t, "produce", "random", "--strategy=random", at, input_bytes=b"x\n" * 400)
    (topic,) = lines(t, "topic", "describe", "random", at)
    assert all(partition["end_offset"] > 0 for partition in topic["partitions"])
    _, errors = gqctl(t, "produce", "manual", "--partition=4", at, status=1, input_bytes=eight)
    assert "its partitions are 0 to 3" in errors


def test_too_large_message(t):
    broker = t.broker()
    at = f"--broker={broker.address}"
    out, errors = gqctl(t, "produce", "t", at, status=1, input_bytes=b"a\n" + b"x" * 2000000 + b"\nb\n")
    assert "line 2: MESSAGE_TOO_LARGE" in errors, errors
    assert b"Sent 2 messages" in out, out
    assert gqctl(t, "consume", "t", at)[0] == b"a\nb\n"


def test_follow_until_interrupted(t):
    broker = t.broker()
    at = f"--broker={broker.address}"
    gqctl(t, "produce", "t", "--message=first", at)
    with open(t.dir / "out", "wb") as out:
        process = subprocess.Popen([t.options.build / "gqctl", "consume", "t", "--follow", at], stdout=out)
    t.cleanups.append(process.kill)
    wait_for("the first message", lambda: (t.dir / "out").read_bytes() == b"first\n")
    gqctl(t, "produce", "t", "--message=second", at)
    wait_for("the second message", lambda: (t.dir / "out").read_bytes() == b"first\nsecond\n")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_offsets(t):
    broker = t.broker()
    at = f"--broker={broker.address}"
    gqctl(t, "produce", "t", at, input_bytes=b"".join(b"%d\n" % number for number in range(10)))
    assert gqctl(t, "consume", "t", "--offset=8", at)[0] == b"8\n9\n"
    assert gqctl(t, "consume", "t", "--offset=10", at)[0] == b""
    assert gqctl(t, "consume", "t", "--offset=end", at)[0] == b""
    assert gqctl(t, "consume", "t", "--from-beginning", "--count=2", at)[0] == b"0\n1\n"
    _, errors = gqctl(t, "consume", "t", "--offset=11", at, status=1)
    assert "it holds offsets 0 to 9" in errors


def test_no_broker(t):
    """Port 1 is nobody's."""
    for command in (["topic", "list"], ["consume", "t"], ["produce", "t", "--message=x"], ["cluster", "status"]):
        _, errors = gqctl(t, *command, "--broker=127.0.0.1:1", status=75)
        assert "127.0.0.1:1" in errors, errors


@cases(bad=['{"broker_addrs": []}', '{"timeout": 10}', '{"command": {"partiton": 1}}', '{', "[]"])
def test_bad_client_json(t, bad):
    t.write("client.json", bad)
    _, errors = gqctl(t, "-config=client.json", "-cmd=list-topics", status=78)
    assert errors.startswith("gqctl: client.json:"), errors


def test_bad_command_lines(t):
    for options in ([], ["send"], ["topic", "create"], ["consume", "t", "--group=g"], ["consume", "t", "--offset=-5"],
                    ["-cmd=send"], ["-cmd=produce", "-topic=t"], ["topic", "list", "--folow"]):
        _, errors = gqctl(t, *options, status=64)
        assert errors.startswith("gqctl: "), errors


def test_full_output(t):
    broker = t.broker()
    gqctl(t, "produce", "t", "--message=x", f"--broker={broker.address}")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([t.options.build / "gqctl", "consume", "t", f"--broker={broker.address}"], stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr, done


def test_progress_on_a_terminal(t):
    """Long work shows how far it is, on standard error, when that is a terminal."""
    broker = t.broker()
    ours, theirs = pty.openpty()
    process = subprocess.Popen([t.options.build / "gqctl", "produce", "t", f"--broker={broker.address}"],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs)
    t.cleanups.append(process.kill)
    os.close(theirs)
    os.set_blocking(ours, False)

    def shown():
        process.stdin.write(b"x\n")
        process.stdin.flush()
        try:
            return b"MB/s" in os.read(ours, 4096)
        except BlockingIOError:
            return False

    wait_for("progress", shown)
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    os.close(ours)


def test_cluster_status(t):
    broker = t.broker()
    (status,) = lines(t, "cluster", "status", f"--broker={broker.address}")
    assert status
    out, _ = gqctl(t, "cluster", "status", f"--broker={broker.address}")
    assert b"b1" in out


def test_log_dump(t):
    """Every file of a stopped node's journal and topics; then one with a broken byte."""
    broker = t.broker()
    gqctl(t, "produce", "t", f"--broker={broker.address}", input_bytes=b"a\nb\nc\n")
    broker.stop()
    segments = sorted(broker.data_dir.glob("topics/*/*.log"))
    entries = sorted(broker.data_dir.glob("topics/*/*.entries"))
    journal = sorted(broker.data_dir.glob("journal/*/*.journal"))
    assert segments and entries and journal
    batches = [item for item in lines(t, "log", "dump", *map(str, segments)) if item["kind"] == "batch"]
    assert sum(batch["count"] for batch in batches) == 3
    assert [item["kind"] for item in lines(t, "log", "dump", *map(str, entries))][:2] == ["segment", "entry"]
    assert any(item["kind"] == "entry" for item in lines(t, "log", "dump", *map(str, journal)))
    for path in segments + entries + journal:
        out, _ = gqctl(t, "log", "dump", str(path))
        assert out
    broken = t.dir / "broken.log"
    data = bytearray(segments[0].read_bytes())
    data[30] ^= 1
    broken.write_bytes(data)
    out, errors = gqctl(t, "log", "dump", "broken.log", status=1)
    assert b"damage" in out and "broken.log" in errors
    gqctl(t, "log", "dump", "missing/x.log", status=1)
    assert not (t.dir / "missing").exists()
