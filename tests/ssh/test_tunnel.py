"""The tunnel: TLS from end to end, connections that drop, and what is refused."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cloudify_quagga.errors import NotPermitted, Refused, Unavailable
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh import session, tunnel
from tests.ssh.conftest import API_ADDRESS, Api
from tests.ssh.openssh import OpenSsh

Ask = Callable[[int, str], dict[str, Any]]


@pytest.fixture
def ask(api: Api) -> Ask:
    """Asks the API server through a port, as one who checks its certificate against its own name."""
    context = ssl.create_default_context(cadata=api.authority)

    def asked(port: int, path: str) -> dict[str, Any]:
        with (
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname=API_ADDRESS) as tls,
        ):
            connection = http.client.HTTPConnection(API_ADDRESS)
            connection.sock = tls
            connection.request("GET", path)
            answer = json.load(connection.getresponse())
            return dict(answer)

    return asked


def test_tls_is_spoken_with_the_api_server_itself(settings: Ssh, api: Api, ask: Ask) -> None:
    with tunnel(settings, API_ADDRESS, api.port) as port:
        assert ask(port, "/version")["path"] == "/version"


def test_another_name_is_not_believed(settings: Ssh, api: Api) -> None:
    context = ssl.create_default_context(cadata=api.authority)
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"),
        tunnel(settings, API_ADDRESS, api.port) as port,
        socket.create_connection(("127.0.0.1", port), 10) as raw,
    ):
        context.wrap_socket(raw, server_hostname="127.0.0.1")


def test_only_loopback_listens_and_only_for_as_long(settings: Ssh, api: Api) -> None:
    with tunnel(settings, API_ADDRESS, api.port) as port, socket.socket() as other:
        assert port > 1023
        other.bind(("127.0.0.3", port))
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 5):
        pass


def test_many_connections_and_much_data(settings: Ssh, api: Api, ask: Ask) -> None:
    with tunnel(settings, API_ADDRESS, api.port) as port, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(port, f"/size/{number * 100_000}"), range(40)))
    assert [len(answer["filler"]) for answer in answers] == [number * 100_000 for number in range(40)]


def test_one_connection_for_all_of_it(settings: Ssh, api: Api, ask: Ask, server: OpenSsh) -> None:
    before = server.log().count("Accepted publickey")
    with tunnel(settings, API_ADDRESS, api.port) as port:
        for _ in range(5):
            ask(port, "/version")
    assert server.log().count("Accepted publickey") == before + 1


def test_a_tunnel_that_drops_is_made_anew_once(settings: Ssh, api: Api, ask: Ask, server: OpenSsh) -> None:
    with (
        pytest.raises(
            Unavailable, match=r"tunnel through ubuntu@127.0.0.1:\d+ dropped a second time"
        ) as error,
        tunnel(settings, API_ADDRESS, api.port) as port,
    ):
        _drop_twice(port, ask, server)
    assert isinstance(error.value.__cause__, OSError)


def _drop_twice(port: int, ask: Ask, server: OpenSsh, known_hosts: Path | None = None) -> None:
    """Twice is once too often; without what is known of the host once is."""
    assert ask(port, "/before")
    if known_hosts:
        known_hosts.write_text("")
    server.end_sessions()
    assert ask(port, "/after")["path"] == "/after"
    assert ask(port, "/again")
    server.end_sessions()
    ask(port, "/never")


def test_what_is_under_way_when_it_drops_ends_at_once(
    settings: Ssh, api: Api, server: OpenSsh, ask: Ask
) -> None:
    with tunnel(settings, API_ADDRESS, api.port) as port:
        with socket.create_connection(("127.0.0.1", port), 10) as idle:
            ask(port, "/version")
            server.end_sessions()
            assert idle.recv(1) == b""
        assert ask(port, "/after")


def test_a_tunnel_that_falls_silent_is_made_anew(
    settings: Ssh, api: Api, ask: Ask, server: OpenSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 1)
    with tunnel(settings, API_ADDRESS, api.port) as port:
        ask(port, "/before")
        server.end_sessions(signal.SIGSTOP)
        assert ask(port, "/after")["path"] == "/after"


def test_open_connections_do_not_hold_up_the_end(settings: Ssh, api: Api) -> None:
    with tunnel(settings, API_ADDRESS, api.port) as port:
        idle = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(3)]
    for one in idle:
        # One that had not been accepted yet is reset by the kernel.
        with one, suppress(ConnectionResetError):
            assert one.recv(1) == b""


def test_a_client_that_does_not_read_does_not_hold_up_the_end(settings: Ssh, api: Api) -> None:
    context = ssl.create_default_context(cadata=api.authority)
    with tunnel(settings, API_ADDRESS, api.port) as port:
        raw = socket.create_connection(("127.0.0.1", port), 10)
        tls = context.wrap_socket(raw, server_hostname=API_ADDRESS)
        tls.sendall(b"GET /size/50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert tls.recv(1)
        time.sleep(0.5)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    tls.close()


def test_a_server_that_does_not_answer_does_not_hold_up_the_end(settings: Ssh) -> None:
    with socket.create_server((API_ADDRESS, 0)) as silent:
        with tunnel(settings, API_ADDRESS, silent.getsockname()[1]) as port:
            connection = socket.create_connection(("127.0.0.1", port), 10)
            connection.sendall(b"hello")
            accepted, _ = silent.accept()
            assert accepted.recv(5) == b"hello"
            started = time.monotonic()
        assert time.monotonic() - started < 3
        connection.close()
        accepted.close()


def test_a_server_that_hangs_up_while_it_is_waited_for(settings: Ssh, api: Api, server: OpenSsh) -> None:
    """A tunnel under which nobody connects any more, ended while it is dead."""
    with tunnel(settings, API_ADDRESS, api.port):
        server.end_sessions()


def test_an_error_that_is_not_the_tunnels_comes_through(settings: Ssh, api: Api) -> None:
    with pytest.raises(Unavailable, match=r"^429$"), tunnel(settings, API_ADDRESS, api.port):
        raise Unavailable("429")


def test_a_host_that_forbids_tunnels(given: dict[str, Any], api: Api) -> None:
    settings = Ssh.parse(given | {"username": "notunnel"})
    with (
        pytest.raises(
            NotPermitted, match=rf"notunnel@\S+ forbids tunnels to {API_ADDRESS}:{api.port}; Allow"
        ),
        tunnel(settings, API_ADDRESS, api.port),
    ):
        pass


def test_an_api_server_that_is_not_there(settings: Ssh) -> None:
    with socket.socket() as taken:
        taken.bind((API_ADDRESS, 0))
        port = taken.getsockname()[1]
        with (
            pytest.raises(Unavailable, match=rf"does not reach the API server at {API_ADDRESS}:{port}: "),
            tunnel(settings, API_ADDRESS, port),
        ):
            pass


def test_a_host_key_that_changes_under_a_tunnel(
    given: dict[str, Any], api: Api, ask: Ask, server: OpenSsh, tmp_path: Any
) -> None:
    """The second connection is as strict as the first."""
    known = tmp_path / "known_hosts"
    known.write_bytes(server.known_hosts.read_bytes())
    with (
        pytest.raises(Refused, match="which is not known"),
        tunnel(Ssh.parse(given | {"known_hosts": str(known)}), API_ADDRESS, api.port) as port,
    ):
        _drop_twice(port, ask, server, known)


def test_threads_are_there_while_it_lasts(settings: Ssh, api: Api) -> None:
    """What the check after each test looks for is there to be found."""
    before = threading.active_count()
    with tunnel(settings, API_ADDRESS, api.port):
        assert threading.active_count() > before
