"""Everything around a router fails: its store, its kubelet, its namespace; and what it costs is nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import traffic
from tests.lab import faults, processes, routing
from tests.lab.cfy import Cfy
from tests.lab.conftest import until
from tests.lab.faults import Request
from tests.lab.living import Router, clean, routes, routing_router
from tests.lab.test_placement import Placed
from tests.lab.test_router import PREFIXES
from tests.lab.test_ssh import register_anew

pytestmark = pytest.mark.usefixtures("untouched")

Kubectl = Callable[..., str]
BLUEPRINT = "blueprints/router/local.yaml"
# Until the API server is itself again.
PATIENTLY = ("--task-retries", "20")


@pytest.fixture
def labelled(cfy: Cfy, least: Path) -> Cfy:
    """A cluster of a test's own, since others here label the same node or take the node away."""
    cfy.install("cluster", kubeconfig=str(least), node="node1")
    return cfy


@pytest.fixture
def router(labelled: Cfy, tmp_path: Path) -> Router:
    return routing_router(labelled, tmp_path)


def is_ready(kubectl: Kubectl) -> bool:
    ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return kubectl("get", "node", "node1", "-o", ready) == "True"


def test_the_api_servers_store_dies_and_comes_back(labelled: Cfy, tmp_path: Path) -> None:
    labelled.expect("router")
    with faults.strike(Request("patch", "configmaps"), faults.crash_etcd):
        labelled("install", BLUEPRINT, "-b", "router", "-i", "cluster_deployment=cluster", *PATIENTLY)
    assert routing.kernel_routes("node1") == PREFIXES
    router = Router(labelled, tmp_path)
    with traffic.Stream() as stream, faults.strike(Request("patch", "configmaps"), faults.crash_etcd):
        router.change(retries=20, routes=routes(["10.0.0.0/24", "10.20.0.0/24"]))
    assert stream.delivery.lost == 0
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
    with faults.strike(Request("delete", "daemonsets"), faults.crash_etcd):
        said = labelled("uninstall", "-b", "router", *PATIENTLY).stdout
    labelled.forget("router")
    assert clean("node1", said)
    assert routing.kernel_routes("node1") == set()


@pytest.fixture
def placed(least: Path, cfy: Cfy) -> Placed:
    """A router on both nodes; it is uninstalled at the end, whatever has become of it."""
    made = Placed(cfy, least)
    cfy.expect("placed")
    assert made.install().returncode == 0
    return made


def test_a_node_that_is_away_is_not_said_to_be_clean(placed: Placed, cfy: Cfy, kubectl: Kubectl) -> None:
    with traffic.Stream() as stream:
        with faults.stopped(processes.find("node1", "kubelet")):
            stopped = time.monotonic()
            until("the node is NotReady", lambda: not is_ready(kubectl), 90)
            assert re.search(r"Task failed '.*check_status' -> .* on node1 does not answer", placed.ailment())
            said = placed.update(routes=routes(["10.0.0.0/24", "10.20.0.0/24"])).stdout
            assert "the node is not Ready, and takes the change when it is back" in said
            assert routing.kernel_routes("node2") == {"10.0.0.0/24", "10.20.0.0/24"}
            assert routing.kernel_routes("node1") == {"10.0.0.0/24"}
            time.sleep(max(0.0, stopped + 60 - time.monotonic()))
        until("the node is Ready again", lambda: is_ready(kubectl), 60)
        # Sooner than its kubelet would see to it.
        assert "Task failed" not in placed.heal()
        assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
    assert stream.delivery.lost == 0
    until("all is well again", lambda: not placed.ailment(), 60)
    with faults.stopped(processes.find("node1", "kubelet")):
        until("the node is NotReady", lambda: not is_ready(kubectl), 90)
        began = time.monotonic()
        with faults.killed_at_its_end("node2"):
            done = placed.uninstall()
        assert time.monotonic() - began < 60
        assert done.returncode != 0
        assert "`kubectl delete node node1`" in done.stdout
        assert "node1 is not Ready: bring it back and try again" in done.stdout
        assert "node1: " not in done.stdout
        # What is left on the node that answers is not left there until the other one does.
        assert "node2: swept: 0 routes left" in done.stdout, done.stdout[-6000:]
        assert routing.kernel_routes("node2") == set()
        assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
    until("the node is Ready again", lambda: is_ready(kubectl), 60)
    said = cfy.uninstall("placed").stdout
    assert clean("node1", said)
    assert "node2" not in said
    assert routing.kernel_routes("node1") == set()


def test_a_node_that_is_deleted_and_registers_anew(router: Router, cfy: Cfy, kubectl: Kubectl) -> None:
    register_without_its_label(kubectl)
    said = cfy("executions", "start", "check_status", "-b", "cluster", check=False)
    assert said.returncode != 0
    assert "role" in said.stdout
    cfy("executions", "start", "heal", "-b", "cluster", "-p", "allow_reinstall=false")
    until("all is well again", router.is_well, 60)
    assert routing.kernel_routes("node1") == PREFIXES
    # Nobody puts it back, and nothing stays all the same.
    register_without_its_label(kubectl)
    assert clean("node1", cfy.uninstall("router").stdout)
    assert routing.kernel_routes("node1") == set()


def register_without_its_label(kubectl: Kubectl) -> None:
    """Have node1's router ended by a kubelet that starts and finds that it is not for this node any more.

    One of 1.20 tells it to end, and kills all that is in its control group within 50 ms: routes may stay.
    """
    register_anew(kubectl)
    until("the router has ended", lambda: not processes.find("node1", "zebra"), 60)


def test_a_namespace_that_is_deleted_under_its_router(cfy: Cfy, kubeconfig: Path, kubectl: Kubectl) -> None:
    # Rights in a namespace go with it, so this one is an administrator's.
    cfy.install("cluster", kubeconfig=str(kubeconfig), node="node1")
    kubectl("create", "namespace", "routers")
    try:
        cfy.install("router", cluster_deployment="cluster", namespace="routers")
        kubectl("delete", "namespace", "routers", "--wait")
        assert routing.kernel_routes("node1") == set()
        # Nobody has heard that: it is made sure of.
        said = cfy("uninstall", "-b", "router", check=False)
        assert said.returncode != 0
        assert "`kubectl create namespace routers` and uninstall again" in said.stdout
        kubectl("create", "namespace", "routers")
        assert "node1: swept: 0 routes left" in cfy.uninstall("router").stdout
    finally:
        kubectl("delete", "namespace", "routers", "--ignore-not-found")
