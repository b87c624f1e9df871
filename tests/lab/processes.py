"""The processes of a router pod, found from outside by the network namespace they live in."""

from __future__ import annotations

import os
from pathlib import Path

from lab import network


def find(host: str, name: str) -> list[int]:
    """Process ids in the host's network namespace whose command name is exactly `name`, in no order of age.

    The kernel hands out small ids again once it has used them up, so the smallest is not the oldest.
    """
    return [pid for pid in _in_namespace(host) if _read(pid, "comm").strip() == name]


def forked(host: str, name: str) -> list[int]:
    """Those of `find` that another of them has started: a server's sessions, without the server."""
    found = find(host, name)
    return [pid for pid in found if _parent(pid) in found]


def container_init(host: str) -> int:
    """The process id, on this machine, of the router container's PID 1.

    :raises LookupError: if there is none, or more than one.
    """
    found = [pid for pid in _in_namespace(host) if _is_init(pid) and "router" in _words(pid)]
    if len(found) != 1:
        raise LookupError(f"{host} runs {len(found)} router containers: {found}")
    return found[0]


def _in_namespace(host: str) -> list[int]:
    wanted = (network.NAMESPACES / network.namespace(host)).stat().st_ino
    return [pid for pid in _pids() if _netns(pid) == wanted]


def _pids() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _netns(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:  # it ended meanwhile
        return None


def _parent(pid: int) -> int | None:
    for line in _read(pid, "status").splitlines():
        if line.startswith("PPid:"):
            return int(line.split()[1])
    return None  # it ended meanwhile


def _is_init(pid: int) -> bool:
    """Whether the process is PID 1 of a nested pid namespace (NSpid lists its id in each)."""
    lines = [line for line in _read(pid, "status").splitlines() if line.startswith("NSpid:")]
    ids = lines[0].split()[1:] if lines else []
    return len(ids) > 1 and ids[-1] == "1"


def _words(pid: int) -> list[str]:
    return _read(pid, "cmdline").split("\0")


def _read(pid: int, entry: str) -> str:
    try:
        return Path(f"/proc/{pid}/{entry}").read_text(errors="replace")
    except OSError:
        return ""
