"""Which host keys are known: known_hosts as OpenSSH writes it, hashed names and revocations included."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.ssh import ACCEPT_NEW, Ssh

USER_FILE = "~/.ssh/known_hosts"
SYSTEM_FILE = "/etc/ssh/ssh_known_hosts"
_REVOKED = "@revoked"
_FIELDS = 3
_TYPE = re.compile(r"[A-Za-z0-9@.-]{1,64}")


@dataclass(frozen=True)
class HostKey:
    """A public host key."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l shows it."""
        digest = hashlib.sha256(self.blob).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def line(self, name: str) -> str:
        """The line that makes the key known."""
        return f"{name} {self.type} {base64.b64encode(self.blob).decode()}"

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}"


@dataclass(frozen=True)
class Entry:
    """One line: which names a key belongs to, or that it is revoked."""

    names: str
    key: HostKey
    where: str
    revoked: bool = False

    def speaks_of(self, name: str) -> bool:
        """Whether the line is about the host; a pattern with ! takes the host out."""
        patterns = self.names.split(",")
        if any(one.startswith("!") and _matches(one[1:], name) for one in patterns):
            return False
        return any(_matches(one, name) for one in patterns)


class KnownHosts:
    """The keys that are known for one host."""

    def __init__(self, settings: Ssh) -> None:
        self._settings = settings
        self._entries = [entry for entry in _read(settings) if entry.speaks_of(settings.host_name)]

    @property
    def types(self) -> list[str]:
        """The types of the keys known for the host, to be asked for first."""
        return list(dict.fromkeys(entry.key.type for entry in self._entries if not entry.revoked))

    def check(self, shown: HostKey) -> None:
        """Accept the key that the host shows, or refuse it."""
        known = [entry for entry in self._entries if not entry.revoked]
        revoked = [entry for entry in self._entries if entry.revoked and entry.key == shown]
        if revoked:
            raise self._refused(f"shows the host key {shown}, which {revoked[0].where} revokes")
        if any(entry.key == shown for entry in known):
            return
        if known:
            raise self._changed(shown, known)
        if self._settings.host_key_policy != ACCEPT_NEW:
            raise self._unknown(shown)
        self._record(shown)

    def _changed(self, shown: HostKey, known: Iterable[Entry]) -> Refused:
        wanted = ", ".join(f"{entry.key} ({entry.where})" for entry in known)
        return self._refused(
            f"shows the host key {shown}, but known is {wanted}; if the host is known to have a new key, "
            "take the old line out, otherwise somebody else answers there"
        )

    def _unknown(self, shown: HostKey) -> Refused:
        place = self._settings.place("host_key_policy")
        return self._refused(
            f"shows the host key {shown}, which is not known; if this is its fingerprint, add the line "
            f"'{shown.line(self._settings.host_name)}', or set {place} to {ACCEPT_NEW}"
        )

    def _refused(self, right: str) -> Refused:
        return Refused(self._settings.place("known_hosts"), self._settings.host_name, right)

    def _record(self, shown: HostKey) -> None:
        """Write the key down, unless another process has accepted one for the host meanwhile."""
        path = Path(self._settings.known_hosts or USER_FILE)
        try:
            path = path.expanduser()
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("a+", errors="surrogateescape") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                text = file.read()
                others = [one for one in _entries(text, path) if one.speaks_of(self._settings.host_name)]
                if not others:
                    separator = "" if text.endswith("\n") or not text else "\n"
                    file.write(f"{separator}{shown.line(self._settings.host_name)}\n")
        except (OSError, RuntimeError, ValueError) as error:
            raise self._refused(f"cannot be written down in {path}: {_why(error)}") from error
        if others and all(one.key != shown for one in others):
            raise self._changed(shown, others)


def _read(settings: Ssh) -> list[Entry]:
    if settings.known_host_lines:
        place = settings.place("known_hosts")
        return [entry for line in settings.known_host_lines for entry in _entries(line, place)]
    if settings.known_hosts:
        missing_is_right = settings.host_key_policy == ACCEPT_NEW
        return _file(settings.known_hosts, settings, missing_is_right)
    # Not everybody has a home.
    known = [USER_FILE] if os.path.expanduser("~") != "~" else []
    return [entry for path in (*known, SYSTEM_FILE) for entry in _file(path, settings, missing_is_right=True)]


def _file(said: str, settings: Ssh, missing_is_right: bool) -> list[Entry]:
    try:
        path = Path(said).expanduser()
        return _entries(path.read_text(errors="replace"), path)
    except FileNotFoundError:
        if missing_is_right:
            return []
        right = "does not exist; ssh-keyscan HOST prints what belongs there"
        raise Refused(settings.place("known_hosts"), said, right) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(settings.place("known_hosts"), said, f"cannot be read: {_why(error)}") from error


def _why(error: OSError | RuntimeError | ValueError) -> str:
    """RuntimeError: a home of nobody; ValueError: a name that no file can have."""
    return str((error.strerror if isinstance(error, OSError) else None) or error)


def _entries(text: str, where: Path | str) -> list[Entry]:
    """The lines that hold a key; certificates' authorities and what is broken are left out, as by ssh."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        key = _key(fields)
        if key is not None and marker in ("", _REVOKED):
            place = f"{where}:{number}" if isinstance(where, Path) else where
            entries.append(Entry(fields[0], key, place, revoked=bool(marker)))
    return entries


def _key(fields: list[str]) -> HostKey | None:
    if len(fields) < _FIELDS or not _TYPE.fullmatch(fields[1]):
        return None
    try:
        return HostKey(fields[1], base64.b64decode(fields[2], validate=True))
    except ValueError:
        # binascii.Error is one; so is what a character outside ASCII raises.
        return None


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _matches_hash(pattern, name)
    # To sshd a bracket is a character; the library knows sets, too.
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))


def _matches_hash(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern.split("|")[2:])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
