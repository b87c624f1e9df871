"""The lab's certificates and its door, spoken to by a TLS client."""

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from lab import forward, pki


@pytest.fixture
def authority(tmp_path: Path) -> pki.Authority:
    authority = pki.Authority(tmp_path)
    authority.found()
    return authority


@pytest.fixture
def server(authority: pki.Authority) -> Iterator[int]:
    """A TLS server that answers one client with its name and group."""
    pair = authority.issue("server", "server", (), ["127.0.0.1", "localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pair.certificate, pair.key)

    def answer() -> None:
        with suppress(ssl.SSLError), listener.accept()[0] as raw, context.wrap_socket(raw, True) as client:
            certificate = x509.load_der_x509_certificate(client.getpeercert(True) or b"")
            client.sendall(certificate.subject.rfc4514_string().encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.fixture
def door(server: int) -> Iterator[int]:
    """The forwarder in front of the server, with a listening socket it inherits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        descriptor = listener.fileno()
        argv = [sys.executable, forward.__file__, str(descriptor), "127.0.0.1", str(server)]
        with subprocess.Popen(argv, pass_fds=[descriptor]) as process:
            yield listener.getsockname()[1]
            process.terminate()


def ask(authority: pki.Authority, port: int, name: str) -> str:
    pair = authority.issue("client", "somebody", ["some:group"])
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(pair.certificate, pair.key)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=name) as server,
    ):
        return server.makefile().read()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_both_sides_are_known_by_their_certificates(authority: pki.Authority, door: int, name: str) -> None:
    assert ask(authority, door, name) == "CN=somebody,O=some:group"


def test_another_name_is_refused(authority: pki.Authority, server: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(authority, server, "elsewhere.test")


def test_a_kubeconfig_needs_no_other_file(authority: pki.Authority, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    authority.write_kubeconfig(path, "https://127.0.0.1:1", "me", authority.issue("me", "me"))
    assert path.stat().st_mode & 0o077 == 0
    config = yaml.safe_load(path.read_text())
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert set(config["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
