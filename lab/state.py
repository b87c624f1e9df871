"""What a running lab has written down about itself: a directory under /run, gone with it or the next boot."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from lab import LabError, cache

NAME = "cloudify-quagga-lab"
_NAMED = re.compile("[a-z0-9-]{1,20}")


@dataclass(frozen=True)
class Daemon:
    """A process the lab started, told apart from a later one with the same pid by its start time and boot.

    :param argv: what it was started as, and `netns` where.
    """

    pid: int
    started: int
    boot: str
    log: str
    argv: list[str] = field(default_factory=list)
    netns: str | None = None


class State:
    """The lab's directory and what is in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self.pki = directory / "pki"
        self.ssh = directory / "ssh"
        self.kubeconfigs = directory / "kubeconfigs"
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig_inside = directory / "kubeconfig-inside"
        self._daemons = directory / "daemons"
        self._facts = directory / "lab.json"

    def _make(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.directory.stat().st_uid
        if owner != os.geteuid():
            raise LabError(f"{self.directory} belongs to uid {owner}, not to you, and no key can go there")

    def prepare(self) -> None:
        """Make the directories; keys are in them, so nobody else may look."""
        for directory in (self.directory, self.logs, self.pki, self.ssh, self.kubeconfigs, self._daemons):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def clear(self) -> None:
        """Forget everything but the lock, whose holder is the caller."""
        for entry in self.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()

    def remove(self) -> None:
        """Remove the directory at one stroke; its caller holds the lock and gives it up by this."""
        doomed = self.directory.with_name(f".{self.directory.name}.{os.getpid()}")
        self.directory.rename(doomed)
        shutil.rmtree(doomed)

    @contextmanager
    def lock(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Only one `up` or `down` at a time; `waiting` is called once if another one is at work."""
        path = self.directory / "lock"
        while True:
            self._make()
            with path.open("a") as file:
                _wait_for(file, waiting)
                # `down` removes the file with its directory; a lock on a file that is gone keeps nobody out.
                if _same(path, file):
                    yield
                    return

    @property
    def facts(self) -> dict[str, Any]:
        """What `up` was asked for and chose: nodes, port, api_only; empty when there is no lab."""
        try:
            facts: dict[str, Any] = json.loads(self._facts.read_text())
        except FileNotFoundError:
            return {}
        return facts

    @property
    def cache(self) -> Path:
        """The cache of whoever brought the lab up; who uses it or takes it down may have another."""
        return Path(self.facts.get("cache", cache.directory()))

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Replace the facts as a whole."""
        write(self._facts, json.dumps(facts, indent=2) + "\n")

    def daemons(self) -> dict[str, Daemon]:
        """Every process recorded, oldest first."""
        files = sorted(self._daemons.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        return {file.stem: Daemon(**json.loads(file.read_text())) for file in files}

    def daemon(self, name: str) -> Daemon | None:
        """The process recorded under this name."""
        try:
            return Daemon(**json.loads((self._daemons / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def record(self, name: str, daemon: Daemon) -> None:
        """Write a process down."""
        write(self._daemons / f"{name}.json", json.dumps(asdict(daemon)) + "\n")

    def forget(self, name: str) -> None:
        """Strike a process out."""
        (self._daemons / f"{name}.json").unlink(missing_ok=True)


def current() -> State:
    """The lab of this machine; without root, the lab of this user (an API server only).

    QUAGGA_LAB names another beside it.
    """
    name = f"{NAME}{suffix()}"
    if os.geteuid() == 0:
        return State(Path("/run") / name)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return State(Path(runtime) / name)
    return State(Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}")


def may_have_hosts() -> bool:
    """Whether hosts and nodes are this lab's: root has them."""
    return os.geteuid() == 0


def suffix() -> str:
    """What tells what is this lab's from what is another's, in names: nothing for the machine's own."""
    name = os.environ.get("QUAGGA_LAB", "")
    if name and not _NAMED.fullmatch(name):
        raise LabError(f"QUAGGA_LAB={name!r}: a lab's name is of small letters, digits and hyphens")
    return f"-{name}" if name else ""


@contextmanager
def machine() -> Iterator[Path]:
    """Where the labs of a machine write down what the last of them has to undo; for one of them at a time."""
    run = os.open("/run", os.O_RDONLY)
    try:
        # A file of its own would be left there, or be gone while another waits for it.
        fcntl.flock(run, fcntl.LOCK_EX)
        directory = Path("/run") / f"{NAME}s"
        directory.mkdir(mode=0o700, exist_ok=True)
        try:
            yield directory
        finally:
            # Not as long as something stands there.
            with suppress(OSError):
                directory.rmdir()
    finally:
        os.close(run)


def write(path: Path, text: str) -> None:
    """Write a private file at once or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


def _wait_for(file: IO[str], waiting: Callable[[], None]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        waiting()
        fcntl.flock(file, fcntl.LOCK_EX)


def _same(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
