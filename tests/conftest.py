"""Which cluster the tests run on: the lab, or one of one's own that QUAGGA_KUBECONFIG names."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# These look at hosts' routing tables and send packets; a cluster of one's own lends them no hosts.
NEED_HOSTS = (HERE / "lab",)
GIVES_WAY = 10
# What is started by whoever is in it is in it too, whatever sessions that makes: an API server, daemons.
GROUP = Path("/sys/fs/cgroup/cpu/quagga-tests-beside")
# Where everybody else has 1,024.
SHARES = 300
LAST = 5.0


# Before xdist looks for the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup` the lab's tests run beside all others, which touch nothing of the lab.

    Where there are none of the lab, each goes to whoever has time.
    """
    if any(map(_needs_hosts, items)):
        for item in items:
            item.add_marker(pytest.mark.xdist_group("lab" if _needs_hosts(item) else "beside"))
    _say_what_is_not_run(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What runs beside the lab's tests gives way to them: they strike at moments, and look at once."""
    grouped = item.get_closest_marker("xdist_group") is not None
    if "PYTEST_XDIST_WORKER" in os.environ and grouped and not _needs_hosts(item):
        _give_way()


@cache
def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, 0, GIVES_WAY)
    try:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "cpu.shares").write_text(str(SHARES))
        (GROUP / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        # No root, or control groups of version 2. The kernel weighs sessions before it looks at niceness.
        autogroup = Path("/proc/self/autogroup")
        if autogroup.exists():
            os.setsid()
            autogroup.write_text(str(GIVES_WAY))


def pytest_unconfigure() -> None:
    """The group goes with the last that was in it, which may need a moment to end."""
    deadline = time.monotonic() + LAST
    while "PYTEST_XDIST_WORKER" not in os.environ and GROUP.exists() and time.monotonic() < deadline:
        try:
            GROUP.rmdir()
        except OSError:
            time.sleep(0.1)


def _say_what_is_not_run(items: list[pytest.Item]) -> None:
    """Say of what cannot run on another cluster that it was not run, and why."""
    if not os.environ.get("QUAGGA_KUBECONFIG"):
        return
    not_run = pytest.mark.skip(
        reason="not run: it needs the lab's hosts, and QUAGGA_KUBECONFIG names another cluster"
    )
    for item in items:
        if _needs_hosts(item):
            item.add_marker(not_run)


def _needs_hosts(item: pytest.Item) -> bool:
    return any(item.path.is_relative_to(folder) for folder in NEED_HOSTS)
