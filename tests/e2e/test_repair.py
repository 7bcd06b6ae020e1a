# SPDX-License-Identifier: LGPL-2.1-or-later
"""A damaged data directory: refused, explained by a dry run, repaired when told, and clients read on."""

import os
import re
import subprocess

import confluent_kafka

from e2elib.clients import Confluent
from e2elib.harness import wait_for

EX_DATAERR = 65
RECORDS = 300


def fill(broker, topic):
    """Records 0 … RECORDS − 1, each acknowledged alone."""
    Confluent.create_topic(broker.address, topic)
    producer = Confluent.producer(broker.address, linger_ms=0, batch_num_messages=1)
    for number in range(RECORDS):
        producer.produce(topic, value(number), partition=0)
    assert producer.flush(60) == 0


def value(number):
    return b"<record %06d>" % number + b"." * 200


def files(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != "lock"}


def flip_everywhere(directory, number, below=""):
    """Damages all copies of a record."""
    hit = []
    for path, data in files(directory / below).items():
        at = data.find(value(number)[:15])
        while at >= 0:
            data = data[:at + 8] + bytes([data[at + 8] ^ 0x10]) + data[at + 9:]
            hit.append(path)
            at = data.find(value(number)[:15], at + 1)
        if path in hit:
            path.write_bytes(data)
    assert hit, f"record {number} is in no file below {directory / below}"
    return hit


def repair(broker, *options):
    """Status and output of brokerd with the options that the broker starts with."""
    done = subprocess.run([*broker.command(), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          check=False, cwd=broker.test_dir)
    print(done.stdout.decode())
    return done.returncode, done.stdout.decode()


def numbers(broker, topic, start):
    found = []
    for message in Confluent.messages(broker.address, topic, 0, start):
        assert message.value() == value(message.offset()), f"something else at offset {message.offset()}"
        found.append(message.offset())
    return found


def refuse(broker):
    broker.launch()
    assert broker.wait() == EX_DATAERR
    return broker.log().decode()


def test_sound(t):
    broker = t.broker()
    fill(broker, "t")
    broker.kill()
    before = files(broker.data_dir)
    status, text = repair(broker, "--repair")
    assert status == 0 and "Nothing is wrong" in text
    assert files(broker.data_dir) == before, "the dry run changed something"
    status, text = repair(broker, "--repair=yes")
    assert status == 0 and "Nothing is wrong" in text
    broker.start()
    assert numbers(broker, "t", 0) == list(range(RECORDS))


def test_in_use(t):
    broker = t.broker()
    status, text = repair(broker, "--repair=yes")
    assert status == 75 and "in use" in text


def test_journal_with_a_second_copy(t):
    """The segment has what the journal lost."""
    broker = t.broker()
    fill(broker, "t")
    wait_for("the last record to be in a segment",
             lambda: any(value(RECORDS - 1) in data for data in files(broker.data_dir / "topics").values()))
    broker.kill()
    hit = flip_everywhere(broker.data_dir, 7, "journal")
    text = refuse(broker)
    assert hit[0].name in text and "brokerd --repair" in text
    before = files(broker.data_dir)
    status, text = repair(broker, "--repair")
    assert status == 1 and hit[0].name in text and "This loses nothing." in text
    assert files(broker.data_dir) == before, "the dry run changed something"
    status, text = repair(broker, "--repair=yes")
    assert status == 0, text
    assert repair(broker, "--repair")[0] == 0
    kept = [path.relative_to(broker.data_dir / "damaged-1") for path in files(broker.data_dir / "damaged-1")]
    assert hit[0].relative_to(broker.data_dir) in kept, "the damaged file is gone"
    broker.start()
    assert numbers(broker, "t", 0) == list(range(RECORDS))


def check_loss(t, option, first, last):
    broker = t.broker()
    fill(broker, "t")
    broker.kill()
    flip_everywhere(broker.data_dir, 100)
    refuse(broker)
    status, text = repair(broker, "--repair")
    assert status == 1 and "This loses data." in text and re.search(r"^t-0 ", text, re.M)
    command = text.strip().splitlines()[-1].split(": ", 1)[1]
    command = command.replace("--repair=yes", option).replace("brokerd", str(broker.program), 1)
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, timeout=120, check=True, cwd=t.dir)
    text = done.stdout.decode()
    print(text)
    assert f"kept: offsets {first} to {last}" in text
    broker.start()
    assert numbers(broker, "t", first) == list(range(first, last + 1))
    consumer = Confluent.consumer(broker.address)
    low, high = consumer.get_watermark_offsets(confluent_kafka.TopicPartition("t", 0), timeout=30)
    consumer.close()
    assert (low, high) == (first, last + 1)
    # It goes on where it ends.
    producer = Confluent.producer(broker.address)
    producer.produce("t", value(last + 1), partition=0)
    assert producer.flush(30) == 0
    assert numbers(broker, "t", first)[-1] == last + 1


def test_the_larger_part_is_kept(t):
    check_loss(t, "--repair=yes", 101, RECORDS - 1)


def test_keep_oldest(t):
    check_loss(t, "--repair=keep-oldest", 0, 99)


def test_superblock(t):
    broker = t.broker()
    fill(broker, "t")
    broker.stop()
    os.unlink(broker.data_dir / "superblock")
    broker.launch()
    assert broker.wait() == 78
    assert "brokerd --repair" in broker.log().decode()
    status, text = repair(broker, "--repair=yes")
    assert status == 0, text
    broker.start()
    assert numbers(broker, "t", 0) == list(range(RECORDS))


def test_damage_while_it_runs(t):
    """What the journal would copy to its end is damaged in its segment: the process ends and says what to do."""
    config = t.write("b1.yaml", "journal_size: 8MiB\nmax_message_size: 64KiB\nperformance:\n  shards: 1\n")
    broker = t.broker(config=config)
    producer = Confluent.producer(broker.address, message_timeout_ms=5000)
    for number in range(20):
        producer.produce("idle", value(number), partition=0)
    assert producer.flush(30) == 0
    wait_for("a segment", lambda: any(value(19) in data for data in files(broker.data_dir / "topics").values()))
    victim, = flip_everywhere(broker.data_dir, 10, "topics")
    for _ in range(2000):
        try:
            producer.produce("busy", os.urandom(30000), partition=0)
        except BufferError:
            pass
        producer.poll(0.01)
        if broker.process.poll() is not None:
            break
    assert broker.wait() == EX_DATAERR
    line = next(line for line in broker.log().decode().splitlines() if "The process ends" in line)
    assert f"{victim.name}: damaged at byte " in line and "brokerd --repair" in line, line
    assert "Unknown error" not in broker.log().decode()
