"""Faults that strike at a chosen moment: when the API server has been asked for something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from lab import control, process
from tests.lab import processes

_PATIENCE = 120.0
_ONE_AT_A_TIME = threading.Lock()
_AWAY = 0.5
# Bytes that a group may have more than it has.
_ROOM = 8 << 20
_EATER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
eaten, victim = [], pathlib.Path("/proc") / sys.argv[2] / "status"
def lives():
    try:
        told = dict(line.split(":", 1) for line in victim.read_text().splitlines())
    except OSError:
        return False
    # SIGKILL waits for it, or it has given its memory back already.
    return "VmRSS" in told and not int(told["ShdPnd"], 16) & 1 << 8

while lives() and len(eaten) < 4096:
    eaten.append(bytearray(os.urandom(1)) * (1 << 16))
    time.sleep(0.001)
sys.exit(lives())
"""


@dataclass(frozen=True)
class Request:
    """A request that changes something: `patch` of `nodes`, `delete` of `daemonsets`."""

    verb: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    def matches(self, entry: dict[str, Any]) -> bool:
        """Whether a line of the audit log is about it; a dry run changes nothing."""
        asked = entry.get("objectRef", {})
        ours = entry.get("userAgent") == "cloudify-quagga-plugin" and "dryRun" not in entry["requestURI"]
        return ours and (entry["verb"], asked.get("resource"), asked.get("subresource")) == (
            self.verb,
            self.resource,
            None,
        )


@contextmanager
def strike(request: Request, fault: Callable[[], None]) -> Iterator[None]:
    """Have a fault strike once, when a request has been sent while the block runs; it has to come to that."""
    armed, struck, over = threading.Event(), threading.Event(), threading.Event()

    def watch() -> None:
        # Whoever is late strikes a command that is further on: while Cloudify writes its files in place.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        with control.audit_log().open() as log:
            log.seek(0, os.SEEK_END)
            armed.set()
            if any(request.matches(json.loads(line)) for line in _lines(log, over)):
                struck.set()
                fault()

    watcher = threading.Thread(target=watch)
    watcher.start()
    armed.wait()
    try:
        yield
    finally:
        over.set()
        watcher.join(_PATIENCE)
    assert struck.is_set(), f"nobody asked for {request}"


def _lines(log: TextIO, over: threading.Event) -> Iterator[str]:
    """Whole lines, as they are written, until it is over."""
    line = ""
    while not over.is_set():
        line += log.readline()
        if line.endswith("\n"):
            yield line
            line = ""
        else:
            time.sleep(0.001)


def crash_the_api_server() -> None:
    """It dies, is away for a moment, and comes back; so do controllers, as where they have leases to lose."""
    with _ONE_AT_A_TIME:
        process.kill("kube-apiserver")
        time.sleep(_AWAY)
        process.again("kube-apiserver")
        daemons = ["etcd", "kube-apiserver"]
        process.wait_until(control.ready, "the API server does not come back", 60, daemons=daemons)
        # Those of the lab have none, and would try again after half a minute.
        for name in ("kube-controller-manager", "kube-scheduler"):
            process.kill(name)
            process.again(name)


def crash_etcd() -> None:
    """The API server's store dies and comes back."""
    process.kill("etcd")
    time.sleep(_AWAY)
    process.again("etcd")
    process.wait_until(control.ready, "the API server does not become ready again", 60, daemons=["etcd"])


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes that do nothing for the time of a block, if they live so long."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def killed_at_its_end(host: str) -> Iterator[None]:
    """Have a router that is uninstalled in the block killed when its end has begun, with its routes in place.

    One that is killed before may be started again by its kubelet, and ends in order then.
    """
    init, zebra = processes.container_init(host), processes.find(host, "zebra")

    def kill() -> None:
        process.wait_until(lambda: not processes.find(host, "staticd"), "its end does not begin", 20)
        os.kill(init, signal.SIGKILL)

    # A daemon that stands still keeps the routes there, and the end waiting.
    with stopped(zebra), strike(Request("delete", "daemonsets"), kill):
        yield


def kill_for_memory(init: int) -> None:
    """Have the kernel end a container, named by its PID 1, for more memory than its group may have."""
    group = _memory_group(init)
    version_1 = (group / "memory.limit_in_bytes").exists()
    used, limit = ("usage_in_bytes", "limit_in_bytes") if version_1 else ("current", "max")
    allowed = int((group / f"memory.{used}").read_text()) + _ROOM
    (group / f"memory.{limit}").write_text(str(allowed))
    # Of version 2: not everybody at once.
    if (group / "memory.oom.group").exists():
        (group / "memory.oom.group").write_text("0")
    # The kernel ends the largest first: staticd, with many routes; a daemon's death, not a container's.
    spared = group.parent / "spared"
    spared.mkdir(exist_ok=True)
    for other in set((group / "cgroup.procs").read_text().split()) - {str(init)}:
        with suppress(ProcessLookupError):  # a vtysh that has ended meanwhile
            (spared / "cgroup.procs").write_text(other)
    eater = [sys.executable, "-Ic", _EATER, str(group / "cgroup.procs"), str(init)]
    done = subprocess.run(eater, check=False, timeout=30)
    # What is killed gives its memory back a moment later, and meanwhile the next in line is whoever eats.
    assert done.returncode in (0, -signal.SIGKILL)
    process.wait_until(lambda: not Path(f"/proc/{init}").exists(), "the container is not killed", 10)
    # They end with the container, and the kubelet is to find its pod's groups as it made them.
    process.wait_until(lambda: _is_removed(spared), f"{spared} is still in use", 10)


def _is_removed(group: Path) -> bool:
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def _memory_group(pid: int) -> Path:
    """The control group, of version 1 or 2, in which the process's memory is counted."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        group = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))
        if controllers in ("", "memory") and any(group.glob("memory.*")):
            return group
    raise LookupError(f"process {pid} is in no group that counts memory")
