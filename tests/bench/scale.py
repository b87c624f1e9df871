"""How long many static routes take to be in the kernel, beside `ip -batch`, which asks nobody."""

from __future__ import annotations

import time
from pathlib import Path

from lab import hosts
from tests.bench import node
from tests.bench.figures import Figure
from tests.lab.cfy import Cfy

COUNTS = (100, 1000, 10000)


def figures(cfy: Cfy, kubeconfig: Path, rounds: int) -> list[Figure]:
    """For each number: from the command to all of them in the kernel, and back to none."""
    found = []
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    for count in COUNTS:
        came, went = zip(*(_installed(cfy, count) for _ in range(rounds)), strict=True)
        batch = [_batch(count) for _ in range(rounds)]
        found.append(Figure(f"cfy install, {count} routes in the kernel", "s", came, "ip -batch", batch))
        found.append(Figure(f"cfy uninstall, {count} routes gone", "s", went))
    cfy.uninstall("cluster")
    return found


def _installed(cfy: Cfy, count: int) -> tuple[float, float]:
    began = time.monotonic()
    cfy.install("router", cluster_deployment="cluster", routes=node.routes(count))
    came = node.seconds_until(lambda: node.through(node.FIRST) == count, began)
    began = time.monotonic()
    cfy.uninstall("router")
    return came, node.seconds_until(lambda: node.through(node.FIRST) == 0, began)


def _batch(count: int) -> float:
    lines = "".join(f"route add {prefix} via {node.FIRST} proto 99\n" for prefix in node.prefixes(count))
    began = time.monotonic()
    hosts.run("node1", ["ip", "-batch", "-"], input=lines, check=True)
    seconds = time.monotonic() - began
    hosts.run("node1", ["ip", "route", "flush", "proto", "99"], check=True)
    return seconds
