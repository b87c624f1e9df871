"""The first process of a host: gives it namespaces of its own, runs its daemons, buries its dead.

Run as `python init.py HOST.json` in the host's network namespace, by any Python: it needs nothing of the lab.
Its parent half stays outside the host's process namespace; if one half ends, the kernel ends the whole host.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

LAST_LINES = 4
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWPID = 0x8000000, 0x20000000
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED = 1 << 12, 1 << 14, 1 << 19, 1 << 20
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> NoReturn:
    """Become the parent half; the child is the node."""
    node = json.loads(Path(sys.argv[1]).read_text())
    # Only children are in the new one.
    _checked(_LIBC.unshare(CLONE_NEWPID), "unshare")
    child = os.fork()
    if child == 0:
        _checked(_LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
        _checked(_LIBC.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC), "unshare")
        if node.get("cgroup_root"):
            _see_all_cgroups_from_inside(Path(node["cgroup_root"]))
        _furnish(node)
        _live(node["programs"])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    Path(node["pid_file"]).write_text(str(child))
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 0x7F)


def _see_all_cgroups_from_inside(root: Path) -> None:
    """Enter a cgroup namespace that shows the same as the machine's.

    In the machine's own, a privileged container that mounts version 2 resets the options of its mount
    (`nsdelegate` and others); from any other namespace the kernel ignores them.
    """
    (root / "cgroup.procs").write_text("0")
    _checked(_LIBC.unshare(CLONE_NEWCGROUP), "unshare")


def _furnish(node: dict[str, Any]) -> None:
    """Mount what the node has of its own, in a mount namespace that ends with it."""
    # What the machine unmounts is not held on to; what the node mounts stays in it.
    _mount(None, "/", None, MS_REC | MS_SLAVE)
    # Held open: a directory that is covered has no path any more, but can still be mounted elsewhere.
    kept = {path: _open(path) for path in ["/sys/fs/cgroup", *node["keep"]]}
    own = {path: _open(source) for path, source in node["directories"].items()}
    for layer in node["layers"]:
        _lay(**layer)
    # These show the processes and the interfaces of whoever mounts them.
    _mount("proc", "/proc", "proc", 0)
    _mount("sysfs", "/sys", "sysfs", 0)
    for path, descriptor in own.items():
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND)
    for path, descriptor in kept.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)
    for path, source in node["files"].items():
        _mount(source, path, None, MS_BIND)
    for descriptor in (*own.values(), *kept.values()):
        os.close(descriptor)
    # As on a real node, so that a pod may ask for mount propagation.
    _mount(None, "/", None, MS_REC | MS_SHARED)
    socket.sethostname(node["hostname"])


def _lay(path: str, over: list[str], writable: str | None) -> None:
    """Cover a directory with others, the first of them uppermost; what is written goes to `writable`."""
    # By descriptors, since a path may hold what separates options.
    directories = [_open(one) for one in (*over, path)]
    options = f"lowerdir={':'.join(f'/proc/self/fd/{one}' for one in directories)}"
    if writable is not None:
        upper, work = _open(writable), _open(f"{writable}.work")
        directories += [upper, work]
        options += f",upperdir=/proc/self/fd/{upper},workdir=/proc/self/fd/{work}"
    _mount("overlay", path, "overlay", 0, options)
    for descriptor in directories:
        os.close(descriptor)


def _live(programs: list[dict[str, Any]]) -> NoReturn:
    """Run the daemons and reap every orphan until one of the daemons ends."""
    daemons = _Daemons(programs)
    signal.signal(signal.SIGHUP, lambda *_: daemons.restart())
    while True:
        pid, status = os.waitpid(-1, 0)
        daemons.bury(pid, os.waitstatus_to_exitcode(status))


class _Daemons:
    """The daemons of the host; one that has a file of arguments can be restarted, as by a service manager."""

    def __init__(self, programs: list[dict[str, Any]]) -> None:
        self._running = {_start(program): program for program in programs}
        self._ending: set[int] = set()
        self._stopped: list[dict[str, Any]] = []

    def restart(self) -> None:
        """End what can be restarted; it is started again when it has ended."""
        for pid, program in list(self._running.items()):
            if "arguments" in program:
                self._ending.add(pid)
                os.kill(pid, signal.SIGTERM)
        stopped, self._stopped = self._stopped, []
        for program in stopped:
            self._start_again(program)

    def bury(self, pid: int, status: int) -> None:
        """Go on after a process has ended, or end with it."""
        program = self._running.pop(pid, None)
        if program is None:
            return
        if pid in self._ending:
            self._ending.remove(pid)
            # From now on it may fail by itself: somebody has changed its arguments.
            self._start_again(program | {"restarted": True})
        elif program.get("restarted"):
            self._stopped.append(program)
        else:
            sys.exit(f"{program['argv'][0]} ended with {status}, having said:\n{_last_lines(program)}")

    def _start_again(self, program: dict[str, Any]) -> None:
        try:
            self._running[_start(program)] = program
        except OSError as error:
            print(f"{program['argv'][0]} does not start: {error}", flush=True)
            self._stopped.append(program)


def _start(program: dict[str, Any]) -> int:
    further = _arguments(**program["arguments"]) if "arguments" in program else []
    with Path(program["log"]).open("ab") as log:
        pid = subprocess.Popen(
            [*program["argv"], *further],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        ).pid
    if "arguments" in program:
        Path(program["pid_file"]).write_text(f"{pid}\n")
    return pid


def _arguments(file: str, variable: str) -> list[str]:
    """The words that an environment file gives a variable, as a service manager would read them."""
    try:
        lines = Path(file).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    values = [line.partition("=")[2] for line in lines if line.startswith(f"{variable}=")]
    try:
        return " ".join(shlex.split(values[-1])).split() if values else []
    except ValueError:
        # A quote that is not closed; what the daemon makes of it, it says itself.
        return values[-1].split()


def _last_lines(program: dict[str, Any]) -> str:
    return "\n".join(Path(program["log"]).read_text(errors="replace").splitlines()[-LAST_LINES:])


def _open(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [os.fsencode(text) if text is not None else None for text in (source, target, kind, options)]
    _checked(_LIBC.mount(*texts[:3], ctypes.c_ulong(flags), texts[3]), f"mount {source} on {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
