# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test gets: directories, daemons, and functions to wait."""

import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

from e2elib.frames import request

READY = re.compile(rb"(?=[^\n]*\bready\b)[^\n]*\bport=(\d+)")
TOP = pathlib.Path(__file__).resolve().parents[3]


class Skip(Exception):
    """Raised by a test that can't run here; its text says why."""


def cases(**values):
    """Runs the test once for each value of the one keyword given."""
    (name, items), = values.items()

    def mark(function):
        function.cases = [{name: item} for item in items]
        return function

    return mark


def plain_only(function):
    """Not in runs against builds with sanitizers (strace, timing, sizes of memory)."""
    function.plain_only = True
    return function


def limit(seconds):
    """A time limit other than 120 s; ten times that in long runs."""

    def mark(function):
        function.limit_s = seconds
        return function

    return mark


def wait_for(what, condition, timeout_s=20.0):
    """Waits until condition() is true and returns what it returned."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)


class Broker:
    """A real brokerd on a free port of 127.0.0.1. After the first start it keeps its port."""

    def __init__(self, test, name="b1", options=(), data_dir=None, env=None, wrapper=(), pass_fds=(), config=None):
        self.name = name
        self.program = test.options.build / "brokerd"
        self.test_dir = test.dir
        self.data_dir = pathlib.Path(data_dir or test.dir / f"{name}.data")
        self.options = list(options)
        self.env = dict(os.environ, **(env or {}))
        self.wrapper = list(wrapper)
        self.pass_fds = pass_fds
        self.config = config
        self.log_path = test.dir / f"{name}.log"
        self.port = 0
        self.process = None
        self.patience_s = 60 if test.options.slow_build else 20

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def command(self):
        command = [*self.wrapper, str(self.program), f"--node-id={self.name}", f"--data-dir={self.data_dir}"]
        command.append(f"--bind-port={self.port}")
        if self.config:
            command.append(f"--config={self.config}")
        return command + self.options

    def launch(self):
        """Starts the process and doesn't wait for it to be ready."""
        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env, pass_fds=self.pass_fds, cwd=self.test_dir)
        return self

    def log(self):
        """What the present process has written."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read()

    def start(self):
        self.launch()
        ready = wait_for(f"{self.name} to be ready: {shlex.join(self.command())}",
                         lambda: READY.search(self.log()) or self.check_alive(), self.patience_s)
        self.port = int(ready.group(1))
        return self

    def start_silent(self):
        """Starts one that logs elsewhere, so that standard error doesn't tell when it is ready."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.launch()
        wait_for(f"an answer of {self.name}", lambda: self.answers() or self.check_alive(), self.patience_s)
        return self

    def answers(self):
        """Whether it answers ApiVersions."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=self.patience_s) as conn:
                conn.sendall(request(18, 0))
                return bool(conn.recv(4))
        except OSError:
            return False

    def check_alive(self):
        status = self.process.poll()
        assert status is None, f"{self.name} ended with status {status}"

    def wait(self):
        """Waits until it ends and returns its status."""
        status = self.process.wait(timeout=self.patience_s)
        self.process = None
        return status

    def stop(self):
        """A clean end: SIGTERM, status 0."""
        self.process.send_signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"{self.name} ended with status {status} after SIGTERM"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()


class Test:
    """One running test."""

    def __init__(self, name, directory, options):
        self.name = name
        self.dir = directory
        self.options = options
        self.long = options.long
        self.slow_build = options.slow_build
        self.brokers = []
        self.cleanups = []

    def broker(self, start=True, **arguments):
        broker = Broker(self, **arguments)
        self.brokers.append(broker)
        return broker.start() if start else broker

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text, encoding="utf-8")
        return path

    def close(self):
        """Every broker that still runs must end cleanly, whatever the test did to it."""
        try:
            for broker in self.brokers:
                if broker.process is not None:
                    broker.check_alive()
                    broker.stop()
        finally:
            for broker in self.brokers:
                if broker.process is not None:
                    broker.kill()
            for cleanup in reversed(self.cleanups):
                cleanup()
