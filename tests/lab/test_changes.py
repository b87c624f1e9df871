"""A router that is changed while it runs: no packet is lost, and what is refused changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lab import hosts, traffic
from tests.lab import faults, processes, routing
from tests.lab.conftest import until
from tests.lab.faults import Request
from tests.lab.living import MANY, SECOND, Router, pod_of, routes
from tests.lab.test_router import PREFIXES, router_pod

TEMPLATE = "quagga.cloudify.co/template-hash"
# Packets of a tenth of a second.
A_TENTH = traffic.RATE / 10


@pytest.mark.usefixtures("second_next_hop")
def test_all_next_hops_change_and_no_packet_is_lost(router: Router, kubectl: Callable[..., str]) -> None:
    router.change(routes=routes(MANY))
    before = pod_of(kubectl)
    with traffic.TableWatch("node1", MANY) as table, traffic.Stream() as stream:
        router.change(routes=routes(MANY, SECOND))
    assert table.lowest == len(MANY)
    assert table.looks > 500
    assert stream.delivery.sent >= 1000
    assert stream.delivery.lost == 0
    assert pod_of(kubectl) == before
    shown = hosts.run("node1", ["ip", "route", "show", "proto", routing.STATICD]).stdout.splitlines()
    assert len(shown) == len(MANY)
    assert all(f"via {SECOND} " in line for line in shown)


def test_one_route_more_is_there_at_once_and_one_less_is_gone(
    router: Router, kubectl: Callable[..., str]
) -> None:
    before = pod_of(kubectl)
    router.change(routes=routes(["10.0.0.0/24", "10.20.0.0/24"]))
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
    assert router.remembered()["router"]["wanted"]["routes"][1]["prefix"] == "10.20.0.0/24"
    assert pod_of(kubectl) == before


def test_without_properties_it_is_again_what_its_node_says(router: Router) -> None:
    for back in (partial(router.operation, "lifecycle.update"), router.reset):
        router.change(routes=[], forwarding={"ipv4": True, "ipv6": True})
        assert routing.kernel_routes("node1") == set()
        back()
        assert routing.kernel_routes("node1") == PREFIXES
    forwards = hosts.run("node1", ["cat", "/proc/sys/net/ipv6/conf/all/forwarding"]).stdout
    assert forwards.strip() == "0"


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"routes": routes(["10.0.0.5/24"])}, "routes[0].prefix: 10.0.0.5/24 has host bits set"),
        ({"routes": routes(["10.200.0.0/24"])}, "routes[0].prefix: 10.200.0.0/24"),
        ({"raw": "router ospf\n no such words"}, "% Unknown command"),
        ({"interfaces": ["eth0", "eth9"]}, "'eth9' is not an interface of node1"),
        ({"security": "capabilities"}, "security: capabilities cannot take over on node1, where this"),
    ],
)
def test_what_is_refused_changes_nothing(
    properties: dict[str, Any], sentence: str, router: Router, kubectl: Callable[..., str]
) -> None:
    before, remembered = pod_of(kubectl), router.remembered()
    said = router.change(check=False, **properties)
    assert sentence in said
    assert "[retry" not in said
    assert routing.kernel_routes("node1") == PREFIXES
    assert pod_of(kubectl) == before
    assert router.remembered() == remembered


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        # Only the daemon that runs knows that it has another AS already.
        ({"raw": ["router bgp 65001", "exit", "router bgp 65002"]}, "65001"),
        ({"routes": routes(sorted(PREFIXES), "192.0.2.77")}, "did not come into the kernel within 5 s"),
    ],
)
def test_what_the_daemons_decline_is_undone(
    properties: dict[str, Any], sentence: str, router: Router, kubectl: Callable[..., str]
) -> None:
    before, wanted = pod_of(kubectl), router.remembered()["router"]["wanted"]
    with traffic.TableWatch("node1", PREFIXES) as table, traffic.Stream() as stream:
        said = router.change(check=False, **properties)
    assert re.search(rf"refused the configuration: .*{sentence}.*; what was before is in force again", said)
    assert (table.lowest, stream.delivery.lost) == (len(PREFIXES), 0)
    assert pod_of(kubectl) == before
    assert router.remembered()["router"]["wanted"] == wanted
    assert router.drift() == {}
    assert router.is_well()


def test_a_container_that_is_killed_for_memory_comes_back_to_its_routes(
    router: Router, kubectl: Callable[..., str]
) -> None:
    [uid, restarts] = pod_of(kubectl)
    with traffic.TableWatch("node1", PREFIXES) as table, traffic.Stream() as stream:
        faults.kill_for_memory(processes.container_init("node1"))
        again = [uid, str(int(restarts) + 1)]
        until("it was started again", lambda: pod_of(kubectl) == again, 30)
        until("it is ready", router.is_well, 30)
    assert router_pod(kubectl, "status.containerStatuses[0].lastState.terminated.reason") == "OOMKilled"
    assert table.lowest == len(PREFIXES)
    assert stream.delivery.lost <= A_TENTH


def test_what_needs_a_restart_says_so(router: Router, kubectl: Callable[..., str]) -> None:
    before = pod_of(kubectl)
    said = router.change(check_seconds=7)
    assert "this needs new pods" in said
    assert pod_of(kubectl) != before
    assert routing.kernel_routes("node1") == PREFIXES


def test_other_properties_are_drift_until_an_update(router: Router) -> None:
    before = router.given["routes"]
    router.give(routes=routes(["10.0.0.0/24", "10.20.0.0/24"]))
    try:
        assert router.drift().keys() == {"properties"}
        router.operation("lifecycle.update")
        assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
        assert router.drift() == {}
    finally:
        router.give(routes=before)


def test_a_router_that_another_version_made_is_taken_over(
    router: Router, kubectl: Callable[..., str]
) -> None:
    [workload] = json.loads(kubectl("get", "daemonsets", "-o", "json"))["items"]
    managers = [entry["manager"] for entry in workload["metadata"].pop("managedFields")]
    [ours] = [name for name in managers if name.startswith("cloudify-quagga")]
    workload["spec"]["template"]["metadata"]["annotations"][TEMPLATE] = "of-another-version"
    as_ours = ("apply", "--server-side", "--force-conflicts", f"--field-manager={ours}", "-f", "-")
    kubectl(*as_ours, stdin=json.dumps(workload))
    kubectl("delete", "pods", "--all", "--wait")
    until("it routes again", lambda: routing.kernel_routes("node1") == PREFIXES, 30)
    before = pod_of(kubectl)
    assert "of-another-version" in json.dumps(router.drift())
    assert "this needs new pods" in router.reset()
    assert pod_of(kubectl) != before
    assert routing.kernel_routes("node1") == PREFIXES
    assert router.drift() == {}


def test_ospf_comes_and_goes_beside_the_static_routes(router: Router, kubectl: Callable[..., str]) -> None:
    before = pod_of(kubectl)
    with traffic.Stream() as stream:
        router.change(raw=["router ospf", " network 172.16.0.0/24 area 0"])
        pod = router_pod(kubectl, "metadata.name")
        table = ("exec", pod, "--", "vtysh", "-c", "show ip ospf route")
        until("ospfd has reckoned", lambda: "172.16.0.0/24" in kubectl(*table), 10)
        router.change(raw=[])
    assert stream.delivery.lost == 0
    assert routing.kernel_routes("node1") == PREFIXES
    assert pod_of(kubectl) == before


def test_a_change_that_was_cut_off_is_finished_by_the_next_operation(router: Router) -> None:
    wanted = routes(["10.0.0.0/24", "10.20.0.0/24"])
    asked = Request("patch", "configmaps")
    with router.changing(routes=wanted) as command, faults.strike(asked, command.kill):
        command.communicate(timeout=60)
    assert command.returncode == -signal.SIGKILL
    router.operation("lifecycle.heal")
    assert routing.kernel_routes("node1") == {"10.0.0.0/24", "10.20.0.0/24"}
    router.operation("validation.check_status")


def test_of_two_changes_at_once_one_comes_after_the_other(router: Router) -> None:
    one, other = routes(["10.0.0.0/24", "10.20.0.0/24"]), routes(["10.0.0.0/24", "10.30.0.0/24"])
    with router.changing(routes=one) as first, router.changing(routes=other) as second:
        said = [command.communicate(timeout=120)[0] for command in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], "\n".join(said)
    present = routing.kernel_routes("node1")
    assert present in ({"10.0.0.0/24", "10.20.0.0/24"}, {"10.0.0.0/24", "10.30.0.0/24"})
    router.reset()
    assert routing.kernel_routes("node1") == PREFIXES


def test_a_killed_container_costs_next_to_nothing(router: Router, kubectl: Callable[..., str]) -> None:
    [uid, restarts] = pod_of(kubectl)
    with traffic.TableWatch("node1", PREFIXES) as table, traffic.Stream() as stream:
        os.kill(processes.container_init("node1"), signal.SIGKILL)
        again = [uid, str(int(restarts) + 1)]
        until("it was started again", lambda: pod_of(kubectl) == again, 30)
        until("it is ready", router.is_well, 30)
    assert table.lowest == len(PREFIXES)
    # One was seen to be lost while the routes of before gave way to those of the next life.
    assert stream.delivery.lost <= A_TENTH
