"""How long a router takes to come and to go, how many requests each operation makes, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from cloudify_quagga import render
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity
from lab import hosts, kubebuild
from tests.bench import node, requests
from tests.bench.beside import Took, watched
from tests.bench.changes import POD
from tests.bench.figures import Figure, memory
from tests.bench.weighed import WeighedCfy
from tests.lab import routing
from tests.lab.conftest import OURS
from tests.lab.test_router import PREFIXES, SERVERS

Kubectl = Callable[..., str]
OLD_IMAGE = "quagga-2017"
_UPDATE = ("execute_operation", {"operation": "cloudify.interfaces.lifecycle.update"})
_IDENTITY = Identity("bench", "router", "router_1")


@dataclass(frozen=True)
class _Noted:
    """What all rounds have shown."""

    starts: list[float] = field(default_factory=list)
    installs: list[Took] = field(default_factory=list)
    by_kubectl: list[Took] = field(default_factory=list)
    uninstalls: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    requests: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)


def figures(cfy: WeighedCfy, kubectl: Kubectl, kubeconfig: Path, rounds: int) -> list[Figure]:
    """Install and uninstall beside kubectl and beside 2017; requests of every type's operations; memory."""
    noted = _Noted()
    _have_the_image_pulled(kubectl, kubeconfig)
    for _ in range(rounds):
        noted.starts.append(_seconds(lambda: cfy("--version")))
        with requests.counted(noted.requests) as said:
            said.append(cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1").stdout)
        _look_after(cfy, "cluster", noted, lambda: kubectl("label", "node", "node1", "role-"))
        _router_lives(cfy, kubectl, noted)
        noted.by_kubectl.append(_by_kubectl(kubectl, kubeconfig))
        _pod_lives(cfy, kubectl, noted)
        with requests.counted(noted.requests) as said:
            said.append(cfy.uninstall("cluster").stdout)
    return [*_times(noted, *_of_2017(kubectl)), *_counts(noted)]


def _times(noted: _Noted, went_2017: float, left_2017: float) -> list[Figure]:
    kubectl, old = "kubectl apply + rollout status", "kubectl delete, an image as of 2017"
    start = median(noted.starts)

    def beside(what: str, ours: Sequence[float], theirs: Sequence[float]) -> list[Figure]:
        less = [one - start for one in ours]
        return [
            Figure(what, "s", ours, kubectl, theirs),
            Figure("- less cfy by itself", "s", less, kubectl, theirs),
        ]

    answered = [one.there for one in noted.installs], [one.there for one in noted.by_kubectl]
    ended = [one.ended for one in noted.installs], [one.ended for one in noted.by_kubectl]
    return [
        Figure("cfy by itself (`cfy --version`)", "s", noted.starts),
        *beside("cfy install of the router, to the first answered ping", *answered),
        *beside("cfy install of the router, to the command's end", *ended),
        Figure("cfy uninstall of the router, to its end", "s", noted.uninstalls, old, [went_2017]),
        Figure(
            "- what differs then from before: routes, rules, sysctls, objects",
            "",
            noted.left,
            old,
            [left_2017],
        ),
    ]


def _counts(noted: _Noted) -> list[Figure]:
    by_type = sorted(noted.requests.items(), key=lambda item: item[0].partition(".")[0])
    return [
        *(Figure(f"requests of the API server: {name}", "", counted) for name, counted in by_type),
        *(memory(name, samples) for name, samples in noted.memory.items()),
    ]


def _router_lives(cfy: WeighedCfy, kubectl: Kubectl, noted: _Noted) -> None:
    before = _traces(kubectl)
    with requests.counted(noted.requests) as said:
        took = watched(lambda: cfy.installing("router", cluster_deployment="cluster"), _answered)
        said.append(took.said)
    noted.installs.append(took)
    _weigh(cfy, noted, "install")
    routes = [{"prefix": prefix, "next_hop": node.FIRST} for prefix in sorted({*PREFIXES, "192.0.2.0/24"})]
    _look_after(
        cfy,
        "router",
        noted,
        lambda: kubectl("delete", "daemonsets", "-l", OURS, "--wait", "--cascade=foreground"),
        update=("quagga_update", {"properties": {"routes": routes}}),
        weighed=True,
    )
    with requests.counted(noted.requests) as said:
        noted.uninstalls.append(_seconds(lambda: said.append(cfy.uninstall("router").stdout)))
    _weigh(cfy, noted, "uninstall")
    noted.left.append(float(len(_traces(kubectl) - before)))


def _pod_lives(cfy: WeighedCfy, kubectl: Kubectl, noted: _Noted) -> None:
    """The post's pod, as a Microservice."""
    name = "post-2017-router"
    with requests.counted(noted.requests) as said:
        said.append(
            cfy.install(name, cluster_deployment="cluster", ssh_username="", ssh_keyfilename="").stdout
        )
    _look_after(cfy, name, noted, lambda: kubectl("delete", "pod", "nginx", "--wait"))
    with requests.counted(noted.requests) as said:
        said.append(cfy.uninstall(name).stdout)


def _look_after(
    cfy: WeighedCfy,
    name: str,
    noted: _Noted,
    fall_ill: Callable[[], object],
    update: tuple[str, dict[str, Any]] = _UPDATE,
    weighed: bool = False,
) -> None:
    """All that a deployment has workflows for between its install and its uninstall."""

    def run(workflow: str, parameters: dict[str, Any], only: str = "") -> None:
        words = ("executions", "start", workflow, "-b", name, "-p", json.dumps(parameters))
        with requests.counted(noted.requests, only) as said:
            said.append(cfy(*words).stdout)
        if weighed:
            _weigh(cfy, noted, workflow)

    for workflow in ("check_status", "check_drift", "pull"):
        run(workflow, {})
    run(*update)
    fall_ill()
    # It is asked beforehand how the ill are, which is no usual check.
    run("heal", {"allow_reinstall": False}, only=".heal")


def _weigh(cfy: WeighedCfy, noted: _Noted, what: str) -> None:
    noted.memory.setdefault(what, []).append(cfy.peak_memory)


def _traces(kubectl: Kubectl) -> set[str]:
    """Every line of the hosts' routing state, and every object of ours."""
    lines = {f"{place}: {line}" for place, found in routing.state().items() for line in found}
    kinds = "daemonsets,deployments,pods,configmaps,secrets,leases"
    return lines | set(kubectl("get", kinds, "-A", "-l", OURS, "-o", "name").split())


def _seconds(deed: Callable[[], Any]) -> float:
    began = time.monotonic()
    deed()
    return time.monotonic() - began


def _answered() -> bool:
    """Whether the server answers within a second, asked again every 20 ms: the first answer ends it."""
    ping = ["ping", "-n", "-q", "-c", "1", "-i", "0.02", "-w", "1", SERVERS[0]]
    return hosts.run("client", ping).returncode == 0


def _have_the_image_pulled(kubectl: Kubectl, kubeconfig: Path) -> None:
    kubectl("label", "node", "node1", "role=router")
    _by_kubectl(kubectl, kubeconfig)
    kubectl("label", "node", "node1", "role-")


def _by_kubectl(kubectl: Kubectl, kubeconfig: Path) -> Took:
    """The same objects by kubectl, which also takes them back."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as manifests:
        manifests.write(_manifests())
        manifests.flush()
        took = watched(lambda: _applying(manifests.name, kubeconfig), _answered)
        kubectl("delete", "-f", manifests.name, "--wait", "--cascade=foreground")
    node.seconds_until(lambda: not routing.kernel_routes("node1"), time.monotonic())
    return took


def _applying(manifests: str, kubeconfig: Path) -> subprocess.Popen[str]:
    script = '"$0" apply -f "$1" && "$0" rollout status "daemonset/$2" --timeout=120s'
    argv = ["sh", "-c", script, kubebuild.program("kubectl"), manifests, _IDENTITY.object_name]
    env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
    return subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _manifests() -> str:
    """The objects that the plugin makes, for kubectl."""
    routes = [{"prefix": prefix, "next_hop": node.FIRST} for prefix in sorted(PREFIXES)]
    router = Router.parse(
        {"routes": routes, "node_selector": {"role": "router"}, "interfaces": ["eth0", "eth1"]}
    )
    objects = render.objects(router, _IDENTITY)
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
        # A kubelet that has not noticed yet that it runs does not give it its grace period.
        kubectl("wait", "--for=condition=Ready", "pod/nginx", "--timeout=60s")
        went = _seconds(lambda: kubectl("delete", "pod", "nginx", "--wait"))
        left = float(len(_traces(kubectl) - before))
    finally:
        kubectl("label", "node", "node1", "role-")
        _sweep_by_hand()
    if unswept := _traces(kubectl) - before:
        raise RuntimeError(f"not swept by hand: {unswept}")
    return went, left


def _sweep_by_hand() -> None:
    """What a person had to do in 2017; forwarding was on before, in no lab."""
    # The routes go with the nexthop objects of zebra, whose number not every ip(8) knows by its name.
    for words in (
        "ip nexthop flush proto 11",
        "ip route flush proto 196",
        "sysctl -q -w net.ipv4.ip_forward=0",
    ):
        hosts.run("node1", words.split(), check=True)
