# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures without noise that a test can hold: what 1000 acknowledged batches take in instructions, allocations, system
calls, flushes and written bytes, what 1000 fetched ones take, and the memory of an idle partition. bench/gates.json has
today's numbers. A figure that is worse fails; one that is better fails too, until the number is taken over: so the file
stays true."""

import collections
import json
import pathlib
import subprocess
import time

import callgrind
import servers

NUMBERS = pathlib.Path(__file__).resolve().parent / "gates.json"
SCENARIOS = {"one": (1, 1), "many": (50, 100)}  # clients with a batch in flight each, records of 100 B in a batch
BATCHES = 1000
FETCH_BYTES = 4096  # of an answer: the daemon gives it from memory
FETCH_ROUNDS = 5
FETCH_TRIES = 5  # the least counts: what the daemon does by the clock, and for a client that takes in slowly, only adds


def under_callgrind(bench, name, *arguments):
    """Of a whole node over the simulated seams, the same numbers every time: instructions for each batch, allocations,
    and what it asked of the disk."""
    profile = bench.work / f"callgrind.{name}"
    done = subprocess.run(["valgrind", "--tool=callgrind", "--zero-before=measure", "--dump-after=measure",
                           "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={profile}",
                           str(bench.options.build / "bench-gate"), *arguments],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise servers.Failed(done.stderr)
    with open(f"{profile}.1", encoding="utf-8", errors="replace") as lines:
        instructions, allocations = callgrind.own_work(lines)
    return {f"{name}: instructions of goqueue's own code per batch": instructions / BATCHES,
            f"{name}: allocations per 1000 batches": allocations}, json.loads(done.stdout)


def simulated(bench, name):
    clients, records = SCENARIOS[name]
    found, disk = under_callgrind(bench, name, str(clients), str(records))
    return found | {f"{name}: flushes per 1000 batches": disk["syncs"],
                    f"{name}: writes per 1000 batches": disk["writes"],
                    f"{name}: bytes written per byte received": disk["written_bytes"] / disk["produced_bytes"]}


def count_calls(trace, start, end):
    """System calls by name within a span of time; a call that was interrupted counts where it began."""
    counted = collections.Counter()
    for line in trace:
        fields = line.split(maxsplit=2)
        if len(fields) == 3 and start <= float(fields[1]) <= end and "(" in fields[2] and fields[2][0].isalpha():
            counted[fields[2].split("(", 1)[0]] += 1
    return counted


def traced(bench):
    """System calls of the daemon, one message in flight, and then one fetch of what lies in memory."""
    trace = bench.work / "strace"
    with servers.TracedBroker(bench, trace, performance="{reactors: 1, shards: 1, spin: none}") as broker:
        bench.client(True, "topics", broker=broker.address)
        bench.client(True, "one", broker=broker.address, count=100)
        start = time.time()
        bench.client(True, "one", broker=broker.address, count=BATCHES)
        end = time.time()
        broker.settle()
        spans = []
        for _ in range(FETCH_TRIES):
            fetch_start = time.time()
            fetched = bench.client(True, "fetch", broker=broker.address, bytes=FETCH_BYTES,
                                   count=FETCH_ROUNDS)["batches"]
            spans.append((fetch_start, time.time()))
    with open(trace, encoding="utf-8", errors="replace") as file:
        lines = list(file)
    counted = count_calls(lines, start, end)
    fetching = [count_calls(lines, *span) for span in spans]
    if bench.options.verbose:
        print(counted, *fetching, sep="\n")
    # Whether a lock is waited for is chance; so is how often the daemon waits while the client takes an answer in.
    return {"daemon: system calls per 1000 batches": sum(counted.values()) - counted["futex"],
            "daemon: fdatasync calls per 1000 batches": counted["fdatasync"],
            "daemon: system calls per 1000 fetched batches":
                min(sum(calls.values()) - calls["futex"] - calls["epoll_wait"] for calls in fetching) /
                fetched * BATCHES}


def idle_memory(bench):
    with servers.Broker(bench, True) as broker:
        bench.client(True, "topics", broker=broker.address, topic="idle", count=10, partitions=100)
        broker.end()
        few = servers.memory_mb(broker.start().pid)["RssAnon"]
        bench.client(True, "topics", broker=broker.address, topic="more", count=10, partitions=1000)
        broker.end()
        many = servers.memory_mb(broker.start().pid)["RssAnon"]
    return {"daemon: bytes of memory per idle partition": (many - few) * (1 << 20) / 10000}


def measure(bench):
    found = {}
    for name in SCENARIOS:
        found |= simulated(bench, name)
    found |= under_callgrind(bench, "fetch", "fetch")[0]
    found |= traced(bench)
    return found | idle_memory(bench)


def judge(name, value, known):
    """What is wrong with a figure, or None."""
    if name not in known:
        return "isn't in bench/gates.json"
    bound, tolerance = known[name]["value"], known[name]["tolerance"]
    if value > bound * (1 + tolerance):
        return f"worse than {bound:g} by more than {tolerance * 100:g} %"
    if value < bound * (1 - tolerance):
        return f"better than {bound:g} by more than {tolerance * 100:g} %: update the number"
    return None


def take_over(found, known):
    new = {name: {"value": float(f"{value:.4g}"), "tolerance": known.get(name, {}).get("tolerance", 0.05)}
           for name, value in found.items()}
    NUMBERS.write_text(json.dumps(new, indent=4) + "\n", encoding="utf-8")


def main(bench, update):
    known = json.loads(NUMBERS.read_text(encoding="utf-8")) if NUMBERS.exists() else {}
    found = measure(bench)
    if update:
        take_over(found, known)
        known = json.loads(NUMBERS.read_text(encoding="utf-8"))
    passed = failed = 0
    for name, value in found.items():
        wrong = judge(name, value, known)
        passed += wrong is None
        failed += wrong is not None
        print(f"{'FAIL' if wrong else 'ok':4} {name}: {value:,.4g}{' – ' + wrong if wrong else ''}")
    for name in known.keys() - found.keys():
        failed += 1
        print(f"FAIL {name}: nothing measures it any more")
    if failed:
        print("./dev bench --gates --update takes over today's numbers; say in the commit why they changed")
    print(f"gates: {passed} passed, {failed} failed")
    return failed > 0
