# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lies under the data directory: memory, read-only, an unusual journal."""

import os
import subprocess

from e2elib.clients import Confluent, run
from e2elib.harness import Skip, limit

MB = 1000 * 1000
EX_CANTCREAT = 73


def mount(t, *arguments):
    if os.geteuid() != 0:
        raise Skip("mounting needs root")
    place = t.dir / "place"
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *map(str, arguments), str(place)], capture_output=True, check=False)
    if done.returncode != 0:
        raise Skip(f"mount: {done.stderr.decode().strip()}")
    t.cleanups.append(lambda: run(["umount", "-l", str(place)]))
    return place


@limit(60)
def test_in_memory(t):
    place = mount(t, "-t", "tmpfs", "-o", "size=300m", "none")
    broker = t.broker(data_dir=place / "data")
    assert b"is in memory" in broker.log()
    Confluent.send(broker.address, "t", os.urandom(MB))
    broker.kill()
    broker.start()
    assert sum(len(m.value()) for m in Confluent.messages(broker.address, "t")) == MB


@limit(60)
def test_read_only(t):
    (t.dir / "real").mkdir()
    place = mount(t, "--bind", t.dir / "real")
    (place / "data").mkdir()
    run(["mount", "-o", "remount,ro,bind", str(place)])
    for name in "data", "missing":
        broker = t.broker(start=False, data_dir=place / name)
        broker.launch()
        assert broker.wait() == EX_CANTCREAT
        assert str(place / name).encode() in broker.log() and b"read-only" in broker.log().lower(), broker.log()


def ext4(t, options, *features):
    image = t.dir / "disk.img"
    with open(image, "wb") as file:
        file.truncate(300 * MB)
    run(["mkfs.ext4", "-q", "-F", *features, str(image)])
    return mount(t, "-o", options, image)


@limit(60)
def test_journalled_data(t):
    broker = t.broker(data_dir=ext4(t, "loop,data=journal") / "data")
    assert b"data=journal" in broker.log()
    Confluent.send(broker.address, "t", os.urandom(MB))


@limit(60)
def test_without_journal(t):
    broker = t.broker(data_dir=ext4(t, "loop", "-O", "^has_journal") / "data")
    assert b"without a journal" in broker.log()


@limit(60)
def test_without_barriers(t):
    broker = t.broker(data_dir=ext4(t, "loop,nobarrier") / "data")
    assert b"without barriers" in broker.log()


@limit(60)
def test_good_place(t):
    broker = t.broker(data_dir=ext4(t, "loop") / "data")
    assert b"warn  data directory" not in broker.log()
