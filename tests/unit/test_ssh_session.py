"""SSH servers that send what is none of SSH, and known_hosts files that are of no use."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.message import Message

from cloudify_quagga.errors import Refused, Unavailable
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh import session
from cloudify_quagga.ssh.known_hosts import HostKey, KnownHosts

Server = Callable[[socket.socket], None]
GIVEN = {"host": "127.0.0.1", "username": "ubuntu", "password": "p"}
SHOWN = HostKey("ssh-ed25519", b"key")
# A length, a padding as long as all of it, and thus no message.
EMPTY = (12).to_bytes(4, "big") + bytes([11]) + b"\0" * 11


class Key(paramiko.PKey):
    """A host key whose bytes are what they are."""

    def __init__(self, name: str, *numbers: bytes, algorithm: str | None = None) -> None:
        self._name, self._numbers, self._algorithm = name, numbers, algorithm or name

    def get_name(self) -> str:
        return self._algorithm

    def can_sign(self) -> bool:
        return True

    def asbytes(self) -> bytes:
        return self._message(*self._numbers)

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Message:
        return Message(self._message(b"s" * 64))

    def _message(self, *parts: bytes) -> bytes:
        message = Message()
        message.add_string(self._name.encode())
        for part in parts:
            message.add_string(part)
        return message.asbytes()


def showing(key: Key) -> Server:
    def serve(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.start_server(event=threading.Event(), server=paramiko.ServerInterface())
        transport.join(5)
        transport.close()

    return serve


def saying(data: bytes) -> Server:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-x\r\n" + data)
        while connection.recv(1000):
            pass

    return serve


@contextmanager
def serving(serve: Server) -> Iterator[int]:
    def accept() -> None:
        connection, _ = listening.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        # Nobody may come.
        listening.settimeout(10)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("server", "why"),
    [
        pytest.param(showing(Key("ssh-ed25519", b"abc")), "ValueError: The key must be", id="a short key"),
        pytest.param(
            showing(Key("ssh-rsa", b"\3", b"", algorithm="rsa-sha2-512")),
            "ValueError: n must be",
            id="an RSA key of nothing",
        ),
        pytest.param(saying(EMPTY), "IndexError: ", id="an empty message"),
    ],
)
def test_what_is_none_of_ssh_is_told_as_that(
    server: Server, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []
    connect = session._socket

    def remembered(settings: Ssh) -> socket.socket:
        made.append(connect(settings))
        return made[-1]

    monkeypatch.setattr(session, "_socket", remembered)
    with serving(server) as port:
        said = rf"^ubuntu@127.0.0.1:{port} does not answer as an SSH server: {why}"
        with pytest.raises(Unavailable, match=said):
            session.connect(Ssh.parse(GIVEN | {"port": port}))
        # Nothing of it is left open.
        assert [one.fileno() for one in made] == [-1]


def test_a_name_that_the_resolver_does_not_take_is_not_reached() -> None:
    # Of a node's address, which the cluster tells.
    settings = Ssh.parse(GIVEN).at_node("node..example")
    with pytest.raises(Unavailable, match=r"^ubuntu@node..example:22 cannot be reached: UnicodeError"):
        session.connect(settings)


class Transport:
    """A connection that does not have to be made."""

    def __init__(self, active: bool) -> None:
        self.sock = socket.socket()
        self._active = active

    def is_active(self) -> bool:
        return self._active

    def is_alive(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("active", "kind"), [(False, Unavailable), (True, KeyError)])
def test_only_a_connection_that_is_dead_was_lost(
    active: bool, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "connect", lambda _: Transport(active))
    with pytest.raises(kind), session.session(Ssh.parse(GIVEN)):
        raise KeyError(113)


def known(tmp_path: Path, names: str, host: str) -> KnownHosts:
    file = tmp_path / "known_hosts"
    file.write_text(f"{names} ssh-ed25519 {base64.b64encode(SHOWN.blob).decode()}\n")
    return KnownHosts(Ssh.parse(GIVEN | {"known_hosts": str(file), "host": host}))


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        ("*", "master.example", True),
        ("*.example", "master.example", True),
        ("*.example", "example", False),
        ("m?ster.*", "MASTER.example", True),
        ("M*E", "master.example", True),
        ("m**e*e", "master.example", True),
        ("master.example?", "master.example", False),
        ("?????????", "10.0.0.1", False),
        ("10.0.0.?", "10.0.0.1", True),
        ("1.2.3.4", "1x2.3.4", False),
        ("*,!*.example", "master.example", False),
    ],
)
def test_patterns_mean_what_they_do_to_ssh(tmp_path: Path, names: str, host: str, expected: bool) -> None:
    assert bool(known(tmp_path, names, host).types) is expected


@pytest.mark.parametrize(
    "pattern", ["*" * 40 + "!", "*a" * 60 + "!", "*?" * 60 + "!", pytest.param("*" * 1_000_000, id="many")]
)
def test_a_pattern_is_not_tried_in_every_way(tmp_path: Path, pattern: str) -> None:
    began = time.monotonic()
    known(tmp_path, pattern, "a" * 40)
    assert time.monotonic() - began < 2


def test_a_key_that_is_accepted_has_to_have_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def expanded(path: Path) -> Any:
        if path.parts[0] == "~":
            raise RuntimeError("Could not determine home directory.")
        return path

    monkeypatch.setattr(Path, "expanduser", expanded)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    hosts = KnownHosts(Ssh.parse(GIVEN | {"host": "no-such-host.example", "host_key_policy": "accept-new"}))
    with pytest.raises(Refused, match=r"cannot be written down in ~/.ssh/known_hosts: Could not determine"):
        hosts.check(SHOWN)
