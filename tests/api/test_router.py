"""What keeps a router from being made: a real API server and the real cfy, before anything is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster
from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle import ending, ownership, preflight
from cloudify_quagga.lifecycle import router as life
from cloudify_quagga.lifecycle.labels import holders
from cloudify_quagga.lifecycle.ownership import Marks, Owner
from cloudify_quagga.lifecycle.record import Journal
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity
from tests.api.conftest import FakeNode
from tests.lab.cfy import Cfy


@pytest.fixture
def labelled(kubeconfig: Path, node: FakeNode, cfy: Cfy) -> Cfy:
    """A `cfy` that has installed the cluster blueprint on a node with a label of its own."""
    labels = {"quagga-router": node.name}
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels=labels)
    return cfy


@pytest.fixture
def nothing_made(cluster: Cluster, labelled: Cfy) -> Iterator[None]:
    """Fails the test if the router's deployment has made anything."""
    before = made(cluster)
    yield
    assert made(cluster) == before


def made(cluster: Cluster) -> set[str]:
    return {
        str(found["metadata"]["uid"])
        for api_version, kind in ownership.KINDS
        for found in cluster.find(api_version, kind, selector=ownership.OURS)
    }


def refused(cfy: Cfy, **inputs: Any) -> str:
    """What the install of the router blueprint says when it fails at once, and can be uninstalled."""
    said = cfy.install("router", cluster_deployment="cluster", check=False, **inputs)
    assert said.returncode != 0
    assert "[retry" not in said.stdout
    cfy.uninstall("router")
    return said.stdout


@pytest.mark.usefixtures("nothing_made")
class TestRefusedBeforeAnythingIsMade:
    def test_a_namespace_that_admits_no_pods(
        self, labelled: Cfy, core: client.CoreV1Api, namespace: str
    ) -> None:
        # Where no controller counts what is used, the API server refuses until somebody has.
        hard = {"pods": "0"}
        quota = {"metadata": {"name": "none"}, "spec": {"hard": hard}}
        core.create_namespaced_resource_quota(namespace, quota)
        status = {"status": {"hard": hard, "used": {"pods": "0"}}}
        core.patch_namespaced_resource_quota_status("none", namespace, status)
        # The API server's own view of quotas lags a little.
        time.sleep(1)
        said = refused(labelled, namespace=namespace)
        assert f"namespace: {namespace} does not admit the router's pod" in said
        assert "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0" in said

    def test_a_namespace_that_does_not_exist(self, labelled: Cfy) -> None:
        assert "namespace: quagga-nowhere is no namespace of https://" in refused(
            labelled, namespace="quagga-nowhere"
        )

    @pytest.mark.parametrize(
        ("route", "sentence"),
        [
            ({"prefix": "10.0.0.5/24", "next_hop": "172.16.0.1"}, "has host bits set"),
            ({"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1", "distanec": 3}, "distanec"),
            ({"prefix": "192.0.2.0/24", "next_hop": "172.16.0.1"}, "would draw away the packets to quagga-"),
        ],
    )
    def test_a_route(self, route: dict[str, Any], sentence: str, labelled: Cfy) -> None:
        said = refused(labelled, routes=[route])
        assert sentence in said

    def test_an_interfaces_name(self, labelled: Cfy) -> None:
        assert "interfaces[0]: " in refused(labelled, interfaces=["eth0;reboot"])


@pytest.fixture
def inhabited(core: client.CoreV1Api, namespace: str) -> Iterator[str]:
    """A namespace with a service, and pods: one that runs, one that ran, one on its node's network."""
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    core.create_namespaced_service(namespace, service)
    pods = {"runs": ("Running", "198.51.100.7"), "ran": ("Succeeded", "198.51.100.70")}
    pods["hosted"] = ("Running", "198.51.100.71")
    for name, (phase, address) in pods.items():
        spec = {"containers": [{"name": "it", "image": "it"}], "hostNetwork": name == "hosted"}
        spec["automountServiceAccountToken"] = False
        core.create_namespaced_pod(namespace, {"metadata": {"name": name}, "spec": spec})
        status = {"phase": phase, "podIP": address, "podIPs": [{"ip": address}]}
        core.patch_namespaced_pod_status(name, namespace, {"status": status})
    yield namespace
    for name in pods:
        core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)


def test_a_route_to_what_lives_in_the_cluster(
    cluster: Cluster, core: client.CoreV1Api, node: FakeNode, inhabited: str
) -> None:
    def said(prefix: str) -> str:
        prefixes = ("198.51.100.70/32", "198.51.100.71/32", prefix)
        routes = [{"prefix": one, "blackhole": True} for one in prefixes]
        router = Router.parse({"node_selector": node.labels, "namespace": inhabited, "routes": routes})
        owner = Owner(Identity("router", "quagga", "quagga_guard1"), "here", frozenset(), "")
        with pytest.raises(Refused) as refusal:
            preflight.check_router(cluster, owner, router)
        return str(refusal.value)

    refused = "routes[2].prefix: 198.51.100.0/29 would draw away the packets to the pod"
    assert f"{refused} {inhabited}/runs (198.51.100.7/32)" in said("198.51.100.0/29")
    address = core.read_namespaced_service("web", inhabited).spec.cluster_ip
    assert f"the service {inhabited}/web ({address}/32)" in said(f"{address}/32")


def test_nodes_that_nobody_has(node: FakeNode, core: client.CoreV1Api, labelled: Cfy) -> None:
    core.patch_node(node.name, {"metadata": {"labels": {"quagga-router": None}}})
    said = refused(labelled)
    assert f"node_selector: quagga-router={node.name} matches no node" in said
    assert node.name in said


@pytest.fixture
def rival(
    core: client.CoreV1Api, labelled: Cfy, node: FakeNode, other_node: FakeNode, namespace: str
) -> Iterator[Callable[[str], None]]:
    """Puts a router of another deployment on the node; a second node has the same label and no router."""
    label = {"metadata": {"labels": {"quagga-router": node.name}}}
    core.patch_node(other_node.name, label)
    identity = Identity("rival", "quagga", "quagga_rival1")
    made_in: list[str] = []

    def make(where: str) -> None:
        router = Router.parse(
            {"node_selector": {"quagga-router": node.name}, "kind": "Pod", "namespace": where}
        )
        pod = render.objects(router, identity)[-1]
        pod["spec"]["nodeName"] = node.name
        core.create_namespaced_pod(where, pod)
        made_in.append(where)

    yield make
    for where in made_in:
        core.delete_namespaced_pod(identity.object_name, where, grace_period_seconds=0)


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "Pod"])
def test_a_node_that_another_namespaces_router_has(
    kind: str, labelled: Cfy, rival: Callable[[str], None], namespace: str
) -> None:
    rival(namespace)
    said = refused(labelled, kind=kind)
    assert "another router lives already" in said
    assert f"in namespace {namespace} of deployment 'rival'" in said


def test_the_only_other_node_is_cordoned(
    core: client.CoreV1Api, labelled: Cfy, other_node: FakeNode, rival: Callable[[str], None]
) -> None:
    rival("default")
    core.patch_node(other_node.name, {"spec": {"unschedulable": True}})
    assert "another router lives already" in refused(labelled, kind="Deployment")


def test_a_node_is_free_beside_a_router_that_the_scheduler_sees(
    cluster: Cluster, node: FakeNode, rival: Callable[[str], None]
) -> None:
    rival("default")
    owner = Owner(Identity("router", "quagga", "quagga_beside"), "here", frozenset(), "cfy uninstall -b")
    selector = {"quagga-router": node.name}
    preflight.check_router(cluster, owner, Router.parse({"node_selector": selector, "kind": "Deployment"}))


@pytest.fixture
def another(cluster: Cluster, node: FakeNode) -> Iterator[Callable[[Owner], None]]:
    """Leaves what a router of another instance makes before it runs; it never does."""
    identities: list[Identity] = []

    def make(owner: Owner) -> None:
        identities.append(owner.identity)
        router = Router.parse({"node_selector": {"quagga-router": node.name}})
        life.create(cluster, owner, router, {}, Journal(lambda _: None, print))

    yield make
    for identity in identities:
        ending.delete(cluster, identity)


def test_an_earlier_install_is_refused_and_removed(
    labelled: Cfy, cluster: Cluster, another: Callable[[Owner], None]
) -> None:
    before = made(cluster)
    earlier = Identity("router", "quagga", "quagga_gone42")
    another(Owner(earlier, origin_of(cluster), frozenset(), ""))
    left = ownership.of_instance(cluster, earlier)
    assert [manifest["kind"] for manifest in left] == ["ConfigMap"]
    said = labelled.install("router", cluster_deployment="cluster", check=False)
    assert said.returncode != 0
    assert "deployment 'router' has been installed before and still lives" in said.stdout
    assert f"ConfigMap {earlier.object_name} in namespace default" in said.stdout
    assert "`cfy uninstall -b router` removes it" in said.stdout
    done = labelled.uninstall("router")
    assert earlier.object_name in done.stdout
    assert made(cluster) == before


def test_an_install_from_elsewhere_is_not_touched(
    labelled: Cfy, cluster: Cluster, another: Callable[[Owner], None]
) -> None:
    earlier = Identity("router", "quagga", "quagga_else42")
    another(Owner(earlier, "somewhere else", frozenset(), ""))
    refused(labelled, namespace="quagga-nowhere")
    assert len(ownership.of_instance(cluster, earlier)) == 1


def test_creating_twice_changes_nothing(cluster: Cluster, another: Callable[[Owner], None]) -> None:
    owner = Owner(Identity("router", "quagga", "quagga_twice4"), "here", frozenset(), "")
    another(owner)
    (first,) = ownership.of_instance(cluster, owner.identity)
    another(owner)
    (second,) = ownership.of_instance(cluster, owner.identity)
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert Marks.of(first) == Marks("router", "quagga", "quagga_twice4", "here")


def origin_of(cluster: Cluster) -> str:
    """What the profile of this test writes on what it makes, read from the node that it labelled."""
    found = [holder for node in cluster.find("v1", "Node") for holder in holders(node)]
    (origin,) = {holder.marks.origin for holder in found}
    return origin
