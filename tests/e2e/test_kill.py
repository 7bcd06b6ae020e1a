# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 under load: what was acknowledged is there afterwards, in order, once."""

import random
import time

from e2elib.clients import Confluent
from e2elib.harness import limit
from e2elib.load import Load, check_acked, check_all

PARTITIONS = 3


def loaded_broker(t):
    broker = t.broker()
    Confluent.create_topic(broker.address, "numbers", PARTITIONS)
    return broker, Load(broker.address, {"numbers": PARTITIONS})


@limit(240)
def test_nine_under_load(t):
    rounds = 100 if t.long else 5 if t.slow_build else 15
    drawn = random.Random(t.name)
    broker, load = loaded_broker(t)
    try:
        for _ in range(rounds):
            before = load.total()
            time.sleep(drawn.uniform(0.05, 0.5))
            broker.kill()
            acked = dict(load.acked)
            broker.start()
            check_acked(broker.address, acked)
            load.wait_for_progress(before)
    finally:
        load.finish()
    assert not load.errors, load.errors[:5]
    print(f"{rounds} rounds, {load.total()} records")
    check_all(broker.address, load)
    broker.restart()
    check_all(broker.address, load)


@limit(240)
def test_nine_again_while_recovering(t):
    """Killed at drawn moments of its start, again and again; then it starts and has everything."""
    drawn = random.Random(t.name)
    broker, load = loaded_broker(t)
    time.sleep(1)
    broker.kill()
    acked = dict(load.acked)
    for _ in range(50 if t.long else 10):
        broker.launch()
        time.sleep(drawn.uniform(0, 0.03) * (10 if t.slow_build else 1))
        broker.kill()
    broker.start()
    check_acked(broker.address, acked)
    load.finish()
    assert not load.errors, load.errors[:5]
    check_all(broker.address, load)
