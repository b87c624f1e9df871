"""What of a cluster a router's routes may not draw away; that a prefix overlaps is the model's to see."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga.cluster import Manifest, Right, UnknownKind
from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle import preflight
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity
from tests.unit.small_cluster import SmallCluster

OWNER = Owner(Identity("router", "quagga", "quagga_guard1"), "here", frozenset(), "cfy uninstall -b")


def made(api_version: str, kind: str, name: str, **content: Any) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        **content,
    }


def service(**spec: Any) -> Manifest:
    return made("v1", "Service", "web", spec=spec)


def pod(*addresses: str, **spec: Any) -> Manifest:
    return made("v1", "Pod", "web-1", spec=spec, status={"podIPs": [{"ip": one} for one in addresses]})


SERVICE_CIDR = made("networking.k8s.io/v1", "ServiceCIDR", "kubernetes", spec={"cidrs": ["10.96.0.0/12"]})


def check(cluster: SmallCluster, prefix: str) -> None:
    labels = {"role": "router"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1", "labels": labels}, "spec": {}}
    cluster.put(node)
    router = Router.parse({"node_selector": labels, "routes": [{"prefix": prefix, "blackhole": True}]})
    preflight.check_router(cluster, OWNER, router)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "prefix", "what"),
    [
        (service(clusterIP="10.96.0.7"), "10.96.0.0/24", "the service shop/web (10.96.0.7/32)"),
        (
            service(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7", "fd00:96::7"]),
            "fd00:96::/64",
            "the service shop/web (fd00:96::7/128)",
        ),
        (pod("10.244.1.9"), "10.244.0.0/16", "the pod shop/web-1 (10.244.1.9/32)"),
        (pod("10.244.1.9", "fd00:244::9"), "fd00:244::/64", "the pod shop/web-1 (fd00:244::9/128)"),
        (SERVICE_CIDR, "10.100.0.0/24", "services (10.96.0.0/12)"),
    ],
)
def test_a_route_to_what_the_cluster_lives_on_is_refused(there: Manifest, prefix: str, what: str) -> None:
    cluster = SmallCluster()
    check(cluster, prefix)
    cluster.put(there)
    with pytest.raises(Refused) as refusal:
        check(cluster, prefix)
    assert f"routes[0].prefix: {prefix} would draw away the packets to {what}; if" in str(refusal.value)


@pytest.mark.parametrize(
    "there",
    [
        service(clusterIP="None", clusterIPs=["None"]),
        service(type="ExternalName", externalName="shop.example"),
        pod("192.0.2.7", hostNetwork=True),
        pod(),
        made("v1", "Pod", "web-1", spec={}),
    ],
)
def test_what_has_no_address_of_its_own_is_in_nobodys_way(there: Manifest) -> None:
    cluster = SmallCluster()
    cluster.put(there)
    check(cluster, "192.0.2.0/24")


class Older(SmallCluster):
    """Knows no ServiceCIDR."""

    def may(self, right: object) -> bool:
        assert isinstance(right, Right)
        if right.kind == "ServiceCIDR":
            raise UnknownKind("the API server knows no ServiceCIDR")
        return True


class Narrow(SmallCluster):
    """Lets no one see what the router itself has no need of."""

    def may(self, right: object) -> bool:
        assert isinstance(right, Right)
        return right.kind not in ("Service", "ServiceCIDR", "Endpoints")

    def find(self, api_version: str, kind: str, *more: Any, **others: Any) -> list[Manifest]:
        assert kind not in ("Service", "ServiceCIDR")
        return super().find(api_version, kind, *more, **others)


@pytest.mark.parametrize("cluster", [Older(), Narrow()])
def test_what_cannot_be_seen_keeps_nobody_from_routing(cluster: SmallCluster) -> None:
    check(cluster, "10.96.0.0/12")
