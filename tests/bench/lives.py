"""How long a router takes to come and to go, how many requests that is, and how much memory it takes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cloudify_quagga import render
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity
from lab import control, hosts
from tests.bench import node
from tests.bench.changes import POD
from tests.bench.figures import Figure
from tests.lab import routing
from tests.lab.conftest import Cfy
from tests.lab.test_router import PREFIXES, SERVERS, reaches

Kubectl = Callable[..., str]
OLD_IMAGE = "quagga-2017"
_KIB = 1024
_WEIGH = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


class WeighedCfy(Cfy):
    """A `cfy` that also notes how much memory its latest command took."""

    def __init__(self, directory: Path) -> None:
        self._noted = directory / "memory"
        super().__init__(directory / "cfy")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", _WEIGH, str(self._noted), *super().command(*arguments)]

    @property
    def peak_memory(self) -> int:
        """KiB, at its peak."""
        return int(self._noted.read_text())


def figures(cfy: WeighedCfy, kubectl: Kubectl, kubeconfig: Path, rounds: int) -> list[Figure]:
    """Install and uninstall beside kubectl and beside 2017; requests; memory."""
    installs, requests, uninstalls, lefts, after, memory = [], [], [], [], [], []
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    for _ in range(rounds):
        with _requests() as asked:
            installs.append(_until_answered(lambda: cfy.install("router", cluster_deployment="cluster")))
        requests.append(float(asked[0]))
        memory.append(cfy.peak_memory / _KIB)
        with _requests() as asked:
            went, left = _gone(lambda: cfy.uninstall("router"))
            uninstalls.append(went)
            lefts.append(left)
        after.append(float(asked[0]))
    by_kubectl = [_until_answered(lambda: _applied(kubectl)) for _ in _each(kubectl, rounds)]
    cfy.uninstall("cluster")
    went_2017, left_2017 = _of_2017(kubectl)
    return [
        Figure("cfy install of the router, to the first answered ping", "s", installs,
               "kubectl apply + rollout status", by_kubectl),
        Figure("cfy uninstall of the router, to the last trace gone", "s", uninstalls,
               "kubectl delete, image of 2017", [went_2017]),
        Figure("- routes left on the node", "", lefts, "kubectl delete, image of 2017", [left_2017]),
        Figure("requests of the API server by install", "", requests),
        Figure("requests of the API server by uninstall", "", after),
        Figure("memory of cfy with the plugin, at its peak", "MiB", memory),
    ]  # fmt: skip


@contextmanager
def _requests() -> Iterator[list[int]]:
    """How many requests the block made of the API server, as that itself has written down."""
    before = control.audit_log().stat().st_size
    counted: list[int] = []
    yield counted
    time.sleep(0.5)
    with control.audit_log().open() as log:
        log.seek(before)
        entries = [json.loads(line) for line in log if line.endswith("\n")]
    ours = [one for one in entries if one.get("userAgent") == "cloudify-quagga-plugin"]
    counted.append(len({one["auditID"] for one in ours}))


def _until_answered(begin: Callable[[], Any]) -> float:
    began = time.monotonic()
    begin()
    return node.seconds_until(lambda: reaches(SERVERS[0]), began)


def _gone(end: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that it took, and the routes that the node has after it."""
    began = time.monotonic()
    end()
    return time.monotonic() - began, float(len(routing.kernel_routes("node1")))


def _each(kubectl: Kubectl, rounds: int) -> Iterator[int]:
    """Before each round nothing is there, and after it nothing is left."""
    for index in range(rounds):
        yield index
        kubectl("delete", "-f", "-", "--wait", stdin=_manifests())
        node.seconds_until(lambda: not routing.kernel_routes("node1"), time.monotonic())


def _applied(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=_manifests())
    name = Identity("bench", "router", "router_1").object_name
    kubectl("rollout", "status", f"daemonset/{name}", "--timeout=120s")


def _manifests() -> str:
    """The objects that the plugin makes, for kubectl."""
    routes = [{"prefix": prefix, "next_hop": node.FIRST} for prefix in sorted(PREFIXES)]
    router = Router.parse(
        {"routes": routes, "node_selector": {"role": "router"}, "interfaces": ["eth0", "eth1"]}
    )
    objects = render.objects(router, Identity("bench", "router", "router_1"))
    # A controller sees to it; kubectl itself waits for the update strategy that knows a rollout.
    objects[-1]["spec"]["updateStrategy"] = {"type": "RollingUpdate"}
    return yaml.safe_dump_all(objects)


def _of_2017(kubectl: Kubectl) -> tuple[float, float]:
    """Once, for it takes its whole grace period: seconds until it is gone, and the routes that it leaves."""
    pod: dict[str, Any] = yaml.safe_load(POD.read_text())
    pod["spec"]["containers"][0]["image"] = OLD_IMAGE
    kubectl("label", "node", "node1", "role=router")
    try:
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
        node.seconds_until(lambda: routing.kernel_routes("node1") == PREFIXES, time.monotonic())
        return _gone(lambda: kubectl("delete", "pod", "nginx", "--wait"))
    finally:
        kubectl("label", "node", "node1", "role-")
        _sweep_by_hand()


def _sweep_by_hand() -> None:
    """What a person had to do in 2017; forwarding was on before, in no lab."""
    script = "ip route flush proto 196; ip nexthop flush proto zebra; sysctl -q -w net.ipv4.ip_forward=0"
    hosts.run("node1", ["sh", "-c", script])
