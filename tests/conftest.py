"""Which cluster the tests run on: the lab, or one of one's own that QUAGGA_KUBECONFIG names."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# These look at hosts' routing tables and send packets; a cluster of one's own lends them no hosts.
NEED_HOSTS = (HERE / "lab",)
FIRST = "lab"
# The other lab's name, and about half of the lab's tests: for the most part they wait for kubelets.
SECOND = "second"
IN_THE_SECOND = (
    "test_faults.py",
    "test_interruptions.py",
    "test_microservice.py",
    "test_pod_2017.py",
    "test_post_2017.py",
    "test_ssh.py",
    "test_turned_away.py",
)
# The lab that whoever started the tests holds.
HELD = os.environ.get("QUAGGA_LAB")
# Whose tests share what is made once: a lab, an API server, a wagon, an SSH server. In the order they begin.
GROUPS = (FIRST, SECOND, "api", "packaging", "ssh")
# So many that both labs have a worker each, and there are others.
JOBS = 4
# Whether there are tests of the lab and others at the same time.
BESIDE = pytest.StashKey[bool]()
GIVES_WAY = 10
# What is started by whoever is in it is in it too, whatever sessions that makes: an API server, daemons.
GROUP = Path("/sys/fs/cgroup/cpu/cloudify-quagga-tests")
# Of two workers, where everybody else has 1,024.
SHARES = 600
# Of those that judge how fast routers are, which are idle for most of their time.
TIMED = Path("/sys/fs/cgroup/cpu/cloudify-quagga-tests-timed")
TIMED_SHARES = 4096
LAST = 5.0


# Before xdist looks for the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-n 4 --dist loadgroup` the lab's tests run in two labs, beside all others, which touch neither.

    Those that share something run one after the other; each of the others goes to whoever has time.
    """
    config.stash[BESIDE] = any(map(_needs_hosts, items)) and "PYTEST_XDIST_WORKER" in os.environ
    if any(map(_needs_hosts, items)):
        for item in items:
            if (group := _group(item)) in GROUPS:
                item.add_marker(pytest.mark.xdist_group(group))
        if config.stash[BESIDE]:
            items[:] = _in_turn(items)
    _say_what_is_not_run(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What runs beside the lab's tests gives way to them: they strike at moments, and look at once.

    But for what is marked as timed: of a router that hardly gets a processor there is nothing to learn.
    """
    if not item.config.stash[BESIDE]:
        return
    lab = SECOND if _group(item) == SECOND else HELD
    if lab is None:
        os.environ.pop("QUAGGA_LAB", None)
    else:
        os.environ["QUAGGA_LAB"] = lab
    if _needs_hosts(item):
        return
    is_timed = item.get_closest_marker("timed") is not None
    try:
        if is_timed:
            _enter(TIMED, TIMED_SHARES)
        else:
            _enter(GROUP, SHARES)
    except OSError:
        # No root, or control groups of version 2.
        _be_as_nice_as(0 if is_timed else GIVES_WAY)


# Of what it has entered last there is nothing to do.
@lru_cache(maxsize=1)
def _enter(group: Path, shares: int) -> None:
    group.mkdir(exist_ok=True)
    (group / "cpu.shares").write_text(str(shares))
    (group / "cgroup.procs").write_text(str(os.getpid()))


@lru_cache(maxsize=1)
def _be_as_nice_as(niceness: int) -> None:
    """The kernel weighs sessions before it looks at niceness."""
    # Only root is allowed to become less nice, and often; without root no router runs, whose sake it is for.
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    autogroup = Path("/proc/self/autogroup")
    if autogroup.exists():
        if os.getsid(0) != os.getpid():
            os.setsid()
        with suppress(BlockingIOError):
            autogroup.write_text(str(niceness))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The groups go with the last that was in them, which may need a moment to end."""
    deadline = time.monotonic() + LAST
    began_them = "PYTEST_XDIST_WORKER" not in os.environ and config.getoption("dist", "no") == "loadgroup"
    left = [GROUP, TIMED] if began_them else []
    while (left := [group for group in left if group.exists()]) and time.monotonic() < deadline:
        for group in left:
            with suppress(OSError):
                group.rmdir()
        time.sleep(0.1)


def _in_turn(items: list[pytest.Item]) -> list[pytest.Item]:
    """Groups first, for they take longest, and then some of each folder in turn.

    Who is free takes the first that is left. Of the image's tests three run at a time, and who waits for
    that does nothing else: between them there have to be others. All but the units begin in the first four
    fifths, so that what is left at the end is short.
    """
    folders: dict[str, list[pytest.Item]] = {}
    for item in items:
        folders.setdefault(_group(item), []).append(item)
    groups = [item for group in GROUPS for item in folders.pop(group, [])]
    parts = [
        (index / len(folder) * (1 if name == "unit" else 0.8), item)
        for name, folder in folders.items()
        for index, item in enumerate(folder)
    ]
    return groups + [item for _, item in sorted(parts, key=itemgetter(0))]


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


def _group(item: pytest.Item) -> str:
    """The folder of tests, for those of the lab one of the labs."""
    if not _needs_hosts(item):
        return item.path.relative_to(HERE).parts[0]
    # Each lab has a worker to itself, for what is made once is made of one lab.
    two = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) >= JOBS
    return SECOND if two and item.path.name in IN_THE_SECOND else FIRST


def _needs_hosts(item: pytest.Item) -> bool:
    return any(item.path.is_relative_to(folder) for folder in NEED_HOSTS)
