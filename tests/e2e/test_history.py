# SPDX-License-Identifier: LGPL-2.1-or-later
"""Producers and consumers write down what they saw while the broker is killed, and gqcheck judges it."""

import random
import re
import time

from e2elib.clients import Confluent
from e2elib.harness import limit, wait_for
from e2elib.history import History, Reader, Sender, asker, judge

PLACES = [("numbers", partition) for partition in range(3)]


def record(t, history):
    """Three producers, two consumers, and kill -9 in between; then all is read to its end."""
    drawn = random.Random(t.name)
    broker = t.broker()
    Confluent.create_topic(broker.address, "numbers", len(PLACES))
    readers = [Reader(history, broker.address, PLACES) for _ in range(2)]
    senders = [Sender(history, broker.address, PLACES) for _ in range(3)]
    ends = {}
    try:
        for _ in range(20 if t.long else 3):
            before = [sender.n_acked for sender in senders]
            wait_for("every producer to get on", lambda: all(
                sender.n_acked > count for sender, count in zip(senders, before)), 60)
            time.sleep(drawn.uniform(0, 0.3))
            broker.kill()
            broker.start()
            with asker(history, broker.address) as ask:
                for place in PLACES:
                    ask("list", place)
    finally:
        for sender in senders:
            sender.finish()
        with asker(history, broker.address) as ask:
            ends = {place: ask("list", place)[1] for place in PLACES}
            for reader in readers:
                reader.finish(ends)
            for place in PLACES:
                ask("drain", place)
    assert sum(ends.values()) >= sum(sender.n_acked for sender in senders) > 0


def doctored(lines, change):
    """The history with one change; the reader that is changed is the one that writes the last poll with records."""
    lines = list(lines)
    change(lines)
    return "\n".join(lines) + "\n"


def lose(lines):
    """The record in the middle of a partition is gone from all polls."""
    offsets = [int(offset) for line in lines for offset in re.findall(r" numbers/0:(\d+)=", line)]
    gone = re.compile(rf" numbers/0:{sorted(offsets)[len(offsets) // 2]}=\d+")
    lines[:] = [gone.sub("", line) for line in lines]


def repeat(lines):
    """The last record of a poll comes again, at the next offset."""
    for index in reversed(range(len(lines))):
        found = re.search(r" (numbers/\d):(\d+)=(\d+)$", lines[index])
        if found:
            lines[index] += f" {found[1]}:{int(found[2]) + 1}={found[3]}"
            return


def go_back(lines):
    """The end of a partition is smaller after a restart."""
    for index in reversed(range(len(lines))):
        found = re.search(r" end=(\d+)$", lines[index])
        if found:
            lines[index] = lines[index].replace(found[0], f" end={int(found[1]) - 1}")
            return


@limit(240)
def test_nine_in_between(t):
    """The real one is fine; one that is doctored is not."""
    history = History(t.dir / "history.txt")
    record(t, history)
    history.close()
    status, report = judge(t.options.build, history.path)
    print(report)
    assert status == 0, report
    lines = history.path.read_text(encoding="ascii").splitlines()
    for change, anomaly in ((lose, "lost-write"), (repeat, "duplicate"), (go_back, "offset-back")):
        bad = t.write(f"{change.__name__}.txt", doctored(lines, change))
        status, report = judge(t.options.build, bad)
        assert status == 1 and f" {anomaly}: " in report, f"{change.__name__}: status {status}\n{report}"
    status, report = judge(t.options.build, t.write("cut.txt", "\n".join(lines)))
    assert status == 2 and f"cut.txt:{len(lines)}:" in report, report
