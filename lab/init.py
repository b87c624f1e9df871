"""The first process of a node: gives it namespaces of its own, runs its daemons, buries its dead.

Run as `python init.py NODE.json` in the node's network namespace, by any Python: it needs nothing of the lab.
Its parent half stays outside the node's process namespace; if one half ends, the kernel ends the whole node.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

LAST_LINES = 4
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
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
        _furnish(node)
        _live(node["programs"])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    Path(node["pid_file"]).write_text(str(child))
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) & 0x7F)


def _furnish(node: dict[str, Any]) -> None:
    """Mount what the node has of its own, in a mount namespace that ends with it."""
    # What the machine unmounts is not held on to; what the node mounts stays in it.
    _mount(None, "/", None, MS_REC | MS_SLAVE)
    # Held open: a directory that is covered has no path any more, but can still be mounted elsewhere.
    kept = {path: _open(path) for path in ["/sys/fs/cgroup", *node["keep"]]}
    own = {path: _open(source) for path, source in node["directories"].items()}
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


def _live(programs: list[dict[str, Any]]) -> NoReturn:
    """Run the daemons and reap every orphan until one of the daemons ends."""
    daemons = {_start(program): program for program in programs}
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid in daemons:
            argv, log = daemons[pid]["argv"], Path(daemons[pid]["log"])
            last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            sys.exit(f"{argv[0]} ended with {os.waitstatus_to_exitcode(status)}, having said:\n{last}")


def _start(program: dict[str, Any]) -> int:
    with Path(program["log"]).open("ab") as log:
        return subprocess.Popen(
            program["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        ).pid


def _open(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    arguments = [os.fsencode(text) if text is not None else None for text in (source, target, kind)]
    _checked(_LIBC.mount(*arguments, ctypes.c_ulong(flags), None), f"mount {source} on {target}")


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
