"""A command in a pod, over a websocket: a small server on loopback speaks the API server's part."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

from cloudify_quagga.channel import Ended, NotRun, _exit_code
from cloudify_quagga.cluster import Absent, Broken, Cluster, Reference, connect
from cloudify_quagga.errors import NotPermitted, PermanentError, Unavailable
from cloudify_quagga.model import Access, Api
from cloudify_quagga.model.secret import Secret

POD = Reference("v1", "Pod", "router-1", "net")
RESOURCES = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": []}]}
SUCCESS = {"status": "Success"}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Script = Callable[["Peer"], None]


def failure(code: int) -> dict[str, Any]:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}


class Peer:
    """One connection, as a script sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")
        self.request = self._file.readline().decode().strip()
        self.headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value

    def close(self) -> None:
        self._file.close()

    def say(self, text: bytes) -> None:
        self._connection.sendall(text)

    def upgrade(self) -> None:
        accept = base64.b64encode(hashlib.sha1(self.headers["sec-websocket-key"].encode() + GUID).digest())
        self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    def answer(self, code: int, body: bytes) -> None:
        self.say(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (code, len(body), body))

    def send(self, channel: int, data: bytes) -> None:
        payload = bytes([channel]) + data
        head = (
            bytes([0x82, len(payload)])
            if len(payload) < 126
            else b"\x82\x7e" + struct.pack(">H", len(payload))
        )
        self.say(head + payload)

    def end(self, status: dict[str, Any]) -> None:
        self.send(3, json.dumps(status).encode())
        self.say(b"\x88\x02\x03\xe8")

    def read(self, size: int) -> bytes:
        """So many bytes of the standard input."""
        data = b""
        while len(data) < size:
            data += self._frame()
        return data

    def _frame(self) -> bytes:
        _, second = self._file.read(2)
        size = second & 0x7F
        size = struct.unpack(">H", self._file.read(2))[0] if size == 126 else size
        size = struct.unpack(">Q", self._file.read(8))[0] if size == 127 else size
        mask, masked = self._file.read(4), self._file.read(size)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))
        assert data[:1] == b"\0"
        return data[1:]


class Server:
    """Discovery works; what comes after it is the script's."""

    def __init__(self) -> None:
        self.script: Script = lambda peer: peer.answer(500, b"")
        self.peers: list[Peer] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                with connection, suppress(BrokenPipeError, ConnectionResetError):
                    peer = Peer(connection)
                    self._talk(peer)
                    peer.close()

    def _talk(self, peer: Peer) -> None:
        if peer.request.startswith("GET /api/v1 "):
            peer.answer(200, json.dumps(RESOURCES).encode())
        else:
            self.peers.append(peer)
            self.script(peer)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.listening.close()


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    api = Api(f"http://127.0.0.1:{server.port}", api_key=Secret("sesame"))
    with closing(connect(Access(api=api), lambda _: b"", str)) as made:
        yield made


def test_a_command_tells_what_came_of_it(server: Server, cluster: Cluster) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(1, b"out")
        peer.send(2, b"err")
        peer.send(1, b"put " + b"x" * 300)
        peer.end(failure(64))

    server.script = script
    ended = cluster.exec(POD, ["router", "check", "a b"], container="quagga")
    assert ended == Ended(64, "output " + "x" * 300, "err")
    (peer,) = server.peers
    path = "/api/v1/namespaces/net/pods/router-1/exec?command=router&command=check&command=a+b"
    assert peer.request == f"GET {path}&container=quagga&stdout=true&stderr=true HTTP/1.1"
    assert peer.headers["authorization"] == "Bearer sesame"
    assert peer.headers["user-agent"] == "cloudify-quagga-plugin"
    assert peer.headers["sec-websocket-protocol"] == "v4.channel.k8s.io"


def test_its_input_comes_whole(server: Server, cluster: Cluster) -> None:
    data = bytes(range(256)) * 400

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.send(1, hashlib.sha256(peer.read(len(data))).hexdigest().encode())
        peer.end(SUCCESS)

    server.script = script
    assert cluster.exec(POD, ["x"], data) == Ended(0, hashlib.sha256(data).hexdigest(), "")
    assert "stdin=true" in server.peers[0].request


@pytest.mark.parametrize(
    ("code", "kind"),
    [(403, NotPermitted), (404, Absent), (400, PermanentError), (500, Unavailable), (502, Unavailable)],
)
def test_every_refusal_has_its_remedy(
    code: int, kind: type[Exception], server: Server, cluster: Cluster
) -> None:
    server.script = lambda peer: peer.answer(code, b'{"message": "because I say so"}')
    with pytest.raises(kind, match=r"exec in pods 'router-1'.*because I say so") as raised:
        cluster.exec(POD, ["x"])
    assert kind in (type(raised.value), *type(raised.value).__bases__)


def test_a_connection_that_breaks(server: Server, cluster: Cluster) -> None:
    server.script = Peer.upgrade
    with pytest.raises(Broken, match=r"the connection to the API server at .* broke"):
        cluster.exec(POD, ["x"])


def test_an_end_without_a_last_word_is_no_success(server: Server, cluster: Cluster) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.say(b"\x88\x02\x03\xe8")

    server.script = script
    with pytest.raises(
        Unavailable, match="`x` did not run to its end in Pod router-1 in namespace net: it was cut off"
    ):
        cluster.exec(POD, ["x"])


def test_a_command_that_could_not_begin(server: Server, cluster: Cluster) -> None:
    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.end({"status": "Failure", "reason": "InternalError", "message": "container not found"})

    server.script = script
    with pytest.raises(Unavailable, match="container not found"):
        cluster.exec(POD, ["x"])


@pytest.mark.parametrize(
    "last",
    [
        b"null",
        b"[]",
        b"5",
        b"[" * 100_000,
        b'{"details": 5}',
        b'{"details": {"causes": 5}}',
        b'{"details": {"causes": [5, {"reason": "ExitCode"}]}}',
        b'{"details": {"causes": [{"reason": "ExitCode", "message": "\xc2\xb2"}]}}',
        b'{"details": {"causes": [{"reason": "ExitCode", "message": "%s"}]}}' % (b"9" * 5000),
        b'{"message": [5]}',
    ],
    ids=range(10),
)
def test_a_last_word_of_an_odd_shape_is_no_success(last: bytes) -> None:
    with pytest.raises(NotRun, match=r"it was cut off before its end|no reason given"):
        _exit_code(last)


def test_a_command_without_end_is_waited_for_within_bounds(server: Server, cluster: Cluster) -> None:
    done = threading.Event()

    def script(peer: Peer) -> None:
        peer.upgrade()
        done.wait(5)

    server.script = script
    with pytest.raises(Unavailable, match=r"`x` did not run to its end in .*: it has not ended within 0 s"):
        cluster.exec(POD, ["x"], seconds=0.05)
    done.set()


def test_nobody_listens(server: Server, cluster: Cluster) -> None:
    assert cluster.plural("v1", "Pod") == "pods"
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    with pytest.raises(
        Unavailable, match=f"the API server at http://127.0.0.1:{server.port} cannot be reached"
    ):
        cluster.exec(POD, ["x"])


def test_no_proxy_of_the_environment_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")

        def script(peer: Peer) -> None:
            peer.upgrade()
            peer.end(SUCCESS)

        server.script = script
        api = Api(f"http://127.0.0.1:{server.port}")
        with closing(connect(Access(api=api), lambda _: b"", str)) as cluster:
            assert cluster.exec(POD, ["x"]).code == 0
