"""How long many static routes take to be in the kernel, beside `ip -batch`, which asks nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import hosts
from tests.bench import node
from tests.bench.beside import Took, watched
from tests.bench.figures import Figure, memory
from tests.bench.weighed import WeighedCfy

COUNTS = (100, 1000, 10000)


def figures(cfy: WeighedCfy, kubeconfig: Path, rounds: int) -> list[Figure]:
    """For each number: from the command to all in the kernel, and back to none; the most are weighed, too."""
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    found = [figure for count in COUNTS for figure in _of(cfy, count, rounds)]
    cfy.uninstall("cluster")
    return found


def _of(cfy: WeighedCfy, count: int, rounds: int) -> Iterator[Figure]:
    lives = [_lived(cfy, count) for _ in range(rounds)]
    batch = [_batch(count) for _ in range(rounds)]
    beside = "ip -batch"
    came, went = [one.came for one in lives], [one.went for one in lives]
    yield Figure(
        f"cfy install, {count} routes in the kernel", "s", [one.there for one in came], beside, batch
    )
    yield Figure("- to the command's end", "s", [one.ended for one in came])
    yield Figure(f"cfy uninstall, {count} routes gone", "s", [one.there for one in went])
    yield Figure("- to the command's end", "s", [one.ended for one in went])
    if count == max(COUNTS):
        yield memory(f"install, {count} routes", [one.heaviest_coming for one in lives])
        yield memory(f"uninstall, {count} routes", [one.heaviest_going for one in lives])


@dataclass(frozen=True)
class _Life:
    """A router that came and went; what `cfy` weighed at most, in MiB."""

    came: Took
    heaviest_coming: float
    went: Took
    heaviest_going: float


def _lived(cfy: WeighedCfy, count: int) -> _Life:
    def all_there() -> bool:
        # To ask who made them is a process, so it is asked once all may be there.
        return node.in_table(node.FIRST) >= count and node.through(node.FIRST) == count

    def none_left() -> bool:
        return node.in_table(node.FIRST) == 0

    routes = node.routes(count)
    came = watched(lambda: cfy.installing("router", cluster_deployment="cluster", routes=routes), all_there)
    heaviest = cfy.peak_memory
    went = watched(lambda: cfy.started("uninstall", "-b", "router"), none_left)
    cfy.forget("router")
    return _Life(came, heaviest, went, cfy.peak_memory)


def _batch(count: int) -> float:
    lines = "".join(f"route add {prefix} via {node.FIRST} proto 99\n" for prefix in node.prefixes(count))
    began = time.monotonic()
    hosts.run("node1", ["ip", "-batch", "-"], input=lines, check=True)
    seconds = time.monotonic() - began
    hosts.run("node1", ["ip", "route", "flush", "proto", "99"], check=True)
    return seconds
