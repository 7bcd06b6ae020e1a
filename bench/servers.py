# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes on the serving side: the broker, and the floors that bench-client has."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import machine


class Failed(Exception):
    """A pair couldn't be measured. The others still can."""


# What else a server that doesn't do as it should makes of a pair.
FAILURES = (Failed, OSError, subprocess.SubprocessError, http.client.HTTPException)


SERVER_CORE = 0
CLIENT_CORE = 1


def cpu_s(pid):
    """CPU time of all threads that live, in seconds."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
        except (OSError, IndexError):
            pass
    return total / 1e9


def memory_mb(pid):
    """Resident memory as the kernel counts it, and of it what isn't backed by a file, in MiB."""
    status = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+)", machine.text_of(f"/proc/{pid}/status"), re.MULTILINE))
    if len(status) < 2:
        raise Failed(f"process {pid} has ended")
    return {name: int(value) / 1024 for name, value in status.items()}


class Profile:
    """Where a process spends its CPU time, with call graphs, as a text of perf. It samples by the clock, since virtual
    machines often have no counters."""

    STARTS_S = 1.0  # perf says nothing when it has attached

    def __init__(self, pid, path):
        self.path = path
        self.data = path.with_suffix(".data")
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", "--call-graph", "dwarf", "-p", str(pid)]
        self.process = subprocess.Popen(record + ["-o", str(self.data)], stderr=subprocess.DEVNULL)
        time.sleep(self.STARTS_S)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(300)
        report = ["perf", "report", "--stdio", "--no-inline", "--no-children", "--sort", "comm,symbol",
                  "--percent-limit", "1", "-i", str(self.data)]
        with open(self.path, "w", encoding="utf-8") as text:
            subprocess.run(report, stdout=text, stderr=subprocess.DEVNULL, check=False)


class Broker:
    """brokerd, pinned to a core or not, on a fresh directory or on one that is left from another."""

    def __init__(self, bench, pinned, data=None, **settings):
        self.bench = bench
        self.core = SERVER_CORE if pinned else None
        self.data = data or pathlib.Path(tempfile.mkdtemp(prefix="data-", dir=bench.work))
        self.log = self.data / "log"
        config = self.data / "config.yaml"
        config.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()), encoding="utf-8")
        self.port = machine.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.command = [str(bench.options.build / "brokerd"), "--node-id=bench", f"--bind-port={self.port}",
                        f"--data-dir={self.data / 'data'}", f"--config={config}"]
        self.process = None
        self.profile = None

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stderr=log, preexec_fn=machine.pin(self.core))
        limit = time.monotonic() + 120
        while b"ready: " not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > limit:
                raise Failed(f"the broker didn't start: {self.log.read_text(encoding='utf-8')}")
            time.sleep(0.002)
        if self.bench.profile_path is not None:
            self.profile = Profile(self.pid, self.bench.profile_path)
        return self

    @property
    def pid(self):
        return self.process.pid

    def settled_cpu_s(self):
        """CPU time with that of all the work that is left when the last message has been acknowledged."""
        self.settle()
        return self.cpu_s()

    def cpu_s(self):
        return cpu_s(self.pid)

    def metrics(self):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        conn.request("GET", "/metrics")
        text = conn.getresponse().read().decode()
        conn.close()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def settle(self):
        """Until all that was acknowledged is in segments and nothing waits any more."""
        limit = time.monotonic() + 60
        while self.metrics()["goqueue_pending_bytes"] > 0 and time.monotonic() < limit:
            time.sleep(0.05)

    def files(self):
        return [path for path in (self.data / "data" / "topics").rglob("*.log")]

    @staticmethod
    def drop_caches(files):
        """What is dirty is written before, else it would stay."""
        for path in files:
            fd = os.open(path, os.O_RDONLY)
            os.fdatasync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    def end_profile(self):
        if self.profile is not None:
            self.profile.stop()
            self.profile = None

    def kill(self):
        self.end_profile()
        self.process.kill()
        self.process.wait()

    def end(self):
        """Stops it; the directory stays."""
        self.end_profile()
        os.kill(self.pid, signal.SIGTERM)
        self.process.wait(120)

    def remove(self):
        shutil.rmtree(self.data)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.end()
        if kind is not None or self.process.returncode != 0:
            print(f"the broker ended with {self.process.returncode}; the end of its log:\n"
                  f"{self.log.read_text(encoding='utf-8')[-2000:]}", file=sys.stderr)
        self.remove()


class TracedBroker(Broker):
    """The same with each of its system calls in a file."""

    def __init__(self, bench, trace, **settings):
        super().__init__(bench, True, **settings)
        self.command = ["strace", "-f", "-ttt", "-o", str(trace)] + self.command

    @property
    def pid(self):
        return int(machine.text_of(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()[0])


class Floor:
    """A serving command of bench-client: mock, floor or sendfile."""

    def __init__(self, bench, pinned, command, **settings):
        arguments = [str(bench.client_path), command] + [f"{key}={value}" for key, value in settings.items()]
        self.process = subprocess.Popen(arguments, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=machine.pin(SERVER_CORE if pinned else None))
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"{' '.join(arguments)} didn't start")
        self.address = json.loads(line)["broker"]

    def cpu_s(self):
        return cpu_s(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)


class Peak(threading.Thread):
    """Samples the memory of a process until it is asked for the most that was seen, or the process ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.most = memory_mb(pid)
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.02):
            try:
                now = memory_mb(self.pid)
            except Failed:
                return
            self.most = {name: max(now[name], most) for name, most in self.most.items()}

    def stop(self):
        self.ended.set()
        self.join()
        return self.most
