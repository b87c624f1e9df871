"""A real OpenSSH server on loopback, whose users, homes and /etc exist in its own mount namespace only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab import packages
from lab.accounts import Account, make_home, write_etc

HOST_KEYS = {"ed25519": "256", "ecdsa": "256", "rsa": "2048"}
PASSWORD = "correct horse battery"
USERS = {"root": 0, "ubuntu": 4001, "plain": 4002, "both": 4003, "notunnel": 4004, "nofiles": 4005}
# Tests that are killed leave no server behind.
WITH_US = ("setpriv", "--pdeathsig", "TERM")
CONFIGURATION = """
ListenAddress 127.0.0.1:{port}
PidFile none
StrictModes yes
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
Subsystem sftp internal-sftp
LogLevel VERBOSE
{host_keys}
Match User both
    AuthenticationMethods publickey,password
Match User notunnel
    AllowTcpForwarding no
Match User nofiles
    ForceCommand /bin/false
"""
# Everything is laid over the machine's directories in a namespace that ends with the server.
SCRIPT = """
set -eu
mount -t tmpfs none "$1/layers"
mkdir "$1/layers/etc" "$1/layers/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/layers/etc,workdir=$1/layers/work" none /etc
mount -t overlay -o "lowerdir=$2/usr:/usr" none /usr
cp -a "$1/etc/." /etc/
mount --bind "$1/home" /home
mount -t tmpfs none /run
mkdir -m 0755 /run/sshd
exec "$2/usr/sbin/sshd" -D -E "$1/log" -f "$1/sshd_config"
"""


@dataclass(frozen=True)
class OpenSsh:
    """The running server."""

    directory: Path
    port: int
    pid: int

    @property
    def keys(self) -> Path:
        """Users' private keys, by type, each accepted for every user."""
        return self.directory / "keys"

    @property
    def known_hosts(self) -> Path:
        """Where all its host keys are known."""
        return self.directory / "known_hosts"

    def host_key(self, kind: str) -> str:
        """A host key's type and content, as known_hosts has them."""
        return " ".join((self.directory / f"host_{kind}.pub").read_text().split()[:2])

    def fingerprint(self, kind: str) -> str:
        """A host key's fingerprint, as ssh-keygen sees it."""
        return keygen("-l", "-f", str(self.directory / f"host_{kind}.pub")).split()[1]

    def path(self, path: str) -> Path:
        """A file of the server, seen from outside its namespace."""
        return Path(f"/proc/{self.pid}/root{path}")

    def sessions(self) -> list[int]:
        """The processes that serve connections."""
        return [pid for pid in _descendants(self.pid) if pid != self.pid]

    def end_sessions(self, number: signal.Signals = signal.SIGKILL) -> None:
        """What a network or a reboot does to connections, done to every one there is."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def log(self) -> str:
        """What the server has to say."""
        return (self.directory / "log").read_text(errors="replace")


@contextmanager
def running(directory: Path) -> Iterator[OpenSsh]:
    """Start the server with new keys; end it and whatever it started."""
    port = _free_port()
    _prepare(directory, port)
    arguments = [str(directory), str(packages.root())]
    process = subprocess.Popen(
        [*WITH_US, "unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", *arguments],
        env=packages.environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = OpenSsh(directory, port, process.pid)
    try:
        _await(server, process)
        yield server
    finally:
        server.end_sessions(signal.SIGCONT)
        server.end_sessions()
        process.terminate()
        process.wait(10)


def keygen(*arguments: str) -> str:
    """What ssh-keygen prints."""
    done = subprocess.run(
        [packages.tool("ssh-keygen"), *arguments],
        env=packages.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _prepare(directory: Path, port: int) -> None:
    for part in ("layers", "keys", "home"):
        (directory / part).mkdir(parents=True)
    for kind, bits in HOST_KEYS.items():
        keygen("-q", "-N", "", "-t", kind, "-b", bits, "-f", str(directory / f"host_{kind}"))
    lines = [(directory / f"host_{kind}.pub").read_text() for kind in HOST_KEYS]
    (directory / "known_hosts").write_text("".join(f"[127.0.0.1]:{port} {line}" for line in lines))
    host_keys = "\n".join(f"HostKey {directory}/host_{kind}" for kind in HOST_KEYS)
    (directory / "sshd_config").write_text(CONFIGURATION.format(port=port, host_keys=host_keys))
    _prepare_keys(directory / "keys")
    accounts = [Account(user, number, f"/home/{user}") for user, number in USERS.items()]
    write_etc(directory / "etc", accounts, ["ubuntu"], _hashed(PASSWORD))
    known = [file for file in sorted((directory / "keys").glob("*.pub")) if file.stem != "stranger"]
    authorized_keys = "".join(file.read_text() for file in known)
    for account in accounts:
        make_home(directory / "home" / account.name, account, authorized_keys)


def _prepare_keys(keys: Path) -> None:
    for kind, bits in HOST_KEYS.items():
        keygen("-q", "-N", "", "-t", kind, "-b", bits, "-f", str(keys / kind))
        keygen("-q", "-N", "open sesame", "-t", kind, "-b", bits, "-f", str(keys / f"{kind}-locked"))
    keygen("-q", "-N", "", "-t", "ecdsa", "-b", "521", "-f", str(keys / "ecdsa521"))
    # The forms that openssl writes, and OpenStack and AWS hand out.
    for form in ("PEM", "PKCS8"):
        for passphrase, end in (("", ""), ("open sesame", "-locked")):
            file = keys / f"rsa-{form}{end}"
            keygen("-q", "-N", passphrase, "-t", "rsa", "-b", "2048", "-m", form, "-f", str(file))
    keygen("-q", "-N", "", "-t", "ed25519", "-f", str(keys / "stranger"))


def _hashed(password: str) -> str:
    perl = ["perl", "-e", "print crypt($ARGV[0], '$6$quagga$')", password]
    return subprocess.run(perl, capture_output=True, text=True, check=True).stdout


def _await(server: OpenSsh, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1) as probe:
            if probe.recv(4) == b"SSH-":
                return
        time.sleep(0.02)
    raise AssertionError(
        f"sshd did not come up: {server.log() if (server.directory / 'log').exists() else ''}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    """The process and all below it, the youngest first."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            for child in (task / "children").read_text().split():
                found += _descendants(int(child))
    return [*found, pid]


def needs() -> str | None:
    """What this machine lacks for it, None if nothing."""
    if os.geteuid() != 0:
        return "an SSH server with users of its own needs root"
    if shutil.which("unshare") is None:
        return "unshare is needed"
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"no mount namespaces: {done.stderr.strip()}"
