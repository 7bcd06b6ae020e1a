# SPDX-License-Identifier: LGPL-2.1-or-later
"""What brokerd and a service manager say to each other, without a service manager."""

import os
import re
import shutil
import signal
import socket
import tempfile
from pathlib import Path

from e2elib.clients import Confluent, Kcat
from e2elib.frames import request
from e2elib.harness import wait_for


class Manager:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, t):
        directory = tempfile.mkdtemp(prefix="goqueue-")
        t.cleanups.append(lambda: shutil.rmtree(directory))
        self.path = os.path.join(directory, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.said = []

    def lines(self):
        while True:
            try:
                self.said += self.socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return self.said

    def wait(self, line, timeout_s=20):
        return wait_for(f"{line}; it said {self.said}", lambda: any(said.startswith(line) for said in self.lines()),
                        timeout_s)


def listening_socket():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


def passing(listener, name="client"):
    """(wrapper, pass_fds) that hand a listener over as systemd does: descriptor 3, LISTEN_PID of the process itself."""
    script = 'fd=$1; shift; exec 3<&"$fd"; [ "$fd" -eq 3 ] || eval "exec $fd<&-"; ' \
             f'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name}; exec "$@"'
    fd = listener.fileno()
    return ["bash", "-c", script, "bash", str(fd)], (fd,)


def test_ready_and_stopping(t):
    manager = Manager(t)
    broker = t.broker(env={"NOTIFY_SOCKET": manager.path}, config=t.write("b1.yaml", ""))
    manager.wait("READY=1")
    assert not any(line.startswith("STOPPING=1") for line in manager.lines())
    manager.wait("STATUS=")
    Kcat.send(broker.address, "t", b"x\n")
    broker.stop()
    manager.wait("STOPPING=1")


def test_ready_only_after_recovery(t):
    """READY comes when a client is served, not before."""
    broker = t.broker(config=t.write("b1.yaml", ""))
    Confluent.send(broker.address, "t", b"x" * 3000000)
    broker.kill()
    manager = Manager(t)
    broker.env["NOTIFY_SOCKET"] = manager.path
    broker.launch()
    manager.wait("READY=1")
    assert len(Confluent.read(broker.address, "t")) == 3000000


def test_stop_of_a_start_that_takes_long(t):
    """SIGTERM ends it at once, with status 0, and the next start finds everything."""
    broker = t.broker()
    Kcat.send(broker.address, "t", b"x\n")
    broker.kill()
    file = next((broker.data_dir / "journal/0").iterdir())
    file.rename(t.dir / "aside")
    os.mkfifo(file)  # opening it takes for ever
    broker.launch()
    wait_for("recovery", lambda: "gq-starting" in threads(broker) or broker.check_alive())
    broker.process.send_signal(signal.SIGTERM)
    assert broker.wait() == 0
    assert b"stopping while it starts" in broker.log()
    file.unlink()
    (t.dir / "aside").rename(file)
    broker.start()
    assert Kcat.read(broker.address, "t") == b"x\n"


def threads(broker):
    return [path.read_text().strip() for path in Path(f"/proc/{broker.process.pid}/task").glob("*/comm")]


def test_watchdog(t):
    """Pings come at least every half of WATCHDOG_USEC."""
    manager = Manager(t)
    t.broker(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"}, config=t.write("b1.yaml", ""))
    manager.wait("WATCHDOG=1")
    count = manager.lines().count("WATCHDOG=1")
    wait_for("more pings", lambda: manager.lines().count("WATCHDOG=1") >= count + 5, 30)


def test_reload(t):
    manager = Manager(t)
    config = t.write("broker.yaml", "num_partitions: 2\n")
    broker = t.broker(config=config, env={"NOTIFY_SOCKET": manager.path})
    Kcat.send(broker.address, "before", b"x\n")
    config.write_text("num_partitions: 5\n")
    broker.process.send_signal(signal.SIGHUP)
    wait_for("the new value", lambda: created_with(broker) == 5)
    config.write_text("num_partitions: lots\n")
    broker.process.send_signal(signal.SIGHUP)
    wait_for("a word about the bad file", lambda: f"{config}:1".encode() in broker.log())
    assert created_with(broker) == 5, "a bad file must leave the old configuration in force"


def test_reload_of_larger_messages_than_fit(t):
    """What the journals and max_request_size of the start don't allow waits for a restart, and is told."""
    config = t.write("broker.yaml", "max_message_size: 1MiB\nmax_request_size: 10MiB\n")
    broker = t.broker(config=config)
    config.write_text("max_message_size: 15MiB\nmax_request_size: 40MiB\n")
    broker.process.send_signal(signal.SIGHUP)
    wait_for("a word about it", lambda: re.search(rb"max_message_size stays 1MiB.*max_request_size", broker.log()))
    broker.restart()
    config.write_text("max_message_size: 40MiB\nmax_request_size: 40MiB\n")
    broker.process.send_signal(signal.SIGHUP)
    wait_for("a word about it", lambda: re.search(rb"max_message_size stays 15MiB.*the journal", broker.log()))
    Confluent.create_topic(broker.address, "t")


def created_with(broker, numbers=iter(range(1000000))):
    """How many partitions a topic gets that is made now."""
    name = f"probe-{next(numbers)}"
    Kcat.send(broker.address, name, b"x\n")
    return len(Confluent.admin(broker.address).list_topics(name, timeout=10).topics[name].partitions)


def test_passed_socket(t):
    """Serves on the socket it was given; a connection that was made before the start waits and is served."""
    listener = listening_socket()
    port = listener.getsockname()[1]
    wrapper, fds = passing(listener)
    early = socket.create_connection(("127.0.0.1", port))
    broker = t.broker(start=False, wrapper=wrapper, pass_fds=fds)
    broker.port = port
    broker.start()
    assert broker.port == port
    early.settimeout(20)
    early.sendall(request(18, 0, client=b"early"))
    assert early.recv(8)[4:] == b"\0\0\0\7", "no answer to a connection from before the start"
    early.close()
    Kcat.send(broker.address, "t", b"x\n")
    assert Kcat.read(broker.address, "t") == b"x\n"
    broker.stop()
    assert socket.create_connection(("127.0.0.1", port)), "the passed socket must stay open with its owner"
    listener.close()


def test_passed_socket_of_another_port(t):
    """A passed socket that isn't where the configuration says is an error that says so."""
    listener = listening_socket()
    wrapper, fds = passing(listener)
    other = listening_socket()
    broker = t.broker(start=False, wrapper=wrapper, pass_fds=fds)
    broker.port = other.getsockname()[1]
    other.close()
    broker.launch()
    assert broker.wait() == 78
    assert str(listener.getsockname()[1]) in broker.log().decode()


def test_passed_socket_of_unknown_name(t):
    listener = listening_socket()
    wrapper, fds = passing(listener, "printer")
    broker = t.broker(start=False, wrapper=wrapper, pass_fds=fds)
    broker.port = listener.getsockname()[1]
    broker.launch()
    assert broker.wait() == 78
    assert "printer" in broker.log().decode()


def test_terminates_under_load(t):
    """SIGTERM ends it with status 0 while clients are at work, and nothing acknowledged is lost."""
    broker = t.broker()
    Confluent.create_topic(broker.address, "t")
    producer = Confluent.producer(broker.address, message_timeout_ms=60000, reconnect_backoff_max_ms=200)
    acked = []
    for number in range(20000):
        producer.produce("t", b"%d" % number, partition=0,
                         on_delivery=lambda error, message: acked.append(message.offset()) if not error else None)
        producer.poll(0)
        if number == 10000:
            broker.process.send_signal(signal.SIGTERM)
            assert broker.wait() == 0
            broker.start()
    assert producer.flush(60) == 0
    assert acked == list(range(20000))
    assert [int(message.value()) for message in Confluent.messages(broker.address, "t")] == list(range(20000))


def test_interrupt(t):
    broker = t.broker()
    broker.process.send_signal(signal.SIGINT)
    assert broker.wait() == 0
