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
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts, image, kubebuild, state
from tests.lab import routing
from tests.lab.cfy import PROJECT, Cfy, WarmCfy
from tests.lab.living import Router

OURS = "app.kubernetes.io/managed-by=cloudify"
KINDS = "daemonsets,deployments,statefulsets,jobs,pods,configmaps,secrets,services,leases"

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


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The lab, up, with the router's image in its registry; its administrator's kubeconfig."""
    subprocess.run([sys.executable, "-m", "lab", "up"], cwd=PROJECT, check=True)
    subprocess.run([sys.executable, "-m", "lab", "image", "docker/quagga", "quagga"], cwd=PROJECT, check=True)
    return state.current().kubeconfig


@pytest.fixture(scope="session")
def image_root(kubeconfig: Path) -> Path:
    """The image's root file system, unpacked."""
    return image.build(PROJECT / "docker" / "quagga", "quagga")


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Callable[..., str]:
    """Runs the real kubectl and returns what it printed."""

    def call(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
        # As `python -m lab kubectl` runs it, but without a Python for each of some thousand calls.
        program = [kubebuild.program("kubectl"), f"--cache-dir={state.current().directory / 'kubectl'}"]
        env = {**os.environ, "KUBECONFIG": str(state.current().kubeconfig)}
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


@pytest.fixture(scope="session")
def pod_networks(kubectl: Callable[..., str]) -> None:
    """Every node has had a pod: the bridge of the pods' network comes with the first, and stays."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(_FIRST))
    kubectl("rollout", "status", "daemonset/first", "--timeout=120s")
    kubectl("delete", "daemonset", "first", "--wait", "--cascade=foreground")
    until("the pods' links are gone", lambda: not any(map(_links_of_pods, ("node1", "node2"))), 20)


@pytest.fixture
def untouched(kubectl: Callable[..., str]) -> Iterator[None]:
    """Fails the test unless hosts, labels and objects are at its end what they were at its start."""
    with nothing_left(kubectl):
        yield


@contextmanager
def nothing_left(kubectl: Callable[..., str]) -> Iterator[None]:
    """A block at whose end hosts, labels and objects have to be what they were at its start."""
    before = routing.state(), _cluster_state(kubectl)
    assert before[1]["objects"] == [], "the lab holds objects of ours before the test begins"
    yield
    # A deleted pod's containers and the API's view of them settle within a moment of each other.
    deadline = time.monotonic() + 5
    while (routing.state(), _cluster_state(kubectl)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert routing.state() == before[0]
    assert _cluster_state(kubectl) == before[1]


@pytest.fixture(scope="module")
def standing(
    least: Path, kubectl: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Router]:
    """A router with the blueprint's own routes on node1, for all tests of a module."""
    directory = tmp_path_factory.mktemp("standing")
    cfy = WarmCfy(directory / "cfy")
    made = Router(cfy, directory)
    with nothing_left(kubectl):
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
    yield standing
    try:
        standing.reset()
        assert routing.beside_a_router(routing.state()) == before
    except Exception:
        # What one test leaves is not to fail all that come after it.
        standing.install_anew()
        raise


@pytest.fixture(scope="session")
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


@pytest.fixture
def labelled(cfy: Cfy, least: Path) -> Cfy:
    """A `cfy` that has installed the cluster blueprint on node1, with the least rights."""
    cfy.install("cluster", kubeconfig=str(least), node="node1")
    return cfy


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
    while not (result := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return result


def _links_of_pods(node: str) -> list[str]:
    links = json.loads(hosts.run(node, ["ip", "-j", "link"], check=True).stdout)
    return [link["ifname"] for link in links if link["ifname"].startswith("veth")]


def _cluster_state(kubectl: Callable[..., str]) -> dict[str, Any]:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    objects = kubectl("get", KINDS, "--all-namespaces", "-l", OURS, "-o", "name").split()
    return {
        "labels": {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes},
        "managers": {node["metadata"]["name"]: _our_managers(node) for node in nodes},
        "objects": objects,
    }


def _our_managers(node: dict[str, Any]) -> list[str]:
    """Field managers of ours that still own something of the node."""
    names = [entry["manager"] for entry in node["metadata"].get("managedFields", [])]
    return sorted(name for name in names if name.startswith("cloudify-quagga"))
