"""However an install or a router ended, uninstalling leaves every host as it was, and says what was wrong."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import packages, registry, traffic
from lab.hosts import run
from tests.lab import faults, routing
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.conftest import until
from tests.lab.faults import Request
from tests.lab.living import Router, clean, pod_of, tear_away
from tests.lab.test_router import router_pod

pytestmark = pytest.mark.usefixtures("untouched")

ROUTER = ("install", "blueprints/router/local.yaml", "-i", "cluster_deployment=cluster")
WORKLOAD = ("get", "daemonsets,deployments", "-o", "name")


@pytest.mark.parametrize(
    ("kind", "moment"), [("Deployment", Request("patch", "deployments")), ("Pod", Request("delete", "pods"))]
)
def test_other_kinds_route_too_and_finish_a_restart_that_was_cut_off(
    kind: str, moment: Request, labelled: Cfy, kubectl: Callable[..., str], tmp_path: Path
) -> None:
    labelled.install("router", cluster_deployment="cluster", kind=kind)
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}
    router, before = Router(labelled, tmp_path), pod_of(kubectl)
    with router.changing(check_seconds=7) as command, faults.strike(moment, command.kill):
        command.communicate(timeout=60)
    assert command.returncode == -signal.SIGKILL
    assert "Task failed" not in router.operation("lifecycle.heal")
    assert pod_of(kubectl) != before
    assert router_pod(kubectl, "spec.containers[0].env").count('"7"') == 1
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}
    assert clean("node1", labelled.uninstall("router").stdout)


def test_a_second_install_over_a_living_one_is_refused_and_uninstalled_with_it(labelled: Cfy) -> None:
    labelled.install("router", cluster_deployment="cluster")
    again = labelled(*ROUTER, "-b", "router", check=False)
    assert again.returncode != 0
    assert "deployment 'router' has been installed before and still lives" in again.stdout
    assert "`cfy uninstall -b router` removes it" in again.stdout
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}
    assert clean("node1", labelled.uninstall("router").stdout)


def test_a_second_router_on_the_same_node_is_refused(labelled: Cfy) -> None:
    labelled.install("router", cluster_deployment="cluster")
    labelled.expect("other")
    other = labelled(*ROUTER, "-b", "other", check=False)
    assert other.returncode != 0
    assert "node_selector: on node1 another router lives already, DaemonSet router-" in other.stdout
    assert "`cfy uninstall -b router` removes it" in other.stdout
    labelled.uninstall("other")
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}


def test_of_two_routers_that_ask_for_a_node_at_the_same_moment_one_gets_it(labelled: Cfy) -> None:
    commands = {name: labelled.started(*ROUTER, "-b", name) for name in ("one", "other")}
    for name in commands:
        labelled.expect(name)
    said = {name: command.communicate(timeout=200)[0] for name, command in commands.items()}
    failed = [name for name, command in commands.items() if command.returncode != 0]
    assert len(failed) == 1, said
    # Which of them was seen by the other beforehand is chance.
    seen = "node_selector: on node1 another router lives already"
    met = "another router is running in this network namespace; one node has room for one router"
    assert seen in said[failed[0]] or met in said[failed[0]], said[failed[0]]
    # The loser goes, and the winner routes on.
    with traffic.Stream() as stream:
        labelled.uninstall(failed[0])
    assert stream.delivery.lost == 0
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}


def test_an_interface_that_the_node_lacks_fails_at_once(labelled: Cfy) -> None:
    said = labelled.install(
        "router", cluster_deployment="cluster", interfaces=["eth0", "eth9"], check=False
    ).stdout
    # Pods on the pod network, in tests before this one, have given the node a bridge.
    links = json.loads(run("node1", ["ip", "-j", "link"]).stdout)
    names = ", ".join(sorted(link["ifname"] for link in links))
    assert f"'eth9' is not an interface of node1, which has {names}" in said
    assert "[retry" not in said
    labelled.uninstall("router")


def test_an_image_that_cannot_be_pulled_is_told_with_its_events(labelled: Cfy) -> None:
    labelled.expect("router")
    said = labelled(*ROUTER, "-b", "router", "-i", "image=nosuch", "--task-retries", "0", check=False)
    assert said.returncode != 0
    assert "on node1 is not ready: ImagePullBackOff" in said.stdout or "ErrImagePull" in said.stdout
    # The last three tell of its pulling, or of the time that it waits between two tries.
    assert re.search(r'events: .*(Pulling|Back-off pulling) image "nosuch"', said.stdout)
    labelled.uninstall("router")


def test_an_install_that_was_killed_is_uninstalled(labelled: Cfy, kubectl: Callable[..., str]) -> None:
    with labelled.begin("router", *ROUTER, "-b", "router", "-i", "image=nosuch") as install:
        waits = "jsonpath={.items[*].status.containerStatuses[*].state.waiting.reason}"
        until("it has no image", lambda: "Pull" in kubectl("get", "pods", "-o", waits), 30)
        install.kill()
    labelled.uninstall("router")


def test_a_router_whose_pod_was_torn_away_is_swept(labelled: Cfy, kubectl: Callable[..., str]) -> None:
    labelled.install("router", cluster_deployment="cluster")
    tear_away(kubectl)
    assert "node1: swept: 0 routes left" in labelled.uninstall("router").stdout


def test_a_node_that_has_the_image_no_more_is_not_said_to_be_clean(
    labelled: Cfy, kubectl: Callable[..., str]
) -> None:
    publish = [sys.executable, "-m", "lab", "image", "docker/quagga", "fleeting"]
    subprocess.run(publish, cwd=PROJECT, check=True)
    labelled.install("router", cluster_deployment="cluster", image="fleeting")
    ctr = [packages.tool("ctr"), "--namespace=k8s.io", "images", "rm", "docker.io/library/fleeting:latest"]
    run("node1", ctr, check=True)
    shutil.rmtree(registry.storage() / "docker/registry/v2/repositories/library/fleeting")
    tear_away(kubectl)
    said = labelled("uninstall", "-b", "router", check=False)
    assert said.returncode != 0
    assert "routes may be left on node1, and the pod that was to remove them has no image" in said.stdout
    assert "let node1 have fleeting again and try again" in said.stdout
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}
    subprocess.run(publish, cwd=PROJECT, check=True)
    assert "node1: swept: 0 routes left" in labelled.uninstall("router").stdout


def test_a_router_that_is_killed_while_it_stops_is_swept(labelled: Cfy) -> None:
    labelled.install("router", cluster_deployment="cluster")
    with faults.killed_at_its_end("node1"):
        said = labelled.uninstall("router").stdout
    assert "node1: routes may be left, since router-" in said
    assert "node1: swept: 0 routes left" in said


def test_two_installs_of_one_deployment_at_once(labelled: Cfy, kubectl: Callable[..., str]) -> None:
    commands = [labelled.started(*ROUTER, "-b", "router") for _ in range(2)]
    labelled.expect("router")
    said = [command.communicate(timeout=200)[0] for command in commands]
    # Both may find that nothing is there yet; what they make is one router all the same.
    assert 0 in [command.returncode for command in commands], "\n".join(said)
    assert len(kubectl(*WORKLOAD).split()) == 1
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.10.0.0/24"}
    labelled.uninstall("router")
