"""Running a command in a host of the lab."""

from __future__ import annotations

import os
import subprocess
from typing import NoReturn

from lab import LabError, network, packages
from lab.network import NAMESPACES, namespace


def command(host: str, argv: list[str]) -> list[str]:
    """What to run on this machine so that `argv` runs in the host.

    :raises LabError: if there is no such host.
    """
    known = network.present()
    if host not in known:
        raise LabError(f"host {host}: {_choice(known)}")
    return ["nsenter", f"--net={NAMESPACES / namespace(host)}", "--", *argv]


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
