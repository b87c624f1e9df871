"""How long a router takes to come and to go, how many requests that is, and how much memory it takes."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
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
from tests.lab.cfy import Cfy
from tests.lab.conftest import OURS
from tests.lab.test_router import PREFIXES, SERVERS, reaches

Kubectl = Callable[..., str]
OLD_IMAGE = "quagga-2017"
_KIB = 1024
_TASK = re.compile(
    r"^(\S+ \S+)  CFY <router> \[quagga_.*\] "
    r"Task (started|succeeded) 'cloudify_quagga\.operations\.router\.(\w+)'",
    re.MULTILINE,
)
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
    installs, by_kubectl, uninstalls, lefts, starts = [], [], [], [], []
    requests: dict[str, list[float]] = {}
    memory: dict[str, list[float]] = {}
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    before = _traces(kubectl)
    for _ in range(rounds):
        starts.append(_seconds(lambda: cfy("--version")))
        with _requests(requests) as said:
            installs.append(
                _until_answered(
                    lambda: said.append(cfy.install("router", cluster_deployment="cluster").stdout)
                )
            )
        memory.setdefault("install", []).append(cfy.peak_memory / _KIB)
        for name in ("check_status", "check_drift", "heal", "pull", "quagga_update"):
            with _requests(requests, name):
                cfy("executions", "start", name, "-b", "router")
            memory.setdefault(name, []).append(cfy.peak_memory / _KIB)
        with _requests(requests) as said:
            uninstalls.append(_seconds(lambda: said.append(cfy.uninstall("router").stdout)))
        lefts.append(float(len(_traces(kubectl) - before)))
        by_kubectl.append(_until_answered(lambda: _applied(kubectl)))
        kubectl("delete", "-f", "-", "--wait", "--cascade=foreground", stdin=_manifests())
        node.seconds_until(lambda: not routing.kernel_routes("node1"), time.monotonic())
    cfy.uninstall("cluster")
    went_2017, left_2017 = _of_2017(kubectl)
    start = median(starts)
    beside, old = "kubectl apply + rollout status", "kubectl delete, an image as of 2017"
    return [
        Figure("cfy by itself (`cfy --version`)", "s", starts),
        Figure("cfy install of the router, to the first answered ping", "s", installs, beside, by_kubectl),
        Figure("- less cfy by itself", "s", [one - start for one in installs], beside, by_kubectl),
        Figure("cfy uninstall of the router, to its end", "s", uninstalls, old, [went_2017]),
        Figure(
            "- what differs then from before: routes, rules, sysctls, objects", "", lefts, old, [left_2017]
        ),
        *(Figure(f"requests of the API server: {name}", "", counted) for name, counted in requests.items()),
        *(
            Figure(f"memory of cfy with the plugin, at its peak: {name}", "MiB", one)
            for name, one in memory.items()
        ),
    ]


@contextmanager
def _requests(noted: dict[str, list[float]], workflow: str = "") -> Iterator[list[str]]:
    """How many requests the block made of the API server, as that itself has written down.

    :param workflow: what to note them as; without it the block appends what `cfy` said, and each operation
        that this tells of is noted by itself.
    """
    before = control.audit_log().stat().st_size
    said: list[str] = []
    yield said
    time.sleep(0.5)
    with control.audit_log().open() as log:
        log.seek(before)
        entries = [json.loads(line) for line in log if line.endswith("\n")]
    at = {
        one["auditID"]: datetime.fromisoformat(one["requestReceivedTimestamp"].replace("Z", "+00:00"))
        for one in entries
        if one.get("userAgent") == "cloudify-quagga-plugin"
    }
    if workflow:
        noted.setdefault(workflow, []).append(float(len(at)))
    for name, began, ended in _operations("".join(said)):
        noted.setdefault(name, []).append(float(sum(began <= moment <= ended for moment in at.values())))


def _operations(said: str) -> Iterator[tuple[str, datetime, datetime]]:
    """The router's operations that a workflow tells of, with their beginning and end."""
    began = {}
    for moment, deed, name in _TASK.findall(said):
        # Cloudify writes UTC, and does not say so.
        when = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
        if deed == "started":
            began[name] = when
        else:
            yield name, began[name], when


def _traces(kubectl: Kubectl) -> set[str]:
    """Every line of the hosts' routing state, and every object of ours."""
    lines = {f"{place}: {line}" for place, found in routing.state().items() for line in found}
    kinds = "daemonsets,deployments,pods,configmaps,secrets,leases"
    return lines | set(kubectl("get", kinds, "-A", "-l", OURS, "-o", "name").split())


def _seconds(deed: Callable[[], Any]) -> float:
    began = time.monotonic()
    deed()
    return time.monotonic() - began


def _until_answered(begin: Callable[[], Any]) -> float:
    began = time.monotonic()
    begin()
    return node.seconds_until(lambda: reaches(SERVERS[0]), began)


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
    """Once, for it takes its whole grace period: seconds until it is gone, and what it leaves."""
    pod: dict[str, Any] = yaml.safe_load(POD.read_text())
    pod["spec"]["containers"][0]["image"] = OLD_IMAGE
    before = _traces(kubectl)
    kubectl("label", "node", "node1", "role=router")
    try:
        kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
        node.seconds_until(lambda: routing.kernel_routes("node1") == PREFIXES, time.monotonic())
        went = _seconds(lambda: kubectl("delete", "pod", "nginx", "--wait"))
        return went, float(len(_traces(kubectl) - before))
    finally:
        kubectl("label", "node", "node1", "role-")
        _sweep_by_hand()


def _sweep_by_hand() -> None:
    """What a person had to do in 2017; forwarding was on before, in no lab."""
    script = "ip route flush proto 196; ip nexthop flush proto zebra; sysctl -q -w net.ipv4.ip_forward=0"
    hosts.run("node1", ["sh", "-c", script])
