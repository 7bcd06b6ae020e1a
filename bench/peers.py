# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other queues as processes: started on a directory of their own, pinned as our broker is, and ended by their pid."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
import servers

JAVA_CLASSES = "kafka"  # below build/peers
# Those of Kafka's own start script.
JAVA = ["java", "-server", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def dies_with_us(core):
    """For preexec_fn: pinned, and ended with this program even where that is killed."""
    pin = machine.pin(core)

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if pin is not None:
            pin()
    return prepare


class Peer:
    """One queue in one setting. What a broker has that rows use is here, too: address, core, command, log, cpu_s()."""
    name = ""  # with the setting
    durability = ""  # D0: acknowledged from memory; D1: fsync before the acknowledgement
    acknowledges = ""  # what it does before it acknowledges, and at some time behind it
    protocol = None  # of bench-client's flow; None: Kafka's
    stays = False  # started once for its rows and warmed up, else for each pair

    def __init__(self, bench, pinned):
        self.pinned = pinned
        self.core = servers.SERVER_CORE if pinned else None
        self.programs = bench.options.build / "peers"
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir=bench.work))
        self.log = self.data / "log"
        self.log.touch()
        self.port = machine.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.command = self.prepare()
        self.process = None

    @classmethod
    def absent(cls, build):
        """Why it can't be measured, or None."""
        raise NotImplementedError

    @classmethod
    def version(cls, build):
        raise NotImplementedError

    def prepare(self):
        """Writes what it needs and gives its command."""
        raise NotImplementedError

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.data, preexec_fn=dies_with_us(self.core))
        return self

    @property
    def pid(self):
        return self.process.pid

    def cpu_s(self):
        """With that of threads that have ended: a Java machine has such."""
        fields = machine.text_of(f"/proc/{self.pid}/stat").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    settled_cpu_s = cpu_s

    def settle(self):
        """Nothing is left to do that it would tell of."""

    @contextlib.contextmanager
    def halted(self):
        """Takes nothing from the machine meanwhile."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def end(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def remove(self):
        shutil.rmtree(self.data, ignore_errors=True)

    def wait_for_port(self):
        limit = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), machine.socket.create_connection(("127.0.0.1", self.port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > limit:
                raise servers.Failed(f"{self.name} didn't start: "
                                     f"{self.log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
            time.sleep(0.01)

    def __enter__(self):
        try:
            self.start()
            self.wait_for_port()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.end()
        self.remove()


class Kept:
    """The queue that goes on from row to row, one at a time: it is warm, and its start is paid for once."""

    def __init__(self):
        self.peer = None
        self.is_new = False

    def get(self, kind, bench, pinned):
        if self.peer is None or type(self.peer) is not kind or self.peer.pinned != pinned:
            self.end()
            self.peer = kind(bench, pinned).__enter__()
            self.is_new = True
        return self.peer

    def warm_ups(self, usual, at_first):
        """How often work is to be done in vain now."""
        count, self.is_new = max(usual, at_first if self.is_new else 0), False
        return count

    def end(self):
        if self.peer is not None:
            self.peer.__exit__(None, None, None)
            self.peer = None


class Kafka(Peer):
    name = "Apache Kafka"
    durability = "D0"
    acknowledges = "acknowledges from the page cache, without fsync (its defaults)"
    stays = True
    more = {}

    @classmethod
    def absent(cls, build):
        if not shutil.which("java"):
            return "there is no java"
        return None if cls.jars(build) else "its jars are not in build/peers/kafka"

    @staticmethod
    def jars(build):
        return sorted((build / "peers" / JAVA_CLASSES).glob("kafka_*.jar"))

    @classmethod
    def version(cls, build):
        return f"{cls.jars(build)[0].stem.rsplit('-', 1)[1]}, KRaft, one node, heap of 1 GB"

    def prepare(self):
        controller = machine.free_port()
        settings = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}", "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}", "log.dirs": self.data / "data",
            "offsets.topic.replication.factor": 1, "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "broker.session.timeout.ms": 600000,  # it is halted at times
            "log.segment.delete.delay.ms": 1000, **self.more}
        config = self.data / "server.properties"
        config.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        classes = ["-cp", f"{self.programs / JAVA_CLASSES}/*"]
        done = subprocess.run(["java", *classes, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ",
                               "-c", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            self.remove()
            raise servers.Failed(f"{self.name} can't be prepared: {done.stdout[-2000:]}")
        return [shutil.which(JAVA[0]), *JAVA[1:], *classes, "kafka.Kafka", str(config)]


class KafkaFlushing(Kafka):
    name = "Apache Kafka, flush.messages=1"
    durability = "D1"
    acknowledges = "acknowledges after it has flushed the partition's files"
    more = {"log.flush.interval.messages": 1}  # what topics have as flush.messages


class Redis(Peer):
    name = "Redis stream, appendfsync everysec"
    durability = "D0"
    acknowledges = "acknowledges without fsync; flushes its append-only file once a second, behind the answers"
    protocol = "redis"
    fsync = "everysec"

    @classmethod
    def absent(cls, build):
        return None if shutil.which("redis-server") else "redis-server is not installed"

    @classmethod
    def version(cls, build):
        words = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()
        return next(word[2:] for word in words if word.startswith("v="))

    def prepare(self):
        return [shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes",
                "--appendfsync", self.fsync, "--save", "", "--dir", str(self.data)]


class RedisAlways(Redis):
    name = "Redis stream, appendfsync always"
    durability = "D1"
    acknowledges = "acknowledges after it has flushed its append-only file, once for all that came in one turn"
    fsync = "always"


class Nats(Peer):
    name = "NATS JetStream"
    durability = "D0"
    acknowledges = "acknowledges from the page cache, without fsync; flushes every two minutes (its defaults)"
    protocol = "nats"
    sync = ""

    @staticmethod
    def program(build):
        return build / "peers" / "nats-server"

    @classmethod
    def absent(cls, build):
        return None if cls.program(build).exists() else "build/peers/nats-server couldn't be built: that takes Go 1.26"

    @classmethod
    def version(cls, build):
        return subprocess.run([cls.program(build), "--version"], capture_output=True, text=True,
                              check=True).stdout.split()[-1].lstrip("v")

    def prepare(self):
        config = self.data / "nats.conf"
        config.write_text(f"listen: {self.address}\njetstream {{ store_dir: \"{self.data}\"\n{self.sync} }}\n",
                          encoding="utf-8")
        return [str(self.programs / "nats-server"), "-c", str(config)]


class NatsAlways(Nats):
    name = "NATS JetStream, sync_interval: always"
    durability = "D1"
    acknowledges = "acknowledges after it has flushed the message"
    sync = "sync_interval: always"


class Rabbit(Peer):
    """One node with nothing but the stream plugin. What it needs on the way, epmd, is a process of ours as well."""
    name = "RabbitMQ stream"
    durability = "D0"
    acknowledges = "confirms from the page cache, without fsync; streams have no setting for another way"
    protocol = "rabbit"
    stays = True
    program = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not that of PATH, which changes the user

    @classmethod
    def absent(cls, build):
        return None if cls.program.exists() and shutil.which("epmd") else "rabbitmq-server is not installed"

    @classmethod
    def version(cls, build):
        text = subprocess.run(["dpkg-query", "-W", "-f", "${source:Upstream-Version}", "rabbitmq-server"],
                              capture_output=True, text=True, check=False).stdout
        return f"{text or 'unknown'}, one node, its stream protocol"

    def prepare(self):
        epmd, node = machine.free_port(), machine.free_port()
        config = self.data / "rabbitmq.conf"
        config.write_text(f"listeners.tcp = none\nstream.listeners.tcp.1 = {self.address}\nlog.console = true\n",
                          encoding="utf-8")
        plugins = self.data / "enabled_plugins"
        plugins.write_text("[rabbitmq_stream].\n", encoding="utf-8")
        environment = {
            "HOME": self.data, "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": epmd,
            "RABBITMQ_NODENAME": f"bench{self.port}@localhost", "RABBITMQ_DIST_PORT": node,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_CONFIG_FILE": config,
            "RABBITMQ_ENABLED_PLUGINS_FILE": plugins, "RABBITMQ_MNESIA_BASE": self.data / "mnesia",
            "RABBITMQ_LOG_BASE": self.data, "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "detached": "yes",  # its script becomes the node, so that the pid is the node's
        }
        self.epmd = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(epmd)], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     preexec_fn=dies_with_us(self.core))
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items()), str(self.program)]

    def remove(self):
        self.epmd.kill()
        self.epmd.wait()
        super().remove()


ALL = (Kafka, Redis, Nats, Rabbit, KafkaFlushing, RedisAlways, NatsAlways)


def absent(build):
    """Those that can't be measured here, as (name, why)."""
    return [(peer.name, peer.absent(build)) for peer in ALL if peer.absent(build)]
