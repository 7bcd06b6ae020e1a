# SPDX-License-Identifier: LGPL-2.1-or-later
"""A full disk: producers get an error that they may retry, reads go on, and nothing acknowledged is lost."""

import os
import subprocess
import threading

from confluent_kafka import KafkaError

from e2elib.clients import Confluent, run
from e2elib.harness import Skip, limit, wait_for
from e2elib.http import metric_sum

MB = 1000 * 1000
# What a producer tries again, and what librdkafka says when it has tried for long enough.
RETRIABLE = {KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.KAFKA_STORAGE_ERROR, KafkaError.THROTTLING_QUOTA_EXCEEDED,
             KafkaError.REQUEST_TIMED_OUT, KafkaError._MSG_TIMED_OUT}


def small_disk(t, size_mb):
    """A file system of its own in a file, with write-back and O_DIRECT as on a real disk."""
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    image, mount = t.dir / "disk.img", t.dir / "disk"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(size_mb * MB)
    run(["mkfs.ext4", "-q", "-F", str(image)])
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(mount)], capture_output=True, check=False)
    if mounted.returncode != 0:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "none", str(mount)],
                                 capture_output=True, check=False)
    if mounted.returncode != 0:
        raise Skip(f"mount: {mounted.stderr.decode().strip()}")
    t.cleanups.append(lambda: run(["umount", "-l", str(mount)]))
    return mount


def free_bytes(path):
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize


def occupy(path, size_bytes):
    """What another program's file would take."""
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)


def fill(address, topic, size_bytes):
    """Sends until that much is acknowledged or the broker refuses: (acknowledged numbers, refusals)."""
    producer = Confluent.producer(address, message_timeout_ms=8000, enable_idempotence=False, linger_ms=5,
                                  max_in_flight=1, message_send_max_retries=2, retry_backoff_ms=100)
    acked, refused = [], []

    def delivered(error, message):
        (refused if error else acked).append(error or int(message.key()))

    for number in range(size_bytes // 10000):
        producer.produce(topic, os.urandom(10000), key=str(number), partition=0, on_delivery=delivered)
        producer.poll(0)
        while len(producer) > 50:
            producer.poll(0.1)
        if len(refused) > 20:
            break
    producer.flush(30)
    return acked, refused


@limit(240)
def test_produce_until_full(t):
    disk = small_disk(t, 120)
    config = t.write("c.yaml", "journal_size: 32MiB\nperformance:\n  shards: 1\n")
    broker = t.broker(data_dir=disk / "data", config=config)
    Confluent.create_topic(broker.address, "t", segment_bytes=8 * 1024 * 1024)
    acked, refused = fill(broker.address, "t", 200 * MB)
    print(f"{len(acked)} acknowledged, then: {refused[:1]}")
    broker.check_alive()
    assert acked and refused, "the disk never got full"
    assert {error.code() for error in refused} <= RETRIABLE, refused[:3]

    def keys():
        return {int(message.key()) for message in Confluent.messages(broker.address, "t")}

    missing = set(acked) - keys()
    assert not missing, f"acknowledged and not readable on the full disk: {sorted(missing)[:5]}"
    broker.kill()
    broker.start()
    missing = set(acked) - keys()
    assert not missing, f"acknowledged and gone after kill -9 on the full disk: {sorted(missing)[:5]}"
    room = Confluent.admin(broker.address).delete_topics(["t"])
    room["t"].result(60)
    Confluent.create_topic(broker.address, "u")
    Confluent.send(broker.address, "u", os.urandom(5 * MB))


@limit(240)
def test_full_by_others(t):
    """Something else fills the disk and goes away again: writes fail, then go on without a restart."""
    disk = small_disk(t, 120)
    config = t.write("c.yaml", "journal_size: 32MiB\nperformance:\n  shards: 1\n")
    broker = t.broker(data_dir=disk / "data", config=config)
    Confluent.send(broker.address, "t", b"before")
    with open(disk / "other", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 100000)
        except OSError:
            pass
    acked, _ = fill(broker.address, "t", 100 * MB)
    broker.check_alive()
    os.unlink(disk / "other")
    wait_for("room to be noticed", lambda: fill(broker.address, "room", 10000)[0], 60)
    more, refused = fill(broker.address, "t", 5 * MB)
    assert len(more) == 500 and not refused, (len(more), refused[:3])
    broker.kill()
    broker.start()
    found = sum(1 for _ in Confluent.messages(broker.address, "t"))
    assert found >= 1 + len(acked) + len(more)


SMALL_CACHE = "journal_size: 32MiB\nperformance:\n  shards: 1\n  write_cache_size: 4MiB\n"


@limit(240)
def test_closes_before_full(t):
    """Produce is refused while there is room for what may wait, and deleting a topic opens it again."""
    disk = small_disk(t, 250)
    reserve = disk / "data" / "reserve"
    broker = t.broker(data_dir=disk / "data", config=t.write("c.yaml", SMALL_CACHE))
    wait_for("the reserve", lambda: reserve.exists() and reserve.stat().st_blocks * 512 >= 22 << 20, 20)
    acked, refused = fill(broker.address, "big", 60 * MB)
    assert len(acked) == 6000 and not refused, (len(acked), refused[:3])
    Confluent.send(broker.address, "t", b"before")
    occupy(disk / "other", free_bytes(disk) - 8 * MB)
    wait_for("little room to be noticed", lambda: metric_sum(broker, "goqueue_disk_full") == 1, 20)
    acked, refused = fill(broker.address, "t", MB)
    assert not acked and {error.code() for error in refused} <= RETRIABLE, (len(acked), refused[:3])
    assert reserve.exists() and free_bytes(disk) > 4 * MB, free_bytes(disk)
    assert [message.value() for message in Confluent.messages(broker.address, "t")] == [b"before"]
    assert b"messages are refused until" in broker.log()
    Confluent.admin(broker.address).delete_topics(["big"])["big"].result(60)
    wait_for("room to be noticed", lambda: fill(broker.address, "t", 10000)[0], 60)
    wait_for("the log to say so", lambda: b"the disk has room again" in broker.log())


@limit(240)
def test_acknowledged_finds_room(t):
    """The disk is full to the last block while messages wait for their segments: they get there all the same."""
    disk = small_disk(t, 250)
    reserve = disk / "data" / "reserve"
    broker = t.broker(data_dir=disk / "data", config=t.write("c.yaml", SMALL_CACHE))
    wait_for("the reserve", reserve.exists, 20)
    results = []
    sender = threading.Thread(target=lambda: results.append(fill(broker.address, "t", 1000 * MB)))
    sender.start()
    wait_for("messages", lambda: metric_sum(broker, "goqueue_produced_records_total") > 500)
    with open(disk / "other", "wb", buffering=0) as file:
        try:
            os.posix_fallocate(file.fileno(), 0, free_bytes(disk) - 2 * MB)
            file.seek(0, os.SEEK_END)
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    sender.join()
    acked, refused = results[0]
    print(f"{len(acked)} acknowledged; reserve {metric_sum(broker, 'goqueue_disk_reserve_bytes')}")
    assert refused
    broker.check_alive()
    wait_for("everything to be in its segment", lambda: metric_sum(broker, "goqueue_pending_bytes") == 0, 60)
    found = sum(1 for _ in Confluent.messages(broker.address, "t"))
    assert found >= len(acked), (found, len(acked))
    os.unlink(disk / "other")
    wait_for("room to be noticed", lambda: fill(broker.address, "t", 10000)[0], 60)
    wait_for("the reserve", reserve.exists, 20)


@limit(120)
def test_no_room_for_the_reserve(t):
    """A node without room for the reserve starts, serves readers, refuses producers and says so."""
    disk = small_disk(t, 250)
    config = t.write("c.yaml", SMALL_CACHE)
    broker = t.broker(data_dir=disk / "data", config=config)
    Confluent.send(broker.address, "t", b"before")
    broker.stop()
    os.unlink(disk / "data" / "reserve")
    occupy(disk / "other", free_bytes(disk) - 20 * MB)
    broker.start()
    wait_for("the reserve to be missed", lambda: metric_sum(broker, "goqueue_disk_full") == 1, 20)
    assert metric_sum(broker, "goqueue_disk_reserve_bytes") == 0
    assert [message.value() for message in Confluent.messages(broker.address, "t")] == [b"before"]
    acked, _ = fill(broker.address, "t", 100000)
    assert not acked
    os.unlink(disk / "other")
    wait_for("room to be noticed", lambda: fill(broker.address, "t", 10000)[0], 60)
    assert metric_sum(broker, "goqueue_disk_reserve_bytes") >= 22 << 20


def occupy_all(path):
    """To the last block, those that are for root only among them."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
        os.fsync(file.fileno())


@limit(240)
def test_starts_without_any_room(t):
    """Start after start on a disk without a free block, until the journal has none left for a file: topics are deleted
    as long as it has one, reads go on all the time, and all the rest without a restart once there is room."""
    disk = small_disk(t, 120)
    broker = t.broker(data_dir=disk / "data", config=t.write("c.yaml", SMALL_CACHE))
    Confluent.send(broker.address, "t", b"before")
    Confluent.send(broker.address, "deleted", os.urandom(10 * MB))
    for number in range(8):
        if number % 2 == 0:
            broker.stop()
        else:
            broker.kill()
        (disk / "data" / "reserve").unlink(missing_ok=True)
        occupy_all(disk / "other")
        broker.start()
        wait_for("the disk to be full", lambda: metric_sum(broker, "goqueue_disk_full") == 1, 20)
        assert [message.value() for message in Confluent.messages(broker.address, "t")] == [b"before"]
        acked, refused = fill(broker.address, "t", 50000)
        assert not acked and {error.code() for error in refused} <= RETRIABLE, (len(acked), refused[:3])
        if number == 0:
            Confluent.admin(broker.address).delete_topics(["deleted"])["deleted"].result(60)
        assert broker.log().count(b"messages are refused until") == 1, broker.log()
    os.unlink(disk / "other")
    wait_for("room to be noticed", lambda: fill(broker.address, "t", 10000)[0], 60)
    broker.restart()
    Confluent.send(broker.address, "t", b"after")
    values = [message.value() for message in Confluent.messages(broker.address, "t")]
    assert values[0] == b"before" and values[-1] == b"after"
