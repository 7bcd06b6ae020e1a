# SPDX-License-Identifier: LGPL-2.1-or-later
"""Any bytes on the port: an error or a closed connection and a counter, never a crash, a hang or a lost record."""

import os
import random
import socket
import ssl
import struct

from e2elib.clients import Kcat
from e2elib.frames import frame, request
from e2elib.harness import cases, limit
from e2elib.http import metric_sum


def talk(broker, data, timeout_s=10, must_end=True):
    """Sends data, ends the sending side and returns what came back until the broker closed."""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=timeout_s) as conn:
        answer = b""
        try:
            conn.sendall(data)
            conn.shutdown(socket.SHUT_WR)
            while True:
                part = conn.recv(65536)
                if not part:
                    return answer
                answer += part
        except TimeoutError as error:
            if not must_end:
                return answer
            raise AssertionError(f"the broker neither answered nor closed after {data[:1000]!r}") from error
        except OSError:
            return answer


def still_serves(broker):
    broker.check_alive()
    Kcat.send(broker.address, "after", b"fine\n")
    assert Kcat.read(broker.address, "after").endswith(b"fine\n")


INPUTS = {
    "nothing": b"",
    "one byte": b"\0",
    "size 0": struct.pack(">i", 0) * 3,
    "size -1": struct.pack(">i", -1) + b"x" * 100,
    "size -2^31": struct.pack(">i", -2**31) + b"x" * 100,
    "size 2^31-1": struct.pack(">i", 2**31 - 1) + b"x" * 100000,
    "size above the limit": struct.pack(">i", 0x15ffffff) + b"x" * 100000,
    "promises more than it sends": struct.pack(">i", 1000) + b"\0\3\0\1" + b"x" * 10,
    "shorter than a header": frame(b"\0\3\0"),
    "unknown key": request(999, 0),
    "negative key": request(-1, 0),
    "unknown version": request(3, 99),
    "negative version": request(3, -1),
    "produce 0 to 2": request(0, 2, b"\0" * 20),
    "client id too long": frame(struct.pack(">hhih", 3, 1, 1, 32767) + b"short"),
    "client id negative": frame(struct.pack(">hhih", 3, 1, 1, -5) + b"short"),
    "count 2^31-1": request(3, 1, struct.pack(">i", 2**31 - 1)),
    "count -7": request(3, 1, struct.pack(">i", -7)),
    "varint without an end": frame(struct.pack(">hhih", 3, 12, 1, -1) + b"\0" + b"\xff" * 50),
    "tags without an end": frame(struct.pack(">hhih", 18, 3, 1, -1) + b"\xff\xff\xff\xff\x0f" + b"\1\1" * 50),
    "trailing bytes": request(3, 1, struct.pack(">i", 0) + b"trailing"),
    "topic name with a path": request(3, 1, struct.pack(">ih", 1, 9) + b"../../etc"),
    "HTTP with garbage": b"GET /\xff\xfe\r\n\0\0\r\n\r\n",
    "HTTP of another kind": b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP with a long line": b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n",
    "HTTP that never ends": b"GET /health HTTP/1.1\r\nHost: x\r\n",
    "text": b"hello, is this the queue?\n" * 1000,
}


@cases(input=list(INPUTS))
def test_input(t, input):
    broker = t.broker()
    Kcat.send(broker.address, "before", b"kept\n")
    talk(broker, INPUTS[input])
    still_serves(broker)
    assert Kcat.read(broker.address, "before") == b"kept\n"


@limit(180)
def test_random_bytes(t):
    drawn = random.Random(t.name)
    broker = t.broker()
    for _ in range(2000 if t.long else 300):
        kind = drawn.randrange(3)
        noise = drawn.randbytes(drawn.choice([4, 20, 200, 5000]))
        if kind == 1:
            noise = frame(noise)
        elif kind == 2:
            noise = request(drawn.randrange(70), drawn.randrange(14), noise)
        talk(broker, noise, 10, must_end=kind != 2)
    still_serves(broker)


def test_mutated_requests(t):
    """Good requests with some bytes changed. A fetch among them may wait for as long as its bytes say."""
    broker = t.broker()
    drawn = random.Random(t.name)
    whole = request(18, 0) + request(3, 1, struct.pack(">ih", 1, 1) + b"t") + \
        request(0, 3, struct.pack(">hhi", -1, -1, 1000) + struct.pack(">ih", 1, 1) + b"t" +
                struct.pack(">iii", 1, 0, 61) + b"\0" * 61) + \
        request(1, 4, struct.pack(">iiiibi", -1, 100, 1, 1 << 20, 0, 1) + b"\0\1t" +
                struct.pack(">iiqi", 1, 0, 0, 1 << 20))
    for _ in range(500 if t.long else 200):
        mutated = bytearray(whole)
        for _ in range(drawn.randrange(1, 5)):
            mutated[drawn.randrange(len(mutated))] = drawn.randrange(256)
        talk(broker, bytes(mutated), 0.3, must_end=False)
    still_serves(broker)


def test_tls_hello(t):
    broker = t.broker()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as conn:
        try:
            context.wrap_socket(conn)
            raise AssertionError("a TLS handshake with a port that has no TLS")
        except (ssl.SSLError, OSError):
            pass
    still_serves(broker)


def test_counted(t):
    """Each of them shows in /metrics."""
    def counts(broker):
        return [metric_sum(broker, f"goqueue_{name}_total") for name in ("oversized_requests", "protocol_errors")]

    broker = t.broker()
    assert counts(broker) == [0, 0]
    for data in (INPUTS["size -1"], INPUTS["unknown key"], INPUTS["count 2^31-1"]):
        talk(broker, data)
    assert counts(broker) == [1, 2]


def test_half_open_connections(t):
    """A thousand connections that send half a frame and stay don't keep others from being served."""
    broker = t.broker(options=["--config", str(t.write("c.yaml", "max_connections_per_address: 2000\n"))])
    conns = []
    for _ in range(800):
        conn = socket.create_connection(("127.0.0.1", broker.port), timeout=10)
        conn.sendall(struct.pack(">i", 50000000) + os.urandom(10))
        conns.append(conn)
    still_serves(broker)
    for conn in conns:
        conn.close()


def test_connection_limit(t):
    """Past max_connections_per_address a connection is closed at once; after others end, new ones are taken."""
    broker = t.broker(config=t.write("c.yaml", "max_connections_per_address: 5\n"))
    conns = [socket.create_connection(("127.0.0.1", broker.port), timeout=10) for _ in range(5)]
    for conn in conns:
        conn.sendall(request(18, 0))
        assert conn.recv(4)
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as over:
        try:
            over.sendall(request(18, 0))
            assert over.recv(100) == b"", "a connection over the limit was served"
        except ConnectionError:
            pass
    for conn in conns:
        conn.close()
    still_serves(broker)
