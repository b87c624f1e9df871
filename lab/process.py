"""Daemons of the lab: started in sessions of their own, written down, ended only if still the same."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from lab import LabError, packages, state

LAST_LINES = 6


# A machine that runs a lab has memory to spare; Go's collector would take a part of the processor instead.
_ROOMY = {"GOGC": "400"}


def spawn(
    name: str,
    argv: list[str],
    *,
    log: Path,
    env: dict[str, str] | None = None,
    netns: str | None = None,
    pass_fds: Collection[int] = (),
) -> None:
    """Start a daemon, in a network namespace if one is named; `env` is added to the lab's own environment."""
    if alive(name):
        raise LabError(f"{name} runs already as process {_recorded(name).pid}")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*enter(netns), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=packages.environment() | _ROOMY | (env or {}),
            start_new_session=True,
            pass_fds=pass_fds,
        )
    started = start_time(process.pid)
    if started is None:
        raise LabError(f"{name} ended at once: {last_lines(log)}")
    state.current().record(
        name, state.Daemon(process.pid, started, _boot(), str(log), list(map(str, argv)), netns)
    )
    # It outlives us; there is nothing to wait for.
    process.returncode = 0


def enter(netns: str | None) -> list[str]:
    """The prefix that runs a command in a network namespace.

    `ip netns exec` would remount /sys and so hide the cgroups from a kubelet.
    """
    return ["nsenter", f"--net=/run/netns/{netns}", "--"] if netns else []


def alive(name: str) -> bool:
    """Whether the recorded process is there and still the one we started."""
    daemon = state.current().daemon(name)
    return daemon is not None and daemon.boot == _boot() and start_time(daemon.pid) == daemon.started


def stop(name: str, grace: float = 5.0) -> None:
    """End a daemon by TERM, after `grace` seconds by KILL, and strike it out."""
    if alive(name):
        end({_recorded(name).pid}, grace)
    state.current().forget(name)


def kill(name: str) -> None:
    """End a daemon without a warning, as a crash does; it stays written down, so that it can come back."""
    if alive(name):
        _end_at_once(_recorded(name).pid)


def again(name: str) -> None:
    """Start a daemon that was killed, as it was started before; not for one that was handed open files."""
    one = _recorded(name)
    spawn(name, one.argv, log=Path(one.log), netns=one.netns)


def _end_at_once(pid: int) -> None:
    started = {pid: start_time(pid)}
    _signal(pid, started[pid], signal.SIGKILL)
    if not _gone(started, 5.0):
        raise LabError(f"process {pid} does not end, not even by SIGKILL")


def end(pids: Iterable[int], grace: float) -> None:
    """End processes by TERM, after `grace` seconds by KILL, and wait until they are gone."""
    started = {pid: start_time(pid) for pid in pids}
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        for pid, start in started.items():
            _signal(pid, start, number)
        if _gone(started, patience):
            return
    left = sorted(pid for pid, start in started.items() if start is not None and start_time(pid) == start)
    raise LabError(f"processes {left} did not end, not even by SIGKILL; /proc/PID/stack says what holds them")


def inside(netns: str) -> set[int]:
    """The processes that live in a network namespace, whoever started them."""
    try:
        namespace = Path(f"/run/netns/{netns}").stat()
    except FileNotFoundError:
        return set()
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _in_namespace(entry, namespace)}


def wait_until(
    predicate: Callable[[], bool], what: str, timeout: float, *, daemons: Iterable[str] = ()
) -> None:
    """Wait for the predicate; if time runs out or one of `daemons` dies, say what they logged last.

    `what` is the sentence that is true as long as the predicate is not: `the registry does not answer`.
    """
    watched = list(daemons)
    deadline = time.monotonic() + timeout
    while not predicate():
        dead = [name for name in watched if not alive(name)]
        if dead:
            raise LabError(f"{what}: {_last_words(dead)}")
        if time.monotonic() > deadline:
            raise LabError(f"{what}, not in {timeout:.0f} s; {_last_words(watched)}")
        time.sleep(0.05)


def last_lines(log: Path) -> str:
    """The end of a log, for an error message."""
    with suppress(FileNotFoundError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]) or f"{log} is empty"
    return f"there is no {log}"


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone or only waits to be reaped."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        # The second field is the command in parentheses and may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _recorded(name: str) -> state.Daemon:
    daemon = state.current().daemon(name)
    if daemon is None:
        raise LabError(f"{name} is not a process of the lab")
    return daemon


def _signal(pid: int, started: int | None, number: signal.Signals) -> None:
    """Signal a process by a descriptor, so that a new process with its number is never hit."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if started is not None and start_time(pid) == started:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _gone(started: dict[int, int | None], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while any(start is not None and start_time(pid) == start for pid, start in started.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _in_namespace(entry: Path, namespace: os.stat_result) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return os.path.samestat((entry / "ns/net").stat(), namespace)
    return False


def _last_words(names: list[str]) -> str:
    words = []
    for name in names:
        log = Path(_recorded(name).log)
        words.append(f"{name} {'runs' if alive(name) else 'has ended'}; {log} ends with:\n{last_lines(log)}")
    return "\n".join(words) or "nothing more is known"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
