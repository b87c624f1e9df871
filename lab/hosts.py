"""Running a command in a host of the lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

from lab import LabError, network, packages, process, state
from lab.network import NAMESPACES, namespace


def command(host: str, argv: list[str]) -> list[str]:
    """What to run on this machine so that `argv` runs in the host.

    :raises LabError: if there is no such host.
    """
    known = network.present()
    if host not in known:
        raise LabError(f"host {host}: {_choice(known)}")
    return ["nsenter", *_namespaces(host), "--", *argv]


def run(
    host: str,
    argv: list[str],
    *,
    input: str | None = None,
    timeout: float | None = None,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a host and keep its output as text; the parameters mean what `subprocess.run` says."""
    return subprocess.run(
        command(host, argv),
        env=packages.environment(),
        input=input,
        timeout=timeout,
        check=check,
        text=True,
        capture_output=True,
    )


def become(host: str, argv: list[str]) -> NoReturn:
    """Turn this process into a command that runs in a host, with its terminal and its exit status."""
    call = command(host, argv)
    os.execvpe(call[0], call, packages.environment())  # noqa: S606 - no shell is the point


def _choice(known: list[str]) -> str:
    return f"it is one of {', '.join(known)}" if known else "the lab is down; `python -m lab up` brings it up"


def pid_file(host: str) -> Path:
    """Where the process stands in whose namespaces a node lives, as this machine numbers it."""
    return state.current().directory / f"{host}.pid"


def _namespaces(host: str) -> list[str]:
    """A running node has its own processes, mounts and name; the other hosts have the machine's."""
    net = f"--net={NAMESPACES / namespace(host)}"
    file = pid_file(host)
    if not (process.alive(host) and file.exists()):
        return [net]
    return [net, f"--target={file.read_text()}", "--mount", "--uts", "--ipc", "--pid"]
