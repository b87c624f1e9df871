"""The user's private key, in whatever form and of whatever type it comes, as paramiko wants it."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.ssh import Ssh

_KNOWN = "an Ed25519, ECDSA or RSA key is needed"
_OPENSSH = b"BEGIN OPENSSH PRIVATE KEY"
_MAGIC = b"openssh-key-v1\0"
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def private_key(settings: Ssh) -> paramiko.PKey | None:
    """The key that the settings name, opened with their passphrase; None if they name none."""
    if settings.key_content is not None:
        place = settings.place("key_content" if "key_content" in dict(settings.places) else "key_file")
        return _opened(settings, settings.key_content.reveal().encode(), place, "the key")
    if settings.key_file is not None:
        return _opened(
            settings, _read(settings, settings.key_file), settings.place("key_file"), settings.key_file
        )
    return None


def _read(settings: Ssh, path: str) -> bytes:
    place = settings.place("key_file")
    try:
        return Path(path).expanduser().read_bytes()
    except FileNotFoundError:
        raise Refused(place, path, "does not exist; the path of a private key is needed") from None
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError: a home of nobody; ValueError: a name that no file can have.
        raise Refused(place, path, f"cannot be read: {error}") from error


def _opened(settings: Ssh, data: bytes, place: str, shown: str) -> paramiko.PKey:
    """Errors of the libraries are never chained here: they may quote what they could not read."""
    if not data.endswith(b"\n"):
        data += b"\n"
    loaded = _loaded(settings, data, place, shown)
    # Going through OpenSSH's own form spares a case for each of the others (PKCS#1, PKCS#8, SEC1).
    text = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    if isinstance(loaded, rsa.RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(io.StringIO(text))
    if isinstance(loaded, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(text))
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))


def _loaded(settings: Ssh, data: bytes, place: str, shown: str) -> _Private:
    passphrase = _passphrase(settings, shown) if _encrypted(data) else None
    try:
        loaded = _parse(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if passphrase is not None:
            raise Refused(
                settings.place("key_passphrase"), "the passphrase", f"does not open {shown}"
            ) from None
        raise Refused(place, shown, f"holds no private key that can be used; {_KNOWN}{_hint(data)}") from None
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and not isinstance(loaded.curve, _CURVES):
        raise Refused(place, shown, f"is a key on the curve {loaded.curve.name}, which SSH does not know")
    if not isinstance(loaded, _Private):
        raise Refused(place, shown, f"is a key of a type that is not accepted; {_KNOWN}")
    return loaded


def _passphrase(settings: Ssh, shown: str) -> bytes:
    if settings.key_passphrase is None:
        right = f"opens {shown}, which has a passphrase; give it, by get_secret"
        raise Refused(settings.place("key_passphrase"), "nothing", right)
    return settings.key_passphrase.reveal().encode()


def _encrypted(data: bytes) -> bool:
    """Whether the key has a passphrase, which each form of key says openly."""
    if _OPENSSH not in data:
        return b"ENCRYPTED" in data
    lines = [line.strip() for line in data.splitlines() if line.strip() and not line.startswith(b"-")]
    try:
        blob = base64.b64decode(b"".join(lines))
    except binascii.Error:
        return False
    # The name of the cipher is the first field: four bytes of length, and the name.
    return blob.startswith(_MAGIC) and not blob.startswith(_MAGIC + b"\0\0\0\x04none")


def _parse(data: bytes, passphrase: bytes | None) -> object:
    if _OPENSSH in data:
        return serialization.load_ssh_private_key(data, passphrase)
    return serialization.load_pem_private_key(data, passphrase)


def _hint(data: bytes) -> str:
    if data.startswith(b"PuTTY"):
        return "; puttygen -O private-openssh turns a key of PuTTY into one"
    if data.startswith((b"ssh-", b"ecdsa-")):
        return ", and this is a public one"
    return ""
