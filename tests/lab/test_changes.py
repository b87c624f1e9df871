"""A router that is changed while it runs: no packet is lost, and what is refused changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, traffic
from tests.lab import routing
from tests.lab.conftest import Cfy
from tests.lab.test_router import PREFIXES, router_pod

pytestmark = pytest.mark.usefixtures("untouched")

FIRST, SECOND = "172.16.0.1", "172.16.0.2"
MANY = ["10.0.0.0/24", *(f"198.18.{n // 64}.{n % 64 * 4}/30" for n in range(1999))]


class Router:
    """The deployment `router` on node1, changed by the plugin's own workflow."""

    def __init__(self, cfy: Cfy, directory: Path) -> None:
        self._cfy = cfy
        self._parameters = directory / "parameters.json"

    def change(self, *, check: bool = True, **properties: Any) -> str:
        """What `cfy executions start quagga_update` said."""
        # In a file, since a command line has not the room for many routes.
        self._parameters.write_text(json.dumps({"properties": properties}))
        arguments = ("executions", "start", "quagga_update", "-b", "router", "-p", str(self._parameters))
        return self._cfy(*arguments, check=check).stdout

    def operation(self, name: str, *, check: bool = True, **kwargs: Any) -> str:
        """What an operation of the router said."""
        parameters = {
            "operation": f"cloudify.interfaces.{name}",
            "node_ids": ["quagga"],
            "operation_kwargs": kwargs,
            "allow_kwargs_override": True,
        }
        arguments = ("executions", "start", "execute_operation", "-b", "router", "-p", json.dumps(parameters))
        return self._cfy(*arguments, check=check).stdout

    def remembered(self) -> dict[str, Any]:
        """The router's runtime properties."""
        instances = json.loads(self._cfy("node-instances", "-b", "router").stdout)
        (found,) = [one for one in instances if one["node_id"] == "quagga"]
        told: dict[str, Any] = found["runtime_properties"]
        return told


@pytest.fixture
def router(labelled: Cfy, tmp_path: Path) -> Router:
    """A router that has nothing to do yet but for the servers' routes."""
    labelled.install("router", cluster_deployment="cluster")
    return Router(labelled, tmp_path)


@pytest.fixture
def second_next_hop() -> Iterator[None]:
    """The server answers at another address too, through which the same is reached."""
    address = f"{SECOND}/24"
    hosts.run("server", ["ip", "address", "add", address, "dev", "eth1"], check=True)
    yield
    hosts.run("server", ["ip", "address", "del", address, "dev", "eth1"], check=True)


def routes(prefixes: Sequence[str], next_hop: str = FIRST) -> list[dict[str, Any]]:
    return [{"prefix": prefix, "next_hop": next_hop} for prefix in prefixes]


def pod_of(kubectl: Callable[..., str]) -> tuple[str, str]:
    """Which pod it is, and how often its container was started again."""
    return router_pod(kubectl, "metadata.uid"), router_pod(kubectl, "status.containerStatuses[0].restartCount")


@pytest.mark.usefixtures("second_next_hop")
def test_all_next_hops_change_and_no_packet_is_lost(router: Router, kubectl: Callable[..., str]) -> None:
    router.change(routes=routes(MANY))
    before = pod_of(kubectl)
    with traffic.TableWatch("node1", MANY) as table, traffic.Stream() as stream:
        router.change(routes=routes(MANY, SECOND))
    assert table.lowest == len(MANY)
    assert table.readings > 100
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
    router.change(routes=[], forwarding={"ipv4": True, "ipv6": True})
    assert routing.kernel_routes("node1") == set()
    assert "forwarding" in router.operation("lifecycle.check_drift")
    router.operation("lifecycle.update")
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


def test_what_needs_a_restart_says_so(router: Router, kubectl: Callable[..., str]) -> None:
    before = pod_of(kubectl)
    said = router.change(check_seconds=7)
    assert "this needs new pods" in said
    assert pod_of(kubectl) != before
    assert routing.kernel_routes("node1") == PREFIXES


def test_ospf_comes_and_goes_beside_the_static_routes(router: Router, kubectl: Callable[..., str]) -> None:
    before = pod_of(kubectl)
    with traffic.Stream() as stream:
        router.change(raw=["router ospf", " network 172.16.0.0/24 area 0"])
        pod = router_pod(kubectl, "metadata.name")
        assert "172.16.0.0/24" in kubectl("exec", pod, "--", "vtysh", "-c", "show ip ospf route")
        router.change(raw=[])
    assert stream.delivery.lost == 0
    assert routing.kernel_routes("node1") == PREFIXES
    assert pod_of(kubectl) == before
