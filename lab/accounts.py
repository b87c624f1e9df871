"""Accounts of a host: the files in /etc and the homes that make them, in directories of their own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Nobody is asked for a password, since nobody may log in or become root with one.
PAM = "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
NO_PASSWORD = "*"  # noqa: S105 - it matches none


@dataclass(frozen=True)
class Account:
    """Somebody who may log in."""

    name: str
    number: int
    home: str


def write_etc(
    etc: Path, accounts: Iterable[Account], administrators: Iterable[str], password: str = NO_PASSWORD
) -> None:
    """The files of /etc that make these accounts, and no others.

    :param administrators: who may do everything by sudo.
    :param password: everybody's, hashed.
    """
    (etc / "pam.d").mkdir(parents=True)
    everybody = list(accounts)
    passwd = [f"{one.name}:x:{one.number}:{one.number}::{one.home}:/bin/sh" for one in everybody]
    passwd.append("sshd:x:4022:65534::/run/sshd:/usr/sbin/nologin")
    _write(etc / "passwd", "".join(f"{line}\n" for line in passwd))
    _write(etc / "group", "".join(f"{one.name}:x:{one.number}:\n" for one in everybody))
    _write(etc / "shadow", "".join(f"{one.name}:{password}:19000:0:99999:7:::\n" for one in everybody), 0o600)
    _write(etc / "sudoers", "".join(f"{name} ALL=(ALL) NOPASSWD: ALL\n" for name in administrators), 0o440)
    _write(etc / "pam.d/sudo", PAM)


def make_home(directory: Path, account: Account, authorized_keys: str) -> None:
    """The account's home, which nobody else may look into, with the keys that open it."""
    ssh = directory / ".ssh"
    ssh.mkdir(parents=True)
    _write(ssh / "authorized_keys", authorized_keys, 0o600)
    for path in (directory, ssh):
        path.chmod(0o700)
    give(account, directory, ssh, ssh / "authorized_keys")


def give(account: Account, *paths: Path) -> None:
    """Make the account their owner."""
    for path in paths:
        os.chown(path, account.number, account.number)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.write_text(text)
    path.chmod(mode)
