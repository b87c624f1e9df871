"""The pod of 2017, applied by hand: the image alone keeps every promise about routes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lab import hosts, traffic
from tests.lab import processes, routing
from tests.lab.conftest import until
from tests.lab.living import MANY, NEXT_HOP, SECOND
from tests.lab.test_router import PREFIXES, SERVERS, reaches

pytestmark = pytest.mark.usefixtures("untouched")

MANIFEST = Path(__file__).with_name("pod-2017.yaml")
Kubectl = Callable[..., str]


@pytest.fixture
def node1_is_router(kubectl: Kubectl) -> Iterator[None]:
    """node1 with the label that the pod asks for, as `kubectl label` gives it."""
    kubectl("label", "node", "node1", "role=router")
    yield
    kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", "--wait")
    kubectl("label", "node", "node1", "role-")


@pytest.mark.usefixtures("node1_is_router")
def test_it_routes_and_its_deletion_leaves_nothing(kubectl: Kubectl) -> None:
    before = routing.state()
    kubectl("apply", "-f", str(MANIFEST))
    until("the servers answer", lambda: all(reaches(server) for server in SERVERS), 60)
    assert routing.kernel_routes("node1") == PREFIXES
    until("the kubelet knows its container", lambda: _known(kubectl), 30)
    kubectl("delete", "-f", str(MANIFEST), "--wait")
    assert routing.changes(before, routing.state()) == []


@pytest.mark.usefixtures("node1_is_router")
def test_killed_and_then_deleted_it_leaves_nothing(kubectl: Kubectl) -> None:
    before = routing.state()
    kubectl("apply", "-f", str(MANIFEST))
    until("the servers answer", lambda: all(reaches(server) for server in SERVERS), 60)
    os.kill(processes.container_init("node1"), signal.SIGKILL)
    assert all(reaches(server) for server in SERVERS)
    # Until the kubelet knows the new container, a deletion would kill it with its sandbox, unasked; only the
    # plugin, which sweeps a node after such an end, can promise more than that.
    until("the kubelet knows the new container", lambda: _restarted(kubectl), 30)
    until("the router is ready again", lambda: "ready" in _log_lines(kubectl), 30)
    kubectl("delete", "-f", str(MANIFEST), "--wait")
    assert routing.changes(before, routing.state()) == []


@pytest.mark.usefixtures("node1_is_router", "second_next_hop")
def test_other_next_hops_cost_a_restart_and_with_it_packets(kubectl: Kubectl) -> None:
    def pod(next_hop: str) -> str:
        told = yaml.safe_load(MANIFEST.read_text())
        told["spec"]["containers"][0]["env"][1]["value"] = ",".join(f"{one} {next_hop}" for one in MANY)
        return yaml.safe_dump(told)

    def all_through(next_hop: str) -> bool:
        shown = hosts.run("node1", ["ip", "route", "show", "proto", routing.STATICD]).stdout
        return shown.count(f" via {next_hop} ") == len(MANY)

    kubectl("apply", "-f", "-", stdin=pod(NEXT_HOP))
    until("it routes", lambda: all_through(NEXT_HOP), 60)
    until("the kubelet knows its container", lambda: _known(kubectl), 30)
    with traffic.TableWatch("node1", MANY) as table, traffic.Stream() as stream:
        kubectl("delete", "-f", str(MANIFEST), "--wait")
        kubectl("apply", "-f", "-", stdin=pod(SECOND))
        until("it routes otherwise", lambda: all_through(SECOND), 60)
    until("the kubelet knows its container", lambda: _known(kubectl), 30)
    kubectl("delete", "-f", str(MANIFEST), "--wait")
    assert table.lowest == 0
    assert stream.delivery.sent >= 1000
    assert stream.delivery.lost > 0


@pytest.mark.usefixtures("node1_is_router")
def test_a_command_in_interfaces_is_refused_and_not_run(kubectl: Kubectl) -> None:
    pod = yaml.safe_load(MANIFEST.read_text())
    pod["spec"]["containers"][0]["env"][0]["value"] = "eth0;reboot"
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(pod))
    path = "jsonpath={.status.containerStatuses[0].lastState.terminated.message}"
    message = until("it says why", lambda: kubectl("get", "pod", "nginx", "-o", path), 30)
    assert message.startswith("refused: INTERFACES[0]: ")
    assert "eth0;reboot" in message
    # It is started again and again, and says nothing at first.
    until("its log has it", lambda: message in kubectl("logs", "nginx", check=False), 30)
    assert routing.kernel_routes("node1") == set()
    # Nothing of it runs, and a kubelet that restarts it later and later loses sight of it at times.
    kubectl("delete", "pod", "nginx", "--force", "--grace-period=0")


def _known(kubectl: Kubectl) -> bool:
    ready = "jsonpath={.status.containerStatuses[0].ready}"
    return kubectl("get", "pod", "nginx", "-o", ready) == "true"


def _restarted(kubectl: Kubectl) -> bool:
    status = "jsonpath={.status.containerStatuses[0].restartCount}{.status.containerStatuses[0].ready}"
    return kubectl("get", "pod", "nginx", "-o", status) == "1true"


def _log_lines(kubectl: Kubectl) -> set[str]:
    """What the router said, without the time."""
    return {line.rpartition(" router: ")[2] for line in kubectl("logs", "nginx").splitlines()}
