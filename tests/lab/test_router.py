"""From TOSCA to packets and back, with the real cfy, on the real thing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.hosts import run
from tests.lab import processes, routing
from tests.lab.cfy import Cfy

pytestmark = pytest.mark.usefixtures("untouched")

SERVERS = ("10.0.0.1", "10.10.0.1")
PREFIXES = {"10.0.0.0/24", "10.10.0.0/24"}
NODE1 = "10.200.0.11"


def reaches(address: str) -> bool:
    """Whether the client gets an answer from the address."""
    return run("client", ["ping", "-c", "1", "-W", "1", address]).returncode == 0


def router_pod(kubectl: Callable[..., str], jsonpath: str) -> str:
    """One field of the router's pod, as the API server has it."""
    return kubectl(
        "get", "pods", "-l", "app.kubernetes.io/name=quagga", "-o", f"jsonpath={{.items[0].{jsonpath}}}"
    )


@pytest.fixture
def plain_cfy(tmp_path: Path) -> Iterator[Cfy]:
    """As its user starts it."""
    made = Cfy(tmp_path / "cfy")
    yield made
    made.uninstall_the_rest()


def test_two_blueprints_make_packets_flow_and_take_it_back_twice(plain_cfy: Cfy, least: Path) -> None:
    before = routing.state()
    for _ in range(2):
        assert not any(reaches(server) for server in SERVERS)
        plain_cfy.install("cluster", kubeconfig=str(least), node="node1")
        plain_cfy.install("router", cluster_deployment="cluster")
        assert all(reaches(server) for server in SERVERS)
        hops = run("client", ["traceroute", "-n", "-q", "1", "-m", "3", SERVERS[0]]).stdout.splitlines()
        assert hops[1].split()[:2] == ["1", NODE1]
        assert routing.kernel_routes("node1") == PREFIXES
        plain_cfy.uninstall("router")
        assert routing.changes(before, routing.state()) == []
        plain_cfy.uninstall("cluster")


def test_the_cluster_uninstalled_before_its_router(cfy: Cfy, least: Path) -> None:
    cfy.install("cluster", kubeconfig=str(least), node="node1")
    cfy.install("router", cluster_deployment="cluster")
    cfy.uninstall("cluster")
    cfy.uninstall("router")


def test_ipv6_is_routed_too(labelled: Cfy) -> None:
    assert not reaches("2001:db8:10::1")
    routes = [{"prefix": "2001:db8:10::/64", "next_hop": "fd00:172::1"}]
    labelled.install(
        "router", cluster_deployment="cluster", routes=routes, forwarding={"ipv4": False, "ipv6": True}
    )
    assert reaches("2001:db8:10::1")
    labelled.uninstall("router")


def test_every_form_of_a_static_route_reaches_the_kernel(labelled: Cfy) -> None:
    routes = [
        {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"},
        {"prefix": "10.10.0.0/24", "next_hops": ["172.16.0.1", "172.16.0.2"], "distance": 10},
        {"prefix": "192.0.2.0/24", "blackhole": True},
        {"prefix": "198.51.100.0/24", "interface": "eth1"},
        {"prefix": "2001:db8:1::/48", "interface": "eth1"},
        {"prefix": "2001:db8:2::/48", "next_hop": "fd00:172::1"},
        {"prefix": "2001:db8:3::/48", "next_hop": "fe80::1", "interface": "eth1"},
    ]
    labelled.install("router", cluster_deployment="cluster", routes=routes)
    assert routing.kernel_routes("node1") == {
        "10.0.0.0/24",
        "10.10.0.0/24",
        "192.0.2.0/24",
        "198.51.100.0/24",
    }
    assert routing.kernel_routes("node1", ipv6=True) == {
        "2001:db8:1::/48",
        "2001:db8:2::/48",
        "2001:db8:3::/48",
    }
    balanced = run("node1", ["ip", "route", "show", "10.10.0.0/24"]).stdout
    assert "172.16.0.1" in balanced
    assert "172.16.0.2" in balanced
    labelled.uninstall("router")


def test_a_killed_container_leaves_nothing_after_uninstall(labelled: Cfy) -> None:
    labelled.install("router", cluster_deployment="cluster")
    os.kill(processes.container_init("node1"), signal.SIGKILL)
    labelled.uninstall("router")
    assert routing.kernel_routes("node1") == set()
