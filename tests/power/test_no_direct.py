# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system that refuses O_DIRECT, when a file gets the flag or at the first transfer. no_direct.c, loaded into the
daemon, makes it so."""

import random
import time

from e2elib.clients import Confluent
from e2elib.harness import cases, limit
from e2elib.load import Load, check_acked, check_all

from powerlib.build import preload

PARTITIONS = 3
WARNING = b"refuses O_DIRECT: journals are written through the page cache"


@cases(how=["files", "transfers"])
@limit(120)
def test_nine_without_direct(t, how):
    drawn = random.Random(t.name)
    broker = t.broker(env=preload(t, "no_direct", NO_DIRECT=how))
    assert broker.log().count(WARNING) == 1, broker.log()
    Confluent.create_topic(broker.address, "numbers", PARTITIONS)
    load = Load(broker.address, {"numbers": PARTITIONS}, max_value_bytes=100000)
    try:
        for _ in range(5):
            before = load.total()
            time.sleep(drawn.uniform(0.1, 0.5))
            broker.kill()
            acked = dict(load.acked)
            broker.start()
            assert broker.log().count(WARNING) == 1, broker.log()
            check_acked(broker.address, acked)
            load.wait_for_progress(before)
    finally:
        load.finish()
    assert not load.errors, load.errors[:5]
    check_all(broker.address, load)
