"""What the tests of the ssh room share: the server, an API server behind it, and a look at what is left."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudify_quagga.model.ssh import Ssh
from tests.ssh import api_server, openssh

# The tunnel's own end is 127.0.0.1, so a certificate for this one tells whether names are checked.
API_ADDRESS = "127.0.0.2"


@dataclass(frozen=True)
class Api:
    """The running API server."""

    port: int
    authority: str

    def kubeconfig(self, **changed: Any) -> dict[str, Any]:
        """What a master has for it."""
        cluster = {
            "server": f"https://{API_ADDRESS}:{self.port}",
            "certificate-authority-data": base64.b64encode(self.authority.encode()).decode(),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "admin",
            "contexts": [{"name": "admin", "context": {"cluster": "here", "user": "admin"}}],
            "clusters": [{"name": "here", "cluster": cluster | changed}],
            "users": [{"name": "admin", "user": {"token": "s3cr3t-token"}}],
        }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openssh.OpenSsh]:
    lacking = openssh.needs()
    if lacking:
        pytest.skip(lacking)
    directory = tmp_path_factory.mktemp("openssh")
    # sshd's own check: nobody else may write on the way to authorized_keys; users have to get there, too.
    directory.chmod(0o755)
    with openssh.running(directory) as one:
        yield one


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    directory = tmp_path_factory.mktemp("api")
    certificate = make_certificate(directory / "server.pem")
    process = subprocess.Popen(
        [*openssh.WITH_US, sys.executable, api_server.__file__, API_ADDRESS, str(directory / "server.pem")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield Api(int(process.stdout.readline()), certificate)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def given(server: openssh.OpenSsh) -> dict[str, Any]:
    """The property `ssh` for a user who can log in."""
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "username": "ubuntu",
        "key_file": str(server.keys / "ed25519"),
        "known_hosts": str(server.known_hosts),
    }


@pytest.fixture
def settings(given: dict[str, Any]) -> Ssh:
    return Ssh.parse(given)


@pytest.fixture(autouse=True)
def nothing_left_over(server: openssh.OpenSsh, api: Api) -> Iterator[None]:
    """No test leaves a thread or a socket: not one of what is tried here, whatever its end."""
    before = set(threading.enumerate()), _sockets()
    yield
    assert (set(threading.enumerate()), _sockets()) == before


def _sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            target = os.readlink(descriptor)
            found |= {target} if target.startswith("socket:") else set()
    return found


def make_certificate(file: Path) -> str:
    """A certificate that is its own authority; key and certificate in the file, the certificate returned."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(API_ADDRESS))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    file.write_text(pem + private)
    return pem
