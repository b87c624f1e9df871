"""The lab that these tests need, and the few words they are written in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from lab import hosts, image, kubebuild, state
from tests.conftest import SECOND
from tests.lab import routing
from tests.lab.cfy import PROJECT, Cfy, WarmCfy
from tests.lab.living import Router

OURS = "app.kubernetes.io/managed-by=cloudify"
KINDS = (
    *(f"/apis/apps/v1/{kind}" for kind in ("daemonsets", "deployments", "statefulsets")),
    "/apis/batch/v1/jobs",
    *(f"/api/v1/{kind}" for kind in ("pods", "configmaps", "secrets", "services")),
    "/apis/coordination.k8s.io/v1/leases",
)

# Ends at once when it is told to, as not every program does that is process 1.
_SLEEP = "trap 'exit 0' TERM; sleep infinity & wait"
_FIRST = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "first"},
    "spec": {
        "selector": {"matchLabels": {"app": "first"}},
        "template": {
            "metadata": {"labels": {"app": "first"}},
            "spec": {
                "containers": [{"name": "first", "image": "quagga", "command": ["sh", "-c", _SLEEP]}],
            },
        },
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the lab down comes last: the others keep what they have learnt of it."""
    items.sort(key=lambda item: item.path.name == "test_lifecycle.py")


@pytest.fixture(scope="package")
def kubeconfig() -> Iterator[Path]:
    """The lab, up, with the router's image in its registry; its administrator's kubeconfig."""
    # Whoever started the tests holds the machine's own; the second is there for them alone.
    ours = os.environ.get("QUAGGA_LAB") == SECOND
    if ours:
        _lab("down")
    try:
        _lab("up")
        _lab("image", "docker/quagga", "quagga")
        yield state.current().kubeconfig
    finally:
        if ours:
            _lab("down")


def _lab(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "lab", *words], cwd=PROJECT, check=True)


@pytest.fixture(scope="package")
def image_root(kubeconfig: Path) -> Path:
    """The image's root file system, unpacked."""
    return image.build(PROJECT / "docker" / "quagga", "quagga")


@pytest.fixture(scope="package")
def kubectl(kubeconfig: Path) -> Callable[..., str]:
    """Runs the real kubectl and returns what it printed."""

    def call(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
        # As `python -m lab kubectl` runs it, but without a Python for each of some thousand calls.
        program = [kubebuild.program("kubectl"), f"--cache-dir={state.current().directory / 'kubectl'}"]
        # It ends before it could have collected anything worth its time.
        env = {**os.environ, "KUBECONFIG": str(state.current().kubeconfig), "GOGC": "off"}
        argv = [*program, *arguments]
        done = subprocess.run(
            argv, cwd=PROJECT, env=env, text=True, capture_output=True, check=False, input=stdin
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    return call


@pytest.fixture
def cfy(tmp_path: Path) -> Iterator[Cfy]:
    """A `cfy` that has installed nothing yet, and leaves nothing installed."""
    made = WarmCfy(tmp_path / "cfy")
    yield made
    made.uninstall_the_rest()


@pytest.fixture(scope="package")
def pod_networks(kubectl: Callable[..., str]) -> None:
    """Every node has had a pod: the bridge of the pods' network comes with the first, and stays."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(_FIRST))
    kubectl("rollout", "status", "daemonset/first", "--timeout=120s")
    kubectl("delete", "daemonset", "first", "--wait", "--cascade=foreground")
    until("the pods' links are gone", lambda: not any(map(_links_of_pods, ("node1", "node2"))), 20)


@pytest.fixture
def untouched(kubeconfig: Path) -> Iterator[None]:
    """Fails the test unless hosts, labels and objects are at its end what they were at its start."""
    with nothing_left():
        yield


@contextmanager
def nothing_left() -> Iterator[None]:
    """A block at whose end hosts, labels and objects have to be what they were at its start."""
    before = routing.state(), _cluster_state()
    assert before[1]["objects"] == [], "the lab holds objects of ours before the test begins"
    yield
    # A deleted pod's containers and the API's view of them settle within a moment of each other.
    deadline = time.monotonic() + 5
    while (routing.state(), _cluster_state()) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    found = routing.changes(before[0], routing.state())
    assert not found, found
    assert _cluster_state() == before[1]


@pytest.fixture(scope="module")
def standing(least: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router with the blueprint's own routes on node1, for all tests of a module."""
    directory = tmp_path_factory.mktemp("standing")
    cfy = WarmCfy(directory / "cfy")
    made = Router(cfy, directory)
    with nothing_left():
        try:
            cfy.install("cluster", kubeconfig=str(least), node="node1")
            made.install()
            yield made
        finally:
            cfy.uninstall_the_rest()


@pytest.fixture
def router(standing: Router) -> Iterator[Router]:
    """It, with the routing that it has by its node's properties, before the test and after."""
    before = routing.beside_a_router(routing.state())

    def changes() -> list[str]:
        return routing.changes(before, routing.beside_a_router(routing.state()))

    yield standing
    try:
        standing.reset()
        # What is said to be done is done; whether it becomes so later helps to find out why it is not.
        found = changes()
        assert not found, f"{found}; a moment later {changes()}"
    except Exception:
        # What one test leaves is not to fail all that come after it.
        standing.install_anew()
        raise


@pytest.fixture(scope="package")
def least(kubeconfig: Path, kubectl: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the account that rbac/ makes: what a router needs, and no more."""
    kubectl("apply", "-f", str(PROJECT / "rbac" / "cloudify-quagga.yaml"))

    def token() -> str:
        secrets = json.loads(kubectl("get", "secrets", "-o", "json"))["items"]
        of = "kubernetes.io/service-account.name"
        found = [
            one for one in secrets if one["metadata"].get("annotations", {}).get(of) == "cloudify-quagga"
        ]
        return base64.b64decode(found[0]["data"]["token"]).decode() if found else ""

    document = yaml.safe_load(kubeconfig.read_text())
    document["users"][0]["user"] = {"token": until("the account has a token", token, 20)}
    path = tmp_path_factory.mktemp("least") / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def cluster(least: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cfy]:
    """A `cfy` that has installed the cluster blueprint on node1, with the least rights."""
    made = WarmCfy(tmp_path_factory.mktemp("cluster") / "cfy")
    with nothing_left():
        try:
            made.install("cluster", kubeconfig=str(least), node="node1")
            yield made
        finally:
            made.uninstall_the_rest()


@pytest.fixture
def labelled(cluster: Cfy) -> Iterator[Cfy]:
    """It, for one test that leaves nothing else installed."""
    yield cluster
    cluster.uninstall_the_rest(but="cluster")


@pytest.fixture
def second_next_hop() -> Iterator[None]:
    """The server answers at another address too, through which the same is reached."""
    address = "172.16.0.2/24"
    hosts.run("server", ["ip", "address", "add", address, "dev", "eth1"], check=True)
    yield
    hosts.run("server", ["ip", "address", "del", address, "dev", "eth1"], check=True)


def until(what: str, holds: Callable[[], Any], seconds: float) -> Any:
    """Poll until `holds()` is true and return what it gave; its last falsehood ends the test."""
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not (result := holds()):
        now = time.monotonic()
        assert now < deadline, f"not within {seconds} s: {what}"
        # Who is waited for has the processor for longer than asking takes.
        time.sleep(max(0.1, 2 * (now - asked)))
        asked = time.monotonic()
    return result


def _links_of_pods(node: str) -> list[str]:
    links = json.loads(hosts.run(node, ["ip", "-j", "link"], check=True).stdout)
    return [link["ifname"] for link in links if link["ifname"].startswith("veth")]


def _cluster_state() -> dict[str, Any]:
    nodes = _listed("/api/v1/nodes")
    objects = [
        f"{path}/{one['metadata']['name']}" for path in KINDS for one in _listed(path, labelSelector=OURS)
    ]
    return {
        "labels": {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes},
        "managers": {node["metadata"]["name"]: _our_managers(node) for node in nodes},
        "objects": objects,
    }


def _listed(path: str, **query: str) -> list[dict[str, Any]]:
    """As kubectl lists, but without the tenth of a second of a processor that each start of it takes."""
    kubeconfig = state.current().kubeconfig
    api = _client(kubeconfig, kubeconfig.stat().st_mtime_ns)
    answer = api.call_api(path, "GET", query_params=list(query.items()), _preload_content=False)
    found: list[dict[str, Any]] = json.loads(answer.data)["items"]
    return found


@cache
def _client(kubeconfig: Path, written: int) -> client.ApiClient:
    """One for each life of the lab."""
    return config.new_client_from_config(str(kubeconfig))


def _our_managers(node: dict[str, Any]) -> list[str]:
    """Field managers of ours that still own something of the node."""
    names = [entry["manager"] for entry in node["metadata"].get("managedFields", [])]
    return sorted(name for name in names if name.startswith("cloudify-quagga"))
