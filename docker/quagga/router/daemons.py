"""The daemons as children of PID 1: started in the foreground, reaped, ended one after the other."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from router.ending import Failed
from router.journal import now, say
from router.suite import Daemon, Suite

DEATHS: Final = 3
WINDOW: Final = 60.0
"""A daemon that dies this often within this many seconds is not brought back any more."""

_PATIENCE: Final = 10.0
_AT_WORK: Final = "RD"
"""States of a process that runs, waits for a processor or for a disk."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Child:
    """One daemon and its lives."""

    daemon: Daemon
    pid: int | None = None
    since: str = ""
    restarts: int = 0
    """How often it was brought back; that it was ended with another one does not count."""
    deaths: list[float] = field(default_factory=list)

    @property
    def hopeless(self) -> bool:
        """It dies whenever it is brought back."""
        recent = [death for death in self.deaths if time.monotonic() - death < WINDOW]
        return len(recent) >= DEATHS


@dataclass(frozen=True)
class Death:
    """A daemon that ended without being asked to."""

    child: Child
    manner: str

    def __str__(self) -> str:
        return f"{self.child.daemon.name} {self.manner}"


class Daemons:
    """The children of this process, and nothing else's."""

    def __init__(self, suite: Suite, needed: tuple[Daemon, ...]) -> None:
        self._suite = suite
        self.children = {daemon.name: Child(daemon) for daemon in needed}
        self.deaths: list[Death] = []
        """Daemons that ended without being asked to, and of which nobody has taken notice yet."""
        self._ending: set[int] = set()
        self._manners: dict[int, str] = {}

    @property
    def running(self) -> list[str]:
        """Names of the daemons that run."""
        return [name for name, child in self.children.items() if child.pid is not None]

    @property
    def facts(self) -> dict[str, object]:
        """As the status has them."""
        return {
            name: {"pid": child.pid, "since": child.since, "restarts": child.restarts}
            for name, child in self.children.items()
        }

    def prepare(self) -> None:
        """Make the folder in which the daemons meet, and clear what an earlier life left in it."""
        shutil.rmtree(self._suite.run, ignore_errors=True)
        self._suite.run.mkdir(parents=True, mode=0o755)
        shutil.chown(self._suite.run, self._suite.owner, self._suite.owner)

    def start_missing(self) -> None:
        """Start every daemon that does not run, and wait until it answers or has died."""
        missing = [child for child in self.children.values() if child.pid is None]
        for child in missing:
            self._start(child)
        for child in missing:
            self._await_answer(child)

    def add(self, needed: tuple[Daemon, ...]) -> list[str]:
        """Take in the daemons that are not among the children yet; returns their names."""
        fresh = [daemon for daemon in needed if daemon.name not in self.children]
        self.children.update((daemon.name, Child(daemon)) for daemon in fresh)
        return [daemon.name for daemon in fresh]

    def forget(self, name: str) -> None:
        """A daemon that has been stopped is not brought back."""
        del self.children[name]

    def reap(self) -> None:
        """Collect every child that ended, adopted ones too, and note which daemons died unasked."""
        while (ended := _ended_child()) is not None:
            self._note(*ended)

    def one_died(self) -> bool:
        """A daemon has ended; it is not collected, for others may be waiting for children of their own."""
        pids = [child.pid for child in self.children.values() if child.pid is not None]
        return bool(self.deaths) or any(map(_has_ended, pids))

    def take_deaths(self) -> list[Death]:
        """The deaths since this was asked last, of daemons that are still needed."""
        taken, self.deaths = self.deaths, []
        return [death for death in taken if death.child.daemon.name in self.children]

    def stop(self, name: str, patience: float, remaining: Callable[[], int] = lambda: 0) -> None:
        """End one daemon, and wait until it has gone and what it leaves behind has drained.

        :param patience: seconds without progress after which it is not waited for any more.
        :param remaining: tells how much there is still to drain.
        """
        child = self.children[name]
        if child.pid is not None:
            self._signal(child.pid, signal.SIGTERM)
            self._ending.add(child.pid)
        deadline, least = time.monotonic() + patience, remaining()
        while child.pid is not None or least:
            if time.monotonic() > deadline:
                say(f"{name} makes no progress; going on without it")
                self._kill(child)
                return
            time.sleep(0.01)
            self.reap()
            if (now_remaining := remaining()) < least:
                deadline, least = time.monotonic() + patience, now_remaining

    def kill(self, name: str) -> None:
        """End a daemon without giving it the time to withdraw its routes."""
        self._kill(self.children[name])

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Have a daemon, if it runs, do nothing for a moment."""
        pid = self.children[name].pid
        if pid is None:
            yield
            return
        # That would otherwise be able to come before the daemon may go on.
        with _end_held_off():
            stopped = self._stopped(pid)
            try:
                yield
            finally:
                if stopped:
                    self._signal(pid, signal.SIGCONT)

    def end_idle(self, names: Collection[str], manner: str) -> None:
        """End daemons that have stopped working; to everybody else they have died like that.

        :param manner: what is told of each of them.
        """
        for child in self.children.values():
            if child.pid is not None and child.daemon.name in names:
                self._manners[child.pid] = manner
                self._signal(child.pid, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and not all(map(_has_ended, self._manners)):
            time.sleep(0.005)

    @property
    def busy(self) -> bool:
        """One of the daemons has something to do, whether or not it is given a processor for it."""
        pids = [child.pid for child in self.children.values() if child.pid is not None]
        return any(_state(pid) in _AT_WORK for pid in pids)

    def _start(self, child: Child) -> None:
        path = str(self._suite.programs / child.daemon.name)
        silence = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        self.socket_of(child.daemon.name).unlink(missing_ok=True)
        try:
            # That would otherwise be able to come between the start and its record.
            with _end_held_off():
                child.pid = os.posix_spawn(
                    path,
                    [path, *child.daemon.flags],
                    {"PATH": _PATH},
                    file_actions=[silence],
                    setsid=True,
                    setsigmask=[],
                    setsigdef=[signal.SIGPIPE],
                )
        except OSError as error:
            raise Failed(f"{path}: {error.strerror}") from error
        child.since = now()
        child.restarts = len(child.deaths)
        say(f"started {child.daemon.name} (pid {child.pid})")

    def socket_of(self, name: str) -> Path:
        """Where vtysh reaches a daemon."""
        return self._suite.run / f"{name}.vty"

    def _note(self, pid: int, status: int) -> None:
        manner = self._manners.pop(pid, "")
        child = next((child for child in self.children.values() if child.pid == pid), None)
        if child is None:
            return
        child.pid = None
        if pid in self._ending:
            self._ending.discard(pid)
            return
        child.deaths.append(time.monotonic())
        self.deaths.append(Death(child, manner or _manner(status)))

    def _await_answer(self, child: Child) -> None:
        deadline = time.monotonic() + _PATIENCE
        while child.pid is not None and not _answers(self.socket_of(child.daemon.name)):
            self.reap()
            if time.monotonic() > deadline:
                raise Failed(f"{child.daemon.name} did not answer within {_PATIENCE:g} s of its start")
            time.sleep(0.02)

    def _stopped(self, pid: int) -> bool:
        try:
            self._signal(pid, signal.SIGSTOP)
        except Failed as error:
            # What is done meanwhile is only worth more without it.
            say(str(error))
            return False
        return True

    def _signal(self, pid: int, number: signal.Signals) -> None:
        """Signal a daemon, which has become another user."""
        try:
            os.kill(pid, number)
        except PermissionError:
            # Root without CAP_KILL, as in a pod with few capabilities: only the same user may do it then.
            _as_user(self._suite.owner, lambda: os.kill(pid, number))

    def _kill(self, child: Child) -> None:
        # One that has died by itself already has died of something.
        self.reap()
        if child.pid is None:
            return
        self._ending.add(child.pid)
        self._signal(child.pid, signal.SIGKILL)
        while child.pid is not None:
            self.reap()
            time.sleep(0.005)


@contextmanager
def _end_held_off() -> Iterator[None]:
    """The signal that ends the router comes afterwards."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _as_user(name: str, act: Callable[[], None]) -> None:
    """Do something as another user, in a process of its own."""
    user = pwd.getpwnam(name)
    try:
        pid = os.fork()
    except OSError as error:
        raise Failed(f"a daemon of {name} cannot be signalled: {error.strerror}") from error
    if pid == 0:
        status = 1
        try:
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            act()
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] != 0:
        raise Failed(f"{name} may not signal its own daemon")


def _has_ended(pid: int) -> bool:
    """This child has, and nobody has collected it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _state(pid: int) -> str:
    """As proc(5) has it; a child that nobody has collected yet is still there."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _ended_child() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _manner(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"was killed by signal {os.WTERMSIG(status)}"
    return f"ended with exit status {os.WEXITSTATUS(status)}"
