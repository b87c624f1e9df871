"""The lab's certificates: one authority of its own, everything signed by it, kept in its state only."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a directory; a new one throws the old one's files over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.certificate = directory / "ca.crt"
        self._key_file = directory / "ca.key"

    def found(self) -> None:
        """Make the authority itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("cloudify-quagga-lab", ())
        usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
        builder = _builder(name, name, key.public_key()).add_extension(x509.BasicConstraints(True, 0), True)
        signed = builder.add_extension(usage, True).sign(key, hashes.SHA256())
        write_private(self._key_file, _pem(key))
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, file: str, common_name: str, organizations: Iterable[str] = (), hosts: Iterable[str] = ()
    ) -> Pair:
        """Make a certificate for a client, and for a server too if it is to have names or addresses."""
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file} is not the key that this lab made")
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in hosts]
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        builder = _builder(_name(common_name, organizations), authority.subject, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        pair = Pair(self._directory / f"{file}.crt", self._directory / f"{file}.key")
        write_private(pair.key, _pem(key))
        signed = builder.sign(signer, hashes.SHA256())
        pair.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return pair

    def write_kubeconfig(self, path: Path, server: str, user: str, pair: Pair) -> None:
        """A kubeconfig that needs no other file."""
        cluster = {"server": server, "certificate-authority-data": _base64(self.certificate)}
        credentials = {
            "client-certificate-data": _base64(pair.certificate),
            "client-key-data": _base64(pair.key),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
            "current-context": "lab",
        }
        write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


def write_signing_key(path: Path) -> None:
    """The key that signs and checks service account tokens."""
    write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    # A clock that is put back a little must not make them invalid.
    return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + LIFETIME)


def _name(common_name: str, organizations: Iterable[str]) -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        # Kubernetes reads a service account key only in this form, the others in any.
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read, from the first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
