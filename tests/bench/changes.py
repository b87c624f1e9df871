"""What it costs to change a router, and to lose a daemon, beside a restart of the pod as in 2017."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import traffic
from tests.bench import node
from tests.bench.beside import watched
from tests.bench.figures import Figure
from tests.lab import faults, processes
from tests.lab.cfy import PROJECT, Cfy

COUNT = 1000
MANY = 2000
POD = PROJECT / "tests" / "lab" / "pod-2017.yaml"
Kubectl = Callable[..., str]
# Three deaths of a daemon are more than this apart.
_PAUSE = 35.0
_RATE = 100


@dataclass(frozen=True)
class Seen:
    """One change: how long it took, and what it cost meanwhile."""

    seconds: float
    fewest: int
    lost: int


def figures(cfy: Cfy, kubectl: Kubectl, kubeconfig: Path, rounds: int) -> list[Figure]:
    """Every change, beside the same by a restart."""
    with node.two_next_hops():
        restarts = _restarts(kubectl, COUNT, rounds)
        many = _restarts(kubectl, MANY, rounds)
        with _router(cfy, kubeconfig, COUNT):
            one = [_changed(cfy, COUNT, only_one=True) for _ in range(rounds)]
            killed = _each_killed(kubectl, rounds)
            containers = [_container_killed(kubectl) for _ in range(rounds)]
        with _router(cfy, kubeconfig, MANY):
            every = [_changed(cfy, MANY, only_one=False) for _ in range(rounds)]
    return [
        *_rows(f"next hop of 1 of {COUNT} routes changed", COUNT, one, restarts),
        *_rows(f"next hops of all {MANY} routes changed", MANY, every, many),
        *_rows(
            f"staticd killed, until zebra has its {COUNT} routes again", COUNT, killed["staticd"], restarts
        ),
        *_rows(f"zebra killed, until it has {COUNT} routes again", COUNT, killed["zebra"], restarts),
        *_rows("container killed for memory, until its next life is ready", COUNT, containers, restarts),
    ]


def _rows(what: str, count: int, ours: Sequence[Seen], theirs: Sequence[Seen]) -> Iterator[Figure]:
    beside = "a restart"
    yield Figure(what, "s", [one.seconds for one in ours], beside, [one.seconds for one in theirs])
    fewest = f"- fewest of {count} routes in the kernel"
    yield Figure(fewest, "", [one.fewest for one in ours], beside, [one.fewest for one in theirs])
    lost = f"- packets lost, {_RATE}/s"
    yield Figure(lost, "", [one.lost for one in ours], beside, [one.lost for one in theirs])


@contextmanager
def _seen(count: int) -> Iterator[list[float]]:
    """Watches while something changes; the block appends its seconds, and finds the rest there afterwards."""
    noted: list[float] = []
    with (
        traffic.TableWatch("node1", node.prefixes(count)) as table,
        traffic.Stream(rate=_RATE, least=1000) as stream,
    ):
        yield noted
    noted += [table.lowest, stream.delivery.lost]


def _of(noted: Sequence[float]) -> Seen:
    return Seen(noted[0], int(noted[1]), int(noted[2]))


@contextmanager
def _router(cfy: Cfy, kubeconfig: Path, count: int) -> Iterator[None]:
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    cfy.install("router", cluster_deployment="cluster", routes=node.routes(count))
    try:
        yield
    finally:
        cfy.uninstall("router")
        cfy.uninstall("cluster")


def _changed(cfy: Cfy, count: int, only_one: bool) -> Seen:
    """There in peace, for whoever watches takes one of two processors; and back while it is watched."""

    def change(new: str) -> float:
        return _change(cfy, node.routes(count, node.FIRST if only_one else new), new)

    seconds = change(node.SECOND)
    with _seen(count) as noted:
        change(node.FIRST)
        noted.append(seconds)
    return _of(noted)


def _change(cfy: Cfy, routes: list[dict[str, str]], first_through: str) -> float:
    """Seconds from the command until the kernel has it; the first route goes through another next hop."""
    routes = [{**routes[0], "next_hop": first_through}, *routes[1:]]
    hops = [one["next_hop"] for one in routes]
    wanted = hops.count(node.FIRST), hops.count(node.SECOND)

    def done() -> bool:
        # To look at one route costs next to nothing.
        return node.only_through(first_through, routes[0]["prefix"]) and node.divided(*wanted)

    with tempfile.NamedTemporaryFile("w", suffix=".json") as parameters:
        json.dump({"properties": {"routes": routes}}, parameters)
        parameters.flush()
        words = ("executions", "start", "quagga_update", "-b", "router", "-p", parameters.name)
        return watched(lambda: cfy.started(*words), done).there


def _each_killed(kubectl: Kubectl, rounds: int) -> dict[str, list[Seen]]:
    """In turns, and slowly: what dies three times in a minute is given up by the router."""
    killed: dict[str, list[Seen]] = {"staticd": [], "zebra": []}
    for _ in range(rounds):
        began = time.monotonic()
        for name, seen in killed.items():
            seen.append(_killed(kubectl, name))
        time.sleep(max(0.0, _PAUSE - (time.monotonic() - began)))
    return killed


def _killed(kubectl: Kubectl, name: str) -> Seen:
    [victim] = processes.find("node1", name)
    with _seen(COUNT) as noted:
        began = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        noted.append(node.seconds_until(lambda: _is_back(kubectl, name, victim), began))
        # What was withdrawn late would not be noticed otherwise.
        time.sleep(5)
    return _of(noted)


def _is_back(kubectl: Kubectl, name: str, victim: int) -> bool:
    return processes.find("node1", name) not in ([], [victim]) and _known_to_zebra(kubectl) == COUNT


def _known_to_zebra(kubectl: Kubectl) -> int:
    """How many static routes it says that it has put into the kernel; none where it says nothing."""
    pods = ("pods", "-l", "app.kubernetes.io/name=quagga", "-o", "name")
    [pod] = kubectl("get", *pods).split()
    try:
        said = json.loads(
            kubectl("exec", pod, "--", "vtysh", "-d", "zebra", "-c", "show ip route summary json")
        )
    except (RuntimeError, ValueError):
        return 0
    return sum(one["fib"] for one in said.get("routes", []) if one["type"] == "static")


def _container_killed(kubectl: Kubectl) -> Seen:
    """In a new pod: a container that dies again is kept waiting longer by its kubelet each time."""
    _make_anew(kubectl)
    victim = processes.container_init("node1")
    with _seen(COUNT) as noted:
        began = time.monotonic()
        faults.kill_for_memory(victim)
        noted.append(node.seconds_until(lambda: _is_ready_but_for(victim), began))
    return _of(noted)


def _make_anew(kubectl: Kubectl) -> None:
    """Another pod in the router's place, with all its routes."""
    victim = processes.container_init("node1")
    kubectl("delete", "pod", "-l", "app.kubernetes.io/name=quagga", "--wait")
    node.seconds_until(lambda: _is_ready_but_for(victim), time.monotonic())


def _is_ready_but_for(victim: int) -> bool:
    try:
        init = processes.container_init("node1")
        told = json.loads(Path(f"/proc/{init}/root/run/quagga/status.json").read_text())
    except (LookupError, OSError):
        return False
    return init != victim and bool(told["ready"])


def _restarts(kubectl: Kubectl, count: int, rounds: int) -> list[Seen]:
    kubectl("label", "node", "node1", "role=router")
    try:
        _apply(kubectl, _pod(count, node.FIRST))
        node.seconds_until(lambda: node.through(node.FIRST) == count, time.monotonic())
        return [_restarted(kubectl, count) for _ in range(rounds)]
    finally:
        kubectl("delete", "pod", "nginx", "--ignore-not-found", "--wait")
        kubectl("label", "node", "node1", "role-")


def _restarted(kubectl: Kubectl, count: int) -> Seen:
    seconds = _restart(kubectl, count, node.SECOND)
    with _seen(count) as noted:
        _restart(kubectl, count, node.FIRST)
        noted.append(seconds)
    return _of(noted)


def _restart(kubectl: Kubectl, count: int, new: str) -> float:
    began = time.monotonic()
    kubectl("delete", "pod", "nginx", "--wait")
    _apply(kubectl, _pod(count, new))
    wanted = (0, count) if new == node.SECOND else (count, 0)
    return node.seconds_until(lambda: node.divided(*wanted), began)


def _apply(kubectl: Kubectl, pod: dict[str, Any]) -> None:
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))


def _pod(count: int, next_hop: str) -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load(POD.read_text())
    routes = ",".join(f"{one['prefix']} {one['next_hop']}" for one in node.routes(count, next_hop))
    pod["spec"]["containers"][0]["env"] = [
        {"name": "INTERFACES", "value": "eth0,eth1"},
        {"name": "ROUTES", "value": routes},
    ]
    return pod
